"""What banks learn of a query and when, what a watch tells, and how agencies learn of each other."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from exchange.corrections.notify import notify_corrections
from exchange.operations.purge import purge_records
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.corrections.taking_back import make_withdrawal
from tests.exchange.factories import make_token
from tests.exchange.queries.scenario import QueryScenario, decode
from tests.taskforce.members import reasons_of

_TOLD = {"query_id", "agency", "legal_gateway", "holder", "told_at", "tokens", "salt"}


def commitment(told: dict[str, Any]) -> str:
    """As docs/wire-format.md gives it, computed by hand."""
    body = {name: value for name, value in told.items() if name != "salt"}
    content = b"exchange-withheld-v1\0" + decode(told["salt"]) + canonical_json(body)
    return to_base64(hashlib.sha256(content).digest())


def test_a_bank_learns_what_was_fixed_when_cover_ends(scenario: QueryScenario) -> None:
    held, other = make_token(), make_token()
    assert scenario.banks["a"].submit([held]).status_code == 201
    assert scenario.banks["b"].submit([other]).status_code == 201
    answered = scenario.query([held, make_token()], until="2026-12-01")
    withheld = scenario.views("ico", "le_query_approved")[0]["withheld"]
    scenario.clock.advance(days=9)
    assert (scenario.end(), scenario.kinds("a")) == (0, []), "the last day is covered too"
    scenario.clock.advance(days=1)
    assert (scenario.end(), scenario.end()) == (1, 0)
    (told,) = scenario.views("a", "le_query_disclosed")
    (telling,) = told["told"]
    assert set(telling) == _TOLD
    assert (telling["agency"], telling["legal_gateway"], telling["tokens"]) == ("nca", "CCA2013_s7", [to_base64(held)])
    assert {"a": commitment(telling)} == withheld
    assert "OP-1" not in str(told)
    assert (scenario.kinds("b"), scenario.notices("b")) == ([], [])
    assert scenario.notices("a") == ["le_query_disclosed"]
    (reviewed,) = scenario.views("ico", "le_query_disclosed")
    assert (reviewed["told"], reviewed["disclosed"]) == (["a"], {"a": [withheld["a"]]})
    assert scenario.read(answered["query_id"]).get_json()["state"] == "ended"
    assert scenario.read(answered["query_id"]).get_json()["results"] is None, "its authority has passed"


def test_an_overt_query_is_told_to_the_banks_at_once(scenario: QueryScenario) -> None:
    token, later = make_token(), make_token()
    assert scenario.banks["a"].submit([token]).status_code == 201
    query_id = scenario.query([token, later], covert=False, until=None)["query_id"]
    assert scenario.kinds("a") == ["le_query_disclosed"]
    assert scenario.read(query_id).get_json()["until"] == "2027-02-20"
    assert scenario.kinds("a") == ["le_query_disclosed"], "nothing new was read"
    assert scenario.banks["a"].submit([later]).status_code == 201
    assert scenario.read(query_id).get_json()["results"][1]["hit"]
    tellings = [view["told"][0]["tokens"] for view in scenario.views("a", "le_query_disclosed")]
    assert tellings == [[to_base64(token)], [to_base64(later)]]


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_an_extension_is_logged_with_its_reason_and_keeps_the_cover(scenario: QueryScenario) -> None:
    token = make_token()
    assert scenario.banks["a"].submit([token]).status_code == 201
    query_id = scenario.query([token], until="2026-12-01")["query_id"]
    wrong = [
        ({"until": "2026-12-01", "reason": "more"}, "no-extension"),
        ({"until": "2027-11-23", "reason": "more"}, "end-too-late"),
        ({"until": "2027-01-01", "reason": " "}, "no-reason"),
        ({"until": "2027-01-01", "reason": "a SAR was filed"}, "tipping-off"),
    ]
    for value, rule in wrong:
        assert reasons_of(scenario.step(query_id, "extend", value), 403, 409) == {rule}
    value = {"until": "2027-01-01", "reason": "arrests are due in December"}
    assert scenario.step(query_id, "extend", value).get_json()["until"] == "2027-01-01"
    for member_id in ("nca", "ico"):
        (view,) = scenario.views(member_id, "le_query_extended")
        assert (view["former_until"], view["until"]) == ("2026-12-01", "2027-01-01")
    scenario.clock.advance(days=20)
    assert (scenario.end(), scenario.kinds("a")) == (0, [])
    scenario.clock.advance(days=30)
    assert (scenario.end(), scenario.kinds("a")) == (1, ["le_query_disclosed"])
    assert reasons_of(scenario.step(query_id, "extend", {"until": "2027-03-01", "reason": "more"}), 403, 409) == {
        "not-standing"
    }


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_a_watch_goes_on_for_as_long_as_its_query_and_no_longer(scenario: QueryScenario) -> None:
    token = make_token()
    query_id = scenario.query([token], until="2027-01-10", watch_until="2026-12-01")["query_id"]
    reason, present = "the handler is still at work", "2027-01-10"
    wrong = [
        ({"until": present, "watch_until": "2026-12-01", "reason": reason}, "no-extension"),
        ({"until": present, "watch_until": "2027-01-11", "reason": reason}, "watch-too-late"),
        ({"until": "2027-01-09", "watch_until": "2026-12-20", "reason": reason}, "no-extension"),
        ({"until": present, "watch_until": "2026-12-20", "reason": " "}, "no-reason"),
    ]
    for value, rule in wrong:
        assert reasons_of(scenario.step(query_id, "extend", value), 403, 409) == {rule}
    value = {"until": present, "watch_until": "2026-12-20", "reason": reason}
    assert scenario.step(query_id, "extend", value, as_name="analyst").status_code == 403, "not by the one who asked"
    assert scenario.step(query_id, "extend", value).get_json()["watch_until"] == "2026-12-20"
    both = {"until": "2027-01-20", "watch_until": "2027-01-15", "reason": reason}
    done = scenario.step(query_id, "extend", both).get_json()
    assert (done["until"], done["watch_until"]) == ("2027-01-20", "2027-01-15")
    assert [one["watch_until"] for one in scenario.read(query_id).get_json()["extensions"]] == [
        "2026-12-20",
        "2027-01-15",
    ]
    for member_id in ("nca", "ico"):
        assert [view["watch_until"] for view in scenario.views(member_id, "le_query_extended")] == [
            "2026-12-20",
            "2027-01-15",
        ]
    assert scenario.step(query_id, "end-watch", as_name="analyst").get_json()["watch_until"] is None
    later = {"until": "2027-01-20", "watch_until": "2027-01-18", "reason": reason}
    assert reasons_of(scenario.step(query_id, "extend", later), 403, 409) == {"no-watch"}


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_the_one_who_asked_does_not_extend_his_own_query(scenario: QueryScenario) -> None:
    query_id = scenario.ask([make_token()])
    nca = scenario.agencies["nca"]
    body = scenario.question([make_token()])
    assert nca.send("POST", "/v1/queries", body, as_name="colleague").status_code == 201
    scenario.approve(body["query_id"])
    value = {"until": "2027-03-01", "reason": "more"}
    assert reasons_of(scenario.step(body["query_id"], "extend", value, as_name="colleague"), 403, 409) == {
        "same-person"
    }
    assert reasons_of(scenario.step(query_id, "extend", value), 403, 409) == {"not-standing"}


def test_a_query_that_nobody_approved_lapses_and_tells_no_bank(scenario: QueryScenario) -> None:
    token = make_token()
    assert scenario.banks["a"].submit([token]).status_code == 201
    query_id = scenario.ask([token], until="2026-12-01")
    scenario.clock.advance(days=10)
    assert {"not-pending", "end-passed"} <= reasons_of(scenario.step(query_id, "approve"), 403, 409)
    assert (scenario.end(), scenario.kinds("a")) == (1, [])
    assert scenario.kinds("nca")[-1] == scenario.kinds("ico")[-1] == "le_query_lapsed"


# -- watches


def test_a_watch_tells_the_agency_alone_of_each_new_row_once(scenario: QueryScenario) -> None:
    watched, known = make_token(), make_token()
    assert scenario.banks["a"].submit([known]).status_code == 201
    answered = scenario.query([watched, known], watch_until="2026-12-10", until="2027-01-10")
    assert scenario.watch() == 0, "what was answered is not new"
    assert scenario.banks["b"].submit([watched]).status_code == 201
    assert (scenario.watch(), scenario.watch()) == (1, 0)
    (view,) = scenario.views("nca", "le_watch_matched")
    assert view["hit_ids"] == [scenario.read(answered["query_id"]).get_json()["results"][0]["hit_id"]]
    assert scenario.notices("nca") == ["le_query_asked", "le_watch_matched"]
    assert (scenario.kinds("b"), scenario.notices("b")) == ([], [])
    assert len(scenario.views("ico", "le_watch_matched")) == 1
    assert scenario.banks["a"].submit([watched]).status_code == 201
    assert scenario.watch() == 1
    scenario.clock.advance(days=60)
    assert scenario.end() == 1
    assert {view["told"][0]["tokens"][0] for view in scenario.views("b", "le_query_disclosed")} == {to_base64(watched)}
    assert sorted(token for one in scenario.views("a", "le_query_disclosed")[0]["told"] for token in one["tokens"]) == (
        sorted([to_base64(watched), to_base64(known)])
    )


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_a_watch_ends_with_its_day_or_when_it_is_ended(scenario: QueryScenario) -> None:
    first, second = make_token(), make_token()
    scenario.query([first], watch_until="2026-12-01")
    ended = scenario.query([second], watch_until="2026-12-01")["query_id"]
    assert scenario.step(ended, "end-watch", as_name="analyst").get_json()["watch_until"] is None
    assert reasons_of(scenario.step(ended, "end-watch"), 403, 409) == {"no-watch"}
    assert scenario.banks["a"].submit([second]).status_code == 201
    assert scenario.watch() == 0
    scenario.clock.advance(days=10)
    assert scenario.banks["a"].submit([first]).status_code == 201
    assert scenario.watch() == 0


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_a_watch_of_an_agency_outside_the_group_tells_nothing(scenario: QueryScenario) -> None:
    token = make_token()
    scenario.query([token], watch_until="2026-12-01")
    scenario.taskforce.state_group(("a", "b", "met"))
    assert scenario.banks["a"].submit([token]).status_code == 201
    assert scenario.watch() == 0
    scenario.taskforce.state_group(("a", "b", "nca"))
    assert scenario.watch() == 1, "and what came meanwhile is not missed"


# -- deconfliction


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("silent", "other_silent", "learns", "other_learns"),
    [(False, False, True, True), (True, False, True, False), (False, True, False, True), (True, True, False, False)],
)
def test_agencies_on_one_subject_are_deconflicted_unless_silent(
    scenario: QueryScenario, silent: bool, other_silent: bool, learns: bool, other_learns: bool
) -> None:
    token = make_token()
    first = scenario.query([token, make_token()], silent=silent)
    second = scenario.query([make_token(), token], "met", silent=other_silent)
    assert first["deconfliction"] is False
    assert second["deconfliction"] is other_learns
    seen = scenario.read(first["query_id"]).get_json()
    assert (seen["deconfliction"], second["deconfliction"]) == (learns, other_learns)
    met = {"tokens": [to_base64(token)]}
    assert seen["others"] == ([{"agency": "met", "officer": "met/authoriser", **met}] if learns else [])
    assert second["others"] == ([{"agency": "nca", "officer": "nca/authoriser", **met}] if other_learns else [])
    for member_id, does_learn in (("nca", learns), ("met", other_learns)):
        assert len(scenario.views(member_id, "le_deconfliction")) == does_learn
        assert scenario.notices(member_id).count("le_deconfliction") == does_learn
    (view,) = scenario.views("ico", "le_deconfliction")
    assert [side["agency"] for side in view["queries"]] == ["nca", "met"]
    assert (scenario.kinds("a"), scenario.kinds("b")) == ([], [])


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_a_silent_case_shows_in_nothing_that_the_other_agency_is_answered(scenario: QueryScenario) -> None:
    token = make_token()
    alone = scenario.query([token], "met")
    scenario.query([token], silent=True)
    again = scenario.read(alone["query_id"], "met").get_json()
    assert {**again, "event_id": None} == {**alone, "event_id": None}
    assert "nca" not in str(scenario.views("met"))


@pytest.mark.parametrize("scenario", ["sqlite"], indirect=True)
def test_queries_that_are_over_or_of_one_agency_do_not_meet(scenario: QueryScenario) -> None:
    token = make_token()
    old = scenario.query([token], until="2026-12-01")["query_id"]
    assert scenario.query([token])["deconfliction"] is False
    scenario.clock.advance(days=10)
    (other,) = scenario.query([token], "met", until="2026-12-20")["others"]
    assert (other["agency"], other["officer"]) == ("nca", "nca/authoriser")
    assert scenario.read(old).get_json()["others"] == []
    scenario.clock.advance(days=30)
    assert [query["deconfliction"] for query in _listed(scenario)] == [False, False]


def _listed(scenario: QueryScenario) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scenario.agencies["nca"].send("GET", "/v1/queries").get_json()["queries"]
    return found


def test_a_withdrawals_id_does_not_tell_whether_a_correction_waits(scenario: QueryScenario) -> None:
    """An agency that never acknowledges keeps its correction; the bank that tries the id again must not see it."""
    bank, ids, answers = scenario.banks["a"], (uuid7(), uuid7()), []
    tokens = make_token(), make_token()
    assert bank.submit(tokens).status_code == 201
    scenario.query([tokens[0]])
    for withdrawal_id, token in zip(ids, tokens, strict=True):
        taken = make_withdrawal([token], withdrawal_id=withdrawal_id)
        assert bank.send("POST", "/v1/withdrawals", taken).get_json()["told"] == 0
    assert notify_corrections(scenario.taskforce.database, scenario.clock()) == 1
    scenario.clock.advance(days=366)
    purge_records(scenario.taskforce.database, scenario.clock())
    envelope = {"review_by": "2028-05-01", "expires_on": "2028-11-01"}
    for withdrawal_id in ids:
        token = make_token()
        assert bank.submit([token], envelope=envelope).status_code == 201
        again = make_withdrawal([token], withdrawal_id=withdrawal_id)
        answers.append(bank.send("POST", "/v1/withdrawals", again))
    assert [reasons_of(answer, 403, 409) for answer in answers] == [{"id-used"}, {"id-used"}]
