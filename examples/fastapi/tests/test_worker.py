"""The Celery worker: in its own processes, on the database of the web server."""

import os
import secrets
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import processes
import pytest
from api import VOICE
from celery import Celery
from kingcong import InsufficientCredits, KingCong, Maintenance, Mode, Speech
from processes import PATIENCE_SECONDS, Postgres, Program


@pytest.fixture(scope="module")
def env(postgres: Postgres, redis: str) -> dict[str, str]:
    return {
        "DATABASE_URL": postgres.database("worker"),
        "KINGCONG_MASTER_KEY": secrets.token_hex(32),
        "DEMO_VOICES": "true",
        "REDIS_URL": redis,
        "DEAD_AFTER_SECONDS": "3",
    }


@pytest.fixture(scope="module")
def kc(env: dict[str, str]) -> Iterator[KingCong]:
    """Another process on the same database, which buys and looks, and leaves the work to the worker."""
    with KingCong.open(
        env["DATABASE_URL"],
        preset="kingcong",
        master_key=env["KINGCONG_MASTER_KEY"],
        mode=Mode.CLIENT,
        dead_after=timedelta(seconds=float(env["DEAD_AFTER_SECONDS"])),
    ) as kc:
        for server in ("ai33", "ai84"):
            kc.keys.add(server, "elevenlabs", f"sk-of-{server}")
        yield kc
        verified = kc.verify()
        assert verified.is_sound, verified.discrepancies


@pytest.fixture(scope="module")
def worker(env: dict[str, str], kc: KingCong, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = processes.worker(tmp_path_factory.mktemp("celery"), env)
    yield program
    program.stop()
    assert "was not closed" not in program.printed, program.printed


@pytest.fixture(scope="module")
def tasks(redis: str, worker: Program) -> Iterator[Celery]:
    """What sends tasks: any program that knows the broker."""
    with Celery(broker=redis, backend=redis) as app:
        yield app


def arguments(user: str, key: str) -> list[str]:
    return [user, "Xin chào các bạn.", "elevenlabs", VOICE, key]


def test_a_task_submits_once_and_another_waits(kc: KingCong, tasks: Celery) -> None:
    kc.wallets.purchase("reader", "package-1", "order-of-reader")
    sent = [tasks.send_task("speak", arguments("reader", "story")) for _ in range(3)]
    (job,) = {one.get(timeout=PATIENCE_SECONDS) for one in sent}
    report = tasks.send_task("wait_for", [job]).get(timeout=PATIENCE_SECONDS)
    assert report["job"]["state"] == "completed"
    assert kc.wallets.get("reader").balance == 1_000_000 - len("Xin chào các bạn.")


def test_what_will_not_pass_is_raised_at_once(tasks: Celery, worker: Program) -> None:
    sent = tasks.send_task("speak", arguments("poor", "story"))
    with pytest.raises(InsufficientCredits) as refused:
        sent.get(timeout=PATIENCE_SECONDS)
    assert not refused.value.retryable
    assert f"[{sent.id}] retry" not in worker.printed


def test_what_may_pass_is_tried_again_until_it_does(kc: KingCong, tasks: Celery, worker: Program) -> None:
    kc.wallets.purchase("patient", "package-1", "order-of-patient")
    kc.config.set_maintenance(Maintenance(services=("elevenlabs",)))
    sent = tasks.send_task("speak", arguments("patient", "story"))
    worker.wait_for(f"[{sent.id}] retry: Retry in")
    kc.config.set_maintenance(Maintenance())
    job = sent.get(timeout=PATIENCE_SECONDS)
    assert kc.job(job).wait(timeout=PATIENCE_SECONDS).job.state == "completed"


def test_a_killed_process_loses_no_task(kc: KingCong, tasks: Celery, worker: Program) -> None:
    kc.wallets.purchase("unlucky", "package-1", "order-of-unlucky")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    request = Speech("unlucky", "Later.", service="elevenlabs", voice=VOICE, start_at=tomorrow)
    job = kc.submit(request)
    before = worker.children
    waits = tasks.send_task("wait_for", [job.id])
    worker.wait_for(f"wait_for[{waits.id}] received")
    for child in before:
        os.kill(child, signal.SIGKILL)
    # The task is given to a new process, which waits again.
    job.cancel()
    assert waits.get(timeout=PATIENCE_SECONDS)["job"]["state"] == "cancelled"
    assert set(worker.children).isdisjoint(before)
    assert kc.wallets.get("unlucky").available == 1_000_000
