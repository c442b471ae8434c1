"""The application. It opens the library when a process starts, and closes it when the process stops.

Every uvicorn worker is a process with a client of its own on the shared database. Together they keep the
limits of the upstreams.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI
from kingcong import AsyncKingCong

from . import admin, demo, errors, estimates, speech, status, users, voices, wallet
from .bodies import LimitBodies
from .settings import WebSettings


class State(TypedDict):
    """What every request finds in ``request.state``."""

    kc: AsyncKingCong
    settings: WebSettings
    users: users.UsersFile


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[State]:
    """From start to stop of a process."""
    settings = WebSettings()
    async with await AsyncKingCong.open(**settings.opening()) as kc:
        if settings.demo_voices:
            await demo.prepare(kc)
        yield {"kc": kc, "settings": settings, "users": users.UsersFile(settings.users_file)}


app = FastAPI(
    title="KingCong example",
    summary="Speech bought from several servers, sold in prepaid credits.",
    version="0.1.0",
    lifespan=lifespan,
)
app.add_middleware(LimitBodies, bytes_max=voices.SAMPLE_BYTES_MAX + 64 * 1024)
errors.install(app)
for door in (speech, voices, wallet, estimates, status, admin):
    app.include_router(door.router)
