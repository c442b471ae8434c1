"""Every door, through both clients, in memory and on SQLite."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import kingcong
import pytest
from conftest import LIMITS, Host, speech
from kingcong import (
    CloneVoice,
    Ended,
    EntryKind,
    InvalidRequest,
    JobState,
    KeyStatus,
    Lane,
    Lifted,
    Limits,
    Maintenance,
    Measure,
    NotFound,
    Operation,
    Ordered,
    Package,
    PollsCount,
    Price,
    PriceConditions,
    PriceLine,
    Role,
    RouteCause,
    Served,
    Server,
    ServerChange,
    Speech,
    SpeechResult,
    Switch,
    TaskDone,
    TaskStarted,
    TenantState,
    TenantSuspended,
    Unit,
    VoiceResult,
    VoiceUnavailable,
    Weekday,
    WeekSpan,
)


async def test_a_request_is_estimated_held_spoken_charged_and_read(host: Host) -> None:
    await host.prepare(credits=100)
    request = speech("Câu một. Câu hai. Câu ba.", pieces=3)
    estimate = await host.ask(host.kc.estimate(request))
    assert (estimate.tasks, estimate.held, estimate.is_sufficient) == (3, Decimal(25), True)

    job = await host.ask(host.kc.submit(request))
    done = await host.ask(job.wait(timeout=60))

    assert done.job.state is JobState.COMPLETED
    assert (done.job.charged, done.balance, done.available) == (Decimal(25), Decimal(75), Decimal(75))
    assert [task.place for task in done.tasks] == [0, 1, 2]
    assert sum(task.charged for task in done.tasks) == 25
    result = await host.ask(job.result())
    assert isinstance(result, SpeechResult)
    assert (result.duration, result.audio[:4]) == (timedelta(milliseconds=30), b"RIFF")
    one = await host.ask(job.task_output(0))
    assert isinstance(one, SpeechResult)
    assert one.audio[:4] == b"RIFF"
    assert await host.ask(job.status()) == done
    assert (await host.ask(host.kc.verify())).is_sound


async def test_what_failed_of_a_job_is_tried_again_and_nothing_is_bought_twice(host: Host) -> None:
    await host.prepare(credits=100)
    host.upstream.refused = "hai"
    job = await host.ask(host.kc.submit(speech("Câu một. Câu hai. Câu ba.", pieces=3)))
    failed = await host.ask(job.wait(timeout=60))
    assert (failed.job.state, failed.job.failed_tasks) == (JobState.COMPLETED_WITH_FAILURES, 1)
    assert failed.available == 100 - failed.job.charged

    host.upstream.refused = None
    again = await host.ask(
        host.kc.acting("support", Role.OPERATOR).job(job.id).retry("second try", deadline=timedelta(hours=1))
    )
    assert (again.job.retries, again.job.held, again.job.failed_tasks) == (1, Decimal(25), 0)
    assert again.job.deadline > failed.job.finished_at + timedelta(minutes=59)
    done = await host.ask(job.wait(timeout=60))
    assert (done.job.state, done.job.charged, done.available) == (JobState.COMPLETED, Decimal(25), Decimal(75))
    assert [task.attempts for task in done.tasks] == [1, 2, 1]
    assert len(host.upstream.calls) == 4
    result = await host.ask(job.result())
    assert isinstance(result, SpeechResult)
    assert result.duration == timedelta(milliseconds=30)

    # The same key is the same retry, and nothing else.
    assert await host.ask(job.retry("second try", deadline=timedelta(hours=1))) == done
    with pytest.raises(kingcong.IdempotencyConflict):
        await host.ask(job.retry("second try"))
    with pytest.raises(kingcong.IdempotencyConflict):
        await host.ask(host.kc.submit(speech(idempotency_key="second try")))
    with pytest.raises(kingcong.RetryRefused, match="it is completed") as refused:
        await host.ask(job.retry("third try"))
    assert (refused.value.job, refused.value.state) == (job.id, "completed")
    with pytest.raises(kingcong.InvalidRequest, match="deadline"):
        await host.ask(job.retry("third try", deadline=timedelta(0)))
    (audited,) = [row for row in await host.ask(host.kc.reports.audit()) if row.door == "job.retry"]
    assert audited.actor == "support"
    assert (await host.ask(host.kc.verify())).is_sound


async def test_a_jobs_audio_is_read_in_ranges_and_chunks(host: Host) -> None:
    await host.prepare(credits=100)
    host.upstream.milliseconds = 20_000
    job = await host.ask(host.kc.submit(speech("Câu một. Câu hai. Câu ba.", pieces=3)))
    await host.ask(job.wait(timeout=60))
    whole = (await host.ask(job.result())).audio
    audio = await host.ask(job.audio())
    assert (audio.job, audio.length, audio.content_type) == (job.id, len(whole), "audio/wav")
    assert (audio.length, audio.duration) == (44 + 3 * 320_000, timedelta(minutes=1))
    assert await host.ask(audio.read()) == whole
    for start, end in [(0, 1), (0, 44), (43, 45), (320_043, 320_046), (audio.length - 1, audio.length)]:
        assert await host.ask(audio.read(start, end)) == whole[start:end]
        assert await host.all(audio.chunks(start, end)) == [whole[start:end]]
    assert await host.ask(audio.read(959_000)) == whole[959_000:]
    chunks = await host.all(audio)
    assert b"".join(chunks) == whole
    assert [len(chunk) for chunk in chunks] == [262_144] * 3 + [audio.length - 3 * 262_144]
    # Whoever stops reading leaves nothing behind, and another begins where it likes.
    chunks = audio.chunks(1)
    assert await host.first(chunks) == whole[1 : 1 + 262_144]
    await host.leave(chunks)
    assert await host.ask(job.subtitles()) is None

    for start, end in [(5, 5), (7, 3), (audio.length, None), (0, audio.length + 1), (0, 2**63)]:
        for reading in (audio.read, lambda start, end: host.first(audio.chunks(start, end))):
            with pytest.raises(kingcong.RangeRefused) as refused:
                await host.ask(reading(start, end))
            expected = audio.length if end is None else end
            assert (refused.value.start, refused.value.end) == (start, expected)
    for start, end in [(-2, None), (0, -1)]:
        for reading in (audio.read, audio.chunks):
            with pytest.raises(kingcong.InvalidRequest, match="negative"):
                await host.ask(reading(start, end))
    with pytest.raises(TypeError, match="start"):
        await host.ask(audio.read("0"))


async def test_a_job_without_audio_says_why(host: Host) -> None:
    await host.prepare(credits=20_000)
    await host.ask(host.kc.keys.add("ai33", "minimax", "sk-canary-that-clones", limits=LIMITS))
    clone = CloneVoice("user-1", "An", b"ID3-a-recording", "audio/mpeg", service="minimax")
    job = await host.ask(host.kc.submit(clone))
    await host.ask(job.wait())
    later = await host.ask(host.kc.submit(speech(start_at=datetime.now(timezone.utc) + timedelta(days=1))))
    for asked, why in [(job, "cloned voice"), (later, "it is open")]:
        for door in (asked.audio, asked.subtitles):
            with pytest.raises(kingcong.OutputUnavailable, match=why) as refused:
                await host.ask(door())
            assert refused.value.job == asked.id


async def test_events_of_a_job_come_in_order_and_end(host: Host) -> None:
    await host.prepare()
    # Nothing starts before it is watched.
    request = speech(start_at=datetime.now(timezone.utc) + timedelta(days=1))
    job = await host.ask(host.kc.submit(request))
    events = job.events()
    if hasattr(events, "__aenter__"):
        await events.__aenter__()
    await host.ask(job.cancel())
    happened = await host.all(events)
    assert isinstance(happened[-1], Ended)
    assert happened[-1].state is JobState.CANCELLED
    assert await host.all(events) == []


async def test_the_events_of_work_name_route_and_price(host: Host) -> None:
    await host.prepare()
    await host.ask(host.kc.config.set_maintenance(Maintenance(is_full=True)))
    await host.ask(host.kc.config.set_maintenance(Maintenance()))
    key = (await host.ask(host.kc.keys.list()))[0]
    await host.ask(host.kc.keys.disable(key.id))
    await host.ask(host.kc.keys.enable(key.id))
    job = await host.ask(host.kc.submit(speech()))
    happened = await host.all(job.events())
    started = [event for event in happened if isinstance(event, TaskStarted)]
    done = [event for event in happened if isinstance(event, TaskDone)]
    # Whoever looks late sees only the end.
    assert happened[-1] == Ended(JobState.COMPLETED, Decimal(9))
    assert all(event.route == "ai33_elevenlabs" and "canary" not in event.key for event in started)
    assert all(event.charged == 9 for event in done)


async def test_a_voice_is_cloned_and_speaks(host: Host) -> None:
    await host.prepare(credits=20_000)
    await host.ask(host.kc.keys.add("ai33", "minimax", "sk-canary-that-clones", limits=LIMITS))
    clone = CloneVoice("user-1", "An", b"ID3-a-recording", "audio/mpeg", service="minimax", preview_text="Chào")
    job = await host.ask(host.kc.submit(clone))
    assert (await host.ask(job.wait())).job.charged == 10_000
    result = await host.ask(job.result())
    assert isinstance(result, VoiceResult)
    (call,) = host.upstream.calls
    assert (call.work.sample, call.work.preview_text) == (b"ID3-a-recording", "Chào")
    (voice,) = await host.ask(host.kc.voices.cloned("user-1"))
    assert (voice.id, voice.name) == (result.voice, "An")

    request = Speech("user-1", "Chào!", service="minimax", cloned_voice=result.voice)
    assert (await host.ask(host.kc.run(request))).job.state is JobState.COMPLETED
    assert host.upstream.calls[-1].work.voice == "voice-of-An"


async def test_money_moves_once_for_each_key(host: Host) -> None:
    wallets = host.kc.acting("admin-7", Role.OPERATOR).wallets
    for _ in range(2):
        bought = await host.ask(wallets.purchase("user-1", "package-1", "order-991"))
        assert (bought.amount, bought.balance_after) == (Decimal(1_000_000), Decimal(1_000_000))
    with pytest.raises(kingcong.IdempotencyConflict):
        await host.ask(wallets.purchase("user-2", "package-1", "order-991"))
    ordered = Ordered(Decimal(10), Decimal(5))
    with pytest.raises(kingcong.AmountRefused) as refused:
        await host.ask(wallets.purchase("user-1", "package-1", "order-992", ordered=ordered))
    assert (refused.value.ordered_credits, refused.value.credits) == (10, 1_000_000)
    for _ in range(2):
        gift = await host.ask(wallets.adjust("user-1", Decimal(-400), reason="sorry", idempotency_key="g-1"))
        assert gift.balance_after == 999_600
    kinds = [entry.kind for entry in await host.ask(wallets.history("user-1"))]
    assert kinds == [EntryKind.ADJUSTMENT, EntryKind.PURCHASE]
    (second,) = await host.ask(wallets.history("user-1", before=2, limit=1))
    assert (second.number, second.reference) == (1, "order-991")
    audit = host.kc.reports.audit
    audited = await host.ask(audit(limit=2))
    assert {(entry.actor, entry.door) for entry in audited} == {
        ("admin-7", "wallets.adjust"),
        ("admin-7", "wallets.purchase"),
    }
    newest, *older = await host.ask(audit())
    assert await host.ask(audit(before=newest.id)) == tuple(older)


async def test_a_correction_answers_what_moved_and_what_became_debt(host: Host) -> None:
    await host.ask(host.kc.wallets.adjust("user-1", 50, reason="gift", idempotency_key="g-1"))
    fee = await host.ask(host.kc.wallets.adjust("user-1", -80, reason="fee", idempotency_key="f-1"))
    assert (fee.amount, fee.became_debt, fee.balance_after) == (-50, 30, 0)
    more = await host.ask(host.kc.wallets.adjust("user-1", 100, reason="gift", idempotency_key="g-2"))
    assert (more.amount, more.paid_debt, more.balance_after) == (100, 30, 70)


async def test_a_refund_is_never_more_than_the_charge(host: Host) -> None:
    await host.prepare()
    done = await host.ask(host.kc.run(speech()))
    task = done.tasks[0].id
    part: Any = {"reason": "noise", "idempotency_key": "r-1"}
    refunded = await host.ask(host.kc.wallets.refund("user-1", task, amount=4, **part))
    assert refunded.balance_after == 995
    with pytest.raises(kingcong.AmountRefused):
        await host.ask(host.kc.wallets.refund("user-1", task, amount=6, reason="x", idempotency_key="r-2"))
    rest = await host.ask(host.kc.wallets.refund("user-1", task, reason="all", idempotency_key="r-3"))
    assert (rest.amount, rest.balance_after) == (Decimal(5), Decimal(1_000))


async def test_a_wallet_in_dollars_has_nine_digits(host: Host) -> None:
    package = Package("usd-5", "5 USD", Decimal("5.000000001"), Decimal(5), unit=Unit.USD)
    await host.ask(host.kc.packages.set(package))
    assert package in await host.ask(host.kc.packages.list())
    await host.ask(host.kc.wallets.purchase("user-1", "usd-5", "order-1"))
    wallet = await host.ask(host.kc.wallets.get("user-1", unit=Unit.USD))
    assert (wallet.balance, wallet.unit) == (Decimal("5.000000001"), Unit.USD)
    assert (await host.ask(host.kc.wallets.get("user-1"))).balance == 0
    await host.ask(host.kc.packages.remove("usd-5"))
    with pytest.raises(kingcong.NotFound):
        await host.ask(host.kc.wallets.purchase("user-1", "usd-5", "order-2"))


async def test_prices_are_set_exactly_and_removed(host: Host) -> None:
    await host.prepare()
    line = PriceLine(Measure.CHARACTER, Decimal("0.3333"), per=1)
    for server in ("ai33", "ai84"):
        price = Price(server, "elevenlabs", Operation.SPEECH, (line,), overrun=server == "ai84")
        await host.ask(host.kc.prices.set(price))
    assert (await host.ask(host.kc.estimate(speech("x" * 10)))).held == 4
    kept = [price for price in await host.ask(host.kc.prices.list()) if price.lines == (line,)]
    assert [(price.server, price.overrun) for price in kept] == [("ai33", False), ("ai84", True)]
    for server in ("ai33", "ai84"):
        await host.ask(host.kc.prices.remove(server, "elevenlabs", Operation.SPEECH))
    with pytest.raises(kingcong.PriceNotFound) as refused:
        await host.ask(host.kc.submit(speech()))
    assert "chưa có giá" in refused.value.user_message("vi")
    free = Price("ai33", "elevenlabs", Operation.SPEECH, ())
    await host.ask(host.kc.prices.set(free))
    assert (await host.ask(host.kc.run(speech()))).job.charged == 0


async def test_prices_have_conditions_and_come_into_force_later(host: Host) -> None:
    await host.prepare()
    span = WeekSpan((Weekday.FRIDAY,), start=16 * 60 + 30, end=30)
    night = PriceConditions(served=Served(tier="flex"), prompt_above=1000, during=(span,))
    lines = (
        PriceLine(Measure.CHARACTER, Decimal(1)),
        PriceLine(Measure.CHARACTER, Decimal("0.5"), when=night, free=2, at_least=3),
    )
    price = Price("ai33", "elevenlabs", Operation.SPEECH, lines)
    soon = datetime.now(timezone.utc) + timedelta(hours=1)
    await host.ask(host.kc.prices.set(price, since=soon))

    async def versions() -> list[Price]:
        prices = await host.ask(host.kc.prices.list())
        return [kept for kept in prices if (kept.server, kept.service, kept.operation) == price_of]

    price_of = (price.server, price.service, price.operation)
    now, later = await versions()
    assert (later.lines, later.since, later.version) == (lines, soon, now.version + 1)
    for wrong in (soon - timedelta(hours=2), datetime(2020, 1, 1, tzinfo=timezone.utc)):
        with pytest.raises(kingcong.ConfigurationRefused, match="has passed"):
            await host.ask(host.kc.prices.set(price, since=wrong))
    both = PriceConditions(prompt_above=1, prompt_from=2)
    with pytest.raises(InvalidRequest, match="one of prompt_above and prompt_from"):
        bad = (PriceLine(Measure.CHARACTER, Decimal(1), when=both),)
        await host.ask(host.kc.prices.set(Price("ai33", "elevenlabs", Operation.SPEECH, bad)))
    await host.ask(host.kc.prices.withdraw("ai33", "elevenlabs", Operation.SPEECH, soon))
    assert await versions() == [now]
    with pytest.raises(NotFound):
        await host.ask(host.kc.prices.withdraw("ai33", "elevenlabs", Operation.SPEECH, soon))


async def test_the_configuration_is_changed_explained_and_audited(host: Host) -> None:
    config = host.kc.acting("admin-7", Role.OPERATOR).config
    await host.ask(config.set_route("ai84", "minimax", Switch.OFF))
    await host.ask(config.set_weights({"ai33": 20, "ai84": 80}))
    await host.ask(config.set_maintenance(Maintenance(services=("minimax",))))
    explained = await host.ask(config.explain())
    by_service = {standing.service: standing for standing in explained.services}
    assert [(share.server, share.weight) for share in by_service["elevenlabs"].servers] == [("ai33", 20), ("ai84", 80)]
    assert by_service["minimax"].refused.vi == "Minimax đang bảo trì"
    system = await host.ask(config.get())
    assert system.maintenance == Maintenance(services=("minimax",))

    server = Server("ai33", "https://third.example", 10, LIMITS)
    await host.ask(config.add_server("third", server, services={"elevenlabs": Switch.ON}))
    await host.ask(config.update_server("third", ServerChange(egress=Limits(5, 60))))
    await host.ask(config.update_server("third", ServerChange(base_url="https://moved.example", weight=7)))
    third = next(info for info in (await host.ask(config.get())).servers if info.id == "third")
    told = (third.protocol, third.base_url, third.weight, third.limits, third.polls, third.egress)
    assert told == ("ai33", "https://moved.example", 7, LIMITS, PollsCount.FREE, Limits(5, 60))
    await host.ask(config.update_server("third", ServerChange(egress=Lifted.LIFTED, polls=PollsCount.COUNTED)))
    third = next(info for info in (await host.ask(config.get())).servers if info.id == "third")
    assert (third.egress, third.polls, third.weight) == (None, PollsCount.COUNTED, 7)
    for url in ("http://third.example", "http://10.0.0.1:8080", "ftp://third.example"):
        with pytest.raises(kingcong.InvalidRequest, match="https://"):
            await host.ask(config.update_server("third", ServerChange(base_url=url)))
        with pytest.raises(kingcong.InvalidRequest, match="https://"):
            server = Server("ai33", url, 10, LIMITS)
            await host.ask(config.add_server("fourth", server, services={"elevenlabs": Switch.ON}))
    await host.ask(config.remove_server("third"))
    await host.ask(config.add_service("heygen", "HeyGen"))
    assert (await host.ask(config.history(limit=1)))[0].door == "config.add_service"
    with pytest.raises(kingcong.ConfigurationRefused):
        await host.ask(config.set_weights({"ai33": 0, "ai84": 0}))


async def test_the_keys_of_a_server_that_moved_are_registered_again(host: Host) -> None:
    secret = "sk-of-a-server-that-moves"
    key = await host.ask(host.kc.keys.add("ai33", "elevenlabs", secret))
    await host.ask(host.kc.config.update_server("ai33", ServerChange(base_url="https://moved.example")))
    suspended = await host.ask(host.kc.keys.get(key.id))
    assert (suspended.status, suspended.is_usable) == (KeyStatus.SUSPENDED, False)
    assert suspended.reason is not None and "https://api.ai33.pro" in suspended.reason
    with pytest.raises(kingcong.KeyRefused) as refused:
        await host.ask(host.kc.keys.check(key.id))
    assert refused.value.key == key.id
    again = await host.ask(host.kc.keys.add("ai33", "elevenlabs", secret))
    assert (again.id, again.status) == (key.id, KeyStatus.ACTIVE)


async def test_keys_show_their_mask_and_never_their_secret(host: Host) -> None:
    secret = "sk-canary-of-the-tests"
    keys = host.kc.acting("admin-7", Role.OPERATOR).keys
    key = await host.ask(keys.add("ai33", "elevenlabs", secret, label="first", account="a", account_limits=LIMITS))
    assert secret not in repr(key)
    assert secret not in str(key.to_dict())
    with pytest.raises(kingcong.KeyRefused) as refused:
        await host.ask(keys.add("ai33", "elevenlabs", secret))
    assert refused.value.key == key.id
    assert secret not in str(refused.value)
    assert not (await host.ask(keys.disable(key.id))).is_usable
    assert (await host.ask(keys.enable(key.id))).is_usable
    changed = await host.ask(keys.set_limits(key.id, max_in_flight=2, per_minute=3))
    assert (changed.id, changed.limits) == (key.id, Limits(max_in_flight=2, per_minute=3))
    assert [kept.limits for kept in await host.ask(keys.list())] == [changed.limits]
    assert (await host.ask(keys.check(key.id))).status is kingcong.KeyStatus.ACTIVE
    assert (await host.ask(keys.get(key.id))).label == "first"
    assert (await host.ask(keys.remove(key.id))).status is kingcong.KeyStatus.REMOVED
    assert await host.ask(keys.list()) == ()
    with pytest.raises(kingcong.KeyRefused):
        await host.ask(keys.enable(key.id))


async def test_an_account_keeps_its_limits_until_they_are_changed(host: Host) -> None:
    keys, accounts = host.kc.keys, host.kc.acting("admin-7", Role.OPERATOR).accounts

    def add(service: str, limits: Limits | None) -> Any:
        return host.ask(keys.add("ai33", service, f"sk-of-{service}-1234", account="us", account_limits=limits))

    with pytest.raises(kingcong.KeyRefused):
        await add("elevenlabs", None)
    await add("elevenlabs", Limits(3, 40))
    with pytest.raises(kingcong.KeyRefused, match="other limits") as refused:
        await add("minimax", Limits(3, 41))
    assert (refused.value.max_in_flight, refused.value.per_minute) == (3, 40)
    await add("minimax", None)
    changed = await host.ask(accounts.set_limits("ai33", "us", max_in_flight=9))
    assert (changed.limits, changed.in_flight, changed.used_in_window) == (Limits(9, 40), 0, 0)
    assert [key.service for key in changed.keys] == ["elevenlabs", "minimax"]
    assert await host.ask(accounts.list()) == (changed,)
    (key, _) = changed.keys
    assert (await host.ask(keys.set_limits(key.id, per_minute=2))).limits == Limits(key.limits.max_in_flight, 2)
    with pytest.raises(kingcong.NotFound):
        await host.ask(accounts.set_limits("ai33", "them", per_minute=1))


async def test_reports_tell_what_was_bought_and_sold(host: Host) -> None:
    await host.prepare()
    done = await host.ask(host.kc.run(speech("abc", model="eleven_v3")))
    (record,) = await host.ask(host.kc.reports.usage(job=done.job.id))
    assert (record.charged, record.cost, record.unit) == (Decimal(3), Decimal(3), Unit.CREDIT)
    assert (record.tenant, record.user, record.operation) == ("main", "user-1", Operation.SPEECH)
    assert (record.cause, record.lane, record.key_tenant) == (RouteCause.PLANNED, Lane.SHARED, None)
    assert record.model == done.job.model == "eleven_v3"
    assert await host.ask(host.kc.reports.usage(since=done.job.created_at, until=record.ended_at)) == (record,)
    assert await host.ask(host.kc.reports.usage(since=record.ended_at)) == ()
    assert await host.ask(host.kc.reports.usage(until=done.job.created_at)) == ()
    (share,) = await host.ask(host.kc.reports.split())
    assert (share.server, share.done, share.failed) == ("ai33", 1, 0)
    assert await host.ask(host.kc.reports.errors(server="ai33", service="elevenlabs")) == ()
    with pytest.raises(kingcong.InvalidRequest):
        await host.ask(host.kc.reports.usage(server="ai33"))


async def test_jobs_are_listed_by_user_and_state(host: Host) -> None:
    await host.prepare()
    done = await host.ask(host.kc.run(speech()))
    later = speech(start_at=datetime.now(timezone.utc) + timedelta(days=1))
    job = await host.ask(host.kc.submit(later))
    assert [found.id for found in await host.ask(host.kc.jobs(user="user-1"))] == [job.id, done.job.id]
    assert [found.id for found in await host.ask(host.kc.jobs(state=JobState.OPEN))] == [job.id]
    assert await host.ask(host.kc.jobs(user="somebody-else")) == ()
    older = await host.ask(host.kc.jobs(before=job.id, limit=1))
    assert older == (done.job,)
    assert host.kc.job(job.id).id == job.id


async def test_the_status_bar_and_the_monitor_answer(host: Host) -> None:
    await host.prepare()
    await host.ask(host.kc.monitor())
    await host.ask(host.kc.pulse())
    status = await host.ask(host.kc.status())
    route = next(route for route in status.routes if (route.server, route.service) == ("ai33", "elevenlabs"))
    assert (route.keys, route.waiting, route.is_served_here) == (1, 0, True)
    assert await host.ask(host.kc.voices.offered("ai33", "elevenlabs")) == kingcong.VoicePage((), None)


async def test_only_a_database_is_backed_up_and_archived(host: Host, tmp_path: Any) -> None:
    if "memory" in repr(host.kc):
        with pytest.raises(kingcong.InvalidRequest):
            await host.ask(host.kc.backup(tmp_path / "copy.db"))
        return
    await host.prepare()
    await host.ask(host.kc.backup(tmp_path / "copy.db"))
    assert (tmp_path / "copy.db").stat().st_size > 0
    archived = await host.ask(host.kc.archive(datetime.now(timezone.utc), tmp_path))
    assert archived.entries == 1
    assert (await host.ask(host.kc.verify())).is_sound


async def test_the_same_idempotency_key_gives_the_same_job(host: Host) -> None:
    await host.prepare()
    first = await host.ask(host.kc.submit(speech(idempotency_key="k-1")))
    again = await host.ask(host.kc.submit(speech(idempotency_key="k-1")))
    assert first.id == again.id
    with pytest.raises(kingcong.IdempotencyConflict):
        await host.ask(host.kc.submit(speech("Another text", idempotency_key="k-1")))
    await host.ask(first.wait())
    assert len(host.upstream.calls) == 1


async def test_a_tenants_jobs_wallets_and_voices_are_its_own(host: Host) -> None:
    await host.prepare(credits=100)
    acme = host.kc.of("acme")
    await host.ask(acme.wallets.adjust("user-1", 100, reason="gift", idempotency_key="g-1"))
    job = await host.ask(acme.submit(speech("Xin chào!")))
    done = await host.ask(job.wait(timeout=60))
    assert (done.job.tenant, done.job.state, done.balance) == ("acme", JobState.COMPLETED, Decimal(91))
    audio = await host.ask(job.audio())
    assert len(await host.ask(audio.read())) == audio.length

    stranger = host.kc.job(job.id)
    for asked in (
        stranger.status,
        stranger.wait,
        stranger.cancel,
        lambda: stranger.retry("again"),
        stranger.result,
        stranger.audio,
        stranger.subtitles,
        lambda: stranger.task_output(0),
    ):
        with pytest.raises(NotFound, match=f"job.*{job.id}"):
            await host.ask(asked())
    with pytest.raises(NotFound, match=job.id):
        await host.all(stranger.events())
    task = done.tasks[0].id
    with pytest.raises(NotFound, match="user-1"):
        await host.ask(host.kc.wallets.refund("user-1", task, reason="sorry", idempotency_key="r-1"))
    assert await host.ask(host.kc.jobs()) == ()
    assert await host.ask(host.kc.reports.usage(job=job.id)) == ()
    for doors in (acme, host.kc.of_all()):
        assert [found.id for found in await host.ask(doors.jobs())] == [job.id]
        (record,) = await host.ask(doors.reports.usage())
        assert (record.job, record.tenant, record.charged) == (job.id, "acme", Decimal(9))
    assert (await host.ask(host.kc.wallets.get("user-1"))).balance == 100
    assert len(await host.ask(acme.wallets.history("user-1"))) == 2


async def test_a_suspended_tenant_orders_nothing_new(host: Host) -> None:
    await host.prepare(credits=100)
    acme = host.kc.of("acme")
    await host.ask(acme.wallets.purchase("user-1", "package-1", "order-1"))
    tenants = host.kc.tenants
    assert await host.ask(tenants.get("acme")) is None
    said = await host.ask(
        host.kc.acting("admin-7", Role.OPERATOR).tenants.set("acme", "Acme Ltd.", TenantState.SUSPENDED)
    )
    assert (said.id, said.name, said.state, said.version) == ("acme", "Acme Ltd.", TenantState.SUSPENDED, 1)
    assert await host.ask(tenants.get("acme")) == said
    for asked in (
        lambda: acme.submit(speech("Xin chào!")),
        lambda: acme.wallets.purchase("user-1", "package-1", "order-2"),
    ):
        with pytest.raises(TenantSuspended, match=r"acme.*tenants\.set") as refused:
            await host.ask(asked())
        assert (refused.value.tenant, refused.value.retryable) == ("acme", False)
    assert (await host.ask(acme.wallets.get("user-1"))).balance == 1_000_000
    assert (await host.ask(host.kc.run(speech("Xin chào!")))).job.state is JobState.COMPLETED
    await host.ask(tenants.set("acme", "Acme Ltd.", TenantState.ACTIVE))
    assert (await host.ask(acme.run(speech("Xin chào!")))).job.state is JobState.COMPLETED
    assert [tenant.id for tenant in await host.ask(tenants.list())] == ["acme"]
    assert await host.ask(tenants.list(after="acme")) == ()
    audit = await host.ask(acme.reports.audit(limit=10))
    assert [entry.actor for entry in audit if entry.door == "tenants.set"] == ["system", "admin-7"]
    with pytest.raises(InvalidRequest):
        await host.ask(tenants.set("acme", " ", TenantState.ACTIVE))


async def test_a_cloned_voice_speaks_for_its_own_tenant_only(host: Host) -> None:
    await host.prepare(credits=20_000)
    await host.ask(host.kc.keys.add("ai33", "minimax", "sk-canary-that-clones", limits=LIMITS))
    acme = host.kc.of("acme")
    await host.ask(acme.wallets.adjust("user-1", 20_000, reason="gift", idempotency_key="g-1"))
    clone = CloneVoice("user-1", "An", b"ID3-a-recording", "audio/mpeg", service="minimax")
    await host.ask(acme.run(clone))
    (voice,) = await host.ask(acme.voices.cloned("user-1"))
    assert await host.ask(host.kc.voices.cloned("user-1")) == ()
    request = Speech("user-1", "Chào!", service="minimax", cloned_voice=voice.id)
    with pytest.raises(VoiceUnavailable):
        await host.ask(host.kc.submit(request))
    assert (await host.ask(acme.run(request))).job.state is JobState.COMPLETED


async def test_a_tenants_own_wallet_is_filled_and_listed(host: Host) -> None:
    await host.prepare(credits=100)
    acme = host.kc.of("acme")
    await host.ask(acme.wallets.purchase(None, "package-1", "order-17"))
    fee = await host.ask(
        acme.wallets.adjust(None, Decimal("-0.07"), reason="fee", idempotency_key="fee-1", unit=Unit.USD)
    )
    assert fee.became_debt == Decimal("0.07")
    [entry] = await host.ask(acme.wallets.history(None, unit=Unit.USD))
    assert entry.kind is EntryKind.ADJUSTMENT
    wallets = await host.ask(acme.wallets.list())
    assert {(wallet.tenant, wallet.user, wallet.unit) for wallet in wallets} == {
        ("acme", None, Unit.CREDIT),
        ("acme", None, Unit.USD),
    }
    [first] = await host.ask(acme.wallets.list(limit=1))
    [second] = await host.ask(acme.wallets.list(after=first.id))
    assert {first.id, second.id} == {wallet.id for wallet in wallets}
    [owing] = await host.ask(acme.wallets.list(in_debt=True, unit=Unit.USD))
    assert owing.debt == Decimal("0.07")


async def test_doors_of_no_tenant_write_nothing(host: Host) -> None:
    await host.prepare(credits=100)
    with pytest.raises(InvalidRequest, match="TenantId"):
        await host.ask(host.kc.of("").wallets.purchase("user-1", "package-1", "order-1"))
    with pytest.raises(InvalidRequest, match="tenant"):
        await host.ask(host.kc.of_all().submit(speech("Xin chào!")))
    with pytest.raises(TypeError, match="tenant"):
        host.kc.of(7)
    assert await host.ask(host.kc.of_all().jobs()) == ()
