"""What the exchange shows is taken in at a cost that follows how much it is, not the square of that."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from keys.statements.envelopes import Statement
from member.statements import authority, succession
from member.statements.succession import refresh_keyring
from member.transport.exchange_client import ExchangeClient
from member.vault.store import Vault
from schemas.statements import StatementEnvelope
from tests.keys.factories import make_member, make_root, sign

ENVELOPES = [sign(make_member(f"bank-{number}").statement) for number in range(24)]


class Shown:
    """An exchange that shows so many statements."""

    def __init__(self, count: int) -> None:
        self.count = count

    def statements(self) -> list[StatementEnvelope]:
        return ENVELOPES[: self.count]


@pytest.mark.parametrize("times", [1, 2])
def test_every_statement_shown_is_read_as_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """At the first time, when all are new, and at the next, when all are known."""
    reads: list[int] = []

    def counted(envelope: StatementEnvelope) -> Statement:
        reads[-1] += 1
        return read(envelope)

    read = authority.head_of
    monkeypatch.setattr(succession, "head_of", counted)
    for count in (12, 24):
        with Vault.create(tmp_path / f"{count}.sqlite", bytes(32), "bank-1") as vault:
            exchange = cast(ExchangeClient, Shown(count))
            for _ in range(times):
                reads.append(0)
                keyring = refresh_keyring(make_root(), vault, exchange, lambda _: None, lambda _: None)
                assert len(list(keyring.members())) == count
    few, many = reads[times - 1], reads[-1]
    assert few <= 3 * 12
    assert many == 2 * few
