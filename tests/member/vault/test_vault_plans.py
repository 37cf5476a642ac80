"""No statement of the vault reads more as the vault grows, but those that list or count all that it holds.

Its file is SQLite's wherever the exchange keeps its own. What is looked at is every call in the member's program that
executes a statement; a new call must be exercised here too.
"""

from __future__ import annotations

import ast
import re
import sqlite3
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import pytest

import member
from keys.oprf.tokens import Token
from member.tokens.holder_conduct import Conduct
from member.tokens.kept_conduct import VaultConductStore
from member.vault import schema
from member.vault.rekey import change_key, clear_journal
from member.vault.rows import VaultRows
from member.vault.store import Vault
from member.vault.uploads import Upload, Uploads
from tests.exchange.factories import stated_envelope
from tests.member.vault.test_vault import CANARY, KEY, own_row
from tests.plans import growing_reads, is_planned, without_values

TOKEN = Token(bytes(32), bytes(32))
SOURCES = Path(member.__file__).parent
LAYS_OUT = SOURCES / "vault" / "schema.py"
"""Makes the tables, and reads no row."""
ALLOWED = {
    "SELECT lookup, payload FROM records WHERE kind = ? ORDER BY lookup": "lists a kind of records",
    "DELETE FROM records WHERE kind = ?": "drops a kind of records",
    "SELECT ? FROM records WHERE kind = ?": "one row, of the vault's owner",
    "SELECT kind, lookup FROM records": "the vault's key is changed: everything is sealed anew",
    "SELECT indicator_id FROM indicators i WHERE EXISTS": "lists all that the member holds",
    "SELECT count(*) FROM indicators i WHERE EXISTS": "counts all that the member holds",
}
"""How a statement begins, and why it may grow."""


@dataclass
class Noted:
    """The statements of each form that the vaults of a test were sent, and the places that sent any."""

    statements: dict[str, str] = field(default_factory=dict)
    places: set[tuple[str, int]] = field(default_factory=set)

    def note(self, statement: str) -> None:
        """Called by SQLite before it executes one."""
        frame: FrameType | None = sys._getframe(1)
        assert frame is not None
        self.places.add((frame.f_code.co_filename, frame.f_lineno))
        if is_planned(statement):
            self.statements.setdefault(without_values(statement), statement)


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Noted:
    found, connect = Noted(), schema.connect

    def connect_and_note(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.set_trace_callback(found.note)
        return connection

    monkeypatch.setattr(schema, "connect", connect_and_note)
    return found


def use_rows(vault: Vault) -> None:
    rows = VaultRows(vault)
    rows.store([own_row(), own_row(reference="ref-2")], "open", 1)
    rows.store_tokens(1, {(lookup := rows.lookup("bank_account", CANARY)): TOKEN})
    rows.take_over([own_row(submission="s-2")], "open", 1)
    # As many as one statement takes: with few, SQLite chooses the right order by itself.
    absent = [number.to_bytes(16, "big") for number in range(499)]
    assert rows.cached_tokens(1, [lookup, *absent]) == {lookup: TOKEN}
    assert [len(held) for held in rows.sources_of([lookup, *absent]).values()] == [2]
    assert [len(held) for held in rows.sources_of([lookup, *absent], with_duplicates=False).values()] == [2]
    assert rows.find_by_tokens([TOKEN.token])
    assert rows.find_token(TOKEN.token) == TOKEN
    assert rows.tokens_of("bank_account", CANARY) == [TOKEN.token]
    assert len(list(rows.every_row())) == 2
    assert (len(list(rows.every_indicator())), rows.count()) == (1, 1)
    Uploads(vault).begin(b"file", Upload("s-2", stated_envelope(), 1))
    with vault.transaction():
        Uploads(vault).keep_withdrawn("s-2", lookup, "error")
    assert Uploads(vault).why_withdrawn("s-2", lookup) == "error"
    rows.drop([own_row(reference="ref-2")], "open", 1)


def use_records(vault: Vault) -> None:
    VaultConductStore(vault, epoch=1, sequence=1).keep("holder-1", Conduct(losses=1))
    with vault.transaction():
        vault.put("hit", b"1", b"one")
        vault.delete("hit", b"1")
        vault.delete_all("hit")


def change_its_key(vault: Vault) -> None:
    with vault.transaction():
        change_key(vault, KEY + bytes(32))
    assert clear_journal(vault)


def test_no_statement_of_the_vault_grows_but_those_that_may(noted: Noted, tmp_path: Path) -> None:
    with Vault.create(tmp_path / "vault.sqlite", KEY, "a") as vault:
        for work in (use_rows, use_records, change_its_key):
            work(vault)
    assert [call for call in calls_of_the_program() if not call & noted.places] == [], "not executed here"
    with sqlite3.connect(tmp_path / "vault.sqlite") as connection:
        found = {form: growing_reads(connection, one) for form, one in noted.statements.items()}
    growing = {form: steps for form, steps in found.items() if steps}
    assert {form: steps for form, steps in growing.items() if not form.startswith(tuple(ALLOWED))} == {}
    assert [one for one in ALLOWED if not any(form.startswith(one) for form in growing)] == [], "need not be named"


def calls_of_the_program() -> list[set[tuple[str, int]]]:
    """Every call in the member's program that has a statement executed which reads or writes rows, by its lines."""
    found = []
    for path in sorted(SOURCES.rglob("*.py")):
        if path == LAYS_OUT:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if re.fullmatch(r"execute(many|script)?", node.func.attr) and _reads_rows(node.args[0]):
                found.append({(str(path), line) for line in range(node.lineno, (node.end_lineno or 0) + 1)})
    return found


def _reads_rows(statement: ast.expr) -> bool:
    return not (isinstance(statement, ast.Constant) and not is_planned(str(statement.value)))


@pytest.fixture
def rows(tmp_path: Path) -> VaultRows:
    return VaultRows(Vault.create(tmp_path / "vault.sqlite", KEY, "a"))


def test_a_read_of_every_token_of_an_epoch_would_be_found(rows: VaultRows) -> None:
    slow = (
        "SELECT * FROM records WHERE kind = 'hit'",
        "SELECT * FROM tokens WHERE epoch = 1",
        "SELECT count(*) FROM indicators",
    )
    assert all(growing_reads(rows._connection, one) for one in slow)
    assert not growing_reads(rows._connection, "SELECT * FROM tokens WHERE indicator_id = 1 AND epoch = 1")
