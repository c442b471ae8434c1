"""Voices: those that services offer, and those that users clone from recordings."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Query, UploadFile
from kingcong import ClonedVoice, CloneVoice, VoicePage

from .bodies import too_large
from .dependencies import Caller, IdempotencyKey, Library, Own, Words
from .errors import not_found, responses
from .speech import JobDetail

router = APIRouter(tags=["voices"], responses=responses(401, 422, 500, 503))

SAMPLE_BYTES_MAX = 10 * 1024**2


@router.post("/voices", status_code=202, responses=responses(402, 404, 409, 413))
async def clone(
    name: Annotated[str, Form(min_length=1, max_length=64)],
    service: Annotated[str, Form(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", examples=["minimax"])],
    sample: Annotated[UploadFile, File(description="A recording of the voice, at most 10 MiB.")],
    user: Caller,
    kc: Own,
    words: Words,
    idempotency_key: IdempotencyKey = None,
) -> JobDetail:
    """Makes a voice from a recording. The job's end brings it to the caller's voices."""
    if (sample.size or 0) > SAMPLE_BYTES_MAX:
        raise too_large(SAMPLE_BYTES_MAX)
    request = CloneVoice(
        user.id,
        name,
        await sample.read(),
        sample.content_type or "application/octet-stream",
        service=service,
        idempotency_key=idempotency_key,
    )
    job = await kc.submit(request)
    return JobDetail.of(await job.status(), words)


@router.get("/voices")
async def cloned(user: Caller, kc: Own) -> tuple[ClonedVoice, ...]:
    """The voices that the caller cloned, for `cloned_voice` of a text to speak."""
    return await kc.voices.cloned(user.id)


@router.get("/voices/{service}", responses=responses(404, 502))
async def offered(
    service: str, user: Caller, kc: Library, page: Annotated[str | None, Query(max_length=500)] = None
) -> VoicePage:
    """A page of the voices that a service offers, as the first server that serves it lists them."""
    standings = (await kc.config.explain()).services
    servers = [standing.servers for standing in standings if standing.service == service]
    if not servers or not servers[0]:
        raise not_found()
    offered = await kc.voices.offered(servers[0][0].server, service, page=page)
    # The account's cloned voices are those of all users: each sees their own elsewhere.
    return VoicePage(tuple(voice for voice in offered.voices if voice.origin == "library"), offered.next)
