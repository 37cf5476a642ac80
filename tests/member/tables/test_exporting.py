"""Rows for a spreadsheet: what a cell says is never taken for a formula, and comes back as it was."""

from __future__ import annotations

import csv
import stat
from pathlib import Path
from zipfile import ZipFile

import pytest
from openpyxl import load_workbook

from member.errors import MemberError, UsageError
from member.tables.exporting import as_it_was, formula_safe, write_rows

FORMULAS = (
    *("=1+1", "+447911123456", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "  @A1", "'=1", "''=1", "＝1+1"),
    *("＋1", "＠A1", '=HYPERLINK("http://x.example","y")', "=cmd|' /C calc'!A0", "%0A=1", "|x"),
)
PLAIN = ("20000012345678", "00012345", "O'Neill", "a=b", 'a, "b"\nc', "", "Žofia", "GB29NWBK60161331926819")


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_that_is_a_formula_is_text(text: str, tmp_path: Path) -> None:
    assert formula_safe(text).startswith("'")
    assert write_rows(tmp_path / "rows.csv", ["value"], [[text]]) == 1
    (header, (cell,)) = read_csv(tmp_path / "rows.csv")
    assert header == ["value"]
    assert cell == f"'{text}"
    write_rows(tmp_path / "rows.xlsx", ["value"], [[text]])
    found = load_workbook(tmp_path / "rows.xlsx").active["A2"]
    assert (found.data_type, found.number_format) == ("s", "@")
    assert found.value.replace("\r", "\n") == text.replace("\r", "\n").replace("_x000D_", "\n")
    with ZipFile(tmp_path / "rows.xlsx") as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize("text", [*FORMULAS, *PLAIN, "'", "''", "' ", "'O'Neill"])
def test_what_is_made_safe_comes_back_as_it_was(text: str) -> None:
    assert as_it_was(formula_safe(text)) == text


def test_every_cell_comes_back_from_either_form(tmp_path: Path) -> None:
    values = [*FORMULAS, *PLAIN]
    write_rows(tmp_path / "rows.csv", ["value"], [[value] for value in values])
    cells = [row[0] if row else "" for row in read_csv(tmp_path / "rows.csv")[1:]]
    assert [cell.removeprefix("'") for cell in cells] == values
    write_rows(tmp_path / "rows.xlsx", ["value", "n"], [[value, 7] for value in PLAIN])
    sheet = load_workbook(tmp_path / "rows.xlsx").active
    assert [row[0].value or "" for row in list(sheet.rows)[1:]] == list(PLAIN)
    assert {row[1].value for row in list(sheet.rows)[1:]} == {"7"}, "a number is text too"


def test_lists_and_what_is_missing_have_one_form(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", "abcd", [[["x", "y"], None, True, False]])
    assert read_csv(tmp_path / "rows.csv")[1] == ["x; y", "", "yes", "no"]


@pytest.mark.parametrize("name", ["rows.csv", "rows.xlsx"])
def test_the_file_is_new_and_for_its_owner_alone(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write_rows(path, ["a"], [["1"]])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        write_rows(path, ["a"], [["2"]])
    assert path.read_bytes() == before


def test_another_ending_is_refused_and_names_both(tmp_path: Path) -> None:
    for name in ("rows", "rows.txt", "rows.csv.gz"):
        with pytest.raises(UsageError, match=r"neither \.csv nor \.xlsx"):
            write_rows(tmp_path / name, ["a"], [])
    assert not list(tmp_path.iterdir())


def test_rows_that_do_not_fit_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(MemberError, match="does not fit"):
        write_rows(tmp_path / "rows.xlsx", ["a"], [["x" * 32_768]])
    assert not list(tmp_path.iterdir())
    assert write_rows(tmp_path / "rows.csv", ["a"], [["x" * 32_768]]) == 1


def test_a_control_character_is_shown_by_its_code_point(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.xlsx", ["a"], [["a\x00b\x1bc\ud800"]])
    assert load_workbook(tmp_path / "rows.xlsx").active["A2"].value == "a<U+0000>b<U+001B>c<U+D800>"
