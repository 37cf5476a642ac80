"""Sending cells and comparing the answers with what the rules declare."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from werkzeug.test import TestResponse

from tests.exchange.matrix.cells import Cell, Dimensions, Judge, Outcome

_PROBLEM = "urn:exchange:problem:"


class Scenario(Protocol):
    """A service with members in every state."""

    def routes(self) -> set[str]:
        """The routes of its URL map."""
        ...

    def send(self, cell: Cell) -> TestResponse:
        """The answer to a cell."""
        ...

    def leaks(self, text: str) -> bool:
        """Whether an answer holds what is another member's alone."""
        ...


@dataclass
class Tally:
    """What came of the cells sent."""

    cells: int = 0
    routes: set[str] = field(default_factory=set)
    covered: set[str] = field(default_factory=set)
    mismatches: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count another run's too."""
        self.cells += other.cells
        self.routes |= other.routes
        self.covered |= other.covered
        self.mismatches += other.mismatches

    def document(self) -> dict[str, Any]:
        """The figures: `covered` is the share of the services' routes of which cells were sent."""
        return {
            "cells": self.cells,
            "routes": len(self.routes),
            "covered": round(len(self.covered & self.routes) / len(self.routes), 4),
            "mismatches": len(self.mismatches),
        }


def send_cells(name: str, scenario: Scenario, dimensions: Dimensions, judge: Judge, cells: Iterable[Cell]) -> Tally:
    """Send each cell and compare. Routes carry the service's `name`."""
    tally = Tally(routes={f"{name} {route}" for route in scenario.routes()})
    for route in scenario.routes() ^ set(dimensions.routes):
        tally.mismatches.append(f"{name} {route}: the routes and the table of rules differ")
    for cell in cells:
        answer, expected = scenario.send(cell), judge(cell)
        said = answer.data.decode("utf-8", "replace")
        tally.cells += 1
        tally.covered.add(f"{name} {cell.route}")
        found = outcome_of(answer)
        if found != expected:
            tally.mismatches.append(f"{name} {cell}: {found}, {expected} by the rules: {said[:200]}")
        if scenario.leaks(said):
            tally.mismatches.append(f"{name} {cell}: the answer holds what is another member's")
    return tally


def outcome_of(answer: TestResponse) -> Outcome:
    """What an answer says, for comparison."""
    if answer.mimetype != "application/problem+json":
        return Outcome(answer.status_code)
    document = answer.get_json(force=True)
    return Outcome(answer.status_code, str(document["type"]).removeprefix(_PROBLEM))
