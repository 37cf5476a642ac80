"""The file an author writes: read leniently where one thing can be meant, else refused, each fault by its rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.domain.alert import content_fields
from member.alerts.file import FIELDS, AlertRefusedError, example_alert, fill_alert, parse_document, read_alert
from member.inputs import ValueRefusedError
from schemas.alerts.messages import AlertContent
from schemas.values.derived import schema_of
from tests.any_input import JSON, changed_bytes, changed_fields

TODAY = date(2026, 11, 22)
DEFAULTS = {
    "group": "taskforce",
    "legal_gateway": "CCA2013_s7",
    "purpose": "finding mule accounts",
    "theme": "money_mules",
    "expires_days": "365",
}
LEAST = {"title": "Mules", "colour": "amber", "tlp": "AMBER", "overview": "They move.", "audience": "taskforce"}
IBAN = "GB29NWBK60161331926819"


def filled(**said: Any) -> dict[str, Any]:
    return fill_alert({**LEAST, **said}, DEFAULTS, TODAY, "alert.json")


def refused(document: dict[str, Any], defaults: dict[str, str] = DEFAULTS) -> list[tuple[str, str]]:
    """Field and rule of each fault."""
    with pytest.raises(AlertRefusedError) as caught:
        fill_alert(document, defaults, TODAY, "alert.json")
    reasons = caught.value.fields["problem"]["reasons"]
    assert all(reason["detail"] for reason in reasons)
    return [(reason["field"], reason["code"]) for reason in reasons]


def test_the_least_file_is_filled_from_the_defaults_of_the_home() -> None:
    content = filled()
    assert set(content) == set(FIELDS)
    assert content["audience"] == {"groups": ["taskforce"], "kinds": []}
    assert (content["classification"], content["theme"]) == ("OFFICIAL", "money_mules")
    assert (content["review_by"], content["expires_on"]) == ("2027-05-23", "2027-11-22")
    assert (content["legal_gateway"], content["purpose"]) == ("CCA2013_s7", "finding mule accounts")
    assert content["accounts"] == content["sources"] == content["red_flags"] == []


def test_the_template_can_be_drafted_as_it_is_with_and_without_a_home() -> None:
    for defaults in (DEFAULTS, {}):
        content = fill_alert(example_alert(defaults, TODAY), defaults, TODAY, "template")
        assert schema_of(AlertContent)().validate(content) == {}
        assert content_fields(msgspec.convert(content, AlertContent)) == content


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"colour": " RED "}, {"colour": "red"}),
        ({"tlp": "tlp:amber strict"}, {"tlp": "AMBER+STRICT"}),
        ({"classification": "Official Sensitive"}, {"classification": "OFFICIAL-SENSITIVE"}),
        ({"theme": "Money Mules"}, {"theme": "money_mules"}),
        ({"legal_gateway": "cca2013 S7"}, {"legal_gateway": "CCA2013_s7"}),
        ({"title": "two\r\nlines\u00a0here"}, {"title": "two lines here"}),
        ({"body": "one\r\n\r\n\ttwo\u2028three "}, {"body": "one\n\n    two\nthree"}),
        ({"red_flags": "only one"}, {"red_flags": ["only one"]}),
        ({"red_flags": ["a", {"text": "b"}]}, {"red_flags": ["a", "b"]}),
        ({"requested_action": ["look", "tell\nus"]}, {"requested_action": "- look\n- tell\n  us"}),
        (
            {"case_studies": ["first", {"title": "T", "text": "second"}]},
            {"case_studies": [{"title": "Case study 1", "text": "first"}, {"title": "T", "text": "second"}]},
        ),
        ({"audience": {"groups": "cell"}}, {"audience": {"groups": ["cell"], "kinds": []}}),
        (
            {"audience": ["cell", "Telecom", "cell"]},
            {"audience": {"groups": ["cell"], "kinds": ["telecom"]}},
        ),
        ({"audience": ["telecom"]}, {"audience": {"groups": ["taskforce"], "kinds": ["telecom"]}}),
        ({"Expires": "2026-12-01"}, {"expires_on": "2026-12-01", "review_by": "2026-11-26"}),
        ({"requested-action": "look"}, {"requested_action": "look"}),
    ],
)
def test_what_can_mean_one_thing_only_is_taken(said: dict[str, Any], kept: dict[str, Any]) -> None:
    content = filled(**said)
    assert {name: content[name] for name in kept} == kept


@pytest.mark.parametrize(
    "account",
    [
        "gb29 nwbk 6016 1331 9268 19",
        {"iban": IBAN, "sort_code": "60-16-13", "account_number": "31926819"},
        {"sort_code": "60-16-13", "account_number": "3192 6819", "bic": "nwbkgb2lxxx"},
    ],
)
def test_the_iban_of_a_uk_account_is_computed_and_both_forms_kept(account: Any) -> None:
    (kept,) = filled(accounts=[account])["accounts"]
    assert (kept["iban"], kept["sort_code"], kept["account_number"]) == (IBAN, "601613", "31926819")


def test_an_account_elsewhere_has_its_iban_alone() -> None:
    (kept,) = filled(accounts=["DE89 3704 0044 0532 0130 00"])["accounts"]
    assert kept == {"iban": "DE89370400440532013000", "sort_code": "", "account_number": "", "bic": ""}


@pytest.mark.parametrize(
    "account",
    [
        {"sort_code": "601613", "account_number": "31926819"},
        {"sort_code": "601613", "account_number": "31926819", "bic": "COBADEFF"},
        {"sort_code": "601613", "account_number": "3192681", "bic": "NWBKGB2L"},
        {"account_number": "31926819", "bic": "NWBKGB2L"},
        {"iban": IBAN, "sort_code": "601614", "account_number": "31926819"},
        {"iban": "GB28NWBK60161331926819"},
        {"iban": IBAN, "bic": "NWBK"},
        {"bic": "NWBKGB2L"},
        {},
    ],
)
def test_an_account_whose_iban_would_have_to_be_guessed_is_refused(account: dict[str, str]) -> None:
    assert refused({**LEAST, "accounts": [IBAN, account]}) == [("accounts #2", "bad-account")]


def test_every_fault_is_told_at_once_with_field_and_rule() -> None:
    document = {
        "colour": "ambre",
        "tlp": "PINK",
        "overview": "a\u202eb",
        "audience": {"groups": []},
        "red_flags": ["good", 7, ""],
        "case_studies": [{"title": "no text"}],
        "sources": ["report"],
        "expires_on": "22/11/2027",
        "reference": "1234-NECC",
    }
    assert sorted(refused(document)) == [
        ("'reference'", "unknown-field"),
        ("audience", "no-audience"),
        ("case_studies #1", "not-text"),
        ("colour", "unknown-code"),
        ("expires_on", "not-a-day"),
        ("overview", "control-character"),
        ("red_flags #2", "not-text"),
        ("red_flags #3", "empty"),
        ("sources #1", "not-an-object"),
        ("title", "missing"),
        ("tlp", "unknown-code"),
    ]


def test_an_unknown_colour_is_answered_with_the_known_ones() -> None:
    with pytest.raises(AlertRefusedError) as caught:
        filled(colour="ambre")
    assert "did you mean amber? one of: red, amber, green (unknown-code)" in caught.value.detail


@pytest.mark.parametrize("audience", [None, "", [], {}, {"groups": []}, {"groups": [], "kinds": ["telecom"]}])
def test_nobody_but_the_author_says_who_reads_it(audience: Any) -> None:
    assert refused({**LEAST, "audience": audience}) == [("audience", "no-audience")]


@pytest.mark.parametrize("name", ["theme", "legal_gateway", "purpose"])
def test_what_decides_about_lawfulness_is_never_made_up(name: str) -> None:
    defaults = {key: value for key, value in DEFAULTS.items() if key != name}
    assert refused(LEAST, defaults) == [(name, "missing")]


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"expires_on": "2026-11-21"}, ("expires_on", "date-passed")),
        ({"expires_on": "2026-12-01", "review_by": "2026-12-02"}, ("review_by", "review-date")),
        ({"review_by": "2026-11-21"}, ("review_by", "review-date")),
        ({"review_by": "2026-02-30"}, ("review_by", "not-a-day")),
        ({"title": "x" * 201}, ("title", "form")),
        ({"red_flags": ["x"] * 101}, ("red_flags", "form")),
        ({"audience": ["Task Force"]}, ("audience.groups #1", "form")),
        ({"supersedes": "the last one"}, ("supersedes", "form")),
        ({"Title": "again"}, ("title", "field-twice")),
    ],
)
def test_what_cannot_be_right_is_refused_without_asking_anybody(said: dict[str, Any], fault: tuple[str, str]) -> None:
    assert refused({**LEAST, **said}) == [fault]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "not-json"),
        (b"{", "not-json"),
        (b"[]", "not-an-object"),
        (b'{"title": "\xff"}', "not-utf-8"),
        (b'{"title": NaN}', "not-json"),
        (b'{"title": 1' + b"0" * 5000 + b"}", "not-json"),
        (b"[" * 200_000, "not-json"),
        (b'{"title": "a", "title": "b"}', "field-twice"),
        (b" " * (1 << 20) + b"{}", "too-long"),
        (b'{"title": "' + b"x" * 10_000_000 + b'"}', "too-long"),
    ],
)
def test_a_file_that_is_no_object_is_refused_by_name(content: bytes, rule: str) -> None:
    with pytest.raises(ValueRefusedError) as caught:
        parse_document(content)
    assert caught.value.rule == rule


def _is_taken_or_refused(read: Callable[[], dict[str, Any]]) -> None:
    try:
        content = read()
    except AlertRefusedError as error:
        json.dumps(error.document()).encode()
        assert error.detail.isprintable() or "\n" in error.detail
        return
    assert schema_of(AlertContent)().validate(content) == {}


@given(changed_fields(example_alert(DEFAULTS, TODAY)) | st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_fields_are_taken_in_the_exchanges_form_or_refused(document: Any) -> None:
    if isinstance(document, dict):
        _is_taken_or_refused(lambda: fill_alert(document, DEFAULTS, TODAY, "any"))


@given(content=changed_bytes(json.dumps(example_alert(DEFAULTS, TODAY)).encode()))
def test_a_changed_byte_in_an_alert_file_is_refused_or_valid(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """What is accepted has the exchange's form."""
    path = Path(tmp_path_factory.getbasetemp()) / "changed.json"
    path.write_bytes(content)
    _is_taken_or_refused(lambda: msgspec.to_builtins(read_alert(path, DEFAULTS, TODAY)))
