"""What requests are made of, and results that come as bytes.

``_asked`` and ``_answers`` have the other records, ``_words`` the words.

Records are frozen and hashable, print as they are written, and :meth:`to_dict` makes them ready for JSON. Amounts are
:class:`decimal.Decimal` in whole units (credits, dollars …), instants are :class:`datetime.datetime` in UTC, ids are
texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ._errors import invalid
from ._wire import Record, changed_fields_of, sent
from ._words import AudioFormat, Payer, Subtitles

__all__ = [
    "CloneVoice",
    "JobResult",
    "Speech",
    "SpeechResult",
    "VoiceResult",
    "VoiceSettings",
]


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
