"""Storing a batch whose tokens many members hold: what a row costs by the number of its holders, and for how long the
lock of its group is held.

Prints JSON lines: processor time a row of a batch (see bench.matching: from the bytes of the body to the commit) at the
last of 4, 40 and 400 members that hold all its tokens, beside the same at the last of 2; the exponents of the growth
between, beside the most that is allowed; and the longest transaction of such batches, beside a second: at the last of
the members, and at the one before, where all that the members have shared until then is shown to each for the first
time.
"""

from __future__ import annotations

import argparse
import itertools
import math
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from sqlalchemy.orm import Session

from bench.matching import add_taskforce, insert_sorted, make_body, report, submit
from exchange.kernel.session import Database, create_database
from migrations.upgrade import upgrade
from schemas.values.identifiers import uuid7

SHARERS = (2, 4, 40, 400)
ROUNDS = 3
MOST_EXPONENT = 1.1
SHARED_MOST = 400_000
"""Rows and members, multiplied, of the largest batch whose lock is looked at."""


@dataclass(frozen=True)
class Watched(Database):
    """A database that notes how long its writing transactions take."""

    seconds: list[float] = field(default_factory=list)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """As Database."""
        started = time.perf_counter()
        with super().transaction() as session:
            yield session
        self.seconds.append(time.perf_counter() - started)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1000, help="rows of a batch that is costed (default 1,000)")
    arguments.add_argument("--locked", type=int, default=10_000, help="rows of one whose lock is looked at (10,000)")
    arguments.add_argument("--most", type=int, default=SHARERS[-1], help="the largest number of holders")
    chosen = arguments.parse_args()
    sharers = [count for count in SHARERS if count <= chosen.most]
    members = [f"m{number:03}" for number in range(sharers[-1])]
    costs = {}
    with tempfile.TemporaryDirectory(prefix="bench-sharers-") as folder:
        for count in sharers:
            some = members[:count]
            plain = create_database(f"sqlite:///{Path(folder) / str(count)}.db")
            upgrade(plain)
            database = Watched(plain.engine, plain.url)
            submission_id = uuid7()
            with database.transaction() as session:
                add_taskforce(session, submission_id, some)
                session.flush()
            measure(database, some, submission_id, chosen.rows)  # warms up
            costs[count] = measure(database, some, submission_id, chosen.rows)
            rows = min(chosen.locked, SHARED_MOST // count)
            quiet, loud = longest_locks(database, some, submission_id, rows)
            report(f"longest lock, {rows:,} rows that {count} hold", quiet, "s", "the most", 1.0)
            report(f"longest lock, {rows:,} rows new to all of {count}", loud, "s", "the most", 1.0)
            plain.dispose()
    first = costs[sharers[0]]
    for count, cost in costs.items():
        report(f"a row that {count} members hold", cost * 1e6, "us", f"that {sharers[0]} hold", first * 1e6)
    for less, more in itertools.pairwise(sharers):
        exponent = math.log(costs[more] / costs[less]) / math.log(more / less)
        report(f"a row, growth from {less} to {more} holders", exponent, "exponent", "the most", MOST_EXPONENT)


def measure(database: Watched, members: list[str], submission_id: str, count: int) -> float:
    """Processor seconds a row of a batch at the last of the members: a row the first, in all the second. What the
    others are shown is as it would be, since the last but one submitted in the same way.
    """
    costs = []
    for _ in range(ROUNDS):
        tokens = share(database, members[:-1], submission_id, count)
        body = make_body(tokens)
        start = time.process_time()
        submit(database, body, members[-1])
        costs.append((time.process_time() - start) / count)
    return median(costs)


def longest_locks(database: Watched, members: list[str], submission_id: str, count: int) -> tuple[float, float]:
    """Seconds of the longest transaction of a batch at the last of the members, and at the one before."""
    database.seconds.clear()
    tokens = share(database, members[:-1], submission_id, count)
    loud = max(database.seconds)
    database.seconds.clear()
    submit(database, make_body(tokens), members[-1])
    return max(database.seconds), loud


def share(database: Watched, members: list[str], submission_id: str, count: int) -> list[bytes]:
    """Tokens that the members hold, all as they came but the last's, which it submits."""
    tokens = sorted(secrets.token_bytes(32) for _ in range(count))
    *others, last = members
    for member_id in others:
        insert_sorted(database, "indicators", tokens, submission_id, member_id)
    database.seconds.clear()
    submit(database, make_body(tokens), last)
    return tokens


if __name__ == "__main__":
    main()
