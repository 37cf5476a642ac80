"""All rows of a database as lines of JSON, and back: the content of a backup, the same for SQLite and PostgreSQL.

The lines, in order:
1. the head, an object: what the archive is of (the caller's own fields), and its format;
2. for each table, parents before children: `{"table", "columns": [[name, kind]…]}`; each row as an array in the order
   of the columns; `{"rows", "sha256"}`, the digest (hex) being over the row lines with their ends;
3. `{"end": true, "tables", "rows"}`.
Kinds are `bytes` (base64), `text`, `integer`, `time` (RFC 3339, UTC) and `date`; any value may be null.

Tables are taken as the database has them, not as the code knows them, so that a database can be backed up before it is
upgraded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, BinaryIO, TypeVar, cast

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Date,
    LargeBinary,
    MetaData,
    Select,
    Text,
    column,
    func,
    insert,
    inspect,
    select,
    table,
    text,
)

from edge.columns import UtcDateTime

FORMAT = "exchange-backup-v1"
VERSION_TABLE = "alembic_version"
LONGEST_LINE = 256 * 1024 * 1024
_BATCH = 2_000

_KINDS: dict[str, tuple[Any, Any]] = {
    "bytes": (bytes, LargeBinary()),
    "text": (str, Text()),
    "integer": (int, BigInteger()),
    "time": (datetime, UtcDateTime()),
    "date": (date, Date()),
    "yes or no": (bool, Boolean()),
}


class ArchiveHead(msgspec.Struct, frozen=True, kw_only=True):
    """The first line; a caller adds what its archive is of."""

    format: str = FORMAT


class _Opening(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The line before a table's rows, or the last line."""

    table: str | None = None
    columns: list[tuple[str, str]] | None = None
    end: bool | None = None
    tables: int | None = None
    rows: int | None = None


class _Closing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The line behind a table's rows."""

    rows: int
    sha256: str


_Head = TypeVar("_Head", bound=ArchiveHead)
_Line = TypeVar("_Line", ArchiveHead, _Opening, _Closing)


class ArchiveError(Exception):
    """The archive is not one, or is damaged; the message says what was found."""


@dataclass(frozen=True, slots=True)
class ArchivedTable:
    """A table's name and its columns, as (name, kind)."""

    name: str
    columns: tuple[tuple[str, str], ...]

    def clause(self) -> Any:
        """The table for statements, with the types of its kinds."""
        return table(self.name, *(column(name, _KINDS[kind][1]) for name, kind in self.columns))

    def decoder(self) -> msgspec.json.Decoder[tuple[Any, ...]]:
        """Reads one row line, strictly."""
        types = tuple(_KINDS[kind][0] | None for _, kind in self.columns)
        return msgspec.json.Decoder(cast("type[tuple[Any, ...]]", tuple[types]))  # type: ignore[valid-type]


@dataclass(frozen=True, slots=True)
class Totals:
    """How many rows each table has."""

    tables: dict[str, int]

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(self.tables.values())


def list_tables(connection: Connection) -> list[ArchivedTable]:
    """The tables of the database, parents before children, but for the one that names its revision."""
    metadata = MetaData()
    metadata.reflect(connection)
    return [
        ArchivedTable(str(found.name), tuple((str(part.name), _kind_of(part.type)) for part in found.columns))
        for found in metadata.sorted_tables
        if found.name != VERSION_TABLE
    ]


def _kind_of(column_type: Any) -> str:
    python = column_type.python_type
    for kind, (known, _) in _KINDS.items():
        if python is known:
            return kind
    raise ArchiveError(f"a column of type {column_type} cannot be archived")


def write_archive(connection: Connection, head: ArchiveHead, write: Callable[[bytes], object]) -> Totals:
    """Write everything that the connection's transaction sees, under the caller's head."""
    counts: dict[str, int] = {}
    write(_line(head))
    for archived in list_tables(connection):
        write(_line({"table": archived.name, "columns": archived.columns}))
        digest = hashlib.sha256()
        count = 0
        rows = connection.execution_options(yield_per=_BATCH).execute(select(archived.clause()))
        for row in rows:
            line = _line(tuple(row))
            digest.update(line)
            write(line)
            count += 1
        write(_line({"rows": count, "sha256": digest.hexdigest()}))
        counts[archived.name] = count
    totals = Totals(counts)
    write(_line({"end": True, "tables": len(counts), "rows": totals.rows}))
    return totals


def read_head(source: BinaryIO, head_type: type[_Head]) -> _Head:
    """The head of an archive as its caller wrote it. Raises ArchiveError."""
    line = source.readline(LONGEST_LINE)
    if _read(line, ArchiveHead).format != FORMAT:
        raise ArchiveError(f"it is not an archive of the format {FORMAT}")
    try:
        return msgspec.json.decode(line, type=head_type)
    except msgspec.ValidationError:
        raise ArchiveError("its head is not one of a backup") from None


def read_tables(
    source: BinaryIO, take: Callable[[ArchivedTable, list[tuple[Any, ...]]], None] = lambda _table, _rows: None
) -> Totals:
    """Read all tables after the head, giving `take` their rows in batches; every count and digest is checked.

    Raises ArchiveError; what `take` was given before that must not be kept.
    """
    counts: dict[str, int] = {}
    while (opening := _read(source.readline(LONGEST_LINE), _Opening)).table is not None:
        archived = _table_of(opening)
        if archived.name in counts:
            raise ArchiveError(f"the table {archived.name} comes twice")
        counts[archived.name] = _read_rows(source, archived, take)
    totals = Totals(counts)
    if opening != _Opening(end=True, tables=len(counts), rows=totals.rows) or source.read(1):
        raise ArchiveError("it does not end as an archive ends")
    return totals


def _read_rows(
    source: BinaryIO, archived: ArchivedTable, take: Callable[[ArchivedTable, list[tuple[Any, ...]]], None]
) -> int:
    decoder, digest, count = archived.decoder(), hashlib.sha256(), 0
    batch: list[tuple[Any, ...]] = []
    while (line := source.readline(LONGEST_LINE)).startswith(b"["):
        digest.update(line)
        count += 1
        try:
            batch.append(decoder.decode(line))
        except (msgspec.DecodeError, ValueError):
            raise ArchiveError(
                f"row {count} of the table {archived.name} does not have the format of its columns"
            ) from None
        if len(batch) == _BATCH:
            take(archived, batch)
            batch = []
    if batch:
        take(archived, batch)
    if _read(line, _Closing) != _Closing(count, digest.hexdigest()):
        raise ArchiveError(f"the rows of the table {archived.name} are not those that were archived")
    return count


def _table_of(opening: _Opening) -> ArchivedTable:
    if opening.columns is None:
        raise ArchiveError("a table has no columns")
    archived = ArchivedTable(str(opening.table), tuple(opening.columns))
    if any(kind not in _KINDS for _, kind in archived.columns):
        raise ArchiveError(f"the table {archived.name} has a column of an unknown kind")
    return archived


def _read(line: bytes, line_type: type[_Line]) -> _Line:
    try:
        return msgspec.json.decode(line, type=line_type)
    except msgspec.DecodeError:
        raise ArchiveError("it is cut short or damaged") from None


def _line(value: Any) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def load_archive(connection: Connection, source: BinaryIO) -> Totals:
    """Insert all rows of an archive, after its head, into tables that are there and empty. Raises ArchiveError."""
    expected = {archived.name: frozenset(archived.columns) for archived in list_tables(connection)}

    def take(archived: ArchivedTable, rows: list[tuple[Any, ...]]) -> None:
        if expected.get(archived.name) != frozenset(archived.columns):
            raise ArchiveError(f"this program has no table {archived.name} of these columns")
        names = [name for name, _ in archived.columns]
        connection.execute(insert(archived.clause()), [dict(zip(names, row, strict=True)) for row in rows])

    totals = read_tables(source, take)
    if missing := expected.keys() - totals.tables.keys():
        raise ArchiveError(f"the table {min(missing)} is missing")
    if connection.dialect.name != "sqlite":
        _advance_sequences(connection)
    return totals


def _advance_sequences(connection: Connection) -> None:
    """PostgreSQL counts serials beside the table: let them go on after the highest."""
    for archived in list_tables(connection):
        for part in inspect(connection).get_columns(archived.name):
            if "nextval(" in (part.get("default") or ""):
                highest: Select[tuple[Any]] = select(func.max(column(part["name"]))).select_from(archived.clause())
                sequence = func.pg_get_serial_sequence(archived.name, part["name"])
                value = connection.execute(highest).scalar_one()
                connection.execute(select(func.setval(sequence, value or 1, value is not None)))


def table_count(connection: Connection) -> int:
    """How many tables the database has, any tables."""
    return len(inspect(connection).get_table_names())


def stored_revision(connection: Connection) -> str | None:
    """The revision of the tables, None where there are none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    return found
