"""Doors for administrators. Each is asked in the caller's role: the library refuses what is not for it. Who
changed what, and who was refused, stands in the audit.
"""

from decimal import Decimal
from typing import Annotated, TypedDict
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query
from kingcong import (
    AuditEntry,
    Credited,
    ErrorRecord,
    Explanation,
    Key,
    Limits,
    Maintenance,
    Operation,
    Package,
    Price,
    Server,
    ServerChange,
    SplitShare,
    Status,
    Switch,
    System,
    UsageRecord,
    Verification,
)
from pydantic import BaseModel, Field, SecretStr, StrictBool

from .dependencies import Acting, acting, staff
from .errors import responses

router = APIRouter(
    prefix="/admin",
    tags=["admin"],
    dependencies=[Depends(acting)],
    responses=responses(401, 403, 422, 500, 503),
)

Limit = Annotated[int, Query(ge=1, le=1000)]
Amount = Annotated[Decimal, Field(max_digits=18, decimal_places=0, examples=["500"])]
#: Without one, a correction that is sent twice would be made twice.
RequiredIdempotencyKey = Annotated[
    str, Header(alias="Idempotency-Key", min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")
]


# --- servers, services, routes, weights, maintenance


@router.get("/config")
async def config(kc: Acting) -> System:
    """The configuration as it stands."""
    return await kc.config.get()


@router.get("/config/explain")
async def explain(kc: Acting) -> Explanation:
    """Which of the named cases the switches make, and where each service is served."""
    return await kc.config.explain()


@router.get("/status")
async def status(kc: Acting) -> Status:
    """Every route with its keys and its queue."""
    return await kc.status()


class SwitchRequest(BaseModel):
    """A switch to set."""

    switch: Switch


@router.put("/routes/{server}/{service}", responses=responses(404))
async def set_route(server: str, service: str, asked: SwitchRequest, kc: Acting) -> Explanation:
    """Switches a route on or off; tasks that wait for it move to another."""
    await kc.config.set_route(server, service, asked.switch)
    return await kc.config.explain()


class MaintenanceRequest(BaseModel):
    """What is to be under maintenance: everything, these services, or nothing."""

    is_full: StrictBool = False
    services: tuple[str, ...] = Field((), max_length=100, examples=[["minimax"]])


@router.put("/maintenance")
async def set_maintenance(asked: MaintenanceRequest, kc: Acting) -> Explanation:
    """Puts services, or everything, under maintenance; `{}` lifts it.

    Running calls finish, queued tasks wait.
    """
    await kc.config.set_maintenance(Maintenance(asked.is_full, asked.services))
    return await kc.config.explain()


Weight = Annotated[int, Field(ge=0, le=10_000)]


@router.put("/weights")
async def set_weights(weights: dict[str, Weight], kc: Acting) -> Explanation:
    """Sets the weights by which tasks are split, such as `{"ai33": 70, "ai84": 30}`."""
    await kc.config.set_weights(weights)
    return await kc.config.explain()


class NewServer(BaseModel):
    """A server to add, with the services that it sells."""

    id: str = Field(examples=["ai99"])
    server: Server
    services: dict[str, Switch] = Field(examples=[{"elevenlabs": "on"}])


@router.post("/servers", status_code=201)
async def add_server(new: NewServer, kc: Acting) -> System:
    """Adds a server; no code is needed when it speaks a known protocol. It needs prices and keys, too."""
    await kc.config.add_server(new.id, new.server, services=new.services)
    return await kc.config.get()


@router.patch("/servers/{id}", responses=responses(404))
async def update_server(id: str, change: ServerChange, kc: Acting) -> System:
    """Changes a server; what is left out stays."""
    await kc.config.update_server(id, change)
    return await kc.config.get()


@router.delete("/servers/{id}", responses=responses(404))
async def remove_server(id: str, kc: Acting) -> System:
    """Removes a server; tasks that wait for it move to others."""
    await kc.config.remove_server(id)
    return await kc.config.get()


# --- upstream keys


class NewKey(BaseModel):
    """A key of an upstream. The secret goes in and never comes out."""

    server: str = Field(examples=["ai33"])
    service: str = Field(examples=["elevenlabs"])
    secret: SecretStr
    label: str = ""
    limits: Limits | None = None


@router.get("/keys")
async def keys(kc: Acting) -> tuple[Key, ...]:
    """Every key that was not removed, masked."""
    return await kc.keys.list()


@router.post("/keys", status_code=201, responses=responses(409))
async def add_key(new: NewKey, kc: Acting) -> Key:
    """Registers a key that all users share."""
    return await kc.keys.add(
        new.server, new.service, new.secret.get_secret_value(), label=new.label, limits=new.limits
    )


@router.get("/keys/{id}", responses=responses(404))
async def key(id: UUID, kc: Acting) -> Key:
    """A key."""
    return await kc.keys.get(str(id))


@router.put("/keys/{id}/limits", responses=responses(404, 409))
async def set_limits(id: UUID, limits: Limits, kc: Acting) -> Key:
    """Sets how many calls a key may have at once, and how many may start in any minute."""
    return await kc.keys.set_limits(str(id), max_in_flight=limits.max_in_flight, per_minute=limits.per_minute)


@router.post("/keys/{id}/check", responses=responses(404, 409, 502))
async def check_key(id: UUID, kc: Acting) -> Key:
    """Asks the upstream about a key, by a call that costs nothing."""
    return await kc.keys.check(str(id))


@router.post("/keys/{id}/enable", responses=responses(404, 409))
async def enable_key(id: UUID, kc: Acting) -> Key:
    """Switches a key on."""
    return await kc.keys.enable(str(id))


@router.post("/keys/{id}/disable", responses=responses(404, 409))
async def disable_key(id: UUID, kc: Acting) -> Key:
    """Switches a key off: calls under way finish, new ones do not start."""
    return await kc.keys.disable(str(id))


@router.delete("/keys/{id}", responses=responses(404, 409))
async def remove_key(id: UUID, kc: Acting) -> Key:
    """Removes a key for good; its secret is wiped."""
    return await kc.keys.remove(str(id))


# --- prices and packages


@router.get("/prices")
async def prices(kc: Acting) -> tuple[Price, ...]:
    """The prices in force."""
    return await kc.prices.list()


@router.put("/prices", status_code=204)
async def set_price(price: Price, kc: Acting) -> None:
    """Sets the price of an operation on a route. Jobs keep the prices that they were admitted with."""
    await kc.prices.set(price)


@router.delete("/prices/{server}/{service}/{operation}", status_code=204, responses=responses(404))
async def remove_price(
    server: str,
    service: str,
    operation: Operation,
    kc: Acting,
    model: str | None = None,
) -> None:
    """Takes a price away: what needs it is refused from now on."""
    await kc.prices.remove(server, service, operation, model=model)


@router.get("/packages")
async def packages(kc: Acting) -> tuple[Package, ...]:
    """The packages, on sale or not."""
    return await kc.packages.list()


@router.put("/packages", status_code=204)
async def set_package(package: Package, kc: Acting) -> None:
    """Sets a package; it replaces the one of the same id."""
    await kc.packages.set(package)


@router.delete("/packages/{id}", status_code=204, responses=responses(404))
async def remove_package(id: str, kc: Acting) -> None:
    """Takes a package off sale."""
    await kc.packages.remove(id)


# --- users' wallets


class Adjustment(BaseModel):
    """A correction; negative to take away."""

    change: Amount
    reason: str = Field(min_length=1, max_length=200)


class RefundRequest(BaseModel):
    """What to give back of what a task was charged; all of it when no amount is named."""

    task: UUID
    amount: Amount | None = None
    reason: str = Field(min_length=1, max_length=200)


@router.post("/users/{user}/adjust", responses=responses(409))
async def adjust(
    user: str, asked: Adjustment, kc: Acting, idempotency_key: RequiredIdempotencyKey
) -> Credited:
    """Corrects a user's balance by an administrator's word."""
    return await kc.wallets.adjust(user, asked.change, reason=asked.reason, idempotency_key=idempotency_key)


@router.post("/users/{user}/refund", responses=responses(404, 409))
async def refund(
    user: str,
    asked: RefundRequest,
    kc: Acting,
    idempotency_key: RequiredIdempotencyKey,
) -> Credited:
    """Gives back what a task was charged; never more, however often it is asked."""
    return await kc.wallets.refund(
        user, str(asked.task), amount=asked.amount, reason=asked.reason, idempotency_key=idempotency_key
    )


# --- what happened


class Attempts(TypedDict):
    """Which attempts, as the library takes them."""

    job: str | None
    key: str | None
    server: str | None
    service: str | None
    before: str | None
    limit: int


def attempts(
    job: UUID | None = None,
    key: UUID | None = None,
    server: str | None = None,
    service: str | None = None,
    before: Annotated[UUID | None, Query(description="Older than this attempt.")] = None,
    limit: Limit = 100,
) -> Attempts:
    """Which attempts; a server and a service go together."""
    ids = [None if id is None else str(id) for id in (job, key, before)]
    return Attempts(job=ids[0], key=ids[1], server=server, service=service, before=ids[2], limit=limit)


Which = Annotated[Attempts, Depends(attempts)]


@router.get("/errors", dependencies=[Depends(staff)])
async def errors(which: Which, kc: Acting) -> tuple[ErrorRecord, ...]:
    """The error log: attempts that failed or whose answer was lost, newest first."""
    return await kc.reports.errors(**which)


@router.get("/usage", dependencies=[Depends(staff)])
async def usage(which: Which, kc: Acting) -> tuple[UsageRecord, ...]:
    """What was bought and sold, newest first."""
    return await kc.reports.usage(**which)


@router.get("/split", dependencies=[Depends(staff)])
async def split(kc: Acting) -> tuple[SplitShare, ...]:
    """How the last tasks were spread over routes."""
    return await kc.reports.split()


@router.get("/audit")
async def audit(
    kc: Acting,
    before: Annotated[UUID | None, Query(description="Older than this entry.")] = None,
    limit: Limit = 100,
) -> tuple[AuditEntry, ...]:
    """What administrators did, and who was refused, newest first."""
    return await kc.of_all().reports.audit(before=None if before is None else str(before), limit=limit)


@router.get("/verify")
async def verify(kc: Acting) -> Verification:
    """Counts every wallet, job and limit again, and compares."""
    return await kc.verify()
