"""What both clients are made of: how they are opened, what they are asked, and what their answers become."""

from __future__ import annotations

import inspect
import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeGuard, get_type_hints

from . import _native
from ._answers import (
    JOB_EVENT,
    Estimate,
    JobReport,
)
from ._errors import Closed, Forked, forked, invalid
from ._settings import Settings
from ._types import CloneVoice, Speech, SpeechResult, VoiceResult
from ._wire import Record, encoder, shape, tagged, wire_name
from ._words import Role
from .providers import Capabilities, Provider

Request = Speech | CloneVoice
Timeout = timedelta | float | None

EVENT = tagged(JOB_EVENT)
RESULT = tagged({"speech": SpeechResult, "voice": VoiceResult})
_CAPABILITIES = encoder(Mapping[str, Capabilities])
ESTIMATE, REPORT, PLAIN, BYTES = shape(Estimate), shape(JobReport), shape(str), shape(bytes)

os.register_at_fork(after_in_child=_native.forked)

_IN_MEMORY = "memory:"


def options_of(
    url: str,
    master_key: str | os.PathLike[str] | None,
    providers: Sequence[Provider],
    settings: Settings,
) -> dict[str, Any]:
    """The options as the native half takes them."""
    options: dict[str, Any] = {"url": encoder(str)(url, "url")}
    options["providers"] = [_offer(provider, f"providers[{place}]") for place, provider in enumerate(providers)]
    if isinstance(master_key, str):
        options["master_key"] = {"text": master_key}
    elif isinstance(master_key, os.PathLike):
        options["master_key"] = {"file": os.fspath(master_key)}
    elif master_key is None and url == _IN_MEMORY:
        options["master_key"] = "random"
    hints = get_type_hints(Settings)
    for name, value in settings.items():
        if name not in hints:
            raise TypeError(f"open() has no setting {name!r}: it has {', '.join(hints)}")
        if value is not None:
            hint = hints[name]
            options[wire_name(name, hint)] = encoder(hint)(value, name)
    return options


class MasterKey(Protocol):
    """A key service, such as a KMS, that never gives its key away.

    ``wrap`` encrypts 32 bytes bound to ``context`` (associated data), ``unwrap`` gives them back for the same context.
    Both may be ``async def``. ``id`` is how the service knows the key; it is written beside what it wrapped.
    """

    id: str

    def wrap(self, data: bytes, context: bytes) -> Any:
        """Encrypts ``data``; the answer is at most 8,192 bytes."""
        ...

    def unwrap(self, data: bytes, context: bytes) -> Any:
        """Decrypts what :meth:`wrap` gave."""
        ...


def _is_key_service(given: Any) -> TypeGuard[MasterKey]:
    return all(hasattr(given, name) for name in ("id", "wrap", "unwrap"))


def key_service(given: Any) -> tuple[str | os.PathLike[str] | None, MasterKey | None]:
    """Where the master key is, or the service that has it."""
    source = given() if callable(given) and not _is_key_service(given) else given
    if source is None or isinstance(source, (str, os.PathLike)):
        return source, None
    if isinstance(source, (bytes, bytearray)):
        return bytes(source).hex(), None
    if _is_key_service(source):
        encoder(str)(source.id, "the id of master_key")
        return None, source
    if inspect.iscoroutine(source):
        source.close()
    raise TypeError(
        "master_key must be base64 or hexadecimal text, 32 bytes, a path, a plain function that returns one of them, "
        f"or an object with id, wrap and unwrap, not {type(source).__name__}"
    )


def checked_providers(given: Iterable[Provider]) -> tuple[Provider, ...]:
    providers = tuple(given)
    protocols: set[str] = set()
    for provider in providers:
        protocol = getattr(provider, "protocol", None)
        if not isinstance(protocol, str) or not callable(getattr(provider, "call", None)):
            raise TypeError(f"a provider must have a protocol (a str) and a call (a function), not {provider!r}")
        if protocol in protocols:
            raise invalid(f"there are two providers for protocol {protocol!r}: give one")
        protocols.add(protocol)
    return providers


def _offer(provider: Provider, name: str) -> dict[str, Any]:
    """What a provider is for, as the native half takes it."""
    offer: dict[str, Any] = {"protocol": encoder(str)(provider.protocol, f"{name}.protocol")}
    capabilities = getattr(provider, "capabilities", None)
    if capabilities is not None:
        offer["capabilities"] = _CAPABILITIES(capabilities, f"{name}.capabilities")
    return offer


class _SqliteClients:
    """Which clients of this process have an SQLite file open.

    SQLite counts its locks for each process, and a child of a fork inherits the count but not the locks: it must not
    open a file while its parent's are in its memory.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        # By their ids: setting and taking one needs no lock, which a fork could catch.
        self._open: dict[int, None] = {}

    def check(self, url: str) -> None:
        """Refuses to open a file after a fork that others were open at."""
        if not _is_sqlite_file(url) or self._process == os.getpid():
            return
        if self._open:
            raise Forked(
                "an SQLite database was open when this process was forked, which SQLite does not survive: close it "
                "before the fork and open it after, or start processes by spawn"
            )
        self._process = os.getpid()

    def opened(self, client: Client) -> None:
        """Notes a client on a file."""
        self._open[id(client)] = None

    def closed(self, client: Client) -> None:
        """Forgets a client, if it was of this process."""
        if self._process == os.getpid():
            self._open.pop(id(client), None)


def _is_sqlite_file(url: str) -> bool:
    return url.startswith("sqlite:") and ":memory:" not in url


SQLITE = _SqliteClients()


def retry_of(job: str, idempotency_key: str, deadline: timedelta | None) -> dict[str, Any]:
    """What a retry of a job is asked with."""
    return {
        "job": job,
        "idempotency_key": encoder(str)(idempotency_key, "idempotency_key"),
        "deadline_ms": encoder(timedelta | None)(deadline, "deadline"),
    }


class Client:
    """What both clients are made of."""

    _library: _native.Library | None
    _scheme: str

    def __init__(self, library: _native.Library, url: str) -> None:
        self._library = library
        self._process = os.getpid()
        # A URL may hold a password.
        self._scheme = url.split(":", 1)[0]
        if _is_sqlite_file(url):
            SQLITE.opened(self)

    def _open_library(self) -> _native.Library:
        if self._library is None:
            raise Closed("this client was closed: open another")
        return self._library

    def _take_library(self) -> _native.Library | None:
        """The library to close; None when it is closed already."""
        if self._process != os.getpid():
            raise forked(self._process)
        library, self._library = self._library, None
        return library

    def __repr__(self) -> str:
        closed = ", closed" if self._library is None else ""
        return f"<{type(self).__name__} on {self._scheme}{closed}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a client cannot be copied or sent to another process: open one there")

    def __del__(self) -> None:
        if getattr(self, "_library", None) is not None and self._process == os.getpid():
            SQLITE.closed(self)
            self._abandon()
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)

    def _abandon(self) -> None:
        """Ends what would go on by itself, without waiting for it."""


def caller_of(caller: dict[str, Any]) -> str | None:
    """Who knocks, and for whom, as the native half takes it; None for the operator, for the main tenant."""
    return json.dumps(caller) if caller else None


def acting_of(
    caller: dict[str, Any], actor: str, role: Role, tenant: str | None, user: str | None, until: datetime | None
) -> dict[str, Any]:
    """The caller for somebody who acts in a role. A role of one tenant asks for that one."""
    acts = {
        "actor": encoder(str)(actor, "actor"),
        "role": encoder(Role)(role, "role"),
        "tenant": encoder(str | None)(tenant, "tenant"),
        "user": encoder(str | None)(user, "user"),
        "until": encoder(datetime | None)(until, "until"),
    }
    return {**({} if tenant is not None else caller), "as": acts}


def asked(request: Request) -> dict[str, Any]:
    if not isinstance(request, (Speech, CloneVoice)):
        raise TypeError(f"request must be a Speech or a CloneVoice, not {type(request).__name__}")
    return {"request": request._wire()}


def sample_of(request: Request) -> bytes | None:
    if isinstance(request, CloneVoice):
        sample: bytes = encoder(bytes)(request.sample, "sample")
        return sample
    return None


#: The longest that can be waited for: about 31 years.
_WAIT_MAX = timedelta(seconds=1e9)


def length_of(timeout: Timeout) -> timedelta | None:
    if timeout is None:
        return None
    if isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and 0 <= timeout <= 1e9:
        return timedelta(seconds=timeout)
    if isinstance(timeout, timedelta) and timedelta(0) <= timeout <= _WAIT_MAX:
        return timeout
    raise invalid(f"timeout must be 0 to 1e9 seconds or such a timedelta, and is {timeout!r}")


def close_stream(client: Client, stream: int | None) -> None:
    if stream is not None and client._library is not None and client._process == os.getpid():
        client._library.close_stream(stream)


@dataclass(frozen=True, slots=True)
class AudioHead(Record):
    """What a job's audio is, without its bytes."""

    length: int
    content_type: str
    duration: timedelta


AUDIO_HEAD = shape(AudioHead)


class Audio:
    """What a completed job says, of either client."""

    __slots__ = ("content_type", "duration", "job", "length")

    #: The id of the job.
    job: str
    #: How many bytes there are.
    length: int
    #: The media type: ``audio/mpeg`` or ``audio/wav``.
    content_type: str
    #: How long it lasts.
    duration: timedelta

    def __init__(self, job: str, head: AudioHead) -> None:
        self.job = job
        self.length, self.content_type, self.duration = head.length, head.content_type, head.duration

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of job {self.job}: {self.length} bytes of {self.content_type}>"

    def _range(self, start: int, end: int | None) -> dict[str, Any]:
        """The bytes from ``start`` to before ``end``, as doors take them."""
        before = self.length if end is None else encoder(int)(end, "end")
        return {"job": self.job, "start": encoder(int)(start, "start"), "end": before}
