"""Recording events: one entry for each party affected, in the transaction of the disclosure itself.

Rules, in order:
1. No entry, no disclosure: the caller records in the transaction that stores what is disclosed, and answers after
   its commit.
2. One view for each party; a view names no other party unless the rules of disclosure let its reader know.
3. Entries are salted commitments; the views of one event share its id and a salted digest of what happened (the
   core), so that the operator cannot tell two sides different stories, and neither side can guess the other's part
   from the digest.
4. No lock is taken, and no number given: that is the sequencer's.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from exchange.log.tables import LogEntry, LogPending
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_rfc3339
from schemas.values.identifiers import uuid7
from tlog.entries import SALT_BYTES, entry_commitment

COMMON_FIELDS = frozenset({"event_id", "kind", "member_id", "recorded_at", "core_digest"})
"""What every view carries; a body must not."""

_CORE_DOMAIN = b"exchange-event-core-v1\x00"


@dataclass(frozen=True)
class View:
    """What one member is to read of an event. `body` is JSON without floats; COMMON_FIELDS are added to it."""

    member_id: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class RecordedEvent:
    """An event on record, and each affected member's 33-byte entry (for receipts)."""

    event_id: str
    entries: Mapping[str, bytes]


def record_event(
    session: Session, kind: str, views: Sequence[View], now: datetime, core: Mapping[str, Any] | None = None
) -> RecordedEvent:
    """Store an event's entries and queue them for the tree, in the caller's transaction.

    `core` is what happened, the same for all; only its salted digest reaches the views. Raises ValueError for no
    view, two views of one member, or a body that uses a common field or has no canonical form.
    """
    members = [view.member_id for view in views]
    if not members or len(set(members)) != len(members):
        raise ValueError("an event has one view for each member affected, and at least one")
    event_id, core_salt = uuid7(), secrets.token_bytes(SALT_BYTES)
    common = {
        "event_id": event_id,
        "kind": kind,
        "recorded_at": to_rfc3339(now),
        "core_digest": core_digest(core_salt, {"event_id": event_id, "kind": kind, "core": core}).hex(),
    }
    rows = [_entry_row(view, common, now, core_salt) for view in views]
    session.execute(insert(LogEntry.__table__), rows)  # type: ignore[arg-type]
    waiting = [{"entry_id": row["entry_id"], "member_id": row["member_id"]} for row in rows]
    session.execute(insert(LogPending.__table__), waiting)  # type: ignore[arg-type]
    return RecordedEvent(event_id, {row["member_id"]: row["entry"] for row in rows})


def core_digest(core_salt: bytes, core: Mapping[str, Any]) -> bytes:
    """SHA-256 over domain, 32-byte salt and canonical core. The salt is shown to a reviewer, never to a member."""
    return hashlib.sha256(_CORE_DOMAIN + core_salt + canonical_json(core)).digest()


def _entry_row(view: View, common: Mapping[str, str], now: datetime, core_salt: bytes) -> dict[str, Any]:
    taken = COMMON_FIELDS & view.body.keys()
    if taken:
        raise ValueError(f"a view's body must not carry {', '.join(sorted(taken))}")
    content = canonical_json({**view.body, **common, "member_id": view.member_id})
    salt = secrets.token_bytes(SALT_BYTES)
    return {
        "entry_id": uuid7(),
        "event_id": common["event_id"],
        "member_id": view.member_id,
        "kind": common["kind"],
        "recorded_at": now,
        "entry": entry_commitment(salt, content),
        "view": content,
        "salt": salt,
        "core_salt": core_salt,
    }
