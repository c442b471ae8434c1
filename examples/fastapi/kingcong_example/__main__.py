"""``python -m kingcong_example``: everything on this machine, with demo voices. No account is needed."""

import argparse
import os
from pathlib import Path

import uvicorn
from kingcong import Role

from . import gateway, users


def main() -> None:
    """Makes what is not there yet, tells the new users' tokens, and serves."""
    parser = argparse.ArgumentParser("kingcong_example", description=__doc__)
    parser.add_argument("--folder", type=Path, default=gateway.FOLDER, help="where data is kept")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")

    if not (folder / "users.json").exists():
        user, token = users.new_user("demo", total_tokens=1000, used_tokens=200)
        admin, admin_token = users.new_user("admin", Role.OPERATOR)
        users.write(folder / "users.json", [user, admin])
        print(f"token of the user:          {token}\ntoken of the administrator: {admin_token}", flush=True)

    os.environ.setdefault("DATABASE_URL", f"sqlite://{folder / 'kingcong.db'}")
    os.environ.setdefault("MASTER_KEY_FILE", str(folder / "master.key"))
    os.environ.setdefault("USERS_FILE", str(folder / "users.json"))
    os.environ.setdefault("PAYMENT_SECRET", gateway.secret_in(folder).get_secret_value())
    os.environ.setdefault("DEMO_VOICES", "true")
    uvicorn.run("kingcong_example.app:app", port=options.port, timeout_graceful_shutdown=5)


if __name__ == "__main__":
    main()
