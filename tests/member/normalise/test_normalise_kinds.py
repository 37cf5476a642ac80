"""Kinds of silent wrong forms: the same thing written in ways that people and spreadsheets write it, and what only
looks the same. Numbers are Ofcom's for drama and libphonenumber's examples.
"""

from __future__ import annotations

from datetime import date

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.be import iban as belgian

from member.normalise.circumstances import Circumstances
from member.normalise.outcome import NormalisationError
from member.normalise.placeholders import WORDS
from member.normalise.rules import RULES, normalise
from tests.member.normalise.examples import PLAIN, form_of, iban_of, is_refused, refusal_of

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
WRAPPINGS = ["'{}", '="{}"', '"{}"', "“{}”", "{};", "{},", "={}", " {} ", "\u200e{}\u200f", "\ufeff{}", "‘{}’"]


@pytest.mark.parametrize("kind", sorted(RULES))
def test_what_a_spreadsheet_puts_around_a_value_is_undone(kind: str) -> None:
    plain = normalise(kind, PLAIN[kind])
    assert [each for each in WRAPPINGS if normalise(kind, each.format(PLAIN[kind])) != plain] == []


@pytest.mark.parametrize("kind", sorted(RULES))
def test_a_placeholder_is_refused_for_every_type(kind: str) -> None:
    words = [*WORDS, "n/a", "N.A.", "-", "--", "?", "#N/A", "#REF!", "########", "Not known"]
    assert [word for word in words if not is_refused(kind, word)] == []


@pytest.mark.parametrize("region", REGIONS)
def test_the_example_number_of_every_country_has_one_form(region: str) -> None:
    """With its country code, as dialled from abroad, in brackets, and with the country's own trunk zero left in."""
    example = phonenumbers.example_number(region)
    assert example is not None
    whole = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    spaced = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    code, national = str(example.country_code), whole[1 + len(str(example.country_code)) :]
    values = [whole, spaced, f"00{whole[1:]}", f"+{code}.{national}", f"(+{code}) {national}", f"tel:{spaced}"]
    if phonenumbers.ndd_prefix_for_region(region, True) == "0" and not example.italian_leading_zero:
        values += [f"+{code} 0{national}", f"+{code} (0) {national}", f"00{code} (0){national}"]
    assert {form_of("phone", value) for value in values} == {whole}


@pytest.mark.parametrize("region", REGIONS)
def test_a_national_number_of_ones_own_country_is_never_taken_for_anothers(region: str) -> None:
    example = phonenumbers.example_number(region)
    assert example is not None
    whole = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    national = phonenumbers.national_significant_number(example)
    try:
        form = normalise("phone", national, Circumstances(country=region)).canonical
    except NormalisationError as error:
        assert error.hint
    else:
        assert form == whole


def test_the_country_setting_widens_what_is_refused() -> None:
    russian = "84951234567"  # Moscow with the trunk 8, or Vietnam with its country code
    assert normalise("phone", russian, Circumstances(country="GB")).canonical == f"+{russian}"
    with pytest.raises(NormalisationError, match="a number of RU as well"):
        normalise("phone", russian, Circumstances(country="RU"))


@pytest.mark.parametrize(
    "value",
    ["+442079460123; +442079460124", "+44 20 7946 0123/4", "+49 30 123456/7/8", "+44 20 7946 0123 or 0124",
     "11/30/2025",
     "2025-11-30", "1.2.3.4", "+447911123456,5", "447911123456.7", "-447911123456", "01144 20 7946 0123",
     "+0 123 456 789",
     "+210 123 456 789", "+44 44 20 7946 0123", "+1111111111111", "+44 2079460123 0", "+99 12345678"],
)  # fmt: skip
def test_what_is_not_one_whole_number_is_refused(value: str) -> None:
    assert is_refused("phone", value)


@given(account=st.text("0123456789", min_size=10, max_size=10), slip=st.integers(1, 96))
def test_belgian_check_digits_are_those_of_the_library(account: str, slip: int) -> None:
    right = int(account) % 97 or 97
    wrong = (right + slip - 1) % 97 + 1
    value = iban_of("BE", f"{account}{right:02d}")
    assert belgian._calc_check_digits(account) == value[-2:]
    assert is_refused("iban", value) == (len(set(value[4:])) == 1)
    assert "country's own" in refusal_of("iban", iban_of("BE", f"{account}{wrong:02d}"))


def test_a_second_form_of_an_iban_is_refused_with_the_right_digits() -> None:
    seen = set()
    for number in range(1, 4000):
        value = iban_of("DE", f"{number:018d}")
        for other, right in (("00", "97"), ("01", "98"), ("99", "02")):
            if value[2:4] == right:
                assert f"account's are {right}" in refusal_of("iban", f"DE{other}{value[4:]}")
                seen.add(other)
    assert seen == {"00", "01", "99"}


@pytest.mark.parametrize("country", ["GB", "IE"])
def test_the_iban_of_a_sort_code_is_its_account(country: str) -> None:
    found = normalise("iban", iban_of(country, "EXMP90000112345678"))
    assert found == normalise("bank_account", "90-00-01 12345678")


@pytest.mark.parametrize("sort_code", ["202015", "20-20-15", "20 20 15", "20.20.15", "20:20:15", "20/20/15"])
def test_separators_of_an_account_do_not_count(sort_code: str) -> None:
    written = [f"{sort_code}{between}12345678" for between in (" ", "-", "/", ":", "_", "  ", " / ", ".")]
    assert {form_of("bank_account", each) for each in written} == {"20201512345678"}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("20-20-15 123456", "two zeros"),
        ("20-20-15 1234567", "a zero in front"),
        ("09-01-28 123456789", "Santander"),
        ("09-01-28 1234567890", "Co-operative"),
        ("20-20-15 12345678 Roll A/12-3", "roll number"),
        ("20201512345678.9", "decimals"),
        ("9012812345678,5", "decimals"),
        ("(20201512345678)", "digits only"),
        ("2,02015123456E+13", "scientific"),
    ],
)
def test_an_account_of_another_kind_is_refused_with_its_own_cure(value: str, named: str) -> None:
    assert named in refusal_of("bank_account", value)


@pytest.mark.parametrize(
    "value",
    ["anna[@]bank.example.com", "anna(at)bank(dot)example(dot)com", "anna at bank dot example dot com",
     "<anna@bank.example.com>",
     "mailto:anna@bank.example.com?cc=ben@bank.example.com", "'Anna' <anna@bank.example.com>",
     "anna@bank.example.com.",
     "anna@bank[.example[.]com", "anna%40bank.example.com", "&lt;anna@bank.example.com&gt;",
     "anna @ bank.example.com",
     '"anna"@bank.example.com', "SMTP:anna@bank.example.com", "ａｎｎａ＠ｂａｎｋ．example.com"],
)  # fmt: skip
def test_an_address_that_nobody_can_click_is_that_address(value: str) -> None:
    assert form_of("email", value) == "anna@bank.example.com"


@pytest.mark.parametrize(
    "value",
    ["hxxps[:]//login[.]bank[.]example/x", "HXXP://LOGIN[dot]BANK[dot]EXAMPLE", "login{.}bank{.}example",
     "login . bank . example",
     "http:\\\\login.bank.example\\@evil.example", "https://login.bank.example/@evil.example",
     "//login.bank.example/x", "https://login.bank.example\\.evil.example", "login\\.bank\\.example",
     "https://login.bank.example?@evil.example", "https://login.bank.example#@evil.example", "*.login.bank.example",
     "https://evil.example@login.bank.example", "https://evil.example:x@login.bank.example:444",
     "<http://login.bank.example>",
     "meow://login.bank.example"],
)  # fmt: skip
def test_a_domain_is_the_host_that_a_browser_would_open(value: str) -> None:
    assert form_of("domain", value) == "login.bank.example"


@pytest.mark.parametrize(
    "birth",
    ["1980-01-31", "31/1/1980", "31-01-1980", "31.01.1980", "31 Jan 1980", "31-Jan-1980", "31 January 1980",
     "January 31, 1980",
     "31st of January 1980", "19800131", "19800131.0", "1980/01/31", "1980.01.31", "1980-01-31T00:00:00",
     "1980-01-31 00:00",
     "1980-01-31T00:00:00Z", "1980-01-31T00:00:00.000+01:00", "31/01/1980 12:00:00 AM", '"1980-01-31"'],
)  # fmt: skip
def test_a_date_of_birth_is_read_as_people_write_it(birth: str) -> None:
    assert form_of("person", f"Anna Example|{birth}") == "ANNA EXAMPLE|1980-01-31"


@pytest.mark.parametrize(
    "birth", ["29251", "29251.0", "31/1/80", "31 Januar 19800", "1980", "31 Foo 1980", "2099-01-01", "1899-12-31",
    "31011980",
              "1980-01-30T23:00:00Z", "1980-01-31T01:00:00+02:00", "Jan 1980", "0000-00-00", "1900-01-01"],
)  # fmt: skip
def test_a_date_of_birth_that_may_be_another_is_refused(birth: str) -> None:
    assert is_refused("person", f"Anna Example|{birth}")


def test_a_date_of_birth_is_judged_by_the_day_it_is() -> None:
    earlier = Circumstances(today=lambda: date(2020, 1, 1))
    with pytest.raises(NormalisationError, match="in the future"):
        normalise("person", "Anna Example|2020-01-02", earlier)
    assert normalise("person", "Anna Example|2020-01-01", earlier)


@pytest.mark.parametrize(
    "name",
    ["O'Neill Sean", "O’Neill Sean", "O`Neill Sean", "O´Neill Sean", "O&#39;Neill Sean", "O&amp;#39;Neill Sean",
     "O&rsquo;Neill Sean",
     "Mr Sean O'Neill", "O'NEILL, Prof. Sean", "Sir Sean O'Neill", "Rev. Sean O'Neill", "Sean O'Neill Esq.",
     "Lord Sean O'Neill"],
)  # fmt: skip
def test_apostrophes_and_titles_do_not_tell_persons_apart(name: str) -> None:
    assert form_of("person", f"{name}|1980-01-31") == "ONEILL SEAN|1980-01-31"


@pytest.mark.parametrize(
    ("name", "key"), [("Mr Omari", "OMARI"), ("Lord John", "JOHN LORD"), ("J.R. Example", "EXAMPLE J R")]
)
def test_a_title_goes_only_when_a_name_remains(name: str, key: str) -> None:
    assert form_of("person", f"{name}|1980-01-31") == f"{key}|1980-01-31"


@given(
    name=st.text(
        st.characters(min_codepoint=0xC0, max_codepoint=0x17F, categories=["Ll", "Lu"]), min_size=1, max_size=8
    )
)
def test_a_name_whose_bytes_were_read_one_by_one_is_refused(name: str) -> None:
    for wrong in ("latin-1", "cp1252"):
        try:
            damaged = name.encode("utf-8").decode(wrong)
        except UnicodeDecodeError:
            continue
        assert is_refused("person", f"Anna {damaged}|1980-01-31")


@given(
    name=st.text(
        st.characters(codec="latin-1", categories=["Ll", "Lu"], exclude_characters="µ"), min_size=1, max_size=12
    )
)
def test_a_name_of_western_letters_is_never_taken_for_damaged(name: str) -> None:
    assert form_of("person", f"Anna {name} Example|1980-01-31").endswith("|1980-01-31")


@pytest.mark.parametrize("name", ["Jos? Example", "Jos\ufffd Example", "Jos\\u00e9 Example", "Jos%C3%A9 Example",
"Jos√© Example",
                                  "Anna Unknown", "FNU Example", "N/A N/A", "Аnna Example",
                                  "Anna|1980-01-31; Ben Example"])  # fmt: skip
def test_a_name_that_lost_something_is_refused(name: str) -> None:
    assert is_refused("person", f"{name}|1980-01-31")


@pytest.mark.parametrize(
    ("value", "canonical"),
    [("GB:123456.0", "GB:00123456"), ("GB:SC 1234", "GB:SC001234"), ("gb:ni-12", "GB:NI000012"), ("GB:R12",
     "GB:R0000012"),
     ("GB:OC301234", "GB:OC301234"), ("GB:IP12345R", "GB:IP12345R"), ("IE:123456.0", "IE:123456"), ("GB:'123456'",
     "GB:00123456")],
)  # fmt: skip
def test_a_company_number_is_padded_as_its_register_does(value: str, canonical: str) -> None:
    assert form_of("company_number", value) == canonical


@pytest.mark.parametrize("value", ["GB:123456789", "GB:SC1234567", "GB:S\u0421123456", "GB:123456.5", "GB:1.2E+7",
"GB:-123456",
                                   "GB:No. 123456", "GB:123456; GB:123457", "IE:123456/234567", "GB:123456 Ltd",
                                   "GB:0", "GB:SC000000",
                                   "GB:99999999", "FR:ОГРН123"])  # fmt: skip
def test_a_company_number_that_is_not_one_is_refused(value: str) -> None:
    assert is_refused("company_number", value)
