"""Progress of long work on standard error, with rate and time left: a bar at a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from member.reporting import Report

_LINE_EVERY_SECONDS = 5.0


@contextmanager
def show_progress(what: str, total: int) -> Iterator[Report]:
    """Report rows done out of `total` (an estimate) while the work lasts."""
    if sys.stderr.isatty():
        with _bar(what, total) as report:
            yield report
    else:
        yield _Lines(what, total)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Report]:
    rate = TextColumn("{task.fields[rate]} rows/s")
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, rate="-")
        started = time.monotonic()

        def report(done: int) -> None:
            elapsed = max(time.monotonic() - started, 0.001)
            bar.update(task, completed=done, total=max(total, done), rate=f"{done / elapsed:,.0f}")

        yield report


class _Lines:
    """One line at most every few seconds: a log file stays readable."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._started = self._last = time.monotonic()

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self._last < _LINE_EVERY_SECONDS or done == 0:
            return
        self._last = now
        rate = done / max(now - self._started, 0.001)
        left = max(self._total - done, 0) / rate
        click.echo(f"{self._what}: {done:,} of {self._total:,} rows, {rate:,.0f} rows/s, {left:,.0f} s left", err=True)
