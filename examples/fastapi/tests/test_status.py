"""What users are told about what is to be had; maintenance and routes."""

from collections.abc import Iterator

import pytest
from api import Api, speech
from conftest import Backend


@pytest.fixture
def restored(admin: Api) -> Iterator[Api]:
    """The administrator; everything is on again afterwards."""
    yield admin
    admin.put("/admin/maintenance", {})
    for route in admin.get("/admin/config")["routes"]:
        admin.put(f"/admin/routes/{route['server']}/{route['service']}", {"switch": "on"})
    admin.put("/admin/weights", {"ai33": 70, "ai84": 30})


def lights(api: Api) -> dict[tuple[str, str], str]:
    return {(route["server"], route["service"]): route["light"] for route in api.get("/status")["routes"]}


def test_health_needs_no_token(backend: Backend) -> None:
    assert backend.anybody().get("/health") == {"status": "ok"}


def test_the_status_bar_shows_services_and_servers(user: Api) -> None:
    told = user.get("/status")
    assert {service["service"]: service["is_available"] for service in told["services"]} == {
        "elevenlabs": True,
        "minimax": True,
    }
    assert set(lights(user).values()) == {"good"}


@pytest.mark.parametrize(
    ("maintenance", "english", "vietnamese"),
    [
        ({"services": ["elevenlabs"]}, "ElevenLabs is under maintenance", "ElevenLabs đang bảo trì"),
        ({"is_full": True}, "Server KingCong is under maintenance", "Server KingCong đang bảo trì"),
    ],
)
def test_maintenance_refuses_and_touches_no_credit(
    rich: Api, restored: Api, maintenance: dict[str, object], english: str, vietnamese: str
) -> None:
    restored.put("/admin/maintenance", maintenance)
    answer = rich.http.post("/text-to-speech", json=speech())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    error = answer.json()["error"]
    assert (error["code"], error["retryable"], error["message"]) == ("under_maintenance", True, english)
    told = rich.get("/status", headers={"Accept-Language": "vi"})["services"]
    assert {"service": "elevenlabs", "is_available": False, "message": vietnamese} in told
    assert rich.balance() == 1_000_000
    other = rich.http.post("/text-to-speech", json=speech(service="minimax"))
    assert other.status_code == (503 if "is_full" in maintenance else 202)
    restored.put("/admin/maintenance", {})
    assert rich.speak()["job"]["state"] == "completed"


def test_a_route_that_is_off_gets_no_work(rich: Api, restored: Api) -> None:
    off = restored.put("/admin/routes/ai33/elevenlabs", {"switch": "off"})
    assert [one["servers"] for one in off["services"] if one["service"] == "elevenlabs"] == [
        [{"server": "ai84", "weight": 30}]
    ]
    assert lights(rich)["ai33", "elevenlabs"] == "off"
    done = rich.speak("Một câu vừa phải. " * 500)
    assert {task["route"] for task in done["tasks"]} == {"ai84_elevenlabs"}
    restored.put("/admin/routes/ai84/elevenlabs", {"switch": "off"})
    assert rich.post("/text-to-speech", speech(), 503)["error"]["code"] == "no_route"
    assert rich.get("/voices/elevenlabs", 404)["error"]["code"] == "not_found"


def test_weights_take_effect_on_the_next_task(rich: Api, restored: Api) -> None:
    restored.put("/admin/weights", {"ai33": 0, "ai84": 100})
    routes = {task["route"] for _ in range(3) for task in rich.speak()["tasks"]}
    assert routes == {"ai84_elevenlabs"}


def test_what_cannot_be_set_is_refused(restored: Api) -> None:
    for path, wrong, status in [
        ("/admin/maintenance", {"services": ["unheard-of"]}, 422),
        ("/admin/maintenance", {"services": "elevenlabs"}, 422),
        ("/admin/routes/ai99/elevenlabs", {"switch": "off"}, 422),
        ("/admin/routes/ai33/elevenlabs", {"switch": "maybe"}, 422),
        ("/admin/weights", {"ai33": 0, "ai84": 0}, 422),
        ("/admin/weights", {"ai33": -1}, 422),
        ("/admin/weights", {"ai99": 1}, 422),
    ]:
        restored.put(path, wrong, status)
    assert restored.get("/admin/config/explain")["state"] == "all_on"
