"""Backing the exchange's database up into one encrypted file, while it serves.

1. One reading transaction sees one state: what was committed before it, nothing of what comes after.
2. The file is there whole, with mode 0600, or not at all; an existing one is never replaced.
3. It is encrypted under a passphrase of its own (age): tokens and metadata, though no identifiers, are in it.
4. No key is in it, nor the file with the last signed head: that one must not come back together with an old database.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from exchange.configuration.settings import Settings
from exchange.kernel.session import Database
from exchange.log.reading import read_checkpoint, read_status
from exchange.operations.archive import ArchiveHead, stored_revision, write_archive
from keys.custody.age_file import WORK, AgeWriter
from schemas.values.encoding import to_rfc3339

_COMPRESSION = 1  # tokens and hashes, most of it, do not compress


class BackupError(Exception):
    """There is no backup, or none can be made or restored; the message says what to do."""


class BackupHead(ArchiveHead, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of what an archive is: the exchange, the revision of its tables, and the published log (`log_checkpoint` is its
    signed note, None before the first tick).
    """

    exchange_id: str
    revision: str
    created_at: str
    log_origin: str
    log_size: int
    log_checkpoint: str | None


@dataclass(frozen=True, slots=True)
class Backup:
    """What was backed up: rows, tables, the published size of the log, the file's size in bytes."""

    revision: str
    tables: int
    rows: int
    log_size: int
    file_bytes: int


def back_up_database(
    database: Database, settings: Settings, file: Path, passphrase: bytes, now: datetime, *, work: int = WORK
) -> Backup:
    """Write the backup to a new `file`; 2^`work` is the cost of trying a passphrase. Raises BackupError."""
    with _new_private_file(file) as stream:
        writer = AgeWriter(stream, passphrase, work)
        with (
            database.reading() as session,
            gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=writer, mtime=0) as packed,
        ):
            connection = session.connection()
            revision = stored_revision(connection)
            if revision is None:
                raise BackupError("the database has no tables: there is nothing to back up")
            size = read_status(session).size
            head = BackupHead(
                exchange_id=settings.exchange_id,
                revision=revision,
                created_at=to_rfc3339(now),
                log_origin=settings.log_origin,
                log_size=size,
                log_checkpoint=read_checkpoint(session),
            )
            totals = write_archive(connection, head, packed.write)
        writer.finish()
        file_bytes = stream.tell()
    return Backup(revision, len(totals.tables), totals.rows, size, file_bytes)


@contextlib.contextmanager
def _new_private_file(file: Path) -> Iterator[BinaryIO]:
    """A stream whose content is at `file`, on disk, when the block ends, and nowhere if it raises."""
    if file.exists():
        raise BackupError(f"{file} exists already: name a new file")
    beside = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.link(beside, file)  # unlike a renaming it refuses to replace a file that has come meanwhile
        _sync_folder(file.parent)
    except FileExistsError:
        raise BackupError(f"{file} exists already: name a new file") from None
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)  # else the name may be lost in a crash
    finally:
        os.close(descriptor)
