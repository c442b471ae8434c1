"""Whether it works: for users' status bars, and for the load balancer."""

from enum import StrEnum
from typing import Literal

from fastapi import APIRouter
from kingcong import Health, Passage, RouteStatus, Switch
from pydantic import BaseModel, Field

from .dependencies import Caller, Library, Words
from .errors import in_words, responses

router = APIRouter(tags=["status"], responses=responses(500, 503))


class ServiceView(BaseModel):
    """A service, and what users are told when it is not to be had."""

    service: str = Field(examples=["elevenlabs"])
    is_available: bool
    message: str | None


class Light(StrEnum):
    """How a server does with a service."""

    GOOD = "good"
    BUSY = "busy"
    OFF = "off"


class RouteView(BaseModel):
    """A server's service."""

    server: str = Field(examples=["ai33"])
    service: str = Field(examples=["elevenlabs"])
    light: Light


class StatusReply(BaseModel):
    """What a status bar shows."""

    services: list[ServiceView]
    routes: list[RouteView]


class HealthReply(BaseModel):
    """This process works, and its database answers."""

    status: Literal["ok"] = "ok"


@router.get("/status", responses=responses(401, 422))
async def status(user: Caller, kc: Library, words: Words) -> StatusReply:
    """What is to be had, in the caller's language."""
    status = await kc.status()
    return StatusReply(
        services=[
            ServiceView(
                service=standing.service,
                is_available=standing.refused is None,
                message=None if standing.refused is None else in_words(standing.refused, words),
            )
            for standing in status.explanation.services
        ],
        routes=[
            RouteView(server=route.server, service=route.service, light=light(route))
            for route in status.routes
        ],
    )


def light(route: RouteStatus) -> Light:
    """A route without a key is as good as off."""
    if route.switch is Switch.OFF or route.keys == 0:
        return Light.OFF
    if route.passage is not Passage.OPEN or route.health not in (None, Health.GOOD):
        return Light.BUSY
    return Light.GOOD


@router.get("/health")
async def health(kc: Library) -> HealthReply:
    """For the load balancer: 503 while the database cannot be reached."""
    await kc.jobs(limit=1)
    return HealthReply()
