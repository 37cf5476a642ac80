"""Sealing a whole vault anew under its next key, whole or not at all.

Each payload is opened under the old key at its place and sealed under the new one at the place that its new look-up
makes; look-ups are renewed without knowing what they stand for (member.vault.cipher, rule 5). What does not open stops
everything. Rows are read a batch at a time, in the order of their tables' keys, which do not change.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from member.vault.cipher import VaultCipher
from member.vault.rows import place_of, place_of_source, place_of_token
from member.vault.store import Vault, place_of_record

_BATCH = 1000


def change_key(vault: Vault, vault_key: bytes) -> None:
    """Put the vault under the key that follows its own. Inside a transaction of the caller, who opens it with the new
    key from then on. VaultTamperedError for a row that does not open: then nothing may change.
    """
    move = _Move(vault.connection, vault.cipher, VaultCipher(vault_key))
    move.indicators()
    move.sources()
    move.tokens()
    move.records()


def clear_journal(vault: Vault) -> bool:
    """Take what the old key opens out of free pages and the journal; whether it is out. It is not while another program
    reads or writes, and then goes with the last one that closes the vault.
    """
    try:
        vault.connection.execute("VACUUM")
        (is_busy, _, _) = vault.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        return False
    return not is_busy


@dataclass(frozen=True)
class _Move:
    connection: sqlite3.Connection
    old: VaultCipher
    new: VaultCipher

    def indicators(self) -> None:
        chosen = "SELECT indicator_id, lookup, payload FROM indicators WHERE indicator_id > ? ORDER BY 1 LIMIT ?"
        changed = "UPDATE indicators SET lookup = ?, payload = ? WHERE indicator_id = ?"
        for rows in self._batches(chosen, 1):
            self._change(
                changed, [(*self._seal("indicators", partial(place_of, row[0]), *row[1:]), row[0]) for row in rows]
            )

    def sources(self) -> None:
        chosen = "SELECT source_id, indicator_id, lookup, payload FROM sources WHERE source_id > ? ORDER BY 1 LIMIT ?"
        changed = "UPDATE sources SET lookup = ?, payload = ? WHERE source_id = ?"
        for rows in self._batches(chosen, 1):
            self._change(changed, [self._source(*row) for row in rows])

    def _source(self, source_id: int, indicator_id: int, lookup: bytes, payload: bytes) -> tuple[Any, ...]:
        fresh = self._seal("sources", lambda at: place_of_source(source_id, at, indicator_id), lookup, payload)
        return (*fresh, source_id)

    def tokens(self) -> None:
        chosen = (
            "SELECT indicator_id, epoch, lookup, payload FROM tokens WHERE (indicator_id, epoch) > (?, ?)"
            " ORDER BY indicator_id, epoch LIMIT ?"
        )
        changed = "UPDATE tokens SET lookup = ?, payload = ? WHERE indicator_id = ? AND epoch = ?"
        for rows in self._batches(chosen, 2):
            self._change(changed, [self._token(*row) for row in rows])

    def _token(self, indicator_id: int, epoch: int, lookup: bytes, payload: bytes) -> tuple[Any, ...]:
        fresh = self._seal("tokens", partial(place_of_token, epoch, indicator_id), lookup, payload)
        return (*fresh, indicator_id, epoch)

    def records(self) -> None:
        """Their look-up is their key: the old ones are listed first."""
        listed = self.connection.execute("SELECT kind, lookup FROM records").fetchall()
        for kind, lookup in listed:
            (payload,) = self.connection.execute(
                "SELECT payload FROM records WHERE kind = ? AND lookup = ?", (kind, lookup)
            ).fetchone()
            fresh = self._seal("records", partial(place_of_record, kind), lookup, payload)
            changed = "UPDATE records SET lookup = ?, payload = ? WHERE kind = ? AND lookup = ?"
            self.connection.execute(changed, (*fresh, kind, lookup))

    def _batches(self, query: str, keys: int) -> Iterator[list[tuple[Any, ...]]]:
        """Rows whose first columns are their key, in its order."""
        last: Sequence[int] = (-1,) * keys
        while rows := self.connection.execute(query, (*last, _BATCH)).fetchall():
            yield rows
            last = rows[-1][:keys]

    def _change(self, query: str, rows: list[tuple[Any, ...]]) -> None:
        self.connection.executemany(query, rows)

    def _seal(self, table: str, place: Callable[[bytes], bytes], lookup: bytes, payload: bytes) -> tuple[bytes, bytes]:
        renewed = self.new.renew(lookup)
        return renewed, self.new.seal(table, place(renewed), self.old.open(table, place(lookup), payload))
