"""The pure rules, and the wire form of what an author writes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import RAISE, ValidationError

from alerts.domain.alert import READABLE, Alert, content_fields, content_sha256, taken_back
from alerts.domain.rules import (
    MAX_BYTES,
    Issuer,
    decide_accounts,
    decide_acknowledgement,
    decide_audience,
    decide_content,
    decide_release,
    decide_review,
    decide_size,
    decide_supersedes,
    decide_time,
    decide_tlp,
    decide_withdrawal,
    end_of,
)
from alerts.domain.subscription import RETRIES, is_pushed, matches, pause_after, pushed_alert
from exchange.gateways.handling import is_wider
from exchange.gateways.rules import RULES
from exchange.membership.authority import Authority
from schemas.alerts.messages import AlertContent, Audience, PublishedAccount
from schemas.alerts.subscriptions import SubscriptionFilters
from schemas.terms import AlertState, TrafficLight
from schemas.values.derived import schema_of
from tests.alerts.factories import make_content
from tests.exchange.decisions import codes_of

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


AUTHORITY = Authority.of({"taskforce": ["a", "b"]}, {"a": "banking", "b": "banking"})
ISSUER = Issuer("a", "financial_institution", AUTHORITY, RULES)


def content_of(**changes: Any) -> AlertContent:
    return msgspec.convert(make_content(**changes), AlertContent)


def alert_of(state: AlertState = AlertState.PUBLISHED, member_id: str = "a", **changes: Any) -> Alert:
    """An alert at its second version."""
    facts: dict[str, Any] = {"alert_id": "i", "stix_id": "s", "reference": "0001-A", "issuer": "A", "version": 2}
    facts |= {"created_at": NOW, "modified_at": NOW}
    return Alert(**facts, member_id=member_id, state=state, content=content_of(**changes))


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"audience": {"groups": [], "kinds": []}}, [("no-audience", "audience.groups")]),
        ({"audience": {"groups": ["h"], "kinds": []}}, [("group", "audience.groups")]),
        ({"tlp": "GREEN"}, [("tlp-wider-than-source", "tlp")]),
        ({"classification": "SECRET"}, [("classification", "classification")]),
        ({"purpose": " "}, [("no-purpose", "purpose")]),
        ({"legal_gateway": "ECCTA2023_s189"}, [("gateway-evidence", "legal_gateway")]),
        ({"review_by": "2027-11-02"}, [("review-too-late", "review_by")]),
        ({"supersedes": "0002-A"}, [("supersedes", "supersedes")]),
    ],
)
def test_a_content_is_refused_by_every_rule(changes: dict[str, Any], codes: list[tuple[str, str]]) -> None:
    assert codes_of(decide_content(content_of(**changes), ISSUER, None, NOW.date())) == codes


def test_an_alert_is_as_long_as_people_read() -> None:
    room = MAX_BYTES - len(msgspec.json.encode(content_fields(content_of(body=""))))
    assert MAX_BYTES == 204_800
    assert decide_size(content_of(body="x" * room)).is_allowed
    decision = decide_size(content_of(body="x" * (room + 1)))
    assert codes_of(decision) == [("too-long", "content")]
    assert "at most 200 KiB" in decision.reasons[0].detail


_GB = PublishedAccount(iban="GB33BUKB20201555555555", sort_code="202015", account_number="55555555", bic="")
_DE = PublishedAccount(iban="DE89370400440532013000", sort_code="", account_number="", bic="")


@pytest.mark.parametrize(
    ("account", "is_right"),
    [
        (_GB, True),
        (_DE, True),
        (msgspec.structs.replace(_GB, iban="GB34BUKB20201555555555"), False),
        (msgspec.structs.replace(_GB, account_number="55555556"), False),
        (msgspec.structs.replace(_GB, sort_code="", account_number=""), False),
        (msgspec.structs.replace(_DE, account_number="0532013000"), False),
    ],
)
def test_an_account_is_written_without_a_slip(account: PublishedAccount, is_right: bool) -> None:
    assert codes_of(decide_accounts([_GB, account])) == ([] if is_right else [("account", "accounts")])
    assert decide_accounts([]).is_allowed


@pytest.mark.parametrize(
    ("superseded", "codes"),
    [
        (alert_of(), []),
        (None, [("supersedes", "supersedes")]),
        (alert_of(member_id="b"), [("supersedes", "supersedes")]),
        (alert_of(AlertState.WITHDRAWN), [("supersedes", "supersedes")]),
        (alert_of(audience={"groups": ["taskforce", "h"], "kinds": []}), [("supersedes-audience", "supersedes")]),
    ],
)
def test_an_alert_takes_the_place_of_a_published_one(superseded: Alert | None, codes: list[tuple[str, str]]) -> None:
    content = content_of(supersedes="0001-A")
    assert codes_of(decide_supersedes(content, ISSUER, superseded)) == codes
    assert decide_supersedes(content_of(), ISSUER, superseded).is_allowed


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (AlertState.WITHDRAWN, "withdrawn"),
        (AlertState.DRAFT, "not-published"),
        (AlertState.REVIEWED, "not-published"),
        (AlertState.SCHEDULED, None),
        (AlertState.EXPIRED, None),
    ],
)
def test_a_withdrawal_names_why_it_is_refused(state: AlertState, code: str | None) -> None:
    assert codes_of(decide_withdrawal(state, "why")) == ([] if code is None else [(code, "alert_id")])
    assert codes_of(decide_withdrawal(state, " "))[0] == ("no-reason", "reason")


def test_steps_and_answers_name_the_field_at_fault() -> None:
    draft, published = AlertState.DRAFT, AlertState.PUBLISHED
    assert codes_of(decide_review(published, "a/x", "a/x")) == [
        *[("not-a-draft", "alert_id"), ("review-by-author", "representative")],
    ]
    assert codes_of(decide_release(draft, "a/x", "a/x")) == [
        *[("not-reviewed", "alert_id"), ("release-by-author", "representative")],
    ]
    assert codes_of(decide_acknowledgement(alert_of(), "a")) == [("own-alert", "alert_id")]
    assert decide_acknowledgement(alert_of(), "b").is_allowed
    assert codes_of(decide_time(CONTENT, NOW - timedelta(seconds=1), NOW)) == [("release-in-the-past", "at")]
    assert codes_of(decide_time(CONTENT, end_of(CONTENT.expires_on), NOW)) == [("release-after-expiry", "at")]


def test_of_a_withdrawn_alert_no_word_is_left() -> None:
    published, withdrawn = alert_of(), alert_of(AlertState.WITHDRAWN)
    assert published.shown == published.content
    assert withdrawn.shown == taken_back(withdrawn.content) != withdrawn.content
    assert withdrawn.sha256_of(2) == content_sha256(taken_back(withdrawn.content))
    assert withdrawn.sha256_of(1) == content_sha256(withdrawn.content), "an earlier version said what it said"
    texts = set(" ".join(str(value) for value in content_fields(withdrawn.shown).values()).split())
    assert not texts & {"forged", "payslips", "employer's", "purpose", "report"}
    assert AlertState.WITHDRAWN in READABLE
    assert AlertState.SCHEDULED not in READABLE


_NO_FILTER: dict[str, list[str]] = {"themes": [], "colours": [], "kinds": [], "groups": []}


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, True),
        ({"themes": ["money_mules"]}, True),
        ({"themes": ["fraud"]}, False),
        ({"colours": ["amber"]}, True),
        ({"colours": ["red"]}, False),
        ({"kinds": ["financial_institution"]}, True),
        ({"kinds": ["telecom"]}, False),
        ({"groups": ["taskforce", "h"]}, True),
        ({"groups": ["h"]}, False),
        ({"themes": ["money_mules"], "groups": ["h"]}, False),
    ],
)
def test_a_subscription_passes_what_all_its_filters_let_through(changes: dict[str, Any], passes: bool) -> None:
    filters = msgspec.convert({**_NO_FILTER, **changes}, SubscriptionFilters)
    assert matches(filters, alert_of(), "financial_institution", ["taskforce"]) is passes


@pytest.mark.parametrize(
    ("tlp", "channel", "has_title"),
    [
        ("AMBER", "webhook", True),
        ("AMBER+STRICT", "webhook", False),
        ("GREEN", "mail", True),
        ("AMBER", "mail", False),
    ],
)
def test_a_push_says_no_more_than_its_channel_may_carry(tlp: str, channel: str, has_title: bool) -> None:
    alert = alert_of(tlp=tlp, sources=[])
    pushed = msgspec.to_builtins(pushed_alert(alert, channel))
    assert (pushed["reference"], pushed["version"], pushed["state"], pushed["tlp"]) == ("0001-A", 2, "published", tlp)
    shown = (pushed.get("title"), pushed.get("colour"), pushed.get("theme"))
    assert shown == ((CONTENT.title, "amber", "money_mules") if has_title else (None, None, None))
    assert is_pushed(alert)
    assert not is_pushed(alert_of(tlp="RED"))


def test_pauses_between_attempts_grow_and_end() -> None:
    assert pause_after(1, 0.0) == timedelta(seconds=5)
    assert pause_after(1, 1.0) == timedelta(seconds=6)
    assert pause_after(2, 0.5) == timedelta(minutes=5, seconds=30)
    assert pause_after(len(RETRIES), 0.0) == timedelta(hours=24)
    assert pause_after(len(RETRIES) + 1, 0.0) is None
    assert list(RETRIES) == sorted(RETRIES)
    assert [pause // timedelta(minutes=1) for pause in RETRIES[1:]] == [5, 30, 120, 300, 600, 840, 1200, 1440]
    assert timedelta(days=3) < sum(RETRIES, timedelta()) < timedelta(days=4)
