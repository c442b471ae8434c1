"""Resell AI work from several upstream gateways, inside your own backend and on your own database.

:class:`KingCong` waits (scripts, Celery), :class:`AsyncKingCong` is awaited (FastAPI); both have the same doors:

>>> from kingcong import KingCong, Speech
>>> with KingCong.open("memory:", preset="kingcong") as kc:
...     _ = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
...     _ = kc.wallets.purchase("user-1", "package-1", "order-991")
...     kc.estimate(Speech("user-1", "Xin chào!", service="elevenlabs", voice="21m00Tcm4TlvDq8ikWAM")).held
Decimal('9')

:meth:`~KingCong.submit` the same request to have it spoken.

Start with :meth:`KingCong.open`; errors are :class:`KingCongError`; providers of your own are in
:mod:`kingcong.providers`.
"""

from typing import TYPE_CHECKING

from . import _answers, _asked, _words
from ._answers import *  # noqa: F403
from ._asked import *  # noqa: F403
from ._base import MasterKey
from ._client import Doors, JobAudio, JobEvents, JobHandle, KingCong
from ._doors import (
    Accounts,
    AsyncAccounts,
    AsyncConfig,
    AsyncKeys,
    AsyncPackages,
    AsyncPrices,
    AsyncReports,
    AsyncTenants,
    AsyncVoices,
    AsyncWallets,
    Config,
    Keys,
    Packages,
    Prices,
    Reports,
    Tenants,
    Voices,
    Wallets,
)
from ._errors import (
    AccessExpired,
    AmountRefused,
    Cause,
    Closed,
    ConfigurationRefused,
    Contended,
    Forbidden,
    Forked,
    IdempotencyConflict,
    InDebt,
    InsufficientCredits,
    InvalidRequest,
    KeyRefused,
    KingCongError,
    MasterKeyFailed,
    NoProvider,
    NoRoute,
    NotFound,
    OutputUnavailable,
    PriceNotFound,
    QueueFull,
    RangeRefused,
    RetryRefused,
    StoreFailed,
    StoreUnavailable,
    TenantSuspended,
    UnderMaintenance,
    UpstreamFailed,
    VaultFailed,
    VoiceUnavailable,
)
from ._native import __version__
from ._settings import Settings
from ._types import CloneVoice, JobResult, Speech, SpeechResult, VoiceResult, VoiceSettings
from ._words import *  # noqa: F403

if TYPE_CHECKING:
    from ._async_client import AsyncDoors, AsyncJobAudio, AsyncJobEvents, AsyncJobHandle, AsyncKingCong

__all__ = [
    "AccessExpired",
    "Accounts",
    "AmountRefused",
    "AsyncAccounts",
    "AsyncConfig",
    "AsyncDoors",
    "AsyncJobAudio",
    "AsyncJobEvents",
    "AsyncJobHandle",
    "AsyncKeys",
    "AsyncKingCong",
    "AsyncPackages",
    "AsyncPrices",
    "AsyncReports",
    "AsyncTenants",
    "AsyncVoices",
    "AsyncWallets",
    "Cause",
    "CloneVoice",
    "Closed",
    "Config",
    "ConfigurationRefused",
    "Contended",
    "Doors",
    "Forbidden",
    "Forked",
    "IdempotencyConflict",
    "InDebt",
    "InsufficientCredits",
    "InvalidRequest",
    "JobAudio",
    "JobEvents",
    "JobHandle",
    "JobResult",
    "KeyRefused",
    "Keys",
    "KingCong",
    "KingCongError",
    "MasterKey",
    "MasterKeyFailed",
    "NoProvider",
    "NoRoute",
    "NotFound",
    "OutputUnavailable",
    "Packages",
    "PriceNotFound",
    "Prices",
    "QueueFull",
    "RangeRefused",
    "Reports",
    "RetryRefused",
    "Settings",
    "Speech",
    "SpeechResult",
    "StoreFailed",
    "StoreUnavailable",
    "TenantSuspended",
    "Tenants",
    "UnderMaintenance",
    "UpstreamFailed",
    "VaultFailed",
    "VoiceResult",
    "VoiceSettings",
    "VoiceUnavailable",
    "Voices",
    "Wallets",
    "__version__",
]
__all__ += _answers.__all__
__all__ += _asked.__all__
__all__ += _words.__all__

_AWAITED = ("AsyncDoors", "AsyncJobAudio", "AsyncJobEvents", "AsyncJobHandle", "AsyncKingCong")


def __getattr__(name: str) -> object:
    # When it is first asked for: importing asyncio takes longer than everything else, and code that waits needs none.
    if name not in _AWAITED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import _async_client

    globals().update({awaited: getattr(_async_client, awaited) for awaited in _AWAITED})
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *_AWAITED})
