"""What receipts promise of the log, and which promises are worth nothing.

1. A receipt promises one entry for one event, in the published log within `maximum_merge_delay` of the commit.
2. The delay is at most LONGEST_DELAY, and the commit is not in the future: else the promise would never fall due.
3. All receipts for one event promise the same entry. Two that do not are evidence, and the fault carries both.
4. Of several receipts for one event the one that falls due first counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from member.log.chain import LogFault
from member.vault.uploads import Receipt
from schemas.values.canonical import parse_canonical_json
from schemas.values.encoding import from_base64, from_rfc3339, to_base64
from tlog.entries import ENTRY_BYTES

LONGEST_DELAY = timedelta(hours=8)
"""The longest that an exchange can be set to is seven ticks of an hour and a minute."""
CLOCK_TOLERANCE = timedelta(minutes=5)
"""By how much the exchange's clock may be ahead; requests are refused at a minute."""


@dataclass(frozen=True)
class LoggedReceipt:
    """What a receipt promises of the log: this entry for this event, at the latest `maximum_merge_delay` after the
    commit.
    """

    event_id: str
    entry: bytes
    committed_at: datetime
    maximum_merge_delay: timedelta

    @classmethod
    def from_payload(cls, payload: bytes) -> LoggedReceipt:
        """From the signed bytes of a receipt whose signature has been verified. ValueError for another form."""
        body = parse_canonical_json(payload)
        try:
            delay = timedelta(seconds=int(body["maximum_merge_delay_seconds"]))
            entry = from_base64(body["entry"], ENTRY_BYTES)
            return cls(str(body["event_id"]), entry, from_rfc3339(body["committed_at"]), delay)
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError("not a receipt") from error

    @property
    def due(self) -> datetime:
        """When the entry must be in the published log."""
        return self.committed_at + min(self.maximum_merge_delay, LONGEST_DELAY)

    def check(self, now: datetime) -> None:
        """Raises LogFault for a promise that would not fall due in time."""
        if not timedelta(0) <= self.maximum_merge_delay <= LONGEST_DELAY:
            hours = LONGEST_DELAY.total_seconds() / 3600
            what = f"its receipt grants {self.maximum_merge_delay.total_seconds():.0f} s, not 0 to {hours:.0f} hours"
            raise LogFault(what, event_id=self.event_id)
        if self.committed_at > now + CLOCK_TOLERANCE:
            raise LogFault("its receipt states a commit in the future", event_id=self.event_id)


def promised_by(receipts: Iterable[Receipt]) -> list[LoggedReceipt]:
    """What receipts with verified signatures promise, once for each event. Raises LogFault for two that promise
    different entries for one event.
    """
    kept: dict[str, tuple[LoggedReceipt, Receipt]] = {}
    for receipt in receipts:
        promise = LoggedReceipt.from_payload(receipt.payload)
        first, evidence = kept.setdefault(promise.event_id, (promise, receipt))
        if first.entry != promise.entry:
            raise two_promises(promise.event_id, evidence, receipt)
        if promise.due < first.due:
            kept[promise.event_id] = promise, receipt
    return [promise for promise, _ in kept.values()]


def two_promises(event_id: str, *receipts: Receipt) -> LogFault:
    """The fault of receipts that promise different entries for one event, with the receipts."""
    shown = [{"payload": to_base64(one.payload), "signature": to_base64(one.signature)} for one in receipts]
    return LogFault("two receipts promise different entries for it", event_id=event_id, receipts=shown)
