"""Providers written in Python: what they are told, what their failures mean, and what they cannot break."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import json
import pickle
import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import kingcong
import pytest
from conftest import LIMITS, VOICE, Upstream, speech, wav
from kingcong import (
    AsyncKingCong,
    AudioFormat,
    CloneVoice,
    FailureKind,
    JobState,
    KeyStatus,
    KingCong,
    Measure,
    SpeechResult,
    VoiceSettings,
)
from kingcong.providers import (
    Ability,
    Accepted,
    AccountRateLimited,
    AnswerLost,
    Audio,
    BadRequest,
    Busy,
    Call,
    Capabilities,
    ContentRefused,
    EgressRateLimited,
    Failed,
    KeyDead,
    MadeVoice,
    Mp3Layout,
    OutOfCredit,
    ProviderFailure,
    RateLimited,
    Reply,
    Running,
    Unsupported,
)

#: A call may be under way for so long upstream: an answer that is lost is waited for no longer.
OPTIONS: Any = {"preset": "kingcong", "master_key": bytes(32), "call_max": timedelta(milliseconds=200)}


class Answers(Upstream):
    """Does with each call what the next of its functions says; the last one for ever."""

    def __init__(self, *answers: Any) -> None:
        super().__init__()
        self.answers = list(answers)

    async def call(self, call: Call) -> Any:
        self.calls.append(call)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer() if callable(answer) else answer


def good() -> Reply:
    return Reply(Audio(wav(), "audio/wav"))


def opened(provider: Any, **options: Any) -> KingCong:
    kc = KingCong.open("memory:", providers=[provider], **{**OPTIONS, **options})
    for number in range(3):
        kc.keys.add("ai33", "elevenlabs", f"sk-canary-of-the-tests-{number}", limits=LIMITS)
    kc.config.set_weights({"ai33": 1, "ai84": 0})
    kc.wallets.adjust("user-1", 1_000, reason="test", idempotency_key="first")
    return kc


def test_a_call_is_told_everything_it_needs() -> None:
    upstream = Upstream()
    settings = VoiceSettings(stability=40, speed=120)
    with opened(upstream) as kc:
        kc.run(speech(model="m-1", language="vi", format="wav", subtitles="srt", settings=settings), timeout=60)
    (call,) = upstream.calls
    assert (call.server, call.service, call.base_url) == ("ai33", "elevenlabs", "https://api.ai33.pro")
    assert call.secret.startswith("sk-canary-of-the-tests-")
    work = call.work
    assert (work.text, work.voice, work.model, work.language) == ("Xin chào!", VOICE, "m-1", "vi")  # type: ignore[union-attr]
    assert (work.format, work.subtitles, work.settings) == ("wav", "srt", settings)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (BadRequest("no such voice", code="404"), FailureKind.BAD_REQUEST),
        (ContentRefused("not nice"), FailureKind.POLICY),
    ],
)
def test_a_failure_of_the_request_fails_the_task_and_costs_nothing(failure: Any, kind: FailureKind) -> None:
    upstream = Answers(failure)
    with opened(upstream) as kc:
        done = kc.run(speech(), timeout=60)
        assert (done.job.state, done.job.charged, done.available) == (JobState.FAILED, 0, 1_000)
        (error,) = kc.reports.errors()
        assert (error.kind, error.message) == (kind, str(failure))
    assert len(upstream.calls) == 1


@pytest.mark.parametrize(
    "failure",
    [
        KeyDead("unknown key"),
        OutOfCredit("empty"),
        RateLimited("slow down", retry_after=timedelta(milliseconds=1)),
        AccountRateLimited("slow down"),
        EgressRateLimited("slow down", retry_after=timedelta(milliseconds=1)),
        Busy("later"),
    ],
)
def test_other_failures_are_tried_again_on_another_key(failure: ProviderFailure) -> None:
    upstream = Answers(failure, good)
    with opened(upstream) as kc:
        done = kc.run(speech(), timeout=60)
        assert (done.job.state, done.job.charged) == (JobState.COMPLETED, 9)
        states = {key.status for key in kc.keys.list()}
    first, second = upstream.calls
    assert (first.attempt != second.attempt, first.secret != second.secret) == (True, True)
    if isinstance(failure, KeyDead):
        assert KeyStatus.DEAD in states


class Limited(Upstream):
    """An upstream that makes neither WAV nor voices."""

    capabilities: ClassVar[Any] = {"elevenlabs": Capabilities(lacking=(Ability.WAV, Ability.CLONE_VOICE))}


@pytest.mark.parametrize(
    ("request_", "lacks"),
    [
        (speech(format=AudioFormat.WAV), "format wav"),
        (CloneVoice("user-1", "An", b"ID3", "audio/mpeg", service="elevenlabs"), "voice cloning"),
    ],
)
async def test_what_a_provider_cannot_do_is_refused_and_nothing_is_written(request_: Any, lacks: str) -> None:
    upstream = Limited()
    async with await AsyncKingCong.open("memory:", providers=[upstream], **OPTIONS) as kc:
        await kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests", limits=LIMITS)
        await kc.wallets.adjust("user-1", 1_000, reason="test", idempotency_key="first")
        before = await kc.wallets.get("user-1")
        for ask in (kc.estimate, kc.submit):
            with pytest.raises(kingcong.InvalidRequest) as raised:
                await ask(request_)
            assert f"{lacks} cannot be done on ai33_elevenlabs" in str(raised.value)
            assert not raised.value.retryable
        assert await kc.wallets.get("user-1") == before
        assert await kc.jobs() == ()
        assert (await kc.run(speech(), timeout=60)).job.state is JobState.COMPLETED
    assert len(upstream.calls) == 1


def test_what_one_server_cannot_do_goes_to_another() -> None:
    class Other(Upstream):
        protocol = "ai84"

    upstream, other = Limited(), Other()
    with KingCong.open("memory:", providers=[upstream, other], **OPTIONS) as kc:
        for server in ("ai33", "ai84"):
            kc.keys.add(server, "elevenlabs", f"sk-canary-of-{server}-tests", limits=LIMITS)
        kc.wallets.adjust("user-1", 1_000, reason="test", idempotency_key="first")
        for _ in range(5):
            assert kc.run(speech(format=AudioFormat.WAV), timeout=60).job.state is JobState.COMPLETED
    assert (len(upstream.calls), len(other.calls)) == (0, 5)


def test_a_job_of_several_mp3s_goes_to_servers_of_one_layout() -> None:
    class Mono(Upstream):
        capabilities: ClassVar[Any] = {"elevenlabs": Capabilities(mp3=Mp3Layout(44_100, 1))}

    class Stereo(Upstream):
        protocol = "ai84"
        capabilities: ClassVar[Any] = {"elevenlabs": Capabilities(mp3=Mp3Layout(44_100, 2))}

    mono, stereo = Mono(), Stereo()
    with KingCong.open("memory:", providers=[mono, stereo], **OPTIONS) as kc:
        for server in ("ai33", "ai84"):
            kc.keys.add(server, "elevenlabs", f"sk-canary-of-{server}-tests", limits=LIMITS)
        kc.config.set_weights({"ai33": 1, "ai84": 2})
        kc.wallets.adjust("user-1", 1_000, reason="test", idempotency_key="first")
        kc.run(speech("One is here. Two is here. Three is here.", pieces=3), timeout=60)
    assert (len(mono.calls), len(stereo.calls)) == (0, 3)


@pytest.mark.parametrize(
    ("capabilities", "refused", "says"),
    [
        (Capabilities(), TypeError, "providers[0].capabilities must be a dict, not Capabilities"),
        ({"elevenlabs": {"lacking": ["wav"]}}, TypeError, "providers[0].capabilities['elevenlabs'] must be a Capab"),
        ({"elevenlabs": Capabilities(lacking="wav")}, TypeError, "lacking must be a list or tuple"),  # type: ignore[arg-type]
        ({"elevenlabs": Capabilities(lacking=("ogg",))}, ValueError, "lacking[0] must be one of 'mp3', 'wav'"),  # type: ignore[arg-type]
        ({"elevenlabs": Capabilities(mp3=(44_100, 1))}, TypeError, "mp3 must be a Mp3Layout"),  # type: ignore[arg-type]
        (
            {"elevenlabs": Capabilities(mp3=Mp3Layout(44_000, 1))},
            ValueError,
            "elevenlabs.mp3: no MP3 has 1 channels at",
        ),
        ({7: Capabilities()}, TypeError, "a key of providers[0].capabilities must be a str, not int"),
        ({"Eleven Labs": Capabilities()}, kingcong.InvalidRequest, "providers[0].capabilities"),
    ],
)
def test_capabilities_that_cannot_be_are_named(
    capabilities: Any, refused: type[Exception], says: str, tmp_path: Path
) -> None:
    upstream = Upstream()
    upstream.capabilities = capabilities  # type: ignore[attr-defined]
    with pytest.raises(refused) as raised:
        KingCong.open(f"sqlite://{tmp_path}/never.db", providers=[upstream], master_key=bytes(32))
    assert says in str(raised.value)
    assert list(tmp_path.iterdir()) == []


class Raises(BaseException):
    """Something that is not even an Exception."""


class Unspeakable(Exception):
    """Something that cannot even be shown."""

    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    "answer",
    [
        RuntimeError("a defect"),
        AnswerLost("the connection broke"),
        Raises("worse"),
        lambda: None,
        lambda: "audio",
        lambda: Reply("audio"),  # type: ignore[arg-type]
        lambda: Reply(Audio("text", "audio/wav")),  # type: ignore[arg-type]
        lambda: Reply(Audio(wav(), "audio/wav"), cost=0.5),  # type: ignore[arg-type]
        lambda: Reply(Audio(wav(), "audio/wav"), cost=-1),
        lambda: Reply(MadeVoice("v")),
        lambda: Reply(Audio(wav(), "audio/wav"), audio_ms=-1),
        lambda: Reply(Audio(wav(), "audio/wav"), cost=Decimal("1e30")),
        lambda: Reply(Audio(wav(), "audio/wav", srt="\ud800")),
        RuntimeError("half a character: \ud800"),
        Unspeakable(),
        Busy("later", retry_after=5),  # type: ignore[arg-type]
    ],
)
def test_what_nobody_knows_is_tried_once_more_and_marked(answer: Any) -> None:
    upstream = Answers(answer, good)
    with opened(upstream) as kc:
        done = kc.run(speech(), timeout=60)
        assert (done.job.state, done.job.charged) == (JobState.COMPLETED, 9)
        assert done.tasks[0].possible_double
        assert kc.verify().is_sound
    assert len(upstream.calls) == 2


@pytest.mark.parametrize("encode", [str, quote, lambda text: base64.b64encode(text.encode()).decode(), json.dumps])
@pytest.mark.parametrize("kind", [RuntimeError, BadRequest, Busy, AnswerLost])
def test_no_words_of_a_provider_repeat_the_secret(kind: Any, encode: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Tells(Upstream):
        async def call(self, call: Call) -> Any:
            self.calls.append(call)
            words = f"{'x ' * 200} upstream refused key {encode(call.secret)} of ours"
            raise kind(words) if kind is RuntimeError else kind(words, code=call.secret)

    upstream = Tells()
    with opened(upstream) as kc:
        # A busy upstream is asked again for as long as the request may take.
        job = kc.submit(speech(deadline=timedelta(seconds=2)))
        heard = [repr(event) for event in job.events()]
        said = f"{heard} {job.wait(timeout=60)!r} {kc.reports.errors()!r} {kc.keys.list()!r} {caplog.text}"
    assert len(upstream.calls) >= 1
    for call in upstream.calls:
        assert encode(call.secret) not in said
        assert call.secret not in said
        # Nor the beginning of one where its words were cut.
        assert "canary-of" not in said


class Slow(Answers):
    """Has an upstream accept each call, and says of it what the next of its functions says."""

    async def call(self, call: Call) -> Any:
        assert call.upstream_id is None
        self.calls.append(call)
        return Accepted("task-1", cost=3)

    async def poll(self, call: Call) -> Any:
        assert call.upstream_id == "task-1"
        return await super().call(call)


POLLED: Any = {"call_max": timedelta(minutes=5), "poll_interval": timedelta(milliseconds=1)}


def test_work_that_an_upstream_took_is_asked_about_until_it_ends() -> None:
    # What a poll raises, and what is no answer, says nothing about the work.
    upstream = Slow(Running(percent=40), Running(), RateLimited("ask later"), RuntimeError("a defect"), None, good())
    with opened(upstream, **POLLED) as kc:
        done = kc.run(speech(), timeout=60)
        assert (done.job.state, done.job.charged, done.tasks[0].possible_double) == (JobState.COMPLETED, 9, False)
        (usage,) = kc.reports.usage()
        assert usage.cost == 3
        assert kc.verify().is_sound
    assert [call.upstream_id for call in upstream.calls] == [None, *["task-1"] * 6]


def test_what_an_upstream_counted_is_told_by_measure() -> None:
    upstream = Answers(lambda: Reply(Audio(wav(), "audio/wav"), audio_ms=1200, characters=9))
    with opened(upstream) as kc:
        kc.run(speech(), timeout=60)
        (usage,) = kc.reports.usage()
    # The characters as the upstream says, and the length that the audio itself has.
    assert usage.counts == {Measure.CHARACTER: 9, Measure.AUDIO_MS: 10}
    assert {type(measure) for measure in usage.counts} == {Measure}
    assert json.loads(json.dumps(usage.to_dict()))["counts"] == {"character": 9, "audio_ms": 10}
    assert hash(usage) == hash(pickle.loads(pickle.dumps(usage)))


def test_what_an_upstream_ended_without_a_result_costs_nothing() -> None:
    upstream = Slow(Running(), Failed(ContentRefused("not nice")))
    with opened(upstream, **POLLED) as kc:
        done = kc.run(speech(), timeout=60)
        assert (done.job.state, done.job.charged) == (JobState.FAILED, 0)
        (error,) = kc.reports.errors()
        assert (error.kind, error.message) == (FailureKind.POLICY, "not nice")


@pytest.mark.parametrize("accepted", [Accepted(""), Accepted("i" * 257), Accepted("task-1", cost=-1), Accepted(1)])  # type: ignore[arg-type]
def test_an_id_that_cannot_be_kept_is_an_answer_that_is_lost(accepted: Any) -> None:
    upstream = Answers(accepted, good)
    with opened(upstream) as kc:
        assert kc.run(speech(), timeout=60).tasks[0].possible_double


def test_who_has_work_accepted_must_be_able_to_ask_about_it(caplog: pytest.LogCaptureFixture) -> None:
    upstream = Answers(Accepted("task-1"), good)
    with opened(upstream) as kc:
        assert kc.run(speech(), timeout=60).tasks[0].possible_double
    assert "returns Accepted, so it needs a function poll" in caplog.text


def test_a_plain_function_may_raise_anything() -> None:
    class Plain:
        protocol = "ai33"
        calls = 0

        def call(self, call: Call) -> Reply:
            self.calls += 1
            if self.calls == 1:
                raise StopIteration("no future can hold this")
            return good()

    with opened(Plain()) as kc:
        assert kc.run(speech(), timeout=60).tasks[0].possible_double


def test_a_plain_function_that_never_comes_back_keeps_nobody() -> None:
    called = threading.Event()

    class Never:
        protocol = "ai33"

        def call(self, call: Call) -> Reply:
            called.set()
            threading.Event().wait()
            raise AssertionError("never")

    with opened(Never(), drain=timedelta(0)) as kc:
        kc.submit(speech())
        called.wait()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_client_that_is_dropped_takes_its_threads_with_it() -> None:
    kc = KingCong.open("memory:", providers=[Upstream()], **OPTIONS)
    (served,) = [thread for thread in threading.enumerate() if thread.name == "kingcong-providers"]
    del kc
    served.join(timeout=60)
    assert not served.is_alive()


def test_providers_may_come_from_a_generator() -> None:
    upstream = Upstream()
    with KingCong.open("memory:", providers=(one for one in [upstream]), **OPTIONS) as kc:
        kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests")
        kc.config.set_weights({"ai33": 1, "ai84": 0})
        kc.wallets.adjust("user-1", 100, reason="test", idempotency_key="first")
        assert kc.run(speech(), timeout=60).job.state is JobState.COMPLETED
    assert len(upstream.calls) == 1


def test_what_the_provider_cannot_do_is_not_sent_to_it_again() -> None:
    upstream = Answers(Unsupported("not here"))
    with opened(upstream) as kc:
        assert kc.run(speech(), timeout=60).job.state is JobState.FAILED


def test_a_result_that_is_too_large_fails_the_task() -> None:
    upstream = Answers(lambda: Reply(Audio(bytes(9 * 1024 * 1024), "audio/wav")))
    with opened(upstream) as kc:
        done = kc.run(speech(), timeout=60)
        assert (done.job.state, done.job.charged) == (JobState.FAILED, 0)
        assert kc.reports.errors()[0].kind is FailureKind.TOO_LARGE


def test_results_are_kept_as_files_where_a_folder_is_named(tmp_path: Path) -> None:
    with opened(Upstream(), outputs=tmp_path / "results") as kc:
        done = kc.run(speech(), timeout=60)
        assert [file.read_bytes() for file in (tmp_path / "results").iterdir()] == [wav()]
        result = kc.job(done.job.id).result()
        assert isinstance(result, SpeechResult)
        assert kc.job(done.job.id).task_output(0) == SpeechResult(wav(), "audio/wav", timedelta(milliseconds=10), None)


tenant_of_host: contextvars.ContextVar[str] = contextvars.ContextVar("tenant_of_host", default="nobody")


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_the_context_of_the_host_reaches_the_provider(kind: str) -> None:
    seen: list[tuple[str, bool]] = []

    class Awaited(Upstream):
        async def call(self, call: Call) -> Reply:
            seen.append((tenant_of_host.get(), threading.current_thread() is threading.main_thread()))
            return good()

    class Plain:
        protocol = "ai33"

        def call(self, call: Call) -> Reply:
            seen.append((tenant_of_host.get(), threading.current_thread() is threading.main_thread()))
            return good()

    token = tenant_of_host.set("acme")
    try:
        with opened(Awaited() if kind == "async def" else Plain()) as kc:
            assert kc.run(speech(), timeout=60).job.state is JobState.COMPLETED
    finally:
        tenant_of_host.reset(token)
    assert seen == [("acme", False)]


async def test_an_awaited_clients_provider_runs_on_its_loop() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    class Here(Upstream):
        async def call(self, call: Call) -> Reply:
            loops.append(asyncio.get_running_loop())
            return good()

    async with await AsyncKingCong.open("memory:", providers=[Here()], **OPTIONS) as kc:
        await kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests")
        await kc.config.set_weights({"ai33": 1, "ai84": 0})
        await kc.wallets.adjust("user-1", 1_000, reason="test", idempotency_key="first")
        assert (await kc.run(speech(), timeout=60)).job.state is JobState.COMPLETED
    assert loops == [asyncio.get_running_loop()]


async def test_closing_does_not_wait_for_a_provider_that_never_answers() -> None:
    called = asyncio.Event()
    cancelled = asyncio.Event()

    class Never(Upstream):
        async def call(self, call: Call) -> Reply:
            called.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise
            raise AssertionError("never")

    options: Any = {**OPTIONS, "drain": timedelta(milliseconds=50)}
    async with await AsyncKingCong.open("memory:", providers=[Never()], **options) as kc:
        await kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests")
        await kc.config.set_weights({"ai33": 1, "ai84": 0})
        await kc.wallets.adjust("user-1", 1_000, reason="test", idempotency_key="first")
        await kc.submit(speech())
        await called.wait()
    await cancelled.wait()


class Kms:
    """A key service that seals with a one-byte mask; enough to see what it is asked."""

    id = "kms-key-1"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def wrap(self, data: bytes, context: bytes) -> bytes:
        self.asked.append("wrap")
        return bytes(byte ^ 0x5A for byte in data) + context

    async def unwrap(self, data: bytes, context: bytes) -> bytes:
        self.asked.append("unwrap")
        assert data.endswith(context)
        return bytes(byte ^ 0x5A for byte in data[: -len(context)])


async def test_a_key_service_wraps_and_unwraps(database: str) -> None:
    first, second = Kms(), Kms()
    with KingCong.open(database, preset="kingcong", master_key=first) as kc:
        kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests")
    async with await AsyncKingCong.open(database, master_key=second) as kc2:
        assert (await kc2.keys.list())[0].is_usable
    assert "wrap" in first.asked
    assert set(second.asked) == {"unwrap"}


def test_a_key_service_that_fails_is_told_of(database: str) -> None:
    class Broken(Kms):
        def wrap(self, data: bytes, context: bytes) -> bytes:
            raise OSError("no route to the key service")

    with pytest.raises(kingcong.MasterKeyFailed, match="out of reach") as raised:
        KingCong.open(database, preset="kingcong", master_key=Broken())
    assert raised.value.retryable
    assert "no route to the key service" in str(raised.value.__cause__)


def test_a_master_key_comes_from_text_file_and_function(database: str, tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    with KingCong.open(database, preset="kingcong", master_key=file) as kc:
        kc.keys.add("ai33", "elevenlabs", "sk-canary-of-the-tests")
    text = file.read_text().strip()
    for same in (text, lambda: text, lambda: file):
        with KingCong.open(database, master_key=same) as kc:
            assert kc.keys.list()[0].is_usable
