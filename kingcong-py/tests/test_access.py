"""Each role at the doors: what is its own is found, what is foreign is not, and the other doors refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import kingcong
import pytest
from conftest import VOICE, Host
from kingcong import AuditOutcome, Maintenance, Package, Role, Speech, TenantState

UNKNOWN = "01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21"

#: What each role gives of itself beside its name, here for the tenant acme and its user an.
ROLES: dict[Role, dict[str, str]] = {
    Role.OPERATOR: {},
    Role.OPERATOR_BILLING: {},
    Role.SUPPORT: {},
    Role.AUDITOR: {},
    Role.TENANT_ADMIN: {"tenant": "acme"},
    Role.TENANT_BILLING: {"tenant": "acme"},
    Role.MEMBER: {"tenant": "acme", "user": "an"},
}

STAFF = {Role.OPERATOR}
BOOKS = {Role.OPERATOR, Role.OPERATOR_BILLING}
WORK = {Role.OPERATOR, Role.TENANT_ADMIN, Role.MEMBER}
READING = {Role.OPERATOR, Role.SUPPORT, Role.TENANT_ADMIN, Role.TENANT_BILLING, Role.MEMBER}
AUDIT = {Role.OPERATOR, Role.AUDITOR, Role.TENANT_ADMIN}


@dataclass(frozen=True)
class Rows:
    """Whose rows are asked for."""

    user: str
    job: str
    task: str


def order(user: str, text: str = "Xin chào!") -> Speech:
    return Speech(user, text, service="elevenlabs", voice=VOICE, idempotency_key="spoken")


#: Every door with rows: how it is asked, and the roles that may.
DOORS: dict[str, tuple[Callable[[Any, Rows], Any], set[Role]]] = {
    "estimate": (lambda kc, rows: kc.estimate(order(rows.user)), WORK),
    "submit": (lambda kc, rows: kc.submit(order(rows.user)), WORK),
    "jobs": (lambda kc, rows: kc.jobs(user=rows.user), READING),
    "job.status": (lambda kc, rows: kc.job(rows.job).status(), READING),
    "job.wait": (lambda kc, rows: kc.job(rows.job).wait(), READING),
    "job.cancel": (lambda kc, rows: kc.job(rows.job).cancel(), WORK),
    "job.result": (lambda kc, rows: kc.job(rows.job).result(), READING),
    "job.audio": (lambda kc, rows: kc.job(rows.job).audio(), READING),
    "job.subtitles": (lambda kc, rows: kc.job(rows.job).subtitles(), READING),
    "job.task_output": (lambda kc, rows: kc.job(rows.job).task_output(0), READING),
    "wallets.get": (lambda kc, rows: kc.wallets.get(rows.user), READING),
    "wallets.list": (lambda kc, _rows: kc.wallets.list(), READING),
    "wallets.history": (lambda kc, rows: kc.wallets.history(rows.user), READING),
    "wallets.purchase": (
        lambda kc, rows: kc.wallets.purchase(rows.user, "package-1", f"order of {rows.user}"),
        BOOKS | {Role.TENANT_ADMIN, Role.TENANT_BILLING},
    ),
    "wallets.refund": (
        lambda kc, rows: kc.wallets.refund(rows.user, rows.task, reason="sorry", idempotency_key=rows.task),
        BOOKS | {Role.SUPPORT},
    ),
    "wallets.adjust": (
        lambda kc, rows: kc.wallets.adjust(rows.user, 7, reason="gift", idempotency_key="g-1"),
        BOOKS,
    ),
    "voices.cloned": (lambda kc, rows: kc.voices.cloned(rows.user), READING),
    "reports.usage": (lambda kc, _rows: kc.reports.usage(), set(ROLES)),
    "reports.errors": (lambda kc, _rows: kc.reports.errors(), set(ROLES)),
    "reports.split": (lambda kc, _rows: kc.reports.split(), set(ROLES)),
    "reports.audit": (lambda kc, _rows: kc.reports.audit(), AUDIT),
    "config.history": (lambda kc, _rows: kc.config.history(), {Role.OPERATOR, Role.AUDITOR}),
    "config.get": (lambda kc, _rows: kc.config.get(), STAFF),
    "config.set_maintenance": (lambda kc, _rows: kc.config.set_maintenance(Maintenance()), STAFF),
    "keys.list": (lambda kc, _rows: kc.keys.list(), STAFF),
    "accounts.list": (lambda kc, _rows: kc.accounts.list(), STAFF),
    "tenants.set": (lambda kc, _rows: kc.tenants.set("nowhere", "Nowhere", TenantState.ACTIVE), STAFF),
    "tenants.get": (lambda kc, _rows: kc.tenants.get("nowhere"), STAFF),
    "tenants.list": (lambda kc, _rows: kc.tenants.list(), STAFF),
    "prices.list": (lambda kc, _rows: kc.prices.list(), BOOKS),
    "packages.list": (lambda kc, _rows: kc.packages.list(), BOOKS),
    "packages.set": (lambda kc, _rows: kc.packages.set(Package("mini", "Mini", 100, 1)), BOOKS),
    "status": (lambda kc, _rows: kc.status(), STAFF),
    "verify": (lambda kc, _rows: kc.verify(), STAFF),
    "pulse": (lambda kc, _rows: kc.pulse(), STAFF),
}

#: Doors that name a job or a task: a foreign one is not found.
NAMED = {name for name in DOORS if name.startswith("job.")} | {"wallets.refund"}
#: Doors that name a user: of another user a member finds nothing.
OF_USER = {"estimate", "submit", "jobs", "wallets.get", "wallets.history", "voices.cloned"}


async def owned(host: Host, tenant: str, user: str) -> Rows:
    kc = host.kc.of(tenant)
    await host.ask(kc.wallets.purchase(user, "package-1", f"order of {user}"))
    job = await host.ask(kc.submit(order(user)))
    done = await host.ask(job.wait())
    return Rows(user, job.id, done.tasks[0].id)


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_finds_what_is_its_own_and_nothing_else(host: Host, role: Role) -> None:
    await host.prepare()
    an, colleague = await owned(host, "acme", "an"), await owned(host, "acme", "bình")
    stranger = await owned(host, "umbra", "an")
    acting = host.kc.of("acme").acting("somebody", role, **ROLES[role])
    for name, (knock, roles) in DOORS.items():
        if role not in roles:
            with pytest.raises(kingcong.Forbidden) as refused:
                await host.ask(knock(acting, an))
            assert (refused.value.door, refused.value.role) == (name, role.value)
            continue
        await host.ask(knock(acting, an))
        if name in NAMED:
            for foreign in [stranger, *([colleague] if role is Role.MEMBER else [])]:
                with pytest.raises(kingcong.NotFound) as hidden:
                    await host.ask(knock(acting, foreign))
                with pytest.raises(kingcong.NotFound) as unknown:
                    await host.ask(knock(acting, Rows(foreign.user, UNKNOWN, UNKNOWN)))
                assert str(hidden.value).replace(foreign.job, UNKNOWN) == str(unknown.value)
        elif name in OF_USER and role is Role.MEMBER:
            with pytest.raises(kingcong.NotFound):
                await host.ask(knock(acting, colleague))
        if ROLES[role]:
            with pytest.raises(kingcong.NotFound, match="tenant"):
                await host.ask(knock(acting.of("umbra"), stranger))


async def test_what_is_done_and_what_is_refused_is_audited_in_the_actors_name(host: Host) -> None:
    chief = host.kc.acting("chief", Role.TENANT_ADMIN, tenant="acme")
    an = host.kc.acting("an", Role.MEMBER, tenant="acme", user="an")
    await host.ask(chief.wallets.purchase("an", "package-1", "order-1"))
    with pytest.raises(kingcong.Forbidden):
        await host.ask(an.config.set_weights({"ai33": 1}))
    refused, bought = await host.ask(chief.reports.audit())
    assert (refused.actor, refused.role, refused.door) == ("an", Role.MEMBER, "config.set_weights")
    assert (refused.tenant, refused.target, refused.outcome) == ("acme", None, AuditOutcome.REFUSED)
    assert (bought.actor, bought.role, bought.outcome) == ("chief", Role.TENANT_ADMIN, AuditOutcome.DONE)
    assert (bought.target, bought.door) == ("wallet of an in credit", "wallets.purchase")
    detail = json.loads(bought.detail)
    assert detail["wallet"] == {"tenant": "acme", "owner": {"user": "an"}, "unit": "credit"}
    assert detail["movement"]["purchase"]["package"] == "package-1"
    assert await host.ask(host.kc.acting("chief", Role.TENANT_ADMIN, tenant="umbra").reports.audit()) == ()


async def test_an_access_ends(host: Host) -> None:
    now = datetime.now(timezone.utc)
    ended = host.kc.acting("an", Role.AUDITOR, until=now - timedelta(days=1))
    with pytest.raises(kingcong.AccessExpired) as refused:
        await host.ask(ended.reports.usage())
    assert refused.value.actor == "an"
    assert refused.value.user_message("vi") == "Vui lòng đăng nhập lại"
    going_on = host.kc.acting("an", Role.AUDITOR, until=now + timedelta(days=1))
    assert await host.ask(going_on.reports.usage()) == ()
