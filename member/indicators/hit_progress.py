"""How far this member has come with each of its hits: asked, answered, assessed, an outcome recorded.

Read from its own entries of the log, so that it is the same whoever of the member acted, and from which home; what was
done here counts at once, before its entry has its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from member.log.chain import OwnEntry
from member.log.own_entries import read_on
from member.log.verify import LogSource
from member.vault.store import Vault
from schemas.terms import Direction, OutcomeObject, RequestState

_RECORD, _OF_REQUEST, _CURSOR = "hit_progress", "hit_of_request", "hit_progress_cursor"
_STATES = {
    "request_answered": RequestState.ANSWERED,
    "request_lapsed": RequestState.LAPSED,
    "request_cancelled": RequestState.CANCELLED,
}


class HitState(StrEnum):
    """The furthest step taken with a hit."""

    UNTOUCHED = "untouched"
    ASKED = "asked"
    ANSWERED = "answered"
    ASSESSED = "assessed"
    OUTCOME = "outcome"


class Progress(msgspec.Struct, frozen=True):
    """What was done with one hit: own requests about it with their states, the last assessment's decision, and whether
    an outcome was recorded.
    """

    requests: dict[str, str] = {}
    assessed: str | None = None
    outcome: bool = False

    @property
    def state(self) -> HitState:
        """The furthest step."""
        if self.outcome:
            return HitState.OUTCOME
        if self.assessed is not None:
            return HitState.ASSESSED
        if RequestState.ANSWERED in self.requests.values():
            return HitState.ANSWERED
        return HitState.ASKED if self.requests else HitState.UNTOUCHED


@dataclass(frozen=True)
class HitProgress:
    """The progress records of an open vault."""

    vault: Vault

    def of(self, hit_id: str) -> Progress:
        """What was done with a hit."""
        payload = self.vault.get(_RECORD, hit_id.encode())
        return Progress() if payload is None else msgspec.msgpack.decode(payload, type=Progress)

    def catch_up(self, source: LogSource, member_id: str, origin: str) -> None:
        """Take in own entries of the log from where this was done last. Raises LogFault."""
        read_on(self.vault, source, member_id, (_CURSOR, origin.encode()), self._take_in)

    def asked(self, hit_id: str, request_id: str) -> None:
        """A request about a hit was made here."""
        with self.vault.transaction():
            self._ask(hit_id, request_id)

    def assessed(self, hit_id: str, decision: str) -> None:
        """A hit was assessed here."""
        with self.vault.transaction():
            self._change(hit_id, assessed=decision)

    def outcome(self, about: str, object_id: str) -> None:
        """An outcome of a hit or a request was recorded here."""
        with self.vault.transaction():
            self._end(about, object_id)

    def _take_in(self, entry: OwnEntry) -> None:
        view = entry.view or {}
        kind, request_id = view.get("kind"), str(view.get("request_id"))
        if kind == "request_made" and view.get("direction") == Direction.OUTGOING:
            self._ask(str(view.get("hit_id")), request_id)
        elif kind == "assessment" and view.get("hit_id"):
            self._change(str(view["hit_id"]), assessed=str(view.get("decision")))
        elif kind == "outcome" and "representative_id" in view:
            self._end(str(view.get("object")), str(view.get("object_id")))
        elif kind in _STATES:
            self._answer(request_id, _STATES[str(kind)])

    def _ask(self, hit_id: str, request_id: str) -> None:
        known = self.of(hit_id).requests
        if request_id not in known:
            self._change(hit_id, requests={**known, request_id: RequestState.OPEN.value})
        self.vault.put(_OF_REQUEST, request_id.encode(), hit_id.encode())

    def _answer(self, request_id: str, state: RequestState) -> None:
        hit_id = self._hit_of(request_id)
        known: Mapping[str, str] = {} if hit_id is None else self.of(hit_id).requests
        if hit_id is not None and known.get(request_id) != RequestState.ANSWERED:
            self._change(hit_id, requests={**known, request_id: state.value})

    def _end(self, about: str, object_id: str) -> None:
        hit_id = object_id if about == OutcomeObject.HIT else self._hit_of(object_id)
        if hit_id is not None and about != OutcomeObject.QUERY:
            self._change(hit_id, outcome=True)

    def _hit_of(self, request_id: str) -> str | None:
        kept = self.vault.get(_OF_REQUEST, request_id.encode())
        return None if kept is None else kept.decode()

    def _change(self, hit_id: str, **changes: Any) -> None:
        changed = msgspec.structs.replace(self.of(hit_id), **changes)
        self.vault.put(_RECORD, hit_id.encode(), msgspec.msgpack.encode(changed))
