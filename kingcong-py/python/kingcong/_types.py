"""What requests are made of, and results that come as bytes; ``_answers`` has the other records, ``_words`` the words.

Records are frozen and hashable, print as they are written, and :meth:`to_dict` makes them ready for JSON. Amounts are
:class:`decimal.Decimal` in whole units (credits, dollars …), instants are :class:`datetime.datetime` in UTC, ids are
texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ._errors import invalid
from ._wire import Record, Word, changed_fields_of, encoder, fields_of, sent
from ._words import AudioFormat, Lane, Measure, Operation, Payer, PollsCount, Subtitles, Switch, Unit

__all__ = [
    "CloneVoice",
    "JobResult",
    "Lifted",
    "Limits",
    "Maintenance",
    "Ordered",
    "Package",
    "Price",
    "PriceLine",
    "Server",
    "ServerChange",
    "Speech",
    "SpeechResult",
    "VoiceResult",
    "VoiceSettings",
]


class Lifted(Word):
    """Says that there is no limit any more, where ``None`` says that it stays."""

    LIFTED = "lifted"


# --- requests


@dataclass(frozen=True, slots=True)
class VoiceSettings(Record):
    """Settings of a voice in hundredths; the upstream's own where left out.

    ``speed`` goes from 50 to 200 (100 is the voice's own), the others from 0 to 100.
    """

    stability: int | None = None
    similarity: int | None = None
    style: int | None = None
    speed: int | None = None


@dataclass(frozen=True, slots=True)
class Speech(Record):
    """Asks for a text to be spoken.

    ``voice`` is the upstream's id of a voice, the same on every server; ``voices`` gives each server's own id; and
    ``cloned_voice`` is the id of a voice that the user cloned. ``start_at`` schedules it, up to 366 days ahead.
    ``idempotency_key`` makes it safe to submit again: the same key and request give the same job, for ever.

    >>> from kingcong import Speech
    >>> Speech("user-1", "Xin chào!", service="elevenlabs", voice="21m00Tcm4TlvDq8ikWAM").service
    'elevenlabs'
    """

    user: str
    text: str = field(metadata=sent("subject.speech.text"))
    service: str
    voice: str | None = field(default=None, metadata=sent("subject.speech.voice.upstream"))
    voices: Mapping[str, str] | None = field(default=None, hash=False, metadata=sent("subject.speech.voice.per_server"))
    cloned_voice: str | None = field(default=None, metadata=sent("subject.speech.voice.cloned"))
    model: str | None = field(default=None, metadata=sent("subject.speech.model"))
    language: str | None = field(default=None, metadata=sent("subject.speech.language"))
    format: AudioFormat = field(default=AudioFormat.MP3, metadata=sent("subject.speech.format"))
    subtitles: Subtitles = field(default=Subtitles.NO, metadata=sent("subject.speech.subtitles"))
    settings: VoiceSettings = field(default=VoiceSettings(), metadata=sent("subject.speech.settings"))
    pieces: int | None = field(default=None, metadata=sent("subject.speech.pieces"))
    weight: int = 1
    deadline: timedelta | None = None
    start_at: datetime | None = None
    payer: Payer = Payer.USER
    idempotency_key: str | None = None

    def _wire(self) -> dict[str, Any]:
        if (self.voice, self.voices, self.cloned_voice).count(None) < 2:
            raise invalid("give one of voice, voices and cloned_voice, not several")
        return changed_fields_of(self)


@dataclass(frozen=True, slots=True)
class CloneVoice(Record):
    """Asks for a voice to be made from a recording of at most 20 MiB.

    >>> from kingcong import CloneVoice
    >>> CloneVoice("user-1", "My voice", b"ID3...", "audio/mpeg", service="minimax").name
    'My voice'
    """

    user: str
    name: str = field(metadata=sent("subject.clone_voice.name"))
    sample: bytes = field(repr=False, metadata=sent(""))
    content_type: str = field(metadata=sent("subject.clone_voice.content_type"))
    service: str
    preview_text: str | None = field(default=None, metadata=sent("subject.clone_voice.preview_text"))
    weight: int = 1
    deadline: timedelta | None = None
    start_at: datetime | None = None
    payer: Payer = Payer.USER
    idempotency_key: str | None = None

    def _wire(self) -> dict[str, Any]:
        return changed_fields_of(self)


@dataclass(frozen=True, slots=True)
class Limits(Record):
    """How many calls are allowed: at once, and started within any 60 seconds. Both at least 1."""

    max_in_flight: int
    per_minute: int


@dataclass(frozen=True, slots=True)
class PriceLine(Record):
    """So much, in whole units, per so many of a measure: ``PriceLine(Measure.TOKEN, Decimal("0.075"), 1_000_000)``."""

    measure: Measure
    price: Decimal
    per: int = 1


@dataclass(frozen=True, slots=True)
class Price(Record):
    """What an operation costs on a route; no lines mean that it is free.

    ``version`` counts how often it was set: leave it out for the next one, or give the one after the version that you
    read, and somebody else's change in between is refused. ``since`` is when it was set, and the library's.

    A job is charged at most its hold, however much audio came back. With ``overrun=True`` it is charged for what came
    back: what the hold does not cover is taken from what the wallet has available, and the rest becomes debt.
    """

    server: str
    service: str
    operation: Operation
    lines: tuple[PriceLine, ...]
    unit: Unit = Unit.CREDIT
    model: str | None = None
    name: str | None = None
    overrun: bool = False
    switch: Switch = Switch.ON
    lane: Lane = Lane.SHARED
    version: int | None = None
    since: datetime | None = field(default=None, metadata=sent(""))


@dataclass(frozen=True, slots=True)
class Package(Record):
    """Credits that are sold together: ``credits`` of ``unit`` for ``price`` in ``currency``."""

    id: str
    label: str
    credits: Decimal
    price: Decimal
    unit: Unit = Unit.CREDIT
    currency: Unit = Unit.USD
    switch: Switch = Switch.ON


@dataclass(frozen=True, slots=True)
class Ordered(Record):
    """What an order says of its package: what the buyer was shown, and pays."""

    credits: Decimal
    price: Decimal
    unit: Unit = Unit.CREDIT
    currency: Unit = Unit.USD


@dataclass(frozen=True, slots=True)
class Server(Record):
    """An upstream gateway to add.

    ``base_url`` is ``https``; plain ``http`` is taken on loopback alone. ``limits`` are those of keys added without any
    of their own, ``egress`` those of all calls from one address, where the server counts by address.
    """

    protocol: str
    base_url: str
    weight: int
    limits: Limits
    polls: PollsCount = PollsCount.FREE
    egress: Limits | None = None


@dataclass(frozen=True, slots=True)
class ServerChange(Record):
    """What of a server changes, as in :class:`Server`; what is left out stays. Its protocol stays in any case."""

    base_url: str | None = None
    weight: int | None = None
    limits: Limits | None = None
    polls: PollsCount | None = None
    egress: Limits | Lifted | None = field(default=None, metadata=sent(""))

    def _wire(self) -> dict[str, Any]:
        wire = fields_of(self)
        if isinstance(self.egress, Lifted):
            wire["egress"] = self.egress.value
        elif self.egress is not None:
            wire["egress"] = {"to": encoder(Limits)(self.egress, "egress")}
        return wire


@dataclass(frozen=True, slots=True)
class Maintenance(Record):
    """What is under maintenance: everything, or these services."""

    is_full: bool = False
    services: tuple[str, ...] = ()

    def _wire(self) -> Any:
        services = encoder(tuple[str, ...])(self.services, "services")
        if self.is_full:
            return "full"
        return {"services": services} if services else "none"


@dataclass(frozen=True, slots=True)
class SpeechResult(Record):
    """Speech, joined in order. ``srt`` are subtitles as SubRip; ``duration`` is the audio's own length."""

    audio: bytes = field(repr=False)
    content_type: str
    duration: timedelta
    srt: str | None


@dataclass(frozen=True, slots=True)
class VoiceResult(Record):
    """A cloned voice, for ``Speech(cloned_voice=…)``."""

    voice: str


JobResult = SpeechResult | VoiceResult
