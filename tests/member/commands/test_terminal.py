"""Tables as a person reads them: what is copied from them stands in one piece, however narrow the terminal is."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from member.commands.shared.common import table
from member.commands.shared.terminal import PlainTable, fitted
from schemas.values.identifiers import uuid7

NARROW, WIDE = 80, 160


def shown(made: PlainTable, width: int) -> str:
    """What a terminal of that width shows of it."""
    out = StringIO()
    Console(file=out, width=width, highlight=False).print(fitted(made, width))
    return out.getvalue()


def test_an_id_and_a_value_are_never_folded() -> None:
    hit_id, told = uuid7(), "a long story of what happened, " * 10
    columns = ("hit id", "own value", "story", "a", "b", "c")
    for count in (3, 4, 6):
        made = table("hits", *columns[:count], whole=("hit id", "own value"))
        made.add_row(hit_id, "20000012345678", told, *"xyz"[: count - 3])
        for width in (NARROW, WIDE):
            said = shown(made, width)
            assert hit_id in said, (count, width)
            assert "20000012345678" in said, (count, width)
            assert max(map(len, said.splitlines())) <= width


def test_many_columns_become_a_block_for_each_row_where_they_do_not_fit() -> None:
    long = "20000012345678" * 3
    made = table("queries", *"abcdef", whole=("a",))
    made.add_row("first", "", long, "3", "4", f"[red]{long}")
    made.add_row("second", "1", "2", "3", "4", "5")
    lines = [line.split() for line in shown(made, NARROW).splitlines() if line.strip()]
    assert lines[:4] == [["queries"], ["a", "first"], ["c", long], ["d", "3"]], "an empty cell has no line"
    assert ["f", f"[red]{long}"] in lines
    assert "a" not in [line[0] for line in lines[2:6]]
    assert "first" in shown(made, WIDE)
    assert isinstance(fitted(made, WIDE), PlainTable)


def test_of_a_table_without_rows_only_the_title_is_shown() -> None:
    made = table("0 subscriptions", "no.", "state")
    assert shown(made, NARROW) == "0 subscriptions\n"


def test_a_time_is_shown_to_the_second_and_nothing_else_is_cut() -> None:
    made = table("times", "at")
    for cell in ("2026-11-22T10:00:00.123456Z", "2026-11-22T10:00:00.5+01:00", "v2026-11-22T10:00:00.5Z", None):
        made.add_row(cell)
    said = shown(made, NARROW)
    for cell in ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00+01:00", "v2026-11-22T10:00:00.5Z"):
        assert cell in said
    assert "123456" not in said


def test_a_command_stands_on_one_line_at_every_width() -> None:
    command, said = f"member request show {uuid7()}", "we are asked about an indicator of ours"
    made = table("notices", "id", "at", "what happened", "about", "go on with", whole=("go on with",))
    made.add_row(uuid7(), "2026-11-22T10:00:00Z", said, f"request {uuid7()}", command)
    for width in (NARROW, 120, WIDE, 200):
        lines = shown(made, width).splitlines()
        assert any(command in line for line in lines), width
        assert max(map(len, lines)) <= width


def test_no_word_is_broken_where_the_table_has_room() -> None:
    for width in range(40, 200, 7):
        made = table("words", "first", "second", "third")
        made.add_row("a long story told in words " * 4, "trade-based laundering", "20000012345678")
        said = shown(made, width)
        for word in ("laundering", "20000012345678", "story"):
            assert word in said, width
