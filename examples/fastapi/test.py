"""Tests the example as it is installed: ``python test.py WHEEL`` with a wheel of KingCong.

It makes a virtual environment, installs what is missing (PostgreSQL and Redis too, as root on Debian), checks
types and style, and runs the tests. ``KINGCONG_UPSTREAMS`` names the simulator; without it, cargo builds it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent
WORKSPACE = EXAMPLE.parent.parent


def run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    """Runs a command in the example's folder; ends with its status when it fails."""
    status = subprocess.run(command, cwd=EXAMPLE, env=env, stdin=subprocess.DEVNULL, check=False).returncode
    if status != 0:
        sys.exit(status)


def install_servers() -> None:
    """PostgreSQL and Redis, from Debian's packages."""
    installed = {
        "postgresql": any(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        "redis-server": shutil.which("redis-server") is not None,
    }
    missing = [package for package, is_there in installed.items() if not is_there]
    if not missing:
        return
    if os.getuid() != 0:
        sys.exit(f"install {' and '.join(missing)}, or run this as root")
    # Its tests start servers of their own: none of the system's is wanted.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run("apt-get", "-qq", "update", env=env)
    run("apt-get", "-qq", "install", "--no-install-recommends", *missing, env=env)


def upstreams() -> str:
    """The simulator's program."""
    if given := os.environ.get("KINGCONG_UPSTREAMS"):
        return given
    run("cargo", "build", "--quiet", "--package", "kingcong-tests", "--bin", "upstreams")
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    return str(WORKSPACE / target / "debug" / "upstreams")


def main() -> None:
    """From the wheel to the last test."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path, help="a wheel of KingCong")
    parser.add_argument(
        "--venv", type=Path, default=EXAMPLE / ".venv", help="where to install; kept for next time"
    )
    options, pytest_options = parser.parse_known_args()
    folder: Path = options.venv.resolve()

    install_servers()
    requirements, made = EXAMPLE / "requirements.txt", folder / "requirements.txt"
    programs = folder / "bin"
    pip: list[str | Path] = [programs / "pip", "--quiet", "--disable-pip-version-check", "install"]
    if not made.exists() or made.read_text() != requirements.read_text():
        venv.create(folder, clear=True, with_pip=True)
        run(*pip, "--requirement", requirements)
        shutil.copy(requirements, made)
    run(*pip, "--no-deps", "--force-reinstall", options.wheel.resolve())
    run(*pip, "--no-build-isolation", EXAMPLE)

    run(programs / "ruff", "check", "--quiet", ".")
    run(programs / "ruff", "format", "--quiet", "--check", ".")
    run(programs / "mypy", ".")
    run(programs / "pytest", *pytest_options, env={**os.environ, "KINGCONG_UPSTREAMS": upstreams()})


if __name__ == "__main__":
    main()
