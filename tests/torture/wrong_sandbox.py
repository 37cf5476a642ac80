"""`exchange sandbox` whose exchange is that of tests.torture.early_answers, wrong in what the first argument names."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import exchange.sandbox
from exchange.cli import main
from exchange.supervisor import Program, Supervisor
from tests.torture.early_answers import DELAY, WHERE

_DELAY_SECONDS = "30"
"""Longer than from any answer to the next kill, so that each kill loses something."""


class WrongSupervisor(Supervisor):
    """Starts the wrong exchange in the place of the right one."""

    def start(self, *programs: Program, seconds: float = 60.0) -> None:
        """As Supervisor."""
        wrong = [sys.executable, "-m", "tests.torture.early_answers"]
        super().start(
            *(
                dataclasses.replace(each, command=[*wrong, *each.command[1:]]) if each.name == "exchange" else each
                for each in programs
            ),
            seconds=seconds,
        )


if __name__ == "__main__":
    os.environ[DELAY] = _DELAY_SECONDS
    os.environ[WHERE] = sys.argv.pop(1)
    os.chdir(Path(__file__).resolve().parents[2])
    setattr(exchange.sandbox, "Supervisor", WrongSupervisor)  # noqa: B010
    main()
