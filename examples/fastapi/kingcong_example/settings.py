"""What differs between places where the backend runs: environment variables of these names."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import RedisDsn, SecretStr
from pydantic_settings import BaseSettings

from .demo import DemoVoices


class Settings(BaseSettings):
    """What every process needs. The master key may also be in ``KINGCONG_MASTER_KEY``."""

    #: ``sqlite://…``, ``postgres://…`` or ``mysql://…``; the tables are made when they are not there.
    database_url: str
    #: The master key as a file instead of an environment variable; it is made when it is not there.
    master_key_file: Path | None = None
    #: Speak with beeps made here instead of AI33 and AI84: no account is needed.
    demo_voices: bool = False
    #: Celery's broker and result store.
    redis_url: RedisDsn = RedisDsn("redis://localhost:6379/0")
    #: A process that is silent for so many seconds is taken for dead, and others finish its work.
    dead_after_seconds: float = 30
    #: The longest that an upstream may work on a call; only then a lost answer is given up.
    call_max_seconds: float = 900

    def opening(self) -> dict[str, Any]:
        """How :meth:`kingcong.KingCong.open` is called, by the web server and by the Celery worker alike."""
        return {
            "url": self.database_url,
            "preset": "kingcong",
            "master_key": self.master_key_file,
            "providers": [DemoVoices("ai33"), DemoVoices("ai84")] if self.demo_voices else [],
            "dead_after": timedelta(seconds=self.dead_after_seconds),
            "call_max": timedelta(seconds=self.call_max_seconds),
        }


class WebSettings(Settings):
    """What the web server needs besides."""

    #: Who may call, see :mod:`kingcong_example.users`.
    users_file: Path
    #: What the payment gateway signs its callbacks with.
    payment_secret: SecretStr
