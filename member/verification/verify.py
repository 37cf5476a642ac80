"""Verifying the log with all that this member was shown: alerts, requests, queries, corrections, outcomes, cover."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from keys.statements.keyring import ExchangeStatement
from member.alerts.log import AlertLog, ReadingsCheck
from member.corrections.log import DisclosureRecord
from member.inputs import InputError
from member.log.faults import naming_entry
from member.log.origin import FollowedLog, check_origin
from member.log.receipts import LoggedReceipt, promised_by
from member.log.verify import LogVerifier, OwnEntry, VerifiedLog
from member.log.waiting_entries import WaitingEntries
from member.log.witness import load_seen, log_key, store_seen
from member.queries.cover import CoverCheck
from member.requests.log import RequestLog, RequestsCheck
from member.statements.authority import stated_exchange
from member.vault.requests import RequestRecords
from member.vault.uploads import Uploads
from member.verification.proofs import write_proofs
from member.workplace.receipts import keep_receipts
from member.workplace.workplace import Workplace
from schemas.terms import MemberKind


@dataclass(frozen=True)
class VerifiedDisclosures:
    """A log that stood up. `entries` are our own, where they were asked for; `cover` is what it says of queries."""

    verified: VerifiedLog
    followed: FollowedLog
    entries: list[OwnEntry]
    cover: CoverCheck

    def check_cover(self) -> None:
        """MemberError naming the entry if what was fixed was not disclosed to a bank in time."""
        with naming_entry():
            self.cover.finish()


def verify_log(workplace: Workplace, proofs: Path | None = None, *, keep: bool = False) -> VerifiedDisclosures:
    """Verify that every disclosure to or by this member stands in the log; `proofs` takes a proof of each own entry.
    MemberError naming the entry for a fault; then nothing is remembered. InputError for a folder that is not empty.
    """
    if proofs is not None and proofs.exists() and any(proofs.iterdir()):
        raise InputError("proofs", f"{proofs} is not empty", "name a new folder")
    cover, entries = _cover_check(workplace), []

    def take_in(entry: OwnEntry) -> None:
        cover.look_at(entry)
        if keep or proofs is not None:
            entries.append(entry)

    verified, followed = _verify(workplace, take_in)
    if proofs is not None:
        write_proofs(proofs, verified, entries)
    return VerifiedDisclosures(verified, followed, entries, cover)


def verifier_of(workplace: Workplace, stated: ExchangeStatement) -> LogVerifier:
    """What verifies the log that the registrars state."""
    return LogVerifier(
        workplace.exchange,
        member_id=workplace.home.member_id,
        origin=stated.log_origin,
        log_key=log_key(stated),
        read_waiting=lambda: keep_receipts(workplace),
        sleep=workplace.around.sleep,
        now=workplace.around.clock,
    )


def promised_to(workplace: Workplace, origin: str, but: Collection[str] = ()) -> list[LoggedReceipt]:
    """What receipts of submissions and of waiting entries promise of the log, but for those of some events. Raises
    LogFault for two that promise different entries.
    """
    waiting = WaitingEntries(workplace.vault, origin, workplace.home.member_id)
    promised = promised_by([*Uploads(workplace.vault).receipts(), *waiting.receipts()])
    return [promise for promise in promised if promise.event_id not in but]


def _cover_check(workplace: Workplace) -> CoverCheck:
    stated = list(workplace.stated.members())
    agencies = {one.member_id for one in stated if one.kind is MemberKind.LAW_ENFORCEMENT}
    regulators = {one.member_id for one in stated if one.kind is MemberKind.REGULATOR}
    return CoverCheck(workplace.today(), agencies, regulators)


def _verify(workplace: Workplace, each: Callable[[OwnEntry], None]) -> tuple[VerifiedLog, FollowedLog]:
    """Verify, with what was read of alerts, requests, queries, corrections and outcomes, then remember how far."""
    vault, stated = workplace.vault, stated_exchange(workplace.stated)
    origin, member_id = stated.log_origin, workplace.home.member_id
    log, seen = check_origin(vault, origin), load_seen(vault, origin)
    alerts, requests, record = (
        AlertLog(vault, origin, member_id),
        RequestLog(vault, origin),
        DisclosureRecord(vault, origin),
    )
    readings = ReadingsCheck(alerts.readings())
    opened = list(RequestRecords(vault).opened_under(origin))
    asked = RequestsCheck(requests.readings(), opened, requests.answers())
    disclosed = record.check()

    def look_at(entry: OwnEntry) -> None:
        readings.look_at(entry)
        asked.look_at(entry)
        disclosed.look_at(entry)
        each(entry)

    with naming_entry():
        keep_receipts(workplace)
        receipts = promised_to(workplace, origin, but=set(log.lost_events))
        found = verifier_of(workplace, stated).verify(seen, receipts, each=look_at)
        read = list(readings.finish(is_complete=False))
        shown = list(asked.finish(is_complete=False))
        recorded = list(disclosed.finish(is_complete=False))
        for check in (readings, asked, disclosed):
            for one in found.waiting_entries:
                check.look_at(one)
            check.finish(is_complete=True)
    store_seen(vault, origin, found.seen)
    WaitingEntries(vault, origin, member_id).forget({one.event_id for one in receipts}.difference(found.pending))
    alerts.forget(read)
    requests.forget(shown)
    record.forget(recorded)
    return found, log
