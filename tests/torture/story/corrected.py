"""Whom a withdrawal must reach, worked out from what the members were told and from nothing else.

A row is live for certain from when its member was told that it is stored until it first asked to take it back. Whoever
was told of its token in between, by a hit, by a request or its answer, or by a query, must be told that it is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import NamedTuple

from tests.torture.shown import Shown, Submitted, Told


class Due(NamedTuple):
    """That a withdrawal must tell a member that a token, of which it was told by that object, was taken back."""

    withdrawal_id: str
    member: str
    token: str
    kind: str
    object_id: str


class Lived(NamedTuple):
    """A row that was live for certain between two moments, and was then taken back."""

    member: str
    token: str
    since: float
    until: float
    withdrawal_id: str


class Heard(NamedTuple):
    """That a member was told of a token; `source` is whose row it was alone, None for whoever held it."""

    member: str
    source: str | None
    told: Told


def find_due(shown: Mapping[str, Shown]) -> set[Due]:
    """Every correction that must have been made by now."""
    heard: dict[str, list[Heard]] = defaultdict(list)
    for one in _heard(shown):
        heard[one.told.token].append(one)
    return {
        Due(row.withdrawal_id, one.member, row.token, one.told.kind, one.told.object_id)
        for member, seen in shown.items()
        for row in _lived(member, seen)
        for one in heard[row.token]
        if one.member != member
        and one.source in (None, member)
        and row.since < one.told.asked_at
        and one.told.told_at < row.until
    }


def _lived(member: str, seen: Shown) -> Iterator[Lived]:
    """The member's rows that it took back: by token, or all that one submission had brought."""
    known: dict[str, list[Submitted]] = defaultdict(list)
    brought: dict[str, list[str]] = defaultdict(list)
    for row in sorted(seen.submitted, key=attrgetter("known_at")):
        known[row.token].append(row)
        brought[row.submission_id].append(row.token)
    for withdrawal_id, tokens in seen.withdrawn.items():
        for token in tokens:
            yield from _last_life(member, known[token], withdrawal_id, seen.withdrawing[withdrawal_id])
    for withdrawal_id, submission_id in seen.submissions_withdrawn.items():
        for token in brought[submission_id]:
            rows = [row for row in known[token] if row.submission_id == submission_id]
            yield from _last_life(member, rows, withdrawal_id, seen.withdrawing[withdrawal_id])


def _last_life(member: str, rows: Iterable[Submitted], withdrawal_id: str, until: float) -> Iterator[Lived]:
    """The row that was live last before a withdrawal left."""
    before = [row for row in rows if row.known_at < until]
    if before:
        yield Lived(member, before[-1].token, before[-1].known_at, until, withdrawal_id)


def _heard(shown: Mapping[str, Shown]) -> Iterator[Heard]:
    """Everything that anyone was told: of a request its holders by the requester's row, of its answer the requester by
    the holder's row, of hits and queries by anyone's.
    """
    asker_of = {request_id: member for member, seen in shown.items() for request_id in seen.asked}
    for member, seen in shown.items():
        for told in seen.told:
            if told.kind != "request":
                yield Heard(member, None, told)
                continue
            asker = asker_of.get(told.object_id)
            if asker is None:
                continue
            yield Heard(member, asker, told)
            if told.object_id in seen.answered:
                yield Heard(asker, member, told._replace(kind="response", told_at=seen.answered[told.object_id]))
