"""The administrator's doors: keys, prices, packages, wallets, reports, the audit."""

import uuid
from typing import Any

import pytest
from api import JSON, Api, speech
from conftest import Backend

KEY = {"server": "ai33", "service": "minimax", "label": "spare"}
PRICE: JSON = {
    "server": "ai33",
    "service": "minimax",
    "operation": "speech",
    "lines": [{"measure": "character", "price": "1", "per": 1}],
}
NOWHERE = uuid.uuid4()


def once() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def test_a_keys_life(admin: Api) -> None:
    secret = f"sk-{uuid.uuid4()}"
    limits = {"max_in_flight": 7, "per_minute": 9}
    answer = admin.http.post("/admin/keys", json={**KEY, "secret": secret, "limits": limits})
    assert answer.status_code == 201
    assert secret not in answer.text
    key = answer.json()
    assert (key["label"], key["switch"], key["status"], key["limits"]) == ("spare", "on", "active", limits)
    path = f"/admin/keys/{key['id']}"
    assert key in admin.get("/admin/keys")
    assert admin.post("/admin/keys", {**KEY, "secret": secret}, 409)["error"]["code"] == "key_refused"
    fewer = {"max_in_flight": 1, "per_minute": 2}
    assert admin.put(f"{path}/limits", fewer)["limits"] == fewer
    assert admin.get(path)["limits"] == fewer
    assert admin.post(f"{path}/disable")["switch"] == "off"
    assert admin.post(f"{path}/enable")["switch"] == "on"
    assert admin.post(f"{path}/check")["checked_at"] is not None
    assert admin.delete(path)["status"] == "removed"
    assert key["id"] not in {one["id"] for one in admin.get("/admin/keys")}
    assert admin.post(f"{path}/enable", status=409)["error"]["code"] == "key_refused"
    assert secret not in admin.http.get("/admin/audit").text


def test_keys_that_cannot_be_are_refused(admin: Api) -> None:
    for wrong in ({"server": "ai99"}, {"secret": ""}, {"limits": {"max_in_flight": 0, "per_minute": 1}}):
        assert admin.http.post(
            "/admin/keys", json={**KEY, "secret": "sk-good-enough", **wrong}
        ).status_code in (
            409,
            422,
        ), wrong
    for method, path in [
        ("GET", ""),
        ("POST", "/check"),
        ("POST", "/enable"),
        ("POST", "/disable"),
        ("DELETE", ""),
    ]:
        answer = admin.http.request(method, f"/admin/keys/{NOWHERE}{path}")
        assert answer.status_code == 404, (method, path)
    admin.put(f"/admin/keys/{NOWHERE}/limits", {"max_in_flight": 1, "per_minute": 1}, 404)
    admin.get("/admin/keys/no-id", 422)


def test_a_price_decides_what_the_next_job_costs(rich: Api, admin: Api) -> None:
    admin.put("/admin/routes/ai84/minimax", {"switch": "off"})
    try:
        # A credit for three characters: no rounded price of one character could say so.
        third = {**PRICE, "lines": [{"measure": "character", "price": "1", "per": 3}]}
        admin.put("/admin/prices", third, 204)
        assert rich.speak("123456789", service="minimax")["job"]["charged"] == "3"
        admin.delete("/admin/prices/ai33/minimax/speech", 204)
        refused = rich.post("/text-to-speech", speech(service="minimax"), 422)
        assert refused["error"]["code"] == "price_not_found"
        admin.delete("/admin/prices/ai33/minimax/speech", 404)
    finally:
        admin.put("/admin/prices", PRICE, 204)
        admin.put("/admin/routes/ai84/minimax", {"switch": "on"})
    assert rich.speak("123456789", service="minimax")["job"]["charged"] == "9"


@pytest.mark.parametrize(
    "wrong",
    [
        {"server": "ai99"},
        {"operation": "singing"},
        {"lines": [{"measure": "character", "price": "-1"}]},
        {"lines": [{"measure": "character", "price": "NaN"}]},
        {"lines": [{"measure": "character", "price": "1", "per": 0}]},
        {"unit": "euro"},
    ],
)
def test_a_price_that_cannot_be_is_refused(admin: Api, wrong: JSON) -> None:
    before = admin.get("/admin/prices")
    admin.put("/admin/prices", {**PRICE, **wrong}, 422)
    assert admin.get("/admin/prices") == before


def test_packages_are_put_on_sale_and_taken_off(user: Api, admin: Api) -> None:
    package = {"id": "special", "label": "Special", "credits": "42", "price": "0.5"}
    admin.put("/admin/packages", package, 204)
    user.buy("special")
    assert user.balance() == 42
    unpaid = user.post("/credits/purchase", {"package": "special"}, 201)
    admin.delete("/admin/packages/special", 204)
    user.post("/credits/purchase", {"package": "special"}, 404)
    # Ordered before, paid after: nothing is booked for it while it is not on sale as it was ordered.
    assert user.pay(unpaid, 409)["error"]["code"] == "package_changed"
    admin.put("/admin/packages", package, 204)
    user.pay(unpaid)
    assert user.balance() == 84
    admin.delete("/admin/packages/special", 204)
    admin.delete("/admin/packages/unheard-of", 404)
    admin.put("/admin/packages", {**package, "switch": "off"}, 204)
    assert "special" in {one["id"] for one in admin.get("/admin/packages")}
    assert "special" not in {one["id"] for one in user.get("/packages")}
    user.post("/credits/purchase", {"package": "special"}, 404)
    admin.delete("/admin/packages/special", 204)
    for wrong in ({"credits": "-1"}, {"credits": "0.5"}, {"id": ""}, {"unit": "euro"}):
        admin.put("/admin/packages", {**package, **wrong}, 422)


def test_wallets_are_corrected_once_an_order(user: Api, admin: Api) -> None:
    path, gift, key = f"/admin/users/{user.name}/adjust", {"change": "500", "reason": "welcome"}, once()
    booked = {"amount": "500", "became_debt": "0", "paid_debt": "0", "balance_after": "500"}
    assert admin.post(path, gift, headers=key) == booked
    admin.post(path, gift, headers=key)
    assert user.balance() == 500
    conflict = admin.post(path, {**gift, "change": "501"}, 409, headers=key)
    assert conflict["error"]["code"] == "idempotency_conflict"
    admin.post(path, gift, 422)
    for wrong in ({"change": "0.5"}, {"change": "1e30"}, {"reason": ""}):
        admin.post(path, {**gift, **wrong}, 422, headers=once())
    admin.post(path, {"change": "-200", "reason": "mistake"}, headers=once())
    assert user.balance() == 300


def test_a_refund_gives_back_at_most_what_was_charged(rich: Api, admin: Api) -> None:
    task = rich.speak("1234567890")["tasks"][0]["id"]
    path, back = f"/admin/users/{rich.name}/refund", {"task": task, "amount": "4", "reason": "noise"}
    key = once()
    admin.post(path, back, headers=key)
    admin.post(path, back, headers=key)
    assert rich.balance() == 999_994
    too_much = admin.post(path, {**back, "amount": "7"}, 422, headers=once())
    assert too_much["error"]["code"] == "amount_refused"
    admin.post(path, {"task": task, "reason": "the rest"}, headers=once())
    assert rich.balance() == 1_000_000
    admin.post(path, {**back, "task": str(NOWHERE)}, 404, headers=once())
    admin.post(f"/admin/users/{admin.name}/refund", back, 404, headers=once())


def test_reports_tell_what_was_done(rich: Api, admin: Api) -> None:
    done = rich.speak("1234567890")
    job = done["job"]["id"]
    (used,) = admin.get("/admin/usage", params={"job": job})
    assert (used["charged"], used["counts"]["character"], used["is_done"]) == ("10", 10, True)
    assert used["check"] == "within"
    server, service = used["route"].split("_", 1)
    by_route = admin.get("/admin/usage", params={"server": server, "service": service, "limit": 1})
    assert by_route == [used]
    assert admin.get("/admin/errors", params={"job": job}) == []
    assert {(share["server"], share["service"]) for share in admin.get("/admin/split")} >= {(server, service)}
    assert {route["server"] for route in admin.get("/admin/status")["routes"]} == {"ai33", "ai84"}
    admin.get("/admin/usage", 422, params={"server": server})
    admin.get("/admin/usage", 422, params={"limit": 0})


def test_the_audit_names_who_did_what(admin: Api, backend: Backend) -> None:
    admin.put("/admin/weights", {"ai33": 70, "ai84": 30})
    entry: dict[str, Any] = admin.get("/admin/audit", params={"limit": 1})[0]
    assert (entry["actor"], entry["door"]) == ("admin-7", "config.set_weights")
    newest, *older = admin.get("/admin/audit")
    assert admin.get("/admin/audit", params={"before": newest["id"]})[: len(older)] == older


def test_a_server_is_added_without_code(rich: Api, admin: Api) -> None:
    server = {
        "protocol": "ai33",
        "base_url": "https://ai99.example",
        "weight": 0,
        "limits": {"max_in_flight": 30, "per_minute": 1000},
    }
    admin.post("/admin/servers", {"id": "ai99", "server": server, "services": {"elevenlabs": "on"}}, 201)
    admin.put("/admin/prices", {**PRICE, "server": "ai99", "service": "elevenlabs"}, 204)
    key = {"server": "ai99", "service": "elevenlabs", "secret": f"sk-{uuid.uuid4()}"}
    admin.post("/admin/keys", key, 201)
    admin.put("/admin/weights", {"ai33": 0, "ai84": 0, "ai99": 1})
    assert rich.speak()["tasks"][0]["route"] == "ai99_elevenlabs"
    config = admin.patch("/admin/servers/ai99", {"base_url": "https://elsewhere.example"})
    assert "https://elsewhere.example" in {one["base_url"] for one in config["servers"]}
    admin.patch("/admin/servers/ai99", {"base_url": "no url"}, 422)
    admin.put("/admin/weights", {"ai33": 70, "ai84": 30})
    config = admin.delete("/admin/servers/ai99")
    assert {one["id"] for one in config["servers"]} == {"ai33", "ai84"}
    admin.delete("/admin/servers/ai99", 422)
    admin.patch("/admin/servers/ai99", {"weight": 1}, 422)


def test_the_books_are_in_order(admin: Api) -> None:
    found = admin.get("/admin/verify")
    assert (found["is_sound"], found["discrepancies"]) == (True, [])
    assert found["wallets"] > 0
