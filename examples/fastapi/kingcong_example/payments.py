"""Payments, without a table of them.

A payment is what was ordered, signed by us: the gateway carries it and brings it back, and nobody can make or
change one. The library books an order once, for ever. So there is no payment table to keep in step with the
ledger, on any number of processes.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from decimal import Decimal

from kingcong import Ordered, Package, Unit
from pydantic import BaseModel, SecretStr, ValidationError

#: A callback that was signed longer ago is refused.
SIGNED_SECONDS_MAX = 300


class Order(BaseModel):
    """Who buys what for how much. ``nonce`` tells two orders of the same package apart."""

    user: str
    package: str
    credits: str
    unit: Unit
    price: str
    currency: Unit
    nonce: str

    @classmethod
    def of(cls, user: str, package: Package, idempotency_key: str | None) -> "Order":
        """An order at the package's price of now; the same for the same idempotency key."""
        nonce = f"key {idempotency_key}" if idempotency_key else secrets.token_hex(16)
        return cls(
            user=user,
            package=package.id,
            credits=format(package.credits.normalize(), "f"),
            unit=package.unit,
            price=format(package.price.normalize(), "f"),
            currency=package.currency,
            nonce=nonce,
        )

    @property
    def ordered(self) -> Ordered:
        """What the buyer was shown, and pays."""
        return Ordered(Decimal(self.credits), Decimal(self.price), unit=self.unit, currency=self.currency)

    @property
    def id(self) -> str:
        """What the ledger knows it by."""
        return "payment-" + hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:32]

    def sealed(self, secret: SecretStr) -> str:
        """The order as a text for the gateway."""
        data = self.model_dump_json().encode()
        return f"{base64.urlsafe_b64encode(data).decode()}.{_mac(secret, b'order ' + data)}"

    @classmethod
    def unseal(cls, text: str, secret: SecretStr) -> "Order | None":
        """The order in such a text; None for one that we did not make."""
        encoded, _, mac = text.partition(".")
        try:
            data = base64.urlsafe_b64decode(encoded.encode())
            if hmac.compare_digest(mac.encode(), _mac(secret, b"order " + data).encode()):
                return cls.model_validate_json(data)
        except (UnicodeEncodeError, binascii.Error, ValidationError):
            pass
        return None


def signature(body: bytes, secret: SecretStr, at: int) -> str:
    """How the gateway signs a callback: ``t=SECONDS,v1=HMAC-SHA256 of "SECONDS.BODY"``."""
    return f"t={at},v1={_mac(secret, b'%d.' % at + body)}"


def is_signed(body: bytes, given: str, secret: SecretStr) -> bool:
    """Whether the gateway signed this body not long ago."""
    at = given.partition(",")[0].removeprefix("t=")
    if not (at.isascii() and at.isdigit()) or abs(time.time() - int(at[:12])) > SIGNED_SECONDS_MAX:
        return False
    # Takes as long for a wrong signature as for a right one: its time tells nothing.
    return hmac.compare_digest(given.encode(), signature(body, secret, int(at[:12])).encode())


def _mac(secret: SecretStr, data: bytes) -> str:
    return hmac.new(secret.get_secret_value().encode(), data, hashlib.sha256).hexdigest()
