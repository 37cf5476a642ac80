"""The envelope: what only a person can say is never made up; dates are reckoned when the upload begins."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from member.errors import UsageError
from member.indicators.envelope import MissingSettingError, check_setting, fill_envelope, read_terms
from schemas.submissions import SubmissionEnvelope
from schemas.values.derived import schema_of

DEFAULTS = {
    "group": "taskforce",
    "legal_gateway": "CCA2013_s7",
    "purpose": "finding mule accounts",
    "theme": "money_mules",
    "expires_days": "365",
}
TODAY = date(2026, 11, 22)


def envelope(expires: str | None = None, **given: str | None) -> SubmissionEnvelope:
    return fill_envelope(read_terms(given, DEFAULTS, expires), 1, lambda: TODAY)


def test_defaults_alone_make_an_envelope_that_the_exchange_reads() -> None:
    read = schema_of(SubmissionEnvelope)().load(msgspec.to_builtins(envelope()))
    assert read == envelope()
    assert read.expires_on == date(2027, 11, 22)
    assert TODAY < read.review_by < read.expires_on


def test_what_is_said_wins_over_a_default() -> None:
    found = envelope("2027-01-31", theme="fraud", red_flags="rapid movement, new account", review_days="7")
    assert (found.theme, found.expires_on, found.review_by) == ("fraud", date(2027, 1, 31), date(2026, 11, 29))
    assert found.red_flags == ["rapid movement", "new account"]


@pytest.mark.parametrize("name", list(DEFAULTS))
def test_nothing_that_decides_about_lawfulness_is_made_up(name: str) -> None:
    defaults = {key: value for key, value in DEFAULTS.items() if key != name}
    with pytest.raises(MissingSettingError) as caught:
        read_terms({}, defaults, None)
    assert caught.value.fields["missing"] == [name]


def test_an_empty_purpose_is_a_missing_one() -> None:
    with pytest.raises(MissingSettingError, match="purpose"):
        read_terms({"purpose": "  "}, DEFAULTS, None)


@pytest.mark.parametrize("expires", ["tomorrow", "2027-13-01", "20270101", "2026-11-22", "2020-01-01"])
def test_an_expiry_that_is_no_day_to_come_is_refused(expires: str) -> None:
    with pytest.raises(UsageError):
        envelope(expires)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("theme", "nonsense"),
        ("expires_days", "0"),
        ("expires_days", "0366099999999"),
        ("review_days", "0100099999999"),
        ("expires_days", "²"),
        ("purpose", "a\0b"),
        ("colour", "blue"),
        ("purpose", "after our SAR"),
    ],
)
def test_a_default_that_no_envelope_may_have_is_refused(name: str, value: str) -> None:
    with pytest.raises(UsageError):
        check_setting(name, value)


def test_the_same_call_on_another_day_names_the_same_upload() -> None:
    assert read_terms({}, DEFAULTS, None).description() == read_terms({}, dict(DEFAULTS), None).description()
    assert read_terms({"theme": "fraud"}, DEFAULTS, None).description() != read_terms({}, DEFAULTS, None).description()
