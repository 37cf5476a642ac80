"""One running taskforce for each kind of database, shared by the tests of this folder: three banks, their uploads, and
a few generated alerts.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.story import Story, generate_story
from tests.postgresql import postgresql_server
from tests.sandbox_process import RunningSandbox, sandbox_process

BANKS = ("a", "b", "c")
ALERTS = 12


@dataclass(frozen=True)
class UploadedSandbox:
    """A sandbox in which every bank has uploaded its file of `story`."""

    sandbox: RunningSandbox
    story: Story
    files: dict[str, Path]
    database_url: str


def write_upload(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    """A CSV of (type, value, reason) rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("indicator_type", "value", "reason", "first_seen", "source_ref"))
        writer.writerows(
            (kind, value, reason, "", f"case-{number}") for number, (kind, value, reason) in enumerate(rows)
        )
    return path


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def taskforce(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UploadedSandbox]:
    """The taskforce on each kind of database; on a PostgreSQL server of its own, whose files are searched."""
    folder = tmp_path_factory.mktemp("taskforce")
    options: tuple[str, ...] = ("--alerts", str(ALERTS))
    url = f"sqlite:///{folder / 'sandbox' / 'exchange' / 'exchange.db'}"
    story = generate_story(random.Random(20261122), private=150)
    files = {bank: write_upload(folder / f"{bank}.csv", story.rows[bank]) for bank in BANKS}
    with ExitStack() as stack:
        if request.param == "postgresql":
            url = stack.enter_context(postgresql_server()).url()
            options = (*options, "--database-url", url)
        sandbox = stack.enter_context(sandbox_process(folder / "sandbox", "--banks", ",".join(BANKS), *options))
        for bank in BANKS:
            done = sandbox.member(bank, "submit", str(files[bank]))
            assert done.status == 0, (done.document, done.said)
            assert done.document["accepted"] == len(story.rows[bank])
        yield UploadedSandbox(sandbox, story, files, url)
