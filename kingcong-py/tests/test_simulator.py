"""The main job over real HTTP, against the simulated upstreams, which count every limit themselves.

The program that serves them is named by the environment variable ``KINGCONG_UPSTREAMS``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import VOICE
from kingcong import AsyncKingCong, JobState, Limits, PollsCount, ServerChange, Speech, SpeechResult

SIMULATOR = os.environ["KINGCONG_UPSTREAMS"]
README = Path(__file__).parent.parent / "README.md"
#: A process that needs longer hangs.
HANGS_AFTER_S = 100


class Simulator:
    """A running program with its servers."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen([SIMULATOR, *arguments], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.servers: dict[str, Any] = json.loads(self._process.stdout.readline())

    def stop(self) -> dict[str, Any]:
        """Ends it; what each server counted."""
        self._process.send_signal(signal.SIGINT)
        rest, _ = self._process.communicate(timeout=HANGS_AFTER_S)
        counted: dict[str, Any] = json.loads(rest)
        return counted


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    running = Simulator("--latency-ms", "20", "--keys", "3")
    try:
        yield running
    finally:
        if running._process.poll() is None:
            running.stop()


async def test_ten_tasks_are_split_seven_to_three_and_no_limit_is_exceeded(simulator: Simulator, database: str) -> None:
    fast = {"poll_interval": timedelta(milliseconds=50), "pulse_interval": timedelta(milliseconds=100)}
    async with await AsyncKingCong.open(database, preset="kingcong", master_key=bytes(32), **fast) as kc:
        for name, per_minute in (("ai33", 10), ("ai84", 5)):
            sold = simulator.servers[name]
            change = ServerChange(sold["url"], limits=Limits(30, per_minute), polls=PollsCount.COUNTED)
            await kc.config.update_server(name, change)
            for secret in sold["keys"]:
                await kc.keys.check((await kc.keys.add(name, "elevenlabs", secret)).id)
        await kc.wallets.purchase("user-1", "package-1", "order-991")
        text = "Một câu nói dài vừa đủ để đọc lên. " * 40
        request = Speech("user-1", text, service="elevenlabs", voice=VOICE, pieces=10)
        job = await kc.submit(request)
        done = await job.wait(timeout=HANGS_AFTER_S)
        assert done.job.state is JobState.COMPLETED
        routes = [task.route for task in done.tasks]
        assert (routes.count("ai33_elevenlabs"), routes.count("ai84_elevenlabs")) == (7, 3)
        assert done.balance == 1_000_000 - done.job.charged
        result = await job.result()
        assert isinstance(result, SpeechResult)
        assert result.content_type == "audio/mpeg"
        assert (await kc.verify()).is_sound
    counted = simulator.stop()
    assert [counted[name]["violations"] for name in ("ai33", "ai84")] == [[], []]


def test_the_example_of_the_readme_runs_as_it_stands(simulator: Simulator, tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    sold = simulator.servers["ai33"]
    environment = {**os.environ, "AI33_URL": sold["url"], "AI33_API_KEY": sold["keys"][0]}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", found[1]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("completed 9 999991 ")
