"""Four web workers on PostgreSQL, 200 clients, real upstreams' HTTP, and everything killed in the middle."""

import asyncio
import secrets
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import processes
from api import JSON, callback, speech
from conftest import invite
from processes import Postgres, Program
from pydantic import SecretStr

CLIENTS = 200
WORKERS = 4
#: The kill comes when so many jobs are acknowledged.
ACKNOWLEDGED_AT_KILL = 120
#: It takes one minute on two cores; what takes so long hangs.
LOAD_SECONDS_MAX = 600
#: Keys of each server: at 10 and 5 calls a minute enough for everybody within a minute, and never more.
KEYS = 30


class Site:
    """The web server as clients see it: up, or not."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._folder = folder
        self._env = env
        self.server = processes.web(folder, env, WORKERS, 0)
        self.url = processes.url_of(self.server)
        self.up = asyncio.Event()
        self.acknowledged = asyncio.Semaphore(0)
        self.killed_at: datetime | None = None

    def kill(self) -> None:
        """Master and workers at once; nobody is told."""
        self.up.clear()
        self.server.kill()

    async def start_again(self) -> None:
        """On the same port, as a supervisor would."""
        port = httpx.URL(self.url).port
        assert port is not None
        self.server = await asyncio.to_thread(processes.web, self._folder, self._env, WORKERS, port)
        self.up.set()


class Client:
    """A user who buys credits and has a text spoken. What is not answered is sent again."""

    def __init__(self, site: Site, http: httpx.AsyncClient, name: str, token: str, secret: SecretStr) -> None:
        self._site = site
        self._http = http
        self._token = {"Authorization": f"Bearer {token}"}
        self._secret = secret
        self.name = name
        self.text = f"This is the text of {name}, and of nobody else."

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Sends a request until it is answered."""
        headers = {**self._token, **options.pop("headers", {})}
        while True:
            await self._site.up.wait()
            try:
                return await self._http.request(method, self._site.url + path, headers=headers, **options)
            except httpx.TransportError:
                await asyncio.sleep(0)  # Lets the one who kills say that it is down.

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        """Sends a request that must go well."""
        answer = await self.send(method, path, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def submit(self) -> JSON:
        """The text's job; the same one however often it is submitted."""
        key = {"Idempotency-Key": "the-text"}
        created = await self.ask("POST", "/text-to-speech", json=speech(self.text), headers=key)
        job: JSON = created["job"]
        return job

    async def shop(self) -> JSON:
        """Buys, pays, speaks, and watches to the end; gives the job's last report."""
        order = {"Idempotency-Key": "the-order"}
        payment = await self.ask("POST", "/credits/purchase", json={"package": "package-1"}, headers=order)
        body, signed = callback(self._secret, payment)
        await self.ask("POST", "/payments/callback", content=body, headers=signed)
        job = await self.submit()
        self._site.acknowledged.release()
        while "event: ended" not in (await self.send("GET", f"/jobs/{job['id']}/events")).text:
            pass
        report: JSON = await self.ask("GET", f"/jobs/{job['id']}")
        return report


async def kill_in_the_middle(site: Site) -> None:
    for _ in range(ACKNOWLEDGED_AT_KILL):
        await site.acknowledged.acquire()
    site.kill()
    site.killed_at = datetime.now(UTC)
    await site.start_again()


def was_under_way(job: JSON, at: datetime | None) -> bool:
    assert at is not None
    return datetime.fromisoformat(job["created_at"]) < at < datetime.fromisoformat(job["finished_at"])


async def account(client: Client, report: JSON, admin: Client) -> int:
    """One job, charged once, and a balance that adds up; how often upstreams may have done it twice."""
    job = report["job"]
    assert (job["state"], job["charged"]) == ("completed", str(len(client.text))), report
    assert (await client.submit())["id"] == job["id"]
    assert len(await client.ask("GET", "/jobs")) == 1
    entries = (await client.ask("GET", "/transactions"))["transactions"]
    assert Counter(entry["kind"] for entry in entries) == {"purchase": 1, "usage": job["tasks"]}
    assert int(report["balance"]) == 1_000_000 - len(client.text)
    assert sum(int(entry["amount"]) for entry in entries) == int(report["balance"])
    used = await admin.ask("GET", "/admin/usage", params={"job": job["id"]})
    return sum(record["possible_double"] for record in used)


async def attach(admin: Client, servers: dict[str, dict[str, Any]]) -> None:
    """Points the preset's servers to the simulated ones, and registers their keys."""
    for known in (await admin.ask("GET", "/admin/config"))["servers"]:
        server, simulated = known["id"], servers[known["protocol"]]
        await admin.ask("PATCH", f"/admin/servers/{server}", json={"base_url": simulated["url"]})
        for secret in simulated["keys"]:
            key = {"server": server, "service": "elevenlabs", "secret": secret}
            await admin.ask("POST", "/admin/keys", json=key)


def test_a_kill_under_load_loses_nothing_and_charges_nothing_twice(
    postgres: Postgres, tmp_path: Path
) -> None:
    secret = SecretStr(secrets.token_hex(32))
    known = invite(tmp_path / "users.json", CLIENTS)
    env = {
        "DATABASE_URL": postgres.database("load"),
        "KINGCONG_MASTER_KEY": secrets.token_hex(32),
        "USERS_FILE": str(tmp_path / "users.json"),
        "PAYMENT_SECRET": secret.get_secret_value(),
        # So soon the dead's work goes on, and so long a lost answer is waited for.
        "DEAD_AFTER_SECONDS": "3",
        "CALL_MAX_SECONDS": "10",
    }

    async def load() -> None:
        limits = httpx.Limits(max_connections=CLIENTS)
        async with httpx.AsyncClient(timeout=120, limits=limits) as http:
            *clients, admin = [Client(site, http, *one, secret) for one in known]
            site.up.set()
            await attach(admin, upstreams.servers)
            killer = asyncio.create_task(kill_in_the_middle(site))
            reports = await asyncio.gather(*[client.shop() for client in clients])
            await killer
            await check(clients, admin, reports)

    async def check(clients: list[Client], admin: Client, reports: list[JSON]) -> None:
        assert any(was_under_way(report["job"], site.killed_at) for report in reports)
        pairs = zip(clients, reports, strict=True)
        doubles = sum(await asyncio.gather(*[account(client, report, admin) for client, report in pairs]))
        verified = await admin.ask("GET", "/admin/verify")
        assert verified["is_sound"], verified["discrepancies"]
        assert (verified["wallets"], verified["jobs"]) == (CLIENTS, CLIENTS)

        counted = upstreams.counted()
        assert [count["violations"] for count in counted] == [[], []]
        assert sum(count["done"] for count in counted) >= CLIENTS
        # What upstreams did twice, because its answer died with a worker, is on record, and was charged once.
        assert sum(count["repeated_texts"] for count in counted) <= doubles

    with processes.upstreams(tmp_path, KEYS) as upstreams:
        site = Site(tmp_path, env)
        try:
            asyncio.run(asyncio.wait_for(load(), LOAD_SECONDS_MAX))
        finally:
            last: Program = site.server
            last.stop()
        assert "Traceback" not in last.printed, last.printed
