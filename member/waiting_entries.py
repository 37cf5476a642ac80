"""Own log entries that wait for their place in the tree: readable at once, and promised by a receipt.

Rules for each, in order; the first broken one is a LogFault that names the entry:
1. the receipt is signed by the receipt key in the registrars' statement of the exchange;
2. it names this member, this event and these 33 bytes;
3. the 33 bytes commit to the view, which is addressed to this member and of the event named.
The receipt is kept until the entry is in the verified log. What it promises is checked by member.log, as that of every
receipt is: pending within the time that it grants, a fault afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from keys.ed25519 import SignatureError, verify_signature
from member.log_chain import LogFault, open_view
from member.vault.store import Vault
from member.vault.uploads import Receipt
from member.wire import RECEIPT_DOMAIN
from schemas.canonical import parse_canonical_json
from schemas.encoding import from_base64
from tlog.entries import ENTRY_BYTES

_KIND = "entry_receipt"


@dataclass(frozen=True)
class WaitingEntry:
    """One own entry without a place: its 33 bytes, and its view, None once erased."""

    entry_id: str
    event_id: str
    entry: bytes
    view: Mapping[str, Any] | None


class WaitingEntries:
    """The receipts that a vault keeps of entries that had no place yet when they were read; of one log."""

    def __init__(self, vault: Vault, origin: str, member_id: str) -> None:
        self._vault, self._origin, self._member_id = vault, origin, member_id

    def take_in(self, rows: Sequence[Mapping[str, Any]], receipt_key: bytes) -> list[WaitingEntry]:
        """Check rows as GET /log/entries shows them under `waiting`, and keep their receipts; what each says. Raises
        LogFault.
        """
        opened = [self._open(row, receipt_key) for row in rows]
        with self._vault.transaction():
            for one, receipt in opened:
                self._vault.put(_KIND, self._name(one.event_id), msgspec.msgpack.encode((self._origin, receipt)))
        return [one for one, _ in opened]

    def receipts(self) -> Iterator[Receipt]:
        """Every receipt that is kept, of this log."""
        for payload in self._vault.all(_KIND):
            origin, receipt = msgspec.msgpack.decode(payload, type=tuple[str, Receipt])
            if origin == self._origin:
                yield receipt

    def forget(self, event_ids: Collection[str]) -> None:
        """Forget the receipts of events whose entries are in the verified log."""
        with self._vault.transaction():
            for event_id in event_ids:
                self._vault.delete(_KIND, self._name(event_id))

    def _name(self, event_id: str) -> bytes:
        return f"{self._origin}|{event_id}".encode()

    def _open(self, row: Mapping[str, Any], receipt_key: bytes) -> tuple[WaitingEntry, Receipt]:
        event_id, entry_id = row.get("event_id"), row.get("entry_id")
        if not isinstance(event_id, str) or not isinstance(entry_id, str):
            raise LogFault("the exchange gives a waiting entry without id or event")
        where: dict[str, Any] = {"event_id": event_id, "entry_id": entry_id}
        try:
            entry = from_base64(row["entry"], ENTRY_BYTES)
            receipt = Receipt(from_base64(row["receipt"]["payload"]), from_base64(row["receipt"]["signature"], 64))
            verify_signature(receipt_key, RECEIPT_DOMAIN + receipt.payload, receipt.signature)
            stated = parse_canonical_json(receipt.payload)
            view = None if row["view"] is None else from_base64(row["view"])
            salt = None if row["salt"] is None else from_base64(row["salt"])
        except (SignatureError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise LogFault("its receipt or its content is missing, malformed or wrongly signed", **where) from error
        promised = {"event_id": event_id, "member_id": self._member_id, "entry": row["entry"]}
        if not isinstance(stated, dict) or any(stated.get(name) != value for name, value in promised.items()):
            raise LogFault("its receipt promises another entry", **where)
        body = open_view(view, salt, entry, self._member_id, where)
        return WaitingEntry(entry_id, event_id, entry, body), receipt
