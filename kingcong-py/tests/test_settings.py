"""The settings of ``open``: those that are documented are those that it takes, and each is checked before anything is
made.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import kingcong
import pytest
from kingcong import AsyncKingCong, KingCong, Settings

GUIDE = Path(__file__).parents[2] / "docs" / "python.md"
MOMENT = timedelta(milliseconds=1)


def documented() -> list[str]:
    """The names in the first column of the guide's table."""
    table = GUIDE.read_text(encoding="utf-8").split("## Settings of `open`")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


@pytest.mark.parametrize("client", [KingCong, AsyncKingCong])
def test_the_guide_tells_every_setting_and_no_other(client: Any) -> None:
    taken = [name for name in inspect.signature(client.open).parameters if name not in ("url", "settings")]
    assert sorted(documented()) == sorted([*taken, *Settings.__annotations__])


@pytest.mark.parametrize("client", [KingCong, AsyncKingCong])
def test_a_setting_that_nobody_knows_is_refused(client: Any) -> None:
    async def opened() -> None:
        kc = client.open("memory:", nope=1)
        if inspect.isawaitable(kc):
            await kc

    with pytest.raises(TypeError, match="no setting 'nope': it has preset, "):
        asyncio.run(opened())


@pytest.mark.parametrize(
    ("setting", "least", "most", "legal"),
    [
        ("connect_timeout", timedelta(milliseconds=100), timedelta(seconds=240), "100 ms to 240 s"),
        ("send_timeout", timedelta(milliseconds=100), timedelta(seconds=240), "100 ms to 240 s"),
        ("synchronous_timeout", timedelta(milliseconds=100), timedelta(seconds=240), "100 ms to 240 s"),
        ("poll_timeout", timedelta(milliseconds=100), timedelta(seconds=240), "100 ms to 240 s"),
        ("download_timeout", timedelta(milliseconds=100), timedelta(minutes=15), "100 ms to 15 min"),
    ],
)
def test_a_time_out_has_a_range(setting: str, least: timedelta, most: timedelta, legal: str, tmp_path: Path) -> None:
    for within in (least, most):
        options: Any = {setting: within}
        KingCong.open("memory:", **options).close()
    url = f"sqlite://{tmp_path}/never.db"
    for beyond in (least - MOMENT, most + MOMENT, timedelta(0)):
        options = {setting: beyond}
        with pytest.raises(kingcong.InvalidRequest, match=f"{setting}.*{legal}"):
            KingCong.open(url, master_key=bytes(32), **options)
    assert list(tmp_path.iterdir()) == []


def test_servers_of_the_preset_are_elsewhere_from_the_first_start_on(tmp_path: Path) -> None:
    url, elsewhere = f"sqlite://{tmp_path}/kingcong.db", {"ai84": "http://127.0.0.1:9"}
    options: Any = {"preset": "kingcong", "master_key": bytes(32)}
    with KingCong.open(url, base_urls=elsewhere, **options) as kc:
        servers = {server.id: server.base_url for server in kc.config.get().servers}
        assert servers == {"ai33": "https://api.ai33.pro", "ai84": "http://127.0.0.1:9"}
        key = kc.keys.add("ai84", "elevenlabs", "sk-a-secret-of-the-upstream")
    with KingCong.open(url, base_urls={"ai84": "http://127.0.0.1:8"}, **options) as kc:
        assert kc.config.get().servers[1].base_url == elsewhere["ai84"], "what was written stays"
        assert kc.keys.get(key.id).status is kingcong.KeyStatus.ACTIVE


@pytest.mark.parametrize(
    ("base_urls", "preset", "refused", "says"),
    [
        ({"ai33": "http://gateway.example"}, "kingcong", kingcong.KingCongError, "https"),
        ({"ai99": "https://gateway.example"}, "kingcong", kingcong.ConfigurationRefused, "ai33"),
        ({"ai33": "https://gateway.example"}, None, kingcong.InvalidRequest, "base_urls"),
        ({"ai33": 7}, "kingcong", TypeError, "base_urls"),
    ],
)
def test_a_base_url_that_cannot_be_is_refused_before_anything_is_made(
    base_urls: Any, preset: Any, refused: type[Exception], says: str, tmp_path: Path
) -> None:
    with pytest.raises(refused, match=says):
        KingCong.open(f"sqlite://{tmp_path}/never.db", base_urls=base_urls, preset=preset, master_key=bytes(32))
    assert list(tmp_path.iterdir()) == []
