"""Reading and normalising joined, the report of rejected rows, and the template that members start from."""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook

from member.indicators.intake import Accepted, RejectedRows, read_normalised
from member.tables.reading import Rejected, check_file
from schemas.terms import IndicatorType

HEADER = "indicator_type,value,reason,first_seen,source_ref,desk\n"
TEMPLATE = Path(__file__).parents[3] / "docs" / "template.csv"


def rejected_of(path: Path) -> list[Rejected]:
    return [row for row in read_normalised(path) if isinstance(row, Rejected)]


def write_rejected(path: Path, header: Sequence[str], rows: Iterable[Rejected]) -> int:
    with RejectedRows(path, header) as report:
        for row in rows:
            report.write(row)
    return report.count


def test_rows_are_normalised_and_those_without_a_form_rejected(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(HEADER + "phone,+44 (0)20 7946 0123,,,,\nphone,020 7946 0123,,,,\n")
    first, second = read_normalised(path)
    assert isinstance(first, Accepted)
    assert (first.row.line, first.canonical.canonical) == (2, "+442079460123")
    assert isinstance(second, Rejected)
    assert (second.line, second.column, second.value) == (3, "value", "020 7946 0123")
    assert "country code" in second.reason


def test_rejected_rows_can_be_corrected_and_submitted_again(tmp_path: Path) -> None:
    path, report = tmp_path / "in.csv", tmp_path / "rejected.csv"
    path.write_text(
        HEADER + 'phone,020 7946 0123,"a, ""b""",,C-1,E1\nphone,+442079460124,,,,\nphone,,,,,E2\n', encoding="utf-8"
    )
    assert write_rejected(report, check_file(path).layout.header, rejected_of(path)) == 2
    report.write_text(report.read_text(encoding="utf-8").replace("020 7946 0123", "+44 20 7946 0123"), encoding="utf-8")
    first, second = read_normalised(report)
    assert isinstance(first, Accepted)
    assert (first.row.reason, first.row.source_ref, first.row.extra["desk"]) == ('a, "b"', "C-1", "E1")
    assert first.row.extra["rejected_line"] == "2"
    assert isinstance(second, Rejected)
    again = tmp_path / "again.csv"
    assert write_rejected(again, check_file(report).layout.header, rejected_of(report)) == 1
    assert again.read_text().splitlines()[0] == "rejected_line,rejected_column,rejected_reason," + HEADER.strip()


CELLS = ("=1+1", "+44 phone", "-7", "@x", "'=1", "''quoted'", "'", "\t=2", "|x", " =3", "plain", 'a, "b"', "")


def test_a_report_holds_no_formula_and_its_rows_come_back_as_they_were(tmp_path: Path) -> None:
    path, report, book = tmp_path / "in.csv", tmp_path / "rejected.csv", tmp_path / "rejected.xlsx"
    names = ("=desk", "source_ref", "reason", "value", "indicator_type")
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        writer.writerows((cell, cell, cell, cell, "phone" if cell else "") for cell in CELLS)
        writer.writerow(("=too", "=wide", "", "", "", "-x"))
    first = rejected_of(path)
    assert len(first) == len(CELLS) + 1
    assert write_rejected(report, check_file(path).layout.header, first) == len(first)
    with report.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert not [cell for row in rows for cell in row if cell.lstrip().startswith(("=", "+", "-", "@", "|"))]

    again = tmp_path / "again.csv"
    second = rejected_of(report)
    assert [row.fields[3:] for row in second] == [row.fields for row in first]
    write_rejected(again, check_file(report).layout.header, second)
    with again.open(encoding="utf-8", newline="") as stream:
        assert [row[3:] for row in csv.reader(stream)][:-1] == [row[3:] for row in rows][:-1]

    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet()
    for row in rows:
        sheet.append(row)
    workbook.save(book)
    assert [row.fields[3:6] for row in rejected_of(book)][:4] == [row.fields[:3] for row in first][:4]


def test_a_row_of_another_width_is_reported_as_it_was_split(tmp_path: Path) -> None:
    path, report = tmp_path / "in.csv", tmp_path / "rejected.csv"
    path.write_text(HEADER + 'person,EXAMPLE, Anna|1980-01-31,,,,\nperson,"Anna "A" E|1980-01-31",,,,\n')
    write_rejected(report, check_file(path).layout.header, rejected_of(path))
    with report.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1][3:] == ["person", "EXAMPLE", " Anna|1980-01-31", "", "", "", ""]
    assert rows[2][3:] == ['person,"Anna "A" E|1980-01-31",,,,']


def test_the_report_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    report = tmp_path / "rejected.csv"
    write_rejected(report, ["indicator_type", "value"], [Rejected(2, "value", "x", "y", ["phone", "x"])])
    assert report.stat().st_mode & 0o777 == 0o600


def test_what_is_refused_late_stands_in_the_order_of_the_file(tmp_path: Path) -> None:
    """The exchange refuses a row of an earlier part after later lines were refused here."""
    report = tmp_path / "rejected.csv"
    rows = [Rejected(line, "value", "x", "y", ["phone", str(line)]) for line in (9, 3, 10, 4)]
    assert write_rejected(report, ["indicator_type", "value"], rows) == 4
    with report.open(newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["rejected_line", "3", "4", "9", "10"]


def test_without_rejected_rows_there_is_no_report(tmp_path: Path) -> None:
    assert write_rejected(tmp_path / "rejected.csv", ["indicator_type", "value"], []) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_is_not_finished_leaves_nothing_behind(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        RejectedRows(tmp_path / "rejected.csv", ["indicator_type", "value"]) as report,
    ):
        report.write(Rejected(2, "value", "x", "y", ["phone", "x"]))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_long_file_is_read_in_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    with path.open("w") as file:
        file.write("indicator_type,value\n")
        file.writelines(f"bank_account,2000000{number:07d}\n" for number in range(1, 60_001))
    tracemalloc.start()
    try:
        count = sum(isinstance(row, Accepted) for row in read_normalised(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 60_000
    assert peak < 8 << 20


def test_the_template_shows_one_accepted_row_of_every_type() -> None:
    rows = list(read_normalised(TEMPLATE))
    accepted = [row for row in rows if isinstance(row, Accepted)]
    assert len(accepted) == len(rows)
    assert [row.row.indicator_type for row in accepted] == [kind.value for kind in IndicatorType]
