"""Outcomes and assessments: what came of intelligence reaches who contributed, and nobody learns who it may not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.corrections.notify import notify_corrections
from exchange.indicators.derived import Derived, DerivedKind, note_derived
from exchange.indicators.expire import expire_indicators
from exchange.indicators.withdrawal import (
    Held,
    LastShown,
    OtherRow,
    TakenBack,
    notified_at_least,
    was_disclosed_by_hit,
    was_shown_late,
)
from exchange.membership.authority import SECTOR_MINIMUM, Authority
from exchange.membership.past_authority import PastAuthority, Span
from exchange.operations.purge import CORRECTIONS_KEPT, OUTCOMES_KEPT, purge_records
from exchange.outcomes.record import notify_outcomes
from exchange.outcomes.rules import decide_assessment, decide_outcome, shown_kind
from exchange.queries.store import QueriedToken, Query, QueryMatch, add_query, mark_disclosed
from exchange.requests.store import InformationRequest, RequestPart
from schemas.outcomes import NOTHING_REPORTED, Checks, NewOutcome
from schemas.requests.messages import NewRequest, RequestTerms
from schemas.terms import AccountAction, MemberKind, OutcomeObject, Sector
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from schemas.values.message import narrowed
from tests.exchange.corrections.taking_back import add_reviewer, make_assessment, make_outcome, make_withdrawal
from tests.exchange.factories import make_token
from tests.exchange.requests.factories import make_request
from tests.taskforce.clock import NOW
from tests.taskforce.founding import Taskforce
from tests.taskforce.members import MemberSimulator

NewTaskforce = Callable[..., Taskforce]


def received(member: MemberSimulator) -> list[dict[str, Any]]:
    """The outcomes that concern the member's rows."""
    found: list[dict[str, Any]] = member.send("GET", "/v1/outcomes/received").get_json()["outcomes"]
    return found


def rules_of(answer: Any) -> list[str]:
    """The names of the rules that refused."""
    assert answer.status_code == 403, answer.text
    return [reason["code"] for reason in answer.get_json()["reasons"]]


def shared_hit(taskforce: Taskforce, *names: str) -> tuple[bytes, str]:
    """A token that the members share, and the last one's hit on it."""
    token = make_token()
    for name in names:
        answer = taskforce.members[name].submit([token])
    return token, answer.get_json()["hits"][0]["hit_id"]


def test_contributors_see_what_came_of_it_and_not_who_says_so(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("bank-one", "bank-two", "bank-three")
    taskforce.state_group(["bank-one", "bank-three"], "cell")
    one, two, three = taskforce.members.values()
    token, hit_id = shared_hit(taskforce, "bank-one", "bank-two")
    three.submit([token], envelope={"group": "cell"})
    sent = make_outcome("hit", hit_id, usefulness="useful", arrests=0, restrained_gbp=1200)
    answer = two.send("POST", "/v1/outcomes", sent, idempotency_key="outcome-one")
    assert answer.status_code == 201, answer.text
    assert two.send("POST", "/v1/outcomes", sent, idempotency_key="outcome-one").get_json() == answer.get_json()
    (seen,) = received(one)
    assert (seen["usefulness"], seen["arrests"], seen["charges"], seen["restrained_gbp"]) == ("useful", 0, None, 1200)
    assert (seen["tokens"], seen["recorder_kind"], seen["recorder"]) == (
        [to_base64(token)],
        "financial_institution",
        None,
    )
    read = taskforce.views("bank-one", "outcomes_read")[-1]
    assert (read["read"], read["shown_sha256"]) == ("received", to_base64(digest([seen])))
    (view,) = taskforce.views("bank-one", "outcome")
    assert {name: view[name] for name in seen} == seen
    assert "bank-two" not in json.dumps(view) + json.dumps(seen)
    assert received(two) == received(three) == []
    (own,) = two.send("GET", "/v1/outcomes").get_json()["outcomes"]
    read = taskforce.views("bank-two", "outcomes_read")[-1]
    assert (read["read"], read["shown_sha256"]) == ("recorded", to_base64(digest([own])))
    assert (own["object_id"], own["false_positive"]) == (hit_id, None)
    assert rules_of(two.send("POST", "/v1/outcomes", sent)) == ["id-used"]
    assert rules_of(two.send("POST", "/v1/outcomes", make_outcome("hit", hit_id))) == ["nothing-reported"]
    stolen = one.send("POST", "/v1/outcomes", make_outcome("hit", hit_id, arrests=1))
    unknown = one.send("POST", "/v1/outcomes", make_outcome("hit", uuid7(), arrests=1))
    assert (stolen.status_code, stolen.get_json()) == (404, unknown.get_json())
    for wrong in ({"arrests": -1}, {"arrests": 1.5}, {"arrests": True}, {"usefulness": "great"}, {"note": "a text"}):
        assert two.send("POST", "/v1/outcomes", make_outcome("hit", hit_id, **wrong)).status_code == 422
    taskforce.clock.advance(days=OUTCOMES_KEPT.days + 1)  # type: ignore[attr-defined]
    purge_records(taskforce.database, taskforce.clock())
    assert received(one) == []


def test_the_recorders_kind_does_not_reveal_one_of_few_holders(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b", "c")
    for name in ("nca", "met"):
        taskforce.add_member(name, kind=MemberKind.LAW_ENFORCEMENT, sector=Sector.LAW_ENFORCEMENT)
    names = ["a", "b", "c", "nca", "met"]
    taskforce.state_group(names)
    _, hit_of_b = shared_hit(taskforce, "a", "nca", "b")
    (hit_of_nca,) = taskforce.members["nca"].hits()
    recorders = (("nca", hit_of_nca["hit_id"]), ("b", hit_of_b))

    def record_all() -> list[str | None]:
        """What a is told of both recorders, in its log and in its list."""
        for name, hit_id in recorders:
            said = taskforce.members[name].send("POST", "/v1/outcomes", make_outcome("hit", hit_id, arrests=1))
            assert said.status_code == 201, said.text
        listed = [one["recorder_kind"] for one in received(taskforce.members["a"])]
        assert listed == [view["recorder_kind"] for view in taskforce.views("a", "outcome")]
        return listed

    # Of two agencies none; and of the banks none either, since then saying nothing would mean an agency.
    assert record_all() == [None, None]
    taskforce.add_member("gmp", kind=MemberKind.LAW_ENFORCEMENT, sector=Sector.LAW_ENFORCEMENT)
    taskforce.state_group([*names, "gmp"])
    assert record_all() == [None, None, "law_enforcement", "financial_institution"]
    # The row of a lies in a group with one of the agencies alone, whatever other groups they are in together.
    taskforce.state_group(["a", "nca"], "cell")
    small = make_token()
    for name in ("a", "nca"):
        answer = taskforce.members[name].submit([small], envelope={"group": "cell"})
    (hit,) = answer.get_json()["hits"]
    taskforce.members["nca"].send("POST", "/v1/outcomes", make_outcome("hit", hit["hit_id"], arrests=1))
    (seen,) = [one for one in received(taskforce.members["a"]) if one["tokens"] == [to_base64(small)]]
    assert (seen["recorder_kind"], seen["recorder"]) == (None, None)


def test_an_exit_wants_the_members_own_assessment_before_it(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    _, hit_id = shared_hit(taskforce, "a", "b")
    (other_hit,) = a.hits()
    leave = make_outcome("hit", hit_id, account_action="exit")
    assert rules_of(b.send("POST", "/v1/outcomes", leave)) == ["no-assessment"]
    # Another's assessment of its own hit on the same thing does not count.
    assert a.send("POST", "/v1/assessments", make_assessment(other_hit["hit_id"])).status_code == 201
    assert a.send("POST", "/v1/assessments", make_assessment(hit_id)).status_code == 404
    assert rules_of(b.send("POST", "/v1/outcomes", leave)) == ["no-assessment"]
    hasty = make_assessment(hit_id, vulnerability_checked=False, other_sources=False)
    assert rules_of(b.send("POST", "/v1/assessments", hasty)) == ["exit-unchecked", "exit-unchecked"]
    milder = make_assessment(hit_id, keep_open_checked=False, decision="monitor")
    assert b.send("POST", "/v1/assessments", milder).status_code == 201
    assert rules_of(b.send("POST", "/v1/outcomes", leave)) == ["assessment-decision"]
    assert b.send("POST", "/v1/outcomes", make_outcome("hit", hit_id, account_action="monitor")).status_code == 201
    assert b.send("POST", "/v1/assessments", make_assessment(hit_id)).status_code == 201
    assert b.send("POST", "/v1/outcomes", leave).status_code == 201
    assert taskforce.views("a", "assessment")[0]["decision"] == "exit"
    assert len(taskforce.views("b", "assessment")) == 2
    assert len(received(a)) == 2


def test_an_exit_needs_an_assessment_made_after_the_last_correction(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b", "c")
    a, b, c = taskforce.members.values()
    token, hit_id = shared_hit(taskforce, "a", "c", "b")
    _, other_hit = shared_hit(taskforce, "a", "b")
    for one in (hit_id, other_hit):
        assert b.send("POST", "/v1/assessments", make_assessment(one)).status_code == 201
    leave = make_outcome("hit", hit_id, account_action="exit")
    a.send("POST", "/v1/withdrawals", make_withdrawal([token]))
    notify_corrections(taskforce.database, taskforce.clock())
    assert [hit["institutions"] for hit in b.hits() if hit["hit_id"] == hit_id] == ["1"], "c still holds it"
    refused = b.send("POST", "/v1/outcomes", leave)
    assert rules_of(refused) == ["assessment-overtaken"]
    assert refused.get_json()["reasons"][0]["field"] == "account_action"
    assert taskforce.views("b", "refusal")[-1]["asked"] == "outcome"
    assert received(a) == received(c) == []
    # Another hit's assessment stands, and so does anything else that is said of this one.
    assert b.send("POST", "/v1/outcomes", make_outcome("hit", other_hit, account_action="exit")).status_code == 201
    assert b.send("POST", "/v1/outcomes", make_outcome("hit", hit_id, account_action="monitor")).status_code == 201
    # It stays overtaken when the correction is long forgotten.
    (correction,) = b.send("GET", "/v1/corrections").get_json()["corrections"]
    path = f"/v1/corrections/{correction['correction_id']}/acknowledgement"
    assert b.send("POST", path, {"items": correction["items"]}).status_code == 200
    taskforce.clock.advance(days=CORRECTIONS_KEPT.days + 1)  # type: ignore[attr-defined]
    purge_records(taskforce.database, taskforce.clock())
    assert b.send("GET", "/v1/corrections").get_json()["corrections"] == []
    assert rules_of(b.send("POST", "/v1/outcomes", leave)) == ["assessment-overtaken"]
    # Assessed anew, out of other sources, it may end in an exit; told of more, it is overtaken again.
    for taken_back, rules in ((None, []), (c, ["assessment-overtaken"])):
        assert b.send("POST", "/v1/assessments", make_assessment(hit_id)).status_code == 201
        if taken_back is not None:
            taken_back.send("POST", "/v1/withdrawals", make_withdrawal([token]))
            assert notify_corrections(taskforce.database, taskforce.clock()) == 1
        said = b.send("POST", "/v1/outcomes", make_outcome("hit", hit_id, account_action="exit"))
        assert [reason["code"] for reason in said.get_json().get("reasons", ())] == rules


def test_an_outcome_of_a_request_reaches_its_other_side_with_names(
    new_taskforce: NewTaskforce,
) -> None:
    taskforce = new_taskforce("a", "b", "c")
    a, b, c = taskforce.members.values()
    token, hit_id = shared_hit(taskforce, "b", "c", "a")
    now, request_id = taskforce.clock(), uuid7()
    terms = msgspec.convert(make_request(hit_id, request_id=request_id), NewRequest)
    asked = InformationRequest(
        request_id=request_id,
        member_id="a",
        representative_id="a/analyst",
        public_key=bytes(32),
        encryption_key=bytes(32),
        hit_id=hit_id,
        token=token,
        terms_json=msgspec.json.encode(narrowed(terms, RequestTerms)).decode(),
        proof=bytes(32),
        state="answered",
        created_at=now,
        due_at=now,
        lapses_at=now,
    )
    parts = [
        RequestPart(request_id=request_id, member_id="b", state="answered", outcome="partial", taken_up_at=now),
        RequestPart(request_id=request_id, member_id="c", state="open"),
    ]
    with taskforce.database.transaction() as session:
        session.add_all([asked, *parts])
        note_derived(session, [Derived(token, "a", DerivedKind.RESPONSE, request_id, "b", uuid7(), uuid7(), now)])
    assert a.send("POST", "/v1/outcomes", make_outcome("request", request_id, charges=2)).status_code == 201
    (seen,) = received(b)
    assert (seen["charges"], seen["recorder"]) == (2, "a")
    assert received(c) == []
    # A holder that took it up may report too; one that did not knows nothing of it.
    assert b.send("POST", "/v1/outcomes", make_outcome("request", request_id, usefulness="useful")).status_code == 201
    assert [one["recorder"] for one in received(a)] == ["b"]
    hidden = c.send("POST", "/v1/outcomes", make_outcome("request", request_id, usefulness="useful"))
    assert hidden.status_code == 404
    assert rules_of(a.send("POST", "/v1/outcomes", make_outcome("request", request_id, account_action="exit"))) == [
        "no-assessment"
    ]


def test_an_outcome_reaches_withdrawn_and_expired_rows_of_the_hit(
    new_taskforce: NewTaskforce,
) -> None:
    """It does not reach a member whose row was no part of the hit."""
    taskforce = new_taskforce("a", "b", "c", "d")
    a, b, c, d = taskforce.members.values()
    token = make_token()
    d.submit([token])
    d.send("POST", "/v1/withdrawals", make_withdrawal([token]))
    taskforce.clock.advance(seconds=60)  # type: ignore[attr-defined]
    b.submit([token])
    c.submit([token], envelope={"expires_on": "2026-12-20", "review_by": "2026-12-01"})
    hit_id = a.submit([token]).get_json()["hits"][0]["hit_id"]
    b.send("POST", "/v1/withdrawals", make_withdrawal([token]))
    notify_corrections(taskforce.database, taskforce.clock())
    taskforce.clock.advance(days=40)  # type: ignore[attr-defined]
    assert expire_indicators(taskforce.database, taskforce.clock()) == 1
    sent = make_outcome("hit", hit_id, arrests=2, harm_to_customer=True, forfeited_gbp=900, outcome_code="1")
    assert a.send("POST", "/v1/outcomes", sent).status_code == 201
    for contributor in (b, c):
        (seen,) = received(contributor)
        assert (seen["arrests"], seen["forfeited_gbp"], seen["repatriated_gbp"]) == (2, 900, None)
        assert (seen["outcome_code"], seen["recorder"]) == ("1", None)
    assert received(d) == []
    assert a.send("POST", "/v1/outcomes", make_outcome("hit", hit_id, outcome_code="23")).status_code == 422


def test_an_outcome_can_be_recorded_after_its_request_is_deleted(
    new_taskforce: NewTaskforce,
) -> None:
    """An outcome of a query too."""
    taskforce = new_taskforce("a", "b")
    for name in ("nca", "met"):
        taskforce.add_member(name, kind=MemberKind.LAW_ENFORCEMENT, sector=Sector.LAW_ENFORCEMENT)
    a, b, agency, other = taskforce.members.values()
    token, now = make_token(), taskforce.clock()
    asked, answered, queried = uuid7(), uuid7(), uuid7()
    told = [
        Derived(token, "nca", DerivedKind.QUERY, queried, "a", uuid7(), uuid7(), now, now),
        Derived(token, "b", DerivedKind.RESPONSE, answered, "a", uuid7(), uuid7(), now),
        Derived(token, "b", DerivedKind.REQUEST, asked, "a", uuid7(), uuid7(), now),
    ]
    with taskforce.database.transaction() as session:
        note_derived(session, told)
    for member, about, object_id, status in (
        (agency, "query", queried, 201),
        (b, "request", answered, 201),
        (a, "request", answered, 201),
        (other, "query", queried, 404),
        (a, "query", queried, 404),
        (b, "request", asked, 404),
    ):
        said = member.send("POST", "/v1/outcomes", make_outcome(about, object_id, charges=4))
        assert said.status_code == status, said.text
    assert {(one["recorder_kind"], one["recorder"]) for one in received(a)} == {
        ("financial_institution", "b"),
        (None, None),
    }
    assert [one["recorder"] for one in received(b)] == ["a"]


def test_an_outcome_of_a_covert_query_reaches_banks_with_the_query(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    agency = taskforce.add_member("nca", kind=MemberKind.LAW_ENFORCEMENT, sector=Sector.LAW_ENFORCEMENT)
    add_reviewer(taskforce)
    a = taskforce.members["a"]
    token, query_id = make_token(), uuid7()
    submission_id = a.submit([token]).get_json()["submission_id"]
    query = Query(
        query_id=query_id,
        member_id="nca",
        asker_id="nca/analyst",
        authoriser_id="nca/authoriser",
        state="answered",
        legal_gateway="CCA2013_s7",
        paperwork_sha256=bytes(32),
        covert=True,
        silent=False,
        ends_on=date(2027, 1, 1),
        cover_salt=bytes(32),
        subjects=1,
        subjects_sha256=bytes(32),
        extensions_json="[]",
        created_at=taskforce.clock(),
    )
    with taskforce.database.transaction() as session:
        add_query(session, query, [QueriedToken(token, "bank_account", uuid7())])
        matched = {"member_id": "a", "submission_id": submission_id, "event_id": uuid7()}
        session.add(QueryMatch(token=token, query_id=query_id, told_at=taskforce.clock(), **matched))
    sent = make_outcome("query", query_id, arrests=3, disruption="major")
    assert agency.send("POST", "/v1/outcomes", sent).status_code == 201
    assert a.send("POST", "/v1/outcomes", make_outcome("query", query_id, arrests=3)).status_code == 404
    assert rules_of(agency.send("POST", "/v1/outcomes", make_outcome("query", query_id, account_action="exit"))) == [
        "exit-without-hit"
    ]
    assert notify_outcomes(taskforce.database, taskforce.clock()) == 0
    assert (received(a), taskforce.views("a", "outcome")) == ([], [])
    assert taskforce.views("reviewer", "outcome")[0]["recorder"] == "nca"
    with taskforce.database.transaction() as session:
        mark_disclosed(session, query_id, taskforce.clock())
    taskforce.clock.advance(days=1)  # type: ignore[attr-defined]
    assert notify_outcomes(taskforce.database, taskforce.clock()) == 1
    assert notify_outcomes(taskforce.database, taskforce.clock()) == 0
    (seen,) = received(a)
    assert (seen["arrests"], seen["recorder_kind"], seen["recorder"]) == (3, None, None)
    assert seen["told_at"].startswith("2026-11-23")
    assert taskforce.views("a", "outcome")[0]["disruption"] == "major"


@given(
    st.builds(
        Checks, other_sources=st.booleans(), vulnerability_checked=st.booleans(), keep_open_checked=st.booleans()
    ),
    st.sampled_from(list(AccountAction)),
    st.sampled_from(list(OutcomeObject)),
    st.none() | st.sampled_from(list(AccountAction)),
    st.booleans(),
)
def test_there_is_no_way_to_an_exit_without_every_check(
    checks: Checks, decision: AccountAction, about: OutcomeObject, decided: AccountAction | None, overtaken: bool
) -> None:
    assessed = decide_assessment(checks, decision).is_allowed
    every = checks.other_sources and checks.vulnerability_checked and checks.keep_open_checked
    assert assessed == (decision is not AccountAction.EXIT or every)
    exiting = msgspec.structs.replace(NOTHING_REPORTED, account_action="exit")
    recorded = decide_outcome(exiting, about, decided, is_overtaken=overtaken).is_allowed
    assert recorded == (decided is AccountAction.EXIT and about is not OutcomeObject.QUERY and not overtaken)


def test_an_outcome_of_nothing_is_refused_as_it_is_sent() -> None:
    about: dict[str, Any] = {"outcome_id": "1", "object": "hit", "object_id": "2"}
    sent = NewOutcome(**msgspec.structs.asdict(NOTHING_REPORTED), **about)
    (reason,) = decide_outcome(sent, "hit", None).reasons
    assert reason.code == "nothing-reported"


@given(st.dictionaries(st.sampled_from("abcdefghij"), st.sampled_from(list(MemberKind)[:4]), min_size=1))
def test_a_kind_is_shown_only_if_three_members_or_all_have_it(kinds: dict[str, str]) -> None:
    authority = Authority.of({"g": kinds}, dict.fromkeys(kinds, "banking"))
    told = {one: shown_kind(one, ["g"], kinds, authority, is_named=False) for one in kinds}
    for kind in set(told.values()):
        assert list(told.values()).count(kind) >= min(SECTOR_MINIMUM, len(kinds))
    assert all(kind is None or kind == kinds[one] for one, kind in told.items())
    assert shown_kind("stranger", ["g"], kinds | {"stranger": kinds[min(kinds)]}, authority, is_named=False) is None
    assert {one: shown_kind(one, [], kinds, authority, is_named=True) for one in kinds} == kinds


@given(st.lists(st.sampled_from(["1", "2-4", "5+"])), st.sets(st.sampled_from("abcdefgh")))
def test_never_more_are_counted_as_told_than_bands_and_names_say(bands: list[str], names: set[str]) -> None:
    told = notified_at_least(bands, names)
    lowest = {"1": 1, "2-4": 2, "5+": 5}
    assert told == max([len(names), *(lowest[band] for band in bands)])


_ROW = TakenBack("g", NOW, NOW + timedelta(days=9), frozenset({"arrival"}))
_HELD = Held("g", NOW - timedelta(days=1), None)
_SHOWN = LastShown(True, NOW, "any")
_ALWAYS = [Span(NOW - timedelta(days=90), None)]


@pytest.mark.parametrize(
    ("held", "last", "told"),
    [
        ([_HELD], _SHOWN, True),
        ([], _SHOWN, False),
        ([Held("h", NOW, None)], _SHOWN, False),
        ([Held("g", NOW + timedelta(days=10), None)], _SHOWN, False),  # came after the row had gone
        ([Held("g", NOW - timedelta(days=2), NOW - timedelta(days=1))], _SHOWN, False),  # gone before the row came
        ([Held("g", NOW - timedelta(days=2), NOW + timedelta(days=1))], _SHOWN, True),
        ([_HELD], LastShown(False, None, None), False),  # never shown
        ([_HELD], LastShown(False, NOW + timedelta(days=1), "end"), True),
        ([_HELD], LastShown(False, NOW - timedelta(hours=1), "end"), False),
        ([_HELD], LastShown(False, NOW, "arrival"), False),  # the row's coming ended it: it had left the group
    ],
)
def test_a_hit_reaches_who_held_the_token_then_and_was_shown_it(held: list[Held], last: LastShown, told: bool) -> None:
    assert was_disclosed_by_hit(_ROW, held, last, _ALWAYS) is told


@pytest.mark.parametrize(
    ("together", "last", "told"),
    [
        ([], _SHOWN, False),
        ([Span(NOW - timedelta(days=9), NOW)], _SHOWN, False),  # one of them left when the row came
        ([Span(NOW - timedelta(days=9), NOW + timedelta(hours=1))], _SHOWN, True),  # left later
        ([Span(NOW + timedelta(days=10), None)], _SHOWN, False),  # joined when the row had gone
        ([Span(NOW + timedelta(days=9), None)], _SHOWN, True),  # joined as it went
        ([Span(NOW + timedelta(days=2), None)], _SHOWN, True),  # joined while it was there
        ([Span(NOW + timedelta(days=2), None)], LastShown(False, NOW + timedelta(days=1), "end"), False),
        ([Span(NOW + timedelta(days=2), None)], LastShown(False, NOW + timedelta(days=3), "end"), True),
    ],
)
def test_a_row_counts_for_a_member_only_while_both_share_the_group(
    together: list[Span], last: LastShown, told: bool
) -> None:
    assert was_disclosed_by_hit(_ROW, [_HELD], last, together) is told


_TOLD_AT = NOW + timedelta(days=9, seconds=5)
_AFTER = _TOLD_AT + timedelta(seconds=20)
_OTHER = TakenBack("h", NOW, NOW + timedelta(days=30), frozenset({"other"}))


@pytest.mark.parametrize(
    ("last", "other", "told"),
    [
        (LastShown(False, None, None), None, False),
        (LastShown(False, NOW, "arrival"), None, False),  # as it was when the others were told
        (LastShown(True, _TOLD_AT, "read"), None, True),
        (LastShown(True, _TOLD_AT, "read"), _OTHER, True),
        (LastShown(True, _TOLD_AT, "coming"), _OTHER, False),
        (LastShown(True, _AFTER, "read"), None, True),  # nothing else was there to be shown
        (LastShown(True, _AFTER, "read"), _OTHER, False),
        (LastShown(False, _AFTER, "end"), None, True),
        (LastShown(False, _AFTER, "end"), _OTHER, False),
        (LastShown(True, _AFTER, "read"), replace(_OTHER, ended_at=_TOLD_AT), True),
        (LastShown(True, _AFTER, "read"), replace(_OTHER, submitted_at=_AFTER + timedelta(seconds=1)), True),
    ],
)
def test_told_by_a_late_hit_is_who_can_have_been_shown_nothing_else(
    last: LastShown, other: TakenBack | None, told: bool
) -> None:
    held = [_HELD, replace(_HELD, group_id="h")]
    others = [] if other is None else [OtherRow(other, _ALWAYS)]
    assert was_shown_late(held, last, _TOLD_AT, others, {"coming"}) is told
    apart = [OtherRow(one.row, []) for one in others]
    if last.at == _AFTER:
        assert was_shown_late(held, last, _TOLD_AT, apart, {"coming"}), "the other row could not be shown to the member"


def test_members_are_together_while_both_are_active_and_in_the_open_group() -> None:
    days = [NOW + timedelta(days=number) for number in range(8)]
    groups = {"g": [(Span(days[0], days[2]), frozenset("ab")), (Span(days[3], None), frozenset("abc"))]}
    active = {"a": [Span(days[1], days[4]), Span(days[5], None)], "b": [Span(days[0], days[6])]}
    past = PastAuthority(groups, active)
    expected = [Span(days[1], days[2]), Span(days[3], days[4]), Span(days[5], days[6])]
    assert past.together("g", "a", "b") == past.together("g", "b", "a") == expected
    assert past.together("g", "a", "c") == past.together("h", "a", "b") == []
