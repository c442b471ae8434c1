"""What doors ask for: the library, the settings, the caller, the caller's language."""

from typing import Annotated, cast

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from kingcong import AsyncDoors, AsyncKingCong, Role
from pydantic import AwareDatetime, BeforeValidator

from .errors import Language, Refused, language_of
from .settings import WebSettings
from .users import TENANT, User

_bearer = HTTPBearer(auto_error=False, description="A token from the users file.")


def _library(request: Request) -> AsyncKingCong:
    return cast(AsyncKingCong, request.state.kc)


def _settings(request: Request) -> WebSettings:
    return cast(WebSettings, request.state.settings)


def _caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> User:
    user = request.state.users.find(credentials.credentials) if credentials else None
    if user is None:
        raise Refused(401, "unauthenticated", "A valid token is needed", "Cần token hợp lệ")
    request.state.user = user
    return cast(User, user)


def _words(
    accept_language: Annotated[str, Header(description="`en` or `vi`", examples=["vi, en;q=0.5"])] = "",
) -> Language:
    return language_of(accept_language)


Library = Annotated[AsyncKingCong, Depends(_library)]
AppSettings = Annotated[WebSettings, Depends(_settings)]
Caller = Annotated[User, Depends(_caller)]
Words = Annotated[Language, Depends(_words)]


def _own(user: Caller, kc: Library) -> AsyncDoors:
    """The doors for what is the caller's own, whatever else the caller may do."""
    return kc.acting(user.id, Role.MEMBER, tenant=TENANT, user=user.id)


def acting(user: Caller, kc: Library) -> AsyncDoors:
    """The doors in the caller's role. The library refuses those that are not for it."""
    match user.role:
        case Role.MEMBER:
            return kc.acting(user.id, user.role, tenant=TENANT, user=user.id)
        case Role.TENANT_ADMIN | Role.TENANT_BILLING:
            return kc.acting(user.id, user.role, tenant=TENANT)
        case _:
            return kc.acting(user.id, user.role)


def staff(user: Caller) -> None:
    """For what the library tells members of their own work too: which key did it, and its cost upstream."""
    if user.role is Role.MEMBER:
        raise Refused(403, "forbidden", "You may not do this", "Bạn không có quyền thực hiện thao tác này")


Own = Annotated[AsyncDoors, Depends(_own)]
Acting = Annotated[AsyncDoors, Depends(acting)]


def _text(value: object) -> object:
    """Pydantic would take a number for an instant, too."""
    if isinstance(value, str) and value[4:5] == "-":
        return value
    raise ValueError("write an instant as 2026-01-31T12:00:00Z")


Instant = Annotated[AwareDatetime, BeforeValidator(_text)]

_ONCE = Header(
    min_length=1,
    max_length=200,
    pattern=r"^[\x21-\x7e]+$",
    description="Makes it safe to send a request again: with the same key it is done once, for ever.",
)
IdempotencyKey = Annotated[str | None, _ONCE]
NeededIdempotencyKey = Annotated[str, _ONCE]
