"""Restoring a backup, into an empty database of either kind.

In order; what fails leaves the database as it was, empty:
1. The whole archive is read and verified: authentic, every count and digest, of this exchange and its log, of a
   revision that this version knows.
2. The database must have no tables.
3. Tables of the archive's revision, all rows, and the upgrade to the present revision are one transaction: a restore
   that is killed leaves nothing.
4. The restored log is compared with the last signed head, which lies outside the database. If the log is behind, it
   is not signed again (exchange.log.sequencer): entries that members hold receipts for are missing.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import BinaryIO, cast

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from exchange.configuration.settings import Settings
from exchange.kernel.leases import LeaseRow
from exchange.kernel.session import Database
from exchange.log.head_file import read_head_note
from exchange.log.tables import LogCheckpoint
from exchange.operations.archive import ArchiveError, Totals, load_archive, read_head, read_tables, table_count
from exchange.operations.back_up import BackupError, BackupHead
from keys.custody.age_file import AgeFileError, AgeReader
from migrations.upgrade import hold_upgrade_lock, known_revisions, upgrade_within
from tlog.checkpoint import open_checkpoint
from tlog.notes import NoteError, parse_verifier_key


class LogState(Enum):
    """How a database stands to the last signed head of its log."""

    CONTINUES = "continues"
    BEHIND = "behind"
    FORKED = "forked"
    NO_HEAD = "no_head"


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What was restored, from when, and how its log stands to the last signed head (None without one)."""

    created_at: str
    rows: int
    tables: int
    log_size: int
    head_size: int | None
    log_state: LogState


def restore_database(database: Database, settings: Settings, file: Path, passphrase: bytes) -> RestoreResult:
    """Restore the backup in `file`. Raises BackupError; then the database is what it was."""
    with _opened(file, passphrase) as archive:
        head = _verify(archive, settings)
        totals = _load(database, archive, head)
    with database.reading() as session:
        state, head_size = compare_with_head(session, settings)
    return RestoreResult(head.created_at, totals.rows, len(totals.tables), head.log_size, head_size, state)


def compare_with_head(session: Session, settings: Settings) -> tuple[LogState, int | None]:
    """How the database's log stands to the last signed head, and that head's size. Raises LogRefusedError for a head
    file that this log's key did not sign.
    """
    key = parse_verifier_key(settings.log_vkey)
    head = read_head_note(settings.head_file, settings.log_origin, key)
    if head is None:
        return LogState.NO_HEAD, None
    if head.size == 0:
        return LogState.CONTINUES, 0
    largest = session.scalar(select(LogCheckpoint.size).order_by(LogCheckpoint.size.desc()).limit(1)) or 0
    if largest < head.size:
        return LogState.BEHIND, head.size
    note = session.scalar(select(LogCheckpoint.note).where(LogCheckpoint.size == head.size))
    try:
        same = note is not None and open_checkpoint(note, settings.log_origin, [key]).checkpoint.root == head.root
    except NoteError:
        same = False
    return (LogState.CONTINUES if same else LogState.FORKED), head.size


class _Archive:
    """An archive that can be read twice without deriving its key twice."""

    def __init__(self, reader: AgeReader) -> None:
        self._reader = reader

    def content(self) -> BinaryIO:
        """The lines, from the beginning."""
        self._reader.restart()
        return cast(BinaryIO, io.BufferedReader(gzip.GzipFile(fileobj=self._reader, mode="rb"), 1 << 20))


@contextmanager
def _opened(file: Path, passphrase: bytes) -> Iterator[_Archive]:
    """The archive in a file, every failure of which is a BackupError."""
    try:
        with file.open("rb") as stream:
            yield _Archive(AgeReader(stream, passphrase))
    except (AgeFileError, ArchiveError) as error:
        raise BackupError(f"{file}: {error}. Nothing was restored") from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise BackupError(f"{file}: it is damaged or cut short. Nothing was restored") from None
    except OSError as error:
        raise BackupError(f"{file} cannot be read: {error.strerror}") from None


def _verify(archive: _Archive, settings: Settings) -> BackupHead:
    """The head of an archive that is whole, and of this exchange."""
    content = archive.content()
    head = read_head(content, BackupHead)
    if (head.exchange_id, head.log_origin) != (settings.exchange_id, settings.log_origin):
        raise ArchiveError(
            f"it is a backup of the exchange {head.exchange_id} with the log {head.log_origin}, and this is "
            f"{settings.exchange_id} with {settings.log_origin}"
        )
    if head.revision not in known_revisions():
        raise ArchiveError(
            f"its tables are of revision {head.revision}, which this version does not know: install the version "
            "that made it, or a newer one"
        )
    read_tables(content)
    return head


def _load(database: Database, archive: _Archive, head: BackupHead) -> Totals:
    with database.engine.begin() as connection:
        hold_upgrade_lock(connection)
        if table_count(connection):
            raise BackupError(
                "the database is not empty: a backup is restored into an empty one only. Name a new database in the "
                "settings (or, for SQLite, move the file and its -wal and -shm away), then restore again"
            )
        upgrade_within(connection, head.revision)
        content = archive.content()
        if read_head(content, BackupHead) != head:
            raise ArchiveError("it was changed while it was read")
        totals = load_archive(connection, content)
        upgrade_within(connection)
        # Whoever held a lease when the backup was made does not work on this database.
        connection.execute(update(LeaseRow).values(expires_at=datetime(1970, 1, 1, tzinfo=UTC)))
    return totals
