"""Storing a batch whose tokens many members hold: what a row costs by the number of its holders.

Prints JSON lines: processor time a row of a batch (see bench.matching: from the bytes of the body to the commit) at the
last of 4, 40 and 400 members that hold all its tokens, beside the same at the last of 2; the exponents of the growth
between, beside the most that is allowed; and for how long such a batch holds the lock of its group, beside a second.
"""

from __future__ import annotations

import argparse
import itertools
import math
import secrets
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.matching import add_taskforce, insert_sorted, make_body, report, submit
from exchange.store.session import Database, create_database
from migrations.upgrade import upgrade
from schemas.identifiers import uuid7

SHARERS = (2, 4, 40, 400)
ROUNDS = 3
MOST_EXPONENT = 1.1


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1000, help="rows of a batch (default 1,000)")
    arguments.add_argument("--most", type=int, default=SHARERS[-1], help="the largest number of holders")
    chosen = arguments.parse_args()
    sharers = [count for count in SHARERS if count <= chosen.most]
    members = [f"m{number:03}" for number in range(sharers[-1])]
    with tempfile.TemporaryDirectory(prefix="bench-sharers-") as folder:
        database = create_database(f"sqlite:///{Path(folder) / 'exchange'}.db")
        upgrade(database)
        submission_id = uuid7()
        with database.transaction() as session:
            add_taskforce(session, submission_id, members)
            session.flush()
        measure(database, members[:2], submission_id, chosen.rows)  # warms up
        costs = {count: measure(database, members[:count], submission_id, chosen.rows) for count in sharers}
        database.dispose()
    first = costs[sharers[0]][0]
    for count, (cost, wall) in costs.items():
        report(f"a row that {count} members hold", cost * 1e6, "us", f"that {sharers[0]} hold", first * 1e6)
        report(f"lock of a batch of {chosen.rows:,} that {count} hold", wall, "s", "the most", 1.0)
    for less, more in itertools.pairwise(sharers):
        exponent = math.log(costs[more][0] / costs[less][0]) / math.log(more / less)
        report(f"a row, growth from {less} to {more} holders", exponent, "exponent", "the most", MOST_EXPONENT)


def measure(database: Database, members: list[str], submission_id: str, count: int) -> tuple[float, float]:
    """Processor and wall seconds of a batch at the last of the members: a row the first, in all the second. What the
    others are shown is as it would be, since the last but one submitted in the same way.
    """
    *others, last = members
    costs, walls = [], []
    for _ in range(ROUNDS):
        tokens = sorted(secrets.token_bytes(32) for _ in range(count))
        for member_id in others[:-1] if len(others) > 1 else others:
            insert_sorted(database, "indicators", tokens, submission_id, member_id)
        if len(others) > 1:
            submit(database, make_body(tokens), others[-1])
        body = make_body(tokens)
        start, started = time.process_time(), time.perf_counter()
        submit(database, body, last)
        costs.append((time.process_time() - start) / count)
        walls.append(time.perf_counter() - started)
    return median(costs), median(walls)


if __name__ == "__main__":
    main()
