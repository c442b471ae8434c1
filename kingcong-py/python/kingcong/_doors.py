"""The doors in their groups. Each is its signature, its docstring and its name in the native half; what it takes and
gives follows from the type hints. The same classes serve both clients: with :class:`~kingcong.AsyncKingCong` every door
is awaited.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar, get_type_hints

from ._answers import (
    Account,
    Archived,
    AuditEntry,
    ClonedVoice,
    Credited,
    Entry,
    ErrorRecord,
    Explanation,
    Job,
    Key,
    SplitShare,
    Status,
    System,
    Tenant,
    UsageRecord,
    Verification,
    VoicePage,
    Wallet,
)
from ._native import Encoder, Shape
from ._types import Limits, Maintenance, Ordered, Package, Price, Server, ServerChange
from ._wire import encoder, shape, wire_name
from ._words import JobState, Operation, Switch, TenantState, Unit

__all__ = [
    "Accounts",
    "AsyncAccounts",
    "AsyncConfig",
    "AsyncKeys",
    "AsyncPackages",
    "AsyncPrices",
    "AsyncReports",
    "AsyncRoot",
    "AsyncTenants",
    "AsyncVoices",
    "AsyncWallets",
    "Config",
    "Keys",
    "Packages",
    "Prices",
    "Reports",
    "Root",
    "Tenants",
    "Voices",
    "Wallets",
]

F = TypeVar("F", bound=Callable[..., Any])
G = TypeVar("G", bound="_Group")

#: Rows that a door answers when it is not told how many; at most 1,000.
LIMIT = 100


def door(door_name: str) -> Callable[[F], F]:
    """Makes a method the door of that name."""

    def make(method: F) -> F:
        signature = inspect.signature(method)
        parameters = list(signature.parameters.values())[1:]
        positional = [parameter.name for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY]
        required = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
        # So many arguments are needed; more than there are where one of those has to be named.
        fewest = len(required) if required == positional[: len(required)] else len(parameters) + 1
        encoders: dict[str, tuple[str, Encoder]] = {}
        preset: dict[str, Any] = {}
        answer: Shape | None = None

        def prepare() -> None:
            # When it is first needed, because hints name what is defined further down.
            nonlocal answer
            hints = get_type_hints(method)
            returned = hints.pop("return")
            encoders.update({name: (wire_name(name, hint), encoder(hint)) for name, hint in hints.items()})
            for parameter in parameters:
                if parameter.name not in required and parameter.default is not None:
                    key, encode = encoders[parameter.name]
                    preset[key] = encode(parameter.default, parameter.name)
            answer = shape(returned)

        @functools.wraps(method)
        def knock(self: Any, *args: Any, **kwargs: Any) -> Any:
            if answer is None:
                prepare()
            given: Iterable[tuple[str, Any]]
            if not kwargs and fewest <= len(args) <= len(positional):
                given = zip(positional, args, strict=False)
            else:
                # What does not fit the signature is refused as Python does.
                given = list(signature.bind(self, *args, **kwargs).arguments.items())[1:]
            wire = dict(preset)
            for name, value in given:
                key, encode = encoders[name]
                if value is None:
                    wire.pop(key, None)
                else:
                    wire[key] = encode(value, name)
            return self._knock(door_name, _grouped(door_name, wire), answer)

        return knock  # type: ignore[return-value]

    return make


def _grouped(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Attempts are asked for by one filter."""
    return {"filter": given} if name in ("reports.errors", "reports.usage") else given


class _Group:
    """Doors that belong together."""

    __slots__ = ("_client",)

    def __init__(self, client: Any) -> None:
        self._client = client

    def _knock(self, name: str, given: dict[str, Any], answer: Shape) -> Any:
        return self._client._knock(name, given, answer)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._client!r}>"


class Wallets(_Group):
    """Wallets of the tenant and their ledger, in KingCong credits unless ``unit`` says otherwise.

    ``user=None`` is the tenant's own wallet.
    """

    __slots__ = ()

    @door("wallets.get")
    def get(self, user: str | None, *, unit: Unit = Unit.CREDIT) -> Wallet:
        """A user's wallet; an empty one when the user never had any.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.wallets.get("user-1").balance
        Decimal('0')
        """
        raise NotImplementedError

    @door("wallets.list")
    def list(
        self, *, unit: Unit | None = None, in_debt: bool = False, after: str | None = None, limit: int = LIMIT
    ) -> tuple[Wallet, ...]:
        """Wallets of the tenant, its own and its users', in the order of their ids, those after the id ``after``.

        ``in_debt=True`` lists only those that owe something; at most 1,000 at once.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     _ = kc.wallets.adjust("user-1", -5, reason="a fee", idempotency_key="fee-1")
        ...     [(wallet.user, wallet.debt) for wallet in kc.wallets.list(in_debt=True)]
        [('user-1', Decimal('5'))]
        """
        raise NotImplementedError

    @door("wallets.purchase")
    def purchase(self, user: str | None, package: str, order: str, *, ordered: Ordered | None = None) -> Credited:
        """Books a paid package. ``order`` is the idempotency key: the same order is booked once, for ever.

        ``ordered`` is what the buyer was shown and paid: a package that is something else by now is not booked. Without
        it the package is booked as it is now.

        Raises :class:`NotFound` for a package that is not on sale, :class:`AmountRefused` for one that is not what was
        ordered, :class:`IdempotencyConflict` for an order that was used for another package or owner.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     first = kc.wallets.purchase("user-1", "package-1", "order-991")
        ...     again = kc.wallets.purchase("user-1", "package-1", "order-991")
        ...     first == again, kc.wallets.get("user-1").balance
        (True, Decimal('1000000'))

        >>> from kingcong import AmountRefused, Ordered
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     try:
        ...         kc.wallets.purchase("user-1", "package-1", "order-992", ordered=Ordered(Decimal(10), Decimal(5)))
        ...     except AmountRefused as refused:
        ...         refused.ordered_credits, refused.credits
        (Decimal('10'), Decimal('1000000'))
        """
        raise NotImplementedError

    @door("wallets.refund")
    def refund(
        self,
        user: str | None,
        task: str,
        *,
        amount: Decimal | int | None = None,
        reason: str,
        idempotency_key: str,
        unit: Unit = Unit.CREDIT,
    ) -> Credited:
        """Gives back what a task was charged, or ``amount`` of it; never more, however often it is asked.

        Raises :class:`NotFound` for a task that another wallet paid for, :class:`AmountRefused` for more than is left.
        """
        raise NotImplementedError

    @door("wallets.adjust")
    def adjust(
        self,
        user: str | None,
        change: Decimal | int,
        *,
        reason: str,
        idempotency_key: str,
        unit: Unit = Unit.CREDIT,
    ) -> Credited:
        """Corrects a balance by an operator's word; a negative correction beyond what is available becomes debt.

        The answer says what moved (``amount``) and what became debt (``became_debt``).

        >>> from kingcong import KingCong, Role
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     admin = kc.acting("admin-7", Role.OPERATOR)
        ...     gift = admin.wallets.adjust("user-1", 500, reason="welcome", idempotency_key="w-1")
        ...     gift.balance_after
        Decimal('500')
        """
        raise NotImplementedError

    @door("wallets.history")
    def history(
        self, user: str | None, *, before: int | None = None, limit: int = LIMIT, unit: Unit = Unit.CREDIT
    ) -> tuple[Entry, ...]:
        """The entries of a user's wallet, newest first, with a number below ``before``.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     _ = kc.wallets.purchase("user-1", "package-1", "order-991")
        ...     [(entry.kind.value, entry.amount) for entry in kc.wallets.history("user-1")]
        [('purchase', Decimal('1000000'))]
        """
        raise NotImplementedError


class Packages(_Group):
    """Packages of credits."""

    __slots__ = ()

    @door("packages.list")
    def list(self) -> tuple[Package, ...]:
        """The packages, on sale or not.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     [(package.id, package.price) for package in kc.packages.list()][:2]
        [('package-1', Decimal('5')), ('package-2', Decimal('10'))]
        """
        raise NotImplementedError

    @door("packages.set")
    def set(self, package: Package) -> None:
        """Sets a package; it replaces the one of the same id.

        >>> from decimal import Decimal
        >>> from kingcong import KingCong, Package, Role
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.acting("admin-7", Role.OPERATOR).packages.set(Package("mini", "Mini", Decimal(100), Decimal("0.99")))
        ...     kc.wallets.purchase("user-1", "mini", "order-1").amount
        Decimal('100')
        """
        raise NotImplementedError

    @door("packages.remove")
    def remove(self, package: str) -> None:
        """Takes a package away for good; to keep it for later, set it with ``Switch.OFF``.

        >>> from kingcong import KingCong, Role
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.acting("admin-7", Role.OPERATOR).packages.remove("package-8")
        ...     len(kc.packages.list())
        7
        """
        raise NotImplementedError


class Prices(_Group):
    """Prices. A job keeps the prices that it was admitted with."""

    __slots__ = ()

    @door("prices.list")
    def list(self) -> tuple[Price, ...]:
        """The prices in force.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     price = kc.prices.list()[0]
        ...     price.server, price.operation.value, price.lines[0].price
        ('ai33', 'text_to_speech', Decimal('1'))
        """
        raise NotImplementedError

    @door("prices.set")
    def set(self, price: Price) -> None:
        """Sets a price; it replaces the one for the same route, model and operation.

        >>> from decimal import Decimal
        >>> from kingcong import KingCong, Measure, Operation, Price, PriceLine, Role
        >>> price = Price("ai33", "minimax", Operation.SPEECH, (PriceLine(Measure.CHARACTER, Decimal("0.5")),))
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.acting("admin-7", Role.OPERATOR).prices.set(price)
        """
        raise NotImplementedError

    @door("prices.remove")
    def remove(self, server: str, service: str, operation: Operation, *, model: str | None = None) -> None:
        """Takes a price away: requests that need it are refused from now on.

        >>> from kingcong import KingCong, Operation, Role
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.acting("admin-7", Role.OPERATOR).prices.remove("ai84", "minimax", Operation.SPEECH)
        ...     len(kc.prices.list())
        5
        """
        raise NotImplementedError


class Config(_Group):
    """Servers, services, routes, weights, maintenance.

    A change is acknowledged when it is durable; nothing starts against it after that, in any process.
    """

    __slots__ = ()

    @door("config.get")
    def get(self) -> System:
        """The configuration as it stands.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     [server.id for server in kc.config.get().servers]
        ['ai33', 'ai84']
        """
        raise NotImplementedError

    @door("config.explain")
    def explain(self) -> Explanation:
        """The classification of the whole and, per service, where it is served or what the user is told.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.config.explain().state
        'all_on'
        """
        raise NotImplementedError

    @door("config.set_route")
    def set_route(self, server: str, service: str, switch: Switch) -> None:
        """Switches a route on or off.

        >>> from kingcong import KingCong, Role, Switch
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.acting("admin-7", Role.OPERATOR).config.set_route("ai84", "minimax", Switch.OFF)
        ...     kc.config.explain().state
        'mixed'
        """
        raise NotImplementedError

    @door("config.set_maintenance")
    def set_maintenance(self, maintenance: Maintenance) -> None:
        """Puts services under maintenance, or everything, or nothing any more.

        Running calls finish, queued tasks wait, and go on when it is lifted. ``Maintenance()`` lifts it.

        >>> from kingcong import KingCong, Maintenance, Role
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.acting("admin-7", Role.OPERATOR).config.set_maintenance(Maintenance(is_full=True))
        ...     kc.config.explain().services[0].refused.en
        'Server KingCong is under maintenance'
        """
        raise NotImplementedError

    @door("config.set_weights")
    def set_weights(self, weights: Mapping[str, int]) -> None:
        """Sets the weights that tasks are split by, such as ``{"ai33": 70, "ai84": 30}``; the next task follows.

        >>> from kingcong import KingCong, Role
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.acting("admin-7", Role.OPERATOR).config.set_weights({"ai33": 20, "ai84": 80})
        ...     [server.weight for server in kc.config.get().servers]
        [20, 80]
        """
        raise NotImplementedError

    @door("config.add_server")
    def add_server(self, id: str, server: Server, *, services: Mapping[str, Switch]) -> None:
        """Adds a server with the services that it sells. No code is needed when it speaks a known protocol.

        >>> from kingcong import KingCong, Limits, Role, Server, Switch
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     third = Server("ai33", "https://third.example", 10, Limits(30, 10))
        ...     kc.acting("admin-7", Role.OPERATOR).config.add_server("third", third, services={"minimax": Switch.ON})
        ...     [server.id for server in kc.config.get().servers]
        ['ai33', 'ai84', 'third']
        """
        raise NotImplementedError

    @door("config.update_server")
    def update_server(self, id: str, change: ServerChange) -> None:
        """Changes a server; what is not named stays, its protocol in any case.

        A base URL with another scheme, host or port suspends the server's keys, in every process: a secret is sent to
        nobody but whom it was registered for. Each is used again once ``keys.add`` got its secret again.

        >>> from kingcong import KingCong, Role, ServerChange
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     admin = kc.acting("admin-7", Role.OPERATOR)
        ...     admin.config.update_server("ai84", ServerChange(base_url="https://moved.example"))
        ...     moved = kc.config.get().servers[1]
        ...     moved.base_url, moved.weight, moved.egress.per_minute
        ('https://moved.example', 30, 60)
        """
        raise NotImplementedError

    @door("config.remove_server")
    def remove_server(self, id: str) -> None:
        """Removes a server; tasks planned on it move to others that they were admitted for. Its keys are suspended.

        >>> from kingcong import KingCong, Role
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.acting("admin-7", Role.OPERATOR).config.remove_server("ai84")
        ...     [server.id for server in kc.config.get().servers]
        ['ai33']
        """
        raise NotImplementedError

    @door("config.add_service")
    def add_service(self, id: str, name: str) -> None:
        """Adds a service, to be sold on routes; ``name`` is what users read.

        >>> from kingcong import KingCong, Role
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.acting("admin-7", Role.OPERATOR).config.add_service("openai", "OpenAI")
        ...     [service.name for service in kc.config.get().services]
        ['ElevenLabs', 'Minimax', 'OpenAI']
        """
        raise NotImplementedError

    @door("config.history")
    def history(self, *, limit: int = LIMIT) -> tuple[AuditEntry, ...]:
        """Changes made by admin doors, newest first.

        >>> from kingcong import KingCong, Role
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.acting("admin-7", Role.OPERATOR).config.set_weights({"ai33": 1})
        ...     kc.config.history(limit=1)[0].door
        'config.set_weights'
        """
        raise NotImplementedError


class Keys(_Group):
    """Upstream keys. Their secrets go in and never come out."""

    __slots__ = ()

    @door("keys.add")
    def add(
        self,
        server: str,
        service: str,
        secret: str,
        *,
        label: str = "",
        limits: Limits | None = None,
        account: str | None = None,
        account_limits: Limits | None = None,
    ) -> Key:
        """Registers a key that all users share; ``limits`` are the server's defaults when left out.

        ``account`` names the upstream account that the key belongs to, whose own limits its keys share:
        ``account_limits`` are needed with the account's first key, and may be left out with others. Raises
        :class:`KeyRefused` for the same secret again, with the id of the key that has it in ``key``, and for an account
        that has other limits, with these in ``max_in_flight`` and ``per_minute``; ``accounts.set_limits`` changes them.
        A key that is suspended or unreadable is the same key again when its secret is registered again.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream").mask
        'sk-a…ream'
        """
        raise NotImplementedError

    @door("keys.list")
    def list(self) -> tuple[Key, ...]:
        """Every key that was not removed.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     _ = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
        ...     [(key.server, key.status.value) for key in kc.keys.list()]
        [('ai33', 'active')]
        """
        raise NotImplementedError

    @door("keys.get")
    def get(self, key: str) -> Key:
        """A key by its id.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     key = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
        ...     kc.keys.get(key.id) == key
        True
        """
        raise NotImplementedError

    @door("keys.set_limits")
    def set_limits(self, key: str, *, max_in_flight: int | None = None, per_minute: int | None = None) -> Key:
        """Changes a key's limits; what is not named stays.

        >>> from kingcong import KingCong, Role
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     key = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
        ...     kc.acting("admin-7", Role.OPERATOR).keys.set_limits(key.id, per_minute=3).limits
        Limits(max_in_flight=30, per_minute=3)
        """
        raise NotImplementedError

    @door("keys.enable")
    def enable(self, key: str) -> Key:
        """Switches a key on. One known to be dead stays out of its pool until a check finds it alive.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     key = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
        ...     _ = kc.keys.disable(key.id)
        ...     kc.keys.enable(key.id).is_usable
        True
        """
        raise NotImplementedError

    @door("keys.disable")
    def disable(self, key: str) -> Key:
        """Switches a key off: it gets no new calls; those under way finish.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     key = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
        ...     kc.keys.disable(key.id).is_usable
        False
        """
        raise NotImplementedError

    @door("keys.remove")
    def remove(self, key: str) -> Key:
        """Removes a key for good: its secret is wiped, its history stays.

        >>> from kingcong import KingCong, Role
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     key = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
        ...     _ = kc.acting("admin-7", Role.OPERATOR).keys.remove(key.id)
        ...     kc.keys.list()
        ()
        """
        raise NotImplementedError

    @door("keys.check")
    def check(self, key: str) -> Key:
        """Asks the upstream about a key, by a call that costs nothing."""
        raise NotImplementedError


class Accounts(_Group):
    """Upstream accounts that several keys share. One is known once a key is registered under its name."""

    __slots__ = ()

    @door("accounts.list")
    def list(self) -> tuple[Account, ...]:
        """Every account that a key was registered under, by server and name, with its limits, what of them is used and
        its keys. One whose keys were all removed keeps its limits for the next.

        >>> from kingcong import KingCong, Limits
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     secret, limits = "sk-a-secret-of-the-upstream", Limits(30, 10)
        ...     _ = kc.keys.add("ai33", "elevenlabs", secret, account="us", account_limits=limits)
        ...     [(account.account, account.limits.per_minute, len(account.keys)) for account in kc.accounts.list()]
        [('us', 10, 1)]
        """
        raise NotImplementedError

    @door("accounts.set_limits")
    def set_limits(
        self, server: str, account: str, *, max_in_flight: int | None = None, per_minute: int | None = None
    ) -> Account:
        """Changes an account's limits; what is not named stays. Every process keeps them from its next start of a call
        on, and calls under way end as ever.

        >>> from kingcong import KingCong, Limits, Role
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     secret, limits = "sk-a-secret-of-the-upstream", Limits(30, 10)
        ...     _ = kc.keys.add("ai33", "elevenlabs", secret, account="us", account_limits=limits)
        ...     kc.acting("admin-7", Role.OPERATOR).accounts.set_limits("ai33", "us", per_minute=5).limits
        Limits(max_in_flight=30, per_minute=5)
        """
        raise NotImplementedError


class Tenants(_Group):
    """What an operator says of tenants. One of which nothing was ever said is active."""

    __slots__ = ()

    @door("tenants.set")
    def set(self, id: str, name: str, state: TenantState) -> Tenant:
        """Says what a tenant is called and whether it may order.

        A suspended one submits, retries and purchases nothing, from this moment on and in every process; what is under
        way goes on, and everything can be read.

        >>> from kingcong import KingCong, TenantState
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.tenants.set("acme", "Acme Ltd.", TenantState.SUSPENDED).version
        1
        """
        raise NotImplementedError

    @door("tenants.get")
    def get(self, id: str) -> Tenant | None:
        """What is said of a tenant; None where nothing ever was: it is active then.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.tenants.get("acme")
        """
        raise NotImplementedError

    @door("tenants.list")
    def list(self, *, after: str | None = None, limit: int = LIMIT) -> tuple[Tenant, ...]:
        """Tenants of which something is said, in the order of their ids, behind ``after``; at most 1,000 at once.

        >>> from kingcong import KingCong, TenantState
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     _ = kc.tenants.set("acme", "Acme Ltd.", TenantState.ACTIVE)
        ...     [(tenant.id, tenant.name) for tenant in kc.tenants.list()]
        [('acme', 'Acme Ltd.')]
        """
        raise NotImplementedError


class Voices(_Group):
    """Voices, the upstreams' and the cloned ones."""

    __slots__ = ()

    @door("voices.offered")
    def offered(self, server: str, service: str, *, page: str | None = None) -> VoicePage:
        """A page of the voices that a route offers, asked of its upstream; ``page`` is the last answer's ``next``.

        What users cloned on the key's account is listed too, with the origin ``cloned``: show other users only the
        library's voices.
        """
        raise NotImplementedError

    @door("voices.cloned")
    def cloned(self, user: str) -> tuple[ClonedVoice, ...]:
        """The voices that a user cloned.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.voices.cloned("user-1")
        ()
        """
        raise NotImplementedError


class Reports(_Group):
    """What happened. Usage and errors are those of the handle's tenant; the split and the audit are of every tenant."""

    __slots__ = ()

    @door("reports.usage")
    def usage(
        self,
        *,
        job: str | None = None,
        key: str | None = None,
        server: str | None = None,
        service: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: str | None = None,
        limit: int = LIMIT,
    ) -> tuple[UsageRecord, ...]:
        """Usage records of the handle's tenant, newest first: leased at ``since`` or later, and before ``until``.

        ``before`` is an attempt, for the next page; a route is a server and a service.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.reports.usage(server="ai33", service="elevenlabs", limit=10)
        ()
        """
        raise NotImplementedError

    @door("reports.errors")
    def errors(
        self,
        *,
        job: str | None = None,
        key: str | None = None,
        server: str | None = None,
        service: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: str | None = None,
        limit: int = LIMIT,
    ) -> tuple[ErrorRecord, ...]:
        """The error log: attempts that failed or whose answer was lost, found as those of :meth:`usage`.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.reports.errors(limit=10)
        ()
        """
        raise NotImplementedError

    @door("reports.split")
    def split(self) -> tuple[SplitShare, ...]:
        """How the last 1,000 attempts were spread over routes, of those that ended.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.reports.split()
        ()
        """
        raise NotImplementedError

    @door("reports.audit")
    def audit(self, *, before: str | None = None, limit: int = LIMIT) -> tuple[AuditEntry, ...]:
        """What was done at admin doors, newest first, older than the entry ``before``.

        >>> from kingcong import KingCong, Role
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     _ = kc.acting("admin-7", Role.OPERATOR).wallets.purchase("user-1", "package-1", "order-991")
        ...     [(entry.actor, entry.door) for entry in kc.reports.audit(limit=1)]
        [('admin-7', 'wallets.purchase')]
        """
        raise NotImplementedError


class Root:
    """The doors of a client itself that it has as they are."""

    _knock: Callable[..., Any]

    @door("jobs")
    def jobs(
        self,
        *,
        user: str | None = None,
        state: JobState | None = None,
        before: str | None = None,
        limit: int = LIMIT,
    ) -> tuple[Job, ...]:
        """Jobs, newest first, older than the job ``before``; at most 1,000 at once.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.jobs(user="user-1", limit=10)
        ()
        """
        raise NotImplementedError

    @door("status")
    def status(self) -> Status:
        """What a status bar shows.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     route = kc.status().routes[0]
        ...     route.server, route.service, route.switch.value, route.keys
        ('ai33', 'elevenlabs', 'on', 0)
        """
        raise NotImplementedError

    @door("verify")
    def verify(self) -> Verification:
        """Counts everything again, follows what rows name, and opens every secret; may run while work goes on.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     _ = kc.wallets.purchase("user-1", "package-1", "order-991")
        ...     kc.verify().is_sound
        True
        """
        raise NotImplementedError

    @door("monitor")
    def monitor(self) -> None:
        """Checks every key and every server now; for hosts that drive it by their own schedule."""
        raise NotImplementedError

    @door("pulse")
    def pulse(self) -> None:
        """Looks now at what other processes did, and does not wait for the next pulse.

        >>> from kingcong import KingCong
        >>> with KingCong.open("memory:", preset="kingcong") as kc:
        ...     kc.pulse()
        """
        raise NotImplementedError

    @door("backup")
    def backup(self, path: str | os.PathLike[str]) -> None:
        """Copies the whole SQLite database, as of one instant, into a new file, while work goes on."""
        raise NotImplementedError

    @door("archive")
    def archive(self, before: datetime, folder: str | os.PathLike[str]) -> Archived:
        """Moves attempts of jobs that ended before an instant, and entries made before it, into a file of a folder."""
        raise NotImplementedError


class AsyncWallets(Wallets):
    """As :class:`Wallets`, awaited."""

    __slots__ = ()


class AsyncPackages(Packages):
    """As :class:`Packages`, awaited."""

    __slots__ = ()


class AsyncPrices(Prices):
    """As :class:`Prices`, awaited."""

    __slots__ = ()


class AsyncConfig(Config):
    """As :class:`Config`, awaited."""

    __slots__ = ()


class AsyncKeys(Keys):
    """As :class:`Keys`, awaited."""

    __slots__ = ()


class AsyncAccounts(Accounts):
    """As :class:`Accounts`, awaited."""

    __slots__ = ()


class AsyncTenants(Tenants):
    """As :class:`Tenants`, awaited."""

    __slots__ = ()


class AsyncVoices(Voices):
    """As :class:`Voices`, awaited."""

    __slots__ = ()


class AsyncReports(Reports):
    """As :class:`Reports`, awaited."""

    __slots__ = ()


class AsyncRoot(Root):
    """As :class:`Root`, awaited."""
