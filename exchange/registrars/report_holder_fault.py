"""Taking in proved faults of key holders, for every member and registrar to read.

Rules, in order:
1. What shows an evaluation of an agency is taken from that agency alone: the holder, which has the signed pair too,
   could give it to any bank.
2. A report could have force only while the statement of an epoch in force names the holder with the same key; else it
   is refused before anything is computed. One about a holder that is known to be at fault under this key is answered
   from what is stored: whoever repeats or floods adds nothing.
3. Of one member few are verified in a minute, since it costs seconds. Who reports is not believed: the report is
   verified against the registrars' root (keys/faults/report.py). Nor is it kept: of what is recorded not even the
   count.
4. Storing is one transaction: the report, an entry in the log of every member (which tells of nobody's work, so that it
   is made also while the log stands still), and for each epoch that names the holder a draft of its statement without
   the holders at fault, if enough are left and no other draft waits.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from edge.request_limits import RequestLimit, minute_of
from exchange.kernel import outbox
from exchange.kernel.problem_error import ProblemError
from exchange.kernel.request_counts import count_request, forget_count
from exchange.kernel.session import Database
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership import store as membership
from exchange.membership.roots import read_roots
from exchange.membership.statements import EFFECTIVE, find_statement, list_newest_effective
from exchange.registrars.holder_faults import (
    HolderFaultReport,
    find_report,
    list_reports,
    lock_reports,
    next_position,
    reported_holders,
)
from exchange.registrars.propose import add_draft
from keys.faults.evidence import EvidenceError
from keys.faults.report import (
    ShownFault,
    find_holder,
    parse_report,
    read_asker,
    read_claim,
    report_id_of,
    verify_report,
)
from keys.statements.envelopes import Root, StatementError
from keys.statements.types import EpochStatement, MemberStatement, parse_statement
from schemas.holder_faults import FaultReport, HolderFaultsPage, ListedReport, TakenReport
from schemas.problems import Problem
from schemas.terms import MemberKind
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_rfc3339

KIND = "holder_fault"
REPORTS_PER_MINUTE = 6
"""Of one member: more than it meets, unless it meets the same ones."""


class NotTheAskerError(ProblemError):
    """It shows what an agency asked, and another member hands it in."""

    def __init__(self) -> None:
        detail = "It shows what an agency asked of a key holder: that agency alone reports it."
        super().__init__(Problem("not-the-asker", "Another member's evaluation", 403, detail))


def report_holder_fault(database: Database, pinned: Root, value: object, member_id: str, now: datetime) -> TakenReport:
    """Take in a report (JSON object) that a member hands in.

    Raises EvidenceError for one that shows no fault, or none of a key in force; NotTheAskerError; LimitExceededError.
    """
    report = parse_report(value)
    claimed, asker = read_claim(report), read_asker(report)
    caller, minute = f"{KIND}/{member_id}", minute_of(now)
    with database.reading() as session:
        _check_may_report(session, asker, member_id)
        known = _find_known(session, claimed)
    if known is not None:
        return known
    made = database.run_in_transaction(lambda session: count_request(session, caller, minute))
    RequestLimit(REPORTS_PER_MINUTE).check(made, now)
    shown = verify_report(report, read_roots(database, pinned), lambda digest: _was_in_force(database, digest))

    def store(session: Session) -> TakenReport:
        forget_count(session, caller, minute)
        return _store(session, report, shown, now)

    return database.run_in_transaction(store)


def _check_may_report(session: Session, asker: MemberStatement, member_id: str) -> None:
    """Rule 1, by what is stated at present and by what the report says. Raises NotTheAskerError."""
    member = membership.find_member(session, asker.member_id)
    kinds = {str(asker.kind), "" if member is None else member.kind}
    if MemberKind.LAW_ENFORCEMENT in kinds and asker.member_id != member_id:
        raise NotTheAskerError


def _find_known(session: Session, fault: ShownFault) -> TakenReport | None:
    """Rule 2. Raises EvidenceError for a report that has no force."""
    if not fault.has_force(_epochs_in_force(session)):
        raise EvidenceError(
            "no epoch in force names a holder with this id and this key, or its own states it otherwise"
        )
    holder = fault.holder
    found = find_report(session, holder.holder_id, holder.verify_key)
    if found is None:
        return None
    return TakenReport(report_id=found.report_id, epoch=found.epoch, holder_id=holder.holder_id, state="known")


def _epochs_in_force(session: Session) -> list[EpochStatement]:
    found = [parse_statement(held.payload) for held in list_newest_effective(session, "epoch")]
    return [statement for statement in found if isinstance(statement, EpochStatement)]


def _was_in_force(database: Database, digest: str) -> bool:
    with database.reading() as session:
        stored = find_statement(session, digest)
        return stored is not None and stored.state == EFFECTIVE


def _store(session: Session, report: FaultReport, shown: ShownFault, now: datetime) -> TakenReport:
    lock_reports(session)
    known = _find_known(session, shown)
    if known is not None:
        return known
    holder, report_id = shown.holder, report_id_of(report)
    session.add(
        HolderFaultReport(
            position=next_position(session),
            report_id=report_id,
            epoch=shown.epoch,
            holder_id=holder.holder_id,
            verify_key=holder.verify_key,
            report=canonical_json(msgspec.to_builtins(report)),
            received_at=now,
        )
    )
    session.flush()
    body = {"epoch": shown.epoch, "holder_id": holder.holder_id, "fault": shown.kind, "report_id": report_id}
    everyone = sorted(member.member_id for member in membership.list_members(session))
    if everyone:
        event = record(session, KIND, [View(member_id, body) for member_id in everyone], now, body)
        outbox.send(session, KIND, event.event_id, everyone, now)
    for stated in shown.counts_in(_epochs_in_force(session)):
        _draft_without_faulty(session, stated, now)
    return TakenReport(report_id=report_id, epoch=shown.epoch, holder_id=holder.holder_id, state="recorded")


def _draft_without_faulty(session: Session, stated: EpochStatement, now: datetime) -> None:
    """What the registrars would sign: the epoch without the holders at fault. Nothing if too few would be left."""
    faulty = [find_holder(stated, *named) for named in reported_holders(session)]
    left = tuple(one for one in stated.holders if one not in faulty)
    if len(left) < stated.threshold:
        return
    issued_at = now.replace(microsecond=now.microsecond // 1000 * 1000)

    def draft(sequence: int) -> EpochStatement:
        return replace(stated, sequence=sequence, issued_at=issued_at, holders=left)

    try:
        add_draft(session, "epoch", str(stated.epoch), draft, now)
    except StatementError:
        return  # another draft waits: the registrars see the report beside it


def list_holder_faults(database: Database, after: int, limit: int) -> HolderFaultsPage:
    """Reports behind a position, in order."""
    with database.reading() as session:
        rows = list_reports(session, after, limit)
        return HolderFaultsPage(
            reports=[
                ListedReport(
                    report_id=row.report_id, received_at=to_rfc3339(row.received_at), report=msgspec.Raw(row.report)
                )
                for row in rows
            ],
            next=str(rows[-1].position) if rows else None,
        )
