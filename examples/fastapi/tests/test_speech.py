"""Text to speech: money, results, progress, cancelling."""

import io
import wave
from datetime import UTC, datetime, timedelta

import pytest
from api import JSON, Api, speech

from kingcong_example.demo import REFUSED_WORD, SAMPLES_PER_CHARACTER

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()


def test_a_text_is_spoken_charged_and_downloaded(rich: Api) -> None:
    text = "Xin chào các bạn."
    estimate = rich.post("/text-to-speech/estimate", speech(text))
    assert (estimate["held"], estimate["is_sufficient"]) == (str(len(text)), True)
    done = rich.speak(text)
    assert (done["job"]["state"], done["job"]["charged"]) == ("completed", str(len(text)))
    assert rich.balance() == int(done["balance"]) == 1_000_000 - len(text)
    answer = rich.http.get(f"/jobs/{done['job']['id']}/audio")
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-disposition"].endswith('.wav"')
    with wave.open(io.BytesIO(answer.content)) as audio:
        assert audio.getnframes() == len(text) * SAMPLES_PER_CHARACTER


def test_a_long_text_is_one_job_of_many_tasks_joined_in_order(rich: Api) -> None:
    text = "Câu này dài vừa đủ. " * 2000
    done = rich.speak(text)
    assert done["job"]["tasks"] == len(done["tasks"]) >= 10
    assert {task["route"] for task in done["tasks"]} == {"ai33_elevenlabs", "ai84_elevenlabs"}
    assert sum(int(task["charged"]) for task in done["tasks"]) == int(done["job"]["charged"])
    sound = rich.http.get(f"/jobs/{done['job']['id']}/audio").content
    with wave.open(io.BytesIO(sound)) as audio:
        assert audio.getnframes() == int(done["job"]["charged"]) * SAMPLES_PER_CHARACTER


def test_a_player_may_ask_for_a_part_of_the_audio(rich: Api) -> None:
    address = f"/jobs/{rich.speak('Câu này dài vừa đủ. ' * 1000)['job']['id']}/audio"
    whole = rich.http.get(address)
    length, tag = len(whole.content), whole.headers["etag"]
    assert (whole.headers["accept-ranges"], whole.headers["content-length"]) == ("bytes", str(length))
    for asked, start, end in [
        ("bytes=0-9", 0, 10),
        (f"bytes={length - 5}-", length - 5, length),
        (f"bytes=5-{length + 99}", 5, length),
        ("bytes=-7", length - 7, length),
        (f"bytes=-{length + 99}", 0, length),
    ]:
        for version in ({}, {"If-Range": tag}):
            part = rich.http.get(address, headers={"Range": asked, **version})
            assert (part.status_code, part.content) == (206, whole.content[start:end]), asked
            assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{length}"
            assert part.headers["content-length"] == str(end - start)
    for asked in (f"bytes={length}-", f"bytes={length}-{length + 1}", "bytes=-0"):
        refused = rich.http.get(address, headers={"Range": asked})
        assert (refused.status_code, refused.headers["content-range"]) == (416, f"bytes */{length}"), asked
        assert refused.json()["error"]["code"] == "range_refused"
    # What is no range, several, of another unit or of another version is left aside.
    for asked, version in [
        ("bytes=9-3", {}),
        ("bytes=-", {}),
        ("bytes=0-1,5-6", {}),
        ("lines=1-2", {}),
        (f"bytes=0-{'9' * 5000}", {}),
        ("bytes=0-9", {"If-Range": '"another"'}),
    ]:
        all_of_it = rich.http.get(address, headers={"Range": asked, **version})
        assert (all_of_it.status_code, all_of_it.content) == (200, whole.content), asked
    # Who goes away in the middle holds nothing up.
    for _ in range(20):
        with rich.http.stream("GET", address) as begun:
            assert next(begun.iter_bytes())
    assert rich.http.get(address).content == whole.content


def test_the_same_request_with_the_same_key_is_one_job(rich: Api) -> None:
    key = {"Idempotency-Key": "story-1"}
    first = rich.post("/text-to-speech", speech("Hello."), 202, headers=key)["job"]["id"]
    rich.ended(first)
    assert rich.post("/text-to-speech", speech("Hello."), 202, headers=key)["job"]["id"] == first
    refused = rich.post("/text-to-speech", speech("Another."), 409, headers=key)
    assert refused["error"]["code"] == "idempotency_conflict"
    assert rich.balance() == 1_000_000 - len("Hello.")
    rich.post("/text-to-speech", speech(), 422, headers={"Idempotency-Key": "x" * 201})


def test_nobody_overdraws(user: Api) -> None:
    refused = user.post("/text-to-speech", speech(), 402, headers={"Accept-Language": "vi"})
    assert refused["error"] == {
        "code": "insufficient_credits",
        "message": "Credits không đủ, vui lòng nạp thêm",
        "retryable": False,
    }
    assert user.get("/jobs") == []


def test_progress_is_told_until_the_end(rich: Api) -> None:
    text = "Một câu ngắn. " * 2000
    job = rich.post("/text-to-speech", speech(text), 202)["job"]
    told = list(rich.events(job["id"]))
    assert told[0][0] == "job"
    done = [event["place"] for name, event in told if name == "task_done"]
    assert len(done) == len(set(done)), "each is told once"
    assert set(done) <= set(range(job["tasks"]))
    assert [name for name, _ in told].count("ended") == 1
    name, report = told[-1]
    assert (name, report["job"]["state"]) == ("ended", "completed")
    assert {task["state"] for task in report["tasks"]} == {"completed"}
    # Who comes late is told the end at once.
    assert [name for name, _ in rich.events(job["id"])] == ["job", "ended"]


def test_cancelling_gives_back_what_has_not_begun(rich: Api) -> None:
    job = rich.post("/text-to-speech", speech("x" * 1000, start_at=TOMORROW), 202)
    assert (job["job"]["state"], job["balance"], job["available"]) == ("open", "1000000", "999000")
    events = rich.events(job["job"]["id"])
    assert next(events)[1] == job
    cancelled = rich.post(f"/jobs/{job['job']['id']}/cancel")
    assert (cancelled["job"]["state"], cancelled["available"]) == ("cancelled", "1000000")
    assert [name for name, _ in events if name != "task_cancelled"] == ["ended"]
    assert rich.post(f"/jobs/{job['job']['id']}/cancel") == cancelled


def test_a_job_without_a_result_has_nothing_to_download(rich: Api) -> None:
    job = rich.post("/text-to-speech", speech(start_at=TOMORROW), 202)["job"]["id"]
    for what in ("audio", "subtitles"):
        assert rich.get(f"/jobs/{job}/{what}", 409)["error"]["code"] == "output_unavailable"
    rich.post(f"/jobs/{job}/cancel")
    plain = rich.speak()["job"]["id"]
    assert rich.get(f"/jobs/{plain}/subtitles", 404)["error"]["code"] == "not_found"


def test_what_fails_costs_nothing_and_says_why(rich: Api, admin: Api) -> None:
    job = rich.post("/text-to-speech", speech(f"Hi {REFUSED_WORD}."), 202)["job"]["id"]
    report = rich.ended(job)
    assert (report["job"]["state"], report["balance"]) == ("failed", "1000000")
    assert report["tasks"][0]["error"] == "The content was refused"
    assert REFUSED_WORD not in str(report), "the provider's words are for operators"
    assert REFUSED_WORD in admin.get("/admin/errors", params={"job": job})[0]["message"]
    vietnamese = rich.get(f"/jobs/{job}", headers={"Accept-Language": "vi"})["tasks"][0]["error"]
    assert vietnamese == "Nội dung bị từ chối"


def test_what_failed_is_tried_again_and_what_is_done_is_not(rich: Api) -> None:
    text = "Câu này dài vừa đủ. " * 1000 + f"Hi {REFUSED_WORD}."
    job = rich.post("/text-to-speech", speech(text), 202)["job"]["id"]
    failed = rich.ended(job)
    assert (failed["job"]["state"], failed["job"]["failed_tasks"]) == ("completed_with_failures", 1)
    rich.post(f"/jobs/{job}/retry", None, 422)

    key = {"Idempotency-Key": "again-1"}
    for _ in range(2):
        assert rich.post(f"/jobs/{job}/retry", headers=key)["job"]["retries"] == 1
        # The word is refused for ever.
        again = rich.ended(job)
    done = [task for task in again["tasks"] if task["state"] == "completed"]
    assert done == [task for task in failed["tasks"] if task["state"] == "completed"]
    assert (again["job"]["state"], again["balance"]) == (failed["job"]["state"], failed["balance"])
    assert again["available"] == again["balance"], "nothing is held any more"

    whole = rich.speak()["job"]["id"]
    refused = rich.post(f"/jobs/{whole}/retry", None, 409, headers={"Idempotency-Key": "again-2"})
    assert refused["error"]["code"] == "retry_refused"
    taken = rich.post(f"/jobs/{whole}/retry", None, 409, headers=key)
    assert taken["error"]["code"] == "idempotency_conflict"


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": ""},
        {"text": "   "},
        {"text": "x" * 100_001},
        {"text": None},
        {"service": "No Service"},
        {"voice": None},
        {"voice": ""},
        {"cloned_voice": "01a1ffda-5461-70b5-b656-053157396d3f"},
        {"format": "ogg"},
        {"settings": {"speed": 1000}},
        {"start_at": "2020-01-01T00:00:00"},
        {"start_at": "9999-01-01T00:00:00Z"},
        {"unheard_of": 1},
    ],
)
def test_a_request_that_cannot_be_is_refused(rich: Api, wrong: JSON) -> None:
    assert rich.post("/text-to-speech", {**speech(), **wrong}, 422)["error"]["code"] == "invalid_request"
    assert rich.get("/jobs") == []


def test_jobs_are_listed_newest_first_in_pages(rich: Api) -> None:
    made = [rich.speak(f"Number {number}.")["job"]["id"] for number in range(3)]
    scheduled = rich.post("/text-to-speech", speech(start_at=TOMORROW), 202)["job"]["id"]
    newest = [scheduled, *reversed(made)]
    assert [job["id"] for job in rich.get("/jobs")] == newest
    assert [job["id"] for job in rich.get("/jobs", params={"limit": 2, "before": newest[1]})] == newest[2:]
    assert [job["id"] for job in rich.get("/jobs", params={"state": "open"})] == [scheduled]
    rich.post(f"/jobs/{scheduled}/cancel")
    for wrong in ({"limit": 0}, {"before": "x"}, {"state": "unheard-of"}):
        rich.get("/jobs", 422, params=wrong)
