"""Values that stand where there is none, in every type that can hold them."""

from __future__ import annotations

import pytest

from tests.member.normalise.examples import form_of, refusal_of

NAMES = (
    "Mr", "Mrs", "Dr", "Mr Mrs", "Test Person", "Baby Boy", "Self", "Same", "Beneficiary", "Minor Child", "Fred Bloggs",
    "n.n.",
)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("person", f"{name}|1980-01-31") for name in NAMES),
        ("lei", "00000000000000000098"),
        ("lei", "99999999999999999928"),
        ("lei", "XXXXXXXXXXXXXXXXXX35"),
        ("lei", "TESTTESTTESTTESTTE03"),
        ("iban", "NL85ABNA0000000000"),
        ("phone", "+447000000000"),
        ("phone", "+441234567890"),
        ("phone", "+447123456789"),
        ("company_number", "GB:11111111"),
        ("company_number", "GB:12345678"),
        ("company_number", "NL:11111111"),
        ("email", "no-email@bank.example"),
        ("email", "none@bank.example"),
        ("domain", "none.com"),
        ("domain", "https://www.unknown.com/x"),
    ],
)
def test_a_value_that_says_there_is_none_is_refused(kind: str, value: str) -> None:
    assert "placeholder" in refusal_of(kind, value)


@pytest.mark.parametrize("name", ["Anna Self", "Boy George", "Lord", "Mr Lord"])
def test_a_name_with_such_a_word_beside_others_stays(name: str) -> None:
    assert form_of("person", f"{name}|1980-01-31").endswith("|1980-01-31")
