"""A query from asking to answering: two officers, a gateway, a case, an end; and what the attacker tries instead."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from exchange.indicators.derived import DerivedDisclosure
from exchange.indicators.hits import Hit
from exchange.queries.decide import DEFAULT_LIMITS
from exchange.queries.read import read_query
from exchange.queries.store import Query, QueryMatch, QueryOverlap, QuerySubject
from exchange.queries.watch import KEPT, purge_old_queries
from keys.statements.keyring import GroupState, MemberState
from schemas.queries.messages import WholeQuery
from schemas.queries.terms import subjects_digest, terms_digest
from schemas.terms import MemberKind
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.factories import make_token
from tests.exchange.queries.scenario import QueryScenario, gateway_of
from tests.taskforce.members import reasons_of

ANOTHER_ID = "01920000-0000-7000-8000-000000000000"


def terms_sha256(shown: dict[str, Any]) -> str:
    """The digest of the terms of a query as it was read."""
    return terms_digest(msgspec.convert(shown, WholeQuery))


def test_a_query_names_holders_and_notifies_agency_and_reviewer(scenario: QueryScenario) -> None:
    held, missed, shared = make_token(), make_token(), make_token()
    assert scenario.banks["a"].submit([held, shared]).status_code == 201
    marked = {"theme": "drugs", "handling": "C", "conditions": "ask b first"}
    assert scenario.banks["b"].submit([shared], envelope=marked).status_code == 201
    query_id = scenario.ask([held, missed, shared])
    assert scenario.notices("nca") == ["le_query_asked"]
    assert scenario.read(query_id).get_json()["results"] is None
    answered = scenario.approve(query_id)
    first, second, third = answered["results"]
    assert (first["hit"], first["institutions"], first["band"]) == (True, ["a"], "1")
    assert (first["themes"], first["first_seen"], first["protected"]) == (["money_mules"], "2026-10", False)
    assert second == {
        **{"token": to_base64(missed), "indicator_type": "bank_account", "hit": False, "institutions": []},
        **{"band": None, "themes": [], "first_seen": None, "protected": False, "handling": None, "hit_id": None},
    }
    assert (third["institutions"], third["themes"]) == (["a", "b"], ["drugs", "money_mules"])
    assert third["handling"]["handling"] == "C"
    conditions = third["handling"]["conditions"].splitlines()
    assert conditions[0] == "ask b first"
    assert ["permitted purpose" in line or "owner's consent" in line for line in conditions[1:]] == [True, True]
    assert (answered["state"], answered["deconfliction"], answered["others"]) == ("answered", False, [])
    kinds = ["le_query_asked", "le_query_read", "le_query_approved"]
    assert scenario.kinds("nca") == scenario.kinds("ico") == kinds
    told = scenario.views("ico", "le_query_approved")[0]
    assert (told["asked_by"], told["authorised_by"], told["subjects"]) == ("nca/analyst", "nca/authoriser", 3)
    assert told["hit_ids"] == [first["hit_id"], third["hit_id"]]
    assert set(told["withheld"]) == {"a", "b"}
    assert "withheld" not in scenario.views("nca", "le_query_approved")[0]


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_the_log_has_a_digest_of_the_case_and_the_reviewer_its_texts(
    scenario: QueryScenario,
) -> None:
    """The independent reviewer reads the texts from the query."""
    token = make_token()
    assert scenario.banks["a"].submit([token]).status_code == 201
    query_id = scenario.query([token], until="2026-12-01")["query_id"]
    extension = {"until": "2027-01-01", "reason": "arrests are due in December"}
    assert scenario.step(query_id, "extend", extension).status_code == 200
    assert scenario.end() == 0
    question = scenario.question([token])
    for member_id in ("nca", "ico", "a"):
        said = json.dumps(scenario.views(member_id))
        texts = (question["purpose"], question["necessity"], question["proportionality"], extension["reason"])
        assert not any(text in said for text in (*texts, '"OP-1"'))
    before = len(scenario.views("nca"))
    read = scenario.opened(scenario.read(query_id, "ico", "reviewer"), "ico")
    assert (read["case"], read["purpose"], read["extensions"][0]["reason"]) == (
        "OP-1",
        question["purpose"],
        extension["reason"],
    )
    assert (read["results"], read["tokens"], read["subjects"]) == (None, None, 1)
    assert terms_sha256(read) == scenario.views("ico", "le_query_extended")[0]["terms_sha256"]
    assert terms_sha256(read) == scenario.views("ico", "le_paperwork_read")[0]["terms_sha256"]
    assert terms_sha256({**read, "paperwork_sha256": to_base64(bytes(32))}) != terms_sha256(read)
    assert len(scenario.views("nca")) == before, "the agency is not told that it is reviewed"
    assert scenario.read(query_id, "ico", "analyst").status_code == 404
    own = scenario.read(query_id).get_json()
    assert subjects_digest(own["tokens"], own["types"]) == read["subjects_sha256"]
    assert own["tokens"] == [to_base64(token)]


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_nothing_is_approved_but_what_the_officer_read(scenario: QueryScenario) -> None:
    query_id = scenario.ask([make_token()])
    read = scenario.read(query_id, as_name="authoriser").get_json()
    for changed in (
        {"paperwork_sha256": to_base64(bytes(32))},
        {"subjects_sha256": to_base64(bytes(32))},
        {"until": "2027-02-21"},
        {"covert": False},
    ):
        body = {"terms_sha256": terms_sha256({**read, **changed})}
        assert reasons_of(scenario.step(query_id, "approve", body), 403, 409) == {"other-terms"}
    assert scenario.step(query_id, "approve", {}).status_code == 422
    body = {"terms_sha256": terms_sha256(read)}
    assert scenario.step(query_id, "approve", body).status_code == 200
    (told,) = scenario.views("nca", "le_query_approved")
    assert told["terms_sha256"] == body["terms_sha256"]


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_a_query_reads_only_and_leaves_nothing_at_the_banks(scenario: QueryScenario) -> None:
    token = make_token()
    assert scenario.banks["a"].submit([token]).status_code == 201
    hits, entries = scenario.count(Hit), len(scenario.views("a"))
    answered = scenario.query([token], watch_until="2027-02-20")
    assert answered["results"][0]["hit"]
    scenario.watch()
    assert scenario.count(Hit) == hits
    assert len(scenario.views("a")) == entries
    assert scenario.notices("a") == []
    assert scenario.banks["a"].hits() == []


_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"legal_gateway": ""}, "no-gateway"),
    ({"legal_gateway": "ECCTA2023_s188"}, "gateway-kind"),
    ({"legal_gateway": "SCA2007_s68"}, "gateway-mode"),
    ({"purpose": " "}, "no-purpose"),
    ({"necessity": None}, "no-necessity"),
    ({"proportionality": ""}, "no-proportionality"),
    ({"purpose": "we filed a suspicious activity report"}, "tipping-off"),
    ({"case": " "}, "no-case"),
    ({"until": None}, "no-end"),
    ({"until": "2026-11-21"}, "end-passed"),
    ({"until": "2027-11-23"}, "end-too-late"),
    ({"watch_until": "2026-11-21"}, "watch-passed"),
    ({"watch_until": "2027-02-21"}, "watch-too-late"),
    ({"authorised_by": "nca/nobody"}, "authoriser"),
    ({"authorised_by": "nca/reviewer"}, "authoriser"),
    ({"authorised_by": "met/authoriser"}, "authoriser"),
]


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_a_query_against_a_rule_is_refused_by_name_and_logged(scenario: QueryScenario) -> None:
    for changes, rule in _REFUSED:
        answer = scenario.agencies["nca"].send("POST", "/v1/queries", scenario.question([make_token()], **changes))
        assert rule in reasons_of(answer, 403, 409), changes
        refusal = scenario.views("nca", "refusal")[-1]
        assert rule in {reason["code"] for reason in refusal["reasons"]}
    assert scenario.count(Query) == scenario.count(QuerySubject) == 0


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_nobody_authorises_his_own_query(scenario: QueryScenario) -> None:
    body = scenario.question([make_token()], authorised_by="nca/colleague")
    answer = scenario.agencies["nca"].send("POST", "/v1/queries", body, as_name="colleague")
    assert reasons_of(answer, 403, 409) == {"same-person"}
    query_id = scenario.ask([make_token()])
    assert reasons_of(scenario.step(query_id, "approve", as_name="colleague"), 403, 409) == {"not-its-authoriser"}
    assert scenario.step(query_id, "approve", as_name="analyst").status_code == 403


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_a_bank_asks_no_query(scenario: QueryScenario) -> None:
    body = scenario.question([make_token()], "a")
    assert {"law-enforcement"} == reasons_of(scenario.banks["a"].send("POST", "/v1/queries", body), 403, 409)


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_covert_work_without_an_independent_reviewer_is_refused(scenario: QueryScenario) -> None:
    scenario.taskforce.state_member(scenario.reviewer, MemberState.SUSPENDED)
    answer = scenario.agencies["nca"].send("POST", "/v1/queries", scenario.question([make_token()]))
    assert reasons_of(answer, 403, 409) == {"no-reviewer"}


def test_an_id_is_used_once_and_the_same_request_twice_asks_once(scenario: QueryScenario) -> None:
    body = scenario.question([make_token()])
    sent = [
        scenario.agencies["nca"].send("POST", "/v1/queries", body, idempotency_key="the-same-key") for _ in range(2)
    ]
    assert [answer.status_code for answer in sent] == [201, 201]
    assert sent[0].get_json() == sent[1].get_json()
    assert scenario.count(Query) == 1
    others = {**body, "authorised_by": "met/authoriser", "legal_gateway": gateway_of("met")}
    for agency, again in (("nca", body), ("met", others)):
        answer = scenario.agencies[agency].send("POST", "/v1/queries", again)
        assert (answer.status_code, reasons_of(answer, 403, 409)) == (409, {"id-in-use"})


_MALFORMED: list[dict[str, Any]] = [
    {"tokens": []},
    {"tokens": [to_base64(bytes(31))]},
    {"tokens": [to_base64(bytes(32))] * 2, "types": ["iban", "iban"]},
    {"types": ["passport"]},
    {"types": ["iban", "iban"]},
    {"case": "x" * 65},
    {"case": "a\x07b"},
    {"purpose": "x" * 2001},
    {"until": "2026-02-30"},
    {"covert": 1},
    {"silent": None},
    {"query_id": "2f5ef6a8-0000-4000-8000-000000000000"},
    {"surprise": 1},
]


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_a_query_of_another_form_is_refused(scenario: QueryScenario) -> None:
    for changes in _MALFORMED:
        answer = scenario.agencies["nca"].send("POST", "/v1/queries", {**scenario.question([make_token()]), **changes})
        assert answer.status_code == 422, changes
    assert scenario.count(Query) == 0


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_someone_elses_query_looks_like_none(scenario: QueryScenario) -> None:
    query_id = scenario.query([make_token()])["query_id"]
    extension = {"until": "2027-03-01", "reason": "more"}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("approve", {"terms_sha256": to_base64(bytes(32))}),
        ("refuse", {}),
        ("end-watch", {}),
        ("extend", extension),
    ]
    for step, value in steps:
        answers = [
            scenario.step(each, step, value, agency="met") for each in (query_id, uuid7(), ANOTHER_ID[:-1] + "x")
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.data for answer in answers}) == 1
    answers = [scenario.read(each, "met") for each in (query_id, ANOTHER_ID)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].data == answers[1].data
    refusals = scenario.views("met", "refusal")
    assert [view["reasons"] for view in refusals].count([{"code": "unknown", "field": "id"}]) >= 2


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_within_the_agency_only_those_concerned_and_its_reviewers_read(scenario: QueryScenario) -> None:
    query_id = scenario.query([make_token()])["query_id"]
    read = {name: scenario.read(query_id, as_name=name).status_code for name in scenario.agencies["nca"].keys}
    assert read == {"analyst": 200, "authoriser": 200, "reviewer": 200, "colleague": 404}
    listed = {
        name: len(scenario.agencies["nca"].send("GET", "/v1/queries", as_name=name).get_json()["queries"])
        for name in read
    }
    assert listed == {"analyst": 1, "authoriser": 1, "reviewer": 1, "colleague": 0}
    assert scenario.agencies["met"].send("GET", "/v1/queries").get_json()["queries"] == []


def test_queries_are_listed_page_by_page_and_by_state(scenario: QueryScenario) -> None:
    query_ids = sorted(scenario.ask([make_token()]) for _ in range(3))
    scenario.approve(query_ids[1])
    nca = scenario.agencies["nca"]
    page = nca.send("GET", "/v1/queries?limit=2").get_json()
    assert [query["query_id"] for query in page["queries"]] == query_ids[:2]
    rest = nca.send("GET", f"/v1/queries?limit=2&cursor={page['next']}").get_json()
    assert [query["query_id"] for query in rest["queries"]] == query_ids[2:]
    assert rest["next"] is None
    answered = nca.send("GET", "/v1/queries?state=answered").get_json()["queries"]
    assert [query["query_id"] for query in answered] == [query_ids[1]]
    assert "results" not in answered[0]


def test_results_follow_present_authority_and_live_rows(scenario: QueryScenario) -> None:
    token = make_token()
    expiring = {"expires_on": "2026-12-01", "review_by": "2026-12-01"}
    assert scenario.banks["a"].submit([token], envelope=expiring).status_code == 201
    query_id = scenario.query([token])["query_id"]
    assert scenario.read(query_id).get_json()["results"][0]["institutions"] == ["a"]
    scenario.taskforce.state_group(("b", "nca", "met"))
    assert not scenario.read(query_id).get_json()["results"][0]["hit"]
    scenario.taskforce.state_group(("a", "b", "nca", "met"))
    assert scenario.read(query_id).get_json()["results"][0]["hit"]
    scenario.clock.advance(days=10)
    assert not scenario.read(query_id).get_json()["results"][0]["hit"], "an expired row is told of no more"
    scenario.taskforce.state_group(("a", "b"), state=GroupState.CLOSED)
    assert reasons_of(scenario.read(query_id), 403, 409) == {"group"}


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_an_agency_that_is_law_enforcement_no_longer_reads_nothing(scenario: QueryScenario) -> None:
    query_id = scenario.query([make_token()])["query_id"]
    scenario.agencies["nca"].kind = MemberKind.REGULATOR
    scenario.taskforce.state_member(scenario.agencies["nca"])
    assert "law-enforcement" in reasons_of(scenario.read(query_id), 403, 409)


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_a_refused_query_is_never_answered(scenario: QueryScenario) -> None:
    query_id = scenario.ask([make_token()])
    assert scenario.step(query_id, "refuse").get_json()["state"] == "refused"
    assert reasons_of(scenario.step(query_id, "approve"), 403, 409) == {"not-pending"}
    assert scenario.read(query_id).get_json()["results"] is None
    assert scenario.kinds("ico") == ["le_query_asked", "le_query_refused", "le_query_read"]


def test_an_approval_twice_is_one_and_a_repetition_is_a_new_reading(scenario: QueryScenario) -> None:
    token = make_token()
    assert scenario.banks["a"].submit([token]).status_code == 201
    query_id = scenario.ask([token])
    answers = [scenario.step(query_id, "approve", idempotency_key="the-same-key").get_json() for _ in range(2)]
    assert answers[0]["results"] == answers[1]["results"]
    assert answers[0]["event_id"] != answers[1]["event_id"]
    assert scenario.kinds("nca") == ["le_query_asked", "le_query_approved", "le_query_read"]
    assert reasons_of(scenario.step(query_id, "approve"), 403, 409) == {"not-pending"}


def test_what_is_told_is_noted_as_derived_so_that_a_withdrawal_reaches_it(scenario: QueryScenario) -> None:
    token = make_token()
    assert scenario.banks["a"].submit([token]).status_code == 201
    query_id = scenario.query([token])["query_id"]
    with scenario.taskforce.database.reading() as session:
        (noted,) = session.query(DerivedDisclosure).all()
    assert (noted.token, noted.recipient_member_id, noted.source_member_id) == (token, "nca", "a")
    assert (noted.kind, noted.object_id) == ("query", query_id)
    assert noted.covert_until is not None
    assert noted.covert_until.isoformat() == "2027-02-21T00:00:00+00:00"


def test_queries_that_are_long_over_are_forgotten_but_for_the_log(scenario: QueryScenario) -> None:
    token = make_token()
    assert scenario.banks["a"].submit([token]).status_code == 201
    scenario.query([token], until="2026-11-30")
    scenario.query([token], "met", until="2026-11-30")
    kept = scenario.query([token], until="2027-11-20")["query_id"]
    scenario.clock.advance(days=9)
    assert scenario.end() == 2
    assert purge_old_queries(scenario.taskforce.database, scenario.clock()) == 0
    scenario.clock.advance(days=KEPT.days + 1)
    assert purge_old_queries(scenario.taskforce.database, scenario.clock()) == 2
    assert scenario.count(Query) == scenario.count(QuerySubject) == scenario.count(QueryMatch) == 1
    assert scenario.count(QueryOverlap) == 0
    assert scenario.read(kept).get_json()["results"][0]["hit"]
    assert len(scenario.views("nca", "le_query_approved")) == 2


def test_a_log_that_takes_nothing_stops_the_answer(scenario: QueryScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    from exchange.kernel.actor import Actor  # noqa: PLC0415
    from exchange.log import events  # noqa: PLC0415 - what is made to fail

    token = make_token()
    assert scenario.banks["a"].submit([token]).status_code == 201
    query_id = scenario.ask([token])
    monkeypatch.setattr(events, "stands_still", lambda *_: True)
    assert scenario.step(query_id, "approve").status_code == 503
    assert scenario.count(QueryMatch) == scenario.count(DerivedDisclosure) == 0
    actor = Actor("nca/analyst", "nca", frozenset())
    with pytest.raises(events.LogUnavailableError):
        read_query(scenario.taskforce.database, actor, query_id, DEFAULT_LIMITS, scenario.clock())
    monkeypatch.undo()
    assert scenario.approve(query_id)["results"][0]["hit"]


def test_a_red_row_is_found_but_not_named_and_section_7_is_the_ncas(scenario: QueryScenario) -> None:
    token = make_token()
    assert scenario.banks["a"].submit([token], envelope={"tlp": "RED"}).status_code == 201
    assert scenario.banks["b"].submit([token]).status_code == 201
    (result,) = scenario.approve(scenario.ask([token]))["results"]
    assert (result["hit"], result["institutions"], result["band"]) == (True, ["b"], "2-4")
    assert result["handling"]["tlp"] == "RED"
    to_met = scenario.question([token], "met", legal_gateway="CCA2013_s7")
    assert reasons_of(scenario.agencies["met"].send("POST", "/v1/queries", to_met), 403, 409) == {"gateway-recipient"}
