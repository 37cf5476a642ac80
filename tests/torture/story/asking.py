"""The part of a bank that asks the holders behind its hits, and answers what others ask."""

from __future__ import annotations

from typing import Any

from tests.torture.drivers import Driver, refused_for
from tests.torture.journal import Act
from tests.torture.member_process import Ended
from tests.torture.records import LOST, UNEXPECTED

_FIELDS = ("reason", "first_seen", "local_reference")
_QUESTION = (
    *("--legal-gateway", "ECCTA2023_s188", "--fields", ",".join(_FIELDS)),
    *("--purpose", "torture: to decide whether to restrict the account"),
    *("--necessity", "torture: nothing here says where the money came from"),
    *("--proportionality", "torture: one account and three fields"),
)
_HOW = {
    "full": ("answer", "--full"),
    "partial": ("answer", "--partial", "reason"),
    "no_trace": ("answer", "--no-trace"),
    "refused": ("refuse", "--reason", "not_proportionate"),
}
_GONE = frozenset({"row-ended", "hit-ended", "unknown_hit", "unknown-hit"})
"""Why nobody can be asked, or answered, any more: somebody took a row back."""
_NOT_GIVEN_OUT = "it is no longer given out"


class Asking(Driver):
    """A bank that asks."""

    def ask_about(self, hits: list[dict[str, Any]]) -> None:
        """One of the hits, taken at random, unless it was asked about before."""
        before = {act["hit_id"] for act in self._acts("ask")}
        new = [hit["hit_id"] for hit in hits if hit["hit_id"] not in before]
        if new:
            hit_id = self._rng.choice(new)
            self._act("ask", "request", "create", hit_id, *_QUESTION, hit_id=hit_id)

    def asked(self, act: Act, ended: Ended, _: int) -> Act | None:
        """An act of asking has ended."""
        if ended.status == 0 and ended.document is not None:
            self._records.count(requests=1)
            return {"request_id": ended.document["request_id"]}
        if not refused_for(ended) <= _GONE:
            self._is_wrong(act["arguments"][:3], ended)
        return None

    def read_answers(self, most: int) -> None:
        """Of the requests made last."""
        for act in self._acts("ask")[-most:]:
            self.read_answer(act["request_id"])

    def read_answer(self, request_id: str) -> list[tuple[str, str]]:
        """The answers to one request, as (who, how); one whose holder took its row back is not given out any more."""
        ended, _ = self.commands.run("request", "show", request_id)
        error, document = (ended.document or {}).get("error"), ended.document or {}
        if ended.status != 0 and _NOT_GIVEN_OUT not in str(error):
            self._is_wrong(("request", "show"), ended)
            return []
        answers = document["answers"]
        given = [one for one in answers if not one["fault"] and not one["withdrawn"]]
        empty = sum(one["outcome"] == "full" and not one["details"] for one in given)
        self._records.fault(LOST, f"{self.member} was answered in full and reads nothing", empty)
        self._records.count(answers_read=len(answers))
        return sorted((one["institution"] or "", one["outcome"]) for one in answers)

    def check_answers(self, given: dict[str, list[tuple[str, str]]]) -> None:
        """Every request has the answers that were `given`, by its id, no other, and each once."""
        for act in self._acts("ask"):
            found, wanted = self.read_answer(act["request_id"]), sorted(given.get(act["request_id"], []))
            if found != wanted:
                what = f"{self.member} reads the answers {found}, given were {wanted}"
                self._records.fault(LOST if len(found) < len(wanted) else UNEXPECTED, what)


class Answering(Driver):
    """A bank that is asked."""

    def answer_requests(self, most: int) -> int:
        """Some of what waits here, each in a manner taken at random; how many."""
        ended = self._look("request", "list", "--incoming")
        listed = (ended.document or {}).get("requests", ())
        tried = {act["request_id"] for act in self._done if act["do"] == "answer"}
        waiting = [one["request_id"] for one in listed if one["state"] in ("open", "taken_up")]
        chosen = [request_id for request_id in waiting if request_id not in tried][:most]
        for request_id in chosen:
            outcome = self._rng.choice(list(_HOW))
            command, *how = _HOW[outcome]
            arguments = (*self._AS, "request", command, request_id, *how)
            self._act("answer", *arguments, request_id=request_id, outcome=outcome)
        return len(chosen)

    def answered(self, act: Act, ended: Ended, cuts: int) -> Act | None:
        """An act of answering has ended."""
        if ended.status == 0:
            self._records.count(answers=1)
            return {}
        if not refused_for(ended) <= _GONE:
            self._is_wrong(act["arguments"][:4], ended)
        return None

    def answers_given(self) -> dict[str, list[tuple[str, str]]]:
        """By request, the answers of this bank as whoever asked must read them: named only where something is told."""
        return {
            act["request_id"]: [(self.member if act["outcome"] in ("full", "partial") else "", act["outcome"])]
            for act in self._acts("answer")
        }
