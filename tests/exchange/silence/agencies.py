"""What agencies do under cover: every kind of act that no bank may learn of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

from schemas.values.identifiers import uuid7
from tests.alerts.factories import release
from tests.exchange.corrections.taking_back import make_outcome, make_withdrawal
from tests.exchange.queries.scenario import AGENCIES, QueryScenario
from tests.exchange.requests.factories import make_request
from tests.exchange.silence.side import Side

UNTIL, WATCH = timedelta(days=300), timedelta(days=200)
"""Cover outlasts every plan: when it ends, banks are told."""


class Agencies:
    """The agencies of one side, and what they have begun. An act that needs another makes it first."""

    def __init__(self, side: Side, tokens: list[bytes]) -> None:
        self._side, self._scenario, self._tokens = side, side.scenario, tokens
        self.queries: list[tuple[str, str]] = []

    def act(self, name: str, rng: Random) -> None:
        """One of COVERT_ACTS."""
        COVERT_ACTS[name](self, rng)

    def watch_everything(self) -> str:
        """Watches by both, so that from here on nothing happens that no agency watches; the id of one."""
        self._query("nca", self._tokens, watched=True)
        return self._query("met", self._tokens, watched=True)

    def ask(self, rng: Random) -> None:
        """A query that waits for its officer."""
        self._ask(rng.choice(AGENCIES), self._some(rng))

    def refuse(self, rng: Random) -> None:
        """A query that its officer refuses."""
        agency = rng.choice(AGENCIES)
        assert self._scenario.step(self._ask(agency, self._some(rng)), "refuse", agency=agency).status_code == 200

    def query(self, rng: Random) -> None:
        """A query that is answered, and meets those of the other agency."""
        self._query(rng.choice(AGENCIES), self._some(rng))

    def query_silently(self, rng: Random) -> None:
        """A query that the other agency does not learn of."""
        self._query(rng.choice(AGENCIES), self._some(rng), silent=True)

    def watch(self, rng: Random) -> None:
        """A query that goes on watching."""
        self._query(rng.choice(AGENCIES), self._some(rng), watched=True)

    def extend(self, rng: Random) -> None:
        """A later end of a cover."""
        agency, query_id = self._one(rng)
        later = {"until": self._day(UNTIL + timedelta(days=20)), "reason": "it goes on"}
        assert self._scenario.step(query_id, "extend", later, agency=agency).status_code == 200

    def end_watch(self, rng: Random) -> None:
        """The end of a watch."""
        agency = rng.choice(AGENCIES)
        query_id = self._query(agency, self._some(rng), watched=True)
        assert self._scenario.step(query_id, "end-watch", agency=agency).status_code == 200

    def read(self, rng: Random) -> None:
        """A reading under present authority, which tells what came since."""
        agency, query_id = self._one(rng)
        assert self._scenario.read(query_id, agency).status_code == 200

    def acknowledge(self, rng: Random) -> None:
        """What was taken back after an agency was told of it."""
        for agency in AGENCIES:
            office = self._scenario.agencies[agency]
            for one in office.send("GET", "/v1/corrections?state=open").get_json()["corrections"][: rng.choice((1, 9))]:
                target = f"/v1/corrections/{one['correction_id']}/acknowledgement"
                assert office.send("POST", target, {"items": one["items"]}).status_code == 200

    def record_outcome(self, rng: Random) -> None:
        """What came of a covert query."""
        agency, query_id = self._one(rng)
        figures: dict[str, Any] = {"arrests": 2, "usefulness": "useful"}
        outcome = make_outcome("query", query_id, **figures)
        assert self._scenario.agencies[agency].send("POST", "/v1/outcomes", outcome).status_code == 201

    def _one(self, rng: Random) -> tuple[str, str]:
        """A query that stands, and its agency."""
        if not self.queries:
            self._query(rng.choice(AGENCIES), self._some(rng))
        return rng.choice(self.queries)

    def _some(self, rng: Random) -> list[bytes]:
        return rng.sample(self._tokens, rng.randint(1, len(self._tokens)))

    def _query(self, agency: str, tokens: list[bytes], *, watched: bool = False, silent: bool = False) -> str:
        watch_until = self._day(WATCH) if watched else None
        query_id = self._ask(agency, tokens, watch_until=watch_until, silent=silent)
        self._scenario.approve(query_id, agency)
        self.queries.append((agency, query_id))
        return query_id

    def _ask(self, agency: str, tokens: list[bytes], **changes: Any) -> str:
        return self._scenario.ask(tokens, agency, until=self._day(UNTIL), query_id=uuid7(), **changes)

    def _day(self, after: timedelta) -> str:
        return (self._side.clock() + after).date().isoformat()


def act_openly(scenario: QueryScenario, token: bytes) -> None:
    """What shows: an overt query with its outcome, rows of an agency's own that it takes back, an alert and a request
    of bank b's. Bank a holds the token.
    """
    nca, b = scenario.agencies["nca"], scenario.banks["b"]
    query_id = scenario.query([token], covert=False, until=None)["query_id"]
    assert nca.send("POST", "/v1/outcomes", make_outcome("query", query_id, arrests=1)).status_code == 201
    assert nca.submit([token]).status_code == 201
    assert b.submit([token]).status_code == 201
    (hit,) = b.hits()
    assert b.send("POST", "/v1/requests", make_request(hit["hit_id"])).status_code == 201
    assert nca.send("POST", "/v1/withdrawals", make_withdrawal([token])).status_code == 201
    release(b)


COVERT_ACTS: dict[str, Callable[[Agencies, Random], None]] = {
    "agency: ask": Agencies.ask,
    "agency: refuse": Agencies.refuse,
    "agency: query": Agencies.query,
    "agency: query silently": Agencies.query_silently,
    "agency: watch": Agencies.watch,
    "agency: extend": Agencies.extend,
    "agency: end a watch": Agencies.end_watch,
    "agency: read": Agencies.read,
    "agency: acknowledge": Agencies.acknowledge,
    "agency: record an outcome": Agencies.record_outcome,
}
