"""What holds for the rules of every type."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iban as stdnum_iban
from stdnum import lei as stdnum_lei

from member.normalise.outcome import Canonical, NormalisationError
from member.normalise.rules import RULES, normalise
from schemas.terms import IndicatorType
from tests.member.normalise.examples import PLAIN, iban_of, lei_of, refusal_of

TYPES = sorted(RULES)
TEXTS = st.text() | st.text(string.printable) | st.text(string.hexdigits + string.digits, min_size=20, max_size=66)
NEAR = st.one_of(
    st.from_regex(r"[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{8}", fullmatch=True),
    st.from_regex(r"\+?[0-9 ().-]{7,20}", fullmatch=True),
    st.from_regex(r"[\w.+-]{1,9}@[\w-]{1,9}\.[a-z]{2,4}", fullmatch=True),
    st.from_regex(r"(https?://)?([\w-]{1,9}\.){1,3}\w{2,4}(/x)?", fullmatch=True),
    st.from_regex(r"[A-Za-z]{2}:[\w ./-]{1,12}", fullmatch=True),
    st.builds("{}|{}".format, st.text(max_size=20), st.dates()),
    st.builds(iban_of, st.sampled_from(["DE", "GB", "FR"]), st.text(string.digits, min_size=11, max_size=30)),
    st.builds(lei_of, st.text(string.digits + string.ascii_uppercase, min_size=18, max_size=18)),
    st.builds("0x{}".format, st.text(string.hexdigits, min_size=40, max_size=40)),
    st.text("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", min_size=25, max_size=50),
)

_AROUND = st.text("<>()[]'\"`=;,: ", max_size=3)
WRAPPED = st.builds("{}{}{}".format, _AROUND | st.just("mailto:'"), st.sampled_from(sorted(PLAIN.values())), _AROUND)


def test_every_indicator_type_has_a_rule_and_no_rule_lacks_a_type() -> None:
    assert set(RULES) == {kind.value for kind in IndicatorType}


@pytest.mark.parametrize("indicator_type", TYPES)
@given(value=TEXTS | NEAR | WRAPPED)
def test_any_text_has_a_canonical_form_or_a_refusal_and_the_form_is_final(indicator_type: str, value: str) -> None:
    try:
        first = normalise(indicator_type, value)
    except NormalisationError:
        return
    if first.canonical.startswith("www."):  # one www. is dropped, not two: the second is part of the name
        return
    assert normalise(first.indicator_type, first.canonical) == first
    first.canonical.encode()


@pytest.mark.parametrize("indicator_type", TYPES)
@pytest.mark.parametrize(
    "value", ["", " \t\n", "\u200b\ufeff", "\ud800", "\0", "|", "@", ":", ".", "x" * 100_000, "0" * 100_000]
)
def test_degenerate_texts_are_refused_for_every_type(indicator_type: str, value: str) -> None:
    assert refusal_of(indicator_type, value)


@given(value=st.text("0123456789ABCDEF", min_size=22, max_size=30))
def test_a_refusal_never_holds_the_value(value: str) -> None:
    for indicator_type in TYPES:
        try:
            normalise(indicator_type, value)
        except NormalisationError as error:
            assert value not in str(error) + repr(error) + repr(error.args)


def test_a_canonical_form_does_not_show_in_repr() -> None:
    assert "20000000012345" not in repr(Canonical("bank_account", "20000000012345"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("bank account", "mean bank_account"),
        ("e-mail", "mean email"),
        ("phone_number", "mean phone"),
        ("mobile", "mean phone"),
        ("adress", "known"),
        ("dmain", "mean domain"),
        ("", "known types"),
    ],
)
def test_an_unknown_type_is_refused_with_the_nearest_one(name: str, hint: str) -> None:
    assert hint in refusal_of(name, "x")


@given(account=st.text(string.digits, min_size=18, max_size=18), slip=st.integers(0, 96))
def test_the_verdict_on_german_ibans_is_that_of_the_library(account: str, slip: int) -> None:
    right = iban_of("DE", account)
    value = f"DE{(int(right[2:4]) + slip) % 100:02d}{account}"
    is_second_form = value[2:4] in ("00", "01", "99") or len(set(account)) == 1
    assert (stdnum_iban.is_valid(value, check_country=False) and not is_second_form) == _accepts("iban", value)


@given(code=st.text(string.digits + string.ascii_uppercase, min_size=18, max_size=18), slip=st.integers(0, 96))
def test_the_verdict_on_leis_is_that_of_the_library(code: str, slip: int) -> None:
    right = lei_of(code)
    value = f"{code}{(int(right[18:]) + slip) % 100:02d}"
    is_filler = len(set(code)) == 1
    assert (stdnum_lei.is_valid(value) and not is_filler) == _accepts("lei", value)


def _accepts(indicator_type: str, value: str) -> bool:
    try:
        normalise(indicator_type, value)
    except NormalisationError:
        return False
    return True
