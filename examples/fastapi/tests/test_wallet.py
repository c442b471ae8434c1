"""Estimates, balances, packages, payments, transactions."""

import json
import time

import pytest
from api import JSON, Api, callback
from conftest import Backend
from pydantic import SecretStr

from kingcong_example.payments import signature


def test_an_estimate_has_the_known_fields_and_the_price_lists_figures(user: Api) -> None:
    asked = {"duration_minutes": 5.0, "transcript_length": 1500, "srt_length": 1800}
    assert user.post("/estimate-cost", asked) == {
        "estimates": {"whisper": 0.03, "gemini": 0.0001125, "tts": 0.0288, "total": 0.0589125},
        "user_credit_balance": 0.0,
        "sufficient_credits": False,
        "currency": "USD",
    }
    user.buy("usd-10")
    told = user.post("/estimate-cost", asked)
    assert (told["user_credit_balance"], told["sufficient_credits"]) == (10.0, True)


def test_lengths_that_are_not_given_follow_from_the_duration(user: Api) -> None:
    given = user.post(
        "/estimate-cost", {"duration_minutes": 5, "transcript_length": 1500, "srt_length": 1800}
    )
    assert user.post("/estimate-cost", {"duration_minutes": 5}) == given
    assert user.post("/estimate-cost", {"duration_minutes": "5.0", "transcript_length": 1500}) == given
    nothing = user.post("/estimate-cost", {"duration_minutes": 0})
    assert (nothing["estimates"]["total"], nothing["sufficient_credits"]) == (0.0, True)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"duration_minutes": -1},
        {"duration_minutes": 1441},
        {"duration_minutes": 0.00001},
        {"duration_minutes": "NaN"},
        {"duration_minutes": 5, "transcript_length": -1},
        {"duration_minutes": 5, "srt_length": 1.5},
    ],
)
def test_a_length_that_cannot_be_is_refused(user: Api, asked: JSON) -> None:
    assert user.post("/estimate-cost", asked, 422)["error"]["code"] == "invalid_request"


def test_old_tokens_stay_readable_beside_dollars(user: Api) -> None:
    before = {
        "total_tokens": 1000,
        "used_tokens": 200,
        "available_tokens": 800,
        "credit_balance": 0.0,
        "currency": "USD",
    }
    assert user.get("/token/balance") == before
    user.buy("usd-10")
    assert user.get("/token/balance") == {**before, "credit_balance": 10.0}
    assert user.balance() == 0, "dollars are no credits"


def test_the_packages_are_those_of_the_price_list(backend: Backend) -> None:
    packages = {one["id"]: one for one in backend.anybody().get("/packages")}
    assert set(packages) == {f"package-{n}" for n in range(1, 9)} | {"usd-10"}
    assert (packages["package-1"]["credits"], packages["package-1"]["price"]) == ("1000000", "5")
    assert (packages["package-8"]["credits"], packages["package-8"]["price"]) == ("10800000", "40")


def test_credits_come_when_the_gateway_says_paid_and_once(user: Api) -> None:
    payment = user.post("/credits/purchase", {"package": "package-2"}, 201)
    assert (payment["credits"], payment["price"], payment["currency"]) == ("2100000", "10", "usd")
    assert user.balance() == 0
    first = user.pay(payment)
    booked = {"amount": "2100000", "became_debt": "0", "paid_debt": "0", "balance_after": "2100000"}
    assert first == {"booked": booked}
    assert user.pay(payment) == first
    assert user.balance() == 2_100_000


def test_a_purchase_sent_again_is_one_payment(user: Api) -> None:
    again = {"headers": {"Idempotency-Key": "order-1"}}
    first, second = (user.post("/credits/purchase", {"package": "package-1"}, 201, **again) for _ in range(2))
    assert first == second
    user.pay(first)
    user.pay(second)
    assert user.balance() == 1_000_000


def test_a_payment_that_failed_books_nothing(user: Api) -> None:
    payment = user.post("/credits/purchase", {"package": "package-1"}, 201)
    assert user.pay(payment, state="failed") == {"booked": None}
    assert user.balance() == 0


def test_forged_changed_and_old_callbacks_change_nothing(user: Api, backend: Backend) -> None:
    payment = user.post("/credits/purchase", {"package": "package-1"}, 201)
    body, headers = callback(user.secret, payment)
    signed = headers["X-Gateway-Signature"]
    old = signature(body, user.secret, int(time.time()) - 301)
    ahead = signature(body, user.secret, int(time.time()) + 301)
    others = signature(body, SecretStr("another"), int(time.time()))
    for wrong in ("", "t=,v1=", "t=1", "nonsense", signed[:-1], signed + "0", old, ahead, others):
        sent = {**headers, "X-Gateway-Signature": wrong}
        answer = user.http.post("/payments/callback", content=body, headers=sent)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forged"), wrong
    changed = user.http.post("/payments/callback", content=body.replace(b"paid", b"fail"), headers=headers)
    assert changed.status_code == 403
    missing = user.http.post("/payments/callback", json=json.loads(body))
    assert missing.status_code == 422
    assert user.balance() == 0
    # The signature that was tampered with above is good in itself.
    assert user.http.post("/payments/callback", content=body, headers=headers).status_code == 200


def test_nobody_makes_or_changes_a_payment(user: Api) -> None:
    mine = user.post("/credits/purchase", {"package": "package-1"}, 201)
    dear = user.post("/credits/purchase", {"package": "package-8"}, 201)
    (order, seal), (other, _) = mine["payment"].split("."), dear["payment"].split(".")
    for wrong in ("", "x", f"{order}.", f"{other}.{seal}", f"{order}.{'0' * 64}", f"é.{seal}"):
        assert user.pay({**mine, "payment": wrong}, 404)["error"]["code"] == "not_found"
    for changed in ({"amount": "0"}, {"amount": "4.99"}, {"currency": "credit"}):
        assert user.pay(mine, 409, **changed)["error"]["code"] == "wrong_amount"
    assert user.balance() == 0


def test_a_package_that_changed_after_the_order_is_not_booked(user: Api, admin: Api) -> None:
    some = next(one for one in user.get("/packages") if one["id"] == "package-1")
    package = {**some, "id": "changing"}
    admin.put("/admin/packages", package, 204)
    booked, late = (user.post("/credits/purchase", {"package": "changing"}, 201) for _ in range(2))
    first = user.pay(booked)
    admin.put("/admin/packages", {**package, "credits": "10"}, 204)
    assert user.pay(late, 409)["error"]["code"] == "package_changed"
    assert user.pay(booked) == first, "what was booked is answered alike for ever"
    admin.delete("/admin/packages/changing", 204)
    assert user.pay(late, 409)["error"]["code"] == "package_changed"
    assert user.balance() == 1_000_000


def test_only_what_is_on_sale_is_sold(user: Api) -> None:
    assert user.post("/credits/purchase", {"package": "package-99"}, 404)["error"]["code"] == "not_found"


def test_transactions_come_in_pages_newest_first(user: Api) -> None:
    for _ in range(3):
        user.buy()
    user.speak("Hi.")
    first = user.get("/transactions", params={"limit": 2})
    assert [entry["kind"] for entry in first["transactions"]] == ["usage", "purchase"]
    last = user.get("/transactions", params={"limit": 2, "before": first["next"]})
    assert [entry["balance_after"] for entry in last["transactions"]] == ["2000000", "1000000"]
    assert last["next"] is None
    whole = user.get("/transactions")["transactions"]
    assert whole == first["transactions"] + last["transactions"]
    assert sum(int(entry["amount"]) for entry in whole) == user.balance()
    for wrong in ({"limit": 0}, {"limit": 1001}, {"before": 0}, {"before": "x"}):
        user.get("/transactions", 422, params=wrong)
