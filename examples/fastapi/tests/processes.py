"""The programs that tests need, for them alone: on free ports, in own folders, stopped by process id."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

#: Nothing here takes long; what takes so long hangs.
PATIENCE_SECONDS = 90


class Program:
    """A running program, and what it printed."""

    def __init__(
        self, *command: str, cwd: Path, env: Mapping[str, str] | None = None, user: str | None = None
    ) -> None:
        self.name = Path(command[0]).name
        self._printed: list[str] = []
        self._has_ended = False
        self._more = threading.Condition()
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            user=user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._more:
                    self._printed.append(line.rstrip())
                    self._more.notify_all()
        with self._more:
            self._has_ended = True
            self._more.notify_all()

    @property
    def printed(self) -> str:
        """Everything so far."""
        with self._more:
            return "\n".join(self._printed)

    def wait_for(self, text: str, times: int = 1) -> str:
        """Waits until it has printed a text so often, and gives the line."""

        def found() -> list[str]:
            return [line for line in self._printed if text in line]

        with self._more:
            self._more.wait_for(lambda: len(found()) >= times or self._has_ended, PATIENCE_SECONDS)
            lines = found()
        assert len(lines) >= times, f"{self.name} did not print {text!r}:\n{self.printed}"
        return lines[-1]

    @property
    def children(self) -> list[int]:
        """The processes that it started."""
        pid = self._process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kill(self) -> None:
        """Kills it and its children at once; none of them notices."""
        for pid in [self._process.pid, *self.children]:
            os.kill(pid, signal.SIGKILL)
        self._wait()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Asks it to stop, and waits until it has."""
        if self._process.poll() is None:
            self._process.send_signal(how)
        self._wait()

    def _wait(self) -> None:
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"{self.name} did not stop:\n{self.printed}") from None
        self._reader.join(PATIENCE_SECONDS)


@contextmanager
def running(program: Program, how: signal.Signals = signal.SIGTERM) -> Iterator[Program]:
    """Stops it in the end."""
    try:
        yield program
    finally:
        program.stop(how)


def free_port() -> str:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


# --- servers


@dataclass
class Postgres:
    """A PostgreSQL server of the tests' own."""

    port: str
    programs: Path

    def database(self, name: str) -> str:
        """Makes a database and gives its URL."""
        where = ["-h", "127.0.0.1", "-p", self.port, "-U", "postgres"]
        subprocess.run([self.programs / "createdb", *where, name], check=True, stdin=subprocess.DEVNULL)
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Starts PostgreSQL. It refuses to run as root, so root runs it as its own user."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    assert installed, "there is no PostgreSQL: apt-get install postgresql"
    programs, port = installed[-1], free_port()
    user = "postgres" if os.getuid() == 0 else None
    with TemporaryDirectory(prefix="kingcong-postgres-") as name:
        folder = Path(name)
        if user is not None:
            shutil.chown(folder, user)
        init = [
            f"{programs}/initdb",
            "-D",
            "data",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(init, check=True, cwd=folder, user=user, stdout=subprocess.DEVNULL)
        settings = ["-c", "fsync=off", "-c", "max_connections=200", "-c", f"unix_socket_directories={folder}"]
        command = [f"{programs}/postgres", "-D", "data", "-h", "127.0.0.1", "-p", port, *settings]
        with running(Program(*command, cwd=folder, user=user), signal.SIGINT) as server:
            server.wait_for("ready to accept connections")
            yield Postgres(port, programs)


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Starts Redis, which keeps nothing, and gives its URL."""
    port = free_port()
    options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with running(Program("redis-server", *options, cwd=folder)) as server:
        server.wait_for("Ready to accept connections")
        yield f"redis://127.0.0.1:{port}/0"


@dataclass
class Upstreams:
    """The simulated AI33 and AI84."""

    program: Program
    servers: dict[str, dict[str, Any]]

    def counted(self) -> list[dict[str, Any]]:
        """Stops them; what they counted."""
        self.program.stop(signal.SIGINT)
        counted = json.loads(self.program.printed.splitlines()[1])
        return [counted["ai33"], counted["ai84"]]


@contextmanager
def upstreams(folder: Path, keys: int) -> Iterator[Upstreams]:
    """Starts the simulator, a program of the workspace, with so many keys a server."""
    program = os.environ["KINGCONG_UPSTREAMS"]
    options = ["--keys", str(keys), "--latency-ms", "1000", "--audio-ms", "1000"]
    with running(Program(program, *options, cwd=folder), signal.SIGINT) as simulator:
        yield Upstreams(simulator, json.loads(simulator.wait_for("{")))


# --- this project's programs


def demo(folder: Path) -> Program:
    """Starts what the README says: ``python -m kingcong_example``, on a port of the system's choice."""
    options = ["--folder", str(folder), "--port", "0"]
    return Program(sys.executable, "-W", "error", "-m", "kingcong_example", *options, cwd=folder)


def web(folder: Path, env: Mapping[str, str], workers: int, port: int) -> Program:
    """Starts the web server as in production; port 0 is one of the system's choice."""
    options = ["--workers", str(workers), "--port", str(port), "--no-access-log"]
    command = [sys.executable, "-W", "error", "-m", "uvicorn", "kingcong_example.app:app", *options]
    server = Program(*command, cwd=folder, env=env)
    server.wait_for("Application startup complete", workers)
    return server


def url_of(server: Program) -> str:
    """Where a web server listens, once it does."""
    return server.wait_for("Uvicorn running on").partition("running on ")[2].split()[0]


def worker(folder: Path, env: Mapping[str, str]) -> Program:
    """Starts a Celery worker with two processes."""
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "kingcong_example.worker",
        "worker",
        "-c",
        "2",
        "-l",
        "info",
    ]
    program = Program(*command, cwd=folder, env=env)
    program.wait_for("ready.")
    return program
