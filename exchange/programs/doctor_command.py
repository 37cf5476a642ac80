"""`exchange doctor`: every check of the set-up, and the cure of each."""

from __future__ import annotations

import click
import msgspec

from exchange.programs.commands import home_of
from keys.terminal.program import FAILED, CommandResult, print_result
from schemas.values.clock import utc_now


class DoctorCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One check, what it found, and the cure of what is wrong."""

    check: str
    ok: bool
    found: str
    cure: str


class Examined(CommandResult, frozen=True):
    """All checks; `ok` if none found anything wrong."""

    ok: bool
    checks: list[DoctorCheck]

    def text(self) -> str:
        lines = []
        for one in self.checks:
            lines.append(f"{'ok   ' if one.ok else 'WRONG'}  {one.check:12} {one.found}")
            if one.cure:
                lines.append(f"{'':7}{'':12} cure: {one.cure}")
        lines.append("all is well" if self.ok else "something is wrong: see the cures, the first one first")
        return "\n".join(lines)


@click.command(epilog="Example: exchange --home /srv/exchange doctor")
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check home, owner, modes, settings, keys, database, clock, head, worker and certificate; say the cure of each.

    It changes nothing, and ends with 1 if something is wrong. Run it as the user of the service.
    """
    from exchange.operations.doctor import examine  # noqa: PLC0415 - slow to import, needed here only

    findings = examine(home_of(context), utc_now)
    checks = [DoctorCheck(check=one.check, ok=one.is_well, found=one.found, cure=one.cure) for one in findings]
    examined = Examined(ok=all(one.ok for one in checks), checks=checks)
    print_result(examined)
    if not examined.ok:
        context.exit(FAILED)
