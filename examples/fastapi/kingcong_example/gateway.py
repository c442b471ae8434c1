"""The payment gateway, played: ``python -m kingcong_example.gateway PAYMENT`` pays what was ordered."""

import argparse
import json
import secrets
import time
import urllib.request
from pathlib import Path

from pydantic import SecretStr

from .payments import Order, signature

FOLDER = Path("kingcong-example-data")


def secret_in(folder: Path) -> SecretStr:
    """The secret that gateway and backend share; made when it is not there."""
    file = folder / "payment.secret"
    if not file.exists():
        file.write_text(secrets.token_urlsafe(32))
    return SecretStr(file.read_text())


def main() -> None:
    """Tells the backend that a payment was paid."""
    parser = argparse.ArgumentParser("kingcong_example.gateway", description=__doc__)
    parser.add_argument("payment", help="what POST /credits/purchase answered")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the backend keeps its data")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    options = parser.parse_args()
    secret = secret_in(options.folder)
    order = Order.unseal(options.payment, secret)
    if order is None:
        parser.error("that is no payment of this backend")
    told = {"payment": options.payment, "state": "paid", "amount": order.price, "currency": order.currency}
    body = json.dumps(told).encode()
    signed = {
        "Content-Type": "application/json",
        "X-Gateway-Signature": signature(body, secret, int(time.time())),
    }
    request = urllib.request.Request(f"{options.url}/payments/callback", body, signed)  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        print(answer.read().decode())


if __name__ == "__main__":
    main()
