"""`log verify|entries|withheld|witness|accept-origin`: every disclosure made to or by this member, checked by it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from keys.statements.keyring import ExchangeStatement
from member.alerts.log import AlertLog, ReadingsCheck, describe_alerts
from member.commands.shared.common import Shown, counted, reporting, table
from member.commands.shared.exports import exported, output_option
from member.commands.shared.session import Session
from member.corrections.log import DisclosureRecord
from member.errors import FAILED, MemberError, UsageError
from member.log.chain import WaitingEntry
from member.log.origin import FollowedLog, check_origin, follow, followed_log
from member.log.receipts import LoggedReceipt, promised_by
from member.log.verify import LogFault, LogVerifier, OwnEntry, VerifiedLog
from member.log.waiting_entries import WaitingEntries
from member.log.witness import cosign_newest, load_seen, log_key, store_seen
from member.plain import as_lines
from member.queries.cover import CoverCheck, CoverState, DisclosedCover
from member.requests.log import RequestLog, RequestsCheck
from member.statements.authority import stated_exchange
from member.vault.requests import RequestRecords
from member.vault.uploads import Uploads
from schemas.rendering.words import label
from schemas.terms import MemberKind
from schemas.values.encoding import to_base64, to_rfc3339
from tlog.entries import BatchPlace

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


def _verifier(session: Session, stated: ExchangeStatement) -> LogVerifier:
    return LogVerifier(
        session.workplace.exchange,
        member_id=session.home.member_id,
        origin=stated.log_origin,
        log_key=log_key(stated),
        read_waiting=lambda: keep_receipts(session),
        sleep=session.workplace.around.sleep,
        now=session.workplace.around.clock,
    )


def keep_receipts(session: Session) -> list[WaitingEntry]:
    """Read what waits for its place in the log, and keep its receipts. LogFault for one that is worth nothing."""
    stated = stated_exchange(session.workplace.stated)
    waiting = WaitingEntries(session.workplace.vault, stated.log_origin, session.home.member_id)
    return waiting.take_in(
        session.workplace.exchange.waiting_entries(), stated.receipt_key, session.workplace.around.clock()
    )


def receipts_kept(session: Session) -> list[str]:
    """Keep the receipts of what was just done; a warning if the exchange could not be asked for them."""
    with _faults():
        try:
            keep_receipts(session)
        except LogFault:
            raise
        except MemberError as error:
            return [f"no receipt yet ({error.detail}): member log verify asks for it"]
    return []


def _promises(session: Session, origin: str, but: Collection[str] = ()) -> list[LoggedReceipt]:
    """What receipts of submissions and of waiting entries promise of the log, but for those of some events. Raises
    LogFault for two that promise different entries.
    """
    waiting = WaitingEntries(session.workplace.vault, origin, session.home.member_id)
    promised = promised_by([*Uploads(session.workplace.vault).receipts(), *waiting.receipts()])
    return [promise for promise in promised if promise.event_id not in but]


def _cover_check(session: Session) -> CoverCheck:
    stated = list(session.workplace.stated.members())
    agencies = {one.member_id for one in stated if one.kind is MemberKind.LAW_ENFORCEMENT}
    regulators = {one.member_id for one in stated if one.kind is MemberKind.REGULATOR}
    return CoverCheck(session.workplace.today(), agencies, regulators)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except LogFault as fault:
        proof = {"receipts": fault.receipts} if fault.receipts else {}
        raise MemberError(fault.detail, fault.hint, slug=fault.slug, entry=fault.where, **proof) from fault


def _verify(session: Session, each: Callable[[OwnEntry], None]) -> tuple[VerifiedLog, FollowedLog]:
    """Verify, with what was read of alerts, requests, queries, corrections and outcomes, then remember how far.
    MemberError naming the entry for a fault; then nothing is remembered.
    """
    stated = stated_exchange(session.workplace.stated)
    log = check_origin(session.workplace.vault, stated.log_origin)
    seen = load_seen(session.workplace.vault, stated.log_origin)
    alerts = AlertLog(session.workplace.vault, stated.log_origin, session.home.member_id)
    readings = ReadingsCheck(alerts.readings())
    requests = RequestLog(session.workplace.vault, stated.log_origin)
    opened = list(RequestRecords(session.workplace.vault).opened_under(stated.log_origin))
    asked = RequestsCheck(requests.readings(), opened, requests.answers())

    disclosure_record = DisclosureRecord(session.workplace.vault, stated.log_origin)
    told = disclosure_record.check()

    def look_at(entry: OwnEntry) -> None:
        readings.look_at(entry)
        asked.look_at(entry)
        told.look_at(entry)
        each(entry)

    waiting = WaitingEntries(session.workplace.vault, stated.log_origin, session.home.member_id)
    with _faults():
        keep_receipts(session)
        receipts = _promises(session, stated.log_origin, but=set(log.lost_events))
        found = _verifier(session, stated).verify(seen, receipts, each=look_at)
        read = list(readings.finish(is_complete=False))
        shown = list(asked.finish(is_complete=False))
        found_told = list(told.finish(is_complete=False))
        for check in (readings, asked, told):
            for one in found.waiting_entries:
                check.look_at(one)
            check.finish(is_complete=True)
    store_seen(session.workplace.vault, stated.log_origin, found.seen)
    waiting.forget({receipt.event_id for receipt in receipts}.difference(found.pending))
    alerts.forget(read)
    requests.forget(shown)
    disclosure_record.forget(found_told)
    return found, log


@dataclass
class _Collected:
    """Own entries as they were opened, and their proofs once the tree is verified."""

    folder: Path | None
    entries: list[OwnEntry]

    def write_proofs(self, verified: VerifiedLog) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for entry in self.entries:
            name = f"{entry.number:08}"
            proof, (leaf, place) = verified.offline_proof(entry.index), verified.leaf_of(entry)
            (self.folder / f"{name}.tlog-proof").write_text(proof, encoding="utf-8")
            (self.folder / f"{name}.entry").write_bytes(leaf)
            if place is not None:
                (self.folder / f"{name}.batch.json").write_text(_describe_place(entry, place), encoding="utf-8")
            if entry.view is not None:
                view = json.dumps(dict(entry.view), indent=2, ensure_ascii=False)
                (self.folder / f"{name}.json").write_text(view + "\n", encoding="utf-8")


def _collect(
    session: Session, proofs: Path | None, cover: CoverCheck, *, keep: bool
) -> tuple[VerifiedLog, FollowedLog, _Collected]:
    if proofs is not None and proofs.exists() and any(proofs.iterdir()):
        raise UsageError(f"{proofs} is not empty", "name a new folder")
    collected = _Collected(proofs, [])
    wanted = keep or proofs is not None

    def take_in(entry: OwnEntry) -> None:
        cover.look_at(entry)
        if wanted:
            collected.entries.append(entry)

    verified, log = _verify(session, take_in)
    collected.write_proofs(verified)
    return verified, log, collected


def _describe(verified: VerifiedLog, log: FollowedLog, proofs: Path | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "verified": True,
        "entries": verified.entries,
        "tree_size": verified.checkpoint.size,
        "origin": verified.checkpoint.origin,
        "root": to_base64(verified.checkpoint.root),
        "receipts": verified.receipts,
        "hits": verified.hits,
        "erased": list(verified.erased),
        "waiting": list(verified.waiting),
        "pending": len(verified.pending),
        "lost": list(log.lost_events),
    }
    return document if proofs is None else {**document, "proofs": str(proofs)}


@log.command("verify", epilog="Example: member log verify")
@_proofs_option
@click.pass_obj
@reporting
def verify(session: Session, proofs: Path | None) -> Shown:
    """Verify that every disclosure to or by this member stands in the log, unaltered, and nothing was taken out."""
    cover = _cover_check(session)
    verified, log, _ = _collect(session, proofs, cover, keep=False)
    with _faults():
        cover.finish()
    text = (
        f"verified: {counted(verified.entries, 'entry', 'entries')} of ours, {counted(verified.receipts, 'receipt')} "
        f"and {counted(verified.hits, 'hit')}, in a log of {counted(verified.checkpoint.size, 'leaf', 'leaves')}"
    )
    waiting = f"{counted(len(verified.waiting), 'entry', 'entries')} of ours without a place in the log yet"
    pending = f"{counted(len(verified.pending), 'receipt')} pending within the time promised"
    warnings = [f"{waiting}, {pending}"] if verified.waiting else []
    if log.lost_events:
        warnings.append(f"{len(log.lost_events)} receipts of a former log have no entry in this one, as accepted")
    lines = [text, *(_cover_end_text(one) for one in cover.disclosed)]
    return Shown(
        {**_describe(verified, log, proofs), "disclosed": [one.to_json() for one in cover.disclosed]},
        "\n".join(lines),
        warnings=warnings,
    )


def _cover_end_text(told: DisclosedCover) -> str:
    stated = told.stated
    about = f"{stated.agency} was told of {len(stated.tokens):,} of our indicators at {stated.told_at}"
    return f"query {stated.query_id}: {about}; a reviewer has the commitment {told.commitment}"


@log.command("withheld", epilog="Example: member log withheld")
@click.pass_obj
@reporting
def withheld(session: Session) -> Shown:
    """Verify the log, and list what was fixed for banks to be told when the cover of queries ends (reviewers), and what
    this bank was told since. The commitments of both are the same.
    """
    cover = _cover_check(session)
    _collect(session, None, cover, keep=False)
    fixed = list(cover.withheld())
    columns = ("query", "bank", "fixed at", "until", "state", "commitment")
    made = table(counted(len(fixed), "telling fixed", "tellings fixed"), *columns, whole=("query",))
    for one in fixed:
        shown = (one.query_id, one.bank, one.fixed_at, one.until, one.state.value)
        made.add_row(*shown, f"{one.commitment[:_SHOWN_COMMITMENT]}…")
    overdue = sum(one.state is CoverState.OVERDUE for one in fixed)
    text = as_lines(_cover_end_text(one) for one in cover.disclosed)
    if not fixed and not cover.disclosed:
        text = "nothing: no telling is fixed here, and of none whose cover has ended was this member told"
    warnings = [f"{overdue} are overdue: cover has ended, and the bank was not told what was fixed"] if overdue else []
    disclosed = [one.to_json() for one in cover.disclosed]
    document = {"withheld": msgspec.to_builtins(fixed), "disclosed": disclosed, "overdue": overdue}
    return Shown(document, text, made if fixed else None, warnings, FAILED if overdue else 0)


@log.command("entries", epilog="Example: member log entries --proofs ./proofs")
@_proofs_option
@output_option
@click.pass_obj
@reporting
def entries(session: Session, proofs: Path | None, output: Path | None) -> Shown:
    """Verify the log and list this member's own entries."""
    verified, log, collected = _collect(session, proofs, _cover_check(session), keep=True)
    if output is not None:
        return exported(output, {"entries": [_row_of(entry) for entry in collected.entries]}, "entries")
    waiting = verified.waiting_entries
    columns = ("number", "recorded at", "what", "about", "index", "event")
    title = counted(verified.entries, "entry", "entries")
    made = table(title, *columns, whole=("recorded at", "about", "event"), spare=("index", "event"))
    for entry in collected.entries:
        view = entry.view or {}
        what = label(str(view.get("kind", "content erased")))
        shown = (view.get("recorded_at"), what, describe_alerts(view) or _describe_subject(view))
        made.add_row(str(entry.number), *shown, str(entry.index), entry.event_id)
    for one in waiting:
        view = one.view or {}
        about = describe_alerts(view) or _describe_subject(view)
        what = label(str(view.get("kind", "content erased")))
        made.add_row("", view.get("recorded_at"), what, about, "waits", one.event_id)
    listed = [_describe_entry(entry) for entry in collected.entries]
    document = {**_describe(verified, log, proofs), "entries": listed}
    return Shown({**document, "waiting_entries": [_describe_waiting(one) for one in waiting]}, table=made)


_SUBJECTS = ("query", "request", "correction", "outcome", "assessment", "submission", "hit")


def _describe_subject(view: Mapping[str, Any]) -> str:
    """The query, request … that an entry is about, by its id; empty for an entry about something else."""
    return next((f"{name} {view[f'{name}_id']}" for name in _SUBJECTS if view.get(f"{name}_id")), "")


def _row_of(entry: OwnEntry) -> dict[str, Any]:
    """An entry as a row for a spreadsheet; its view whole, as JSON."""
    view = dict(entry.view or {})
    return {
        "number": entry.number,
        "recorded_at": view.get("recorded_at"),
        "kind": view.get("kind"),
        "about": describe_alerts(view) or _describe_subject(view),
        "index": entry.index,
        "event_id": entry.event_id,
        "entry": to_base64(entry.entry),
        "view": json.dumps(view, ensure_ascii=False) if view else None,
    }


def _describe_entry(entry: OwnEntry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "index": entry.index,
        "event_id": entry.event_id,
        "entry_id": entry.entry_id,
        "entry": to_base64(entry.entry),
        "view": None if entry.view is None else dict(entry.view),
    }


def _describe_waiting(one: WaitingEntry) -> dict[str, Any]:
    return {
        "event_id": one.event_id,
        "entry_id": one.entry_id,
        "entry": to_base64(one.entry),
        "view": None if one.view is None else dict(one.view),
    }


def _describe_place(entry: OwnEntry, place: BatchPlace) -> str:
    shown = {
        "entry": to_base64(entry.entry),
        "position": place.position,
        "count": place.count,
        "root": to_base64(place.root),
        "proof": [to_base64(value) for value in place.proof],
    }
    return json.dumps(shown, indent=2) + "\n"


@log.command("witness", epilog="Example: member log witness --out cosigned.txt")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the cosigned checkpoint here.")
@click.pass_obj
@reporting
def witness(session: Session, out: Path | None) -> Shown:
    """Cosign the newest checkpoint, if it continues the one cosigned last."""
    stated = stated_exchange(session.workplace.stated)
    now = session.workplace.around.clock()
    check_origin(session.workplace.vault, stated.log_origin)
    cosigned = cosign_newest(session.workplace.vault, session.workplace.exchange, stated, session.home.member_id, now)
    if out is not None:
        out.write_text(cosigned.note, encoding="utf-8")
    document = {
        "origin": stated.log_origin,
        "tree_size": cosigned.size,
        "cosignature": cosigned.line,
        "witness_key": cosigned.witness_key,
        "checkpoint": cosigned.note,
    }
    return Shown(document, f"{cosigned.note}witness key: {cosigned.witness_key}")


@log.command("accept-origin", epilog="Example: member log accept-origin exchange.example/uk/restart-2")
@click.argument("origin")
@click.pass_obj
@reporting
def accept_origin(session: Session, origin: str) -> Shown:
    """Follow a log that was started anew, once the registrars have told you why. Shows what it lacks."""
    stated = stated_exchange(session.workplace.stated)
    former = followed_log(session.workplace.vault)
    if origin != stated.log_origin:
        raise UsageError(f"the registrars state the log {stated.log_origin}, not {origin}")
    if former is not None and former.origin == origin:
        raise UsageError(f"{origin} is the log that is followed already")
    events: set[str] = set()
    with _faults():
        verifier = _verifier(session, stated)
        found = verifier.verify(each=lambda entry: events.add(entry.event_id))
        if found.waiting:
            raise MemberError(f"{len(found.waiting)} entries have no place in the log yet", "try again in a minute")
        promised = _promises(session, stated.log_origin)
        lost = sorted(receipt.event_id for receipt in promised if receipt.event_id not in events)
        verifier.verify(found.seen, [receipt for receipt in promised if receipt.event_id in events])
    before = None if former is None else load_seen(session.workplace.vault, former.origin)
    accepted_at = to_rfc3339(session.workplace.around.clock())
    follow(session.workplace.vault, FollowedLog(origin, session.acting_as, accepted_at, tuple(lost)))
    store_seen(session.workplace.vault, origin, found.seen)
    document = {
        "origin": origin,
        "former_origin": None if former is None else former.origin,
        "entries": found.entries,
        "entries_before": None if before is None else before.number,
        "lost": lost,
    }
    text = f"{origin} is followed from now on: {found.entries} entries of ours, {len(lost)} receipts have none in it"
    return Shown(document, text)
