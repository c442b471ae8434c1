"""Measurements of the Python package, each beside a peer in the same run: `cargo xtask bench --only python`.

Prints a line for each figure, as the benchmarks in Rust do: what was measured, its unit, what it is compared with, and
the ratio of the two. Nothing is asserted.
"""

from __future__ import annotations

import asyncio
import collections
import io
import json
import os
import subprocess
import sys
import time
import wave
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from kingcong import AsyncKingCong, InsufficientCredits, KingCong, Limits, Measure, Operation, Price, PriceLine, Speech
from kingcong._wire import shape
from kingcong.providers import Audio, Call, Reply

#: Deployments of the peer, keys of ours.
KEYS = 100
#: Calls that are awaited at once.
AT_ONCE = 1_000
#: Rounds of which the least disturbed counts.
DECIDE_ROUNDS = 60
#: Whole lives of tasks.
TASKS = 5_000
VOICE = "21m00Tcm4TlvDq8ikWAM"
NO_LIMITS = Limits(1_000_000, 1_000_000)

Figure = tuple[str, float, str, str, float]


def best_of(rounds: int, measure: Callable[[], float]) -> float:
    """The least disturbed of some rounds."""
    return min(measure() for _ in range(rounds))


def per_call(calls: int, call: Callable[[], object]) -> float:
    """Nanoseconds a call takes."""
    started = time.perf_counter_ns()
    for _ in range(calls):
        call()
    return (time.perf_counter_ns() - started) / calls


def with_keys() -> KingCong:
    kc = KingCong.open("memory:", preset="kingcong")
    for number in range(KEYS):
        kc.keys.add(("ai33", "ai84")[number % 2], "elevenlabs", f"sk-of-the-benchmark-{number}")
    return kc


def decide() -> list[Figure]:
    """Route and price of one request ÷ LiteLLM's choice of a deployment and price of its tokens."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm
    from litellm import Router, cost_per_token

    litellm.suppress_debug_info = True
    request = Speech("user-1", "x" * 100, service="elevenlabs", voice=VOICE)
    deployments = [
        {"model_name": "m", "litellm_params": {"model": "openai/gpt-3.5-turbo", "api_key": f"sk-{n}", "rpm": 10_000}}
        for n in range(KEYS)
    ]
    router = Router(model_list=deployments, routing_strategy="simple-shuffle", num_retries=0)

    async def theirs_once() -> float:
        started = time.perf_counter_ns()
        for _ in range(20):
            await router.async_get_available_deployment(model="m", request_kwargs={})
            cost_per_token(model="gpt-3.5-turbo", prompt_tokens=25, completion_tokens=0)
        return (time.perf_counter_ns() - started) / 20

    # In turns, so that what disturbs the machine disturbs both.
    with with_keys() as kc:
        rounds = [
            (per_call(500, lambda: kc.estimate(request)), asyncio.run(theirs_once())) for _ in range(DECIDE_ROUNDS)
        ]
    ours, theirs = (min(times) for times in zip(*rounds, strict=True))
    return [("python/decide", ours, "ns", "LiteLLM: async_get_available_deployment and cost_per_token", theirs)]


async def gathered(call: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter_ns()
    await asyncio.gather(*(call() for _ in range(AT_ONCE)))
    return (time.perf_counter_ns() - started) / AT_ONCE


def border() -> list[Figure]:
    """Awaited calls that do nothing, a thousand at once ÷ the same of a coroutine that awaits one future of a batch.

    A stream of events that is not there is answered at once; a pulse goes through the library's threads and back. The
    futures are the floor of what goes anywhere: the loop itself settles all of them in one callback.
    """

    async def story() -> list[Figure]:
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[None]] = []

        def settle() -> None:
            for future in futures:
                future.set_result(None)
            futures.clear()

        async def nothing() -> None:
            pass

        def settled() -> asyncio.Future[None]:
            future: asyncio.Future[None] = loop.create_future()
            if not futures:
                loop.call_soon(settle)
            futures.append(future)
            return future

        async def waits() -> None:
            await settled()

        async with await AsyncKingCong.open("memory:", preset="kingcong") as kc:
            here = min([await gathered(lambda: kc._knock("events.next", {"stream": 0}, shape(str))) for _ in range(20)])
            threads = min([await gathered(kc.pulse) for _ in range(20)])
        floor = min([await gathered(nothing) for _ in range(20)])
        future = min([await gathered(waits) for _ in range(20)])
        bare = min([await gathered(settled) for _ in range(20)])
        return [
            ("python/border", threads, "ns", "a coroutine that awaits one future", future),
            ("python/border/at_once", here, "ns", "a coroutine that does nothing", floor),
            ("python/border/future", bare, "ns", "a coroutine that awaits one future", future),
        ]

    return asyncio.run(story())


def wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8_000)
        out.writeframes(bytes(160))
    return file.getvalue()


class Instant:
    """A provider that answers at once."""

    protocol = "ai33"
    audio = wav()

    async def call(self, call: Call) -> Reply:
        return Reply(Audio(self.audio, "audio/wav"))


async def by_hand(tasks: int) -> float:
    """Tasks a second of a pool by hand: keys in a deque, a semaphore and a window of starts each; nothing is billed."""
    provider = Instant()
    keys = collections.deque((asyncio.Semaphore(30), collections.deque[float](maxlen=100_000)) for _ in range(KEYS))

    async def one() -> None:
        semaphore, starts = keys[0]
        keys.rotate(-1)
        async with semaphore:
            starts.append(time.monotonic())
            await provider.call(None)  # type: ignore[arg-type]

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(tasks)))
    return tasks / (time.perf_counter() - started)


def task() -> list[Figure]:
    """Whole lives of tasks with a Python provider, in memory ÷ a pool by hand that bills nothing."""

    async def ours() -> tuple[float, float, float]:
        async with await AsyncKingCong.open("memory:", preset="kingcong", providers=[Instant()]) as kc:
            await kc.config.set_weights({"ai33": 1, "ai84": 0})
            for number in range(KEYS):
                await kc.keys.add("ai33", "elevenlabs", f"sk-of-the-benchmark-{number}", limits=NO_LIMITS)
            await kc.wallets.adjust("user-1", 10**9, reason="benchmark", idempotency_key="first")
            started, processor, thread = time.perf_counter(), time.process_time_ns(), time.thread_time_ns()
            jobs = await asyncio.gather(
                *(kc.submit(Speech("user-1", "x", service="elevenlabs", voice=VOICE)) for _ in range(TASKS))
            )
            await asyncio.gather(*(job.wait() for job in jobs))
            processor, thread = time.process_time_ns() - processor, time.thread_time_ns() - thread
            return TASKS / (time.perf_counter() - started), processor / TASKS, thread / TASKS

    rounds = [(*asyncio.run(ours()), asyncio.run(by_hand(TASKS))) for _ in range(5)]
    rates, processors, threads, hands = zip(*rounds, strict=True)
    return [
        ("python/task", max(rates), "1/s", "an asyncio pool by hand, nothing billed", max(hands)),
        ("python/task/processor", min(processors), "ns", "the loop's thread of it", min(threads)),
    ]


def overspend() -> list[Figure]:
    """A thousand requests of 0.10 at once on 5.00: what was spent beyond, ours and LiteLLM's BudgetManager."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from litellm import BudgetManager

    async def ours() -> tuple[float, float]:
        # 5.00 in credits of a hundredth: a request of ten characters costs 0.10.
        async with await AsyncKingCong.open("memory:", preset="kingcong", providers=[Instant()]) as kc:
            line = PriceLine(Measure.CHARACTER, Decimal(1))
            for server in ("ai33", "ai84"):
                await kc.prices.set(Price(server, "elevenlabs", Operation.SPEECH, (line,)))
            await kc.config.set_weights({"ai33": 1, "ai84": 0})
            await kc.keys.add("ai33", "elevenlabs", "sk-of-the-benchmark", limits=NO_LIMITS)
            await kc.wallets.adjust("user-1", 500, reason="benchmark", idempotency_key="first")
            request = Speech("user-1", "x" * 10, service="elevenlabs", voice=VOICE)
            submits = (kc.submit(request) for _ in range(AT_ONCE))
            outcomes = await asyncio.gather(*submits, return_exceptions=True)
            jobs: list[Any] = [outcome for outcome in outcomes if not isinstance(outcome, InsufficientCredits)]
            await asyncio.gather(*(job.wait() for job in jobs))
            spent = (await kc.wallets.get("user-1")).total_spent
            return float(max(Decimal(0), spent - 500)), float(len(jobs))

    async def theirs() -> float:
        budget = BudgetManager(project_name="benchmark", client_type="local")
        budget.create_budget(total_budget=5.00, user="user-1")

        async def request() -> None:
            if budget.get_current_cost(user="user-1") <= budget.get_total_budget("user-1"):
                await asyncio.sleep(0)  # the call
                budget.user_dict["user-1"]["current_cost"] = budget.get_current_cost(user="user-1") + 0.10

        await asyncio.gather(*(request() for _ in range(AT_ONCE)))
        return max(0.0, budget.get_current_cost(user="user-1") - 5.00) * 100

    over, accepted = asyncio.run(ours())
    beyond = asyncio.run(theirs())
    return [
        ("python/overspend", over, "steps", "LiteLLM's BudgetManager, in hundredths", beyond),
        ("python/overspend/accepted", accepted, "requests", "5.00 ÷ 0.10", 50.0),
    ]


def imported(module: str) -> tuple[float, float]:
    """Seconds and bytes that importing a module takes, in a process of its own."""
    script = (
        "import os, time\n"
        "def resident(): return int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE')\n"
        "before = resident()\n"
        "started = time.perf_counter_ns()\n"
        f"import {module}\n"
        "took = time.perf_counter_ns() - started\n"
        "print(took, resident() - before)\n"
    )
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    runs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
        for _ in range(5)
    ]
    figures = [tuple(map(float, run.stdout.split())) for run in runs]
    return min(took for took, _ in figures), min(size for _, size in figures)


def importing() -> list[Figure]:
    """Time and memory of importing the package ÷ LiteLLM's."""
    ours, theirs = imported("kingcong"), imported("litellm")
    return [
        ("python/import", ours[0], "ns", "import litellm", theirs[0]),
        ("python/import/memory", ours[1], "bytes", "import litellm", theirs[1]),
    ]


BENCHMARKS: dict[str, Callable[[], list[Figure]]] = {
    "python/decide": decide,
    "python/border": border,
    "python/task": task,
    "python/overspend": overspend,
    "python/import": importing,
}


def main(arguments: list[str]) -> None:
    only = arguments[arguments.index("--only") + 1] if "--only" in arguments else "python"
    for name, measure in BENCHMARKS.items():
        if not name.startswith(only):
            continue
        for what, value, unit, against, other in measure():
            ratio = value / other if other else None
            if "--json" in arguments:
                figure = {"name": what, "value": value, "unit": unit}
                print(json.dumps({**figure, "against": against, "against_value": other, "ratio": ratio}), flush=True)
            else:
                shown = "-" if ratio is None else f"{ratio:.4f}"
                print(f"{what:<28} {value:>18,.0f} {unit:<10} {shown:>8} x {other:>18,.0f}  {against}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
