"""The tables of the transparency log.

`log_entries` is content: written with the disclosure, erasable in its view and salts. `log_pending` is the queue
between the two. The others are the tree: rows are inserted and never changed, and PRIMARY KEY (idx) leaves no room
for a second history.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base

# SQLite keeps rows by number only under its own name for the type.
_Number = BigInteger().with_variant(Integer, "sqlite")


class LogEntry(Base):
    """One party's entry of one event: 33 bytes that are a leaf, and the view they commit to, until erased."""

    __tablename__ = "log_entries"
    __table_args__ = (Index("ix_log_entries_event_id", "event_id"),)

    entry_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(36))
    member_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(64))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    entry: Mapped[bytes] = mapped_column(LargeBinary(33))
    view: Mapped[bytes | None] = mapped_column(LargeBinary)
    salt: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    core_salt: Mapped[bytes | None] = mapped_column(LargeBinary(32))


class LogPending(Base):
    """An entry that waits for its place in the tree, in its member's own queue.

    Tickets order the entries of one queue at one tick. They are never compared with those of entries that have their
    place: they commit out of order.
    """

    __tablename__ = "log_pending"
    __table_args__ = (Index("ix_log_pending_member_id", "member_id", "ticket"),)

    ticket: Mapped[int] = mapped_column(_Number, primary_key=True, autoincrement=True)
    entry_id: Mapped[str] = mapped_column(String(36), unique=True)
    member_id: Mapped[str] = mapped_column(String(64))


class LogLane(Base):
    """That a member has a leaf at every tick, from its first entry on, for ever."""

    __tablename__ = "log_lanes"

    member_id: Mapped[str] = mapped_column(String(64), primary_key=True)


class LogLeaf(Base):
    """The 33 bytes at one index of the tree: an entry, a batch of them, or padding."""

    __tablename__ = "log_leaves"

    idx: Mapped[int] = mapped_column(_Number, primary_key=True, autoincrement=False)
    entry: Mapped[bytes] = mapped_column(LargeBinary(33))


class LogNumber(Base):
    """The running number of an entry among its member's, the index of the leaf that holds it, and the chain head after
    it.
    """

    __tablename__ = "log_numbers"
    __table_args__ = (Index("ix_log_numbers_member_id", "member_id", "idx"),)

    member_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(_Number, primary_key=True, autoincrement=False)
    entry_id: Mapped[str] = mapped_column(String(36), unique=True)
    idx: Mapped[int] = mapped_column(_Number)
    chain_head: Mapped[bytes] = mapped_column(LargeBinary(32))


class LogTile(Base):
    """A full tile: 256 hashes (8,192 bytes), and their root, which is one hash of the level above."""

    __tablename__ = "log_tiles"

    level: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    tile: Mapped[int] = mapped_column(_Number, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes] = mapped_column(LargeBinary(8192))
    root: Mapped[bytes] = mapped_column(LargeBinary(32))


class LogCheckpoint(Base):
    """The signed head of each tick, as its note."""

    __tablename__ = "log_checkpoints"

    size: Mapped[int] = mapped_column(_Number, primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)
    signed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LogPublication(Base):
    """That a checkpoint is in the head file outside the database, and may be shown to the world."""

    __tablename__ = "log_publications"

    size: Mapped[int] = mapped_column(_Number, primary_key=True, autoincrement=False)
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LogDayHead(Base):
    """That a member's head of a day is on record: one for each member and day."""

    __tablename__ = "log_day_heads"

    member_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
