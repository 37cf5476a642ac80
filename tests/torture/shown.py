"""What one member was told, whether it lived to print it or not: one side of every check."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from member.log.chain import shown_fields
from tests.torture.tap import Note

DISCLOSING = ("full", "partial")


class Act(NamedTuple):
    """Something that the exchange acknowledged: what, about which object, and what else is certain of it."""

    name: str
    object_id: str
    detail: str = ""


class Told(NamedTuple):
    """That a member was told of a token, by which object of which kind, between two moments (seconds)."""

    token: str
    kind: str
    object_id: str
    asked_at: float
    told_at: float


class Submitted(NamedTuple):
    """That a member knew from a moment on that its row with this token is stored; by which submission it came."""

    token: str
    known_at: float
    submission_id: str


@dataclass
class Shown:
    """Everything that one member was told. Tokens and entries are in base64; hits as (id, their other fields)."""

    tokens: set[str] = field(default_factory=set)
    receipts: dict[str, str] = field(default_factory=dict)
    readings: set[str] = field(default_factory=set)
    hits: set[tuple[str, str]] = field(default_factory=set)
    acts: set[Act] = field(default_factory=set)
    """What was acknowledged of requests, queries and withdrawals."""
    told: set[Told] = field(default_factory=set)
    submitted: set[Submitted] = field(default_factory=set)
    asked: dict[str, str] = field(default_factory=dict)
    """The hit that each own request is about."""
    answered: dict[str, float] = field(default_factory=dict)
    """By when each request was answered that was told something."""
    withdrawing: dict[str, float] = field(default_factory=dict)
    """When each withdrawal left first."""
    withdrawn: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The tokens of each withdrawal that named tokens."""
    submissions_withdrawn: dict[str, str] = field(default_factory=dict)
    """The submission of each withdrawal that named one."""

    def take_in(self, notes: Iterable[Note]) -> None:
        """Add what was noted; what is known already changes nothing."""
        for note in notes:
            if "event_id" in note and note["act"] != "submission":
                self.readings.add(note["event_id"])
            _TAKE_IN.get(note["act"], _nothing)(self, note)

    def copy(self) -> Shown:
        """As of now."""
        return Shown(**{name: type(found)(found) for name, found in vars(self).items()})


def fingerprint(hit: Mapping[str, Any]) -> tuple[str, str]:
    """A hit in a state: its id, and what it says."""
    return hit["hit_id"], json.dumps(shown_fields(hit), sort_keys=True)


def _nothing(_: Shown, __: Note) -> None:
    """A reading that tells no more than its event."""


def _hits(shown: Shown, note: Note) -> None:
    shown.hits.update(fingerprint(hit) for hit in note["hits"])
    shown.told.update(Told(hit["token"], "hit", hit["hit_id"], *note["at"]) for hit in note["hits"])


def _submission(shown: Shown, note: Note) -> None:
    shown.tokens.update(note["tokens"])
    shown.receipts[note["event_id"]] = note["entry"]
    came = note["at"][1]
    shown.submitted.update(Submitted(token, came, note["submission_id"]) for token in note["accepted"])
    _hits(shown, note)


def _request(shown: Shown, note: Note) -> None:
    shown.asked[note["object_id"]] = note["hit_id"]
    shown.acts.add(Act("request", note["object_id"]))


def _take_up(shown: Shown, note: Note) -> None:
    shown.told.add(Told(note["token"], "request", note["object_id"], *note["at"]))


def _answer(shown: Shown, note: Note) -> None:
    shown.acts.add(Act("answer", note["object_id"], note["outcome"]))
    if note["outcome"] in DISCLOSING:
        shown.answered[note["object_id"]] = note["at"][1]


def _request_reading(shown: Shown, note: Note) -> None:
    shown.acts.update(Act("answer_read", note["object_id"], f"{holder} {how}") for holder, how in note["answers"])


def _query(shown: Shown, note: Note) -> None:
    shown.acts.add(Act("query", note["object_id"]))


def _query_reading(shown: Shown, note: Note) -> None:
    if note["state"] == "answered":
        shown.acts.add(Act("approval", note["object_id"]))
    shown.told.update(Told(token, "query", note["object_id"], *note["at"]) for token in note["hit_tokens"])


def _withdrawing(shown: Shown, note: Note) -> None:
    left = note["at"][0]
    shown.withdrawing[note["withdrawal_id"]] = min(left, shown.withdrawing.get(note["withdrawal_id"], left))


def _withdrawal(shown: Shown, note: Note) -> None:
    withdrawal_id = note["object_id"]
    shown.acts.add(Act("withdrawal", withdrawal_id, str(note["rows"])))
    if note["tokens"] is None:
        shown.submissions_withdrawn[withdrawal_id] = note["submission_id"]
    else:
        shown.withdrawn[withdrawal_id] = tuple(note["tokens"])


def _acknowledgement(shown: Shown, note: Note) -> None:
    shown.acts.add(Act("acknowledgement", note["object_id"]))


_TAKE_IN = {
    "submission": _submission,
    "hits": _hits,
    "request": _request,
    "take_up": _take_up,
    "answer": _answer,
    "request_reading": _request_reading,
    "query": _query,
    "query_reading": _query_reading,
    "withdrawing": _withdrawing,
    "withdrawal": _withdrawal,
    "acknowledgement": _acknowledgement,
}
