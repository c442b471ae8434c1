"""The Celery worker: the same library, in the worker's processes, on the same database.

``celery -A kingcong_example.worker worker`` starts it. A task may run twice, after a crash or
a retry: what it submits has an idempotency key, so it is done and charged once.
"""

from typing import Any

from celery import Celery, Task
from celery.signals import worker_process_init, worker_process_shutdown
from kingcong import KingCong, KingCongError, Speech

from .settings import Settings

#: A task that waits gives its process back to others after so long, and comes again.
WAIT_SECONDS = 60
RETRIES_MAX = 20
RETRY_SECONDS = 2

settings = Settings()
app = Celery("kingcong_example", broker=str(settings.redis_url), backend=str(settings.redis_url))
app.conf.update(
    # A task is done when it has ended, not when it was taken: one whose process dies is given to another.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    result_expires=3600,
)

_kc: KingCong | None = None


@worker_process_init.connect
def open_library(**_: Any) -> None:
    """Opens the client after the fork, in each of the worker's processes: none survives a fork."""
    global _kc
    _kc = KingCong.open(**settings.opening())


@worker_process_shutdown.connect
def close_library(**_: Any) -> None:
    """Lets calls under way finish."""
    if _kc is not None:
        _kc.close()


def library() -> KingCong:
    """This process's client."""
    assert _kc is not None, "tasks run in processes of the worker, which open it"
    return _kc


@app.task(bind=True, name="speak", max_retries=RETRIES_MAX, soft_time_limit=30, time_limit=40)
def speak(self: Task[Any, str], user: str, text: str, service: str, voice: str, idempotency_key: str) -> str:
    """Submits a text and gives its job's id. What may pass is tried again, what will not is raised."""
    request = Speech(user, text, service=service, voice=voice, idempotency_key=idempotency_key)
    try:
        return library().submit(request).id
    except KingCongError as error:
        if not error.retryable:
            raise
        raise self.retry(exc=error, countdown=RETRY_SECONDS) from error


@app.task(bind=True, name="wait_for", max_retries=None, soft_time_limit=70, time_limit=80)
def wait_for(self: Task[Any, dict[str, Any]], job: str) -> dict[str, Any]:
    """Waits until a job has ended, whichever process works on it, and gives its report."""
    try:
        return library().job(job).wait(timeout=WAIT_SECONDS).to_dict()
    except TimeoutError as error:
        raise self.retry(exc=error, countdown=0) from error
    except KingCongError as error:
        if not error.retryable:
            raise
        raise self.retry(exc=error, countdown=RETRY_SECONDS) from error
