"""Proved faults of key holders between members: what was met here is reported, what others met is taken in and acted
on.

Rules, in order:
1. A report is public to all members and registrars. It shows that this member asked for so many evaluations at that
   time, which of an agency nobody may learn: an agency's is sent when a person of its own says so, never by itself and
   never by another member.
2. What the exchange shows is believed for the registrars' root alone (keys/faults/report.py); what shows nothing is
   passed over and reported. The list is read from its start each time, and ends at one report for each holder and key:
   a place in it, which the exchange would name, hides nothing for longer than it lies.
3. Every fault with force leaves its holder out, whoever met it, in every epoch in force, as long as the registrars name
   the holder with the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from keys.faults.evidence import EvidenceError
from keys.faults.report import (
    MAX_REPORT_BYTES,
    ShownFault,
    find_holder,
    parse_report,
    read_asker,
    read_claim,
    verify_report,
)
from keys.statements.keyring import EpochState, Keyring, MemberStatement, UnknownStatementError
from member.errors import MemberError, RefusedError
from member.next_steps import Act, Next
from member.tokens.holder_conduct import Conduct
from member.tokens.kept_conduct import VaultConductStore
from member.tokens.kept_faults import REFUSED, REPORTED, WAITING, HolderFaults, KeptFault
from member.transport.exchange_client import ExchangeClient
from member.vault.store import Vault
from schemas.holder_faults import FaultReport, ListedReport, TakenReport
from schemas.terms import MemberKind
from schemas.values.encoding import from_base64, to_base64


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

    def report(self, fault: KeptFault) -> TakenReport:
        """Report one fault, and keep that it was. Raises MemberError."""
        faults = HolderFaults(self.vault)
        report = faults.report_of(fault)
        self._check_may_report(report)
        body = msgspec.json.encode(report)
        if len(body) > MAX_REPORT_BYTES:
            detail = f"the evidence has {len(body):,} bytes, more than the exchange takes ({MAX_REPORT_BYTES:,})"
            raise MemberError(
                detail,
                "give it to the registrars as a file",
                slug="too_large",
                then=Next(Act.EXPORT_HOLDER_FAULT),
            )
        taken = self.exchange.report_holder_fault(body)
        faults.note_state(fault, REPORTED)
        return taken

    def leave_out(self) -> None:
        """Rule 3, by the statements in force."""
        for fault in HolderFaults(self.vault).all():
            if fault.verify_key is not None:
                leave_out(self.vault, self.keyring, fault.holder_id, from_base64(fault.verify_key), fault.reason)

    def _reports_by_itself(self) -> bool:
        return self.keyring.member(self.member_id).kind is not MemberKind.LAW_ENFORCEMENT

    def _check_may_report(self, value: object) -> None:
        """Rule 1. Raises MemberError."""
        try:
            asker = read_asker(parse_report(value))
        except EvidenceError as error:
            raise MemberError(f"what is kept shows nothing: {error}", slug="no_evidence") from None
        if asker.member_id != self.member_id and self._is_agency(asker):
            detail = f"it shows what {asker.member_id} asked of a key holder, and {asker.member_id} alone reports that"
            raise MemberError(detail, f"ask {asker.member_id} to report it", slug="not_the_asker")

    def _is_agency(self, asker: MemberStatement) -> bool:
        """By what is stated at present, and by what was stated when it asked."""
        try:
            kinds = {asker.kind, self.keyring.member(asker.member_id).kind}
        except UnknownStatementError:
            kinds = {asker.kind}
        return MemberKind.LAW_ENFORCEMENT in kinds

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
        known = {(one.holder_id, one.verify_key) for one in faults.all() if one.verify_key is not None}
        for listed in (each for page in self.exchange.holder_faults() for each in page.reports):
            try:
                found = read_listed(listed, self.keyring, known)
            except EvidenceError:
                self.tell(f"the exchange shows a report {listed.report_id[:64]!r} that proves no fault of a key holder")
                continue
            if found is not None:
                report, shown = found
                known.add(_name(shown))
                faults.store_shown(report, shown, now)
                self.tell(f"{shown.holder.holder_id} is asked no more: {shown.reason}")


def read_listed(
    listed: ListedReport, keyring: Keyring, known: Container[tuple[str, str]] = frozenset()
) -> tuple[FaultReport, ShownFault] | None:
    """A report as the exchange shows it, and what it proves; None, and nothing is computed, if it would have no force
    or is about a holder and key (base64) known to be at fault. Raises EvidenceError if it proves nothing.
    """
    report = parse_report(_decoded(listed.report))
    claimed = read_claim(report)
    if _name(claimed) in known or not claimed.has_force(keyring.epochs()):
        return None
    return report, verify_report(report, keyring.roots, keyring.was_in_force)


def _decoded(report: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise EvidenceError("not a report of a holder's fault: expected JSON") from None


def leave_out(vault: Vault, keyring: Keyring, holder_id: str, verify_key: bytes, reason: str) -> None:
    """Ask this holder no more while the statements of epochs in force name it with this key."""
    for epoch in keyring.epochs():
        if epoch.state is EpochState.RETIRED or find_holder(epoch, holder_id, verify_key) is None:
            continue
        book = VaultConductStore(vault, epoch.epoch, epoch.sequence)
        conduct = book.read().get(holder_id, Conduct())
        if conduct.fault is None:
            book.keep(holder_id, replace(conduct, fault=reason))


def _name(shown: ShownFault) -> tuple[str, str]:
    return shown.holder.holder_id, to_base64(shown.holder.verify_key)
