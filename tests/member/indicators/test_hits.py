"""`hits` as an investigator works with them: what is new, what was done, filters, files, numbers instead of ids."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from tests.taskforce.homes import MemberHomes
from tests.taskforce.member_program import Ran, accounts, write_csv

ASKING = ("--legal-gateway", "ECCTA2023_s188", "--purpose", "finding who is paid", "--necessity", "nobody else can say")
WHY = ("--proportionality", "one account")
CHECKED = ("--other-sources", "--vulnerability-checked", "--keep-open-checked", "--decision", "monitor")
ROWS = (*accounts(1, 2), "email,=cmd@example.com,x,,=1+1", "phone,+44 7700 900123,x,,ref-phone")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberHomes]:
    """Two banks that hold the same four indicators."""
    folder = tmp_path_factory.mktemp("hits")
    founded = MemberHomes.found(folder)
    file = write_csv(folder / "rows.csv", *ROWS)
    for bank in ("a", "b"):
        done = founded.run(bank, "submit", str(file))
        assert (done.status, done.document["accepted"]) == (0, 4), done.document
    yield founded
    founded.close()


def listed(taskforce: MemberHomes, *options: str, person: str = "analyst", bank: str = "b") -> list[dict[str, Any]]:
    """The hits that a person is shown."""
    done = taskforce.run(bank, "--as", person, "hits", *options)
    assert done.status == 0, done.document
    hits: list[dict[str, Any]] = done.document["hits"]
    return hits


def text_of(done: Ran) -> str:
    """What a person is shown, without the lines that the servers in this process log."""
    assert done.status == 0, done.document
    lines = done.document["text"].splitlines()
    return "\n".join(line for line in lines if "[info" not in line)


def test_what_was_not_shown_before_is_new_to_each_person_and_for_once(shared: MemberHomes, tmp_path: Path) -> None:
    first = listed(shared)
    assert len(first) == 4
    assert all(hit["new"] for hit in first)
    assert not any(hit["new"] for hit in listed(shared))
    assert listed(shared, "--new") == []
    assert all(hit["new"] for hit in listed(shared, person="authoriser")), "what one has seen is new to another"
    more = write_csv(tmp_path / "more.csv", *accounts(7))
    for bank in ("a", "b"):
        assert shared.run(bank, "submit", str(more)).status == 0
    (only,) = listed(shared, "--new")
    assert only["values"] == ["20000000000007"]
    assert only["came_at"][:10] == only["changed_at"][:10]


def test_filters_choose_by_type_band_state_and_are_combined(shared: MemberHomes) -> None:
    assert {hit["indicator_type"] for hit in listed(shared, "--type", "email")} == {"email"}
    both = listed(shared, "--type", "email", "--type", "phone", "--band", "1", "--state", "untouched")
    assert {hit["indicator_type"] for hit in both} == {"email", "phone"}
    assert listed(shared, "--band", "2-4", "--band", "5+") == []
    assert listed(shared, "--type", "email", "--state", "asked") == []
    assert shared.run("b", "hits", "--state", "lost").status == 2


def test_a_hit_says_how_far_we_have_come_with_it(shared: MemberHomes, tmp_path: Path) -> None:
    rows = write_csv(tmp_path / "far.csv", *accounts(31))
    for bank in ("a", "b"):
        assert shared.run(bank, "submit", str(rows)).status == 0
    (hit,) = [one for one in listed(shared) if one["values"] == ["20000000000031"]]
    assert (hit["state"], hit["requests"], hit["assessed"], hit["outcome"]) == ("untouched", [], None, False)
    hit_id = hit["hit_id"]

    def state(bank: str = "b", **options: str) -> dict[str, Any]:
        return next(one for one in listed(shared, bank=bank, **options) if one["values"] == ["20000000000031"])

    request_id = shared.run("b", "request", "create", hit_id, *ASKING, *WHY).document["request_id"]
    assert (state()["state"], state()["requests"]) == ("asked", [{"request_id": request_id, "state": "open"}])
    assert shared.run("a", "--as", "authoriser", "request", "answer", request_id, "--full").status == 0
    shared.tick()
    assert (state()["state"], state()["requests"][0]["state"]) == ("answered", "answered")
    assert state(bank="a")["state"] == "untouched", "what others ask of us is no step of ours"
    assert shared.run("b", "assessment", "record", "--hit", hit_id, *CHECKED).status == 0
    assert (state()["state"], state()["assessed"]) == ("assessed", "monitor")
    assert shared.run("b", "outcome", "record", "--hit", hit_id, "--usefulness", "useful").status == 0
    assert state()["state"] == "outcome"
    assert [one["hit_id"] for one in listed(shared, "--state", "outcome")] == [hit_id]


def test_the_list_goes_to_a_spreadsheet_without_formulas(shared: MemberHomes, tmp_path: Path) -> None:
    for name in ("hits.csv", "hits.xlsx"):
        done = shared.run("b", "hits", "--type", "email", "--output", str(tmp_path / name))
        assert done.status == 0, done.document
        assert done.document["output"] == str(tmp_path / name)
    with (tmp_path / "hits.csv").open(encoding="utf-8-sig", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["values"] == "cmd@example.com"
    assert row["source_refs"] == "'=1+1"
    sheet = load_workbook(tmp_path / "hits.xlsx").active
    header, values = ([cell.value for cell in line] for line in sheet.rows)
    assert dict(zip(header, values, strict=True))["source_refs"] == "=1+1"
    assert {cell.data_type for line in sheet.rows for cell in line if cell.value is not None} == {"s"}
    again = shared.run("b", "hits", "--output", str(tmp_path / "hits.csv"))
    assert (again.status, again.document["error"]["type"]) == (2, "usage")


@pytest.mark.parametrize("command", [("request", "list"), ("log", "entries")])
def test_other_lists_go_to_a_spreadsheet_too(command: tuple[str, ...], shared: MemberHomes, tmp_path: Path) -> None:
    done = shared.run("b", *command, "--output", str(tmp_path / "list.xlsx"))
    assert done.status == 0, done.document
    assert (
        load_workbook(tmp_path / "list.xlsx").active.max_row
        == len(done.document[command[1].replace("list", "requests")]) + 1
    )


def test_the_table_explains_masks_and_keeps_words_and_values_whole(
    shared: MemberHomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns in ("80", "120", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        text = text_of(shared.run("b", "hits", as_json=False))
        assert "other: fewer than three members share it" in text
        assert "Bank account" in text
        assert "20000000000001" in text
        assert max(map(len, text.splitlines())) <= int(columns) + 20
        assert "bank_account" not in text


def test_a_number_or_the_beginning_of_an_id_is_taken_for_it(shared: MemberHomes) -> None:
    text = text_of(shared.run("b", "hits", "--type", "phone", as_json=False))
    row = next(line for line in text.splitlines() if "+447700900123" in line)
    number = next(cell for cell in row.replace("│", " ").split() if cell.isdigit())
    (hit,) = listed(shared, "--type", "phone")
    made = shared.run("b", "request", "create", number, *ASKING, *WHY)
    assert made.status == 0, made.document
    assert [one["request_id"] for one in listed(shared, "--type", "phone")[0]["requests"]] == [
        made.document["request_id"]
    ]
    assert shared.run("b", "request", "show", made.document["request_id"][:35]).status == 0
    assert shared.run("b", "assessment", "record", "--hit", hit["hit_id"][:30], *CHECKED).status == 0
    ambiguous = shared.run("b", "assessment", "record", "--hit", hit["hit_id"][:4], *CHECKED)
    assert ambiguous.status == 2
    assert hit["hit_id"][:4] + " begins the ids of" in ambiguous.document["error"]["detail"]
    for wrong in ("999999", "0123-nothing", "not an id", "zz", ""):
        done = shared.run("b", "request", "show", wrong)
        assert (done.status, done.document["error"]["type"]) == (2, "usage"), wrong


def test_what_five_others_hold_is_marked_as_a_value_that_may_say_little(tmp_path: Path) -> None:
    taskforce = MemberHomes.found(tmp_path / "taskforce", tuple("abcdef"), holders=2)
    try:
        everybodys, rare = accounts(1), accounts(2)
        for bank in "bcdef":
            rows = everybodys + (rare if bank == "b" else [])
            assert taskforce.run(bank, "submit", str(write_csv(tmp_path / "rows.csv", *rows))).status == 0
        assert taskforce.run("a", "submit", str(write_csv(tmp_path / "rows.csv", *everybodys, *rare))).status == 0
        found = {hit["values"][0]: hit for hit in listed(taskforce, bank="a")}
        assert {value[-1]: hit["widely_held"] for value, hit in found.items()} == {"1": True, "2": False}
        text = text_of(taskforce.run("a", "hits", as_json=False))
        assert "5+ !" in text
        assert "common_values.csv" in text
        assert "common_values.csv" not in text_of(taskforce.run("a", "hits", "--band", "1", as_json=False))
    finally:
        taskforce.close()
