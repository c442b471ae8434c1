"""What the tests share: an upstream of our own, and both clients behind one way of asking."""

from __future__ import annotations

import inspect
import io
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kingcong import AsyncKingCong, KingCong, Limits, Speech
from kingcong.providers import Audio, BadRequest, Call, MadeVoice, Reply, SpeechWork

VOICE = "21m00Tcm4TlvDq8ikWAM"
#: More than any test needs in a minute.
LIMITS = Limits(max_in_flight=1_000, per_minute=100_000)


def wav(milliseconds: int = 10) -> bytes:
    """Silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8_000)
        out.writeframes(bytes(2 * 8 * milliseconds))
    return file.getvalue()


class Upstream:
    """A provider that answers at once, and remembers what it was asked."""

    protocol = "ai33"

    def __init__(self) -> None:
        self.calls: list[Call] = []
        #: How long what it gives is.
        self.milliseconds = 10
        #: Texts with this in them are refused.
        self.refused: str | None = None

    async def call(self, call: Call) -> Reply:
        self.calls.append(call)
        if isinstance(call.work, SpeechWork):
            if self.refused is not None and self.refused in call.work.text:
                raise BadRequest("not that one")
            return Reply(Audio(wav(self.milliseconds), "audio/wav"), cost=len(call.work.text))
        return Reply(MadeVoice("voice-of-" + call.work.name))


def speech(text: str = "Xin chào!", **options: Any) -> Speech:
    """A request of the user that tests are about."""
    return Speech("user-1", text, service="elevenlabs", voice=VOICE, **options)


class Host:
    """A client of either kind, with one way of asking both."""

    def __init__(self, kc: Any, upstream: Upstream) -> None:
        self.kc = kc
        self.upstream = upstream

    async def ask(self, asked: Any) -> Any:
        """What a door of either client answers."""
        return await asked if inspect.isawaitable(asked) else asked

    async def all(self, events: Any) -> list[Any]:
        """Every event there is."""
        return [event async for event in events] if hasattr(events, "__aiter__") else list(events)

    async def first(self, items: Any) -> Any:
        """The first of what a client of either kind gives one by one."""
        return await anext(items) if hasattr(items, "__anext__") else next(items)

    async def leave(self, items: Any) -> None:
        """Asks for no more of them."""
        await self.ask(items.aclose() if hasattr(items, "aclose") else items.close())

    async def prepare(self, credits: int = 1_000) -> None:
        """A key, and credits for the user."""
        await self.ask(self.kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests", limits=LIMITS))
        await self.ask(self.kc.config.set_weights({"ai33": 1, "ai84": 0}))
        await self.ask(self.kc.wallets.adjust("user-1", credits, reason="test", idempotency_key="first"))


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A fresh SQLite file."""
    return f"sqlite://{tmp_path}/kingcong.db"


@pytest.fixture(params=["memory-blocking", "memory-async", "sqlite-blocking", "sqlite-async"])
async def host(request: pytest.FixtureRequest, database: str) -> AsyncIterator[Host]:
    """Either client on either kind of store, with a provider of the tests."""
    store, kind = request.param.split("-")
    url = "memory:" if store == "memory" else database
    upstream = Upstream()
    options: Any = {"preset": "kingcong", "providers": [upstream], "master_key": bytes(32)}
    if kind == "async":
        async with await AsyncKingCong.open(url, **options) as kc:
            yield Host(kc, upstream)
    else:
        with KingCong.open(url, **options) as kc:
            yield Host(kc, upstream)
