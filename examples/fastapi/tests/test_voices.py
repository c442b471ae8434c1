"""Voices: cloned from uploads, listed, spoken with."""

from typing import Any

from api import Api, speech
from conftest import Backend

from kingcong_example.voices import SAMPLE_BYTES_MAX

JSON_BODY = {"Content-Type": "application/json"}
SAMPLE = ("me.mp3", b"ID3" + bytes(1000), "audio/mpeg")


def upload(api: Api, status: int, sample: Any = SAMPLE, headers: Any = None, **fields: Any) -> Any:
    form = {"name": "My voice", "service": "minimax", **fields}
    files = {"sample": sample} if sample else None
    answer = api.http.post("/voices", data=form, files=files, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_cloned_voice_speaks_for_its_user_alone(rich: Api, backend: Backend) -> None:
    done = rich.ended(upload(rich, 202)["job"]["id"])
    assert (done["job"]["state"], done["job"]["charged"]) == ("completed", "10000")
    (voice,) = rich.get("/voices")
    assert (voice["name"], voice["user"]) == ("My voice", rich.name)
    asked = speech("Hi.", service="minimax", cloned_voice=voice["id"])
    del asked["voice"]
    spoken = rich.ended(rich.post("/text-to-speech", asked, 202)["job"]["id"])
    assert spoken["job"]["state"] == "completed"
    assert rich.get(f"/jobs/{done['job']['id']}/audio", 404)["error"]["code"] == "not_found"

    stranger = backend.user()
    stranger.buy()
    assert stranger.get("/voices") == []
    assert stranger.post("/text-to-speech", asked, 422)["error"]["code"] == "voice_unavailable"


def test_an_upload_sent_again_is_one_voice(rich: Api) -> None:
    key = {"Idempotency-Key": "voice-1"}
    first = upload(rich, 202, headers=key)["job"]["id"]
    rich.ended(first)
    assert upload(rich, 202, headers=key)["job"]["id"] == first
    assert upload(rich, 409, headers=key, name="Another")["error"]["code"] == "idempotency_conflict"
    assert len(rich.get("/voices")) == 1


def test_an_upload_that_is_too_large_is_refused(rich: Api) -> None:
    slightly = ("me.mp3", bytes(SAMPLE_BYTES_MAX + 1), "audio/mpeg")
    assert upload(rich, 413, slightly)["error"]["code"] == "too_large"
    grossly = ("me.mp3", bytes(SAMPLE_BYTES_MAX + 1024 * 1024), "audio/mpeg")
    assert upload(rich, 413, grossly)["error"]["code"] == "too_large"

    # A body that does not say its length beforehand, for any door.
    mebibytes = (bytes(1024 * 1024) for _ in range(12))
    answer = rich.http.post("/text-to-speech", content=mebibytes, headers=JSON_BODY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    largest = ("me.mp3", bytes(SAMPLE_BYTES_MAX), "audio/mpeg")
    assert rich.ended(upload(rich, 202, largest)["job"]["id"])["job"]["state"] == "completed"


def test_an_upload_that_is_none_is_refused(rich: Api) -> None:
    for fields in ({"name": ""}, {"name": "x" * 65}, {"service": "No Service"}):
        upload(rich, 422, **fields)
    upload(rich, 422, sample=None)
    upload(rich, 422, sample=("me.mp3", b"", "audio/mpeg"))
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = rich.http.post("/voices", content=b"--x\r\nnonsense", headers=broken)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")


def test_a_services_voices_are_listed(user: Api) -> None:
    assert user.get("/voices/elevenlabs") == {"voices": [], "next": None}
    assert user.get("/voices/unheard-of", 404)["error"]["code"] == "not_found"
