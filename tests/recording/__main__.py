"""Records what passes in the demonstration and the README's tour, and compares two recordings.

    python -m tests.recording --out before --checkout ../earlier    # with the programs of that checkout's .venv
    python -m tests.recording --out after
    python -m tests.recording --compare before after                # exit status 1 when they differ

Changed sentences (`detail`, `title`, what commands say) are listed, and are no difference.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.recording.comparing import compare
from tests.recording.playing import PlayingError, record
from tests.recording.reading import read_recording

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="a new folder for a recording")
    what.add_argument("--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"), help="folders of two recordings")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="whose programs are recorded (this one's)")
    options = parser.parse_args()
    if options.out is None:
        return print_comparison(*options.compare)
    try:
        record(options.checkout.resolve(), options.out.resolve())
    except PlayingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{options.out}: {len(read_recording(options.out))} items\n")
    return 0


def print_comparison(before: Path, after: Path) -> int:
    """Print how two recordings differ; 1 when they do."""
    found = compare(read_recording(before), read_recording(after))
    for line, number in sorted(found.differences.items()):
        sys.stdout.write(f"{line}{f' ({number} items)' if number > 1 else ''}\n")
    sys.stdout.write("".join(f"{line}\n" for line in found.prose))
    sys.stdout.write(
        f"{found.compared[0]} and {found.compared[1]} items: {len(found.differences)} differences,"
        f" {len(found.prose)} changed sentences\n"
    )
    return 1 if found.differences else 0


if __name__ == "__main__":
    sys.exit(main())
