"""`exchange root show|propose|export|restore`: who the registrars are, drafting who follows them, and taking back what
they signed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from exchange.membership.roots import read_roots
from exchange.programs.commands import CommandError, opened, reports
from exchange.registrars.roots import propose_root
from exchange.registrars.take_statements import take_statements
from keys.statements.envelopes import Root, StatementError
from keys.statements.fingerprints import in_fours
from keys.statements.roots import Roots
from schemas.values.clock import utc_now


@click.group("root", epilog="Example: exchange root show")
def root_group() -> None:
    """The registrars: who they are, who follows them, and what they signed."""


def _described(roots: Roots) -> dict[str, Any]:
    return {
        "version": roots.version,
        "quorum": roots.newest.quorum,
        "registrars": [each.to_wire() for each in roots.newest.registrars],
        "registrars_fingerprint": roots.fingerprint,
    }


def _show(done: dict[str, Any]) -> str:
    names = ", ".join(each["registrar_id"] for each in done["registrars"])
    return (
        f"root {done['version']}: {names} ({done['quorum']} must sign)\n"
        f"fingerprint {in_fours(done['registrars_fingerprint'])}"
    )


@root_group.command(epilog="Example: exchange root show --json")
@click.pass_context
@reports(_show)
def show(context: click.Context) -> dict[str, Any]:
    """Show who signs at present, and the fingerprint that newcomers compare."""
    with opened(context) as (settings, database):
        return _described(read_roots(database, settings.root))


@root_group.command(epilog="Example: exchange root propose new-registrars.json")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
@reports(
    lambda done: (
        f"Registrars sign proposal {done['proposal_id']}: the quorum of root {done['version'] - 1} and that of root"
        f" {done['version']}.\nWho is new signs off line: exchange proposal export, member registrar sign, exchange"
        " proposal submit."
    )
)
def propose(context: click.Context, file: Path) -> dict[str, Any]:
    """Draft that the registrars in FILE follow the present ones. It carries over all that is in force.

    FILE is {"quorum":2,"registrars":[{"registrar_id","public_key"}]} with all of them, also those who stay.
    """
    wanted = Root.load(file)
    if wanted.anchor is not None:
        raise StatementError("malformed", f"{file} names a later root: a draft has quorum and registrars alone")
    with opened(context) as (settings, database):
        version = read_roots(database, settings.root).version + 1
        return {"version": version, "proposal_id": propose_root(database, settings.root, wanted, utc_now())}


@root_group.command(epilog="Example: exchange root export registrars.json")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
@reports(lambda done: f"{done['file']}: for new key holders and registrars; they compare the fingerprint")
def export(context: click.Context, file: Path) -> dict[str, Any]:
    """Write what a new key holder or registrar pins: the first root, and the fingerprint of the newest one."""
    with opened(context) as (settings, database):
        roots = read_roots(database, settings.root)
    try:
        with file.open("x", encoding="utf-8") as stream:
            json.dump(roots.as_pinned().to_wire(), stream)
    except OSError as error:
        raise CommandError("file", f"{file} cannot be written: {error.strerror}; name a new file") from None
    return {"file": str(file), **_described(roots)}


def _show_taken(done: dict[str, Any]) -> str:
    lines = [f"{each['type']} {each['subject']}: {each['problem'] or 'in force'}" for each in done["statements"]]
    return "\n".join([*lines, _show(done)])


@root_group.command(epilog="Example: exchange root restore statements-in-force.json")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
@reports(_show_taken)
def restore(context: click.Context, file: Path) -> dict[str, Any]:
    """Take back what registrars signed since the backup from which this exchange was restored.

    FILE is statements-in-force.json out of the home of a registrar of the newest root. Each statement is checked as if
    it were new; one that is in force here already is passed over.
    """
    envelopes = _read_envelopes(file)
    with opened(context) as (settings, database):
        taken = take_statements(database, settings.root, envelopes, utc_now())
        return {"statements": msgspec.to_builtins(taken), **_described(read_roots(database, settings.root))}


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
