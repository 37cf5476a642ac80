"""`exchange proposal list|discard|export|submit`: the drafts that wait for the registrars, seen by the operator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from exchange.kernel.session import Database
from exchange.programs.commands import CommandError, opened, reports
from exchange.registrars.accept import accept_statement, list_statements
from exchange.registrars.propose import Draft, discard_proposal, list_proposals
from keys.signatures.strict import require_fields, require_list
from keys.statements.envelopes import Envelope, Root, StatementError, payload_digest
from schemas.values.clock import utc_now
from schemas.values.encoding import to_base64, to_rfc3339

_MAX_FILE_BYTES = 64 << 20
_ALL = 2**31 - 1


@click.group(epilog="Example: exchange proposal list")
def proposal() -> None:
    """See and discard what waits for the registrars' signatures."""


def _row(found: Draft) -> dict[str, Any]:
    return {
        "proposal_id": found.proposal_id,
        "type": found.type,
        "subject": found.subject,
        "sequence": found.sequence,
        "signatures": found.signatures,
        "proposed_at": to_rfc3339(found.proposed_at),
    }


def _line(row: dict[str, Any]) -> str:
    about = f"{row['type']} {row['subject']} (sequence {row['sequence']})"
    return f"{row['proposal_id']}  {about}, {row['signatures']} signed, drafted {row['proposed_at']}"


@proposal.command("list", epilog="Example: exchange proposal list --json")
@click.pass_context
@reports(lambda done: "\n".join(map(_line, done["proposals"])) or "nothing waits")
def list_command(context: click.Context) -> dict[str, Any]:
    """List the drafts that want signatures, the oldest first."""
    with opened(context) as (_, database):
        return {"proposals": [_row(found) for found in list_proposals(database)]}


@proposal.command(epilog="Example: exchange proposal discard 5f3a…")
@click.argument("proposal_id")
@click.pass_context
@reports(lambda done: f"Discarded: {_line(done)}")
def discard(context: click.Context, proposal_id: str) -> dict[str, Any]:
    """Take a draft back, by its id or an unmistakable beginning of it. It is in the log of those it concerned."""
    with opened(context) as (_, database):
        return {**_row(discard_proposal(database, proposal_id, utc_now())), "state": "discarded"}


@proposal.command(epilog="Example: exchange proposal export proposals.json")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
@reports(lambda done: f"proposals in {done['file']}: {done['proposals']}; registrars sign them with registrar sign")
def export(context: click.Context, file: Path) -> dict[str, Any]:
    """Write what waits, and what is in force, to a file for a registrar whose machine has no network."""
    with opened(context) as (_, database):
        waiting = [
            {"proposal_id": each.proposal_id, "payload": to_base64(each.payload)} for each in list_proposals(database)
        ]
        statements = msgspec.to_builtins(list_statements(database, 0, _ALL).statements)
    try:
        with file.open("x", encoding="utf-8") as stream:
            json.dump({"proposals": waiting, "statements": statements}, stream)
    except OSError as error:
        raise CommandError("file", f"{file} cannot be written: {error.strerror}; name a new file") from None
    return {"file": str(file), "proposals": len(waiting)}


@proposal.command(epilog="Example: exchange proposal submit signed.json")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
@reports(lambda done: "\n".join(map(_submitted_line, done["submitted"])))
def submit(context: click.Context, file: Path) -> dict[str, Any]:
    """Take in the signatures that a registrar made off line. The key holders get them by `registrar deliver`."""
    try:
        with file.open("rb") as stream:
            document = require_fields(json.loads(stream.read(_MAX_FILE_BYTES)), "envelopes")
        envelopes = require_list(document["envelopes"])
    except (ValueError, RecursionError):
        raise CommandError("file", f"{file} holds no signatures: registrar sign --out writes them") from None
    with opened(context) as (settings, database):
        submitted = [_submitted(database, settings.root, envelope) for envelope in envelopes]
    refused = [f"{each['digest']}: {each['problem']}" for each in submitted if each["problem"]]
    if refused:
        taken = len(submitted) - len(refused)
        raise CommandError("refused", f"{'; '.join(refused)} (of {len(submitted)} statements {taken} were taken in)")
    return {"submitted": submitted}


def _submitted(database: Database, root: Root, envelope: object) -> dict[str, Any]:
    """What became of one; a refusal does not keep the others out."""
    digest = None
    try:
        digest = payload_digest(Envelope.parse(envelope).payload)
        standing = accept_statement(database, root, envelope, utc_now())
    except StatementError as error:
        return {"digest": digest, "state": "refused", "problem": str(error)}
    counts = {"signatures": standing.signatures, "quorum": standing.quorum}
    return {"digest": digest, "state": standing.state, "problem": None, **counts}


def _submitted_line(each: dict[str, Any]) -> str:
    return f"{each['state']} ({each['signatures']}/{each['quorum']}): {each['digest']}"
