"""The vault of a member: what looking up and storing a batch of rows costs as the vault grows.

Prints JSON lines. Each figure is the cost of 10,000 rows in a vault of `--rows` indicators, beside the same in a vault
of 10,000, rounds taken in turn, medians compared; then the exponent of the growth from one to the other, beside the
most that is allowed where the work is constant. Costs are processor time of this process.
"""

from __future__ import annotations

import argparse
import math
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from bench.matching import report
from keys.oprf.tokens import Token
from member.vault.rows import OwnRow, Source, VaultRows
from member.vault.store import Vault
from schemas.values.identifiers import uuid7

BATCH = 10_000
ROUNDS = 5
MOST_EXPONENT = 0.1
"""Of work that is constant for each call."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1_000_000, help="indicators in the large vault")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-vault-") as folder:
        sizes = (BATCH, chosen.rows)
        vaults = [fill(Path(folder) / f"{number}.sqlite", size) for number, size in enumerate(sizes)]
        for name, work in WORK.items():
            rounds = [[timed(work, vault) for vault in vaults] for _ in range(ROUNDS + 1)][1:]  # the first warms up
            small, large = (median(column) for column in zip(*rounds, strict=True))
            report(f"{name} {BATCH:,} rows, a vault of {sizes[1]:,}", large, "s", f"a vault of {BATCH:,}", small)
            exponent = math.log(large / small) / math.log(sizes[1] / sizes[0])
            report(f"{name} rows, growth", exponent, "exponent", "most for constant work", MOST_EXPONENT)


def fill(path: Path, size: int) -> VaultRows:
    """A vault with so many indicators, each with its token in epoch 1."""
    rows = VaultRows(Vault.create(path, secrets.token_bytes(32), "a"))
    for start in range(0, size, BATCH):
        store(rows, make_rows(min(BATCH, size - start), start))
    return rows


def make_rows(count: int, start: int) -> list[OwnRow]:
    """Rows as a file has them, numbered from `start`."""
    submission_id = uuid7()
    source = [
        Source(f"{at:014}", "mule account", "2026-10-05", f"C-{at}", {}, at, submission_id) for at in range(count)
    ]
    return [OwnRow("bank_account", f"{start + at:014}", each) for at, each in enumerate(source)]


def store(rows: VaultRows, made: Sequence[OwnRow]) -> None:
    """Keep rows and their tokens."""
    rows.store(made, "taskforce", 1)
    lookups = [rows.lookup(row.indicator_type, row.canonical) for row in made]
    rows.store_tokens(1, {found: Token(secrets.token_bytes(32), secrets.token_bytes(32)) for found in lookups})


def look_up_absent(rows: VaultRows) -> None:
    """None of these is in the vault; from type and canonical form on, as a part of an upload is looked up."""
    start = 10**12 * secrets.randbelow(9) + 10**13
    found = rows.cached_tokens(1, [rows.lookup("bank_account", f"{start + at}") for at in range(BATCH)])
    assert not found


def look_up_known(rows: VaultRows) -> None:
    """All of these are, spread over the whole of it."""
    held = rows.count()
    picked = [f"{secrets.randbelow(held):014}" for _ in range(BATCH)]
    found = rows.cached_tokens(1, [rows.lookup("bank_account", value) for value in picked])
    assert len(found) == len(set(picked))


def store_again(rows: VaultRows) -> None:
    """The same file again: every row is known."""
    known = rows.store(make_rows(BATCH, 0), "taskforce", 1)
    assert len(known) == BATCH


WORK: dict[str, Callable[[VaultRows], None]] = {
    "look up absent": look_up_absent,
    "look up known": look_up_known,
    "store known": store_again,
}


def timed(work: Callable[[VaultRows], None], rows: VaultRows) -> float:
    """Processor seconds of the work."""
    start = time.process_time()
    work(rows)
    return time.process_time() - start


if __name__ == "__main__":
    main()
