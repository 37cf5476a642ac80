"""Bad input to queries, withdrawals, corrections, outcomes and assessments: refused with the field's or the rule's
name, logged where a rule refused, and nothing half done. Requests have theirs in requests/test_asking.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from exchange.corrections.store import Correction
from exchange.indicators.withdrawals import Withdrawal
from exchange.outcomes.store import Assessment, Outcome
from exchange.queries.store import Query
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.corrections.taking_back import (
    make_assessment,
    make_outcome,
    make_withdrawal,
    plant_correction,
    plant_outcome,
)
from tests.exchange.queries.planting import terms_of
from tests.exchange.queries.scenario import QueryScenario

TOKEN = bytes(32)
BIG = "x" * 10_000_000


@dataclass
class Place:
    """A bank and an agency with everything that the routes are about, and what is another's."""

    scenario: QueryScenario
    hit_id: str
    others_hit: str
    others_submission: str
    query_id: str
    answered_id: str
    correction_id: str
    others_correction: str

    def send(self, path: str, value: dict[str, Any]) -> TestResponse:
        """As whoever has the role for it: agencies ask queries, bank a does the rest."""
        path = path.format(query=self.query_id, answered=self.answered_id, correction=self.correction_id)
        if not path.startswith("/v1/queries"):
            return self.scenario.banks["a"].send("POST", path, value)
        name = "analyst" if path == "/v1/queries" else "authoriser"
        return self.scenario.agencies["nca"].send("POST", path, value, as_name=name)

    def stored(self) -> list[object]:
        """All that any of the routes could have changed."""
        queries = select(Query.query_id, Query.state, Query.ends_on).order_by(Query.query_id)
        acknowledged = select(Correction.correction_id, Correction.acknowledged_at).order_by(Correction.correction_id)
        with self.scenario.taskforce.database.reading() as session:
            counts = [
                session.scalar(select(func.count()).select_from(model)) for model in (Withdrawal, Outcome, Assessment)
            ]
            return [counts, session.execute(queries).all(), session.execute(acknowledged).all()]

    def refusals(self) -> int:
        """How many refusals are in the logs of bank a and of the agency."""
        return sum(len(self.scenario.views(name, "refusal")) for name in ("a", "nca"))


@pytest.fixture
def place(sqlite_scenario: QueryScenario) -> Iterator[Place]:
    scenario, now = sqlite_scenario, sqlite_scenario.taskforce
    submission = scenario.banks["b"].submit([TOKEN]).get_json()["submission_id"]
    assert scenario.banks["a"].submit([TOKEN]).status_code == 201
    (hit,), (others,) = scenario.banks["a"].hits(), scenario.banks["b"].hits()
    yield Place(
        scenario,
        hit["hit_id"],
        others["hit_id"],
        submission,
        scenario.ask([TOKEN]),
        scenario.query([TOKEN])["query_id"],
        plant_correction(now, "a"),
        plant_correction(now, "b"),
    )


Make = Callable[[Place], dict[str, Any]]
ROUTES: dict[str, Make] = {
    "/v1/queries": lambda place: place.scenario.question([TOKEN]),
    "/v1/queries/{query}/approve": lambda place: terms_of(place.scenario.taskforce.database, place.query_id),
    "/v1/queries/{query}/refuse": lambda place: {},
    "/v1/queries/{answered}/extend": lambda place: {
        "until": "2027-03-01",
        "reason": "the trial moved",
        "salt": to_base64(bytes(32)),
    },
    "/v1/queries/{answered}/end-watch": lambda place: {},
    "/v1/withdrawals": lambda place: make_withdrawal([TOKEN]),
    "/v1/corrections/{correction}/acknowledgement": lambda place: {"items": 1},
    "/v1/outcomes": lambda place: make_outcome("hit", place.hit_id, usefulness="useful"),
    "/v1/assessments": lambda place: make_assessment(place.hit_id),
}


def test_ten_megabytes_and_fields_that_nobody_knows_are_refused_everywhere(place: Place) -> None:
    before = place.stored()
    for path, make in ROUTES.items():
        logged = place.refusals()
        long = place.send(path, {**make(place), "note": BIG})
        assert (long.status_code, long.get_json()["detail"]) == (413, "The body has at most 4,194,304 bytes."), path
        assert place.refusals() == logged + 1, path
        unknown = place.send(path, {**make(place), "note": "x"})
        assert (unknown.status_code, set(unknown.get_json()["errors"]["json"])) == (422, {"unknown"}), path
    assert place.stored() == before


MALFORMED: list[tuple[str, str, Any]] = [
    ("/v1/queries", "legal_gateway", "consent\x07"),
    ("/v1/queries", "purpose", "a\x07b"),
    ("/v1/queries", "necessity", "right \u202e to left"),
    ("/v1/queries", "proportionality", "p" * 2001),
    ("/v1/queries", "authorised_by", "nca/\x00"),
    ("/v1/queries", "until", "soon"),
    ("/v1/queries/{query}/approve", "terms_sha256", to_base64(bytes(31))),
    ("/v1/queries/{answered}/extend", "reason", "a\x1b[2Jb"),
    ("/v1/queries/{answered}/extend", "until", None),
    ("/v1/withdrawals", "withdrawal_id", "0"),
    ("/v1/withdrawals", "tokens", ["AA"]),
    (
        "/v1/withdrawals",
        "tokens",
        [to_base64(bytes([high, low, *bytes(30)])) for high in range(4) for low in range(251)],
    ),
    ("/v1/withdrawals", "reason", ""),
    *(("/v1/corrections/{correction}/acknowledgement", "items", wrong) for wrong in (None, 0, "1", 1.0, True, 10**9)),
    ("/v1/outcomes", "outcome_id", "11111111-1111-4111-8111-111111111111"),
    ("/v1/outcomes", "object", "alert"),
    ("/v1/outcomes", "object_id", "one\x00"),
    ("/v1/outcomes", "usefulness", "very"),
    ("/v1/outcomes", "arrests", -1),
    ("/v1/outcomes", "arrests", 1.5),
    ("/v1/outcomes", "arrests", True),
    ("/v1/outcomes", "restrained_gbp", 10**13),
    ("/v1/outcomes", "false_positive", "yes"),
    ("/v1/assessments", "hit_id", ""),
    ("/v1/assessments", "other_sources", 1),
    ("/v1/assessments", "decision", "close it"),
]


def test_what_has_another_form_is_refused_with_the_field(place: Place) -> None:
    before = place.stored()
    for path, field, value in MALFORMED:
        answer = place.send(path, {**ROUTES[path](place), field: value})
        assert answer.status_code == 422, (path, field, answer.text)
        assert set(answer.get_json()["errors"]["json"]) == {field}, (path, field)
    for path, make in ROUTES.items():
        for field in make(place):
            without = {name: value for name, value in make(place).items() if name != field}
            answer = place.send(path, without)
            assert (answer.status_code, set(answer.get_json()["errors"]["json"])) == (422, {field}), (path, field)
    assert place.stored() == before


def test_a_past_end_of_a_query_or_an_extension_names_its_field(place: Place) -> None:
    before, logged = place.stored(), place.refusals()
    for path, changes in (
        ("/v1/queries", {"until": "2026-11-21"}),
        ("/v1/queries", {"watch_until": "2026-11-21"}),
        ("/v1/queries/{answered}/extend", {"until": "2026-11-21"}),
        ("/v1/queries/{answered}/extend", {"reason": " "}),
    ):
        answer = place.send(path, {**ROUTES[path](place), **changes})
        assert answer.status_code == 403, (changes, answer.text)
        assert {reason["field"] for reason in answer.get_json()["reasons"]} == set(changes)
        assert all(reason["detail"] for reason in answer.get_json()["reasons"])
        logged += 1
        assert place.refusals() == logged
    assert place.stored() == before


def test_what_is_anothers_looks_like_what_is_not_there_and_is_logged(place: Place) -> None:
    others_outcome = plant_outcome(place.scenario.taskforce, "b", "c")
    before, logged = place.stored(), place.refusals()
    no_route = place.send("/v1/nothing/of/the/kind", {})
    assert (no_route.status_code, no_route.get_json()["detail"]) == (404, "There is nothing of that id for you.")
    cases: list[tuple[str, Callable[[str], dict[str, Any]], list[str]]] = [
        ("/v1/outcomes", lambda one: make_outcome("hit", one), [place.others_hit, others_outcome]),
        ("/v1/outcomes", lambda one: make_outcome("request", one), [place.hit_id]),
        ("/v1/outcomes", lambda one: make_outcome("query", one), [place.answered_id]),
        ("/v1/assessments", make_assessment, [place.others_hit]),
        ("/v1/withdrawals", lambda one: make_withdrawal(submission_id=one), [place.others_submission]),
    ]
    for path, make, ids in cases:
        nothing = place.send(path, make(uuid7()))
        assert nothing.data == no_route.data, path
        for one in ids:
            answer = place.send(path, make(one))
            assert (answer.status_code, answer.data) == (404, nothing.data), (path, one)
        logged += 1 + len(ids)
        assert place.refusals() == logged, path
    for one in (place.others_correction, uuid7()):
        assert place.send(f"/v1/corrections/{one}/acknowledgement", {"items": 1}).status_code == 404
    assert place.stored() == before


def test_a_row_that_expired_is_found_by_no_query_and_taken_back_once(place: Place) -> None:
    place.scenario.clock.advance(days=400)
    assert place.send("/v1/withdrawals", make_withdrawal([TOKEN])).get_json()["withdrawn"] == 1
    again = place.send("/v1/withdrawals", make_withdrawal([TOKEN]))
    assert [reason["code"] for reason in again.get_json()["reasons"]] == ["no-live-row"]
    found = place.scenario.query([TOKEN], until="2028-02-20")
    assert [result["hit"] for result in found["results"]] == [False]
