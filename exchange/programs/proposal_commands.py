"""`exchange proposal list|discard|export|submit`: the drafts that wait for the registrars, seen by the operator."""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec

from exchange.kernel.session import Database
from exchange.programs.commands import CommandError, opened
from exchange.registrars.accept import accept_statement, list_statements
from exchange.registrars.propose import ListedDraft, discard_proposal, list_proposals
from keys.signatures.strict import require_fields, require_list
from keys.statements.envelopes import Envelope, Root, StatementError, payload_digest
from keys.terminal.program import CommandResult, print_document, reports
from schemas.values.clock import utc_now
from schemas.values.encoding import to_base64

_MAX_FILE_BYTES = 64 << 20
_ALL = 2**31 - 1


@click.group(epilog="Example: exchange proposal list")
def proposal() -> None:
    """See and discard what waits for the registrars' signatures."""


class DiscardedDraft(ListedDraft, frozen=True):
    """A draft that was taken back."""

    state: str = "discarded"


class ListedDrafts(CommandResult, frozen=True):
    """The drafts that wait, the oldest first."""

    proposals: list[ListedDraft]

    def text(self) -> str:
        return "\n".join(map(_line, self.proposals)) or "nothing waits"


def _line(draft: ListedDraft) -> str:
    about = f"{draft.type} {draft.subject} (sequence {draft.sequence})"
    return f"{draft.proposal_id}  {about}, {draft.signatures} signed, drafted {draft.proposed_at}"


class ExportedProposals(CommandResult, frozen=True):
    """A file, and how many drafts it holds."""

    file: str
    proposals: int

    def text(self) -> str:
        return f"proposals in {self.file}: {self.proposals}; registrars sign them with registrar sign"


class RefusedSignature(msgspec.Struct, frozen=True, kw_only=True):
    """A signature that was not taken in. The digest is None where the envelope cannot be read."""

    digest: str | None
    problem: str


class TakenSignature(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a statement by a signature that was taken in."""

    digest: str | None
    state: str
    problem: None = None
    signatures: int
    quorum: int


class SubmittedProposals(CommandResult, frozen=True):
    """What became of each statement."""

    submitted: list[TakenSignature]

    def text(self) -> str:
        return "\n".join(f"{each.state} ({each.signatures}/{each.quorum}): {each.digest}" for each in self.submitted)


@proposal.command("list", epilog="Example: exchange proposal list --json")
@click.pass_context
@reports
def list_command(context: click.Context) -> ListedDrafts:
    """List the drafts that require signatures, the oldest first."""
    with opened(context) as (_, database):
        return ListedDrafts(proposals=[found.listed for found in list_proposals(database)])


@proposal.command(epilog="Example: exchange proposal discard 5f3a…")
@click.argument("proposal_id")
@click.pass_context
def discard(context: click.Context, proposal_id: str) -> None:
    """Take a draft back, by its id or an unmistakable beginning of it. It is in the log of those it concerned."""
    with opened(context) as (_, database):
        found = discard_proposal(database, proposal_id, utc_now()).listed
    print_document(DiscardedDraft(**msgspec.structs.asdict(found)), f"Discarded: {_line(found)}")


@proposal.command(epilog="Example: exchange proposal export proposals.json")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
@reports
def export(context: click.Context, file: Path) -> ExportedProposals:
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
    return ExportedProposals(file=str(file), proposals=len(waiting))


@proposal.command(epilog="Example: exchange proposal submit signed.json")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
@reports
def submit(context: click.Context, file: Path) -> SubmittedProposals:
    """Take in the signatures that a registrar made off line. The key holders get them by `registrar deliver`."""
    try:
        with file.open("rb") as stream:
            document = require_fields(json.loads(stream.read(_MAX_FILE_BYTES)), "envelopes")
        envelopes = require_list(document["envelopes"])
    except (ValueError, RecursionError):
        raise CommandError("file", f"{file} holds no signatures: registrar sign --out writes them") from None
    with opened(context) as (settings, database):
        submitted = [_submitted(database, settings.root, envelope) for envelope in envelopes]
    taken = [each for each in submitted if isinstance(each, TakenSignature)]
    refused = [f"{each.digest}: {each.problem}" for each in submitted if isinstance(each, RefusedSignature)]
    if refused:
        counted = f"of {len(submitted)} statements {len(taken)} were taken in"
        raise CommandError("refused", f"{'; '.join(refused)} ({counted})")
    return SubmittedProposals(submitted=taken)


def _submitted(database: Database, root: Root, envelope: object) -> TakenSignature | RefusedSignature:
    """What became of one; a refusal does not keep the others out."""
    digest = None
    try:
        digest = payload_digest(Envelope.parse(envelope).payload)
        standing = accept_statement(database, root, envelope, utc_now())
    except StatementError as error:
        return RefusedSignature(digest=digest, problem=str(error))
    return TakenSignature(digest=digest, state=standing.state, signatures=standing.signatures, quorum=standing.quorum)
