"""What is wrong is refused by the right exception, with words that tell what to do, and nothing is done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import kingcong
import pytest
from conftest import VOICE, Host, Upstream, speech
from kingcong import (
    AsyncKingCong,
    CloneVoice,
    KingCong,
    KingCongError,
    Limits,
    Maintenance,
    Measure,
    Operation,
    Package,
    Price,
    PriceLine,
    Role,
    Speech,
    VoiceSettings,
)

#: A door with something wrong, the exception, and what its words have.
WRONG: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda kc: kc.wallets.get(7), TypeError, "user must be a str, not int: 7"),
    (lambda kc: kc.keys.add("ai33", "elevenlabs", b"sk-canary-secret"), TypeError, "secret must be a str, not bytes"),
    (lambda kc: kc.keys.add("ai33", "elevenlabs", ["sk-canary-secret"]), TypeError, "secret must be a str, not list"),
    (lambda kc: kc.wallets.get("u", unit="dong"), ValueError, "unit must be one of 'credit'"),
    (lambda kc: kc.wallets.get(" "), kingcong.InvalidRequest, "without control characters or surrounding spaces"),
    (lambda kc: kc.wallets.adjust("u", 0.1, reason="r", idempotency_key="k"), TypeError, "Decimal('0.1')"),
    (lambda kc: kc.wallets.adjust("u", True, reason="r", idempotency_key="k"), TypeError, "not bool"),
    (lambda kc: kc.wallets.adjust("u", Decimal("NaN"), reason="r", idempotency_key="k"), ValueError, "NaN"),
    (
        lambda kc: kc.wallets.adjust("u", Decimal("0.5"), reason="r", idempotency_key="k"),
        kingcong.InvalidRequest,
        "too many digits",
    ),
    (lambda kc: kc.wallets.adjust("u", 0, reason="r", idempotency_key="k"), kingcong.AmountRefused, "not zero"),
    (lambda kc: kc.wallets.adjust("u", 1, reason="x" * 300, idempotency_key="k"), kingcong.InvalidRequest, "255"),
    (lambda kc: kc.wallets.history("u", limit="10"), TypeError, "limit must be an int"),
    (lambda kc: kc.jobs(limit=-1), ValueError, "limit must not be negative"),
    (
        lambda kc: kc.wallets.adjust("u", Decimal("1E+200000000"), reason="r", idempotency_key="k"),
        ValueError,
        "change has more than 28 digits",
    ),
    (lambda kc: kc.wallets.adjust("u", 10**5000, reason="r", idempotency_key="k"), ValueError, "28 digits"),
    (lambda kc: kc.submit(speech("\ud800")), ValueError, "half a character"),
    (lambda kc: kc.job("01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21").wait(timeout=-1), ValueError, "timeout must be"),
    (lambda kc: kc.wallets.purchase("u", "package-9", "o"), kingcong.NotFound, "package-9"),
    (lambda kc: kc.submit("Xin chào"), TypeError, "must be a Speech or a CloneVoice"),
    (lambda kc: kc.submit(speech("")), kingcong.InvalidRequest, "empty"),
    (lambda kc: kc.submit(speech(5)), TypeError, "text must be a str"),
    (lambda kc: kc.submit(speech(start_at=datetime(2030, 1, 1))), ValueError, "time zone"),
    (lambda kc: kc.submit(speech(start_at="tomorrow")), TypeError, "start_at must be a datetime"),
    (lambda kc: kc.submit(speech(deadline=30)), TypeError, "deadline must be a timedelta"),
    (lambda kc: kc.submit(speech(deadline=timedelta(days=8))), kingcong.InvalidRequest, "7 days"),
    (lambda kc: kc.submit(speech(weight=0)), kingcong.InvalidRequest, "weight must be a whole number from 1 to 1000"),
    (
        lambda kc: kc.submit(speech(settings=VoiceSettings(speed=7))),
        kingcong.InvalidRequest,
        "settings.speed must be a whole number from 50 to 200, not 7",
    ),
    (lambda kc: kc.submit(speech(cloned_voice="v")), ValueError, "one of voice, voices and cloned_voice"),
    (
        lambda kc: kc.submit(Speech("u", "t", service="elevenlabs", cloned_voice="v")),
        kingcong.InvalidRequest,
        "must be a UUID",
    ),
    (lambda kc: kc.submit(Speech("u", "t", service="elevenlabs")), kingcong.InvalidRequest, "voice"),
    (lambda kc: kc.submit(Speech("u", "t", service="suno", voice=VOICE)), kingcong.NotFound, "suno"),
    (
        lambda kc: kc.submit(CloneVoice("u", "n", "text", "audio/mpeg", service="elevenlabs")),  # type: ignore[arg-type]
        TypeError,
        "sample must be bytes",
    ),
    (lambda kc: kc.keys.add("ai33", "elevenlabs", ""), kingcong.KeyRefused, "secret"),
    (lambda kc: kc.keys.add("ai99", "elevenlabs", "sk-a-good-secret"), kingcong.ConfigurationRefused, "ai99"),
    (lambda kc: kc.keys.add("ai33", "elevenlabs", "sk-a-good-secret", limits=(1, 2)), TypeError, "a Limits"),
    (
        lambda kc: kc.keys.add("ai33", "elevenlabs", "sk-a-good-secret", limits=Limits(0, 1)),
        kingcong.InvalidRequest,
        "limits.max_in_flight must be a whole number from 1 to 4294967295, not 0",
    ),
    (lambda kc: kc.keys.add("ai33", "elevenlabs", "sk-a-good-secret", account="a"), kingcong.KeyRefused, "first key"),
    (
        lambda kc: kc.keys.add("ai33", "elevenlabs", "sk-a-good-secret", account_limits=kingcong.Limits(1, 1)),
        kingcong.InvalidRequest,
        "the name of the account",
    ),
    (lambda kc: kc.keys.get("no-uuid"), kingcong.InvalidRequest, "UUID"),
    (lambda kc: kc.config.set_maintenance("full"), TypeError, "a Maintenance"),
    (lambda kc: kc.config.set_maintenance(Maintenance(services=("suno",))), kingcong.ConfigurationRefused, "suno"),
    (lambda kc: kc.config.set_weights({"ai33": 1.5}), TypeError, "weights['ai33'] must be an int"),
    (lambda kc: kc.config.set_route("ai33", "elevenlabs", "maybe"), ValueError, "switch must be one of 'on', 'off'"),
    (
        lambda kc: kc.prices.set(Price("ai33", "elevenlabs", Operation.SPEECH, (PriceLine(Measure.CHARACTER, 0.5),))),  # type: ignore[arg-type]
        TypeError,
        "price must be decimal.Decimal or int, not float",
    ),
    (
        lambda kc: kc.prices.set(
            Price("ai33", "elevenlabs", Operation.SPEECH, (PriceLine(Measure.CHARACTER, Decimal("-1")),))
        ),
        kingcong.ConfigurationRefused,
        "negative",
    ),
    (lambda kc: kc.packages.set(Package("p", "", Decimal(1), Decimal(1))), kingcong.ConfigurationRefused, "label"),
    (lambda kc: kc.job("01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21").status(), kingcong.NotFound, "job"),
    (lambda kc: kc.job("nonsense").status(), kingcong.InvalidRequest, "UUID"),
    (lambda kc: kc.archive(datetime(2030, 1, 1), "folder"), ValueError, "time zone"),
    (lambda kc: kc.reports.audit(before="yesterday"), kingcong.InvalidRequest, 'AuditId "yesterday" must be a UUID'),
    (lambda kc: kc.acting("", Role.OPERATOR).wallets.list(), kingcong.InvalidRequest, "Actor"),
    (lambda kc: kc.acting("an", "root"), kingcong.InvalidRequest, "role must be one of 'operator'"),
    # Who forgets the role is nobody, and not the operator.
    (lambda kc: kc.acting("an", None), kingcong.InvalidRequest, "role must be one of 'operator'"),
    (lambda kc: kc.acting("an"), TypeError, "role"),
    (lambda kc: kc.acting("an", Role.MEMBER).jobs(), kingcong.InvalidRequest, "role member has no tenant"),
    (lambda kc: kc.acting("an", Role.TENANT_ADMIN, tenant="").jobs(), kingcong.InvalidRequest, "TenantId"),
    (
        lambda kc: kc.acting("an", Role.OPERATOR, tenant="acme").jobs(),
        kingcong.InvalidRequest,
        "role operator is not of one tenant",
    ),
]


@pytest.mark.parametrize("case", range(len(WRONG)))
async def test_what_is_wrong_is_named_and_nothing_is_done(host: Host, case: int) -> None:
    knock, error, words = WRONG[case]
    before = await host.ask(host.kc.config.get())
    with pytest.raises(error) as raised:
        answer = knock(host.kc)
        if hasattr(answer, "adjust"):
            # Who acts is looked at when they act.
            answer = answer.adjust("u", 1, reason="r", idempotency_key="k")
        await host.ask(answer)
    assert words in str(raised.value)
    assert "canary" not in repr(raised.value)
    assert await host.ask(host.kc.config.get()) == before
    assert (await host.ask(host.kc.wallets.get("u"))).entries == 0
    assert await host.ask(host.kc.jobs()) == ()


async def test_an_error_says_whether_to_try_again_and_what_the_user_is_told(host: Host) -> None:
    await host.prepare(credits=5)
    with pytest.raises(kingcong.InsufficientCredits) as poor:
        await host.ask(host.kc.submit(speech()))
    assert (poor.value.needed, poor.value.available, poor.value.retryable) == (9, 5, False)
    assert poor.value.user_message() == "Not enough credits, please top up"
    assert poor.value.user_message("vi") == "Credits không đủ, vui lòng nạp thêm"
    await host.ask(host.kc.config.set_maintenance(Maintenance(is_full=True)))
    with pytest.raises(kingcong.UnderMaintenance) as down:
        await host.ask(host.kc.submit(speech()))
    assert down.value.retryable
    assert down.value.user_message("vi") == "Server KingCong đang bảo trì"
    assert not hasattr(down.value, "needed")


async def test_a_closed_client_says_so(host: Host) -> None:
    await host.ask(host.kc.close())
    await host.ask(host.kc.close())
    with pytest.raises(kingcong.Closed, match="open another"):
        await host.ask(host.kc.wallets.get("user-1"))


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("redis://localhost", kingcong.InvalidRequest, "sqlite://, postgres://, mysql://"),
        ("sqlite://", kingcong.InvalidRequest, "names no database file"),
        ("postgres://nobody@127.0.0.1:1/none", kingcong.StoreUnavailable, "PostgreSQL"),
        ("mysql://nobody@127.0.0.1:1/none", kingcong.StoreUnavailable, "server cannot be reached"),
        ("sqlite:///no/such/folder/kingcong.db", KingCongError, "folder"),
    ],
)
async def test_a_database_that_cannot_be_opened_is_named(url: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        KingCong.open(url, master_key=bytes(32))
    with pytest.raises(error, match=words):
        await AsyncKingCong.open(url, master_key=bytes(32))


def test_options_are_checked_before_anything_is_opened(tmp_path: Path) -> None:
    for options, error, words in [
        ({"preset": "donkey"}, kingcong.InvalidRequest, "donkey"),
        ({"dead_after": timedelta(seconds=1)}, kingcong.InvalidRequest, "at least 2 s"),
        ({"dead_after": 30}, TypeError, "dead_after must be a timedelta"),
        ({"drain": timedelta(seconds=-1)}, ValueError, "negative"),
        ({"master_key": "not a key"}, kingcong.MasterKeyFailed, "not a key"),
        ({"master_key": 5}, TypeError, "master_key must be"),
        ({"master_key": bytes(16)}, kingcong.MasterKeyFailed, "32 random bytes"),
        ({"mode": "boss"}, ValueError, "mode must be one of 'both', 'client'"),
        ({"outputs": 7}, TypeError, "outputs must be a path"),
        ({"providers": [object()]}, TypeError, "protocol"),
        ({"providers": [Upstream(), Upstream()]}, ValueError, "two providers"),
    ]:
        given: Any = {"master_key": bytes(32), **options}
        with pytest.raises(error, match=words):
            KingCong.open(f"sqlite://{tmp_path}/never.db", **given)
    assert list(tmp_path.iterdir()) == []


def test_another_window_than_the_stores_is_refused(database: str) -> None:
    KingCong.open(database, master_key=bytes(32), window=timedelta(seconds=7)).close()
    with pytest.raises(kingcong.InvalidRequest, match="window: 60s is not the store's, which is 7s"):
        KingCong.open(database, master_key=bytes(32), window=timedelta(minutes=1))
    KingCong.open(database, master_key=bytes(32)).close()


def test_another_master_key_does_not_open_the_database(database: str) -> None:
    KingCong.open(database, master_key=bytes(32)).close()
    with pytest.raises(kingcong.MasterKeyFailed, match="start with the master key"):
        KingCong.open(database, master_key=b"x" * 32)


def test_an_error_keeps_its_cause(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(KingCongError) as raised:
        KingCong.open(f"sqlite://{tmp_path}/folder", master_key=bytes(32))
    assert isinstance(raised.value.__cause__, Exception)
