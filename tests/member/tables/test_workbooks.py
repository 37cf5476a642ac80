"""Workbooks: text cells are read, numbers in the column of values are refused by row, and hostile files as a whole."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from member.indicators.intake import Accepted, read_normalised
from member.tables.reading import FileChangedError, FileRefusedError, Rejected, Row, check_file, read_indicators

HEADER = ["Indicator Type", "Value", "Reason", "First seen", "desk"]
ACCOUNT = ["bank_account", "20000012345678", "mule", date(2026, 3, 5), "7"]


def book(folder: Path, *rows: Sequence[Any], title: str = "rows", before: Sequence[str] = ()) -> Path:
    made = Workbook()
    for name in before:
        made.create_sheet(name)
    sheet = made.create_sheet(title)
    del made["Sheet"]
    for row in rows:
        sheet.append(list(row))
    path = folder / "in.xlsx"
    made.save(path)
    return path


def rebuilt(path: Path, change: Callable[[str, bytes], bytes | None], extra: Sequence[tuple[str, bytes]] = ()) -> Path:
    """The archive with its parts changed, left out (None) and added."""
    with zipfile.ZipFile(path) as archive:
        parts = [(each.filename, archive.read(each)) for each in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts:
            changed = change(name, data)
            if changed is not None:
                archive.writestr(name, changed)
        for name, data in extra:
            archive.writestr(name, data)
    return path


def unchanged(_: str, data: bytes) -> bytes:
    return data


def refusal(path: Path, sheet: str | None = None) -> str:
    with pytest.raises(FileRefusedError) as caught:
        check_file(path, sheet=sheet)
    return str(caught.value)


@pytest.mark.parametrize("name", ["in.csv", "in.xls", "in", "in.XLSX"])
def test_a_workbook_is_read_whatever_its_file_is_called(tmp_path: Path, name: str) -> None:
    path = book(tmp_path, HEADER, ACCOUNT).rename(tmp_path / name)
    (read,) = read_indicators(check_file(path))
    assert isinstance(read, Row)
    assert read.value == "20000012345678"


def test_a_sheet_is_read_like_a_csv_and_its_rows_are_the_lines(tmp_path: Path) -> None:
    path = book(tmp_path, HEADER, ACCOUNT, [], ["phone", "+44 20 7946 0123"], ["lei", "N/A"])
    rows = list(read_indicators(path))
    assert [row.line for row in rows] == [2, 4, 5]
    first = rows[0]
    assert isinstance(first, Row)
    assert (first.value, first.first_seen, first.extra) == ("20000012345678", date(2026, 3, 5), {"desk": "7"})
    read = list(read_normalised(path))
    assert [type(each) for each in read] == [Accepted, Accepted, Rejected]
    assert check_file(path).records == 3


@pytest.mark.parametrize("cell", [20000012345678, 9012812345678.0, 2.0201555555555e13, True, datetime(1980, 1, 31)])  # noqa: DTZ001
def test_a_value_that_is_not_text_is_a_fault_of_its_row_alone(tmp_path: Path, cell: object) -> None:
    path = book(tmp_path, HEADER, ["bank_account", cell], ACCOUNT)
    faulty, good = read_indicators(path)
    assert isinstance(faulty, Rejected)
    assert (faulty.line, faulty.column) == (2, "Value")
    assert "not as text" in faulty.reason
    assert "format the column as text" in faulty.reason
    assert isinstance(good, Row)


def test_a_sheet_is_chosen_by_name_and_the_first_is_usual(tmp_path: Path) -> None:
    path = book(tmp_path, HEADER, ACCOUNT, title="accounts", before=["notes"])
    assert "the sheet notes is empty" in refusal(path)
    assert check_file(path, sheet="accounts").records == 1
    assert "it has: notes, accounts" in refusal(path, "nothing")


def test_cells_beyond_the_header_are_a_fault_of_the_row(tmp_path: Path) -> None:
    (row,) = read_indicators(book(tmp_path, HEADER[:2], ["phone", "+442079460123", "stray"]))
    assert isinstance(row, Rejected)
    assert "beyond the last column" in row.reason


def test_a_workbook_that_changes_between_check_and_reading_is_noticed(tmp_path: Path) -> None:
    checked = check_file(book(tmp_path, HEADER, ACCOUNT))
    book(tmp_path, HEADER, ACCOUNT, ACCOUNT)
    with pytest.raises(FileChangedError):
        list(read_indicators(checked))


# the attacker


def test_an_attacker_packs_a_bomb(tmp_path: Path) -> None:
    path = rebuilt(book(tmp_path, HEADER, ACCOUNT), unchanged, [("xl/media/image1.png", bytes(40 << 20))])
    assert path.stat().st_size < 1 << 20
    assert "1,000 times its size" in refusal(path)


def test_an_attacker_packs_more_than_is_unpacked(tmp_path: Path) -> None:
    block = os.urandom(1 << 18) + bytes(45 << 20)
    many = [(f"xl/media/{number}.bin", block) for number in range(7)]
    assert "300 MB when unpacked" in refusal(rebuilt(book(tmp_path, HEADER, ACCOUNT), unchanged, many))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "[Content_Types].xml"])
def test_an_attacker_declares_an_entity(tmp_path: Path, part: str, encoding: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary", encoding="utf-8")

    def with_entity(name: str, data: bytes) -> bytes:
        if name != part:
            return data
        body = data.decode("utf-8").partition("?>")[2] or data.decode("utf-8")
        head = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
        return (head + body.replace("mule", "&e;")).encode(encoding)

    assert "document type" in refusal(rebuilt(book(tmp_path, HEADER, ACCOUNT), with_entity))


@pytest.mark.parametrize("name", ["../outside.xml", "/etc/outside", "xl/../../outside", "xl\\..\\outside"])
def test_an_attacker_names_a_part_outside_the_archive(tmp_path: Path, name: str) -> None:
    path = rebuilt(book(tmp_path, HEADER, ACCOUNT), unchanged, [(name, b"x")])
    assert "lead out of it" in refusal(path)
    assert not (tmp_path.parent / "outside.xml").exists()


def test_a_workbook_with_macros_is_refused_with_the_cure(tmp_path: Path) -> None:
    path = rebuilt(book(tmp_path, HEADER, ACCOUNT), unchanged, [("xl/vbaProject.bin", b"\xd0\xcf")])
    assert "save it without them" in refusal(path)


def test_a_workbook_of_200_megabytes_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    path = book(tmp_path, HEADER, ACCOUNT)
    with path.open("r+b") as file:
        file.truncate(200 << 20)
    assert "a workbook of 200 MB" in refusal(path)


def test_a_row_number_beyond_every_sheet_ends_the_reading(tmp_path: Path) -> None:
    def far_away(name: str, data: bytes) -> bytes:
        return data.replace(b'<row r="2"', b'<row r="99999999999"') if name == "xl/worksheets/sheet1.xml" else data

    assert "no rows" in refusal(rebuilt(book(tmp_path, HEADER, ACCOUNT), far_away))


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"}, ".ods"),
        ({"xl/workbook.bin": b"x"}, ".xlsb"),
        ({"word/document.xml": b"<x/>"}, "not an Excel workbook"),
        ({"xl/workbook.xml": b"<x/>"}, "not a whole Excel workbook"),
        ({"xl/workbook.xml": b"<x"}, "not a whole Excel workbook"),
    ],
)
def test_other_archives_are_refused_with_the_cure(tmp_path: Path, parts: dict[str, bytes], named: str) -> None:
    path = tmp_path / "in.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    assert named in refusal(path)


def test_a_workbook_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    data = book(tmp_path, HEADER, ACCOUNT).read_bytes()
    path = tmp_path / "cut.xlsx"
    for length in range(4, len(data), 997):
        path.write_bytes(data[:length])
        assert refusal(path)


def test_every_part_may_be_damaged_and_only_a_refusal_comes_of_it(tmp_path: Path) -> None:
    path = book(tmp_path, HEADER, ACCOUNT)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    for name in names:
        for damage in (b"", b"<a>", b"\x00" * 9, b"<a b='&x;'/>"):
            path.write_bytes(whole)
            rebuilt(path, lambda each, data, name=name, damage=damage: damage if each == name else data)  # type: ignore[misc]
            try:
                list(read_indicators(path))
            except FileRefusedError as error:
                assert error.wanted
