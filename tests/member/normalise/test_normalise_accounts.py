"""Bank accounts and IBANs under rules n1."""

from __future__ import annotations

import pytest

from member.normalise.rules import normalise
from tests.member.normalise.examples import form_of, iban_of, refusal_of

GERMAN = iban_of("DE", "000000000000012345")
BRITISH = iban_of("GB", "EXMP20000000012345")


@pytest.mark.parametrize(
    "value",
    [
        "20000000012345",
        "20-00-00 00012345",
        " 200000 00012345 ",
        "20 00 00/00012345",
        "20.00.00.00012345",
        "20–00–00 00012345",
        "２００００００００１２３４５",
        "٢٠٠٠٠٠٠٠٠١٢٣٤٥",
        "20-00-00\u200b 00012345",
        "\ufeff20000000012345",
    ],
)
def test_an_account_is_fourteen_digits_however_it_is_written(value: str) -> None:
    assert form_of("bank_account", value) == "20000000012345"


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("2000000012345", "13 digits: this looks like a leading zero lost"),
        ("-20000012345678", "a minus sign in front or behind"),
        ("2000001", "7 digits: this looks like a leading zero lost"),
        ("20-00-00 1234567", "an account number of 7 digits; if none was lost, write a zero in front"),
        ("20-00-00 123456", "an account number of 6 digits; if none was lost, write two zeros in front"),
        ("200000012345", "leading zero"),
        ("00012345", "without its sort code"),
        ("2.00E+13", "scientific"),
        ("2,00E+13", "scientific"),
        ("200000", "6 digits; expected"),
        ("2000000001234567", "16 digits; expected"),
        ("200000000123456", "account number of 9 digits"),
        ("20-00-00 0001234X", "digits only"),
        ("20-00-00 0001234²3", "account number of 9 digits"),
        (BRITISH, "write iban"),
        ("--", "placeholder"),
        ("", "empty"),
    ],
)
def test_an_account_without_fourteen_digits_is_refused_with_its_fault(value: str, named: str) -> None:
    assert named in refusal_of("bank_account", value)


def test_the_uk_modulus_check_is_not_applied() -> None:
    assert form_of("bank_account", "99999999999998") == "99999999999998"


@pytest.mark.parametrize(
    "value",
    [
        GERMAN,
        GERMAN.lower(),
        f"IBAN {GERMAN}",
        f"iban: {GERMAN}",
        " ".join(GERMAN),
        "-".join(GERMAN),
        ".".join(GERMAN),
        GERMAN[:4] + "\u00a0" + GERMAN[4:],
        GERMAN[:4] + "‑" + GERMAN[4:],
    ],
)
def test_an_iban_is_upper_case_without_separators(value: str) -> None:
    assert form_of("iban", value) == GERMAN


@pytest.mark.parametrize("value", [BRITISH, BRITISH.lower(), f"IBAN {BRITISH[:4]} {BRITISH[4:8]} {BRITISH[8:]}"])
def test_a_uk_iban_becomes_its_sort_code_and_account_number(value: str) -> None:
    canonical = normalise("iban", value)
    assert (canonical.indicator_type, canonical.canonical) == ("bank_account", "20000000012345")


@pytest.mark.parametrize("account", ["EXMP2000000001234X", "EXMP200000000123456"])
def test_an_iban_of_gb_that_does_not_end_in_fourteen_digits_stays_an_iban(account: str) -> None:
    assert form_of("iban", iban_of("GB", account)) == iban_of("GB", account)


@pytest.mark.parametrize(("country", "account"), [("DE", "123456789012"), ("ZZ", "ABCDEFGHIJK"), ("FR", "AB" * 15)])
def test_neither_length_nor_structure_of_the_country_is_tested(country: str, account: str) -> None:
    assert form_of("iban", iban_of(country, account)) == iban_of(country, account)


def test_every_single_mistyped_character_of_an_iban_is_noticed() -> None:
    for position in range(2, len(GERMAN)):
        wrong = GERMAN[:position] + str((int(GERMAN[position]) + 1) % 10) + GERMAN[position + 1 :]
        assert "check digits" in refusal_of("iban", wrong)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (iban_of("DE", "1234567890"), "shape"),
        (iban_of("DE", "1" * 31), "shape"),
        ("20000000012345", "bank_account"),
        ("DEAA 1234 5678 9012 3456", "shape"),
        ("2.00E+13", "scientific"),
        ("IBAN", "shape"),
        (GERMAN.replace("D", "Д"), "A to Z"),
        (GERMAN + "*", "shape"),
    ],
)
def test_a_text_without_the_shape_of_an_iban_is_refused(value: str, named: str) -> None:
    assert named in refusal_of("iban", value)
