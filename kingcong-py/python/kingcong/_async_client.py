"""The client that is awaited. Everything else is as with the one that waits."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Coroutine, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from . import _logging, _native
from ._answers import Estimate, JobEvent, JobReport
from ._base import (
    AUDIO_HEAD,
    BYTES,
    ESTIMATE,
    EVENT,
    PLAIN,
    REPORT,
    RESULT,
    SQLITE,
    Audio,
    AudioHead,
    Client,
    Request,
    Timeout,
    acting_of,
    asked,
    caller_of,
    checked_providers,
    close_stream,
    key_service,
    length_of,
    options_of,
    retry_of,
    sample_of,
)
from ._doors import (
    AsyncAccounts,
    AsyncConfig,
    AsyncKeys,
    AsyncPackages,
    AsyncPrices,
    AsyncReports,
    AsyncRoot,
    AsyncTenants,
    AsyncVoices,
    AsyncWallets,
)
from ._loops import Answers, Host
from ._native import Shape
from ._types import JobResult
from ._wire import encoder
from ._words import Role
from .providers import Provider

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._settings import Settings

__all__ = ["AsyncDoors", "AsyncJobAudio", "AsyncJobEvents", "AsyncJobHandle", "AsyncKingCong"]


class AsyncDoors(AsyncRoot):
    """The doors, as a tenant asks at them. :meth:`of` makes one."""

    def __init__(self, client: AsyncKingCong, caller: dict[str, Any]) -> None:
        self._opened, self._caller = client, caller

    @property
    def _client(self) -> AsyncKingCong:
        return self._opened

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._client!r}>"

    def acting(
        self,
        actor: str,
        role: Role,
        *,
        tenant: str | None = None,
        user: str | None = None,
        until: datetime | None = None,
    ) -> AsyncDoors:
        """As :meth:`KingCong.acting`."""
        return AsyncDoors(self._client, acting_of(self._caller, actor, role, tenant, user, until))

    def of(self, tenant: str) -> AsyncDoors:
        """The doors of this tenant: its jobs, wallets and voices. What belongs to another is not found, and what is
        submitted or booked is this tenant's. A client itself asks for the tenant ``main``.
        """
        return AsyncDoors(self._client, {**self._caller, "of": {"tenant": encoder(str)(tenant, "tenant")}})

    def of_all(self) -> AsyncDoors:
        """The doors of every tenant, for operators: every job is found, and every wallet listed. What is submitted or
        booked, and whatever names a user, is one tenant's and refused.
        """
        return AsyncDoors(self._client, {**self._caller, "of": "all"})

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
    def accounts(self) -> AsyncAccounts:
        """Upstream accounts that several keys share."""
        return AsyncAccounts(self)

    @property
    def tenants(self) -> AsyncTenants:
        """What an operator says of tenants: their names, and who is suspended."""
        return AsyncTenants(self)

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
        estimate: Estimate = await self._knock("estimate", asked(request), ESTIMATE, sample_of(request))
        return estimate

    async def submit(self, request: Request) -> AsyncJobHandle:
        """As :meth:`KingCong.submit`, awaited. Cancelling it ends the waiting; the request may have been admitted."""
        return AsyncJobHandle(self, await self._knock("submit", asked(request), PLAIN, sample_of(request)))

    async def run(self, request: Request, *, timeout: Timeout = None) -> JobReport:
        """Submits a request and waits until it has ended. TimeoutError ends the waiting, not the job."""
        return await (await self.submit(request)).wait(timeout=timeout)

    def job(self, id: str) -> AsyncJobHandle:
        """The job of that id, whether it exists or not."""
        return AsyncJobHandle(self, encoder(str)(id, "id"))

    def _knock(
        self,
        name: str,
        given: dict[str, Any],
        answer: Shape,
        attachment: bytes | None = None,
    ) -> Coroutine[Any, Any, Any]:
        return self._client._knock_as(caller_of(self._caller), name, given, answer, attachment)


class AsyncKingCong(Client, AsyncDoors):
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
        master_key: Any = None,
        providers: Iterable[Provider] = (),
        **settings: Unpack[Settings],
    ) -> AsyncKingCong:
        """As :meth:`KingCong.open`, awaited."""
        providers = checked_providers(providers)
        where, service = key_service(master_key)
        key = None if service is None else service.id
        options = options_of(url, where, providers, settings)
        SQLITE.check(url)
        _logging.start()
        host = Host(providers, service) if providers or service is not None else None
        try:
            mailbox = None if host is None else host.mailbox
            answers = Answers.of_running_loop()
            outcome = _native.open(answers.mailbox, options, key, mailbox)
            if isinstance(outcome, _native.PendingAnswer):
                outcome = await answers.wait(outcome)
            library = outcome.open(PLAIN)
        except BaseException:
            if host is not None:
                host.stop()
            raise
        client = cls(library, url)
        client._host = None if host is None else weakref.ref(host)
        return client

    def __init__(self, library: _native.Library, url: str) -> None:
        Client.__init__(self, library, url)
        self._caller = {}
        self._host = None

    @property
    def _client(self) -> AsyncKingCong:
        return self

    def _abandon(self) -> None:
        host = None if self._host is None else self._host()
        if host is not None:
            host.stop()

    async def close(self) -> None:
        """As :meth:`KingCong.close`, awaited."""
        library = self._take_library()
        if library is None:
            return
        answers = Answers.of_running_loop()
        outcome = library.close(answers.mailbox)
        try:
            if isinstance(outcome, _native.PendingAnswer):
                outcome = await answers.wait(outcome)
            outcome.open(PLAIN)
        finally:
            SQLITE.closed(self)
            self._abandon()

    async def __aenter__(self) -> AsyncKingCong:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _knock_as(
        self,
        caller: str | None,
        name: str,
        given: dict[str, Any],
        answer: Shape,
        attachment: bytes | None,
    ) -> Any:
        answers = Answers.of_running_loop()
        outcome = self._open_library().send(answers.mailbox, name, given, caller, attachment)
        if isinstance(outcome, _native.PendingAnswer):
            outcome = await answers.wait(outcome)
        return outcome.open(answer)


class AsyncJobHandle:
    """A submitted job: watch it, wait for it, read its results, cancel it, retry it."""

    __slots__ = ("_kc", "id")

    id: str

    def __init__(self, kc: AsyncDoors, id: str) -> None:
        self._kc = kc
        self.id = id

    def __repr__(self) -> str:
        return f"AsyncJobHandle({self.id!r})"

    async def status(self) -> JobReport:
        """What is known of it now."""
        return await self._report("job.status")

    async def wait(self, *, timeout: Timeout = None) -> JobReport:
        """Waits until it has ended, whichever process works on it. TimeoutError ends the waiting, not the job."""
        length = length_of(timeout)
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

    async def retry(self, idempotency_key: str, *, deadline: timedelta | None = None) -> JobReport:
        """As :meth:`JobHandle.retry`, awaited."""
        given = retry_of(self.id, idempotency_key, deadline)
        report: JobReport = await self._kc._knock("job.retry", given, REPORT)
        return report

    async def result(self) -> JobResult:
        """As :meth:`JobHandle.result`, awaited."""
        result: JobResult = await self._kc._knock("job.result", {"job": self.id}, RESULT)
        return result

    async def audio(self) -> AsyncJobAudio:
        """What it says, to be read in ranges and chunks. :class:`OutputUnavailable` unless it has completed."""
        head: AudioHead = await self._kc._knock("job.audio", {"job": self.id}, AUDIO_HEAD)
        return AsyncJobAudio(self._kc, self.id, head)

    async def subtitles(self) -> str | None:
        """Its subtitles as SubRip, joined; None where none were asked for or given."""
        srt: str | None = await self._kc._knock("job.subtitles", {"job": self.id}, PLAIN)
        return srt

    async def task_output(self, place: int) -> JobResult | None:
        """The result of one task, by its place from 0; None while it has none."""
        given = {"job": self.id, "place": encoder(int)(place, "place")}
        output: JobResult | None = await self._kc._knock("job.task_output", given, RESULT)
        return output

    def events(self) -> AsyncJobEvents:
        """Its events from when the first is awaited on, in this process; ends after :class:`Ended`."""
        return AsyncJobEvents(self._kc, self.id)

    async def _report(self, name: str) -> JobReport:
        report: JobReport = await self._kc._knock(name, {"job": self.id}, REPORT)
        return report


class AsyncJobAudio(Audio):
    """As :class:`JobAudio`, awaited: an ``async for`` loop gives all of it in chunks, and the loop goes on meanwhile.

    ``StreamingResponse(audio.chunks(start, end))`` sends it with Starlette and FastAPI.
    """

    __slots__ = ("_kc",)

    def __init__(self, kc: AsyncDoors, job: str, head: AudioHead) -> None:
        super().__init__(job, head)
        self._kc = kc

    async def read(self, start: int = 0, end: int | None = None) -> bytes:
        """As :meth:`JobAudio.read`, awaited."""
        read: bytes = await self._kc._knock("job.read_audio", self._range(start, end), BYTES)
        return read

    def chunks(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """As :meth:`JobAudio.chunks`, awaited."""
        return self._chunks(self._range(start, end))

    async def _chunks(self, left: dict[str, Any]) -> AsyncIterator[bytes]:
        while True:
            chunk: bytes = await self._kc._knock("job.audio_chunk", left, BYTES)
            yield chunk
            left["start"] += len(chunk)
            if left["start"] >= left["end"]:
                return

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.chunks()


class AsyncJobEvents(AsyncIterator[JobEvent]):
    """The events of a job: an ``async for`` loop over them awaits each."""

    def __init__(self, kc: AsyncDoors, job: str) -> None:
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
        event: JobEvent | None = await self._kc._knock("events.next", {"stream": self._stream}, EVENT)
        return event

    async def _open(self) -> None:
        if self._stream is None:
            self._stream = await self._kc._knock("job.events", {"job": self._job}, PLAIN)

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
        close_stream(self._kc._client, self._stream)
        self._stream, self._ended, self._next = None, True, None

    def __del__(self) -> None:
        self._close()
