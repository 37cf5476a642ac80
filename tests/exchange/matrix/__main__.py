"""Sends the whole matrix, prints its figures as one line of JSON, and writes docs/permissions.md.

python -m tests.exchange.matrix [--postgresql]
python -m tests.exchange.matrix --page    # writes the page alone, which follows from the rules
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import structlog

from tests.exchange.matrix.document import PAGE, render
from tests.exchange.matrix.exchange_scenario import ExchangeScenario
from tests.exchange.matrix.holder_scenario import HolderScenario
from tests.exchange.matrix.oracle import EXCHANGE, HOLDER, judge_exchange, judge_holder
from tests.exchange.matrix.run import Tally, send_cells
from tests.postgresql import postgresql_server


def main() -> int:
    """0 if every answer is as the rules declare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgresql", action="store_true", help="on a PostgreSQL of its own, rather than SQLite")
    parser.add_argument("--page", action="store_true", help="send nothing, and write docs/permissions.md")
    options = parser.parse_args()
    if options.page:
        PAGE.write_text(render(), encoding="utf-8")
        return 0
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    started = time.perf_counter()
    tally = Tally()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="matrix-")))
        url = f"sqlite:///{folder / 'exchange.db'}"
        if options.postgresql:
            url = stack.enter_context(postgresql_server()).url("postgres")
        exchange = ExchangeScenario(url, folder)
        stack.callback(exchange.close)
        tally.add(send_cells("exchange", exchange, EXCHANGE, judge_exchange, EXCHANGE.cells()))
        holder = HolderScenario(folder)
        stack.callback(holder.close)
        tally.add(send_cells("holder", holder, HOLDER, judge_holder, HOLDER.cells()))
    PAGE.write_text(render(), encoding="utf-8")
    for mismatch in tally.mismatches[:50]:
        sys.stderr.write(f"{mismatch}\n")
    sys.stdout.write(json.dumps({**tally.document(), "seconds": round(time.perf_counter() - started)}) + "\n")
    return 1 if tally.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
