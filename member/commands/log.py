"""`log verify|entries|withheld|witness|accept-origin`: every disclosure made to or by this member, checked by it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from member.commands.shared.common import Shown, counted, reporting, table
from member.commands.shared.exports import exported, output_option
from member.commands.shared.session import Session
from member.errors import FAILED
from member.log.chain import LoggedEntry
from member.log.verify import OwnEntry
from member.plain import as_lines
from member.queries.cover import CoverState, DisclosedCover
from member.verification.origin import accept_origin, cosign
from member.verification.verify import verify_log
from member.verification.views import VerifiedView, WithheldView, disclosed_view, subject_of
from schemas.rendering.words import label
from schemas.values.encoding import to_base64

_SHOWN_COMMITMENT = 12
"""Characters of a commitment that a table shows; --json has it whole."""
_proofs_option = click.option(
    "--proofs",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a proof of each own entry, the 33 bytes of its leaf and its view into this folder; where entries share "
    "a leaf, also its place there.",
)


@click.group(epilog="Example: member log verify")
def log() -> None:
    """Check the log of disclosures."""


@log.command("verify", epilog="Example: member log verify")
@_proofs_option
@click.pass_obj
@reporting
def verify(session: Session, proofs: Path | None) -> Shown:
    """Verify that every disclosure to or by this member stands in the log, unaltered, and nothing was taken out."""
    found = verify_log(session.workplace, proofs)
    found.check_cover()
    verified, lost = found.verified, found.followed.lost_events
    text = (
        f"verified: {counted(verified.entries, 'entry', 'entries')} of ours, {counted(verified.receipts, 'receipt')} "
        f"and {counted(verified.hits, 'hit')}, in a log of {counted(verified.checkpoint.size, 'leaf', 'leaves')}"
    )
    waiting = f"{counted(len(verified.waiting), 'entry', 'entries')} of ours without a place in the log yet"
    pending = f"{counted(len(verified.pending), 'receipt')} pending within the time promised"
    warnings = [f"{waiting}, {pending}"] if verified.waiting else []
    if lost:
        warnings.append(f"{len(lost)} receipts of a former log have no entry in this one, as accepted")
    lines = [text, *(_cover_end_text(one) for one in found.cover.disclosed)]
    return Shown(VerifiedView.of(found, proofs).with_cover(found), "\n".join(lines), warnings=warnings)


def _cover_end_text(disclosed: DisclosedCover) -> str:
    stated = disclosed.stated
    about = f"{stated.agency} learned of {len(stated.tokens):,} of our indicators at {stated.told_at}"
    return f"query {stated.query_id}: {about}; a reviewer has the commitment {disclosed.commitment}"


@log.command("withheld", epilog="Example: member log withheld")
@click.pass_obj
@reporting
def withheld(session: Session) -> Shown:
    """Verify the log, and list what was fixed for disclosure to banks when cover of queries ends (reviewers), and what
    was disclosed to this bank since. The commitments of both are the same.
    """
    cover = verify_log(session.workplace).cover
    fixed = list(cover.withheld())
    columns = ("query", "bank", "fixed at", "until", "state", "commitment")
    made = table(counted(len(fixed), "telling fixed", "tellings fixed"), *columns, whole=("query",))
    for one in fixed:
        shown = (one.query_id, one.bank, one.fixed_at, one.until, one.state.value)
        made.add_row(*shown, f"{one.commitment[:_SHOWN_COMMITMENT]}…")
    overdue = sum(one.state is CoverState.OVERDUE for one in fixed)
    text = as_lines(_cover_end_text(one) for one in cover.disclosed)
    if not fixed and not cover.disclosed:
        text = "nothing: no disclosure is fixed here, and this member received none whose cover has ended"
    warnings = (
        [f"{overdue} are overdue: cover has ended, and what was fixed was not disclosed to the bank"] if overdue else []
    )
    document = WithheldView(fixed, [disclosed_view(one) for one in cover.disclosed], overdue)
    return Shown(document, text, made if fixed else None, warnings, FAILED if overdue else 0)


@log.command("entries", epilog="Example: member log entries --proofs ./proofs")
@_proofs_option
@output_option
@click.pass_obj
@reporting
def entries(session: Session, proofs: Path | None, output: Path | None) -> Shown:
    """Verify the log and list this member's own entries."""
    found = verify_log(session.workplace, proofs, keep=True)
    if output is not None:
        return exported(output, {"entries": [_row_of(entry) for entry in found.entries]}, "entries")
    columns = ("number", "recorded at", "what", "about", "index", "event")
    title = counted(found.verified.entries, "entry", "entries")
    made = table(title, *columns, whole=("recorded at", "about", "event"), spare=("index", "event"))
    for entry in found.entries:
        made.add_row(str(entry.number), *_what_it_says(entry), str(entry.index), entry.event_id)
    for one in found.verified.waiting_entries:
        made.add_row("", *_what_it_says(one), "waits", one.event_id)
    return Shown(VerifiedView.of(found, proofs).with_entries(found), table=made)


def _what_it_says(entry: LoggedEntry) -> tuple[object, str, str]:
    """When an entry was recorded, what it says, and about what."""
    view = entry.view or {}
    return view.get("recorded_at"), label(str(view.get("kind", "content erased"))), subject_of(view)


def _row_of(entry: OwnEntry) -> dict[str, object]:
    """An entry as a row for a spreadsheet; its view whole, as JSON."""
    view = dict(entry.view or {})
    return {
        "number": entry.number,
        "recorded_at": view.get("recorded_at"),
        "kind": view.get("kind"),
        "about": subject_of(view),
        "index": entry.index,
        "event_id": entry.event_id,
        "entry": to_base64(entry.entry),
        "view": json.dumps(view, ensure_ascii=False) if view else None,
    }


@log.command("witness", epilog="Example: member log witness --out cosigned.txt")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the cosigned checkpoint here.")
@click.pass_obj
@reporting
def witness(session: Session, out: Path | None) -> Shown:
    """Cosign the newest checkpoint, if it continues the one cosigned last."""
    cosigned = cosign(session.workplace)
    if out is not None:
        out.write_text(cosigned.checkpoint, encoding="utf-8")
    return Shown(cosigned, f"{cosigned.checkpoint}witness key: {cosigned.witness_key}")


@log.command("accept-origin", epilog="Example: member log accept-origin exchange.example/uk/restart-2")
@click.argument("origin")
@click.pass_obj
@reporting
def accept(session: Session, origin: str) -> Shown:
    """Follow a log that was started anew, once the registrars have explained why. Shows what it lacks."""
    done = accept_origin(session.workplace, origin)
    entries, lost = done.entries, len(done.lost)
    return Shown(done, f"{origin} is followed from now on: {entries} entries of ours, {lost} receipts have none in it")
