"""An agency at work: it asks queries, covert ones and overt ones, some with a watch; its authoriser approves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.torture.drivers import refused_for
from tests.torture.journal import Act
from tests.torture.member_process import Ended
from tests.torture.records import LOST, UNEXPECTED
from tests.torture.story.taking_back import Correcting
from tests.torture.work import SHARED, shared_value

_MOST_VALUES = 6
_SAID = (
    *("--legal-gateway", "CCA2013_s7", "--authorised-by", "authoriser"),
    *("--purpose", "torture: to find who holds the account"),
)
_APPROVED_BEFORE = "not-pending"


class Agency(Correcting):
    """An agency that asks about values which anyone may upload."""

    def _turn(self) -> None:
        asked = self._ask()
        if asked is not None:
            self._act("approve", *self._AS, "query", "approve", asked["query_id"], query_id=asked["query_id"])
        approved = self._acts("approve")
        if approved:
            self._read(self._rng.choice(approved)["query_id"])
        self.acknowledge_corrections()
        self._leaving.wait(self._rng.uniform(0.0, 2.0))

    def _ask(self) -> Act | None:
        chosen = [shared_value(self._seed, self._rng.randrange(SHARED)) for _ in range(_MOST_VALUES)]
        kind = chosen[0][0]
        values = sorted({canonical for each, _, canonical in chosen if each == kind})
        case = f"OP-{len(self._done)}"
        return self._act("query", "query", "--type", kind, *values, "--case", case, *_SAID, *self._manner())

    def _manner(self) -> tuple[str, ...]:
        today = datetime.now(UTC).date()
        last, watched = (today + timedelta(days=days) for days in (60, 30))
        return self._rng.choice(
            [
                ("--until", last.isoformat()),
                ("--until", last.isoformat(), "--watch", watched.isoformat()),
                ("--overt",),
                ("--overt", "--until", last.isoformat(), "--watch", watched.isoformat()),
            ]
        )

    def _read(self, query_id: str) -> None:
        moment = self._truth.moment()
        ended = self._look("query", "show", query_id)
        if ended.document is not None and ended.status == 0:
            self._check_results(ended.document["results"], moment)

    def _ended(self, act: Act, ended: Ended, cuts: int) -> Act | None:
        checks = {"query": self._asked, "approve": self._approved, "acknowledge": self.acknowledged}
        return checks[act["do"]](act, ended, cuts)

    def _asked(self, act: Act, ended: Ended, _: int) -> Act | None:
        if ended.status != 0 or ended.document is None:
            self._is_wrong(act["arguments"], ended)
            return None
        self._records.count(queries=1)
        return {"query_id": ended.document["query_id"]}

    def _approved(self, act: Act, ended: Ended, cuts: int) -> Act | None:
        if cuts and _APPROVED_BEFORE in refused_for(ended):
            self._read(act["query_id"])
        elif ended.status != 0 or ended.document is None:
            self._is_wrong(act["arguments"], ended)
            return None
        self._records.count(approvals=1)
        return {}

    def _check_results(self, results: list[dict[str, Any]], moment: int) -> None:
        """No holder is named that is none. (Whom it must name is checked by finish, when nothing moves any more.)"""
        either = self._truth.taken_back_since(moment)
        for result in results:
            named, value = set(result["institutions"]), result["value"]
            if value not in either and not named <= self._truth.possible_holders(value):
                self._records.fault(UNEXPECTED, f"{self.member} is told of a holder that is none")

    def check_every_query(self) -> None:
        """Each query names exactly those who hold what it is about, now that nothing moves any more."""
        for act in self._acts("approve"):
            ended = self._look("query", "show", act["query_id"])
            for result in (ended.document or {}).get("results", ()):
                holders = self._truth.certain_holders(result["value"])
                if set(result["institutions"]) != holders or result["hit"] != bool(holders):
                    what = f"{self.member} is told of {result['institutions']}, it is held by {sorted(holders)}"
                    self._records.fault(LOST, what)
