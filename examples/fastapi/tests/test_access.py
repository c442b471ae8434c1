"""Who may do what, and how refusals look."""

import uuid
from collections.abc import Callable

import pytest
from api import JSON, Api, speech
from conftest import Backend

from kingcong_example import users

SOME = uuid.uuid4()

USER_DOORS = [
    ("POST", "/estimate-cost"),
    ("GET", "/token/balance"),
    ("POST", "/text-to-speech"),
    ("POST", "/text-to-speech/estimate"),
    ("GET", "/jobs"),
    ("GET", f"/jobs/{SOME}"),
    ("GET", f"/jobs/{SOME}/events"),
    ("GET", f"/jobs/{SOME}/audio"),
    ("GET", f"/jobs/{SOME}/subtitles"),
    ("POST", f"/jobs/{SOME}/cancel"),
    ("POST", f"/jobs/{SOME}/retry"),
    ("POST", "/voices"),
    ("GET", "/voices"),
    ("GET", "/voices/elevenlabs"),
    ("GET", "/credits"),
    ("POST", "/credits/purchase"),
    ("GET", "/transactions"),
    ("GET", "/status"),
]
OPEN_DOORS = {("GET", "/packages"), ("POST", "/payments/callback"), ("GET", "/health")}


def admin_doors(anybody: Api) -> list[tuple[str, str]]:
    paths = anybody.get("/openapi.json")["paths"]
    filled = {"{id}": str(SOME), "{server}": "ai33", "{service}": "minimax", "{user}": "user-1"}
    filled["{operation}"] = "speech"
    doors = []
    for path, methods in paths.items():
        if path.startswith("/admin/"):
            for name, value in filled.items():
                path = path.replace(name, value)
            doors += [(method.upper(), path) for method in methods]
    return doors


def test_doors_need_a_token_unless_they_are_open(backend: Backend) -> None:
    anybody = backend.anybody()
    admins = admin_doors(anybody)
    assert len(admins) > 25
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic dXNlcjpwYXNz"}):
        for method, path in USER_DOORS + admins:
            answer = anybody.http.request(method, path, headers=headers)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["code"] == "unauthenticated"
    anybody.get("/packages")
    anybody.get("/health")


def test_a_token_that_is_taken_out_of_the_file_ends_at_once(
    start: Callable[[], tuple[Backend, Api]],
) -> None:
    backend, admin = start()
    gone, stays = backend.user(), backend.user()
    gone.get("/status")
    kept = [user for user in users.read(backend.users_file) if user.id != gone.name]
    newcomer, token = users.new_user("newcomer")
    users.write(backend.users_file, [*kept, newcomer])
    gone.get("/status", 401)
    stays.get("/status")
    admin.get("/admin/keys")
    # And whoever comes in is in.
    answer = gone.http.get("/status", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_no_door_is_forgotten_here(backend: Backend) -> None:
    paths = backend.anybody().get("/openapi.json")["paths"]
    known = {(method, path.replace(str(SOME), "{id}")) for method, path in USER_DOORS} | OPEN_DOORS
    known = {(method, path.replace("/voices/elevenlabs", "/voices/{service}")) for method, path in known}
    doors = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert {door for door in doors if not door[1].startswith("/admin/")} == known


#: A body that each administrators' door takes: the library is asked with what is right.
ADMIN_BODIES: dict[str, JSON] = {
    "/admin/routes/ai33/minimax": {"switch": "off"},
    "/admin/servers": {
        "id": "ai99",
        "server": {
            "protocol": "ai33",
            "base_url": "https://ai99.example",
            "weight": 0,
            "limits": {"max_in_flight": 1, "per_minute": 1},
        },
        "services": {"minimax": "on"},
    },
    f"/admin/servers/{SOME}": {"weight": 1},
    "/admin/keys": {"server": "ai33", "service": "minimax", "secret": "sk-of-somebody"},
    f"/admin/keys/{SOME}/limits": {"max_in_flight": 1, "per_minute": 1},
    "/admin/prices": {
        "server": "ai33",
        "service": "minimax",
        "operation": "speech",
        "lines": [{"measure": "character", "price": "1", "per": 1}],
    },
    "/admin/packages": {"id": "mini", "label": "Mini", "credits": "100", "price": "1"},
    "/admin/users/user-1/adjust": {"change": "1", "reason": "gift"},
    "/admin/users/user-1/refund": {"task": str(SOME), "reason": "sorry"},
}


def test_users_do_not_pass_the_administrators_doors(backend: Backend, user: Api, admin: Api) -> None:
    key = {"Idempotency-Key": "once"}
    for method, path in admin_doors(backend.anybody()):
        answer = user.http.request(method, path, json=ADMIN_BODIES.get(path, {}), headers=key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), (method, path)
    refused = [one for one in admin.get("/admin/audit") if one["actor"] == user.name]
    assert refused
    assert {one["outcome"] for one in refused} == {"refused"}


def test_users_do_not_see_each_others_jobs(rich: Api, backend: Backend) -> None:
    job = rich.speak()["job"]["id"]
    stranger = backend.user()
    stranger.buy()
    for method, path in [
        ("GET", f"/jobs/{job}"),
        ("GET", f"/jobs/{job}/events"),
        ("GET", f"/jobs/{job}/audio"),
        ("GET", f"/jobs/{job}/subtitles"),
        ("POST", f"/jobs/{job}/cancel"),
        ("POST", f"/jobs/{job}/retry"),
    ]:
        key = {"Idempotency-Key": "again"}
        answer = stranger.http.request(method, path, headers=key)
        nobodys = stranger.http.request(method, path.replace(job, str(SOME)), headers=key)
        assert answer.status_code == nobodys.status_code == 404, (method, path)
    assert stranger.get("/jobs") == []
    assert [entry["kind"] for entry in stranger.get("/transactions")["transactions"]] == ["purchase"]
    assert [one["id"] for one in rich.get("/jobs")] == [job]


def test_an_idempotency_key_is_the_users_own(rich: Api, backend: Backend) -> None:
    other = backend.user()
    other.buy()
    key = {"Idempotency-Key": "the-same"}
    mine = rich.post("/text-to-speech", speech(), 202, headers=key)["job"]["id"]
    assert other.post("/text-to-speech", speech(), 202, headers=key)["job"]["id"] != mine


@pytest.mark.parametrize(
    ("accepted", "message"),
    [
        ("vi", "Cần token hợp lệ"),
        ("vi-VN,vi;q=0.9,en;q=0.8", "Cần token hợp lệ"),
        ("en;q=0.5, vi;q=0.4", "A valid token is needed"),
        ("fr, vi;q=0.1", "Cần token hợp lệ"),
        ("fr", "A valid token is needed"),
        ("vi;q=nonsense", "A valid token is needed"),
    ],
)
def test_refusals_speak_the_callers_language(backend: Backend, accepted: str, message: str) -> None:
    told = backend.anybody().get("/status", 401, headers={"Accept-Language": accepted})
    assert told["error"]["message"] == message


def test_operators_words_reach_administrators_only(user: Api, admin: Api) -> None:
    asked = speech(cloned_voice=str(SOME))
    del asked["voice"]
    told = user.post("/text-to-speech", asked, 422)["error"]
    assert told["code"] == "voice_unavailable"
    assert "detail" not in told
    detail = admin.post("/text-to-speech", asked, 422)["error"]["detail"]
    assert str(SOME) in detail
    assert detail != told["message"]


def test_what_is_not_there_is_refused_in_the_same_form(user: Api) -> None:
    assert user.get("/nowhere", 404)["error"]["code"] == "not_found"
    assert user.delete("/jobs", 405)["error"]["code"] == "method_not_allowed"
    assert user.get("/jobs/no-id", 422)["error"]["code"] == "invalid_request"
    answer = user.http.post("/text-to-speech", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")
