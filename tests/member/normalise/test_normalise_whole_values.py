"""One whole value of its type, and what only looks like one: hidden in part, cut, a formula, its parts in another
order, a word or a second value beside it, a form of an address that has another form already.
"""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from member.normalise.rules import RULES, normalise
from member.normalise.wallet_encodings import (
    BASE58,
    RIPPLE58,
    base58_encode,
    base58check_encode,
    crc16,
    ripple_encode_check,
)
from tests.member.normalise.examples import PLAIN, form_of, iban_of, is_refused, lei_of, refusal_of

DIGEST = hashlib.sha256(b"a whole value").digest()
DIGITS = st.text("0123456789", min_size=8, max_size=8).filter(lambda digits: len(set(digits)) > 1)
WHOLE = PLAIN | {"bank_account": "20-00-00 12345678"}


@pytest.mark.parametrize("kind", sorted(RULES))
@pytest.mark.parametrize("sign", ["\ufe0f", "\u034f", "\U000e0100", "\u180b", "\u200b", "\u2066"])
def test_a_sign_that_is_not_seen_changes_nothing(kind: str, sign: str) -> None:
    value = WHOLE[kind]
    assert normalise(kind, value[:4] + sign + value[4:]) == normalise(kind, value)


@pytest.mark.parametrize("blank", ["\u3164", "\u2800", "\u1160", "\u3000", "\u2003", "\u2028"])
def test_every_blank_is_a_space(blank: str) -> None:
    assert form_of("person", f"Anna{blank}Example|1980-01-31") == "ANNA EXAMPLE|1980-01-31"
    assert form_of("bank_account", f"20-00-00{blank}12345678") == "20000012345678"


@pytest.mark.parametrize("kind", sorted(RULES))
@pytest.mark.parametrize("sign", ["\x00", "\x1a", "\x7f", "\x92", "\ue000", "\ufffc"])
def test_a_character_where_something_was_lost_is_refused(kind: str, sign: str) -> None:
    assert is_refused(kind, WHOLE[kind][:4] + sign + WHOLE[kind][4:])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("phone", "+44 20 7946 ..."),
        ("phone", "+44 20 7946…"),
        ("email", "a****@bank.example.com"),
        ("email", "an...@bank.example.com"),
        ("company_number", "GB:0012****"),
        ("company_number", "GB:??123456"),
        ("company_number", "DE:HRB 123••"),
        ("person", "A*** Example|1980-01-31"),
        ("person", "Anna Exam...|1980-01-31"),
        ("bank_account", "20-00-00 ****5678"),
    ],
)
def test_what_was_hidden_or_cut_is_refused(kind: str, value: str) -> None:
    assert is_refused(kind, value)


def test_a_link_that_was_cut_in_its_path_still_has_its_host() -> None:
    assert form_of("domain", "https://login.bank.example/very/long…") == "login.bank.example"


@pytest.mark.parametrize("kind", sorted(RULES))
@pytest.mark.parametrize(
    "text",
    ["=A2", "=A2&B2", "=$B$7", "=Sheet1!A1", "='My sheet'!A1", '=IFERROR(A1,"")', "=VLOOKUP(A2;B:C;2;0)", "@SUM(A1)",
     "#REF!", "#BEZUG!", "#¡VALOR!", "#NOM?", "#Н/Д", "#NV", "#ERROR!", "#FIELD!", "#GETTING_DATA", "Err:502"],
)  # fmt: skip
def test_a_formula_and_a_sheets_error_are_no_value_of_any_type(kind: str, text: str) -> None:
    inside = {"person": "{}|1980-01-31", "company_number": "GB:{}"}.get(kind, "{}")
    assert is_refused(kind, text)
    assert is_refused(kind, inside.format(text))


@given(sort_code=st.text("0123456789", min_size=6, max_size=6), number=DIGITS, between=st.sampled_from(" /-:_."))
def test_an_account_number_in_front_of_its_sort_code_is_refused(sort_code: str, number: str, between: str) -> None:
    for written in (sort_code, "-".join((sort_code[:2], sort_code[2:4], sort_code[4:]))):
        assert is_refused("bank_account", f"{number}{between}{written}")


@pytest.mark.parametrize(
    "value",
    ["31 92 68 19 20-20-15", "12-34-56-78 20-20-15", "12-34-56-78 20 20 15", "31.92.68.19/20-20-15",
     "1234 56 78 / 20-20-15", "12 34 56 78 - 202015"],
)  # fmt: skip
def test_an_account_number_in_pairs_in_front_of_its_sort_code_is_refused(value: str) -> None:
    assert "in front of the sort code" in refusal_of("bank_account", value)


@pytest.mark.parametrize(
    "value",
    ["20-20-15 31 92 68 19", "20-20-15 31-92-68-19", "20 20 15 31-92-68-19", "20 20 15 / 31 92 68 19",
     "20 20 15 31 92 68 19", "20-20-15-31-92-68-19", "202015 31-92-68-19", "20.20.15 - 3192 6819"],
)  # fmt: skip
def test_a_sort_code_in_front_of_pairs_is_that_account(value: str) -> None:
    assert form_of("bank_account", value) == "20201531926819"


@pytest.mark.parametrize("value", ["90128-001234567", "2000001-2345678", "200000123-45678", "20-00-00 12345678-"])
def test_an_account_in_parts_of_another_length_is_refused(value: str) -> None:
    assert is_refused("bank_account", value)


@pytest.mark.parametrize(
    "value", ["2000 0012 3456 78", "20 00 00 12 34 56 78", "200-000-123-456-78", "20-00-00 1234 5678"]
)
def test_an_account_in_even_groups_is_that_account(value: str) -> None:
    assert form_of("bank_account", value) == "20000012345678"


@given(account=st.text("0123456789", min_size=11, max_size=11).filter(lambda digits: len(set(digits)) > 1))
def test_the_word_iban_takes_no_country_away(account: str) -> None:
    """`IBAN NO` in front of Norwegian digits is a label and a country, or the label's own "number"."""
    value = iban_of("NO", account)
    if is_refused("iban", value):  # the country's own check digit
        return
    written = [f"IBAN {value}", f"IBAN{value}", f"IBAN No. {value}", f"IBAN NO {value}", f"IBAN: {value}"]
    assert {form_of("iban", each) for each in written} == {value}


def test_the_label_of_a_norwegian_iban_in_particular() -> None:
    assert form_of("iban", "IBAN NO93 8601 1117 947") == "NO9386011117947"  # the ISO registry's example


def test_a_second_form_of_an_lei_is_refused_and_the_right_digits_are_named() -> None:
    seen = set()
    for number in range(2000):
        code = lei_of(f"000000EXAMPLE{number:05d}")
        for other, right in (("00", "97"), ("01", "98"), ("99", "02")):
            if code[-2:] == right:
                assert f"entity's are {right}" in refusal_of("lei", code[:18] + other)
                seen.add(other)
    assert seen == {"00", "01", "99"}


@pytest.mark.parametrize(
    "value",
    ["GB:OO123456", "GB:QC123456", "GB:SC01234O", "GB:SCO12345", "GB:XX123456", "GB:TEST1234", "GB:UNLISTED", "DE:HRB",
     "DE:HRB 0", "FR:en cours", "PL:brak", "DE:keine Angabe", "IE:exempt", "GB:123,456.5", "DE:HRB 1234.5",
     "GB:1/1/2020",
     "DE:HRB 1234 (Berlin)", "DE:Amtsgericht Berlin HRB 1234", "DE:HRB Nr. 1234", "FR:SIREN 123456789",
     "FR:RCS Paris 123 456 789", "NL:KVK12345678", "CH:CHE-123.456.788 MWST", "NO:NO123456789MVA", "DE:DE123456789"],
)  # fmt: skip
def test_words_beside_a_company_number_are_refused(value: str) -> None:
    assert is_refused("company_number", value)


@pytest.mark.parametrize(
    ("value", "canonical"),
    [("DE:HRB 1234.0", "DE:HRB1234"), ("GB:N.I. 12345", "GB:NI012345"), ("CH:CH-020.3.000.277-7", "CH:CH02030002777"),
     ("AE:DMCC-1234", "AE:DMCC1234"), ("FR:2014 B 24000", "FR:2014B24000"), ("GB:“123456”", "GB:00123456"),
     ("ZA:1989/000376/23", "ZA:198900037623"), ("BE:BE 0123.456.789", "BE:0123456789")],
)  # fmt: skip
def test_a_registers_own_letters_and_signs_stay(value: str, canonical: str) -> None:
    assert form_of("company_number", value) == canonical


@pytest.mark.parametrize("dash", ["\u2010", "\u2011", "\u2013", "\u2212"])
def test_a_typographic_dash_in_a_host_is_a_hyphen(dash: str) -> None:
    assert form_of("domain", f"my{dash}bank.example") == "my-bank.example"
    assert form_of("email", f"anna{dash}lena@my{dash}bank.example") == "anna-lena@my-bank.example"
    assert form_of("person", f"Anna Example|1980{dash}01{dash}31") == "ANNA EXAMPLE|1980-01-31"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("domain", "1. login.bank.example"),
        ("domain", "login.bank.example. Reported"),
        ("domain", "https://login.bank.example/ https://evil.example"),
        ("domain", "login.bank.e"),
        ("domain", "-.example"),
        ("email", "1. anna@bank.example.com"),
        ("email", "ben@other.example <anna@bank.example.com>"),
        ("email", "anna%2elena@bank.example.com"),
        ("email", "a@b.c"),
        ("person", "1. Anna Example|1980-01-31"),
        ("person", "Anna Example 1234|1980-01-31"),
    ],
)
def test_text_around_a_value_makes_no_other_value_of_it(kind: str, value: str) -> None:
    assert is_refused(kind, value)


@pytest.mark.parametrize(
    "value",
    ["noemail@gmail.com", "no.email@gmail.com", "none@gmail.com", "unknown@hotmail.com", "test@yahoo.co.uk",
     "no@no.com",
     "no-email@no-email.com", "a@a.com", "xx@xx.com", "abc@abc.com", "user@example.com", "name@domain.com",
     "declined@declined.com", "customer@customer.com", "123@123.com", "not.provided@email.com"],
)  # fmt: skip
def test_an_address_that_says_there_is_none_is_refused(value: str) -> None:
    assert "placeholder" in refusal_of("email", value)


@pytest.mark.parametrize("value", ["anna@gmail.com", "void@bank.example", "info@info-bank.example", "no@bank.example"])
def test_an_address_of_a_person_is_no_placeholder(value: str) -> None:
    assert form_of("email", value) == value


@pytest.mark.parametrize(
    "name",
    ["Okänd", "okand", "neznámý", "неизвестный", "нет данных", "άγνωστος", "غير معروف", "לא ידוע", "अज्ञात", "未知",
     "不明", "なし", "없음", "brak danych", "Keine Angabe", "sin nombre", "sans nom", "To be confirmed", "Do not use",
     "Deceased", "Customer Customer", "First Name Last Name", "[First Name] [Last Name]", "{{first_name}}",
     "${name}", "%NAME%", "Joe Bloggs", "Max Mustermann", "Not Known Not Known", "FALSE", "0", "123", "X", "zzz"],
)  # fmt: skip
def test_a_name_that_says_there_is_none_is_refused(name: str) -> None:
    assert is_refused("person", f"{name}|1980-01-31")


@pytest.mark.parametrize("name", ["Nil Example", "Na Li", "No Kim", "Tess Void", "Ng", "Foo Nan Mei", "Do Van To"])
def test_a_name_that_holds_such_a_word_is_a_name(name: str) -> None:
    assert form_of("person", f"{name}|1980-01-31").endswith("|1980-01-31")


@pytest.mark.parametrize(
    "name",
    ["Example & Other", "Mr &amp; Mrs Example", "Anna and Ben Example", "Anna Example / Ben Other",
     "Anna Example; Ben Other", "Anna Example (deceased)", "Anna Example [PEP]", "Anna <a@b.example>", "Anna\\Example",
     "JŸrgen Gro§", "O’Neill JÃ¶rg", "Â´Neill Siân"],
)  # fmt: skip
def test_more_than_one_person_and_remarks_are_refused(name: str) -> None:
    assert is_refused("person", f"{name}|1980-01-31")


@pytest.mark.parametrize(
    "name",
    ["O\\'Neill Sean", "O''Neill Sean", "Sean O'Neill OBE", "Sean O'Neill, PhD", "Sean O'Neill Ph.D.",
     "Master Sean O'Neill",
     "Cllr Sean O’Neill"],
)  # fmt: skip
def test_escapes_honours_and_degrees_do_not_tell_persons_apart(name: str) -> None:
    assert form_of("person", f"{name}|1980-01-31") == "ONEILL SEAN|1980-01-31"


def x_address(flag: int, tag: int) -> str:
    """XLS-5: 05 44, the account, a flag, eight bytes of tag."""
    return ripple_encode_check(b"\x05\x44" + DIGEST[:20] + bytes([flag]) + tag.to_bytes(8, "little"))


def test_an_x_address_without_tag_is_its_classic_address() -> None:
    classic = base58check_encode(b"\0" + DIGEST[:20]).translate(str.maketrans(BASE58, RIPPLE58))
    assert x_address(0, 0)[0] == "X"
    assert form_of("wallet", x_address(0, 0)) == form_of("wallet", classic) == classic
    assert "destination tag" in refusal_of("wallet", x_address(1, 12345))
    mistyped = x_address(0, 0)[:-1] + ("r" if x_address(0, 0)[-1] != "r" else "p")
    assert "checksum" in refusal_of("wallet", mistyped)


def test_a_muxed_stellar_account_is_one_of_many_customers() -> None:
    body = bytes([12 << 3]) + DIGEST + (7).to_bytes(8, "big")
    muxed = base64.b32encode(body + crc16(body).to_bytes(2, "little")).decode().rstrip("=")
    assert "destination tag" in refusal_of("wallet", muxed)


def test_a_private_key_is_no_address() -> None:
    for key in (b"\x80" + DIGEST, b"\x80" + DIGEST + b"\1"):
        assert "private key" in refusal_of("wallet", base58check_encode(key))


@pytest.mark.parametrize("version", [0x00, 0x05, 0x1E, 0x30, 0x32, 0x3C, 0x41, 0x4C])
def test_an_address_that_lost_a_character_or_its_case_is_refused(version: int) -> None:
    address = base58check_encode(bytes([version]) + DIGEST[:20])
    assert form_of("wallet", address) == address
    shorter = [address[:place] + address[place + 1 :] for place in range(1, len(address))]
    assert [each for each in shorter if not is_refused("wallet", each)] == []
    assert is_refused("wallet", address.lower())
    assert is_refused("wallet", address.upper())


def test_base58_in_one_case_lost_its_case() -> None:
    solana = base58_encode(DIGEST)
    assert form_of("wallet", solana) == solana
    assert is_refused("wallet", solana.lower())
    assert is_refused("wallet", "unknownunknownunknownunknown")


def test_two_addresses_run_together_are_refused() -> None:
    one, other = (base58check_encode(bytes([version]) + DIGEST[:20]) for version in (0, 5))
    assert is_refused("wallet", one + other)


@pytest.mark.parametrize(
    ("kind", "value", "because"),
    [
        ("bank_account", "20-00-00 99999999", "placeholder"),
        ("bank_account", "2025-01-31 123059", "a date and a time"),
        ("bank_account", "2025-01-31 12:30:59", "a date and a time"),
        ("company_number", "DE:12345 HRB", "behind the number"),
        ("company_number", "DE:12345 HRB B", "behind the number"),
        ("company_number", "DE:HRB 12345 / HRB 12346", "more than one"),
        ("company_number", "GB:SC123456, SC123457", "more than one"),
        ("company_number", "FR:12345678900012", "SIRET"),
        ("company_number", "FI:1234567", "7 digits"),
        ("company_number", "IT:123456789", "9 digits"),
        ("company_number", "SE:16123456-7890", "12 digits"),
        ("person", "Example Ltd|1980-01-31", "a company's name"),
        ("person", "EXAMPLE GMBH|1980-01-31", "a company's name"),
        ("person", "Anna Example|GB|1980-01-31", "more than one |"),
        ("person", "Anna Example DECEASED|1980-01-31", "a remark"),
        ("person", "Anna Example aka Ben|1980-01-31", "a remark"),
        ("person", "Anna Example (n\u00e9e Other)|1980-01-31", "a remark"),
        ("person", "Anna Example nee Other|1980-01-31", "a remark"),
        ("person", "Anna Example a.k.a. Ben|1980-01-31", "a remark"),
    ],
)
def test_what_names_two_things_or_another_kind_is_refused(kind: str, value: str, because: str) -> None:
    assert because in refusal_of(kind, value)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("Nee Anna", "ANNA NEE"),
        ("Jean AKA", "AKA JEAN"),
        ("Konan Aka Jean", "AKA JEAN KONAN"),
        ("anna nee", "ANNA NEE"),
    ],
)
def test_a_surname_that_is_a_word_elsewhere_stays(value: str, key: str) -> None:
    assert form_of("person", f"{value}|1980-01-31") == f"{key}|1980-01-31"


def test_an_account_that_only_looks_like_a_date_stays() -> None:
    assert form_of("bank_account", "20250131123059") == "20250131123059"
    assert form_of("company_number", "DE:HRB 12345 B") == "DE:HRB12345B"
    assert form_of("company_number", "FR:123 456 789") == "FR:123456789"
