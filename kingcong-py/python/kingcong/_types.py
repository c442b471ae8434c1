"""The records and words of the library: what requests are made of, and what doors answer.

Records are frozen and hashable, print as they are written, and :meth:`to_dict` makes them ready for JSON. Amounts are
:class:`decimal.Decimal` in whole units (credits, dollars …), instants are :class:`datetime.datetime` in UTC, ids are
texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from ._errors import invalid
from ._wire import Record, changed_fields_of, encoder, fields_of, sent

__all__ = [
    "Account",
    "Archived",
    "AudioFormat",
    "AuditEntry",
    "CloneVoice",
    "ClonedVoice",
    "Credited",
    "Discrepancy",
    "DiscrepancyKind",
    "Ended",
    "Entry",
    "EntryKind",
    "ErrorRecord",
    "Estimate",
    "Explanation",
    "FailureKind",
    "Health",
    "Job",
    "JobEvent",
    "JobReport",
    "JobResult",
    "JobState",
    "Key",
    "KeyStatus",
    "Lifted",
    "Limits",
    "Maintenance",
    "Measure",
    "Message",
    "Missed",
    "Operation",
    "Ordered",
    "Package",
    "Passage",
    "Payer",
    "PollsCount",
    "Price",
    "PriceLine",
    "Role",
    "Route",
    "RouteStatus",
    "Server",
    "ServerChange",
    "ServerInfo",
    "Service",
    "Share",
    "Speech",
    "SpeechResult",
    "SplitShare",
    "Standing",
    "Status",
    "Subtitles",
    "Switch",
    "System",
    "TaskCancelled",
    "TaskDone",
    "TaskError",
    "TaskFailed",
    "TaskProgress",
    "TaskReport",
    "TaskStarted",
    "TaskState",
    "TaskWaits",
    "Unit",
    "UnknownPolicy",
    "UsageRecord",
    "Verification",
    "Voice",
    "VoicePage",
    "VoiceResult",
    "VoiceSettings",
    "Wallet",
]


class _Word(str, Enum):
    """A word of a closed set; equal to its text."""

    def __str__(self) -> str:
        return str(self.value)


class Unit(_Word):
    """What a wallet holds. The digits after the point are fixed for ever: 0, 3 and 9."""

    CREDIT = "credit"
    NEXTFLOW = "nextflow"
    USD = "usd"


class Switch(_Word):
    """An administrator's switch."""

    ON = "on"
    OFF = "off"


class Lane(_Word):
    """Whose keys a call is made with."""

    SHARED = "shared"
    """The operator's, which serve every tenant."""


class RouteCause(_Word):
    """Why a task is on its route."""

    PLANNED = "planned"
    """The split chose it when the task was queued, by its submit or by a retry of its job."""
    MOVED = "moved"
    """The route before it failed the task, or did not serve."""


class Operation(_Word):
    """What is done."""

    SPEECH = "text_to_speech"
    CLONE_VOICE = "voice_cloning"


class Measure(_Word):
    """What a price counts, in the smallest part that is counted."""

    CHARACTER = "character"
    REQUEST = "request"
    AUDIO_MS = "audio_ms"
    TOKEN = "token"
    IMAGE = "image"


class AudioFormat(_Word):
    """Audio container and coding."""

    MP3 = "mp3"
    WAV = "wav"


class Subtitles(_Word):
    """Whether subtitles are wanted."""

    NO = "no"
    SRT = "srt"


class Payer(_Word):
    """Whose wallet pays."""

    USER = "user"
    TENANT = "tenant"


class Mode(_Word):
    """What a process does: submits and works, or submits only."""

    BOTH = "both"
    CLIENT = "client"


class Role(_Word):
    """What somebody is to the library; which doors each may use stands in the table of ``docs/python.md``."""

    OPERATOR = "operator"
    """Runs the library: every door, of every tenant."""
    OPERATOR_BILLING = "operator_billing"
    """Keeps the operator's books: prices, packages and money, of every tenant."""
    SUPPORT = "support"
    """Helps users: reads their jobs, wallets and reports, and refunds; of every tenant."""
    AUDITOR = "auditor"
    """Reads reports and the audit, of every tenant."""
    TENANT_ADMIN = "tenant_admin"
    """Runs one tenant."""
    TENANT_BILLING = "tenant_billing"
    """Keeps one tenant's books: buys credits, and reads its jobs, wallets and reports."""
    MEMBER = "member"
    """One user of a tenant, with what is the user's own."""


class AuditOutcome(_Word):
    """What became of an audited call: it was done, or the role may not use the door."""

    DONE = "done"
    REFUSED = "refused"


class UnknownPolicy(_Word):
    """What to do with a task whose answer was lost: try it once more, recorded, or fail it."""

    RETRY = "retry"
    FAIL = "fail"


class JobState(_Word):
    """Where a job is."""

    OPEN = "open"
    CANCELLING = "cancelling"
    EXPIRING = "expiring"
    COMPLETED = "completed"
    COMPLETED_WITH_FAILURES = "completed_with_failures"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskState(_Word):
    """Where a task is."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class EntryKind(_Word):
    """What an entry of the ledger records."""

    PURCHASE = "purchase"
    USAGE = "usage"
    REFUND = "refund"
    ADJUSTMENT = "adjustment"
    DEBT_PAYMENT = "debt_payment"


class KeyStatus(_Word):
    """What the library knows of a key; apart from the administrator's switch.

    A key is ``UNREADABLE`` when its stored secret does not open, and ``SUSPENDED`` when its server moved to another
    scheme, host or port: both are mended by ``keys.add`` with the same secret.
    """

    ACTIVE = "active"
    DOUBTFUL = "doubtful"
    DEAD = "dead"
    OUT_OF_CREDIT = "out_of_credit"
    UNREADABLE = "unreadable"
    SUSPENDED = "suspended"
    REMOVED = "removed"


class Lifted(_Word):
    """Says that there is no limit any more, where ``None`` says that it stays."""

    LIFTED = "lifted"


class PollsCount(_Word):
    """Whether asking a server for a result counts as a call."""

    FREE = "free"
    COUNTED = "counted"


class Health(_Word):
    """A service's health as its server tells it."""

    GOOD = "good"
    DEGRADED = "degraded"
    OVERLOADED = "overloaded"


class Passage(_Word):
    """What a route's last calls let through: everything, one call to see, or nothing for now."""

    OPEN = "open"
    PROBE = "probe"
    CLOSED = "closed"


class FailureKind(_Word):
    """What a failure means, and so whom it concerns."""

    BAD_REQUEST = "bad_request"
    POLICY = "policy"
    NOT_ALLOWED = "not_allowed"
    KEY_DEAD = "key_dead"
    KEY_DOUBTFUL = "key_doubtful"
    OUT_OF_CREDIT = "out_of_credit"
    KEY_RATE_LIMITED = "key_rate_limited"
    ACCOUNT_RATE_LIMITED = "account_rate_limited"
    EGRESS_RATE_LIMITED = "egress_rate_limited"
    BUSY = "busy"
    UNKNOWN = "unknown"
    TOO_LARGE = "too_large"
    UNDELIVERABLE = "undeliverable"
    UNSUPPORTED = "unsupported"


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


# --- the configuration


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
class ServerInfo(Record):
    """A server of the configuration."""

    id: str
    protocol: str
    base_url: str
    weight: int
    polls: PollsCount
    limits: Limits
    egress: Limits | None


@dataclass(frozen=True, slots=True)
class Service(Record):
    """What is bought on a server, with its name for users."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Route(Record):
    """A server's service, and whether it is used."""

    server: str
    service: str
    switch: Switch


@dataclass(frozen=True, slots=True)
class System(Record):
    """The configuration as it stands; ``version`` counts its changes."""

    version: int
    servers: tuple[ServerInfo, ...]
    services: tuple[Service, ...]
    routes: tuple[Route, ...]
    maintenance: Maintenance


@dataclass(frozen=True, slots=True)
class Message(Record):
    """What a user may be told, in English and Vietnamese."""

    code: str
    en: str
    vi: str


@dataclass(frozen=True, slots=True)
class Share(Record):
    """A server and the weight by which it shares work."""

    server: str
    weight: int


@dataclass(frozen=True, slots=True)
class Standing(Record):
    """How a service stands: the servers that share its work, or what its users are told."""

    service: str
    servers: tuple[Share, ...]
    refused: Message | None


@dataclass(frozen=True, slots=True)
class Explanation(Record):
    """The named case that the switches make (``all_on``, ``case1`` …), and how each service stands."""

    version: int
    state: str
    maintenance: Maintenance
    services: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class RouteStatus(Record):
    """A route as a status bar shows it."""

    server: str
    service: str
    switch: Switch
    keys: int
    waiting: int
    passage: Passage
    closed_until: datetime | None
    health: Health | None
    is_served_here: bool


@dataclass(frozen=True, slots=True)
class Status(Record):
    """What a status bar shows."""

    explanation: Explanation
    routes: tuple[RouteStatus, ...]


# --- money


@dataclass(frozen=True, slots=True)
class Estimate(Record):
    """What a request would cost. ``held`` is the most that it can cost."""

    tasks: int
    characters: int
    held: Decimal
    available: Decimal
    unit: Unit
    is_sufficient: bool


@dataclass(frozen=True, slots=True)
class Wallet(Record):
    """An owner's balance in one unit; ``user`` is None for a tenant's own. ``available`` is what is not held."""

    id: str
    tenant: str
    user: str | None
    unit: Unit
    balance: Decimal
    held: Decimal
    available: Decimal
    debt: Decimal
    total_purchased: Decimal
    total_spent: Decimal
    total_refunded: Decimal
    entries: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Entry(Record):
    """One line of a wallet's ledger; numbers are dense from 1."""

    number: int
    kind: EntryKind
    amount: Decimal
    balance_after: Decimal
    debt_change: Decimal
    debt_after: Decimal
    unit: Unit
    route: str | None
    task: str | None
    reference: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Credited(Record):
    """What was moved, and the balance after it; at a replay the balance then, not now.

    ``amount`` is by how much the balance changed before any debt was paid. Where a correction wanted to take more than
    was available, the rest is in ``became_debt``; what of a credit went to pay debt is ``paid_debt``.
    """

    amount: Decimal
    became_debt: Decimal
    paid_debt: Decimal
    balance_after: Decimal


# --- jobs


@dataclass(frozen=True, slots=True)
class Job(Record):
    """One request's tasks, money and state."""

    id: str
    tenant: str
    user: str
    operation: Operation
    service: str
    model: str | None
    state: JobState
    is_final: bool
    unit: Unit
    held: Decimal
    charged: Decimal
    tasks: int
    open_tasks: int
    failed_tasks: int
    retries: int
    deadline: datetime
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class TaskError(Record):
    """Why a task failed; it costs nothing."""

    code: str
    message: str
    user: Message


@dataclass(frozen=True, slots=True)
class TaskReport(Record):
    """What is known of a task. ``key`` is the key of its last attempt, masked."""

    id: str
    place: int
    state: TaskState
    route: str
    key: str | None
    characters: int
    attempts: int
    charged: Decimal
    refunded: Decimal
    possible_double: bool
    error: TaskError | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobReport(Record):
    """What is known of a job, with the wallet that pays as it is now."""

    job: Job
    tasks: tuple[TaskReport, ...]
    released: Decimal
    available: Decimal
    balance: Decimal


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


@dataclass(frozen=True, slots=True)
class TaskStarted(Record):
    """A task was sent: its place from 0, on which route, with which masked key, the how manieth attempt."""

    place: int
    route: str
    key: str
    attempt: int


@dataclass(frozen=True, slots=True)
class TaskProgress(Record):
    """An upstream told how far a task is, from 0 to 100."""

    place: int
    percent: int


@dataclass(frozen=True, slots=True)
class TaskWaits(Record):
    """A task waits for another try."""

    place: int
    reason: str


@dataclass(frozen=True, slots=True)
class TaskDone(Record):
    """A task has its result."""

    place: int
    charged: Decimal


@dataclass(frozen=True, slots=True)
class TaskFailed(Record):
    """A task failed; it costs nothing."""

    place: int
    error: TaskError


@dataclass(frozen=True, slots=True)
class TaskCancelled(Record):
    """A task was cancelled before it was done."""

    place: int


@dataclass(frozen=True, slots=True)
class Retried(Record):
    """The job had ended, and so many failed tasks of it are tried again."""

    tasks: int


@dataclass(frozen=True, slots=True)
class Ended(Record):
    """The job ended; nothing more follows."""

    state: JobState
    charged: Decimal


@dataclass(frozen=True, slots=True)
class Missed(Record):
    """So many events were missed, because they were not read fast enough; the job's report has the whole."""

    events: int


JobEvent = TaskStarted | TaskProgress | TaskWaits | TaskDone | TaskFailed | TaskCancelled | Retried | Ended | Missed


# --- keys, voices, reports


@dataclass(frozen=True, slots=True)
class Key(Record):
    """An upstream key; of its secret only the mask. ``limits`` are its own, beside those of its account."""

    id: str
    server: str
    service: str
    tenant: str
    label: str
    mask: str
    account: str | None
    limits: Limits
    switch: Switch
    status: KeyStatus
    is_usable: bool
    reason: str | None
    balance: Decimal | None
    checked_at: datetime | None
    last_used: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Account(Record):
    """An upstream account that keys share, with what they may do together.

    ``used_in_window`` counts the calls of the last window: starts, and polls where the upstream counts them.
    """

    server: str
    account: str
    limits: Limits
    in_flight: int
    used_in_window: int
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Voice(Record):
    """A voice that an upstream offers; ``origin`` is ``library`` or ``cloned``."""

    voice: str
    name: str
    language: str | None
    gender: str | None
    preview_url: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class VoicePage(Record):
    """Voices, and what to ask for next; ``next`` is None on the last page."""

    voices: tuple[Voice, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class ClonedVoice(Record):
    """A voice that a user cloned; it lives on the account that made it."""

    id: str
    user: str
    name: str
    server: str
    service: str
    created_at: datetime


class TenantState(_Word):
    """Whether a tenant may order."""

    ACTIVE = "active"
    """It may."""
    SUSPENDED = "suspended"
    """Nothing new is submitted, retried or purchased. What is under way goes on, and everything can be read."""


@dataclass(frozen=True, slots=True)
class Tenant(Record):
    """What an operator says of a customer organisation. ``version`` grows with each change."""

    id: str
    name: str
    state: TenantState
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ErrorRecord(Record):
    """An attempt that failed or whose answer was lost."""

    attempt: str
    task: str
    job: str
    tenant: str
    user: str
    operation: Operation
    model: str | None
    route: str
    cause: RouteCause
    key: str
    lane: Lane
    key_tenant: str | None
    kind: FailureKind
    upstream_code: str | None
    message: str
    leased_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class UsageRecord(Record):
    """What an ended attempt bought (``cost``, in the upstream's credits) and sold (``charged``).

    ``over_hold`` is what of its price was not charged because the job's hold was used up: the operator's cost.
    ``cause`` says why the task was on the route, ``key_tenant`` whose key it was: ``None`` is the operator's.
    """

    attempt: str
    task: str
    job: str
    tenant: str
    user: str
    operation: Operation
    model: str | None
    route: str
    cause: RouteCause
    key: str
    lane: Lane
    key_tenant: str | None
    is_done: bool
    cost: Decimal | None
    charged: Decimal
    over_hold: Decimal
    unit: Unit
    audio_ms: int | None
    characters: int | None
    took: timedelta
    possible_double: bool
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class SplitShare(Record):
    """How many of the last attempts a route had."""

    server: str
    service: str
    done: int
    failed: int


@dataclass(frozen=True, slots=True)
class AuditEntry(Record):
    """What was done at an admin door, or who was refused at any. ``tenant`` is the one whose rows it concerns, None for
    what all tenants share; ``target`` is what it was done to; ``detail`` is a JSON object as text, without secrets.
    """

    id: str
    tenant: str | None
    actor: str
    role: Role
    door: str
    target: str | None
    outcome: AuditOutcome
    detail: str
    at: datetime


class DiscrepancyKind(_Word):
    """What is wrong with a row that does not agree with the others."""

    WRONG = "wrong"
    """A column is not what other rows say."""
    MISSING = "missing"
    """Another row needs it, and it is not there."""
    STRAY = "stray"
    """It names a row that is not there, or that does not know it."""
    DAMAGED = "damaged"
    """It cannot be read, or is not written as KingCong writes it."""
    SEALED = "sealed"
    """Its secret does not open: it was altered or is another row's, or its data key is."""


@dataclass(frozen=True, slots=True)
class Discrepancy(Record):
    """A row that does not agree with the others: ``table`` and ``row`` name it as the database does.

    ``column`` is none where the row as a whole is meant.
    """

    kind: DiscrepancyKind
    table: str
    row: str
    column: str | None
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Verification(Record):
    """What verification found: ``found`` rows that do not agree with others, 0 when all is well.

    ``discrepancies`` are the first 1,000 of them.
    """

    wallets: int
    jobs: int
    limits: int
    found: int
    discrepancies: tuple[Discrepancy, ...]
    is_sound: bool


@dataclass(frozen=True, slots=True)
class Archived(Record):
    """What was archived, and into which file."""

    attempts: int
    entries: int
    file: str | None
