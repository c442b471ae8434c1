"""Text to speech, and the jobs that it becomes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from kingcong import (
    AsyncJobEvents,
    AsyncJobHandle,
    AudioFormat,
    Ended,
    Estimate,
    JobEvent,
    JobReport,
    JobState,
    Missed,
    Operation,
    Retried,
    Speech,
    Subtitles,
    TaskCancelled,
    TaskDone,
    TaskFailed,
    TaskProgress,
    TaskReport,
    TaskStarted,
    TaskState,
    TaskWaits,
    Unit,
    VoiceSettings,
)
from pydantic import BaseModel, ConfigDict, Field, model_validator

from .dependencies import Caller, IdempotencyKey, Instant, NeededIdempotencyKey, Own, Words
from .errors import Language, Responses, in_words, json_responses, no_such_range, not_found, responses
from .ranges import NotSatisfiableError, part_of
from .users import User

router = APIRouter(tags=["speech"], responses=responses(401, 422, 500, 503))

TEXT_CHARACTERS_MAX = 100_000
#: How often a watched job is looked at while no event of it comes.
LOOK_SECONDS = 1.0


class SpeechRequest(BaseModel):
    """A text to speak, with a voice of the service or one that the caller cloned."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=TEXT_CHARACTERS_MAX, examples=["Xin chào các bạn."])
    service: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", examples=["elevenlabs"])
    voice: str | None = Field(None, min_length=1, max_length=128, examples=["21m00Tcm4TlvDq8ikWAM"])
    cloned_voice: UUID | None = None
    model: str | None = Field(None, min_length=1, max_length=64, examples=["eleven_multilingual_v2"])
    language: str | None = Field(None, min_length=1, max_length=16, examples=["vi"])
    format: AudioFormat = AudioFormat.MP3
    subtitles: Subtitles = Subtitles.NO
    settings: VoiceSettings = VoiceSettings()
    start_at: Instant | None = Field(None, description="When to begin; at most 366 days ahead.")

    @model_validator(mode="after")
    def has_one_voice(self) -> Self:
        """A voice is asked for in one way."""
        if (self.voice is None) == (self.cloned_voice is None):
            raise ValueError("give one of voice and cloned_voice")
        return self

    def for_user(self, user: User, idempotency_key: str | None = None) -> Speech:
        """The request as the library takes it."""
        return Speech(
            user.id,
            self.text,
            service=self.service,
            voice=self.voice,
            cloned_voice=None if self.cloned_voice is None else str(self.cloned_voice),
            model=self.model,
            language=self.language,
            format=self.format,
            subtitles=self.subtitles,
            settings=self.settings,
            start_at=self.start_at,
            idempotency_key=idempotency_key,
        )


class JobView(BaseModel):
    """A job, as its user sees it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    operation: Operation
    service: str
    state: JobState
    is_final: bool
    unit: Unit | None
    held: Decimal = Field(description="The most that it can cost.")
    charged: Decimal
    tasks: int
    open_tasks: int
    failed_tasks: int
    retries: int
    deadline: datetime
    created_at: datetime
    finished_at: datetime | None


class TaskView(BaseModel):
    """A task of a job. ``error`` says why it failed, for users; which key it ran with stays inside."""

    id: UUID
    place: int
    state: TaskState
    route: str
    characters: int
    charged: Decimal
    refunded: Decimal
    error: str | None

    @classmethod
    def of(cls, task: TaskReport, language: Language) -> Self:
        """The view of a task, in a language."""
        return cls(
            id=UUID(task.id),
            place=task.place,
            state=task.state,
            route=task.route,
            characters=task.characters,
            charged=task.charged,
            refunded=task.refunded,
            error=None if task.error is None else in_words(task.error.user, language),
        )


class JobDetail(BaseModel):
    """A job with its tasks, and what the user has left."""

    job: JobView
    tasks: list[TaskView]
    balance: Decimal
    available: Decimal

    @classmethod
    def of(cls, report: JobReport, language: Language) -> Self:
        """The view of a report, in a language."""
        tasks = [TaskView.of(task, language) for task in report.tasks]
        job, balance, available = JobView.model_validate(report.job), report.balance, report.available
        return cls(job=job, tasks=tasks, balance=balance, available=available)


class Progress(BaseModel):
    """What happened to a task: its place in the job, and what else there is to tell."""

    place: int
    percent: int | None = None
    charged: Decimal | None = None
    error: str | None = None


async def _own_report(id: UUID, kc: Own) -> JobReport:
    return await kc.job(str(id)).status()


OwnReport = Annotated[JobReport, Depends(_own_report)]


def _own_job(report: OwnReport, kc: Own) -> AsyncJobHandle:
    return kc.job(report.job.id)


OwnJob = Annotated[AsyncJobHandle, Depends(_own_job)]


def _own_speech(report: OwnReport, job: OwnJob) -> AsyncJobHandle:
    if report.job.operation is not Operation.SPEECH:
        raise not_found()
    return job


OwnSpeech = Annotated[AsyncJobHandle, Depends(_own_speech)]


@router.post("/text-to-speech/estimate", responses=responses(404))
async def estimate(asked: SpeechRequest, user: Caller, kc: Own) -> Estimate:
    """What a text would cost. Nothing is charged."""
    return await kc.estimate(asked.for_user(user))


@router.post("/text-to-speech", status_code=202, responses=responses(402, 404, 409))
async def speak(
    asked: SpeechRequest, user: Caller, kc: Own, words: Words, idempotency_key: IdempotencyKey = None
) -> JobDetail:
    """Holds the credits and queues the work, both or neither. It goes on whether anybody waits or not."""
    job = await kc.submit(asked.for_user(user, idempotency_key))
    return JobDetail.of(await job.status(), words)


@router.get("/jobs")
async def jobs(
    kc: Own,
    state: JobState | None = None,
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[JobView]:
    """The caller's jobs, newest first, older than the job `before`."""
    older_than = None if before is None else str(before)
    found = await kc.jobs(state=state, before=older_than, limit=limit)
    return [JobView.model_validate(job) for job in found]


@router.get("/jobs/{id}", responses=responses(404))
async def job(report: OwnReport, words: Words) -> JobDetail:
    """One of the caller's jobs."""
    return JobDetail.of(report, words)


@router.post("/jobs/{id}/cancel", responses=responses(404))
async def cancel(job: OwnJob, words: Words) -> JobDetail:
    """Ends it as far as it has not begun; what has is run to its end and charged, the rest is given back."""
    return JobDetail.of(await job.cancel(), words)


@router.post("/jobs/{id}/retry", responses=responses(402, 404, 409))
async def retry(job: OwnJob, words: Words, idempotency_key: NeededIdempotencyKey) -> JobDetail:
    """Tries again what of it failed, at the price of its quote. What is done is not charged again."""
    return JobDetail.of(await job.retry(idempotency_key), words)


_EVENTS = json_responses(401, 404, 422, 500, 503)


@router.get("/jobs/{id}/events", response_class=EventSourceResponse, responses=_EVENTS)
async def events(job: OwnJob, words: Words) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `job` as it is now, what happens to its tasks, and `ended` with the whole."""
    async with job.events() as happening:
        # Watched first, looked at then: nothing is missed in between.
        seen = JobDetail.of(await job.status(), words)
        yield ServerSentEvent(event="job", data=seen)
        async for event in _or_none(happening):
            match event:
                case TaskStarted(place=place):
                    yield ServerSentEvent(event="task_started", data=Progress(place=place))
                case TaskProgress(place=place, percent=percent):
                    yield ServerSentEvent(event="task_progress", data=Progress(place=place, percent=percent))
                case TaskWaits(place=place):
                    yield ServerSentEvent(event="task_waits", data=Progress(place=place))
                case TaskDone(place=place, charged=charged):
                    yield ServerSentEvent(event="task_done", data=Progress(place=place, charged=charged))
                case TaskFailed(place=place, error=error):
                    message = in_words(error.user, words)
                    yield ServerSentEvent(event="task_failed", data=Progress(place=place, error=message))
                case TaskCancelled(place=place):
                    yield ServerSentEvent(event="task_cancelled", data=Progress(place=place))
                case Retried():
                    yield ServerSentEvent(event="job", data=JobDetail.of(await job.status(), words))
                case Ended():
                    yield ServerSentEvent(event="ended", data=JobDetail.of(await job.status(), words))
                case Missed() | None:
                    looked = JobDetail.of(await job.status(), words)
                    if looked != seen:
                        seen = looked
                        yield ServerSentEvent(event="job", data=seen)


async def _or_none(happening: AsyncJobEvents) -> AsyncIterator[JobEvent | None]:
    """Events, or None when there was none for a while: those of work in another process stay there."""
    coming = asyncio.ensure_future(anext(happening, None))
    try:
        while True:
            # Waited for, not cancelled at the time-out: an event that is on its way must not be lost.
            await asyncio.wait([coming], timeout=LOOK_SECONDS)
            if not coming.done():
                yield None
                continue
            event = coming.result()
            if event is None:
                return
            yield event
            coming = asyncio.ensure_future(anext(happening, None))
    finally:
        coming.cancel()


SUBRIP = "application/x-subrip"
_BYTES: dict[str, Any] = {"audio/mpeg": {}, "audio/wav": {}}
_AUDIO: Responses = {
    200: {"description": "The speech.", "content": _BYTES},
    206: {"description": "The part of it that was asked for.", "content": _BYTES},
}
_SUBTITLES: Responses = {200: {"description": "The subtitles.", "content": {SUBRIP: {}}}}


@router.get("/jobs/{id}/audio", response_class=Response, responses=_AUDIO | responses(404, 409, 416))
async def audio(
    job: OwnSpeech,
    asked: Annotated[str | None, Header(alias="Range")] = None,
    version: Annotated[str | None, Header(alias="If-Range")] = None,
) -> Response:
    """The speech of a completed job, as a download; a player may ask for a part of it."""
    audio = await job.audio()
    ending = "wav" if audio.content_type == "audio/wav" else "mp3"
    # A completed job's audio never changes.
    etag = f'"{job.id}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Content-Disposition": f'attachment; filename="{job.id}.{ending}"',
    }
    try:
        part = part_of(audio.length, etag, asked, version)
    except NotSatisfiableError:
        raise no_such_range(audio.length) from None
    start, end = part or (0, audio.length)
    headers["Content-Length"] = str(end - start)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{audio.length}"
    status = 200 if part is None else 206
    return StreamingResponse(audio.chunks(start, end), status, headers, audio.content_type)


@router.get("/jobs/{id}/subtitles", response_class=Response, responses=_SUBTITLES | responses(404, 409))
async def subtitles(job: OwnSpeech) -> Response:
    """The subtitles of a completed job, when the request asked for them and the upstream made some."""
    srt = await job.subtitles()
    if srt is None:
        raise not_found()
    return Response(srt, media_type=SUBRIP)
