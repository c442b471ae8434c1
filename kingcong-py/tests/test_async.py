"""The manners of the awaited client: cancelling, time-outs, many calls at once, loops one after the other."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import kingcong
import pytest
import uvloop
from conftest import LIMITS, Upstream, speech, wav
from kingcong import AsyncKingCong, JobState, KingCong
from kingcong.providers import Audio, Call, Reply, SpeechWork

OPTIONS: Any = {"preset": "kingcong", "master_key": bytes(32)}


class Held(Upstream):
    """An upstream that answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.called = asyncio.Event()
        self.let = asyncio.Event()

    async def call(self, call: Call) -> Reply:
        self.called.set()
        await self.let.wait()
        return await super().call(call)


async def prepared(kc: AsyncKingCong) -> None:
    await kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests", limits=LIMITS)
    await kc.config.set_weights({"ai33": 1, "ai84": 0})
    await kc.wallets.adjust("user-1", 10_000, reason="test", idempotency_key="first")


async def test_cancelling_drops_the_waiting_and_never_the_settlement() -> None:
    upstream = Held()
    async with await AsyncKingCong.open("memory:", providers=[upstream], **OPTIONS) as kc:
        await prepared(kc)
        job = await kc.submit(speech())
        waiting = asyncio.create_task(job.wait())
        await upstream.called.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(TimeoutError):
            await job.wait(timeout=0.01)
        upstream.let.set()
        done = await job.wait()
        assert (done.job.state, done.job.charged) == (JobState.COMPLETED, 9)
        assert len(upstream.calls) == 1


async def test_a_long_text_is_planned_on_another_thread_than_the_loops() -> None:
    async with await AsyncKingCong.open("memory:", providers=[Upstream()], **OPTIONS) as kc:
        await prepared(kc)
        await kc.wallets.adjust("user-1", 1_000_000, reason="test", idempotency_key="second")
        hostile = "Hello." + ")" * 500_000
        for asked in (kc.estimate(speech(text=hostile)), kc.submit(speech(text=hostile, pieces=200))):
            task = asyncio.ensure_future(asked)
            turns = 0
            while not task.done():
                await asyncio.sleep(0)
                turns += 1
            # What is answered at once is there after the first turn.
            assert turns > 1


async def test_abbreviations_of_the_host_end_no_piece() -> None:
    text = "They met in Quan. Ba Dinh and went on. It was late by then."
    for words in (None, ["Quan"]):
        upstream = Upstream()
        options = OPTIONS | {"abbreviations": words, "task_characters_max": 30}
        async with await AsyncKingCong.open("memory:", providers=[upstream], **options) as kc:
            await prepared(kc)
            await (await kc.submit(speech(text=text))).wait()
        pieces = [call.work.text for call in upstream.calls if isinstance(call.work, SpeechWork)]
        assert ("They met in Quan. " in pieces) is (words is None)


async def test_a_submit_that_is_cancelled_is_whole_or_not_at_all() -> None:
    async with await AsyncKingCong.open("memory:", providers=[Upstream()], **OPTIONS) as kc:
        await prepared(kc)
        for number in range(20):
            submitting = asyncio.create_task(kc.submit(speech(idempotency_key=f"k-{number}")))
            await asyncio.sleep(0)
            submitting.cancel()
            await asyncio.gather(submitting, return_exceptions=True)
        # The same keys again: whatever was admitted is found, the rest is admitted now.
        jobs = [await kc.submit(speech(idempotency_key=f"k-{number}")) for number in range(20)]
        assert len({job.id for job in jobs}) == 20
        assert [(await job.wait()).job.charged for job in jobs] == [9] * 20
        assert (await kc.wallets.get("user-1")).balance == 10_000 - 20 * 9
        assert (await kc.verify()).is_sound


async def test_a_thousand_calls_at_once_all_get_their_own_answer(database: str) -> None:
    async with await AsyncKingCong.open(database, **OPTIONS) as kc:
        users = [f"user-{number}" for number in range(1_000)]
        gifts = (
            kc.wallets.adjust(user, place + 1, reason="gift", idempotency_key="g") for place, user in enumerate(users)
        )
        given = await asyncio.gather(*gifts)
        assert [gift.amount for gift in given] == list(range(1, 1_001))
        wallets = await asyncio.gather(*(kc.wallets.get(user) for user in users))
        assert [wallet.balance for wallet in wallets] == list(range(1, 1_001))


async def test_fifty_of_a_thousand_requests_fit_the_balance(database: str) -> None:
    async with await AsyncKingCong.open(database, mode=kingcong.Mode.CLIENT, **OPTIONS) as kc:
        await kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests")
        await kc.wallets.adjust("user-1", 500, reason="test", idempotency_key="first")
        outcomes = await asyncio.gather(
            *(kc.submit(speech("0123456789")) for _ in range(1_000)), return_exceptions=True
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, kingcong.InsufficientCredits)]
        assert (len(outcomes) - len(refused), len(refused)) == (50, 950)
        assert (await kc.wallets.get("user-1")).available == 0


def test_one_client_serves_many_loops_one_after_the_other(database: str) -> None:
    async def opened() -> AsyncKingCong:
        return await AsyncKingCong.open(database, **OPTIONS)

    async def bought(kc: AsyncKingCong, order: str) -> Any:
        return (await kc.wallets.purchase("user-1", "package-1", order)).balance_after

    kc = asyncio.run(opened())
    assert [asyncio.run(bought(kc, f"order-{number}")) for number in range(3)] == [1_000_000, 2_000_000, 3_000_000]
    assert uvloop.run(bought(kc, "order-3")) == 4_000_000
    uvloop.run(kc.close())


def test_providers_and_cancelling_work_on_uvloop() -> None:
    async def story() -> None:
        upstream = Held()
        async with await AsyncKingCong.open("memory:", providers=[upstream], **OPTIONS) as kc:
            await prepared(kc)
            job = await kc.submit(speech())
            with pytest.raises(TimeoutError):
                await job.wait(timeout=0.01)
            upstream.let.set()
            assert (await job.wait()).job.state is JobState.COMPLETED

    uvloop.run(story())


def test_without_a_running_loop_the_call_says_so() -> None:
    async def opened() -> AsyncKingCong:
        return await AsyncKingCong.open("memory:", **OPTIONS)

    kc = asyncio.run(opened())
    asked = kc.wallets.get("user-1")
    with pytest.raises(RuntimeError, match="no running event loop"):
        asked.send(None)
    asyncio.run(kc.close())


def test_a_provider_of_a_loop_that_is_gone_fails_its_calls_and_hangs_nobody() -> None:
    async def opened() -> AsyncKingCong:
        kc = await AsyncKingCong.open("memory:", providers=[Upstream()], drain=timedelta(seconds=1), **OPTIONS)
        await prepared(kc)
        return kc

    async def spoken(kc: AsyncKingCong) -> None:
        job = await kc.submit(speech())
        async for event in job.events():
            if isinstance(event, (kingcong.TaskWaits, kingcong.Ended)):
                break
        await job.cancel()
        await kc.close()

    kc = asyncio.run(opened())
    asyncio.run(spoken(kc))


def test_threads_share_one_blocking_client(database: str) -> None:
    with KingCong.open(database, **OPTIONS) as kc, ThreadPoolExecutor(16) as threads:

        def give(number: int) -> Any:
            return kc.wallets.adjust("user-1", 1, reason="gift", idempotency_key=f"g-{number}").amount

        assert list(threads.map(give, range(200))) == [1] * 200
        assert kc.wallets.get("user-1").balance == 200
        assert len(kc.wallets.history("user-1", limit=1_000)) == 200


async def test_audio_is_handed_over_whole() -> None:
    class Large(Upstream):
        async def call(self, call: Call) -> Reply:
            return Reply(Audio(wav(60_000), "audio/wav"))

    async with await AsyncKingCong.open("memory:", providers=[Large()], **OPTIONS) as kc:
        await prepared(kc)
        done = await kc.run(speech(), timeout=60)
        result = await kc.job(done.job.id).result()
        assert isinstance(result, kingcong.SpeechResult)
        assert len(result.audio) == 44 + 60_000 * 16


async def test_no_event_is_lost_by_who_gives_up_awaiting_it() -> None:
    async with await AsyncKingCong.open("memory:", providers=[Upstream()], **OPTIONS) as kc:
        await prepared(kc)
        for _ in range(20):
            later = datetime.now(timezone.utc) + timedelta(days=1)
            job = await kc.submit(speech(start_at=later))
            async with job.events() as events:
                for _ in range(3):
                    with pytest.raises(asyncio.TimeoutError):
                        await asyncio.wait_for(anext(events), 0.001)
                await job.cancel()
                happened = [event async for event in events]
            assert [type(event) for event in happened] == [kingcong.Ended]


async def test_events_that_come_as_somebody_gives_up_are_the_next_ones() -> None:
    async with await AsyncKingCong.open("memory:", providers=[Upstream()], **OPTIONS) as kc:
        await prepared(kc)

        async def watched(number: int) -> list[str]:
            soon = datetime.now(timezone.utc) + timedelta(seconds=1)
            job = await kc.submit(speech(start_at=soon))
            happened: list[str] = []
            async with job.events() as events:
                while True:
                    try:
                        event = await asyncio.wait_for(anext(events), 0.001 + number % 3 / 1_000)
                    except asyncio.TimeoutError:
                        continue
                    except StopAsyncIteration:
                        return happened
                    happened.append(type(event).__name__)

        seen = await asyncio.gather(*(watched(number) for number in range(20)))
        assert all(happened[-1] == "Ended" and {"TaskStarted", "TaskDone"} <= set(happened) for happened in seen)


@pytest.mark.parametrize("kind", ["library", "events"])
async def test_who_awaits_an_event_is_told_when_there_will_be_none(kind: str) -> None:
    kc = await AsyncKingCong.open("memory:", providers=[Upstream()], **OPTIONS)
    await prepared(kc)
    job = await kc.submit(speech(start_at=datetime.now(timezone.utc) + timedelta(days=1)))
    events = await job.events().__aenter__()
    waiting = asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if kind == "events":
        await events.aclose()
        with pytest.raises((asyncio.CancelledError, StopAsyncIteration)):
            await waiting
    await kc.close()
    if kind == "library":
        with pytest.raises(kingcong.Closed):
            await waiting


async def test_a_close_that_is_cancelled_closes_all_the_same(database: str) -> None:
    kc = await AsyncKingCong.open(database, providers=[Upstream()], **OPTIONS)
    closing = asyncio.create_task(kc.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    with pytest.raises(kingcong.Closed):
        await kc.wallets.get("user-1")
    # The file has no other owner any more.
    async with await AsyncKingCong.open(database, **OPTIONS) as again:
        assert (await again.verify()).is_sound
