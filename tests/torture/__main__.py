"""`python -m tests.torture --kills 500 [--database-url postgresql] [--seed N] [--folder F]`: kill and check.

A whole taskforce works on loopback while its processes are killed one after the other. Nothing accepted may be lost,
nothing doubled, nothing shown without an entry in the log. Progress on standard error, the result as JSON on standard
output; exit status 1 if anything is wrong. With `--folder` a run that was killed goes on when started again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.torture.programs import ACTION, SUBMISSIONS
from tests.torture.run import Plan, Torture


def main() -> int:
    """Exit status 0 when every check holds."""
    parser = argparse.ArgumentParser(prog="tests.torture", description="Kill a taskforce at work, and check it.")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database-url", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--folder", type=Path, help="keep everything there, and go on from there")
    wrong = "an exchange that answers these before it commits: must fail"
    parser.add_argument("--wrong", nargs="?", choices=[SUBMISSIONS, ACTION], const=SUBMISSIONS, help=wrong)
    parser.add_argument("--audit-every", type=int, default=10, metavar="KILLS")
    parser.add_argument("--longest-pause", type=float, default=2.0, metavar="SECONDS", help="between two kills")
    given = parser.parse_args()
    plan = Plan(
        kills=given.kills,
        seed=given.seed,
        postgresql=given.database_url == "postgresql",
        wrong=given.wrong,
        audit_every=given.audit_every,
        longest_pause=given.longest_pause,
    )
    if given.folder is not None:
        return _run(given.folder.resolve(), plan, kept=True)
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        return _run(Path(folder).resolve(), plan, kept=False)


def _run(folder: Path, plan: Plan, *, kept: bool) -> int:
    def report(text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201

    torture = Torture(folder, plan, report, kept=kept)
    print(json.dumps(torture.run()))  # noqa: T201
    return int(torture.has_faults())


if __name__ == "__main__":
    sys.exit(main())
