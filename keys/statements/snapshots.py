"""Snapshots: a key holder's dated word on how far the registrars have come, so that hiding a statement is noticed.

The freshness role (in the sense of The Update Framework, its timestamp and snapshot roles) is delegated by the
registrars in their statement of the epoch: its holders, each by its `verify_key`. A snapshot is believed by these
rules:
1. It is signed by the key that the epoch's statement names for that holder.
2. It is canonical JSON of exactly its fields, at most 1,024 bytes.
3. It was not issued in the future (five minutes aside), is not past its end, and was not given longer than 31 days.
4. The same holder never said more before: an older root than seen, under the same root a lower number, or another
   digest under the same number, is refused.
Root (its version), number and digest are those of keys/statements/keyring.py over what the holder has in force.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from keys.signatures.ed25519 import SignatureError, SigningKey, verify_signature
from keys.signatures.strict import (
    require_fields,
    require_integer,
    require_literal,
    require_text,
    require_time,
)
from keys.statements.envelopes import MAX_ROOTS
from keys.statements.keyring import Keyring
from keys.statements.types import written
from schemas.holders import Holder, SignedSnapshot
from schemas.values.canonical import canonical_json, parse_canonical_json
from schemas.values.encoding import from_base64, to_base64, to_rfc3339

DOMAIN = b"exchange-snapshot-v1\0"
_TYPE = "snapshot"
LIFETIME = timedelta(days=7)
_LONGEST = timedelta(days=31)
_SKEW = timedelta(minutes=5)
_MAX_PAYLOAD_BYTES = 1024
_MAX_NUMBER = 2**53 - 1
"""The largest integer that JSON carries everywhere: far above the sum of the sequences of four million subjects."""
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


class SnapshotError(ValueError):
    """A snapshot is not believed; `reason` is a slug: malformed, signature, early, expired, rollback, conflict."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What `holder_id` had in force at `issued_at`: root, number and digest of its keyring. Until `valid_until`."""

    holder_id: str
    root: int
    number: int
    digest: str
    issued_at: datetime
    valid_until: datetime


def sign_snapshot(keyring: Keyring, holder_id: str, key: SigningKey, now: datetime) -> SignedSnapshot:
    """A holder's snapshot of its keyring, good for seven days."""
    issued_at = now.replace(microsecond=now.microsecond // 1000 * 1000)
    snapshot = Snapshot(
        holder_id, keyring.roots.version, keyring.number, keyring.digest, issued_at, issued_at + LIFETIME
    )
    payload = canonical_json({"type": _TYPE, **written(snapshot)})
    return SignedSnapshot(payload=to_base64(payload), signature=to_base64(key.sign(DOMAIN + payload)))


def verify_snapshot(received: SignedSnapshot, holder: Holder, now: datetime | None) -> Snapshot:
    """The snapshot that was received, by rules 1 to 3; without `now`, what it said at all. Raises SnapshotError."""
    try:
        payload = from_base64(require_text(received.payload, 4 * _MAX_PAYLOAD_BYTES // 3 + 4))
        signature = from_base64(require_text(received.signature, 88), 64)
    except ValueError as error:
        raise SnapshotError("malformed", f"snapshot: {error}") from None
    try:
        verify_signature(holder.verify_key, DOMAIN + payload, signature)
    except SignatureError:
        raise SnapshotError("signature", f"the snapshot is not signed by {holder.holder_id}") from None
    snapshot = _read(payload, holder.holder_id)
    if now is None:
        return snapshot
    if snapshot.issued_at > now + _SKEW:
        raise SnapshotError("early", "the snapshot is of a time to come: check this machine's clock")
    if now >= snapshot.valid_until:
        raise SnapshotError("expired", f"the snapshot ended at {to_rfc3339(snapshot.valid_until)}")
    return snapshot


def check_progress(seen: Snapshot | None, offered: Snapshot) -> None:
    """Rule 4. Raises SnapshotError."""
    if seen is None:
        return
    if offered.root < seen.root:
        raise SnapshotError("rollback", f"it vouched for root {seen.root} before, and for root {offered.root} now")
    if offered.root == seen.root and offered.number < seen.number:
        raise SnapshotError("rollback", f"it vouched for number {seen.number} before, and for {offered.number} now")
    if (offered.root, offered.number) == (seen.root, seen.number) and offered.digest != seen.digest:
        raise SnapshotError("conflict", f"it vouches for two states under the number {seen.number}")


def _read(payload: bytes, holder_id: str) -> Snapshot:
    try:
        body = require_fields(parse_canonical_json(payload), "type", *(each.name for each in fields(Snapshot)))
        require_literal(body["type"], _TYPE)
        require_literal(body["holder_id"], holder_id)
        snapshot = Snapshot(
            holder_id,
            require_integer(body["root"], 1, MAX_ROOTS),
            require_integer(body["number"], 0, _MAX_NUMBER),
            require_text(body["digest"], 64),
            require_time(body["issued_at"]),
            require_time(body["valid_until"]),
        )
    except ValueError as error:
        raise SnapshotError("malformed", f"snapshot: {error}") from None
    if len(payload) > _MAX_PAYLOAD_BYTES or not _DIGEST.fullmatch(snapshot.digest):
        raise SnapshotError("malformed", "snapshot: too long, or no SHA-256 digest")
    if not timedelta(0) < snapshot.valid_until - snapshot.issued_at <= _LONGEST:
        raise SnapshotError("malformed", f"snapshot: expected a life of at most {_LONGEST.days} days")
    return snapshot
