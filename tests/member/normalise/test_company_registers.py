"""Company numbers as their registers write them: one form for one company, or a refusal that says what is missing."""

from __future__ import annotations

import pytest

from tests.member.normalise.examples import form_of, refusal_of


@pytest.mark.parametrize(
    ("canonical", "written"),
    [
        ("BE:0403170701", ["403170701", "403.170.701", "BE403170701", "BE 0403.170.701", "403170701.0"]),
        ("CZ:00012345", ["CZ00012345", "000 12 345"]),
        ("FI:01120389", ["0112038-9", "FI01120389"]),
        ("PT:500000000", ["PT500000000"]),
        ("IE:12345", ["012345", "0012345", "12345.0"]),
        ("JE:1234", ["001234"]),
        ("GG:1234", ["01234"]),
        ("LU:B12345", ["B 12345", "b012345"]),
        ("DE:HRB1234", ["HRB 01234", "HRB 0001234", "HRB 1234.0"]),
        ("DE:HRB1234B", ["HRB 01234 B"]),
        ("AT:FN123456A", ["FN 123456 a", "123456a", "FN0123456a"]),
        ("CH:CHE123456788", ["CHE-123.456.788", "123456788", "123.456.788"]),
        ("CH:CH02030002777", ["CH-020.3.000.277-7", "020.3.000.277-7"]),
        ("ES:B12345674", ["ESB12345674", "ES-B-12345674"]),
        ("HK:71809722", ["71809722-000"]),
        ("HK:0685974", ["0685974"]),
        ("FR:005520135", ["005 520 135"]),
        ("SK:00151653", ["00151653"]),
        ("AU:000024733", ["000 024 733"]),
        ("PL:0000123456", ["0000123456"]),
    ],
)
def test_the_ways_to_write_a_number_are_one_form(canonical: str, written: list[str]) -> None:
    country = canonical[:3]
    assert {form_of("company_number", country + each) for each in written} == {canonical}
    assert form_of("company_number", canonical) == canonical


@pytest.mark.parametrize(
    ("value", "because"),
    [
        ("BE:123456789", "write it as the register does, with 10 digits"),
        ("BE:123456789.0", "leading zero"),
        ("PL:123456", "with 9 or 10 or 14 digits"),
        ("CZ:12345.0", "leading zero"),
        ("SK:151653", "leading zero"),
        ("FR:5520135", "leading zero"),
        ("AU:24733", "leading zero"),
        ("BR:191", "leading zero"),
        ("HK:685974", "leading zero"),
        ("HK:71809722001", "11 digits"),
        ("IE:23456789", "8 digits"),
        ("LU:12345", "without its section"),
        ("DE:12345", "without its register"),
        ("AT:FN 123456", "letter behind the number"),
        ("AT:123456", "letter behind the number"),
        ("AT:ATU12345678", "VAT number"),
        ("CH:123456789", "not the shape"),
        ("CH:CHE12345678", "CHE and 8 digits"),
        ("ES:12345674", "no letter in front"),
    ],
)
def test_a_number_that_lost_a_part_is_refused(value: str, because: str) -> None:
    assert because in refusal_of("company_number", value)
