"""Progress of work that another process does: its events are that process's own, so the job is looked at."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from api import VOICE
from fastapi.sse import ServerSentEvent
from kingcong import AsyncKingCong, Mode, Speech
from kingcong.providers import Call, Reply
from processes import PATIENCE_SECONDS

from kingcong_example.demo import DemoVoices
from kingcong_example.speech import events


class Gated(DemoVoices):
    """Speaks one text each time that the gate is opened."""

    def __init__(self, protocol: str, gate: asyncio.Semaphore) -> None:
        super().__init__(protocol)
        self._gate = gate

    async def call(self, call: Call) -> Reply:  # type: ignore[override]
        await self._gate.acquire()
        return super().call(call)


async def told(stream: AsyncIterator[ServerSentEvent]) -> tuple[str | None, int]:
    """The next event's name, and how many tasks it tells are done."""
    event = await asyncio.wait_for(anext(stream), PATIENCE_SECONDS)
    return event.event, sum(task.state == "completed" for task in event.data.tasks)


def test_progress_in_another_process_is_told(tmp_path: Path) -> None:
    async def watch() -> None:
        gate = asyncio.Semaphore(0)
        place, key = f"sqlite://{tmp_path}/kingcong.db", tmp_path / "master.key"
        voices = [Gated("ai33", gate), Gated("ai84", gate)]
        async with (
            await AsyncKingCong.open(place, preset="kingcong", master_key=key, providers=voices) as works,
            await AsyncKingCong.open(place, master_key=key, mode=Mode.CLIENT) as watches,
        ):
            for server in ("ai33", "ai84"):
                await works.keys.add(server, "elevenlabs", f"sk-of-{server}")
            await works.wallets.purchase("user-1", "package-1", "order-1")
            text = "Một câu. Hai câu. Ba câu."
            request = Speech("user-1", text, service="elevenlabs", voice=VOICE, pieces=3)
            job = await works.submit(request)
            stream = events(watches.job(job.id), "en")
            assert await told(stream) == ("job", 0)
            for done in (1, 2):
                gate.release()
                while (told_now := await told(stream)) == ("job", done - 1):
                    pass  # A task was sent.
                assert told_now == ("job", done)
            gate.release()
            while (told_now := await told(stream)) == ("job", 2):
                pass
            assert told_now in {("job", 3), ("ended", 3)}

    asyncio.run(watch())
