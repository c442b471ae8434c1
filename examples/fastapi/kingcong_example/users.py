"""Who may call: a file of users in place of the user table that your backend has already.

A token is 32 random bytes, so a plain hash of it is safe to keep: it cannot be guessed, unlike a password. So
nobody must pause after a wrong one, and nobody can be locked out. Whose token is taken out of the file has no
access any more, from the next request on and in every process.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from kingcong import Role
from pydantic import BaseModel, Field, TypeAdapter

#: This backend has one tenant.
TENANT = "main"


class User(BaseModel, frozen=True):
    """A user. ``id`` names the wallet and the jobs in KingCong, which keeps no user table. ``role`` is what
    the user is to the library: a member has what is its own, others have doors of administrators too.
    """

    id: str
    role: Role = Role.MEMBER
    token_sha256: str = Field(repr=False)
    # What was left of the tokens of the time before credits; only shown.
    total_tokens: int = 0
    used_tokens: int = 0


_LIST = TypeAdapter(list[User])


def hashed(token: str) -> str:
    """The hash that a token is known by."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_user(id: str, role: Role = Role.MEMBER, **tokens: int) -> tuple[User, str]:
    """A user and the token, which is not kept anywhere: tell it now."""
    token = secrets.token_urlsafe(32)
    return User(id=id, role=role, token_sha256=hashed(token), **tokens), token


def read(path: Path) -> list[User]:
    """The users in a file."""
    return _LIST.validate_json(path.read_bytes())


class UsersFile:
    """The users in a file, read again when it was written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = self._look()

    def _look(self) -> tuple[tuple[int, int], Mapping[str, User]]:
        written = self._written()
        return written, {user.token_sha256: user for user in read(self._path)}

    def _written(self) -> tuple[int, int]:
        """Differs whenever the file was replaced."""
        found = self._path.stat()
        return found.st_ino, found.st_mtime_ns

    def find(self, token: str) -> User | None:
        """Whose token that is."""
        written, users = self._read
        if written != self._written():
            self._read = self._look()
            _, users = self._read
        return users.get(hashed(token))


def write(path: Path, users: list[User]) -> None:
    """Writes a file of users, at once: who reads it has the old one or the new one."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(_LIST.dump_python(users, mode="json"), indent=2), encoding="utf-8")
    new.replace(path)
