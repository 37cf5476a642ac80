"""All benchmarks, one after the other: `python -m bench [NAME…]`. Each prints JSON lines

{"name","value","unit","reference","reference_value","ratio"}

whose reference was measured in the same run: machines differ, ratios count. What must hold stands in docs/figures.md.
"""

from __future__ import annotations

import subprocess
import sys

NAMES = ("tokenising", "matching", "sharers", "vault", "log_cost", "log_growth", "normalising", "taxii")


def main(names: list[str]) -> int:
    """Exit status 1 if a benchmark fails to run; how fast it was never decides."""
    unknown = set(names) - set(NAMES)
    if unknown:
        sys.stderr.write(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}\n")
        return 2
    chosen = names or list(NAMES)
    done = [subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False) for name in chosen]
    return int(any(each.returncode != 0 for each in done))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
