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


def test_a_bank_learns_what_was_fixed_when_cover_ends(world: QueryScenario) -> None:
    held, other = make_token(), make_token()
    assert world.banks["a"].submit([held]).status_code == 201
    assert world.banks["b"].submit([other]).status_code == 201
    answered = world.query([held, make_token()], until="2026-12-01")
    withheld = world.views("ico", "le_query_approved")[0]["withheld"]
    world.clock.advance(days=9)
    assert (world.end(), world.kinds("a")) == (0, []), "the last day is covered too"
    world.clock.advance(days=1)
    assert (world.end(), world.end()) == (1, 0)
    (told,) = world.views("a", "le_query_disclosed")
    (telling,) = told["told"]
    assert set(telling) == _TOLD
    assert (telling["agency"], telling["legal_gateway"], telling["tokens"]) == ("nca", "CCA2013_s7", [to_base64(held)])
    assert {"a": commitment(telling)} == withheld
    assert "OP-1" not in str(told)
    assert (world.kinds("b"), world.notices("b")) == ([], [])
    assert world.notices("a") == ["le_query_disclosed"]
    (reviewed,) = world.views("ico", "le_query_disclosed")
    assert (reviewed["told"], reviewed["disclosed"]) == (["a"], {"a": [withheld["a"]]})
    assert world.read(answered["query_id"]).get_json()["state"] == "ended"
    assert world.read(answered["query_id"]).get_json()["results"] is None, "its authority has passed"


def test_an_overt_query_is_told_to_the_banks_at_once(world: QueryScenario) -> None:
    token, later = make_token(), make_token()
    assert world.banks["a"].submit([token]).status_code == 201
    query_id = world.query([token, later], covert=False, until=None)["query_id"]
    assert world.kinds("a") == ["le_query_disclosed"]
    assert world.read(query_id).get_json()["until"] == "2027-02-20"
    assert world.kinds("a") == ["le_query_disclosed"], "nothing new was read"
    assert world.banks["a"].submit([later]).status_code == 201
    assert world.read(query_id).get_json()["results"][1]["hit"]
    tellings = [view["told"][0]["tokens"] for view in world.views("a", "le_query_disclosed")]
    assert tellings == [[to_base64(token)], [to_base64(later)]]


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_an_extension_is_logged_with_its_reason_and_keeps_the_cover(world: QueryScenario) -> None:
    token = make_token()
    assert world.banks["a"].submit([token]).status_code == 201
    query_id = world.query([token], until="2026-12-01")["query_id"]
    wrong = [
        ({"until": "2026-12-01", "reason": "more"}, "no-extension"),
        ({"until": "2027-11-23", "reason": "more"}, "end-too-late"),
        ({"until": "2027-01-01", "reason": " "}, "no-reason"),
        ({"until": "2027-01-01", "reason": "a SAR was filed"}, "tipping-off"),
    ]
    for value, rule in wrong:
        assert reasons_of(world.step(query_id, "extend", value), 403, 409) == {rule}
    value = {"until": "2027-01-01", "reason": "arrests are due in December"}
    assert world.step(query_id, "extend", value).get_json()["until"] == "2027-01-01"
    for member_id in ("nca", "ico"):
        (view,) = world.views(member_id, "le_query_extended")
        assert (view["former_until"], view["until"]) == ("2026-12-01", "2027-01-01")
    world.clock.advance(days=20)
    assert (world.end(), world.kinds("a")) == (0, [])
    world.clock.advance(days=30)
    assert (world.end(), world.kinds("a")) == (1, ["le_query_disclosed"])
    assert reasons_of(world.step(query_id, "extend", {"until": "2027-03-01", "reason": "more"}), 403, 409) == {
        "not-standing"
    }


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_a_watch_goes_on_for_as_long_as_its_query_and_no_longer(world: QueryScenario) -> None:
    token = make_token()
    query_id = world.query([token], until="2027-01-10", watch_until="2026-12-01")["query_id"]
    reason, present = "the handler is still at work", "2027-01-10"
    wrong = [
        ({"until": present, "watch_until": "2026-12-01", "reason": reason}, "no-extension"),
        ({"until": present, "watch_until": "2027-01-11", "reason": reason}, "watch-too-late"),
        ({"until": "2027-01-09", "watch_until": "2026-12-20", "reason": reason}, "no-extension"),
        ({"until": present, "watch_until": "2026-12-20", "reason": " "}, "no-reason"),
    ]
    for value, rule in wrong:
        assert reasons_of(world.step(query_id, "extend", value), 403, 409) == {rule}
    value = {"until": present, "watch_until": "2026-12-20", "reason": reason}
    assert world.step(query_id, "extend", value, as_name="analyst").status_code == 403, "not by the one who asked"
    assert world.step(query_id, "extend", value).get_json()["watch_until"] == "2026-12-20"
    both = {"until": "2027-01-20", "watch_until": "2027-01-15", "reason": reason}
    done = world.step(query_id, "extend", both).get_json()
    assert (done["until"], done["watch_until"]) == ("2027-01-20", "2027-01-15")
    assert [one["watch_until"] for one in world.read(query_id).get_json()["extensions"]] == ["2026-12-20", "2027-01-15"]
    for member_id in ("nca", "ico"):
        assert [view["watch_until"] for view in world.views(member_id, "le_query_extended")] == [
            "2026-12-20",
            "2027-01-15",
        ]
    assert world.step(query_id, "end-watch", as_name="analyst").get_json()["watch_until"] is None
    later = {"until": "2027-01-20", "watch_until": "2027-01-18", "reason": reason}
    assert reasons_of(world.step(query_id, "extend", later), 403, 409) == {"no-watch"}


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_the_one_who_asked_does_not_extend_his_own_query(world: QueryScenario) -> None:
    query_id = world.ask([make_token()])
    nca = world.agencies["nca"]
    body = world.question([make_token()])
    assert nca.send("POST", "/v1/queries", body, as_name="colleague").status_code == 201
    world.approve(body["query_id"])
    value = {"until": "2027-03-01", "reason": "more"}
    assert reasons_of(world.step(body["query_id"], "extend", value, as_name="colleague"), 403, 409) == {"same-person"}
    assert reasons_of(world.step(query_id, "extend", value), 403, 409) == {"not-standing"}


def test_a_query_that_nobody_approved_lapses_and_tells_no_bank(world: QueryScenario) -> None:
    token = make_token()
    assert world.banks["a"].submit([token]).status_code == 201
    query_id = world.ask([token], until="2026-12-01")
    world.clock.advance(days=10)
    assert {"not-pending", "end-passed"} <= reasons_of(world.step(query_id, "approve"), 403, 409)
    assert (world.end(), world.kinds("a")) == (1, [])
    assert world.kinds("nca")[-1] == world.kinds("ico")[-1] == "le_query_lapsed"


# -- watches


def test_a_watch_tells_the_agency_alone_of_each_new_row_once(world: QueryScenario) -> None:
    watched, known = make_token(), make_token()
    assert world.banks["a"].submit([known]).status_code == 201
    answered = world.query([watched, known], watch_until="2026-12-10", until="2027-01-10")
    assert world.watch() == 0, "what was answered is not new"
    assert world.banks["b"].submit([watched]).status_code == 201
    assert (world.watch(), world.watch()) == (1, 0)
    (view,) = world.views("nca", "le_watch_matched")
    assert view["hit_ids"] == [world.read(answered["query_id"]).get_json()["results"][0]["hit_id"]]
    assert world.notices("nca") == ["le_query_asked", "le_watch_matched"]
    assert (world.kinds("b"), world.notices("b")) == ([], [])
    assert len(world.views("ico", "le_watch_matched")) == 1
    assert world.banks["a"].submit([watched]).status_code == 201
    assert world.watch() == 1
    world.clock.advance(days=60)
    assert world.end() == 1
    assert {view["told"][0]["tokens"][0] for view in world.views("b", "le_query_disclosed")} == {to_base64(watched)}
    assert sorted(token for one in world.views("a", "le_query_disclosed")[0]["told"] for token in one["tokens"]) == (
        sorted([to_base64(watched), to_base64(known)])
    )


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_a_watch_ends_with_its_day_or_when_it_is_ended(world: QueryScenario) -> None:
    first, second = make_token(), make_token()
    world.query([first], watch_until="2026-12-01")
    ended = world.query([second], watch_until="2026-12-01")["query_id"]
    assert world.step(ended, "end-watch", as_name="analyst").get_json()["watch_until"] is None
    assert reasons_of(world.step(ended, "end-watch"), 403, 409) == {"no-watch"}
    assert world.banks["a"].submit([second]).status_code == 201
    assert world.watch() == 0
    world.clock.advance(days=10)
    assert world.banks["a"].submit([first]).status_code == 201
    assert world.watch() == 0


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_a_watch_of_an_agency_outside_the_group_tells_nothing(world: QueryScenario) -> None:
    token = make_token()
    world.query([token], watch_until="2026-12-01")
    world.taskforce.state_group(("a", "b", "met"))
    assert world.banks["a"].submit([token]).status_code == 201
    assert world.watch() == 0
    world.taskforce.state_group(("a", "b", "nca"))
    assert world.watch() == 1, "and what came meanwhile is not missed"


# -- deconfliction


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("silent", "other_silent", "learns", "other_learns"),
    [(False, False, True, True), (True, False, True, False), (False, True, False, True), (True, True, False, False)],
)
def test_agencies_on_one_subject_are_deconflicted_unless_silent(
    world: QueryScenario, silent: bool, other_silent: bool, learns: bool, other_learns: bool
) -> None:
    token = make_token()
    first = world.query([token, make_token()], silent=silent)
    second = world.query([make_token(), token], "met", silent=other_silent)
    assert first["deconfliction"] is False
    assert second["deconfliction"] is other_learns
    seen = world.read(first["query_id"]).get_json()
    assert (seen["deconfliction"], second["deconfliction"]) == (learns, other_learns)
    met = {"tokens": [to_base64(token)]}
    assert seen["others"] == ([{"agency": "met", "officer": "met/authoriser", **met}] if learns else [])
    assert second["others"] == ([{"agency": "nca", "officer": "nca/authoriser", **met}] if other_learns else [])
    for member_id, does_learn in (("nca", learns), ("met", other_learns)):
        assert len(world.views(member_id, "le_deconfliction")) == does_learn
        assert world.notices(member_id).count("le_deconfliction") == does_learn
    (view,) = world.views("ico", "le_deconfliction")
    assert [side["agency"] for side in view["queries"]] == ["nca", "met"]
    assert (world.kinds("a"), world.kinds("b")) == ([], [])


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_a_silent_case_shows_in_nothing_that_the_other_agency_is_answered(world: QueryScenario) -> None:
    token = make_token()
    alone = world.query([token], "met")
    world.query([token], silent=True)
    again = world.read(alone["query_id"], "met").get_json()
    assert {**again, "event_id": None} == {**alone, "event_id": None}
    assert "nca" not in str(world.views("met"))


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_queries_that_are_over_or_of_one_agency_do_not_meet(world: QueryScenario) -> None:
    token = make_token()
    old = world.query([token], until="2026-12-01")["query_id"]
    assert world.query([token])["deconfliction"] is False
    world.clock.advance(days=10)
    (other,) = world.query([token], "met", until="2026-12-20")["others"]
    assert (other["agency"], other["officer"]) == ("nca", "nca/authoriser")
    assert world.read(old).get_json()["others"] == []
    world.clock.advance(days=30)
    assert [query["deconfliction"] for query in _listed(world)] == [False, False]


def _listed(world: QueryScenario) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.agencies["nca"].send("GET", "/v1/queries").get_json()["queries"]
    return found


def test_a_withdrawals_id_does_not_tell_whether_a_correction_waits(world: QueryScenario) -> None:
    """An agency that never acknowledges keeps its correction; the bank that tries the id again must not see it."""
    bank, ids, answers = world.banks["a"], (uuid7(), uuid7()), []
    tokens = make_token(), make_token()
    assert bank.submit(tokens).status_code == 201
    world.query([tokens[0]])
    for withdrawal_id, token in zip(ids, tokens, strict=True):
        taken = make_withdrawal([token], withdrawal_id=withdrawal_id)
        assert bank.send("POST", "/v1/withdrawals", taken).get_json()["told"] == 0
    assert notify_corrections(world.taskforce.database, world.clock()) == 1
    world.clock.advance(days=366)
    purge_records(world.taskforce.database, world.clock())
    envelope = {"review_by": "2028-05-01", "expires_on": "2028-11-01"}
    for withdrawal_id in ids:
        token = make_token()
        assert bank.submit([token], envelope=envelope).status_code == 201
        again = make_withdrawal([token], withdrawal_id=withdrawal_id)
        answers.append(bank.send("POST", "/v1/withdrawals", again))
    assert [reasons_of(answer, 403, 409) for answer in answers] == [{"id-used"}, {"id-used"}]
