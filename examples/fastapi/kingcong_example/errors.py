"""Every refusal has one form: ``{"error": {"code", "message", "retryable"}}``, in the caller's language.

What the library tells operators goes to the log and to administrators. Users get the words meant for users.
"""

import logging
from collections.abc import Mapping
from typing import Any, Literal

import kingcong
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kingcong import KingCongError, Message, Role
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

logger = logging.getLogger(__name__)

Language = Literal["en", "vi"]
Responses = dict[int | str, dict[str, Any]]

RETRY_AFTER_SECONDS = 5

#: The HTTP status of the library's errors; of all others 500.
STATUS: Mapping[type[KingCongError], int] = {
    kingcong.InsufficientCredits: 402,
    kingcong.InDebt: 402,
    kingcong.AccessExpired: 401,
    kingcong.Forbidden: 403,
    kingcong.NotFound: 404,
    kingcong.IdempotencyConflict: 409,
    kingcong.KeyRefused: 409,
    kingcong.OutputUnavailable: 409,
    kingcong.RetryRefused: 409,
    kingcong.RangeRefused: 416,
    kingcong.AmountRefused: 422,
    kingcong.ConfigurationRefused: 422,
    kingcong.InvalidRequest: 422,
    kingcong.PriceNotFound: 422,
    kingcong.VoiceUnavailable: 422,
    kingcong.UpstreamFailed: 502,
    kingcong.Closed: 503,
    kingcong.Contended: 503,
    kingcong.NoRoute: 503,
    kingcong.QueueFull: 503,
    kingcong.StoreUnavailable: 503,
    kingcong.UnderMaintenance: 503,
}


class ErrorDetail(BaseModel):
    """What was wrong."""

    code: str = Field(examples=["insufficient_credits"])
    message: str = Field(description="For users, in English or Vietnamese, as Accept-Language asks.")
    retryable: bool = Field(description="Whether the same call may succeed later.")
    detail: str | None = Field(None, description="For administrators only: what was wrong, and what to do.")


class ErrorReply(BaseModel):
    """A refusal."""

    error: ErrorDetail


class Refused(HTTPException):
    """A refusal of this backend's own."""

    def __init__(
        self, status: int, code: str, en: str, vi: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, en, headers)
        self.code = code
        self.messages: Mapping[Language, str] = {"en": en, "vi": vi}


def not_found() -> Refused:
    """For what does not exist, and alike for what is somebody else's."""
    return Refused(404, "not_found", "There is no such thing", "Không tìm thấy")


def no_such_range(length: int) -> Refused:
    """For a range that has no byte of so many."""
    en, vi = "There is no such part", "Không có phần này"
    return Refused(416, "range_refused", en, vi, {"Content-Range": f"bytes */{length}"})


def language_of(accept_language: str) -> Language:
    """English, unless Vietnamese is preferred to it."""
    ranks = {"en": 0.0, "vi": 0.0}
    for choice in accept_language.lower().split(","):
        tag, _, rank = choice.partition(";q=")
        name = tag.strip().partition("-")[0]
        try:
            ranks[name] = max(ranks.get(name, 0.0), float(rank or 1))
        except ValueError:
            continue
    return "vi" if ranks["vi"] > ranks["en"] else "en"


def in_words(message: Message, language: Language) -> str:
    """What the library has for users, in their language."""
    return message.vi if language == "vi" else message.en


def responses(*statuses: int) -> Responses:
    """How OpenAPI is told which refusals a door has."""
    return {status: {"model": ErrorReply} for status in statuses}


def json_responses(*statuses: int) -> Responses:
    """The same for a door whose own answers are no JSON: OpenAPI would take the refusals for none, either."""
    schema = {"$ref": f"#/components/schemas/{ErrorReply.__name__}"}
    refusal = {"description": "A refusal", "content": {"application/json": {"schema": schema}}}
    return dict.fromkeys(statuses, refusal)


def _reply(
    status: int, code: str, message: str, *, retryable: bool = False, detail: str | None = None
) -> JSONResponse:
    error = ErrorDetail(code=code, message=message, retryable=retryable, detail=detail)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if retryable else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(ErrorReply(error=error).model_dump(exclude_none=True), status, headers)


_CODES: Mapping[int, str] = {404: "not_found", 405: "method_not_allowed", 422: "invalid_request"}


def _language(request: Request) -> Language:
    return language_of(request.headers.get("accept-language", ""))


def install(app: FastAPI) -> None:
    """Turns exceptions into refusals."""

    @app.exception_handler(KingCongError)
    async def of_library(request: Request, error: KingCongError) -> JSONResponse:
        status = STATUS.get(type(error), 500)
        if status >= 500:
            level = logging.WARNING if error.retryable else logging.ERROR
            logger.log(level, "%s %s: %s", request.method, request.url.path, error)
        user = getattr(request.state, "user", None)
        detail = str(error) if user is not None and user.role is Role.OPERATOR else None
        message = error.user_message(_language(request))
        return _reply(status, error.code, message, retryable=error.retryable, detail=detail)

    @app.exception_handler(Refused)
    async def of_backend(request: Request, error: Refused) -> JSONResponse:
        reply = _reply(error.status_code, error.code, error.messages[_language(request)])
        reply.headers.update(error.headers or {})
        return reply

    @app.exception_handler(RequestValidationError)
    async def of_form(request: Request, error: RequestValidationError) -> JSONResponse:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return _reply(422, "invalid_request", wrong)

    @app.exception_handler(HTTPException)
    async def of_framework(request: Request, error: HTTPException) -> JSONResponse:
        # A body that is no text at all is told like one that is not what it should be.
        status = 422 if error.status_code == 400 else error.status_code
        reply = _reply(status, _CODES.get(status, "refused"), error.detail)
        reply.headers.update(error.headers or {})
        return reply

    @app.exception_handler(Exception)
    async def of_nobody_knows_what(request: Request, error: Exception) -> JSONResponse:
        words = {"en": "Something went wrong, please try again", "vi": "Đã xảy ra lỗi, vui lòng thử lại"}
        return _reply(500, "failed", words[_language(request)], retryable=True)
