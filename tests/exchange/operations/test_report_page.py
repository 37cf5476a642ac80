"""The operator's report as a page: in the width there is, with no name torn from its figure."""

from __future__ import annotations

import pytest

from exchange.operations.figures import Month
from exchange.programs.report_commands import LogFigures, OperatorReport, Refusals

EVENTS = {f"le_query_kind_{number}": number for number in range(12)}
REPORT = OperatorReport(
    exchange_id="x",
    as_of="2026-11-30T08:08:02.400Z",
    members={"active": 6},
    groups_open=1,
    rows_live=17,
    hits_live=17,
    refusals=Refusals(by_rule={}, rule_missing=0),
    log=LogFigures(size=17_072, signed_at=None, pending=0),
    jobs={f"job_{number}": "2026-11-30T08:08:02.400Z" for number in range(9)},
    months=(Month("2026-11", 2, 18, 0, 0, EVENTS),),
    outcomes={"known_already": 2},
)


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_is_wider_than_there_is_room(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = REPORT.text().splitlines()
    assert max(map(len, lines)) <= columns
    for number in range(12):
        assert any(f"law-enforcement query kind {number} {number}" in line for line in lines)
    for number in range(9):
        assert any(f"job {number} 2026-11-30T08:08:02.400Z" in line for line in lines)
    assert "Outcomes        known already 2" in lines
