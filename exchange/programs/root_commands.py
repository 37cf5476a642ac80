"""`exchange root show|propose|export|restore`: who the registrars are, drafting who follows them, and taking back what
they signed.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec

from exchange.membership.roots import read_roots
from exchange.programs.commands import CommandError, opened
from exchange.registrars.roots import propose_root
from exchange.registrars.take_statements import TakenStatement, take_statements
from keys.statements.envelopes import Root, StatementError
from keys.statements.fingerprints import in_fours
from keys.statements.roots import Roots
from keys.terminal.program import CommandResult, reports
from schemas.values.clock import utc_now


@click.group("root", epilog="Example: exchange root show")
def root_group() -> None:
    """The registrars: who they are, who follows them, and what they signed."""


class ListedRegistrar(msgspec.Struct, frozen=True, kw_only=True):
    """A registrar as a root names it; the key is base64."""

    registrar_id: str
    public_key: str


class NewestRoot(CommandResult, frozen=True):
    """Who signs at present."""

    version: int
    quorum: int
    registrars: list[ListedRegistrar]
    registrars_fingerprint: str

    def text(self) -> str:
        names = ", ".join(each.registrar_id for each in self.registrars)
        return (
            f"root {self.version}: {names} ({self.quorum} must sign)\n"
            f"fingerprint {in_fours(self.registrars_fingerprint)}"
        )


def _newest(roots: Roots) -> NewestRoot:
    return NewestRoot(
        version=roots.version,
        quorum=roots.newest.quorum,
        registrars=msgspec.convert([each.to_wire() for each in roots.newest.registrars], list[ListedRegistrar]),
        registrars_fingerprint=roots.fingerprint,
    )


class DraftedRoot(CommandResult, frozen=True):
    """A root that waits for the signatures of two quorums: its own, and that of the root before it."""

    version: int
    proposal_id: str

    def text(self) -> str:
        return (
            f"Registrars sign proposal {self.proposal_id}: the quorum of root {self.version - 1} and that of root"
            f" {self.version}.\nWho is new signs off line: exchange proposal export, member registrar sign, exchange"
            " proposal submit."
        )


class ExportedRoot(NewestRoot, frozen=True):
    """Who signs at present, and the file to pin."""

    file: str

    def text(self) -> str:
        return f"{self.file}: for new key holders and registrars; they compare the fingerprint"


class RestoredStatements(NewestRoot, frozen=True):
    """What became of each statement, and who signs at present."""

    statements: list[TakenStatement]

    def text(self) -> str:
        lines = [f"{each.type} {each.subject}: {each.problem or 'in force'}" for each in self.statements]
        return "\n".join([*lines, super().text()])


@root_group.command(epilog="Example: exchange root show --json")
@click.pass_context
@reports
def show(context: click.Context) -> NewestRoot:
    """Show who signs at present, and the fingerprint that new members compare."""
    with opened(context) as (settings, database):
        return _newest(read_roots(database, settings.root))


@root_group.command(epilog="Example: exchange root propose new-registrars.json")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
@reports
def propose(context: click.Context, file: Path) -> DraftedRoot:
    """Draft that the registrars in FILE follow the present ones. It carries over all that is in force.

    FILE is {"quorum":2,"registrars":[{"registrar_id","public_key"}]} with all of them, also those who stay.
    """
    draft = Root.load(file)
    if draft.anchor is not None:
        raise StatementError("malformed", f"{file} names a later root: a draft has quorum and registrars alone")
    with opened(context) as (settings, database):
        version = read_roots(database, settings.root).version + 1
        proposal_id = propose_root(database, settings.root, draft, utc_now())
    return DraftedRoot(version=version, proposal_id=proposal_id)


@root_group.command(epilog="Example: exchange root export registrars.json")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
@reports
def export(context: click.Context, file: Path) -> ExportedRoot:
    """Write what a new key holder or registrar pins: the first root, and the fingerprint of the newest one."""
    with opened(context) as (settings, database):
        roots = read_roots(database, settings.root)
    try:
        with file.open("x", encoding="utf-8") as stream:
            json.dump(roots.as_pinned().to_wire(), stream)
    except OSError as error:
        raise CommandError("file", f"{file} cannot be written: {error.strerror}; name a new file") from None
    return ExportedRoot(file=str(file), **msgspec.structs.asdict(_newest(roots)))


@root_group.command(epilog="Example: exchange root restore statements-in-force.json")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
@reports
def restore(context: click.Context, file: Path) -> RestoredStatements:
    """Take back what registrars signed since the backup from which this exchange was restored.

    FILE is statements-in-force.json out of the home of a registrar of the newest root. Each statement is checked as if
    it were new; one that is in force here already is passed over.
    """
    envelopes = _read_envelopes(file)
    with opened(context) as (settings, database):
        taken = take_statements(database, settings.root, envelopes, utc_now())
        newest = _newest(read_roots(database, settings.root))
    return RestoredStatements(statements=taken, **msgspec.structs.asdict(newest))


def _read_envelopes(file: Path) -> list[object]:
    try:
        found = json.loads(file.read_bytes())
    except OSError as error:
        raise CommandError("file", f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise CommandError(
            "file", f"{file} is not a list of signed statements: take a registrar's statements-in-force.json"
        )
    return found
