"""Receipts of entries that wait: the first stays, another is evidence, and none may fall due too late."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchange.log.receipts import entry_receipt
from keys.signatures.ed25519 import verify_signature
from keys.signatures.messages import SigningKey
from member.log.receipts import promised_by
from member.log.verify import LogFault, LoggedReceipt
from member.log.waiting_entries import WaitingEntries
from member.vault.store import Vault
from member.vault.uploads import Receipt
from schemas.submissions import RECEIPT_DOMAIN
from schemas.values.canonical import canonical_json
from schemas.values.encoding import from_base64, to_base64, to_rfc3339
from tlog.entries import entry_commitment

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEY = SigningKey.from_seed(bytes(32))
Row = dict[str, Any]


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[WaitingEntries]:
    with Vault.create(tmp_path / "vault.sqlite", os.urandom(32), "a") as vault:
        yield WaitingEntries(vault, "exchange.example/log", "a")


def row(says: str, committed_at: datetime = NOW, delay: int = 460) -> Row:
    """A waiting entry of the event e1 as an exchange that has the receipt key shows it."""
    body = {"member_id": "a", "event_id": "e1", "kind": "le_query_read", "recorded_at": to_rfc3339(NOW), "says": says}
    view, salt = canonical_json(body), bytes(32)
    entry = to_base64(entry_commitment(salt, view))
    stated = {"event_id": "e1", "member_id": "a"}
    receipt = msgspec.to_builtins(entry_receipt(KEY, entry, stated, committed_at, delay))
    shown = {"event_id": "e1", "entry_id": "i1", "entry": entry, "view": to_base64(view), "salt": to_base64(salt)}
    return {**shown, "receipt": receipt}


def promises(waiting: WaitingEntries) -> list[LoggedReceipt]:
    return promised_by(waiting.receipts())


def test_attacker_cannot_replace_a_receipt_by_one_for_another_entry(waiting: WaitingEntries) -> None:
    honest, other = row("the truth"), row("another story", NOW + timedelta(days=5))
    waiting.take_in([honest], KEY.public_bytes, NOW)
    with pytest.raises(LogFault, match="two receipts promise different entries") as caught:
        waiting.take_in([other], KEY.public_bytes, NOW + timedelta(days=5))
    assert caught.value.where == {"event_id": "e1"}
    assert caught.value.receipts == [honest["receipt"], other["receipt"]]
    for shown in caught.value.receipts:
        signed = RECEIPT_DOMAIN + from_base64(shown["payload"])
        verify_signature(KEY.public_bytes, signed, from_base64(shown["signature"], 64))
    assert [to_base64(one.entry) for one in promises(waiting)] == [honest["entry"]]


def test_attacker_cannot_put_off_what_a_receipt_promised(waiting: WaitingEntries) -> None:
    waiting.take_in([row("the truth")], KEY.public_bytes, NOW)
    later = NOW + timedelta(hours=1)
    waiting.take_in([row("the truth", later, 3600)], KEY.public_bytes, later)
    (kept,) = promises(waiting)
    assert (kept.committed_at, kept.due) == (NOW, NOW + timedelta(seconds=460))


@pytest.mark.parametrize(
    ("committed_at", "delay", "what"),
    [
        (NOW, 10**9, "not 0 to 8 hours"),
        (NOW, 8 * 3600 + 1, "not 0 to 8 hours"),
        (NOW, -1, "not 0 to 8 hours"),
        (NOW + timedelta(minutes=6), 460, "in the future"),
    ],
)
def test_a_promise_that_never_falls_due_is_a_fault(
    committed_at: datetime, delay: int, what: str, waiting: WaitingEntries
) -> None:
    with pytest.raises(LogFault, match=what):
        waiting.take_in([row("the truth", committed_at, delay)], KEY.public_bytes, NOW)
    assert promises(waiting) == []


def test_a_submission_s_receipt_and_an_entry_s_must_promise_the_same() -> None:
    def receipt(shown: Row) -> Receipt:
        signed = shown["receipt"]
        return Receipt(from_base64(signed["payload"]), from_base64(signed["signature"], 64))

    submitted, same = receipt(row("the truth")), receipt(row("the truth", NOW - timedelta(seconds=9)))
    assert [one.committed_at for one in promised_by([submitted, same])] == [NOW - timedelta(seconds=9)]
    with pytest.raises(LogFault, match="different entries") as caught:
        promised_by([submitted, receipt(row("another story"))])
    assert len(caught.value.receipts) == 2
