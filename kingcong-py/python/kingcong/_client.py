"""The two clients: :class:`KingCong` waits, :class:`AsyncKingCong` is awaited. Everything else is the same."""

from __future__ import annotations

import asyncio
import inspect
import os
import warnings
import weakref
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import timedelta
from typing import Any, TypeGuard

from . import _logging, _native
from ._doors import (
    AsyncConfig,
    AsyncKeys,
    AsyncPackages,
    AsyncPrices,
    AsyncReports,
    AsyncRoot,
    AsyncVoices,
    AsyncWallets,
    Config,
    Keys,
    Packages,
    Prices,
    Reports,
    Root,
    Voices,
    Wallets,
)
from ._errors import Closed, Forked, forked, invalid
from ._loops import Answers, Host, HostThread, MasterKey
from ._native import Shape
from ._types import (
    CloneVoice,
    Ended,
    Estimate,
    JobEvent,
    JobReport,
    JobResult,
    Missed,
    Role,
    Speech,
    SpeechResult,
    TaskCancelled,
    TaskDone,
    TaskFailed,
    TaskProgress,
    TaskStarted,
    TaskWaits,
    UnknownPolicy,
    VoiceResult,
)
from ._wire import encoder, shape, tagged, wire_name
from .providers import Provider

__all__ = [
    "AsyncJobEvents",
    "AsyncJobHandle",
    "AsyncKingCong",
    "JobEvents",
    "JobHandle",
    "KingCong",
]

Request = Speech | CloneVoice
Timeout = timedelta | float | None

_EVENT = tagged(
    {
        "task_started": TaskStarted,
        "task_progress": TaskProgress,
        "task_waits": TaskWaits,
        "task_done": TaskDone,
        "task_failed": TaskFailed,
        "task_cancelled": TaskCancelled,
        "ended": Ended,
        "missed": Missed,
    }
)
_RESULT = tagged({"speech": SpeechResult, "voice": VoiceResult})
_ESTIMATE, _REPORT, _PLAIN = shape(Estimate), shape(JobReport), shape(str)

os.register_at_fork(after_in_child=_native.forked)

_IN_MEMORY = "memory:"


def _options(url: str, master_key: str | os.PathLike[str] | None, given: dict[str, Any]) -> dict[str, Any]:
    """The options as the native half takes them."""
    options: dict[str, Any] = {"url": encoder(str)(url, "url")}
    if isinstance(master_key, str):
        options["master_key"] = {"text": master_key}
    elif isinstance(master_key, os.PathLike):
        options["master_key"] = {"file": os.fspath(master_key)}
    elif master_key is None and url == _IN_MEMORY:
        options["master_key"] = "random"
    for name, hint in _SETTINGS.items():
        if given[name] is not None:
            options[wire_name(name, hint)] = encoder(hint)(given[name], name)
    return options


_SETTINGS: dict[str, Any] = {
    "preset": str,
    "role": Role,
    "outputs": str | os.PathLike[str],
    "egress": str,
    "unknown": UnknownPolicy,
    "task_characters_max": int,
    "queue_max": int,
    "calls_max": int,
    "deadline": timedelta,
    "dead_after": timedelta,
    "poll_interval": timedelta,
    "pulse_interval": timedelta,
    "monitor_interval": timedelta,
    "move_after": timedelta,
    "drain": timedelta,
    "window": timedelta,
    "guard": timedelta,
    "call_max": timedelta,
}


def _is_key_service(given: Any) -> TypeGuard[MasterKey]:
    return all(hasattr(given, name) for name in ("id", "wrap", "unwrap"))


def _key_service(given: Any) -> tuple[str | os.PathLike[str] | None, MasterKey | None]:
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


def _checked_providers(given: Iterable[Provider]) -> tuple[Provider, ...]:
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

    def opened(self, client: _Client) -> None:
        """Notes a client on a file."""
        self._open[id(client)] = None

    def closed(self, client: _Client) -> None:
        """Forgets a client, if it was of this process."""
        if self._process == os.getpid():
            self._open.pop(id(client), None)


def _is_sqlite_file(url: str) -> bool:
    return url.startswith("sqlite:") and ":memory:" not in url


_SQLITE = _SqliteClients()


class _Client:
    """What both clients are made of."""

    _library: _native.Library | None
    _scheme: str

    def __init__(self, library: _native.Library, url: str) -> None:
        self._library = library
        self._process = os.getpid()
        # A URL may hold a password.
        self._scheme = url.split(":", 1)[0]
        if _is_sqlite_file(url):
            _SQLITE.opened(self)

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
            _SQLITE.closed(self)
            self._abandon()
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)

    def _abandon(self) -> None:
        """Ends what would go on by itself, without waiting for it."""


class KingCong(_Client, Root):
    """The library on a database, for code that waits: scripts, Celery, Flask, Django.

    Open it once for each process and share it: it may be used by many threads. Every door releases the interpreter's
    lock while it waits, and Ctrl-C ends the waiting.

    >>> from kingcong import KingCong, Speech
    >>> with KingCong.open("memory:", preset="kingcong") as kc:
    ...     _ = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
    ...     _ = kc.wallets.purchase("user-1", "package-1", "order-991")
    ...     request = Speech("user-1", "Xin chào!", service="elevenlabs", voice="21m00Tcm4TlvDq8ikWAM")
    ...     kc.estimate(request).held
    Decimal('9')
    """

    _thread: HostThread | None

    @classmethod
    def open(
        cls,
        url: str,
        *,
        preset: str | None = None,
        master_key: Any = None,
        providers: Iterable[Provider] = (),
        role: Role = Role.BOTH,
        outputs: str | os.PathLike[str] | None = None,
        egress: str | None = None,
        unknown: UnknownPolicy = UnknownPolicy.RETRY,
        task_characters_max: int | None = None,
        queue_max: int | None = None,
        calls_max: int | None = None,
        deadline: timedelta | None = None,
        dead_after: timedelta | None = None,
        poll_interval: timedelta | None = None,
        pulse_interval: timedelta | None = None,
        monitor_interval: timedelta | None = None,
        move_after: timedelta | None = None,
        drain: timedelta | None = None,
        window: timedelta | None = None,
        guard: timedelta | None = None,
        call_max: timedelta | None = None,
    ) -> KingCong:
        """Opens the library on ``sqlite://…``, ``postgres://…``, ``mysql://…`` or ``memory:``.

        ``preset="kingcong"`` writes AI33 and AI84 at 70/30 with their packages and prices into an empty database.
        ``master_key`` encrypts the upstream keys: base64 or hexadecimal text, 32 bytes, a :class:`pathlib.Path` (the
        file is made when it is not there), a function that returns one of them, or an object with ``id``, ``wrap`` and
        ``unwrap`` (a KMS); the environment variable ``KINGCONG_MASTER_KEY`` when left out. ``providers`` are your own,
        see :mod:`kingcong.providers`. ``outputs`` is a folder for results, which are in the database otherwise.

        Raises :class:`StoreUnavailable` or :class:`StoreFailed` for a database that cannot be used,
        :class:`MasterKeyFailed` for a master key that cannot be had or is not the database's, and
        :class:`InvalidRequest` for a setting outside of its bounds.
        """
        given = locals()
        providers = _checked_providers(providers)
        where, service = _key_service(master_key)
        options = _options(url, where, given)
        _SQLITE.check(url)
        _logging.start()
        thread = None
        if providers or service is not None:
            thread = HostThread(providers, service)
        try:
            host = None if thread is None else thread.host
            served = ([], None) if host is None else host.served
            mailbox = None if host is None else host.mailbox
            library = _native.open_and_wait(options, served, mailbox).open(_PLAIN)
        except BaseException:
            if thread is not None:
                thread.stop()
            raise
        client = cls(library, url)
        client._thread = thread
        return client

    def __init__(self, library: _native.Library, url: str) -> None:
        super().__init__(library, url)
        self._thread = None

    def _abandon(self) -> None:
        if self._thread is not None:
            self._thread.end()

    @property
    def wallets(self) -> Wallets:
        """Wallets and their ledger."""
        return Wallets(self)

    @property
    def packages(self) -> Packages:
        """Packages of credits."""
        return Packages(self)

    @property
    def prices(self) -> Prices:
        """Prices."""
        return Prices(self)

    @property
    def config(self) -> Config:
        """Servers, services, routes, weights, maintenance."""
        return Config(self)

    @property
    def keys(self) -> Keys:
        """Upstream keys."""
        return Keys(self)

    @property
    def voices(self) -> Voices:
        """Voices, the upstreams' and the cloned ones."""
        return Voices(self)

    @property
    def reports(self) -> Reports:
        """Usage, errors, audit."""
        return Reports(self)

    def estimate(self, request: Request) -> Estimate:
        """What a request would cost now, without touching anything."""
        estimate: Estimate = self._knock("estimate", _asked(request), _ESTIMATE, _sample(request))
        return estimate

    def submit(self, request: Request) -> JobHandle:
        """Submits a request: its money is held and its tasks are queued, both or neither.

        With an idempotency key the same request gives the same job, for ever; refusals for money are remembered too, so
        use a new key after topping up. Raises :class:`InsufficientCredits`, :class:`UnderMaintenance`,
        :class:`NoRoute`, :class:`PriceNotFound`, :class:`VoiceUnavailable`, :class:`IdempotencyConflict`,
        :class:`QueueFull` or :class:`InvalidRequest`; nothing is written then.

        >>> from datetime import datetime, timedelta, timezone
        >>> from kingcong import KingCong, Speech
        >>> tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
        >>> request = Speech("user-1", "Xin chào!", service="elevenlabs", voice="v", start_at=tomorrow)
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     _ = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
        ...     _ = kc.wallets.purchase("user-1", "package-1", "order-991")
        ...     job = kc.submit(request)
        ...     held = job.status().job.held
        ...     held, job.cancel().job.state.value
        (Decimal('9'), 'cancelled')
        """
        return JobHandle(self, self._knock("submit", _asked(request), _PLAIN, _sample(request)))

    def run(self, request: Request, *, timeout: Timeout = None) -> JobReport:
        """Submits a request and waits until it has ended. TimeoutError ends the waiting, not the job."""
        return self.submit(request).wait(timeout=timeout)

    def job(self, id: str) -> JobHandle:
        """The job of that id, whether it exists or not."""
        return JobHandle(self, encoder(str)(id, "id"))

    def close(self) -> None:
        """Stops claiming and submitting, and waits for what is under way, at most ``drain`` (30 s).

        What is under way then is taken over by another process, or by this one when it opens again.
        """
        library = self._take_library()
        if library is None:
            return
        try:
            library.close_and_wait().open(_PLAIN)
        finally:
            _SQLITE.closed(self)
            if self._thread is not None:
                self._thread.stop()

    def __enter__(self) -> KingCong:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _knock(
        self,
        name: str,
        given: dict[str, Any],
        answer: Shape,
        attachment: bytes | None = None,
        *,
        by: str | None = None,
        timeout: timedelta | None = None,
    ) -> Any:
        return self._open_library().wait(name, given, by, attachment, timeout).open(answer)


def _asked(request: Request) -> dict[str, Any]:
    if not isinstance(request, (Speech, CloneVoice)):
        raise TypeError(f"request must be a Speech or a CloneVoice, not {type(request).__name__}")
    return {"request": request._wire()}


def _sample(request: Request) -> bytes | None:
    if isinstance(request, CloneVoice):
        sample: bytes = encoder(bytes)(request.sample, "sample")
        return sample
    return None


#: The longest that can be waited for: about 31 years.
_WAIT_MAX = timedelta(seconds=1e9)


def _length(timeout: Timeout) -> timedelta | None:
    if timeout is None:
        return None
    if isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and 0 <= timeout <= 1e9:
        return timedelta(seconds=timeout)
    if isinstance(timeout, timedelta) and timedelta(0) <= timeout <= _WAIT_MAX:
        return timeout
    raise invalid(f"timeout must be 0 to 1e9 seconds or such a timedelta, and is {timeout!r}")


class JobHandle:
    """A submitted job: watch it, wait for it, read its results, cancel it."""

    __slots__ = ("_kc", "id")

    id: str

    def __init__(self, kc: KingCong, id: str) -> None:
        self._kc = kc
        self.id = id

    def __repr__(self) -> str:
        return f"JobHandle({self.id!r})"

    def status(self) -> JobReport:
        """What is known of it now."""
        return self._report("job.status")

    def wait(self, *, timeout: Timeout = None) -> JobReport:
        """Waits until it has ended, whichever process works on it. TimeoutError ends the waiting, not the job."""
        try:
            return self._report("job.wait", timeout=_length(timeout))
        except TimeoutError:
            raise TimeoutError(f"job {self.id} has not ended in time; it goes on") from None

    def cancel(self) -> JobReport:
        """Ends it as far as its tasks have not been sent; those that were run to their end and are charged."""
        return self._report("job.cancel")

    def result(self) -> JobResult:
        """What it gave: its tasks' results, joined in order. :class:`OutputUnavailable` unless it has completed."""
        result: JobResult = self._kc._knock("job.result", {"job": self.id}, _RESULT)
        return result

    def task_output(self, place: int) -> JobResult | None:
        """The result of one task, by its place from 0; None while it has none."""
        given = {"job": self.id, "place": encoder(int)(place, "place")}
        output: JobResult | None = self._kc._knock("job.task_output", given, _RESULT)
        return output

    def events(self) -> JobEvents:
        """Its events from now on, in this process; ends after :class:`Ended`."""
        return JobEvents(self._kc, self._kc._knock("job.events", {"job": self.id}, _PLAIN))

    def _report(self, name: str, *, timeout: timedelta | None = None) -> JobReport:
        report: JobReport = self._kc._knock(name, {"job": self.id}, _REPORT, timeout=timeout)
        return report


class JobEvents(Iterator[JobEvent]):
    """The events of a job: a ``for`` loop over them waits for each."""

    def __init__(self, kc: KingCong, stream: int) -> None:
        self._kc = kc
        self._stream: int | None = stream

    def __next__(self) -> JobEvent:
        if self._stream is None:
            raise StopIteration
        event: JobEvent | None = self._kc._knock("events.next", {"stream": self._stream}, _EVENT)
        if event is None:
            self._stream = None
            raise StopIteration
        return event

    def close(self) -> None:
        """Watches no longer."""
        _close_stream(self._kc, self._stream)
        self._stream = None

    def __enter__(self) -> JobEvents:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def _close_stream(client: _Client, stream: int | None) -> None:
    if stream is not None and client._library is not None and client._process == os.getpid():
        client._library.close_stream(stream)


class AsyncKingCong(_Client, AsyncRoot):
    """The library on a database, for code that awaits: FastAPI and everything on asyncio or uvloop.

    Open it once for each process. It may be used on several event loops, one after the other or at once; providers of
    the host's own run on the loop that it was opened on.

    >>> import asyncio
    >>> from kingcong import AsyncKingCong
    >>> async def main():
    ...     async with await AsyncKingCong.open("memory:", preset="kingcong") as kc:
    ...         await kc.wallets.purchase("user-1", "package-1", "order-991")
    ...         return (await kc.wallets.get("user-1")).balance
    >>> asyncio.run(main())
    Decimal('1000000')
    """

    # The loop keeps it: with a loop that is gone its providers are gone.
    _host: weakref.ref[Host] | None

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        preset: str | None = None,
        master_key: Any = None,
        providers: Iterable[Provider] = (),
        role: Role = Role.BOTH,
        outputs: str | os.PathLike[str] | None = None,
        egress: str | None = None,
        unknown: UnknownPolicy = UnknownPolicy.RETRY,
        task_characters_max: int | None = None,
        queue_max: int | None = None,
        calls_max: int | None = None,
        deadline: timedelta | None = None,
        dead_after: timedelta | None = None,
        poll_interval: timedelta | None = None,
        pulse_interval: timedelta | None = None,
        monitor_interval: timedelta | None = None,
        move_after: timedelta | None = None,
        drain: timedelta | None = None,
        window: timedelta | None = None,
        guard: timedelta | None = None,
        call_max: timedelta | None = None,
    ) -> AsyncKingCong:
        """As :meth:`KingCong.open`, awaited."""
        given = locals()
        providers = _checked_providers(providers)
        where, service = _key_service(master_key)
        options = _options(url, where, given)
        _SQLITE.check(url)
        _logging.start()
        host = Host(providers, service) if providers or service is not None else None
        try:
            served = ([], None) if host is None else host.served
            mailbox = None if host is None else host.mailbox
            answers = Answers.of_running_loop()
            outcome = _native.open(answers.mailbox, options, served, mailbox)
            if isinstance(outcome, _native.Waiting):
                outcome = await answers.wait(outcome)
            library = outcome.open(_PLAIN)
        except BaseException:
            if host is not None:
                host.stop()
            raise
        client = cls(library, url)
        client._host = None if host is None else weakref.ref(host)
        return client

    def __init__(self, library: _native.Library, url: str) -> None:
        super().__init__(library, url)
        self._host = None

    def _abandon(self) -> None:
        host = None if self._host is None else self._host()
        if host is not None:
            host.stop()

    @property
    def wallets(self) -> AsyncWallets:
        """Wallets and their ledger."""
        return AsyncWallets(self)

    @property
    def packages(self) -> AsyncPackages:
        """Packages of credits."""
        return AsyncPackages(self)

    @property
    def prices(self) -> AsyncPrices:
        """Prices."""
        return AsyncPrices(self)

    @property
    def config(self) -> AsyncConfig:
        """Servers, services, routes, weights, maintenance."""
        return AsyncConfig(self)

    @property
    def keys(self) -> AsyncKeys:
        """Upstream keys."""
        return AsyncKeys(self)

    @property
    def voices(self) -> AsyncVoices:
        """Voices, the upstreams' and the cloned ones."""
        return AsyncVoices(self)

    @property
    def reports(self) -> AsyncReports:
        """Usage, errors, audit."""
        return AsyncReports(self)

    async def estimate(self, request: Request) -> Estimate:
        """As :meth:`KingCong.estimate`, awaited."""
        estimate: Estimate = await self._knock("estimate", _asked(request), _ESTIMATE, _sample(request))
        return estimate

    async def submit(self, request: Request) -> AsyncJobHandle:
        """As :meth:`KingCong.submit`, awaited. Cancelling it ends the waiting; the request may have been admitted."""
        return AsyncJobHandle(self, await self._knock("submit", _asked(request), _PLAIN, _sample(request)))

    async def run(self, request: Request, *, timeout: Timeout = None) -> JobReport:
        """Submits a request and waits until it has ended. TimeoutError ends the waiting, not the job."""
        return await (await self.submit(request)).wait(timeout=timeout)

    def job(self, id: str) -> AsyncJobHandle:
        """The job of that id, whether it exists or not."""
        return AsyncJobHandle(self, encoder(str)(id, "id"))

    async def close(self) -> None:
        """As :meth:`KingCong.close`, awaited."""
        library = self._take_library()
        if library is None:
            return
        answers = Answers.of_running_loop()
        outcome = library.close(answers.mailbox)
        try:
            if isinstance(outcome, _native.Waiting):
                outcome = await answers.wait(outcome)
            outcome.open(_PLAIN)
        finally:
            _SQLITE.closed(self)
            self._abandon()

    async def __aenter__(self) -> AsyncKingCong:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _knock(
        self,
        name: str,
        given: dict[str, Any],
        answer: Shape,
        attachment: bytes | None = None,
        *,
        by: str | None = None,
    ) -> Any:
        answers = Answers.of_running_loop()
        outcome = self._open_library().send(answers.mailbox, name, given, by, attachment)
        if isinstance(outcome, _native.Waiting):
            outcome = await answers.wait(outcome)
        return outcome.open(answer)


class AsyncJobHandle:
    """A submitted job: watch it, wait for it, read its results, cancel it."""

    __slots__ = ("_kc", "id")

    id: str

    def __init__(self, kc: AsyncKingCong, id: str) -> None:
        self._kc = kc
        self.id = id

    def __repr__(self) -> str:
        return f"AsyncJobHandle({self.id!r})"

    async def status(self) -> JobReport:
        """What is known of it now."""
        return await self._report("job.status")

    async def wait(self, *, timeout: Timeout = None) -> JobReport:
        """Waits until it has ended, whichever process works on it. TimeoutError ends the waiting, not the job."""
        length = _length(timeout)
        if length is None:
            return await self._report("job.wait")
        try:
            return await asyncio.wait_for(self._report("job.wait"), length.total_seconds())
        except asyncio.TimeoutError:
            # Until Python 3.11 it was another class than the built-in one.
            raise TimeoutError(f"job {self.id} has not ended in time; it goes on") from None

    async def cancel(self) -> JobReport:
        """Ends it as far as its tasks have not been sent; those that were run to their end and are charged."""
        return await self._report("job.cancel")

    async def result(self) -> JobResult:
        """What it gave: its tasks' results, joined in order. :class:`OutputUnavailable` unless it has completed."""
        result: JobResult = await self._kc._knock("job.result", {"job": self.id}, _RESULT)
        return result

    async def task_output(self, place: int) -> JobResult | None:
        """The result of one task, by its place from 0; None while it has none."""
        given = {"job": self.id, "place": encoder(int)(place, "place")}
        output: JobResult | None = await self._kc._knock("job.task_output", given, _RESULT)
        return output

    def events(self) -> AsyncJobEvents:
        """Its events from when the first is awaited on, in this process; ends after :class:`Ended`."""
        return AsyncJobEvents(self._kc, self.id)

    async def _report(self, name: str) -> JobReport:
        report: JobReport = await self._kc._knock(name, {"job": self.id}, _REPORT)
        return report


class AsyncJobEvents(AsyncIterator[JobEvent]):
    """The events of a job: an ``async for`` loop over them awaits each."""

    def __init__(self, kc: AsyncKingCong, job: str) -> None:
        self._kc = kc
        self._job = job
        self._stream: int | None = None
        self._ended = False
        # What is asked for and nobody has got: it outlives those who await it.
        self._next: asyncio.Future[JobEvent | None] | None = None

    async def __anext__(self) -> JobEvent:
        if self._ended:
            raise StopAsyncIteration
        if self._next is None:
            self._next = asyncio.ensure_future(self._ask())
        try:
            event = await asyncio.shield(self._next)
        except asyncio.CancelledError:
            # Who awaited it gave up, even if it came in the same moment: the next one gets it.
            raise
        except BaseException:
            self._next = None
            raise
        self._next = None
        if event is None:
            self._stream, self._ended = None, True
            raise StopAsyncIteration
        return event

    async def _ask(self) -> JobEvent | None:
        await self._open()
        event: JobEvent | None = await self._kc._knock("events.next", {"stream": self._stream}, _EVENT)
        return event

    async def _open(self) -> None:
        if self._stream is None:
            self._stream = await self._kc._knock("job.events", {"job": self._job}, _PLAIN)

    async def aclose(self) -> None:
        """Watches no longer."""
        self._close()

    async def __aenter__(self) -> AsyncJobEvents:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._next is not None:
            self._next.cancel()
        _close_stream(self._kc, self._stream)
        self._stream, self._ended, self._next = None, True, None

    def __del__(self) -> None:
        self._close()
