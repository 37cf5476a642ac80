"""Own log entries that wait for their place in the tree: readable at once, and promised by a receipt.

Rules for each, in order; the first broken one is a LogFault that names the entry:
1. the receipt is signed by the receipt key in the registrars' statement of the exchange;
2. it names this member, this event and these 33 bytes;
3. the 33 bytes commit to the view, which is addressed to this member and of the event named.
4. its promise falls due in time (member.log.receipts), and an earlier receipt for the event promises the same entry.
The first receipt is kept, whatever comes later, until the entry is in the verified log. What it promises is checked by
member.log.verify, as that of every receipt is: pending within the time that it grants, a fault afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from keys.signatures.ed25519 import SignatureError, verify_signature
from member.log.chain import LogFault, WaitingEntry, open_view
from member.log.receipts import LoggedReceipt, two_promises
from member.vault.store import Vault
from member.vault.uploads import Receipt
from schemas.submissions import RECEIPT_DOMAIN
from schemas.values.canonical import parse_canonical_json
from schemas.values.encoding import from_base64
from tlog.entries import ENTRY_BYTES

_KIND = "entry_receipt"


class WaitingEntries:
    """The receipts that a vault keeps of entries that had no place yet when they were read; of one log."""

    def __init__(self, vault: Vault, origin: str, member_id: str) -> None:
        self._vault, self._origin, self._member_id = vault, origin, member_id

    def take_in(self, rows: Iterable[Mapping[str, Any]], receipt_key: bytes, now: datetime) -> list[WaitingEntry]:
        """Check rows as GET /log/entries shows them under `waiting`, and keep the first receipt of each event; what
        each says. Raises LogFault.
        """
        opened = [self._open(row, receipt_key, now) for row in rows]
        others: list[LogFault] = []
        with self._vault.transaction():
            for one, receipt in opened:
                kept = self._kept(one.event_id)
                if kept is None:
                    content = msgspec.msgpack.encode((self._origin, receipt))
                    self._vault.put(_KIND, self._name(one.event_id), content)
                elif LoggedReceipt.from_payload(kept.payload).entry != one.entry:
                    others.append(two_promises(one.event_id, kept, receipt))
        if others:
            raise others[0]
        return [one for one, _ in opened]

    def receipts(self) -> Iterator[Receipt]:
        """Every receipt that is kept, of this log."""
        for payload in self._vault.all(_KIND):
            origin, receipt = _decoded(payload)
            if origin == self._origin:
                yield receipt

    def forget(self, event_ids: Collection[str]) -> None:
        """Forget the receipts of events whose entries are in the verified log."""
        with self._vault.transaction():
            for event_id in event_ids:
                self._vault.delete(_KIND, self._name(event_id))

    def _kept(self, event_id: str) -> Receipt | None:
        payload = self._vault.get(_KIND, self._name(event_id))
        return None if payload is None else _decoded(payload)[1]

    def _name(self, event_id: str) -> bytes:
        return f"{self._origin}|{event_id}".encode()

    def _open(self, row: Mapping[str, Any], receipt_key: bytes, now: datetime) -> tuple[WaitingEntry, Receipt]:
        event_id, entry_id = row.get("event_id"), row.get("entry_id")
        if not isinstance(event_id, str) or not isinstance(entry_id, str):
            raise LogFault("the exchange gives a waiting entry without id or event")
        where: Mapping[str, Any] = {"event_id": event_id, "entry_id": entry_id}
        try:
            entry = from_base64(row["entry"], ENTRY_BYTES)
            receipt = Receipt(from_base64(row["receipt"]["payload"]), from_base64(row["receipt"]["signature"], 64))
            verify_signature(receipt_key, RECEIPT_DOMAIN + receipt.payload, receipt.signature)
            stated = parse_canonical_json(receipt.payload)
            promise = LoggedReceipt.from_payload(receipt.payload)
            view = None if row["view"] is None else from_base64(row["view"])
            salt = None if row["salt"] is None else from_base64(row["salt"])
        except (SignatureError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise LogFault("its receipt or its content is missing, malformed or wrongly signed", **where) from error
        promised = {"event_id": event_id, "member_id": self._member_id, "entry": row["entry"]}
        if not isinstance(stated, dict) or any(stated.get(name) != value for name, value in promised.items()):
            raise LogFault("its receipt promises another entry", **where)
        promise.check(now)
        body = open_view(view, salt, entry, self._member_id, where)
        return WaitingEntry(entry_id, event_id, entry, body), receipt


def _decoded(payload: bytes) -> tuple[str, Receipt]:
    return msgspec.msgpack.decode(payload, type=tuple[str, Receipt])
