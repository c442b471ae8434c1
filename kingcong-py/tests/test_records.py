"""The records: frozen, hashable, readable, ready for JSON and for other processes."""

from __future__ import annotations

import dataclasses
import json
import pickle
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import kingcong
import pytest
from kingcong import AudioFormat, Limits, Price, PriceLine, Speech, Unit, Wallet
from kingcong.providers import Audio, Call, Reply, SpeechWork

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=timezone.utc)
ZERO = Decimal(0)
WALLET = Wallet("w", "main", "user-1", Unit.CREDIT, Decimal(10), ZERO, Decimal(10), ZERO, ZERO, ZERO, ZERO, 1, NOW, NOW)

RECORDS = [
    getattr(kingcong, name)
    for name in kingcong.__all__
    if isinstance(getattr(kingcong, name), type) and dataclasses.is_dataclass(getattr(kingcong, name))
]


@pytest.mark.parametrize("cls", RECORDS)
def test_every_record_is_frozen_has_slots_and_can_be_matched(cls: type) -> None:
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__slots__" in cls.__dict__
    assert cls.__match_args__ == tuple(field.name for field in dataclasses.fields(cls))
    assert cls.__doc__


def test_a_record_prints_as_it_is_written_and_is_ready_for_json() -> None:
    assert repr(Limits(30, 10)) == "Limits(max_in_flight=30, per_minute=10)"
    assert {Limits(30, 10): 1}[Limits(30, 10)] == 1
    assert hash(Speech("u", "t", service="s", voices={"ai33": "v"})) == hash(Speech("u", "t", service="s"))
    plain = WALLET.to_dict()
    assert json.loads(json.dumps(plain))["balance"] == "10"
    assert plain["created_at"] == "2026-11-21T10:00:00+00:00"
    assert plain["unit"] == "credit"
    assert Speech("u", "t", service="s", deadline=timedelta(minutes=1)).to_dict()["deadline"] == 60.0
    match WALLET:
        case Wallet(user="user-1", balance=balance):
            assert balance == 10
        case _:
            pytest.fail("a record can be matched by its fields")


def test_records_and_errors_travel_between_processes() -> None:
    assert pickle.loads(pickle.dumps(WALLET)) == WALLET
    error = kingcong.InsufficientCredits("no", user_messages={"vi": "hết"}, fields={"needed": 3, "available": 1})
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied), copied.needed, copied.user_message("vi")) == (type(error), "no", 3, "hết")


def test_bytes_and_secrets_are_in_no_repr() -> None:
    work = SpeechWork("t", "v", None, AudioFormat.MP3, kingcong.Subtitles.NO, kingcong.VoiceSettings(), None)
    call = Call("a", "ai33", "elevenlabs", "https://x", "sk-secret", 1, work)
    assert "sk-secret" not in repr(call)
    assert "sk-secret" not in str(call.to_dict())
    assert "xxxx" not in repr(Reply(Audio(b"xxxx", "audio/wav")))


def test_words_are_their_texts() -> None:
    assert Unit.USD == "usd"
    assert f"{Unit.USD}" == "usd"
    assert Unit("usd") is Unit.USD


def test_a_price_without_lines_is_free() -> None:
    line = PriceLine(kingcong.Measure.TOKEN, Decimal("0.075"), 1_000_000)
    assert Price("s", "x", kingcong.Operation.SPEECH, (line,)).lines[0].price == Decimal("0.075")
