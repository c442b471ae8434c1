"""Who may call: a file of users in place of the user table that your backend has already.

A token is 32 random bytes, so a plain hash of it is safe to keep: it cannot be guessed, unlike a password.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter


class Role(StrEnum):
    """What a user may do."""

    USER = "user"
    ADMIN = "admin"


class User(BaseModel, frozen=True):
    """A user. ``id`` names the user's wallet and jobs in KingCong, which keeps no user table."""

    id: str
    role: Role = Role.USER
    token_sha256: str = Field(repr=False)
    # What was left of the tokens of the time before credits; only shown.
    total_tokens: int = 0
    used_tokens: int = 0


Users = Mapping[str, User]
"""Users by the hash of their token."""

_LIST = TypeAdapter(list[User])


def hashed(token: str) -> str:
    """The hash that a token is known by."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_user(id: str, role: Role = Role.USER, **tokens: int) -> tuple[User, str]:
    """A user and the token, which is not kept anywhere: tell it now."""
    token = secrets.token_urlsafe(32)
    return User(id=id, role=role, token_sha256=hashed(token), **tokens), token


def read(path: Path) -> Users:
    """The users in a file."""
    return {user.token_sha256: user for user in _LIST.validate_json(path.read_bytes())}


def write(path: Path, users: list[User]) -> None:
    """Writes a file of users."""
    path.write_text(json.dumps(_LIST.dump_python(users, mode="json"), indent=2), encoding="utf-8")
