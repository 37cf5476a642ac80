"""Changes rules and use cases in small wrong ways, and sees whether the tests of their subject notice.

    python -m tests.mutants                                          # three of each module, the same in every run
    python -m tests.mutants --module exchange/queries/rules.py --each 20 --seed 7
    python -m tests.mutants --module exchange/queries/rules.py --line 120    # every mutant of that line

Exit status 1 when one survives that is not known to be equivalent (tests/mutants/subjects.py).
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import Counter
from pathlib import Path

from tests.mutants.mutating import Mutant, mutants_of
from tests.mutants.running import Fate, TestsFailError, choose, run_mutants
from tests.mutants.subjects import EQUIVALENT, SUBJECTS

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", action="append", choices=sorted(SUBJECTS), metavar="PATH", help="may be repeated")
    parser.add_argument("--each", type=int, default=3, help="how many mutants of a module (3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--line", type=int, help="every mutant of this line instead")
    options = parser.parse_args()
    os.chdir(ROOT)
    fates: Counter[Fate] = Counter()
    for module in options.module or SUBJECTS:
        source = Path(module).read_text(encoding="utf-8")
        chosen = choose(source, options.each, random.Random(f"{options.seed} {module}"))
        if options.line is not None:
            chosen = [mutant for mutant in mutants_of(source) if mutant.line == options.line]
        try:
            fates += run_subject(module, source, chosen)
        except TestsFailError as error:
            sys.stderr.write(f"{error}\n")
            return 2
    sys.stdout.write(", ".join(f"{fates[fate]} {fate}" for fate in Fate) + "\n")
    return 1 if fates[Fate.SURVIVED] else 0


def run_subject(module: str, source: str, mutants: list[Mutant]) -> Counter[Fate]:
    """How many mutants of a module met which fate; each is told with its line. Raises TestsFailError."""
    fates: Counter[Fate] = Counter()

    def note(mutant: Mutant, fate: Fate) -> None:
        diff = mutant.diff(source)
        if fate is Fate.SURVIVED and (module, diff) in EQUIVALENT:
            fate = Fate.EQUIVALENT
        fates[fate] += 1
        shown = "" if fate is Fate.KILLED else f"\n{diff}"
        out.write(f"{fate} {module}:{mutant.line} {mutant.kind}{shown}\n")
        out.flush()

    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as out:  # pytest takes the other
        run_mutants(module, mutants, SUBJECTS[module], note)
    return fates


if __name__ == "__main__":
    sys.exit(main())
