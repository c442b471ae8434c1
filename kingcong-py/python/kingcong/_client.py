"""The client that waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
from ._doors import Accounts, Config, Keys, Packages, Prices, Reports, Root, Tenants, Voices, Wallets
from ._green import Answers
from ._native import Shape
from ._types import JobResult
from ._wire import encoder
from ._words import Role
from .providers import Provider

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._loops import HostThread
    from ._settings import Settings

__all__ = ["Doors", "JobAudio", "JobEvents", "JobHandle", "KingCong"]


class Doors(Root):
    """The doors, as somebody asks at them, for a tenant. :meth:`acting` and :meth:`of` make one."""

    def __init__(self, client: KingCong, caller: dict[str, Any]) -> None:
        self._opened, self._caller = client, caller

    @property
    def _client(self) -> KingCong:
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
    ) -> Doors:
        """The doors at which somebody acts in a role. Rows that the role does not reach are not found, doors that are
        not for it raise :class:`Forbidden`, and both what is done and what is refused is audited in the actor's name.
        You authenticate, the library authorises. A client itself acts as the operator ``system``.

        ``tenant`` is for the roles of one tenant, ``user`` for a member; ``until`` is when the access ends, by the
        database's clock (:class:`AccessExpired`). Raises :class:`InvalidRequest` at the first door for a role with a
        tenant or user that is missing or too much.

        >>> from kingcong import Forbidden, KingCong, Role
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     an = kc.acting("an", Role.MEMBER, tenant="acme", user="an")
        ...     print(an.wallets.get("an").balance)
        ...     try:
        ...         an.config.get()
        ...     except Forbidden as error:
        ...         print(error.role, error.door)
        ...     print(kc.of("acme").reports.audit(limit=1)[0].outcome.value)
        0
        member config.get
        refused
        """
        return Doors(self._client, acting_of(self._caller, actor, role, tenant, user, until))

    def of(self, tenant: str) -> Doors:
        """The doors of this tenant: its jobs, wallets and voices. What belongs to another is not found, and what is
        submitted or booked is this tenant's. A client itself asks for the tenant ``main``.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     _ = kc.of("acme").wallets.purchase(None, "package-1", "order-17")
        ...     kc.of("acme").wallets.get(None).balance, kc.wallets.get(None).balance
        (Decimal('1000000'), Decimal('0'))
        """
        return Doors(self._client, {**self._caller, "of": {"tenant": encoder(str)(tenant, "tenant")}})

    def of_all(self) -> Doors:
        """The doors of every tenant, for operators: every job is found, and every wallet listed. What is submitted or
        booked, and whatever names a user, is one tenant's and refused.
        """
        return Doors(self._client, {**self._caller, "of": "all"})

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
    def accounts(self) -> Accounts:
        """Upstream accounts that several keys share."""
        return Accounts(self)

    @property
    def tenants(self) -> Tenants:
        """What an operator says of tenants: their names, and who is suspended."""
        return Tenants(self)

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
        estimate: Estimate = self._knock("estimate", asked(request), ESTIMATE, sample_of(request))
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
        return JobHandle(self, self._knock("submit", asked(request), PLAIN, sample_of(request)))

    def run(self, request: Request, *, timeout: Timeout = None) -> JobReport:
        """Submits a request and waits until it has ended. TimeoutError ends the waiting, not the job."""
        return self.submit(request).wait(timeout=timeout)

    def job(self, id: str) -> JobHandle:
        """The job of that id, whether it exists or not."""
        return JobHandle(self, encoder(str)(id, "id"))

    def _knock(
        self,
        name: str,
        given: dict[str, Any],
        answer: Shape,
        attachment: bytes | None = None,
        *,
        timeout: timedelta | None = None,
    ) -> Any:
        return self._client._knock_as(caller_of(self._caller), name, given, answer, attachment, timeout)


class KingCong(Client, Doors):
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
        master_key: Any = None,
        providers: Iterable[Provider] = (),
        **settings: Unpack[Settings],
    ) -> KingCong:
        """Opens the library on ``sqlite://…``, ``postgres://…``, ``mysql://…`` or ``memory:``.

        The settings are those of :class:`Settings`: what each means, its unit, its default and what is legal stands in
        the table of ``docs/python.md``. ``preset="kingcong"`` writes AI33 and AI84 at 70/30 with their packages and
        prices into an empty database.
        ``master_key`` encrypts the upstream keys: base64 or hexadecimal text, 32 bytes, a :class:`pathlib.Path` (the
        file is made when it is not there), a function that returns one of them, or an object with ``id``, ``wrap`` and
        ``unwrap`` (a KMS); the environment variable ``KINGCONG_MASTER_KEY`` when left out. ``providers`` are your own,
        see :mod:`kingcong.providers`.

        Raises :class:`StoreUnavailable` or :class:`StoreFailed` for a database that cannot be used,
        :class:`MasterKeyFailed` for a master key that cannot be had or is not the database's, and
        :class:`InvalidRequest` for a setting outside of its bounds.
        """
        providers = checked_providers(providers)
        where, service = key_service(master_key)
        key = None if service is None else service.id
        options = options_of(url, where, providers, settings)
        SQLITE.check(url)
        _logging.start()
        thread = None
        if providers or service is not None:
            from ._loops import HostThread

            thread = HostThread(providers, service)
        try:
            host = None if thread is None else thread.host
            mailbox = None if host is None else host.mailbox
            answers = Answers.of_this_hub()
            if answers is None:
                outcome = _native.open_and_wait(options, key, mailbox)
            else:
                outcome = answers.of(_native.open(answers.mailbox, options, key, mailbox))
            library = outcome.open(PLAIN)
        except BaseException:
            if thread is not None:
                thread.stop()
            raise
        client = cls(library, url)
        client._thread = thread
        return client

    def __init__(self, library: _native.Library, url: str) -> None:
        Client.__init__(self, library, url)
        self._caller = {}
        self._thread = None

    @property
    def _client(self) -> KingCong:
        return self

    def _abandon(self) -> None:
        if self._thread is not None:
            self._thread.end()

    def close(self) -> None:
        """Stops claiming and submitting, and waits for what is under way, at most ``drain`` (30 s).

        What is under way then is taken over by another process, or by this one when it opens again.
        """
        library = self._take_library()
        if library is None:
            return
        try:
            answers = Answers.of_this_hub()
            outcome = library.close_and_wait() if answers is None else answers.of(library.close(answers.mailbox))
            outcome.open(PLAIN)
        finally:
            SQLITE.closed(self)
            if self._thread is not None:
                self._thread.stop()

    def __enter__(self) -> KingCong:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _knock_as(
        self,
        caller: str | None,
        name: str,
        given: dict[str, Any],
        answer: Shape,
        attachment: bytes | None,
        timeout: timedelta | None,
    ) -> Any:
        library, answers = self._open_library(), Answers.of_this_hub()
        if answers is None:
            return library.wait(name, given, caller, attachment, timeout).open(answer)
        return answers.of(library.send(answers.mailbox, name, given, caller, attachment), timeout).open(answer)


class JobHandle:
    """A submitted job: watch it, wait for it, read its results, cancel it, retry it."""

    __slots__ = ("_kc", "id")

    id: str

    def __init__(self, kc: Doors, id: str) -> None:
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
            return self._report("job.wait", timeout=length_of(timeout))
        except TimeoutError:
            raise TimeoutError(f"job {self.id} has not ended in time; it goes on") from None

    def cancel(self) -> JobReport:
        """Ends it as far as its tasks have not been sent; those that were run to their end and are charged."""
        return self._report("job.cancel")

    def retry(self, idempotency_key: str, *, deadline: timedelta | None = None) -> JobReport:
        """Tries the failed tasks of a job again that has ended with such. What they may cost is held anew, at the
        prices of the job's quote; tasks that are done stay as they are, with their results and charges.

        The same key gives the same answer, for ever: the job is retried once. It is one of the user's, like those of
        submits. ``deadline`` is how long the job may take from now on. Raises :class:`RetryRefused` for a job that has
        not ended with failed tasks or was cancelled, :class:`OutputUnavailable` where the result of a task is gone, and
        what ``submit`` raises; nothing is written then, but a refusal for money is remembered under its key.

        >>> from kingcong import KingCong, RetryRefused, Speech
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     _ = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
        ...     _ = kc.wallets.purchase("user-1", "package-1", "order-991")
        ...     job = kc.submit(Speech("user-1", "Xin chào!", service="elevenlabs", voice="v"))
        ...     _ = job.cancel()
        ...     try:
        ...         job.retry("order-991, second try")
        ...     except RetryRefused as error:
        ...         print(error.job == job.id)
        True
        """
        given = retry_of(self.id, idempotency_key, deadline)
        report: JobReport = self._kc._knock("job.retry", given, REPORT)
        return report

    def result(self) -> JobResult:
        """What it gave: its tasks' results, joined in order; audio as a whole in memory, up to 64 MiB.

        :class:`OutputUnavailable` unless it has completed, and for longer audio: :meth:`audio` gives any length.
        """
        result: JobResult = self._kc._knock("job.result", {"job": self.id}, RESULT)
        return result

    def audio(self) -> JobAudio:
        """What it says, to be read in ranges and chunks. :class:`OutputUnavailable` unless it has completed."""
        head: AudioHead = self._kc._knock("job.audio", {"job": self.id}, AUDIO_HEAD)
        return JobAudio(self._kc, self.id, head)

    def subtitles(self) -> str | None:
        """Its subtitles as SubRip, joined; None where none were asked for or given."""
        srt: str | None = self._kc._knock("job.subtitles", {"job": self.id}, PLAIN)
        return srt

    def task_output(self, place: int) -> JobResult | None:
        """The result of one task, by its place from 0; None while it has none."""
        given = {"job": self.id, "place": encoder(int)(place, "place")}
        output: JobResult | None = self._kc._knock("job.task_output", given, RESULT)
        return output

    def events(self) -> JobEvents:
        """Its events from now on, in this process; ends after :class:`Ended`."""
        return JobEvents(self._kc, self._kc._knock("job.events", {"job": self.id}, PLAIN))

    def _report(self, name: str, *, timeout: timedelta | None = None) -> JobReport:
        report: JobReport = self._kc._knock(name, {"job": self.id}, REPORT, timeout=timeout)
        return report


class JobAudio(Audio):
    """What a completed job says, as one file in the order of its tasks. Of it is read what is asked for.

    Nothing is held open: who stops reading leaves nothing behind. A ``for`` loop gives all of it in chunks.
    """

    __slots__ = ("_kc",)

    def __init__(self, kc: Doors, job: str, head: AudioHead) -> None:
        super().__init__(job, head)
        self._kc = kc

    def read(self, start: int = 0, end: int | None = None) -> bytes:
        """The bytes from ``start`` to before ``end``, or to the end of the audio: all of them, or an error.

        Raises :class:`RangeRefused` for a range that is empty, ends behind the audio, or has more than 64 MiB, and
        :class:`OutputUnavailable` when a task's result is gone or is not as long as it was.
        """
        read: bytes = self._kc._knock("job.read_audio", self._range(start, end), BYTES)
        return read

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The same bytes in chunks of 256 KiB, each read when it is asked for; of any number. The range is refused
        with the first."""
        left = self._range(start, end)
        return self._chunks(left)

    def _chunks(self, left: dict[str, Any]) -> Iterator[bytes]:
        while True:
            chunk: bytes = self._kc._knock("job.audio_chunk", left, BYTES)
            yield chunk
            left["start"] += len(chunk)
            if left["start"] >= left["end"]:
                return

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks()


class JobEvents(Iterator[JobEvent]):
    """The events of a job: a ``for`` loop over them waits for each."""

    def __init__(self, kc: Doors, stream: int) -> None:
        self._kc = kc
        self._stream: int | None = stream

    def __next__(self) -> JobEvent:
        if self._stream is None:
            raise StopIteration
        event: JobEvent | None = self._kc._knock("events.next", {"stream": self._stream}, EVENT)
        if event is None:
            self._stream = None
            raise StopIteration
        return event

    def close(self) -> None:
        """Watches no longer."""
        close_stream(self._kc._client, self._stream)
        self._stream = None

    def __enter__(self) -> JobEvents:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
