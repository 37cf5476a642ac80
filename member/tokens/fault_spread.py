"""Proved faults of key holders between members: what was met here is reported, what others met is taken in and acted
on.

Rules, in order:
1. A report is public to all members and registrars. It shows that this member asked for so many evaluations at that
   time, which of an agency nobody may learn: an agency's is sent when a person says so, never by itself.
2. What the exchange shows is believed for the registrars' root alone (keys/fault_report.py); what shows nothing is
   passed over and told.
3. Every fault with force leaves its holder out, whoever met it, also after the registrars stated the epoch anew, as
   long as they name the holder with the same keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from keys.fault_report import MOST_REPORT_BYTES, FaultReport, ShownFault
from keys.holder_fault import EvidenceError
from keys.keyring import EpochState, Keyring, UnknownStatementError
from member.errors import MemberError, RefusedError
from member.tokens.holder_conduct import Conduct
from member.tokens.kept_conduct import VaultConduct
from member.tokens.kept_faults import REFUSED, REPORTED, WAITING, HolderFaults, KeptFault
from member.transport.exchange_client import ExchangeClient, ListedFault, TakenFault
from member.vault.store import Vault
from schemas.encoding import to_base64
from schemas.terms import MemberKind


@dataclass(frozen=True)
class FaultSpread:
    """One member's part in it; `tell` says to the user what is odd."""

    vault: Vault
    exchange: ExchangeClient
    keyring: Keyring
    member_id: str
    tell: Callable[[str], None]

    def refresh(self, now: datetime) -> None:
        """Report what waits, take in what is new, leave out who is at fault. Raises MemberError."""
        faults = HolderFaults(self.vault)
        if self._reports_by_itself():
            for fault in [one for one in faults.all() if one.state == WAITING]:
                self._try_to_report(faults, fault)
        self._take_in(faults, now)
        self.leave_out()

    def report(self, fault: KeptFault) -> TakenFault:
        """Report one fault, and keep that it was. Raises MemberError."""
        faults = HolderFaults(self.vault)
        body = msgspec.json.encode(faults.report_of(fault))
        if len(body) > MOST_REPORT_BYTES:
            detail = f"the evidence has {len(body):,} bytes, more than the exchange takes ({MOST_REPORT_BYTES:,})"
            raise MemberError(
                detail, "give it to the registrars as a file: member holder-fault export", slug="too_large"
            )
        taken = self.exchange.report_holder_fault(body)
        faults.note_state(fault, REPORTED)
        return taken

    def leave_out(self) -> None:
        """Rule 3, by the statements in force."""
        for fault in HolderFaults(self.vault).all():
            if fault.has_evidence and _is_named(self.keyring, fault):
                leave_out(self.vault, self.keyring, fault.epoch, fault.holder_id, fault.reason)

    def _reports_by_itself(self) -> bool:
        return self.keyring.member(self.member_id).kind is not MemberKind.LAW_ENFORCEMENT

    def _try_to_report(self, faults: HolderFaults, fault: KeptFault) -> None:
        """What may pass is tried again at the next command; what was refused for good is not."""
        try:
            self.report(fault)
        except RefusedError as error:
            if error.is_final:
                faults.note_state(fault, REFUSED, error.detail)
        except MemberError as error:
            if error.slug == "too_large":
                faults.note_state(fault, REFUSED, error.detail)

    def _take_in(self, faults: HolderFaults, now: datetime) -> None:
        origin = _origin(self.keyring)
        known = {(one.epoch, one.holder_id, one.verify_key) for one in faults.all()}
        for page in self.exchange.holder_faults(faults.cursor(origin)):
            for listed in page.reports:
                found = read_listed(listed, self.keyring)
                if found is None:
                    self.tell(
                        f"the exchange shows a report {listed.report_id[:64]!r} that proves no fault of a key holder"
                    )
                    continue
                report, shown = found
                name = (shown.epoch, shown.holder.holder_id, to_base64(shown.holder.verify_key))
                if name not in known:
                    known.add(name)
                    faults.store_shown(report, shown, now)
                    self.tell(f"{shown.holder.holder_id} is asked no more: {shown.reason} (member holder-fault list)")
            if page.next is not None:
                faults.move_cursor(origin, page.next)


def read_listed(listed: ListedFault, keyring: Keyring) -> tuple[FaultReport, ShownFault] | None:
    """A report as the exchange shows it, and what it proves; None if that is nothing."""
    try:
        report = FaultReport.parse(listed.report)
        return report, report.verify(keyring.roots)
    except EvidenceError:
        return None


def leave_out(vault: Vault, keyring: Keyring, epoch: int, holder_id: str, reason: str) -> None:
    """Ask this holder no more while the statement of the epoch is in force."""
    book = VaultConduct(vault, epoch, keyring.epoch(epoch).sequence)
    known = book.read().get(holder_id, Conduct())
    if known.fault is None:
        book.keep(holder_id, replace(known, fault=reason))


def _is_named(keyring: Keyring, fault: KeptFault) -> bool:
    """Whether the epoch in force names the holder with the key that the fault was met under."""
    try:
        epoch = keyring.epoch(fault.epoch)
    except UnknownStatementError:
        return False
    named = {(one.holder_id, to_base64(one.verify_key)) for one in epoch.holders}
    return epoch.state is not EpochState.RETIRED and (fault.holder_id, fault.verify_key) in named


def _origin(keyring: Keyring) -> str:
    try:
        return keyring.exchange.log_origin
    except UnknownStatementError:
        return ""
