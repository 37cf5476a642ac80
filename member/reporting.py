"""How far long work has come: whoever does it tells, whoever started it shows."""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Takes the number of rows done so far."""

    def __call__(self, done: int) -> None: ...
