"""Verifying a file that another program wrote to: what does not add up is told by its row."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from conftest import LIMITS, Upstream, speech
from kingcong import DiscrepancyKind, KingCong, Verification

OPTIONS: Any = {"preset": "kingcong", "master_key": bytes(32)}

#: What is written to the file, and the tables whose rows are told.
DAMAGES: dict[str, tuple[list[str], set[str]]] = {
    "a hold is gone": (
        ["DELETE FROM kingcong_holds WHERE id = (SELECT max(id) FROM kingcong_holds)"],
        {"kingcong_holds"},
    ),
    "every hold is gone": (["DELETE FROM kingcong_holds"], {"kingcong_holds"}),
    "a wallet is gone with its credits": (
        ["DELETE FROM kingcong_credits WHERE user_id = 'user-1'"],
        {"kingcong_credits", "kingcong_transactions"},
    ),
    "a job is gone": (
        ["DELETE FROM kingcong_jobs WHERE id = (SELECT max(id) FROM kingcong_jobs)"],
        {"kingcong_holds", "kingcong_tasks"},
    ),
    "every job is gone": (["DELETE FROM kingcong_jobs"], {"kingcong_holds", "kingcong_tasks"}),
    "results are gone": (["DELETE FROM kingcong_outputs"], {"kingcong_outputs"}),
    "a job is another wallet's": (
        ["UPDATE kingcong_jobs SET wallet = (SELECT id FROM kingcong_credits WHERE user_id = 'user-2')"],
        {"kingcong_jobs"},
    ),
    "a closed hold is another wallet's": (
        ["UPDATE kingcong_holds SET wallet = (SELECT id FROM kingcong_credits WHERE user_id = 'user-2')"],
        {"kingcong_holds"},
    ),
    "an entry names another task": (
        [
            "UPDATE kingcong_transactions SET task_id = (SELECT max(id) FROM kingcong_tasks) WHERE id = "
            "(SELECT min(id) FROM kingcong_transactions WHERE type = 'usage')"
        ],
        {"kingcong_tasks", "kingcong_transactions"},
    ),
    "what was refunded is forgotten": (["UPDATE kingcong_tasks SET refunded = 0"], {"kingcong_tasks"}),
    "idempotency keys are gone": (["DELETE FROM kingcong_idempotency"], {"kingcong_idempotency"}),
    "a charge is doubled": (
        ["UPDATE kingcong_attempts SET charged = charged * 2"],
        {"kingcong_attempts"},
    ),
    "a queue's length is wrong": (["UPDATE kingcong_pools SET waiting = waiting + 1"], {"kingcong_pools"}),
    "two secrets are swapped": (
        [
            "CREATE TABLE secrets AS SELECT id, envelope FROM kingcong_api_keys",
            "UPDATE kingcong_api_keys SET envelope = "
            "(SELECT envelope FROM secrets WHERE secrets.id <> kingcong_api_keys.id)",
            "DROP TABLE secrets",
        ],
        {"kingcong_api_keys"},
    ),
    "the audio is cut off": (
        ["UPDATE kingcong_outputs SET body = substr(body, 1, 20)"],
        {"kingcong_outputs"},
    ),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with jobs that were paid, one of them refunded in part."""
    file = tmp_path_factory.mktemp("sound") / "kingcong.db"
    with KingCong.open(f"sqlite://{file}", providers=[Upstream()], **OPTIONS) as kc:
        for secret in ("sk-canary-of-the-tests", "sk-canary-number-two"):
            kc.keys.add("ai33", "elevenlabs", secret, limits=LIMITS)
        kc.config.set_weights({"ai33": 1, "ai84": 0})
        for user in ("user-1", "user-2"):
            kc.wallets.adjust(user, 1_000, reason="test", idempotency_key=f"for-{user}")
        done = [kc.run(speech(idempotency_key=f"request-{number}")) for number in range(3)]
        kc.wallets.refund("user-1", done[0].tasks[0].id, amount=4, reason="noise", idempotency_key="r-1")
        assert kc.verify().is_sound
    return file


def verified(file: Path) -> Verification:
    with KingCong.open(f"sqlite://{file}", providers=[Upstream()], **OPTIONS) as kc:
        return kc.verify()


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_another_program_damaged_is_told_by_its_row(sound: Path, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "kingcong.db"
    shutil.copy(sound, file)
    statements, tables = DAMAGES[damage]
    by_hand = sqlite3.connect(file)
    for statement in statements:
        by_hand.execute(statement)
    by_hand.commit()
    by_hand.close()

    found = verified(file)
    assert not found.is_sound
    assert found.found >= len(found.discrepancies) > 0
    assert {one.table for one in found.discrepancies} >= tables


def test_a_discrepancy_tells_the_row_the_column_and_both_values(sound: Path, tmp_path: Path) -> None:
    file = tmp_path / "kingcong.db"
    shutil.copy(sound, file)
    by_hand = sqlite3.connect(file)
    by_hand.execute("UPDATE kingcong_credits SET held = 12 WHERE user_id = 'user-1'")
    by_hand.commit()
    by_hand.close()

    (one,) = verified(file).discrepancies
    assert (one.kind, one.table, one.column) == (DiscrepancyKind.WRONG, "kingcong_credits", "held")
    assert (one.found, one.expected) == ("12", "0")
    assert len(one.row) == 36
