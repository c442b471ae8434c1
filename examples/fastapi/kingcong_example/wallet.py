"""Buying credits and looking at them."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from kingcong import AmountRefused, Credited, Entry, NotFound, Package, Role, Switch, Unit, Wallet
from pydantic import BaseModel, Field

from .dependencies import AppSettings, Caller, IdempotencyKey, Library, Own
from .errors import Refused, not_found, responses
from .payments import Order, is_signed

router = APIRouter(tags=["credits"], responses=responses(422, 500, 503))


class PurchaseRequest(BaseModel):
    """What to buy."""

    package: str = Field(max_length=32, examples=["package-1"])


class Payment(BaseModel):
    """To be paid at the gateway, which gets ``payment``."""

    payment: str
    package: str
    credits: Decimal
    price: Decimal
    currency: Unit


class PaymentState(StrEnum):
    """What became of a payment."""

    PAID = "paid"
    FAILED = "failed"


class Callback(BaseModel):
    """What the gateway tells."""

    payment: str = Field(max_length=2000)
    state: PaymentState
    amount: Decimal = Field(ge=0, le=1_000_000, examples=["5"])
    currency: Unit


class CallbackReply(BaseModel):
    """What was booked; the same again when the callback comes again."""

    booked: Credited | None = Field(description="Nothing for a payment that failed.")


class TransactionPage(BaseModel):
    """Lines of the ledger, newest first."""

    transactions: tuple[Entry, ...]
    next: int | None = Field(description="What to ask for as `before`; none on the last page.")


@router.get("/packages")
async def packages(kc: Library) -> list[Package]:
    """The packages on sale."""
    return [package for package in await kc.packages.list() if package.switch is Switch.ON]


@router.get("/credits", responses=responses(401))
async def wallet(user: Caller, kc: Own, unit: Unit = Unit.CREDIT) -> Wallet:
    """The caller's balance."""
    return await kc.wallets.get(user.id, unit=unit)


@router.post("/credits/purchase", status_code=201, responses=responses(401, 404))
async def purchase(
    asked: PurchaseRequest,
    user: Caller,
    kc: Library,
    settings: AppSettings,
    idempotency_key: IdempotencyKey = None,
) -> Payment:
    """Creates a payment. Credits come when the gateway says that it was paid."""
    on_sale = {package.id: package for package in await packages(kc)}
    package = on_sale.get(asked.package)
    if package is None:
        raise not_found()
    order = Order.of(user.id, package, idempotency_key)
    return Payment(
        payment=order.sealed(settings.payment_secret),
        package=package.id,
        credits=package.credits,
        price=package.price,
        currency=package.currency,
    )


async def _signed_body(
    request: Request,
    settings: AppSettings,
    x_gateway_signature: Annotated[str, Header(examples=["t=1767225600,v1=5257a869e7"], max_length=200)],
) -> None:
    if not is_signed(await request.body(), x_gateway_signature, settings.payment_secret):
        raise Refused(403, "forged", "The signature is not the gateway's", "Chữ ký không hợp lệ")


@router.post("/payments/callback", dependencies=[Depends(_signed_body)], responses=responses(403, 404, 409))
async def callback(told: Callback, kc: Library, settings: AppSettings) -> CallbackReply:
    """For the gateway alone, as often as it likes: an order is booked once, for ever."""
    order = Order.unseal(told.payment, settings.payment_secret)
    if order is None:
        raise not_found()
    if told.state is PaymentState.FAILED:
        return CallbackReply(booked=None)
    if (told.amount, told.currency) != (Decimal(order.price), order.currency):
        raise Refused(409, "wrong_amount", "Another amount was paid than asked", "Số tiền không khớp")
    try:
        billing = kc.acting("payments", Role.OPERATOR_BILLING)
        booked = await billing.wallets.purchase(order.user, order.package, order.id, ordered=order.ordered)
    except (AmountRefused, NotFound) as error:
        raise Refused(
            409,
            "package_changed",
            "The package is not what was ordered any more: give the money back",
            "Gói đã thay đổi sau khi đặt: hãy hoàn tiền",
        ) from error
    return CallbackReply(booked=booked)


@router.get("/transactions", responses=responses(401))
async def transactions(
    user: Caller,
    kc: Own,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> TransactionPage:
    """What was bought, used and given back, newest first."""
    entries = await kc.wallets.history(user.id, before=before, limit=limit)
    # Numbers are dense from 1: the entry with number 1 is the last.
    more = bool(entries) and entries[-1].number > 1
    return TransactionPage(transactions=entries, next=entries[-1].number if more else None)
