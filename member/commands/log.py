"""`log verify|entries|witness`: every disclosure made to or by this member, checked by this member."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from member.authority import stated_exchange
from member.commands.common import Shown, reporting, table
from member.errors import MemberError, UsedWronglyError
from member.log import LogFault, LoggedReceipt, LogVerifier, OwnEntry, VerifiedLog
from member.session import Session
from member.vault.uploads import Uploads
from member.witness import cosign_newest, load_seen, log_key, store_seen
from schemas.encoding import to_base64

_proofs_option = click.option(
    "--proofs",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a proof of each own entry, its 33 bytes and its view into this folder.",
)


@click.group()
def log() -> None:
    """Check the log of disclosures."""


def _verify(session: Session, each: Callable[[OwnEntry], None]) -> VerifiedLog:
    """Verify, then remember how far. MemberError naming the entry for a fault; then nothing is remembered."""
    stated = stated_exchange(session.keyring)
    verifier = LogVerifier(
        session.exchange,
        member_id=session.home.member_id,
        origin=stated.log_origin,
        log_key=log_key(stated),
        sleep=session.around.sleep,
        now=session.around.clock,
    )
    receipts = (LoggedReceipt.from_payload(receipt.payload) for receipt in Uploads(session.vault).receipts())
    try:
        found = verifier.verify(load_seen(session.vault, stated.log_origin), receipts, each=each)
    except LogFault as fault:
        raise MemberError(fault.detail, fault.hint, slug=fault.slug, entry=fault.where) from fault
    store_seen(session.vault, stated.log_origin, found.seen)
    return found


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
            proof = verified.offline_proof(entry.index)
            (self.folder / f"{name}.tlog-proof").write_text(proof, encoding="utf-8")
            (self.folder / f"{name}.entry").write_bytes(entry.entry)
            if entry.view is not None:
                view = json.dumps(dict(entry.view), indent=2, ensure_ascii=False)
                (self.folder / f"{name}.json").write_text(view + "\n", encoding="utf-8")


def _collect(session: Session, proofs: Path | None, *, keep: bool) -> tuple[VerifiedLog, _Collected]:
    if proofs is not None and proofs.exists() and any(proofs.iterdir()):
        raise UsedWronglyError(f"{proofs} is not empty", "name a new folder")
    collected = _Collected(proofs, [])
    wanted = keep or proofs is not None
    verified = _verify(session, collected.entries.append if wanted else lambda _: None)
    collected.write_proofs(verified)
    return verified, collected


def _describe(verified: VerifiedLog, proofs: Path | None) -> dict[str, Any]:
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
    }
    return document if proofs is None else {**document, "proofs": str(proofs)}


@log.command("verify", epilog="Example: member log verify")
@_proofs_option
@click.pass_obj
@reporting
def verify(session: Session, proofs: Path | None) -> Shown:
    """Verify that every disclosure to or by this member stands in the log, unaltered, and nothing was taken out."""
    verified, _ = _collect(session, proofs, keep=False)
    text = (
        f"verified: {verified.entries} entries of ours, {verified.receipts} receipts and {verified.hits} hits, "
        f"in a log of {verified.checkpoint.size} leaves"
    )
    warnings = [f"{len(verified.waiting)} entries have no place in the log yet"] if verified.waiting else []
    return Shown(_describe(verified, proofs), text, warnings=warnings)


@log.command("entries", epilog="Example: member log entries --proofs ./proofs")
@_proofs_option
@click.pass_obj
@reporting
def entries(session: Session, proofs: Path | None) -> Shown:
    """Verify the log and list this member's own entries."""
    verified, collected = _collect(session, proofs, keep=True)
    made = table(f"{verified.entries} entries", "number", "recorded at", "kind", "index", "event")
    for entry in collected.entries:
        view = entry.view or {}
        made.add_row(str(entry.number), view.get("recorded_at"), view.get("kind"), str(entry.index), entry.event_id)
    listed = [_describe_entry(entry) for entry in collected.entries]
    return Shown({**_describe(verified, proofs), "entries": listed}, table=made)


def _describe_entry(entry: OwnEntry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "index": entry.index,
        "event_id": entry.event_id,
        "entry_id": entry.entry_id,
        "entry": to_base64(entry.entry),
        "view": None if entry.view is None else dict(entry.view),
    }


@log.command("witness", epilog="Example: member log witness --out cosigned.txt")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the cosigned checkpoint here.")
@click.pass_obj
@reporting
def witness(session: Session, out: Path | None) -> Shown:
    """Cosign the newest checkpoint, if it continues the one cosigned last."""
    stated = stated_exchange(session.keyring)
    now = session.around.clock()
    cosigned = cosign_newest(session.vault, session.exchange, stated, session.home.member_id, now)
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
