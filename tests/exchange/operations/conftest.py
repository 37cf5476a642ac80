"""The operator's program, run within the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exchange.programs.cli import ERRORS, program
from exchange.programs.commands import run_program


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any]]:
    """Runs a command with --json: its exit code, and the one document on standard output."""

    def run_command(*arguments: str | Path) -> tuple[int, Any]:
        code = run_program(program, [*map(str, arguments), "--json"], ERRORS)
        return code, json.loads(capsys.readouterr().out)

    return run_command
