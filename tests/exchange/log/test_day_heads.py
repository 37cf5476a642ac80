"""Day heads: one a day for each member, true, without gaps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from exchange.log.day_heads import record_day_heads
from schemas.values.canonical import parse_canonical_json
from schemas.values.encoding import from_base64, to_base64
from tests.exchange.log.laboratory import NOW, Laboratory
from tlog.entries import CHAIN_START


def run(laboratory: Laboratory, days: int = 0) -> int:
    with laboratory.database.transaction() as session:
        return record_day_heads(session, ["a", "idle"], NOW + timedelta(days=days))


def heads(laboratory: Laboratory, member_id: str) -> list[dict[str, Any]]:
    views = [parse_canonical_json(from_base64(row["view"])) for row in laboratory.entries(member_id)["entries"]]
    return [view for view in views if view["kind"] == "day_head"]


def test_each_member_has_one_head_a_day_idle_ones_too(laboratory: Laboratory) -> None:
    laboratory.record({"a": {}})
    laboratory.settle()
    assert (run(laboratory), run(laboratory)) == (2, 0)
    laboratory.settle()
    (head,) = heads(laboratory, "a")
    assert (head["day"], head["number"]) == ("2026-11-21", 1)
    assert head["chain_head"] == laboratory.entries("a")["entries"][0]["chain_head"]
    (idle,) = heads(laboratory, "idle")
    assert (idle["number"], idle["chain_head"]) == (0, to_base64(CHAIN_START))


def test_missed_days_are_made_up(laboratory: Laboratory) -> None:
    run(laboratory)
    assert run(laboratory, days=3) == 6
    laboratory.settle()
    assert [head["day"] for head in heads(laboratory, "a")] == ["2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"]


def test_a_day_that_is_not_over_has_no_head(laboratory: Laboratory) -> None:
    run(laboratory)
    with laboratory.database.transaction() as session:
        assert record_day_heads(session, ["a", "idle"], NOW + timedelta(hours=13, minutes=59)) == 0
