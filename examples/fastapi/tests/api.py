"""A client of the backend, as a web shop's frontend would be one."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
from processes import PATIENCE_SECONDS
from pydantic import SecretStr

from kingcong_example.payments import signature

VOICE = "21m00Tcm4TlvDq8ikWAM"
JSON = dict[str, Any]


def speech(text: str = "Xin chào các bạn.", **more: Any) -> JSON:
    """A text to speak."""
    return {"text": text, "service": "elevenlabs", "voice": VOICE, **more}


def callback(secret: SecretStr, payment: JSON, **changed: Any) -> tuple[bytes, dict[str, str]]:
    """The body and the headers by which the gateway tells that a payment was paid."""
    told = {"state": "paid", "amount": payment["price"], "currency": payment["currency"]}
    body = json.dumps({"payment": payment["payment"], **told, **changed}).encode()
    signed = signature(body, secret, int(time.time()))
    return body, {"Content-Type": "application/json", "X-Gateway-Signature": signed}


class Api:
    """A user's session."""

    def __init__(self, url: str, token: str | None, name: str, secret: SecretStr) -> None:
        self.name = name
        self.secret = secret
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=60)

    def get(self, path: str, status: int = 200, **options: Any) -> Any:
        """Asks for something."""
        return self._told(self.http.get(path, **options), status)

    def post(self, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
        """Sends something."""
        return self._told(self.http.post(path, json=body, **options), status)

    def put(self, path: str, body: Any, status: int = 200, **options: Any) -> Any:
        """Sets something."""
        return self._told(self.http.put(path, json=body, **options), status)

    def patch(self, path: str, body: Any, status: int = 200, **options: Any) -> Any:
        """Changes something."""
        return self._told(self.http.patch(path, json=body, **options), status)

    def delete(self, path: str, status: int = 200, **options: Any) -> Any:
        """Removes something."""
        return self._told(self.http.delete(path, **options), status)

    @staticmethod
    def _told(answer: httpx.Response, status: int) -> Any:
        assert answer.status_code == status, f"{answer.request.method} {answer.url}: {answer.text}"
        return answer.json() if answer.content else None

    def pay(self, payment: JSON, status: int = 200, **changed: Any) -> Any:
        """The gateway tells that a payment was paid."""
        body, headers = callback(self.secret, payment, **changed)
        return self._told(self.http.post("/payments/callback", content=body, headers=headers), status)

    def buy(self, package: str = "package-1") -> JSON:
        """Buys a package and pays it."""
        payment: JSON = self.post("/credits/purchase", {"package": package}, 201)
        self.pay(payment)
        return payment

    def balance(self) -> int:
        """The credits that the user has."""
        return int(self.get("/credits")["balance"])

    def events(self, job: str) -> Iterator[tuple[str, JSON]]:
        """The events of a job, until the server ends them."""
        with self.http.stream("GET", f"/jobs/{job}/events") as answer:
            assert answer.status_code == 200, answer.read()
            assert answer.headers["content-type"].startswith("text/event-stream")
            name, patience = "", time.monotonic() + PATIENCE_SECONDS
            for line in answer.iter_lines():
                # Pings come even where nothing else does.
                assert time.monotonic() < patience, f"job {job} does not end"
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    yield name, json.loads(value)

    def ended(self, job: str) -> JSON:
        """The whole of a job, once it has ended."""
        (_, *_, (name, report)) = self.events(job)
        assert name == "ended"
        return report

    def speak(self, text: str = "Xin chào các bạn.", **more: Any) -> JSON:
        """Has a text spoken to its end."""
        return self.ended(self.post("/text-to-speech", speech(text, **more), 202)["job"]["id"])
