"""Headers as exports write them, a member's own column names, and what would be guessed is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from member.indicators.intake import Accepted, read_normalised
from member.tables.column_map import read_column_map
from member.tables.reading import FileRefusedError, Rejected, Row, check_file, read_indicators

PHONE = "+442079460123"


def written(folder: Path, text: str, name: str = "in.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "header",
    [
        "Indicator Type,Value",
        "indicator-type,VALUE",
        "INDICATOR_TYPE , value",
        "\ufeffindicator_type,value",
        "\u200bIndicator\u00a0Type,value\u200b",
        '"Indicator Type","Value"',
        "indicator  type,value:",
        "“indicator_type”,‘value’",
        "ｉｎｄｉｃａｔｏｒ＿ｔｙｐｅ,value",
    ],
)
def test_a_header_counts_without_case_spaces_hyphens_and_what_nobody_sees(tmp_path: Path, header: str) -> None:
    (row,) = read_indicators(written(tmp_path, f"{header}\nphone,{PHONE}\n"))
    assert isinstance(row, Row)
    assert (row.line, row.value) == (2, PHONE)


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "\ufeffsep=;", "sep=;\n"])
def test_a_line_that_says_the_separator_is_understood_and_counts_as_a_line(tmp_path: Path, first: str) -> None:
    (row,) = read_indicators(written(tmp_path, f"{first}\nIndicator Type;Value\nphone;{PHONE}\n"))
    assert isinstance(row, Row)
    assert row.line == first.count("\n") + 3


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f"indicator_type,Indicator Type,value\nphone,phone,{PHONE}\n", "indicator_type and Indicator Type"),
        (f"indicator_type,value,desk,Desk\nphone,{PHONE},1,2\n", "desk and Desk"),
        (f"sep=|\nindicator_type|value\nphone|{PHONE}\n", "line 1 says that | separates"),
        (f"Export of 1 March\n\nindicator_type,value\nphone,{PHONE}\n", "line 3 looks like it"),
        (f"kind,value\nphone,{PHONE}\n", "no column indicator_type"),
    ],
)
def test_what_would_have_to_be_guessed_is_refused(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(FileRefusedError) as error:
        check_file(written(tmp_path, text))
    assert named in str(error.value)


TOML = """
type = "bank_account"
[columns]
indicator_type = "Kind"
value = "Identifier"
sort_code = "Sort Code"
account_number = "Account No"
reason = "Why"
[types]
"Mobile" = "phone"
"""
OWN = f"Kind,Identifier,Sort-Code,Account No,Why,Desk\n,,20-00-00,12345678,mule,7\nMobile,{PHONE},,,call,8\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_map_names_own_columns_and_an_account_in_two(tmp_path: Path, as_json: bool) -> None:
    entries = {
        "type": "bank_account",
        "columns": {"indicator_type": "Kind", "value": "Identifier", "sort_code": "Sort Code",
                    "account_number": "Account No", "reason": "Why"},
        "types": {"Mobile": "phone"},
    }  # fmt: skip
    mapped = read_column_map(written(tmp_path, json.dumps(entries) if as_json else TOML, "map"))
    rows = list(read_normalised(check_file(written(tmp_path, OWN), mapped)))
    found = [(row.canonical.canonical, row.row.reason, row.row.extra) for row in rows if isinstance(row, Accepted)]
    assert found == [("20000012345678", "mule", {"Desk": "7"}), (PHONE, "call", {"Desk": "8"})]


@pytest.mark.parametrize(
    ("sort_code", "number"), [("20000", "123456789"), ("2000001", "2345678"), ("200000", "1234567")]
)
def test_two_columns_never_make_up_for_each_others_digits(tmp_path: Path, sort_code: str, number: str) -> None:
    mapped = read_column_map(written(tmp_path, TOML, "map"))
    text = f"Kind,Identifier,Sort Code,Account No,Why\n,,{sort_code},{number},\n"
    (row,) = read_indicators(check_file(written(tmp_path, text), mapped))
    assert isinstance(row, Rejected)
    assert "expected:" in row.reason


@pytest.mark.parametrize(
    ("header", "row", "named"),
    [
        ("Kind,Identifier,Sort Code,Account No,Why", ",,,12345678,", "Sort Code"),
        ("Kind,Identifier,Sort Code,Account No,Why", ",,200000, ,", "Account No"),
        ("Sort Code,Account No,Why", ",,mule", "Sort Code"),
    ],
)
def test_an_empty_half_of_an_account_is_named_as_the_file_does(
    tmp_path: Path, header: str, row: str, named: str
) -> None:
    short = 'type = "bank_account"\n[columns]\nsort_code = "Sort Code"\naccount_number = "Account No"\n'
    mapped = read_column_map(written(tmp_path, TOML if "Kind" in header else short, "map"))
    (read,) = read_indicators(check_file(written(tmp_path, f"{header}\n{row}\n"), mapped))
    assert isinstance(read, Rejected)
    assert (read.column, read.value, read.reason) == (named, "", "the field is empty")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[columns]\nvalue = 'Nowhere'\n", "the map names the column Nowhere"),
        ("[columns]\ncolour = 'x'\n", "unknown column colour"),
        ("[columns]\nsort_code = 'x'\n", "sort_code alone"),
        ("[columns]\nvalue = 7\n", "not names by names"),
        ("type = 'acount'\n", "does not exist"),
        ("[types]\nx = 'y'\n", "does not exist"),
        ("kind = 'x'\n", "unknown entry kind"),
        ("{", "neither JSON nor TOML"),
        ("x = [\n", "neither JSON nor TOML"),
    ],
)
def test_a_map_with_a_fault_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(FileRefusedError) as error:
        check_file(written(tmp_path, OWN), read_column_map(written(tmp_path, text, "map")))
    assert named in str(error.value)


def test_the_example_on_the_page_is_a_map(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "uploads.md").read_text(encoding="utf-8")
    example = page.split("```toml\n", 1)[1].split("```", 1)[0]
    mapped = read_column_map(written(tmp_path, example, "map.toml"))
    assert (mapped.fixed_type, mapped.columns["sort_code"]) == ("bank_account", "Sort Code")
