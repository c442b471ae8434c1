"""What a video would cost in dollars, and what a user has: doors of callers from before there were credits.

Their answers have exactly the fields that those callers know, and amounts as JSON numbers. Inside, amounts
are exact: a price is so much for so many units, never a rounded price of one unit.
"""

from decimal import ROUND_CEILING, Decimal
from typing import Annotated

from fastapi import APIRouter
from kingcong import Measure, PriceLine, Unit
from pydantic import BaseModel, Field, PlainSerializer

from .dependencies import Caller, Own
from .errors import responses

router = APIRouter(tags=["estimates"], responses=responses(401, 422, 500, 503))

WHISPER = PriceLine(Measure.AUDIO_MS, Decimal("0.006"), per=60_000)
GEMINI_FLASH = PriceLine(Measure.TOKEN, Decimal("0.075"), per=1_000_000)
WAVENET = PriceLine(Measure.CHARACTER, Decimal("16"), per=1_000_000)

#: How much is spoken in a minute, when the transcript's length is not known.
TRANSCRIPT_TOKENS_PER_MINUTE = 300
#: How much longer subtitles are than their transcript, when their length is not known: 6/5.
SRT_PER_TRANSCRIPT = Decimal("1.2")

#: A JSON number; what is shown here has at most 15 digits, which one holds exactly.
Dollars = Annotated[Decimal, PlainSerializer(float, return_type=float)]


Length = Annotated[int, Field(strict=True, ge=0, le=10_000_000)]


class EstimateRequest(BaseModel):
    """A video. Lengths that are not given are estimated from its duration."""

    duration_minutes: Decimal = Field(ge=0, le=1440, decimal_places=4, examples=[5.0])
    transcript_length: Length | None = Field(None, description="In tokens.", examples=[1500])
    srt_length: Length | None = Field(None, description="In characters.", examples=[1800])


class Estimates(BaseModel):
    """Costs by service."""

    whisper: Dollars = Field(examples=[0.03])
    gemini: Dollars = Field(examples=[0.0001125])
    tts: Dollars = Field(examples=[0.0288])
    total: Dollars = Field(examples=[0.0589125])


class EstimateReply(BaseModel):
    """Costs, and whether the caller's dollars cover them."""

    estimates: Estimates
    user_credit_balance: Dollars = Field(examples=[1.5])
    sufficient_credits: bool
    currency: str = Field(examples=["USD"])


class BalanceReply(BaseModel):
    """Tokens from before there were credits, and dollars."""

    total_tokens: int = Field(examples=[1000])
    used_tokens: int = Field(examples=[200])
    available_tokens: int = Field(examples=[800])
    credit_balance: Dollars = Field(examples=[1.5])
    currency: str = Field(examples=["USD"])


def cost(line: PriceLine, units: Decimal | int) -> Decimal:
    """What so many units cost, exactly."""
    return line.price * units / line.per


@router.post("/estimate-cost")
async def estimate_cost(asked: EstimateRequest, user: Caller, kc: Own) -> EstimateReply:
    """What transcribing, translating and speaking a video would cost. Nothing is charged."""
    transcript = asked.transcript_length
    if transcript is None:
        transcript = whole(asked.duration_minutes * TRANSCRIPT_TOKENS_PER_MINUTE)
    srt = asked.srt_length
    if srt is None:
        srt = whole(transcript * SRT_PER_TRANSCRIPT)
    whisper = cost(WHISPER, asked.duration_minutes * 60_000)
    gemini, tts = cost(GEMINI_FLASH, transcript), cost(WAVENET, srt)
    total = whisper + gemini + tts
    available = (await kc.wallets.get(user.id, unit=Unit.USD)).available
    return EstimateReply(
        estimates=Estimates(whisper=whisper, gemini=gemini, tts=tts, total=total),
        user_credit_balance=available,
        sufficient_credits=available >= total,
        currency="USD",
    )


@router.get("/token/balance")
async def token_balance(user: Caller, kc: Own) -> BalanceReply:
    """What the caller has."""
    wallet = await kc.wallets.get(user.id, unit=Unit.USD)
    return BalanceReply(
        total_tokens=user.total_tokens,
        used_tokens=user.used_tokens,
        available_tokens=user.total_tokens - user.used_tokens,
        credit_balance=wallet.available,
        currency="USD",
    )


def whole(length: Decimal) -> int:
    """Rounded up: an estimate is rather too high."""
    return int(length.to_integral_value(ROUND_CEILING))
