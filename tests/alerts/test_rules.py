"""The pure rules, and the wire form of what an author writes."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import RAISE, ValidationError

from alerts.domain.alert import content_fields, content_sha256
from alerts.domain.rules import (
    Issuer,
    decide_audience,
    decide_release,
    decide_review,
    decide_time,
    decide_tlp,
    decide_withdrawal,
    end_of,
)
from exchange.gateways.handling import is_wider
from exchange.gateways.rules import RULES
from exchange.membership.authority import Authority
from schemas.alerts.messages import AlertContent, Audience
from schemas.terms import AlertState, TrafficLight
from schemas.values.derived import schema_of
from tests.alerts.factories import make_content

CONTENT = msgspec.convert(make_content(), AlertContent)
LIGHTS = [light.value for light in TrafficLight]
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


@given(st.sampled_from(LIGHTS), st.lists(st.sampled_from(LIGHTS), max_size=3))
def test_an_alert_is_at_least_as_strict_as_each_source(tlp: str, sources: list[str]) -> None:
    """RED is the strictest, CLEAR the widest (TLP 2.0)."""
    made = make_content(tlp=tlp, sources=[{"reference": "r", "tlp": one} for one in sources])
    allowed = all(LIGHTS.index(tlp) <= LIGHTS.index(one) for one in sources)
    assert decide_tlp(msgspec.convert(made, AlertContent)).is_allowed is allowed
    assert [is_wider(tlp, one) for one in sources] == [LIGHTS.index(tlp) > LIGHTS.index(one) for one in sources]


@pytest.mark.parametrize("groups", [(), ("others",), ("own", "others"), ("closed",), ("own", "closed")])
def test_an_audience_is_of_open_groups_of_ones_own(groups: tuple[str, ...]) -> None:
    authority = Authority.of({"own": ["a", "b"], "others": ["b"]}, {"a": "banking", "b": "banking"})
    issuer = Issuer("a", "financial_institution", authority, RULES)
    assert not decide_audience(Audience(list(groups), []), issuer).is_allowed
    assert decide_audience(Audience(["own"], []), issuer).is_allowed


@pytest.mark.parametrize("state", AlertState)
def test_each_step_wants_the_state_before_it_and_another_person(state: AlertState) -> None:
    assert decide_review(state, "a/x", "a/y").is_allowed is (state is AlertState.DRAFT)
    released = decide_release(state, "a/x", "a/y")
    assert released.is_allowed is (state in (AlertState.REVIEWED, AlertState.SCHEDULED))
    for decision in (decide_review(state, "a/x", "a/x"), decide_release(state, "a/x", "a/x")):
        assert not decision.is_allowed
    shown = (AlertState.PUBLISHED, AlertState.SUPERSEDED, AlertState.EXPIRED)
    assert decide_withdrawal(state, "why").is_allowed is (state in (*shown, AlertState.SCHEDULED))
    assert not decide_withdrawal(state, " \n").is_allowed


def test_a_time_of_release_lies_between_now_and_the_last_day() -> None:
    last = datetime(2027, 11, 1, 23, 59, tzinfo=UTC)
    for at in (None, NOW, last):
        assert decide_time(CONTENT, at, NOW).is_allowed
    for at in (NOW.replace(hour=9), end_of(CONTENT.expires_on)):
        assert not decide_time(CONTENT, at, NOW).is_allowed
    assert end_of(date(2027, 11, 1)) == datetime(2027, 11, 2, tzinfo=UTC)


def test_what_is_read_from_the_wire_is_what_is_written_to_it() -> None:
    account = {"iban": "GB33BUKB20201555555555", "sort_code": "202015", "account_number": "55555555", "bic": ""}
    fields = make_content(accounts=[account], conditions="by hand\nonly", supersedes="0412-NECC")
    schema = schema_of(AlertContent)()
    loaded = schema.load(fields, unknown=RAISE)
    assert schema.dump(loaded) == fields
    assert loaded == msgspec.convert(fields, AlertContent)
    assert content_fields(loaded) == fields


@given(st.text(max_size=50))
def test_prose_holds_no_sign_that_shows_nothing_or_turns_the_text(text: str) -> None:
    """Line feed and tab are the only controls; what is taken is taken unchanged."""
    try:
        loaded = schema_of(AlertContent)().load(make_content(body=text))
    except ValidationError as error:
        assert list(error.messages) == ["body"]
        assert any(not sign.isprintable() and sign not in "\n\t" for sign in text)
    else:
        assert loaded.body == text
        assert not set(text) & {"\u202e", "\u200b", "\x00", "\x1b", "\r", "\ufeff"}


def test_the_digest_of_a_content_does_not_depend_on_its_audience() -> None:
    """A reader is shown its own groups only, and could otherwise test a guess at the others."""
    other = msgspec.convert(
        make_content(audience={"groups": ["cell", "taskforce"], "kinds": ["telecom"]}), AlertContent
    )
    assert content_sha256(other) == content_sha256(CONTENT)
    another = msgspec.convert(make_content(title="Another"), AlertContent)
    assert content_sha256(another) != content_sha256(CONTENT)
