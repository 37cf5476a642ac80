"""`exchange doctor`: every check of the set-up, and the cure of each."""

from __future__ import annotations

import json
from typing import Any

import click

from exchange.programs.commands import home_of
from keys.terminal.program import FAILED, wants_json
from schemas.values.clock import utc_now


@click.command(epilog="Example: exchange --home /srv/exchange doctor")
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check home, owner, modes, settings, keys, database, clock, head, worker and certificate; say the cure of each.

    It changes nothing, and ends with 1 if something is wrong. Run it as the user of the service.
    """
    from exchange.operations.doctor import examine  # noqa: PLC0415 - slow to import, needed here only

    findings = examine(home_of(context), utc_now)
    checks = [{"check": one.check, "ok": one.is_well, "found": one.found, "cure": one.cure} for one in findings]
    document = {"ok": all(one.is_well for one in findings), "checks": checks}
    click.echo(json.dumps(document, ensure_ascii=False) if wants_json() else _show(document))
    if not document["ok"]:
        context.exit(FAILED)


def _show(done: dict[str, Any]) -> str:
    lines = []
    for one in done["checks"]:
        lines.append(f"{'ok   ' if one['ok'] else 'WRONG'}  {one['check']:12} {one['found']}")
        if one["cure"]:
            lines.append(f"{'':7}{'':12} cure: {one['cure']}")
    lines.append("all is well" if done["ok"] else "something is wrong: see the cures, the first one first")
    return "\n".join(lines)
