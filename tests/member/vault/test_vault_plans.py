"""No statement of the vault reads more as the vault grows, but those that list or count all that it holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keys.oprf.tokens import Token
from member.vault.rows import VaultRows
from member.vault.store import Vault
from tests.member.vault.test_vault import CANARY, KEY, own_row
from tests.plans import growing_reads, traced

TOKEN = Token(bytes(32), bytes(32))


@pytest.fixture
def rows(tmp_path: Path) -> VaultRows:
    return VaultRows(Vault.create(tmp_path / "vault.sqlite", KEY, "a"))


def store(rows: VaultRows) -> None:
    rows.store([own_row(), own_row(reference="ref-2")], "open", 1)
    rows.store_tokens(1, {rows.lookup("bank_account", CANARY): TOKEN})


def take_over(rows: VaultRows) -> None:
    rows.take_over([own_row(submission="s-2")], "open", 1)


def find(rows: VaultRows) -> None:
    assert rows.find_by_tokens([TOKEN.token])
    assert rows.find_token(TOKEN.token) == TOKEN
    assert rows.tokens_of("bank_account", CANARY) == [TOKEN.token]


def look_up(rows: VaultRows) -> None:
    lookup = rows.lookup("bank_account", CANARY)
    # As many as one statement takes: with few, SQLite chooses the right order by itself.
    absent = [number.to_bytes(16, "big") for number in range(499)]
    assert rows.cached_tokens(1, [lookup, *absent]) == {lookup: TOKEN}


def page(rows: VaultRows) -> None:
    assert len(list(rows.every_row())) == 2


@pytest.mark.parametrize("work", [page, store, take_over, find, look_up])
def test_what_a_row_costs_does_not_grow_with_the_vault(rows: VaultRows, work: Callable[[VaultRows], None]) -> None:
    store(rows)
    connection = rows._connection
    statements = traced(connection, lambda: work(rows))
    assert statements
    assert {one: found for one in statements if (found := growing_reads(connection, one))} == {}


def test_a_read_of_every_token_of_an_epoch_would_be_found(rows: VaultRows) -> None:
    slow = (
        "SELECT * FROM records WHERE kind = 'hit'",
        "SELECT * FROM tokens WHERE epoch = 1",
        "SELECT count(*) FROM indicators",
    )
    assert all(growing_reads(rows._connection, one) for one in slow)
    assert not growing_reads(rows._connection, "SELECT * FROM tokens WHERE indicator_id = 1 AND epoch = 1")
