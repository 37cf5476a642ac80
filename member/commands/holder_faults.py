"""`holder-fault list|export|verify|report`: what key holders did wrong, shown to others and judged from others."""

from __future__ import annotations

from pathlib import Path

import click

from keys.faults.evidence import answered_at
from member.commands.shared.common import Shown, at_terminal, reporting, table
from member.commands.shared.session import Session
from member.identity.access import REGISTRAR
from member.standing.holder_faults import judge_report
from member.tokens.holder_faults import find_fault, write_report
from member.tokens.kept_faults import HolderFaults
from schemas.terms import MemberKind


@click.group("holder-fault", epilog="Example: member holder-fault list")
def holder_fault() -> None:
    """Faults of key holders, and the evidence that shows them to others."""


@holder_fault.command("list", epilog="Example: member holder-fault list")
@click.pass_obj
@reporting
def list_all(session: Session) -> Shown:
    """List the faults that this member has met, or was shown by others, the oldest first."""
    faults = [fault.listed() for fault in HolderFaults(session.workplace.vault).all()]
    made = table("faults of key holders", "id", "holder", "epoch", "met", "reason", "evidence", "report")
    for fault in faults:
        shown = (fault.fault_id, fault.holder_id, str(fault.epoch), fault.met_at, fault.reason)
        made.add_row(*shown, "yes" if fault.has_evidence else "no", fault.state or fault.source)
    return Shown({"holder_faults": faults}, table=made)


@holder_fault.command("export", epilog="Example: member holder-fault export 0193 fault.json")
@click.argument("fault_id")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
@reporting
def export(session: Session, fault_id: str, file: Path) -> Shown:
    """Write the evidence of a fault to FILE, with the registrars' statements that it is judged by.

    It holds blinded elements and what the holder signed; no identifier, no token, nothing that could unblind one. It
    shows that the member which met the fault asked for so many evaluations at that time.
    """
    _, report = find_fault(session.workplace.vault, fault_id)
    write_report(report, file)
    evidence = report.evidence
    document = {"holder_id": evidence.holder_id, "epoch": evidence.epoch, "kind": evidence.kind, "file": str(file)}
    text = f"{file} shows a fault of {evidence.holder_id}; anyone checks it: member holder-fault verify {file.name}"
    return Shown(document, text)


@holder_fault.command("report", epilog="Example: member holder-fault report 0193")
@click.argument("fault_id")
@click.pass_obj
@reporting
def report_one(session: Session, fault_id: str) -> Shown:
    """Report the evidence of a fault to the exchange, which shows it to every member and registrar.

    Other members' programs report by themselves, at the next command. An agency's never does: the report shows to
    everybody that this member asked for so many evaluations at that time. At a terminal it is asked. What an agency
    asked is reported by that agency alone.
    """
    fault, report = find_fault(session.workplace.vault, fault_id)
    spread = session.workplace.fault_spread(session.workplace.stated)
    is_agency = session.workplace.stated.member(session.home.member_id).kind is MemberKind.LAW_ENFORCEMENT
    if is_agency and at_terminal(session):
        count = len(report.evidence.answer.elements) // 32
        at = answered_at(report.evidence.answer)
        question = f"Every bank will read that you asked for {count} evaluations at {at:%Y-%m-%d %H:%M} UTC. Report it?"
        click.confirm(question, default=False, abort=True, err=True)
    taken = spread.report(fault)
    document = {"fault_id": fault.fault_id, "report_id": taken.report_id, "state": taken.state}
    return Shown(document, f"{fault.holder_id}: {taken.state} as {taken.report_id}")


@holder_fault.command("verify", epilog="Example: member --as registrar holder-fault verify fault.json")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--leave-out", "is_left_out", is_flag=True, help="Ask the holder no more, if the fault is shown.")
@click.pass_obj
@reporting
def verify(session: Session, file: Path, is_left_out: bool) -> Shown:
    """Judge evidence by the registrars' root in this home, asking nobody; exit 1 if it shows nothing."""
    is_registrar = session.acting_as == REGISTRAR
    shown = judge_report(session.workplace, file, as_registrar=is_registrar, leaves_out=is_left_out)
    text = f"{shown.holder_id}, epoch {shown.epoch}: {shown.reason}"
    if not shown.in_force:
        text += "\nno epoch in force, as far as it is known here, names it with this key: nothing to act on"
    if is_left_out:
        text += "\nit is asked no more until the registrars state another key for its answers"
    return Shown(shown, text)
