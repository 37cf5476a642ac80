"""`exchange metrics`: figures for the operator's monitoring, on a listener of its own.

The web application counts (exchange.web.measures), this program adds up what its processes counted and looks at the
database; it is asked by the operator's Prometheus on loopback, never by members.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from exchange.kernel.session import Database
from exchange.programs.commands import home_of, opened
from keys.custody.files import make_private_folder
from keys.terminal.program import wants_json
from schemas.values.clock import utc_now

_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def measures_folder(home: Path) -> Path:
    """Where the serving processes of an exchange keep their counts."""
    return home / "run" / "measures"


def prepare_measuring(home: Path) -> None:
    """Let the processes that are about to serve count into a fresh folder. Call it before the counters are imported."""
    folder = measures_folder(home)
    shutil.rmtree(folder, ignore_errors=True)
    make_private_folder(folder.parent)
    make_private_folder(folder)
    os.environ[_FOLDER_VARIABLE] = str(folder)


def make_registry(folder: Path, database: Database, clock: Callable[[], datetime]) -> Any:
    """A registry of everything: the counts in the folder, and the database's figures at the time of asking."""
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - reads the environment when imported
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - likewise

    registry = CollectorRegistry()
    if folder.is_dir():
        MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    registry.register(_DatabaseCollector(database, clock))
    return registry


class _DatabaseCollector:
    """The database's figures as gauges; `exchange_up` 0, and none of them, while the database does not answer."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def describe(self) -> list[Any]:
        """Nothing beforehand."""
        return []

    def collect(self) -> Iterator[Any]:
        """The figures."""
        from prometheus_client.core import GaugeMetricFamily as Gauge  # noqa: PLC0415 - as above

        from exchange.operations.measures import read_measures  # noqa: PLC0415 - needed here only

        try:
            with self._database.reading() as session:
                found = read_measures(session, self._clock())
        except SQLAlchemyError:
            yield Gauge("exchange_up", "Whether the database answers.", 0)
            return
        yield Gauge("exchange_up", "Whether the database answers.", 1)
        yield Gauge("exchange_log_size", "Leaves of the published log, padding included.", found.log_size)
        if found.log_head_age is not None:
            yield Gauge(
                "exchange_log_head_age_seconds", "Time since the published head was signed.", found.log_head_age
            )
        yield Gauge("exchange_log_pending", "Entries that wait for their place in the log.", found.log_pending)
        yield Gauge(
            "exchange_log_oldest_wait_seconds", "How long the oldest of them has waited.", found.log_oldest_wait
        )
        yield Gauge("exchange_outbox_waiting", "Messages that wait to be turned into notices.", found.outbox_waiting)
        yield Gauge("exchange_worker_alive", "Whether a worker holds the log's lease.", int(found.worker_alive))
        yield Gauge("exchange_database_bytes", "Size of the database.", found.database_bytes)
        ages = Gauge("exchange_job_success_age_seconds", "Time since a job last did its work.", labels=["job"])
        failing = Gauge(
            "exchange_job_never_succeeded", "Jobs that were started and never did their work.", labels=["job"]
        )
        for job, age in found.job_success_age.items():
            failing.add_metric([job], int(age is None))
            if age is not None:
                ages.add_metric([job], age)
        yield ages
        yield failing


@click.command(epilog="Example: exchange --home /srv/exchange metrics --port 9464")
@click.option("--port", type=click.IntRange(0, 65_535), help="Serve them until stopped  [default: print them once].")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where only the operator's monitoring can ask.")
@click.pass_context
def metrics(context: click.Context, port: int | None, host: str) -> None:
    """Print figures in Prometheus' text format, or serve them on a listener of their own. They name no member."""
    from prometheus_client import generate_latest, start_http_server  # noqa: PLC0415 - slow to import

    with opened(context) as (_, database):
        registry = make_registry(measures_folder(home_of(context)), database, utc_now)
        if port is None:
            click.echo(generate_latest(registry).decode(), nl=False)
            return
        try:
            server, _thread = start_http_server(port, host, registry)
        except OSError as error:
            raise click.UsageError(f"cannot listen on {host}:{port}: {error.strerror}") from None
        url = f"http://{host}:{server.server_port}/metrics"
        click.echo(f'{{"url":"{url}"}}' if wants_json() else f"Metrics on {url}")
        threading.Event().wait()
