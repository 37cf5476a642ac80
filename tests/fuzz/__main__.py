"""Send generated requests to a real exchange and a real key holder: `python -m tests.fuzz --requests 100000`.

Prints progress on standard error and a JSON summary on standard output; exit status 1 if any answer was a server error,
a status or content type that the API description does not declare, a malformed problem document, or none at all.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import click
import structlog

from tests.filled_databases import create_postgresql_database
from tests.fuzz.running import run, tell_on_standard_error
from tests.fuzz.services import running_exchange, running_holder
from tests.postgresql import postgresql_server

_POOL = 100


@click.command()
@click.option(
    "--requests", default=100_000, show_default=True, type=click.IntRange(1), help="How many, to both together."
)
@click.option("--database-url", default="sqlite", type=click.Choice(["sqlite", "postgresql"]), show_default=True)
@click.option("--seed", "number", default=1, show_default=True, help="The same seed makes the same requests.")
def main(requests: int, database_url: str, number: int) -> None:
    """Example: python -m tests.fuzz --requests 100000 --database-url postgresql --seed 7"""
    # Standard output is for the summary alone.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fuzz-")))
        urls = [f"sqlite:///{folder / name}" for name in ("exchange.db", "holder.db")]
        if database_url == "postgresql":
            server = stack.enter_context(postgresql_server())
            urls = [server.url(create_postgresql_database(server)) for _ in urls]
        tell_on_standard_error("starting an exchange and a key holder")
        exchange = stack.enter_context(running_exchange(folder, urls[0]))
        holder = stack.enter_context(running_holder(folder, urls[1]))
        started_at = time.monotonic()
        found = run((exchange, holder), requests=requests, number=number, pool=_POOL, tell=tell_on_standard_error)
        seconds = time.monotonic() - started_at
    rate = round(found.requests / seconds, 1)
    document = found.to_document(
        database=database_url, seed=number, seconds=round(seconds, 1), requests_per_second=rate
    )
    click.echo(json.dumps(document, indent=2))
    sys.exit(1 if found.counts else 0)


if __name__ == "__main__":
    main()
