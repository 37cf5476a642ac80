"""`holder-fault list|export|verify`: what shows to registrars and other members that a key holder answered wrongly."""

from __future__ import annotations

from pathlib import Path

import click

from keys.keyring import Keyring
from member.access import REGISTRAR
from member.authority import held_keyring
from member.commands.common import Shown, reporting, table
from member.errors import UsedWronglyError
from member.holder_faults import judge, leave_out, read_evidence, write_evidence
from member.kept_statements import KeptStatements
from member.session import Session
from member.vault.faults import HolderFaults


@click.group("holder-fault", epilog="Example: member holder-fault list")
def holder_fault() -> None:
    """Faults of key holders, and the evidence that shows them to others."""


@holder_fault.command("list", epilog="Example: member holder-fault list")
@click.pass_obj
@reporting
def list_all(session: Session) -> Shown:
    """List the faults that this member has met, the oldest first."""
    faults = [fault.shown() for fault in HolderFaults(session.vault).all()]
    made = table("faults of key holders", "id", "holder", "epoch", "met", "reason", "evidence")
    for fault in faults:
        shown = (fault["fault_id"], fault["holder_id"], str(fault["epoch"]), fault["met_at"], fault["reason"])
        made.add_row(*shown, "yes" if fault["has_evidence"] else "no")
    return Shown({"holder_faults": faults}, table=made)


@holder_fault.command("export", epilog="Example: member holder-fault export 0193 fault.json")
@click.argument("fault_id")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
@reporting
def export(session: Session, fault_id: str, file: Path) -> Shown:
    """Write the evidence of a fault to FILE, for the registrars and the other members.

    It holds blinded elements and what the holder signed; no identifier, no token, nothing that could unblind one. It
    shows that this member asked for so many evaluations at that time.
    """
    evidence = write_evidence(session.vault, fault_id, file)
    document = {"holder_id": evidence.holder_id, "epoch": evidence.epoch, "kind": evidence.kind, "file": str(file)}
    text = f"{file} shows a fault of {evidence.holder_id}; anyone checks it: member holder-fault verify {file.name}"
    return Shown(document, text)


@holder_fault.command("verify", epilog="Example: member --as registrar holder-fault verify fault.json")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--leave-out", "is_left_out", is_flag=True, help="Ask the holder no more, if the fault is shown.")
@click.pass_obj
@reporting
def verify(session: Session, file: Path, is_left_out: bool) -> Shown:
    """Judge evidence by the registrars' statements in this home, asking nobody; exit 1 if it shows nothing."""
    evidence = read_evidence(file)
    is_registrar = session.acting_as == REGISTRAR
    if is_registrar and is_left_out:
        raise UsedWronglyError("a registrar asks no key holder", "state the epoch anew, without the holder")
    keyring = _keyring(session, is_registrar=is_registrar)
    reason = judge(evidence, keyring)
    if is_left_out:
        leave_out(session.vault, keyring, evidence, reason)
    document = {
        "holder_id": evidence.holder_id,
        "epoch": evidence.epoch,
        "kind": evidence.kind,
        "reason": reason,
        "left_out": is_left_out,
    }
    text = f"{evidence.holder_id}, epoch {evidence.epoch}: {reason}"
    if is_left_out:
        text += "\nit is asked no more until the registrars state the epoch anew"
    return Shown(document, text)


def _keyring(session: Session, *, is_registrar: bool) -> Keyring:
    if is_registrar:
        return KeptStatements(session.home.path, session.root).keyring()
    return held_keyring(session.root, session.vault)
