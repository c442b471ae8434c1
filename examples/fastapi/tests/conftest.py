"""What tests share: one backend with demo voices for all of them, and a new user for each."""

from collections.abc import Callable, Iterator
from pathlib import Path

import processes
import pytest
from api import Api
from kingcong import Role
from processes import Postgres
from pydantic import SecretStr

from kingcong_example import gateway, users

USERS = 100


class Backend:
    """A running backend, and whom it knows."""

    def __init__(self, url: str, secret: SecretStr, known: list[tuple[str, str]], users_file: Path) -> None:
        self.url = url
        self.secret = secret
        self.users_file = users_file
        self._known = known
        self._sessions: list[Api] = []

    def user(self) -> Api:
        """A user who has done nothing yet."""
        name, token = self._known.pop()
        return self._session(token, name)

    def anybody(self) -> Api:
        """A caller without a token."""
        return self._session(None, "")

    def _session(self, token: str | None, name: str) -> Api:
        api = Api(self.url, token, name, self.secret)
        self._sessions.append(api)
        return api

    def leave(self) -> None:
        """Nobody calls any more."""
        for api in self._sessions:
            api.http.close()


def invite(file: Path, count: int) -> list[tuple[str, str]]:
    """Writes a users file; the names and tokens of the users, the last of whom is the administrator."""
    made = [users.new_user(f"user-{n}", total_tokens=1000, used_tokens=200) for n in range(count)]
    made.append(users.new_user("admin-7", Role.OPERATOR))
    users.write(file, [user for user, _ in made])
    return [(user.id, token) for user, token in made]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], tuple[Backend, Api]]]:
    """Starts backends as the README does; each with an administrator."""
    started: list[tuple[processes.Program, Backend]] = []

    def start() -> tuple[Backend, Api]:
        folder = tmp_path_factory.mktemp("backend")
        known = invite(folder / "users.json", USERS)
        program = processes.demo(folder)
        file, url = folder / "users.json", processes.url_of(program)
        backend = Backend(url, gateway.secret_in(folder), known, file)
        started.append((program, backend))
        admin = backend.user()
        for key in admin.get("/admin/keys"):
            admin.put(f"/admin/keys/{key['id']}/limits", {"max_in_flight": 100, "per_minute": 10_000})
        return backend, admin

    yield start
    for program, backend in started:
        backend.leave()
        program.stop()
        program.wait_for("Application shutdown complete")
        assert "Traceback" not in program.printed, program.printed


@pytest.fixture(scope="session")
def started(start: Callable[[], tuple[Backend, Api]]) -> tuple[Backend, Api]:
    """The backend of most tests."""
    return start()


@pytest.fixture
def backend(started: tuple[Backend, Api]) -> Backend:
    """The backend of most tests."""
    return started[0]


@pytest.fixture
def admin(started: tuple[Backend, Api]) -> Api:
    """Its administrator."""
    return started[1]


@pytest.fixture
def user(backend: Backend) -> Api:
    """A user who has done nothing yet."""
    return backend.user()


@pytest.fixture
def rich(user: Api) -> Api:
    """A user with 1,000,000 credits."""
    user.buy()
    return user


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    with processes.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server's URL."""
    with processes.redis(tmp_path_factory.mktemp("redis")) as url:
        yield url
