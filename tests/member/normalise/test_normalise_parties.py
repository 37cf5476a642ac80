"""Persons, companies and LEIs under rules n1."""

from __future__ import annotations

import unicodedata

import pytest

from tests.member.normalise.examples import form_of, lei_of, refusal_of

LEI = lei_of("000000EXAMPLE00001")


@pytest.mark.parametrize(
    "name",
    [
        "O'NEILL, Anna-Lena",
        "Anna Lena ONeill",
        "anna-lena o’neill",
        "Lena (Anna) Oʼneill",
        "ANNA.LENA;O`NEILL",
        "Ánna-Léna O'Neill",
        "Ａnna Lena O‘Neill",
        "A\u0301nna Lena O\u200dNeill",
        "  o'neill\tanna\nlena ",
    ],
)
def test_spellings_of_one_name_are_one_person(name: str) -> None:
    assert form_of("person", f"{name}|1980-01-31") == "ANNA LENA ONEILL|1980-01-31"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Strauß", "STRAUSS"),
        ("STRAUẞ", "STRAUSS"),
        ("Łukasz Ødegård", "LUKASZ ODEGARD"),
        ("Æsir Œuvre", "AESIR OEUVRE"),
        ("Þóra Guðmundsdóttir", "GUDMUNDSDOTTIR THORA"),
        ("Đorđe Işık", "DORDE ISIK"),
        ("İlham Əliyev", "ELIYEV ILHAM"),
        ("ﬁona", "FIONA"),
        ("Анна Ёлкина", "АННА ЕЛКИНА"),
        ("Άννα", "ΑΝΝΑ"),
        ("محمد", "محمد"),
        ("김철수", "김철수"),
        ("Anna_B, Co 3rd", "3RD ANNA B CO"),
    ],
)
def test_names_lose_diacritics_and_keep_other_scripts(name: str, key: str) -> None:
    """Special letters are spelt out."""
    assert form_of("person", f"{name}|1980-01-31") == f"{key}|1980-01-31"


@pytest.mark.parametrize(
    "names",
    ["タカタ タカダ タガタ", "ハヤシ バヤシ パヤシ", "สุดา สูดา สดา", "क्षमा कषमा", "デスト テスドウ", "なじ"],
)
def test_a_mark_that_makes_another_letter_tells_persons_apart(names: str) -> None:
    """Every spelling is its own form, also in halves of a syllable; the others would be overlaps of strangers."""
    each = names.split()
    forms = [form_of("person", f"{name}|1980-01-31") for name in each]
    assert forms == [f"{name}|1980-01-31" for name in each]
    assert [form_of("person", f"{unicodedata.normalize('NFD', name)}|1980-01-31") for name in each] == forms


def test_kana_of_half_width_and_voicing_marks_alone_are_the_same_letters() -> None:
    for written in ("ﾀｶﾀﾞ", "タカタ\u3099", "タカタ\u309b"):
        assert form_of("person", f"{written}|1980-01-31") == "タカダ|1980-01-31"


def test_arabic_hebrew_and_greek_points_do_not_tell_persons_apart() -> None:
    for written, plain in (("مُحَمَّد", "محمد"), ("מֹשֶׁה", "משה"), ("Ἄννα", "Αννα")):
        assert form_of("person", f"{written}|1980-01-31") == form_of("person", f"{plain}|1980-01-31")


@pytest.mark.parametrize("birth", ["1980-01-31", "31/01/1980", " 31/1/1980 ", "١٩٨٠-٠١-٣١"])
def test_a_date_of_birth_is_iso_and_slashes_are_read_in_uk_order(birth: str) -> None:
    assert form_of("person", f"EXAMPLE, Anna|{birth}") == "ANNA EXAMPLE|1980-01-31"


def test_an_ambiguous_date_with_slashes_is_the_day_first() -> None:
    assert form_of("person", "Anna|05/03/1980") == "ANNA|1980-03-05"


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("EXAMPLE, Anna", "no date of birth"),
        ("EXAMPLE, Anna|", "no full date"),
        ("EXAMPLE, Anna|1980", "no full date"),
        ("EXAMPLE, Anna|1980-01", "no full date"),
        ("EXAMPLE, Anna|1980-W05-4", "no full date"),
        ("EXAMPLE, Anna|31/01/80", "no full date"),
        ("EXAMPLE, Anna|00/00/1980", "impossible"),
        ("EXAMPLE, Anna|1980-02-30", "impossible"),
        ("EXAMPLE, Anna|01/31/1980", "impossible"),
        ("|1980-01-31", "no name"),
        ("'|1980-01-31", "no name"),
        ("1980-01-31", "no date of birth"),
    ],
)
def test_a_person_without_a_name_or_a_full_real_date_of_birth_is_refused(value: str, named: str) -> None:
    assert named in refusal_of("person", value)


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("GB:01234567", "GB:01234567"),
        ("gb:1234567", "GB:01234567"),
        ("GB : 123 4567", "GB:01234567"),
        ("GB:sc123456", "GB:SC123456"),
        ("DE:HRB 1234 b", "DE:HRB1234B"),
        ("CH:CHE-123.456.789", "CH:CHE123456789"),
        ("LB:12/345/6", "LB:123456"),
        ("LB:0012", "LB:0012"),
    ],
)
def test_a_company_is_its_country_and_the_letters_and_digits_of_its_number(value: str, canonical: str) -> None:
    assert form_of("company_number", value) == canonical


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("01234567", "no country"),
        ("GBR:01234567", "no country"),
        ("GB01234567", "no country"),
        (":01234567", "no country"),
        ("UK:01234567", "the United Kingdom is GB"),
        ("ZZ:1234", "not an ISO 3166-1 country"),
        ("GB:", "no number"),
        ("GB:--", "no number"),
        ("FR:1.23E+09", "scientific"),
    ],
)
def test_a_company_without_country_or_number_is_refused(value: str, named: str) -> None:
    assert named in refusal_of("company_number", value)


@pytest.mark.parametrize("value", [LEI, LEI.lower(), f" {LEI} "])
def test_an_lei_is_twenty_characters_in_upper_case(value: str) -> None:
    assert form_of("lei", value) == LEI


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (LEI[:-1], "19 characters"),
        (LEI + "0", "21 characters"),
        (LEI[:-1] + "2", "check digits"),
        (LEI[:-1] + "X", "shape"),
        (LEI[:4] + "-" + LEI[5:], "19 characters"),
        (LEI.replace("E", "Е"), "shape"),
    ],
)
def test_an_lei_of_another_shape_or_with_wrong_check_digits_is_refused(value: str, named: str) -> None:
    assert named in refusal_of("lei", value)
