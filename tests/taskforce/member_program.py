"""The real member program, run in this process as a person would run it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from member.commands.cli import cli
from member.commands.shared.session import Session
from member.transport.channel import RuntimeEnvironment

CLOCK = {"step": timedelta(0)}
"""How far the clock of all parties goes ahead."""


def now() -> datetime:
    """The clock of all parties."""
    return datetime.now(UTC) + CLOCK["step"]


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    document: dict[str, Any]
    said: str

    @property
    def rules(self) -> list[str]:
        """The names of the rules that refused, each as often as it did."""
        assert self.status == 1, self.document
        return [reason["code"] for reason in self.document["error"]["problem"]["reasons"]]


def write_csv(path: Path, *rows: str) -> Path:
    """A CSV with the usual header."""
    path.write_text("\n".join(["indicator_type,value,reason,first_seen,source_ref", *rows, ""]), encoding="utf-8")
    return path


def accounts(*numbers: int) -> list[str]:
    """Rows of generated bank accounts."""
    return [f"bank_account,{20_000_000_000_000 + number},test,,ref-{number}" for number in numbers]


def write_secret_file(path: Path, text: str) -> Path:
    """A file for its owner alone, in a folder of its own kind."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def run_member(
    home: Path,
    *arguments: str,
    around: RuntimeEnvironment | None = None,
    as_json: bool = True,
    typed: str | None = None,
) -> Ran:
    """Run the member program as a person would, but in this process."""
    options = ("--json",) if as_json else ()
    session = Session(around or RuntimeEnvironment(now, time.sleep, lambda url: None, patience=1.0))
    result: Result = CliRunner().invoke(cli, ["--home", str(home), *arguments, *options], obj=session, input=typed)
    # The servers are in this process too, and may log to standard output: the document is the last line.
    document = json.loads(result.stdout.splitlines()[-1]) if as_json else {"text": result.stdout}
    return Ran(result.exit_code, document, result.stderr)


@contextmanager
def at_the_real_time() -> Iterator[None]:
    """While it lasts, the clock of all parties does not go ahead."""
    step, CLOCK["step"] = CLOCK["step"], timedelta(0)
    try:
        yield
    finally:
        CLOCK["step"] = step
