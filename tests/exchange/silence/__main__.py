"""Compare many generated states: `python -m tests.exchange.silence [STATES] [FIRST]`.

One line for each seed; exit 1 at the first that differs, with what differs.
"""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
import structlog

from tests.exchange.queries.scenario import QueryScenario
from tests.exchange.silence.plan import STEPS, assert_that_all_was_there, live
from tests.exchange.silence.side import Side, differences, order_ids


def compare(seed: int, folder: Path) -> int:
    """How many answers and rounds of the outbox were compared. Exits when any differ."""
    founded = QueryScenario(f"sqlite:///{folder / 'founded.db'}", folder)
    founded.taskforce.close()
    steps = Random(seed).sample(STEPS, len(STEPS))
    sides = []
    for name in ("quiet", "busy"):
        home = folder / name
        home.mkdir()
        copied = shutil.copy(folder / "founded.db", home / "test.db")
        sides.append(Side(founded.copy(f"sqlite:///{copied}", home)))
        live(sides[-1], steps, seed, covert=name == "busy")
        sides[-1].database.dispose()
    quiet, busy = sides
    if different := differences(quiet, busy):
        sys.exit(f"seed {seed}: {different}")
    assert_that_all_was_there(quiet, busy)
    return len(quiet.observed)


def main(states: int = 10, first: int = 1) -> None:
    """Compare."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with pytest.MonkeyPatch.context() as patch:
        order_ids(patch)
        for seed in range(first, first + states):
            with TemporaryDirectory() as folder:
                sys.stdout.write(f"seed {seed}: {compare(seed, Path(folder))} compared, none differs\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
