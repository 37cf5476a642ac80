"""Reading a member's CSV: what is taken, what is rejected by row, what is refused as a whole."""

from __future__ import annotations

import csv
import itertools
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from member.tables.reading import FileChangedError, FileRefusedError, Rejected, Row, check_file, read_indicators

HEADER = "indicator_type,value,reason,first_seen,source_ref\n"
PHONE = "phone,+442079460123,,,\n"
_names = itertools.count()


class Folder:
    """Writes files and reads them again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, content: str | bytes) -> Path:
        path = self.path / f"{next(_names)}.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def read(self, content: str | bytes) -> list[Row | Rejected]:
        return list(read_indicators(self.file(content)))

    def rejected(self, content: str | bytes) -> list[tuple[int, str, str]]:
        return [(row.line, row.column, row.value) for row in self.read(content) if isinstance(row, Rejected)]

    def refusal(self, content: str | bytes) -> str:
        with pytest.raises(FileRefusedError) as caught:
            self.read(content)
        return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def lines_of(rows: list[Row | Rejected]) -> list[int]:
    return [row.line for row in rows]


def values_of(rows: list[Row | Rejected]) -> list[str]:
    return [row.value for row in rows if isinstance(row, Row)]


# what is taken


def test_a_row_carries_all_its_columns_and_the_unknown_ones_by_name(folder: Folder) -> None:
    (row,) = folder.read(
        "desk,value,SOURCE_REF, Indicator_Type ,first_seen,reason,Note\n"
        'E1,+442079460123, C-1 ,phone,2026-03-05,"a, b",\n'
    )
    assert isinstance(row, Row)
    assert (row.line, row.indicator_type, row.value) == (2, "phone", "+442079460123")
    assert (row.reason, row.first_seen, row.source_ref) == ("a, b", date(2026, 3, 5), "C-1")
    assert row.extra == {"desk": "E1", "Note": ""}


def test_the_last_three_columns_may_be_empty_or_absent(folder: Folder) -> None:
    for content in (HEADER + PHONE, "value,indicator_type\n+442079460123,phone\n"):
        (row,) = folder.read(content)
        assert isinstance(row, Row)
        assert (row.reason, row.first_seen, row.source_ref, row.extra) == ("", None, "", {})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_line_ends_and_separators_are_recognised(
    folder: Folder, encoding: str, end: str, delimiter: str
) -> None:
    text = (HEADER + 'person,"EXÄMPLE; Anna\t, A|1980-01-31",,,\n' + PHONE).replace(",", delimiter).replace("\n", end)
    if encoding in ("utf-16-le", "utf-16-be"):
        text = "\ufeff" + text
    rows = folder.read(text.encode(encoding))
    assert lines_of(rows) == [2, 3]
    assert values_of(rows) == ["EXÄMPLE; Anna\t, A|1980-01-31".replace(",", delimiter), "+442079460123"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_is_the_physical_one_on_which_the_record_starts(folder: Folder, end: str) -> None:
    content = (
        HEADER + "\n" + PHONE + '\n   \nperson,"EXAMPLE,\n\nAnna|1980-01-31","x\ny",,\n' + PHONE + "phone,020,,,\n"
    )
    assert lines_of(folder.read(content.replace("\n", end))) == [3, 6, 10, 11]


def test_a_last_line_without_an_end_is_read(folder: Folder) -> None:
    assert lines_of(folder.read(HEADER + PHONE + PHONE.rstrip())) == [2, 3]


def test_blank_lines_above_the_header_are_passed_over(folder: Folder) -> None:
    assert lines_of(folder.read("\n \n" + HEADER + PHONE)) == [4]


def test_quotes_are_doubled_in_quoted_fields_and_plain_elsewhere(folder: Folder) -> None:
    rows = folder.read(HEADER + 'person,"Anna ""A"" E|1980-01-31",,,\nperson,Anna "A" E|1980-01-31,,,\n')
    assert values_of(rows) == ['Anna "A" E|1980-01-31'] * 2


def test_a_type_is_known_in_any_case(folder: Folder) -> None:
    (row,) = folder.read(HEADER + PHONE.replace("phone", " Phone "))
    assert isinstance(row, Row)
    assert row.indicator_type == "phone"


def test_the_number_of_records_is_known_beforehand(folder: Folder) -> None:
    checked = check_file(folder.file(HEADER + PHONE + "\n" + PHONE + "phone,,,,\n"))
    assert checked.records == 3 == len(list(read_indicators(checked)))


def test_identifiers_do_not_show_in_repr(folder: Folder) -> None:
    rows = folder.read(HEADER.rstrip() + ",desk\nphone,+442079460123,,,,Secret\nphone,+442079460124,,x,,Secret\n")
    assert "4207946" not in repr(rows)
    assert "Secret" not in repr(rows)


# what is rejected by row


def test_a_bad_row_alone_is_rejected_by_line_column_and_value(folder: Folder) -> None:
    """The other rows are kept."""
    content = (
        HEADER + PHONE + "phon,1234567,,,\n,1234567,,,\nphone, ,,,\nphone,+1234567,,05/03/2026,\n"
        "phone,+1234567,,\nperson,EXAMPLE, Anna|1980-01-31,,,\n,,,,\n" + PHONE
    )
    assert folder.rejected(content) == [
        (3, "indicator_type", "phon"),
        (4, "indicator_type", ""),
        (5, "value", " "),
        (6, "first_seen", "05/03/2026"),
        (7, "source_ref", ""),
        (8, "", ""),
        (9, "indicator_type", ""),
    ]
    assert len(folder.read(content)) == 9


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("phon,+1234567,,,", "did you mean phone?"),
        ("bank account,20000000012345,,,", "did you mean bank_account?"),
        ("phone,+1234567,,", "4 fields where the header has 5"),
        ("phone", "1 field where the header has 5"),
        ("person,EXAMPLE, Anna|1980-01-31,,,", "must stand in quotes"),
        ("phone,+1234567,,05/03/2026,", "write 2026-03-05"),
        ("phone,+1234567,,5.3.2026,", "write 2026-03-05"),
        ("phone,+1234567,,12/31/2026,", "not dd/mm/yyyy"),
        ("phone,+1234567,,2026-02-30,", "this date does not exist"),
        ("phone,+1234567,,2026-03-05T10:00:00Z,", "with a time"),
        ("phone,+1234567,,46086,", "day number"),
        ("phone,+1234567,,20260305,", "not a date"),
        ("phone,+1234567,,2026-W10-4,", "not a date"),
        ("phone,+1234567,,٢٠٢٦-٠٣-٠٥,", "not a date"),
        ('person,"Anna "A" E|1980-01-31",,,', "inside a quoted field twice"),
        ("phone," + "1" * 200_000 + ",,,", "131,072 characters"),
    ],
)
def test_the_reason_names_the_fault_and_the_cure(folder: Folder, row: str, named: str) -> None:
    rows = folder.read(HEADER + row + "\n" + PHONE)
    assert isinstance(rows[0], Rejected)
    assert named in rows[0].reason
    assert isinstance(rows[1], Row)


def test_a_broken_quote_costs_its_own_row_only(folder: Folder) -> None:
    content = HEADER + PHONE + 'person,"Anna "A" E|1980-01-31",,,\n' + PHONE
    assert lines_of(folder.read(content)) == [2, 3, 4]
    assert folder.rejected(content) == [(3, "", 'person,"Anna "A" E|1980-01-31",,,')]


# what is refused as a whole


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "rest", [PHONE * 3, 'person,"EXAMPLE, Ben|1980-01-31",,,\n', PHONE * 20_000, "x", 'phone,"+442079460123"\n' * 9]
)
def test_a_quote_that_is_never_closed_refuses_the_file_and_names_its_line(folder: Folder, end: str, rest: str) -> None:
    content = HEADER + PHONE + 'person,"ok\nok|1980-01-31",,"\n","EXAMPLE, Anna|1980-01-31,,,\n' + rest
    assert "begins on line 5 is not closed" in folder.refusal(content.replace("\n", end))


def test_windows_1252_is_refused_by_line_and_byte_with_a_remedy(folder: Folder) -> None:
    content = (HEADER + PHONE * 50_000 + "person,José|1980-01-31,,,\n").replace("\n", "\r\n").encode("cp1252")
    refusal = folder.refusal(content)
    assert "line 50002, byte 11 (0xE9)" in refusal
    assert "Windows-1252" in refusal
    assert "CSV UTF-8" in refusal


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf", "blank lines only"),
        (b"\n\r\n \n", "blank lines only"),
        (HEADER, "no rows"),
        (HEADER + "\n\n", "no rows"),
        (PHONE, "not a header"),
        ("x\n" + PHONE, "not a header"),
        ("indicator_type,values\nphone,1\n", "values looks like value"),
        ("type,value\nphone,1\n", "type looks like indicator_type"),
        ("value,kind\n1,phone\n", "no column indicator_type"),
        ("indicator_type,value,Value \nphone,1,2\n", "duplicate column in the header: value and Value"),
        ("indicator_type,value,desk,Desk\nphone,1,2,3\n", "duplicate column in the header: desk and Desk"),
        ("indicator_type|value\nphone|1\n", "separated by |"),
        ("reason|value|x|Indicator_Type\n", "separated by |"),
        ("reason|x\n", "not a header"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff", "binary file"),
        ("sort_code,account_number,reason\n200000,00012345,x\n", "TEXT(SUBSTITUTE("),
        ("indicator_type;Sort Code;Account No;reason\nbank_account;200000;00012345;x\n", "Sort Code and Account No"),
        (b"PK\x03\x04" + b"x" * 99, "Excel workbook"),
        (b"\xd0\xcf\x11\xe0" + b"x" * 99, "old Excel workbook"),
        (b"%PDF-1.7\n", "PDF"),
        (HEADER.encode() + PHONE.encode() + b"phone,\0,,,\n", "line 3 holds a NUL"),
        ((HEADER + "phone,\0,,,\n").encode("utf-16"), "NUL"),
        ((HEADER + PHONE).encode("utf-16-le"), "UTF-16 without a byte order mark"),
        ((HEADER + PHONE).encode("utf-16")[:-1], "not valid UTF-16"),
        ((HEADER + PHONE).encode("utf-32"), "UTF-32"),
        (HEADER.encode() + b"phone,\xc3", "line 2, byte 7"),
        (HEADER.encode() + b"phone,\x81,,,", "0x81"),
        (HEADER + "phone," + "1" * 3_000_000, "over a megabyte"),
        ('"indicator_type,value\nphone,1\n', "begins on line 1"),
    ],
)
def test_a_file_that_cannot_be_read_safely_is_refused_and_the_fault_named(
    folder: Folder, content: str | bytes, named: str
) -> None:
    refusal = folder.refusal(content)
    assert named in refusal
    assert "expected: " in refusal


def test_a_first_line_that_is_a_row_is_not_shown(folder: Folder) -> None:
    assert "4207946" not in folder.refusal(PHONE)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRefusedError, match=r"no such file; expected: .* the folder you are in"):
        check_file(tmp_path / "absent.csv")
    with pytest.raises(FileRefusedError):
        check_file(tmp_path)


def test_a_file_changed_after_its_check_is_refused_before_any_row(folder: Folder) -> None:
    path = folder.file(HEADER + PHONE)
    checked = check_file(path)
    path.write_text(HEADER + PHONE + PHONE)
    with pytest.raises(FileChangedError):
        next(read_indicators(checked))


def test_a_file_that_grows_while_it_is_read_is_noticed_at_its_end(folder: Folder) -> None:
    path = folder.file(HEADER + PHONE * 9)
    rows = read_indicators(path)
    next(rows)
    with path.open("a") as file:
        file.write(PHONE)
    with pytest.raises(FileChangedError):
        list(rows)


# any bytes at all

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
PIECES = st.lists(
    st.sampled_from(
        [
            b'"',
            b'""',
            b",",
            b";",
            b"\t",
            b"\n",
            b"\r",
            b"\r\n",
            b" ",
            b"\0",
            b"\xff",
            b"\xc3\xa9",
            b"value",
            b"phone",
            b"person",
            b"+442079460123",
            b"2026-03-05",
            PHONE.encode(),
            b'"a\nb"',
            b'"x"y',
            b"\xef\xbb\xbf",
        ]
    ),
    max_size=40,
).map(b"".join)


@given(content=st.binary() | PIECES | PIECES.map(HEADER.encode().__add__))
def test_any_bytes_are_refused_or_every_record_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / f"{next(_names)}.csv"
    path.write_bytes(content)
    try:
        checked = check_file(path)
    except FileRefusedError:
        return
    rows = list(read_indicators(checked))
    assert len(rows) == checked.records
    assert lines_of(rows) == sorted(set(lines_of(rows)))
    with path.open(encoding=checked.encoding, newline="") as text:
        physical = list(text)
    assert all(physical[row.line - 1].strip() for row in rows)


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["phone", "person"]), TEXTS, TEXTS),
        min_size=1,
    ),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_csv_writer_writes_is_read_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], end: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"{next(_names)}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerows([("indicator_type", "value", "note"), *rows])
    read = list(read_indicators(path))
    assert [row.fields for row in read] == [list(row) for row in rows]
    for row, (_, value, note) in zip(read, rows, strict=True):
        assert row.value == value
        assert isinstance(row, Rejected) or row.extra == {"note": note}
