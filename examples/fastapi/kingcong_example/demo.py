"""Voices without an account: a provider written in Python that speaks in beeps."""

import functools
import io
import math
import struct
import uuid
import wave
from contextlib import suppress
from decimal import Decimal

from kingcong import AsyncKingCong, KeyRefused, Package, Unit
from kingcong.providers import Audio, Call, ContentRefused, MadeVoice, Reply, SpeechWork

SAMPLES_PER_SECOND = 8_000
SAMPLES_PER_CHARACTER = 160

#: A text with this word is refused, to see what becomes of a task that fails.
REFUSED_WORD = "REFUSE-ME"

#: Sold beside the preset's packages of credits, for the dollars of :mod:`kingcong_example.estimates`.
USD_PACKAGE = Package("usd-10", "10 dollars", Decimal(10), Decimal(10), unit=Unit.USD)


class DemoVoices:
    """Stands in for the servers of one protocol.

    ``call`` is a plain function, so the library runs it in a thread: it does not hold up the event loop.
    """

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol

    def call(self, call: Call) -> Reply:
        """One beep a character, or a new voice."""
        if not isinstance(call.work, SpeechWork):
            return Reply(MadeVoice(f"demo-{uuid.uuid4()}"))
        text = call.work.text
        if REFUSED_WORD in text:
            raise ContentRefused(f"the text has the word {REFUSED_WORD}")
        sound = io.BytesIO()
        with wave.open(sound, "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(SAMPLES_PER_SECOND)
            wav.writeframes(b"".join(beep(ord(character) % 24) for character in text))
        return Reply(Audio(sound.getvalue(), "audio/wav"), characters=len(text))


@functools.cache
def beep(tone: int) -> bytes:
    """The samples of one of 24 tones, two octaves from 220 Hz."""
    step = 2 * math.pi * 220 * 2 ** (tone / 12) / SAMPLES_PER_SECOND
    samples = (round(8_000 * math.sin(step * place)) for place in range(SAMPLES_PER_CHARACTER))
    return struct.pack(f"<{SAMPLES_PER_CHARACTER}h", *samples)


async def prepare(kc: AsyncKingCong) -> None:
    """Gives every route a key and puts the dollars on sale. Every process does so when it starts."""
    for route in (await kc.config.get()).routes:
        with suppress(KeyRefused):  # It is there already.
            await kc.keys.add(route.server, route.service, f"demo-key-of-{route.server}-{route.service}")
    if all(package.id != USD_PACKAGE.id for package in await kc.packages.list()):
        await kc.packages.set(USD_PACKAGE)
