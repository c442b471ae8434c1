"""The manners of a process: forks, Ctrl-C, the end of the interpreter, logging. Each in a process of its own."""

from __future__ import annotations

import doctest
import importlib
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).parent
#: A process that needs longer hangs.
HANGS_AFTER_S = 150

OPEN = """
import os, sys
from conftest import LIMITS, Upstream, speech, wav
from kingcong import *
OPTIONS = {"preset": "kingcong", "master_key": bytes(32)}
"""


def run(script: str, *arguments: str, before: str = OPEN) -> str:
    """What a script prints; it must end well, and say nothing on its error stream."""
    command = [sys.executable, "-W", "error", "-c", before + textwrap.dedent(script), *arguments]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=HANGS_AFTER_S)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_a_client_used_in_a_forked_child_is_refused_at_once(database: str) -> None:
    printed = run(
        """
        kc = KingCong.open(sys.argv[1], **OPTIONS)
        kc.wallets.purchase("user-1", "package-1", "order-1")
        child = os.fork()
        if child == 0:
            try:
                kc.wallets.get("user-1")
            except Forked as error:
                print(error.code, "open one after the fork" in str(error), flush=True)
            try:
                KingCong.open(sys.argv[1], **OPTIONS)
            except Forked as error:
                print("SQLite" in str(error), flush=True)
            # A child may open a client of its own elsewhere, and end like any process.
            with KingCong.open("memory:", **OPTIONS) as own:
                print(own.wallets.purchase("user-1", "package-1", "order-2").balance_after, flush=True)
            sys.exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        print(kc.wallets.get("user-1").balance)
        kc.close()
        """,
        database,
    )
    assert printed.split("\n") == ["forked True", "True", "1000000", "1000000", ""]


def test_celery_like_children_open_after_the_fork(database: str) -> None:
    printed = run(
        """
        import multiprocessing

        def work(number):
            global kc
            return kc.wallets.adjust("user-1", 1, reason="gift", idempotency_key=str(number)).amount

        def start(url):
            global kc
            kc = KingCong.open(url, **OPTIONS)

        KingCong.open(sys.argv[1], **OPTIONS).close()
        with multiprocessing.get_context("fork").Pool(4, start, (sys.argv[1],)) as pool:
            print(sum(pool.map(work, range(40))))
        with KingCong.open(sys.argv[1], **OPTIONS) as kc:
            print(kc.wallets.get("user-1").balance)
        """,
        database,
    )
    assert printed.split() == ["40", "40"]


def test_threads_that_open_first_of_all_at_once_share_one_runtime() -> None:
    printed = run(
        """
        import threading
        barrier, opened = threading.Barrier(8), []

        def work():
            barrier.wait()
            with KingCong.open("memory:", **OPTIONS) as kc:
                opened.append(kc.wallets.purchase("user-1", "package-1", "order-1").amount)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(len(opened))
        """
    )
    assert printed.split() == ["8"]


def test_daemon_threads_that_wait_do_not_disturb_the_end(database: str) -> None:
    printed = run(
        """
        import threading, warnings
        from datetime import datetime, timedelta, timezone
        warnings.simplefilter("ignore", ResourceWarning)
        kc = KingCong.open(sys.argv[1], **OPTIONS)
        begun = threading.Event()

        def work():
            while True:
                kc.wallets.get("user-1")
                begun.set()

        def wait_for_ever():
            kc.job(job).wait()

        kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests")
        kc.wallets.adjust("user-1", 100, reason="test", idempotency_key="first")
        job = kc.submit(speech(start_at=datetime.now(timezone.utc) + timedelta(days=1))).id
        for target in (work, work, work, wait_for_ever):
            threading.Thread(target=target, daemon=True).start()
        begun.wait()
        print("ends")
        """,
        database,
    )
    assert printed == "ends\n"


def test_an_interpreter_ends_with_work_in_flight(database: str) -> None:
    for kind in ("blocking", "awaited"):
        printed = run(
            """
            import asyncio, warnings
            warnings.simplefilter("ignore", ResourceWarning)

            class Never(Upstream):
                async def call(self, call):
                    await asyncio.Event().wait()

            async def awaited():
                kc = await AsyncKingCong.open(sys.argv[1], providers=[Never()], **OPTIONS)
                await kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests")
                await kc.wallets.adjust("user-1", 100, reason="test", idempotency_key="first")
                await kc.submit(speech())
                return kc

            if sys.argv[2] == "awaited":
                kc = asyncio.run(awaited())
            else:
                kc = KingCong.open(sys.argv[1], providers=[Never()], **OPTIONS)
                kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests")
                kc.wallets.adjust("user-1", 100, reason="test", idempotency_key="first")
                kc.submit(speech())
            print("ends")
            """,
            f"{database}-{kind}",
            kind,
        )
        assert printed == "ends\n"


def test_ctrl_c_ends_the_waiting_and_not_the_job(database: str, tmp_path: Path) -> None:
    script = """
        import asyncio, signal

        # Who is started in the background inherits that SIGINT is ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        class Held(Upstream):
            async def call(self, call):
                print("called", flush=True)
                while not os.path.exists(sys.argv[2]):
                    await asyncio.sleep(0.01)
                return await super().call(call)

        with KingCong.open(sys.argv[1], providers=[Held()], **OPTIONS) as kc:
            kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests")
            kc.config.set_weights({"ai33": 1, "ai84": 0})
            kc.wallets.adjust("user-1", 100, reason="test", idempotency_key="first")
            job = kc.submit(speech())
            try:
                print("waiting", flush=True)
                job.wait()
            except KeyboardInterrupt:
                print("interrupted", flush=True)
                open(sys.argv[2], "w").close()
            print(job.wait().job.charged)
    """
    let = str(tmp_path / "let")
    command = [sys.executable, "-c", OPEN + textwrap.dedent(script), database, let]
    process = subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert {process.stdout.readline(), process.stdout.readline()} == {"called\n", "waiting\n"}
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=HANGS_AFTER_S)
    assert rest.split() == ["interrupted", "9"]
    assert process.returncode == 0


def test_events_of_the_library_are_logged_and_no_secret_is(database: str) -> None:
    printed = run(
        """
        import asyncio, logging, threading
        from datetime import timedelta
        logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(name)s %(levelname)s %(message)s")
        called = threading.Event()

        class Never(Upstream):
            async def call(self, call):
                called.set()
                await asyncio.Event().wait()

        with KingCong.open(sys.argv[1], providers=[Never()], drain=timedelta(0), **OPTIONS) as kc:
            kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests")
            kc.config.set_weights({"ai33": 1, "ai84": 0})
            kc.wallets.adjust("user-1", 100, reason="test", idempotency_key="first")
            kc.submit(speech())
            called.wait()
        """,
        database,
    )
    assert "WARNING closing with calls under way: they will be taken over" in printed
    assert "sk-canary" not in printed


def test_importing_needs_nothing_else_and_starts_nothing() -> None:
    printed = run(
        """
        import threading
        print(threading.active_count(), len(os.listdir("/proc/self/task")))
        """
    )
    assert printed.split() == ["1", "1"]


def test_code_that_waits_loads_no_event_loop() -> None:
    printed = run(
        """
        import sys
        import kingcong
        with kingcong.KingCong.open("memory:", preset="kingcong", master_key=bytes(32)) as kc:
            kc.wallets.purchase("user-1", "package-1", "order-1")
        print("asyncio" in sys.modules, "AsyncKingCong" in dir(kingcong), hasattr(kingcong, "SyncKingCong"))
        print(kingcong.AsyncKingCong.__name__, "asyncio" in sys.modules)
        """,
        before="",
    )
    assert printed.split("\n") == ["False True False", "AsyncKingCong True", ""]


def test_every_example_of_the_documentation_runs() -> None:
    ran = 0
    for name in ("kingcong", "_async_client", "_client", "_doors", "_errors", "_types", "_wire", "providers"):
        module = importlib.import_module("kingcong" if name == "kingcong" else f"kingcong.{name}")
        result = doctest.testmod(module)
        assert result.failed == 0, name
        ran += result.attempted
    # The doors' examples are found through their wrappers too.
    assert ran > 30
