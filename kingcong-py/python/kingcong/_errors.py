"""What the library raises. Everything is a :class:`KingCongError`; its class says what to do about it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeAlias

__all__ = [
    "AmountRefused",
    "Cause",
    "Closed",
    "ConfigurationRefused",
    "Contended",
    "Forked",
    "IdempotencyConflict",
    "InDebt",
    "InsufficientCredits",
    "InvalidRequest",
    "KeyRefused",
    "KingCongError",
    "MasterKeyFailed",
    "NoProvider",
    "NoRoute",
    "NotFound",
    "OutputUnavailable",
    "PriceNotFound",
    "QueueFull",
    "RangeRefused",
    "RetryRefused",
    "StoreFailed",
    "StoreUnavailable",
    "TenantSuspended",
    "UnderMaintenance",
    "UpstreamFailed",
    "VaultFailed",
    "VoiceUnavailable",
]

Language: TypeAlias = Literal["en", "vi"]


class KingCongError(Exception):
    """Something that the library could not do.

    The text says what was wrong, with which value, and what to do: it is for operators. What a user may be told is
    :meth:`user_message`. What an error has of figures are attributes, such as ``needed`` and ``available`` of
    :class:`InsufficientCredits`.

    >>> from kingcong import KingCong, KingCongError, Speech
    >>> with KingCong.open("memory:", preset="kingcong") as kc:
    ...     try:
    ...         kc.submit(Speech("user-1", "Hi", service="elevenlabs", voice="v"))
    ...     except KingCongError as error:
    ...         print(type(error).__name__, error.retryable, "|", error.user_message("vi"))
    NoRoute True | ElevenLabs hiện không khả dụng
    """

    #: The name of the problem, the same in every language.
    code: str = "failed"
    #: Whether the same call may succeed later.
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        user_messages: Mapping[str, str] | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self._user_messages = dict(user_messages or {})
        self.fields: dict[str, Any] = {name: _figure(name, value) for name, value in (fields or {}).items()}

    def __getattr__(self, name: str) -> Any:
        # Only asked for what is no attribute: the figures of this error.
        try:
            return self.__dict__["fields"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no {name!r}") from None

    def user_message(self, language: Language = "en") -> str:
        """What a user may be told, in English (``en``) or Vietnamese (``vi``)."""
        return self._user_messages.get(language) or self._user_messages.get("en", "")

    def __reduce__(self) -> tuple[Any, ...]:
        # Celery and multiprocessing send errors between processes.
        details = (self.retryable, self._user_messages, self.fields)
        return (_rebuild, (type(self), str(self), *details))


#: The figures that are amounts of a unit.
_AMOUNTS = frozenset(
    [
        "amount",
        "asked",
        "available",
        "credits",
        "debt",
        "needed",
        "ordered_credits",
        "ordered_price",
        "price",
        "refundable",
    ]
)


def _figure(name: str, value: Any) -> Any:
    return Decimal(value) if name in _AMOUNTS and isinstance(value, int | str) else value


def _rebuild(
    cls: type[KingCongError],
    message: str,
    retryable: bool,
    user_messages: dict[str, str],
    fields: dict[str, Any],
) -> KingCongError:
    return cls(message, retryable=retryable, user_messages=user_messages, fields=fields)


class Cause(Exception):
    """What caused a :class:`KingCongError`, further down; its ``__cause__`` goes on."""


class InvalidRequest(KingCongError, ValueError):
    """Something in the call is not as it must be; nothing was done."""

    code = "invalid_request"


def invalid(message: str) -> InvalidRequest:
    """For a value that is refused before it is sent; users read the same as when the native half refuses it."""
    told = {"en": "The request is not valid", "vi": "Yêu cầu không hợp lệ"}
    return InvalidRequest(message, user_messages=told)


class UnderMaintenance(KingCongError):
    """The service, or everything, is under maintenance; no credit was touched."""

    code = "under_maintenance"


class NoRoute(KingCongError):
    """No server is on for the service, or none of them has a usable key."""

    code = "no_route"


class PriceNotFound(KingCongError):
    """There is no price for what was asked: set one, or mark it free."""

    code = "price_not_found"


class VoiceUnavailable(KingCongError):
    """The voice does not exist, or not for this user or on these servers."""

    code = "voice_unavailable"


class InsufficientCredits(KingCongError):
    """Less is available than is needed. ``needed`` and ``available`` are in ``unit``."""

    code = "insufficient_credits"


class InDebt(KingCongError):
    """The wallet owes ``debt``, in ``unit``; credits that are bought pay it first."""

    code = "in_debt"


class AmountRefused(KingCongError, ValueError):
    """This amount is not moved, such as a refund of more than was charged, or a package that is not what was ordered.

    A refund has ``asked`` and ``refundable``; a package ``ordered_credits``, ``ordered_price``, ``credits``, ``price``.
    """

    code = "amount_refused"


class IdempotencyConflict(KingCongError):
    """The idempotency key was used for something else: use a new one."""

    code = "idempotency_conflict"


class TenantSuspended(KingCongError):
    """The ``tenant`` is suspended: it submits, retries and purchases nothing until it is set active again."""

    code = "tenant_suspended"


class QueueFull(KingCongError):
    """Too many tasks wait already: ``waiting`` on ``route``."""

    code = "queue_full"


class NotFound(KingCongError, LookupError):
    """There is no ``what`` of that ``name``."""

    code = "not_found"


class Forbidden(KingCongError):
    """The caller's ``role`` may not use the ``door``: ask with the access of another role. It is audited."""

    code = "forbidden"


class AccessExpired(KingCongError):
    """The access of the ``actor`` ended at ``until``: authenticate them again, and act with a new access."""

    code = "access_expired"


class KeyRefused(KingCongError):
    """An upstream key was refused: it is no secret, is registered already (as ``key``), was removed, or its ``account``
    of the ``server`` has other limits than were named for it (it has ``max_in_flight`` and ``per_minute``).
    """

    code = "key_refused"


class ConfigurationRefused(KingCongError):
    """A change of the configuration, a price or a package is not legal."""

    code = "configuration_refused"


class UpstreamFailed(KingCongError):
    """An upstream failed what was asked of it directly; ``kind`` and ``upstream_code`` say how."""

    code = "upstream_failed"


class NoProvider(KingCongError):
    """No provider of this process speaks the server's ``protocol``."""

    code = "no_provider"


class Contended(KingCongError):
    """The configuration kept changing while the call was decided: try again."""

    code = "contended"


class StoreUnavailable(KingCongError):
    """The database cannot be reached or opened."""

    code = "store_unavailable"


class StoreFailed(KingCongError):
    """The database cannot be used, or something in it cannot be read or written."""

    code = "store_failed"


class VaultFailed(KingCongError):
    """A stored secret does not open."""

    code = "vault_failed"


class MasterKeyFailed(KingCongError):
    """The master key cannot be had, or is not the database's."""

    code = "master_key_failed"


class OutputUnavailable(KingCongError):
    """The result of ``job`` cannot be had, because it has not completed or its files are gone."""

    code = "output_unavailable"


class RetryRefused(KingCongError):
    """The failed tasks of ``job`` are not tried again: it has not ended with such (it is in ``state``), was retried ten
    times, or has a task that may have been done upstream and is not to be sent again.
    """

    code = "retry_refused"


class RangeRefused(KingCongError):
    """The bytes ``start`` to ``end`` of a job's audio are none, not all there, or too many to be read at once."""

    code = "range_refused"


class Closed(KingCongError):
    """The client was closed: open another."""

    code = "closed"


class Forked(KingCongError, RuntimeError):
    """The client was opened in another process: open it after the fork, in each process."""

    code = "forked"


_CLASSES: dict[str, type[KingCongError]] = {cls.code: cls for cls in KingCongError.__subclasses__()}


def forked(opened_in: int) -> Forked:
    """For a client of another process."""
    return Forked(
        f"this client was opened in process {opened_in}, and this is process {os.getpid()}: open one after the fork, "
        "such as in Celery's worker_process_init or a server's start-up hook"
    )


def error_of(text: str) -> KingCongError:
    """The exception for a problem as the native half tells it."""
    problem = json.loads(text)
    cls = _CLASSES.get(problem["code"], KingCongError)
    error = cls(
        problem["message"],
        retryable=problem["retryable"],
        user_messages={"en": problem["user_message_en"], "vi": problem["user_message_vi"]},
        fields=problem["fields"],
    )
    caused: BaseException = error
    for message in problem["causes"]:
        caused.__cause__ = Cause(message)
        caused = caused.__cause__
    return error
