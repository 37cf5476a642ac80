"""The vault: everything a member keeps to itself, in one SQLite file that is unreadable without the vault key.

Rules, in order:
1. The vault opens only with the key it was made with: a sealed check record must name this member.
2. What is written is sealed first (member.vault.cipher); nothing that identifies anyone reaches the file in the clear.
3. Writes happen in one BEGIN IMMEDIATE transaction per batch and are durable when it ends.
4. What does not open under its own place is a fault (VaultTamperedError), never skipped.

Not protected: whoever can write to the file can delete records or put back an older file whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from keys.custody.making import about_to_make_database, did_not_make
from member.errors import VaultError, VaultTamperedError, WrongKeyError
from member.next_steps import Act, Next
from member.vault import schema
from member.vault.cipher import VaultCipher

_CHECK = "check"
_RESTORE = "restore it from a backup"
_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What a spoiled file is met with: SQLite's own message may quote bytes of it that are no text."""


def _not_read(path: Path, error: Exception) -> VaultError:
    if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
        return VaultError("another process is busy with this vault", "try again when it has finished")
    return VaultError(f"{path} is not a readable vault", _RESTORE)


def place_of_record(kind: str, lookup: bytes) -> bytes:
    """Where a record is sealed to."""
    return kind.encode() + lookup


class Vault:
    """An open vault. Use it as a context manager, from one thread."""

    def __init__(self, connection: sqlite3.Connection, cipher: VaultCipher) -> None:
        self.connection = connection
        self.cipher = cipher

    @classmethod
    def create(cls, path: Path, vault_key: bytes, member_id: str, mode: int = 0o600) -> Self:
        """Make a new vault at `path`, with a mode that its side files get too. VaultError if something is there."""
        about_to_make_database(path)
        try:
            path.touch(mode=0o600, exist_ok=False)
            path.chmod(mode)
        except FileExistsError:
            did_not_make(path)
            raise VaultError(f"there is a vault at {path} already", "choose another home") from None
        vault = cls(schema.connect(path), VaultCipher(vault_key))
        schema.create_tables(vault.connection)
        with vault.transaction():
            vault.put(_CHECK, b"member", member_id.encode())
        return vault

    @classmethod
    def open(cls, path: Path, vault_key: bytes, member_id: str) -> Self:
        """Open the vault of `member_id`. VaultError if there is none, if another process keeps it busy;
        WrongKeyError if it is another member's, or for a wrong key.
        """
        if not path.is_file():
            raise VaultError(f"there is no vault at {path}", "make a home", then=Next(Act.MAKE_HOME))
        try:
            connection = schema.connect(path)
        except _UNREADABLE as error:
            raise _not_read(path, error) from error
        vault = cls(connection, VaultCipher(vault_key))
        try:
            vault._check_owner(path, member_id)
        except BaseException:
            vault.close()
            raise
        return vault

    def _check_owner(self, path: Path, member_id: str) -> None:
        try:
            if not schema.is_current(self.connection):
                raise VaultError(f"{path} is not a vault of this version", _RESTORE)
            owner = self.get(_CHECK, b"member")
        except VaultTamperedError:
            owner = None
        except _UNREADABLE as error:
            raise _not_read(path, error) from error
        if owner != member_id.encode():
            raise WrongKeyError(
                "the vault does not open with this key", "it belongs to another member, or was replaced"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; sealed data only remain on disk."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One durable write: all of it or nothing. VaultError if another process keeps the vault busy for 5 s."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise VaultError("another process is writing to this vault", "try again when it has finished") from error
        try:
            self._check_key()
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def _check_key(self) -> None:
        """VaultError if the vault has come under another key since it was opened: what is written now would be lost."""
        own = self.cipher.lookup(f"record/{_CHECK}", b"member")
        query = "SELECT 1 FROM records WHERE kind = ? AND lookup = ?"
        if self.connection.execute(query, (_CHECK, own)).fetchone() is not None:
            return
        # A vault that is being made has none yet.
        if self.connection.execute("SELECT 1 FROM records WHERE kind = ?", (_CHECK,)).fetchone() is not None:
            raise VaultError("the vault's key was changed meanwhile", "give the command again")

    def put(self, kind: str, name: bytes, payload: bytes) -> None:
        """Set the record `name` of a kind. Inside a transaction of the caller."""
        lookup = self.cipher.lookup(f"record/{kind}", name)
        sealed = self.cipher.seal("records", place_of_record(kind, lookup), payload)
        statement = "INSERT OR REPLACE INTO records (kind, lookup, payload) VALUES (?, ?, ?)"
        self.connection.execute(statement, (kind, lookup, sealed))

    def get(self, kind: str, name: bytes) -> bytes | None:
        """The record `name` of a kind, or None."""
        lookup = self.cipher.lookup(f"record/{kind}", name)
        query = "SELECT payload FROM records WHERE kind = ? AND lookup = ?"
        row = self.connection.execute(query, (kind, lookup)).fetchone()
        return None if row is None else self.cipher.open("records", place_of_record(kind, lookup), row[0])

    def delete(self, kind: str, name: bytes) -> None:
        """Drop the record `name` of a kind, if it is there. Inside a transaction of the caller."""
        lookup = self.cipher.lookup(f"record/{kind}", name)
        self.connection.execute("DELETE FROM records WHERE kind = ? AND lookup = ?", (kind, lookup))

    def delete_all(self, kind: str) -> None:
        """Drop every record of a kind. Inside a transaction of the caller."""
        self.connection.execute("DELETE FROM records WHERE kind = ?", (kind,))

    def all(self, kind: str) -> Iterator[bytes]:
        """Every record of a kind, in no meaningful order."""
        query = "SELECT lookup, payload FROM records WHERE kind = ? ORDER BY lookup"
        for lookup, sealed in self.connection.execute(query, (kind,)):
            yield self.cipher.open("records", place_of_record(kind, lookup), sealed)

    def copy_to(self, path: Path) -> None:
        """A consistent copy of the file, sealed as it is, also while others write. VaultError if `path` exists."""
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            raise VaultError(f"{path} exists already", "name a new file") from None
        target = sqlite3.connect(path)
        try:
            self.connection.backup(target)
        finally:
            target.close()
