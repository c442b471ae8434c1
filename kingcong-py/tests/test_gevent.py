"""Under gevent, which patches the standard library: whoever waits lets the other greenlets go on.

Each test is a process of its own: what was patched stays so.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path

import pytest

#: A process that has not ended by then, in seconds, hangs.
HANGS_S = 60

PATCHED = """
from gevent import monkey
monkey.patch_all()
import asyncio, gevent, logging, threading
from kingcong import AsyncKingCong, KingCong, Limits, Speech
from kingcong.providers import Audio, Call, Reply

OPTIONS = {"preset": "kingcong", "master_key": bytes(32)}
HEAD = "524946466406000057415645666d74201000000001000100401f0000803e0000020010006461746140060000"
WAV = bytes.fromhex(HEAD) + bytes(1600)
SPEECH = Speech("user-1", "Hello!", service="elevenlabs", voice="a-voice")

class Held:
    protocol = "ai33"
    let = False
    async def call(self, call):
        while not self.let:
            await asyncio.sleep(0.001)
        return Reply(Audio(WAV, "audio/wav"))

def prepare(kc):
    kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests", limits=Limits(1000, 100_000))
    kc.config.set_weights({"ai33": 1, "ai84": 0})
    kc.wallets.adjust("user-1", 10_000, reason="test", idempotency_key="first")
"""


def ran(code: str, *arguments: str) -> list[str]:
    """The lines that a patched process prints; it must end by itself."""
    program = [sys.executable, "-c", PATCHED + textwrap.dedent(code), *arguments]
    done = subprocess.run(program, timeout=HANGS_S, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_client_opens_answers_and_closes() -> None:
    opened = """
        logging.basicConfig(level=logging.DEBUG)
        for _ in range(2):
            with KingCong.open("memory:", **OPTIONS) as kc:
                print(kc.wallets.get("user-1").balance)
    """
    assert ran(opened) == ["0", "0"]


def test_a_client_on_a_file_opens_answers_and_closes(tmp_path: Path) -> None:
    opened = """
        import sys
        with KingCong.open(sys.argv[1], **OPTIONS) as kc:
            print(kc.wallets.purchase("user-1", "package-1", "order-1").balance_after)
    """
    assert ran(opened, f"sqlite://{tmp_path}/kingcong.db") == ["1000000"]


def test_waiting_greenlets_hold_up_no_other() -> None:
    waiting = """
        provider = Held()
        with KingCong.open("memory:", providers=[provider], **OPTIONS) as kc:
            prepare(kc)
            waiting = [gevent.spawn(lambda: kc.run(SPEECH).job.state.value) for _ in range(50)]
            gevent.sleep(0)
            assert not any(greenlet.ready() for greenlet in waiting)
            provider.let = True
            gevent.joinall(waiting, raise_error=True)
            print({greenlet.value for greenlet in waiting})
    """
    assert ran(waiting) == ["{'completed'}"]


def test_threads_of_patched_programs_share_a_client() -> None:
    shared = """
        with KingCong.open("memory:", **OPTIONS) as kc:
            threads = [threading.Thread(target=kc.wallets.get, args=("user-1",)) for _ in range(20)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            pool = gevent.get_hub().threadpool
            print(pool.apply(lambda: kc.wallets.get("user-1").balance))
    """
    assert ran(shared) == ["0"]


def test_waiting_ends_in_time_and_by_force_and_the_job_goes_on() -> None:
    ended = """
        provider = Held()
        with KingCong.open("memory:", providers=[provider], **OPTIONS) as kc:
            prepare(kc)
            job = kc.submit(SPEECH)
            try: job.wait(timeout=0.01)
            except TimeoutError as error: print("in time" in str(error))
            mine = gevent.Timeout(0.01)
            try:
                with mine: job.wait()
            except gevent.Timeout as error: print(error is mine)
            killed = gevent.spawn(job.wait)
            gevent.sleep(0)
            killed.kill()
            provider.let = True
            print(job.wait().job.state.value)
    """
    assert ran(ended) == ["True", "True", "completed"]


def test_plain_functions_are_providers_and_errors_are_raised() -> None:
    raised = """
        class Plain:
            protocol = "ai33"
            def call(self, call):
                gevent.sleep(0.001)
                return Reply(Audio(WAV, "audio/wav"))
        with KingCong.open("memory:", providers=[Plain()], **OPTIONS) as kc:
            prepare(kc)
            print(kc.run(SPEECH).job.state.value)
            try: kc.wallets.purchase("user-1", "no-such", "order-1")
            except Exception as error: print(type(error).__name__)
            print(sum(1 for _ in kc.submit(SPEECH).events()) > 0)
    """
    assert ran(raised) == ["completed", "NotFound", "True"]


def test_event_loops_await_as_elsewhere() -> None:
    awaited = """
        async def main():
            async with await AsyncKingCong.open("memory:", **OPTIONS) as kc:
                return (await kc.wallets.get("user-1")).balance
        print(asyncio.run(main()))
    """
    assert ran(awaited) == ["0"]


WEB = """
from kingcong import KingCong

def app(environ, start_response):
    global kc
    if "kc" not in globals():
        kc = KingCong.open("memory:", preset="kingcong", master_key=bytes(32))
    start_response("200 OK", [("content-type", "text/plain")])
    return [str(kc.wallets.get("user-1").balance).encode()]
"""


def test_gunicorns_workers_of_gevent_serve_with_it(tmp_path: Path) -> None:
    pytest.importorskip("gunicorn")
    (tmp_path / "web.py").write_text(WEB)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "gunicorn", "-k", "gevent", "-w", "1", "-b", f"127.0.0.1:{port}", "web:app"]
    with subprocess.Popen(program, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            # It says so when its worker is there.
            assert any("Booting worker" in line for line in server.stderr)
            for _ in range(3):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=HANGS_S) as answer:
                    assert answer.read() == b"0"
        finally:
            server.terminate()
            server.wait(HANGS_S)


TASKS = """
import os
from celery import Celery
from kingcong import KingCong

folder = os.environ["TASKS_FOLDER"]
app = Celery("tasks", broker="filesystem://", backend=f"file://{folder}/results")
app.conf.broker_transport_options = {
    "data_folder_in": f"{folder}/broker", "data_folder_out": f"{folder}/broker", "control_folder": f"{folder}/control"
}

@app.task
def balance():
    global kc
    if "kc" not in globals():
        kc = KingCong.open("memory:", preset="kingcong", master_key=bytes(32))
    return str(kc.wallets.get("user-1").balance)
"""


def test_celerys_pool_of_gevent_works_with_it(tmp_path: Path) -> None:
    pytest.importorskip("celery")
    (tmp_path / "tasks.py").write_text(TASKS)
    for name in ("broker", "control", "results"):
        (tmp_path / name).mkdir()
    environment = os.environ | {"TASKS_FOLDER": str(tmp_path)}
    worker = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-P", "gevent", "-c", "10"]
    quiet = subprocess.DEVNULL
    ask = "import tasks; print([asked.get(timeout=60) for asked in [tasks.balance.delay() for _ in range(5)]])"
    with subprocess.Popen(worker, cwd=tmp_path, env=environment, stdout=quiet, stderr=quiet) as server:
        try:
            done = subprocess.run(
                [sys.executable, "-c", ask], cwd=tmp_path, env=environment, timeout=2 * HANGS_S, capture_output=True
            )
            assert done.stdout == b"['0', '0', '0', '0', '0']\n", done.stderr
        finally:
            server.terminate()
            server.wait(HANGS_S)
