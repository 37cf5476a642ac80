"""Receipts: the exchange's signed word that it committed something and will have it in the log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import structs

from exchange.kernel.session import Database
from exchange.log.reading import read_waiting_entries
from keys.signatures.messages import SigningKey
from schemas.log import PromisedEntry
from schemas.submissions import RECEIPT_DOMAIN, SignedReceipt
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64, to_rfc3339


def sign_receipt(key: SigningKey, payload: Mapping[str, object]) -> SignedReceipt:
    """The receipt on the wire: payload and Ed25519 signature over domain and payload, both base64. After the commit
    only.
    """
    content = canonical_json(payload)
    return SignedReceipt(payload=to_base64(content), signature=to_base64(key.sign(RECEIPT_DOMAIN + content)))


def entry_receipt(key: SigningKey, entry: str, stated: dict[str, str], at: datetime, delay: int) -> SignedReceipt:
    """The receipt for one log entry (base64), which is `stated` by its event and member, committed at a time, and in
    the published log after `delay` seconds at the latest.
    """
    promise = {"entry": entry, "committed_at": to_rfc3339(at), "maximum_merge_delay_seconds": delay}
    return sign_receipt(key, {**stated, **promise})


def waiting_entries(
    database: Database, key: SigningKey, member_id: str, limit: int, *, after: str, delay: int
) -> list[PromisedEntry]:
    """A member's entries that wait for their place in the tree, readable at once, each with its receipt; those
    whose ids follow `after`, so many at most.
    """
    with database.reading() as session:
        found = read_waiting_entries(session, member_id, limit, after)
    waiting = []
    for one, recorded_at in found:
        stated = {"event_id": one.event_id, "member_id": member_id}
        receipt = entry_receipt(key, one.entry, stated, recorded_at, delay)
        waiting.append(PromisedEntry(**structs.asdict(one), receipt=receipt))
    return waiting
