"""Providers of your own: an object with ``protocol`` and ``call`` serves every server that speaks its protocol.

>>> from kingcong import KingCong
>>> from kingcong.providers import Audio, Call, Reply
>>> class Echo:
...     protocol = "ai33"  # in place of the one that the library has
...     async def call(self, call: Call) -> Reply:
...         return Reply(Audio(b"RIFF...", "audio/wav"))
>>> kc = KingCong.open("memory:", preset="kingcong", providers=[Echo()])
>>> kc.close()

``call`` may be a plain function too: it runs in a thread then. It runs in a copy of the context (``contextvars``) in
which the client was opened. When nobody waits any more, because the client closes, its task is cancelled.

What ``call`` raises decides what happens next. A :class:`ProviderFailure` says what it means; anything else means that
nobody knows what the upstream did: the work may be done and paid for, so it is tried again only once, after
``call_max``, and recorded as a possible double.

An upstream that takes work and does it later is served by two functions: ``call`` returns :class:`Accepted` with the
upstream's id of the work, which is written down before anything else, and ``poll`` is asked how far it is until it
returns a :class:`Reply` or a :class:`Failed`. A process that starts after a crash asks on; the work is not sent again.

>>> from kingcong.providers import Accepted, Running
>>> class Slow:
...     protocol = "ai84"
...     async def call(self, call: Call) -> Accepted:
...         return Accepted("task-1")
...     async def poll(self, call: Call) -> Running | Reply:
...         assert call.upstream_id == "task-1"
...         return Running(percent=40)

A provider may have ``capabilities`` too: for each service by its name, what it cannot do there. What no server of a
service can do is refused when it is submitted, and what some can do goes to those.

>>> from kingcong.providers import Ability, Capabilities
>>> class Whisper(Echo):
...     capabilities = {"elevenlabs": Capabilities(lacking=(Ability.WAV, Ability.CLONE_VOICE))}
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar, Protocol

from ._types import VoiceSettings
from ._wire import MILLISECOND, Record, Word
from ._words import AudioFormat, FailureKind, Subtitles

__all__ = [
    "Ability",
    "Accepted",
    "AccountRateLimited",
    "AnswerLost",
    "Audio",
    "BadRequest",
    "Busy",
    "Call",
    "Capabilities",
    "CloneVoiceWork",
    "ContentRefused",
    "EgressRateLimited",
    "Failed",
    "KeyDead",
    "KeyDoubtful",
    "MadeVoice",
    "Mp3Layout",
    "NotAllowed",
    "OutOfCredit",
    "PollingProvider",
    "Provider",
    "ProviderFailure",
    "RateLimited",
    "Reply",
    "Running",
    "SpeechWork",
    "Unsupported",
]


@dataclass(frozen=True, slots=True)
class SpeechWork(Record):
    """A text to speak, already cut to what one call may carry. ``voice`` is the upstream's own id."""

    text: str
    voice: str
    model: str | None
    format: AudioFormat
    subtitles: Subtitles
    settings: VoiceSettings
    language: str | None


@dataclass(frozen=True, slots=True)
class CloneVoiceWork(Record):
    """A voice to make from a recording."""

    name: str
    sample: bytes = field(repr=False)
    content_type: str
    preview_text: str | None


@dataclass(frozen=True, slots=True)
class Call(Record):
    """One task to do, once.

    ``attempt`` is unique for each sending: give it to an upstream that takes an identifier. ``secret`` is the key's,
    and is in no ``repr``. A result of more than ``max_bytes`` fails the task. ``upstream_id`` is the upstream's id of
    work that it accepted, where ``poll`` is asked how far it is.
    """

    attempt: str
    server: str
    service: str
    base_url: str
    secret: str = field(repr=False)
    max_bytes: int
    work: SpeechWork | CloneVoiceWork
    upstream_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, without the secret."""
        # The class that slots were added to is another: super() would not find it.
        plain = Record.to_dict(self)
        del plain["secret"]
        return plain


@dataclass(frozen=True, slots=True)
class Audio(Record):
    """Speech: MP3 (``audio/mpeg``) or 16-bit WAV (``audio/wav``), and subtitles as SubRip."""

    data: bytes = field(repr=False)
    content_type: str
    srt: str | None = None


@dataclass(frozen=True, slots=True)
class MadeVoice(Record):
    """The upstream's id of a voice that was made."""

    voice: str


@dataclass(frozen=True, slots=True)
class Reply(Record):
    """A finished call. ``cost`` is in the upstream's own credits, ``characters`` are as it counted.

    ``audio_ms`` is what it says of the length; the audio's own length is charged.
    """

    result: Audio | MadeVoice
    cost: Decimal | int | None = None
    audio_ms: int | None = None
    characters: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted(Record):
    """The upstream took the work, under this id of 1 to 256 bytes. ``cost`` is in its own credits, where it says so."""

    upstream_id: str
    cost: Decimal | int | None = None


@dataclass(frozen=True, slots=True)
class Running(Record):
    """The upstream still works on it. ``percent`` is 0 to 100, where it says so."""

    percent: int | None = None


class Ability(Word):
    """Something that a request may ask for."""

    MP3 = "mp3"
    WAV = "wav"
    SUBTITLES = "subtitles"
    STABILITY = "stability"
    SIMILARITY = "similarity"
    STYLE = "style"
    SPEED = "speed"
    CLONE_VOICE = "clone_voice"


@dataclass(frozen=True, slots=True)
class Mp3Layout(Record):
    """How MP3s are laid out: samples in a second, such as 44,100, and 1 channel (mono) or 2 (stereo)."""

    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class Capabilities(Record):
    """What can be done for a service: everything but what is ``lacking``.

    ``mp3`` is the layout of all its MP3s, where it is known: those of two layouts cannot be joined, so a job of several
    pieces goes to servers of one. WAVs need none, they are converted.
    """

    lacking: tuple[Ability, ...] = ()
    mp3: Mp3Layout | None = None


class Provider(Protocol):
    """What serves the servers of a protocol.

    It may have ``capabilities`` besides, a mapping from services to :class:`Capabilities`. They are read when the
    client is opened; for a service that is not there it can do everything.
    """

    protocol: str

    def call(self, call: Call) -> Reply | Accepted | Awaitable[Reply | Accepted]:
        """Does the task once, without trying again, or has an upstream accept it. May be ``async def``.

        It may take as long as a call may run upstream (``call_max``).
        """
        ...


class PollingProvider(Provider, Protocol):
    """A provider whose ``call`` may return :class:`Accepted`."""

    def poll(self, call: Call) -> Reply | Running | Failed | Awaitable[Reply | Running | Failed]:
        """Says how far the work is that the upstream knows as ``call.upstream_id``. May be ``async def``.

        What it raises says nothing about the work: it still runs, and is asked about again.
        """
        ...


class ProviderFailure(Exception):
    """A call that gave nothing. Raise one of the subclasses: each says whom the failure concerns.

    ``code`` is the upstream's own, ``retry_after`` how long it asks to wait. ``sent=False`` says that the upstream
    proved that it did nothing, ``sent=True`` that it may have begun; each class has what is usual for it.
    """

    kind: ClassVar[FailureKind] = FailureKind.UNKNOWN
    _sent: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retry_after: timedelta | None = None,
        sent: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after
        self.sent = self._sent if sent is None else sent

    def _wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {
            "kind": self.kind.value,
            "reached": "maybe" if self.sent else "no",
            "message": str(self),
        }
        if self.code is not None:
            wire["code"] = str(self.code)
        if self.retry_after is not None:
            wire["retry_after_ms"] = max(0, self.retry_after // MILLISECOND)
        return wire


@dataclass(frozen=True, slots=True)
class Failed(Record):
    """The upstream ended accepted work without a result, and why."""

    failure: ProviderFailure


class AnswerLost(ProviderFailure):
    """Sent, and no answer that tells what became of it. Never resent blindly."""


class BadRequest(ProviderFailure):
    """The request itself is wrong: the task fails, and costs nothing."""

    kind = FailureKind.BAD_REQUEST
    _sent = False


class ContentRefused(ProviderFailure):
    """The upstream refuses the content: the task fails, and costs nothing."""

    kind = FailureKind.POLICY
    _sent = False


class NotAllowed(ProviderFailure):
    """The key may not do this: its plan, permissions, region or voices do not allow it.

    A few other keys are asked, then the task fails; no key is marked for it.
    """

    kind = FailureKind.NOT_ALLOWED
    _sent = False


class KeyDead(ProviderFailure):
    """The upstream does not know the key: it leaves its pool, and is tried again when all keys are checked
    (``monitor_interval``)."""

    kind = FailureKind.KEY_DEAD
    _sent = False


class KeyDoubtful(ProviderFailure):
    """The key may not be valid: it rests, each time for twice as long, and is tried with one call after that."""

    kind = FailureKind.KEY_DOUBTFUL
    _sent = False


class OutOfCredit(ProviderFailure):
    """The key's account has not enough credit: the task goes to another key."""

    kind = FailureKind.OUT_OF_CREDIT
    _sent = False


class RateLimited(ProviderFailure):
    """Too many calls of this key: it cools."""

    kind = FailureKind.KEY_RATE_LIMITED
    _sent = False


class AccountRateLimited(ProviderFailure):
    """Too many calls of the account that the key belongs to."""

    kind = FailureKind.ACCOUNT_RATE_LIMITED
    _sent = False


class EgressRateLimited(ProviderFailure):
    """Too many calls from our address."""

    kind = FailureKind.EGRESS_RATE_LIMITED
    _sent = False


class Busy(ProviderFailure):
    """The upstream is overloaded or broken for now."""

    kind = FailureKind.BUSY
    _sent = False


class Unsupported(ProviderFailure):
    """The provider cannot do this work on this route."""

    kind = FailureKind.UNSUPPORTED
    _sent = False
