"""`exchange sandbox` with the exchange of tests.torture.small_slices or, where the first argument says what is to be
wrong, that of tests.torture.early_answers.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import demo.sandbox
from demo.supervisor import SupervisedProgram, Supervisor
from exchange.programs.cli import main
from tests.torture.early_answers import DELAY, WHERE

_DELAY_SECONDS = "30"
"""Longer than from any answer to the next kill, so that each kill loses something."""


class OwnSupervisor(Supervisor):
    """Starts an exchange of ours in the place of the usual one."""

    def start(self, *programs: SupervisedProgram, seconds: float = 60.0) -> None:
        """As Supervisor."""
        module = "early_answers" if os.environ.get(WHERE) else "small_slices"
        own = [sys.executable, "-m", f"tests.torture.{module}"]
        super().start(
            *(
                dataclasses.replace(each, command=[*own, *each.command[1:]]) if each.name == "exchange" else each
                for each in programs
            ),
            seconds=seconds,
        )


if __name__ == "__main__":
    os.environ[DELAY] = _DELAY_SECONDS
    os.environ[WHERE] = sys.argv.pop(1)
    os.chdir(Path(__file__).resolve().parents[2])
    setattr(demo.sandbox, "Supervisor", OwnSupervisor)  # noqa: B010
    main()
