"""The description of the doors is the truth: what it forbids is refused, and answers are as it says."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from api import Api
from conftest import Backend

TESTS = Path(__file__).parent


def test_the_doors_do_what_openapi_says(start: Callable[[], tuple[Backend, Api]], tmp_path: Path) -> None:
    backend, admin = start()
    schemathesis = str(Path(sys.executable).parent / "schemathesis")
    config = ["--config-file", str(TESTS / "schemathesis.toml")]
    token = f"Authorization: {admin.http.headers['Authorization']}"
    run = subprocess.run(
        [schemathesis, *config, "run", f"{backend.url}/openapi.json", "--no-color", "--header", token],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    # Whatever was sent, the books are in order.
    assert admin.get("/admin/verify")["is_sound"]


def test_every_door_is_described(backend: Backend) -> None:
    described = backend.anybody().get("/openapi.json")
    for path, methods in described["paths"].items():
        for method, door in methods.items():
            assert door["tags"], (method, path)
            assert door["description"], (method, path)
            assert any(status.startswith("2") for status in door["responses"]), (method, path)
            for status, response in door["responses"].items():
                if status >= "400":
                    schema = response["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/ErrorReply"}, (method, path, status)
