"""What type checkers must see: this file is checked by pyright and mypy, and runs too."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

import kingcong
from kingcong import AsyncJobHandle, AsyncKingCong, Credited, JobHandle, KingCong, Role, Speech, Wallet
from kingcong.providers import Audio, Call, Provider, Reply

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Awaited:
    """A provider with ``async def``."""

    protocol = "one"

    async def call(self, call: Call) -> Reply:
        return Reply(Audio(call.secret.encode(), "audio/wav"))


class Plain:
    """A provider with ``def``."""

    protocol = "two"

    def call(self, call: Call) -> Reply:
        return Reply(Audio(b"", "audio/wav"), cost=Decimal("0.5"))


def test_both_clients_have_their_types() -> None:
    providers: list[Provider] = [Awaited(), Plain()]
    with KingCong.open("memory:", preset="kingcong", providers=providers) as kc:
        wallet = kc.acting("admin", Role.OPERATOR).wallets.get("user-1")
        credited = kc.wallets.purchase("user-1", "package-1", "order-1")
        job = kc.job("01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21")
        if TYPE_CHECKING:
            assert_type(wallet, Wallet)
            assert_type(credited, Credited)
            assert_type(job, JobHandle)
            assert_type(kc.jobs(), tuple[kingcong.Job, ...])
            assert_type(kc.submit(Speech("u", "t", service="s")), JobHandle)
            assert_type(kc.run(Speech("u", "t", service="s")).balance, Decimal)
        assert wallet.balance == 0

    async def awaited() -> None:
        async with await AsyncKingCong.open("memory:", preset="kingcong") as kc:
            task = asyncio.create_task(kc.wallets.get("user-1"))
            wallet = await task
            if TYPE_CHECKING:
                assert_type(wallet, Wallet)
                assert_type(await kc.submit(Speech("u", "t", service="s")), AsyncJobHandle)
                assert_type(await kc.status(), kingcong.Status)
                assert_type((await kc.verify()).is_sound, bool)
            assert wallet.balance == 0

    asyncio.run(awaited())
