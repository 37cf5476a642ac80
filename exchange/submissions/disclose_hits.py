"""Working out what members may see of some tokens now, and recording what they had not been shown before.

Rules, in order:
1. What may be shown follows present authority and live rows, never what was shown earlier.
2. What differs from what a member was last shown is recorded in the log, in the same transaction, before it
   is answered; also that nothing is shown any more.
3. Each member's view names nobody else.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy.orm import Session

from exchange.indicators.hits import KnownHit, add_hits, hits_of_member, save_views
from exchange.indicators.holders import Shown, Way, last_shown, ways_of_tokens
from exchange.indicators.matching import Holding, see_overlaps
from exchange.kernel.actor import Actor
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.authority import Authority
from exchange.membership.store import load_authority
from exchange.requests.store import states_by_hit
from schemas.hits import DisclosedHit, Overlap
from schemas.terms import HitStage, RequestState
from schemas.values.canonical import canonical_json, digest
from schemas.values.encoding import to_base64, to_rfc3339


@dataclass(frozen=True, slots=True)
class CurrentHit:
    """One hit as it may be shown now; `overlap` is None if nothing may be shown. `view_json` is its canonical JSON."""

    known: KnownHit
    overlap: Overlap | None
    view_json: str | None

    @property
    def has_changed(self) -> bool:
        """Whether this differs from what the member was last shown."""
        return self.view_json != self.known.view_json

    def disclosed(self, now: datetime, stage: HitStage = HitStage.HIT) -> DisclosedHit | None:
        """The hit for an answer, if it may be shown; one that has not changed keeps the time of its disclosure."""
        if self.overlap is None:
            return None
        disclosed_at = now if self.has_changed or self.known.disclosed_at is None else self.known.disclosed_at
        return DisclosedHit(
            **msgspec.structs.asdict(self.overlap),
            hit_id=self.known.hit_id,
            token=to_base64(self.known.token),
            stage=stage.value,
            disclosed_at=to_rfc3339(disclosed_at),
        )


def work_out_hits(
    session: Session,
    ways: Mapping[bytes, Way],
    tokens: Iterable[bytes],
    authority: Authority,
    reader: str | None = None,
) -> list[CurrentHit]:
    """The state of every hit on `tokens` that is no longer as it was last shown, of every member, and of all those of
    the `reader`; `ways` are those in which tokens are held now.
    """
    shown = last_shown(session, sorted(ways.keys() | set(tokens)))
    news, missing, undisclosed = _UndisclosedHits(authority, reader), [], _Undisclosed()
    for token in sorted(ways.keys() | shown.keys()):
        new = news.of(ways.get(token, ()), shown.get(token, ()))
        missing += [(token, member_id) for member_id in new.missing]
        for member_id, now_shown in new.undisclosed:
            undisclosed.setdefault(member_id, {})[token] = now_shown
    if missing:
        add_hits(session, missing)
    return [
        CurrentHit(hit, *some[hit.token])
        for member_id, some in undisclosed.items()
        for hit in hits_of_member(session, member_id, list(some))
    ]


_NowShown = tuple[Overlap | None, str | None]
"""What a member may see of a token, and the same as canonical JSON."""
_NOTHING: _NowShown = (None, None)
_Undisclosed = dict[str, dict[bytes, _NowShown]]


class _New(NamedTuple):
    """The members that have no hit yet, and what those may see who were last shown something else, or read."""

    missing: list[str]
    undisclosed: list[tuple[str, _NowShown]]


class _UndisclosedHits:
    """What the members of some tokens may see and were not shown. Tokens that the same members hold in the same way,
    and were shown the same of, have the same news: it is worked out once.
    """

    def __init__(self, authority: Authority, reader: str | None) -> None:
        self._authority = authority
        self._reader = reader
        self._found: dict[tuple[Way, Shown], _New] = {}
        self._of_overlaps: dict[bytes, _NowShown] = {}

    def of(self, way: Way, shown: Shown) -> _New:
        """Of a token."""
        found = self._found.get((way, shown))
        if found is None:
            found = self._found[way, shown] = self._work_out(way, dict(shown))
        return found

    def _work_out(self, way: Way, shown: dict[str, str | None]) -> _New:
        allowed = {member_id: self._as_shown(seen) for member_id, seen in see_overlaps(way, self._authority).items()}
        missing = sorted(_sharing(way) - shown.keys())
        undisclosed = [
            (member_id, allowed.get(member_id, _NOTHING))
            for member_id, view_json in (shown | dict.fromkeys(missing)).items()
            if allowed.get(member_id, _NOTHING)[1] != view_json or member_id == self._reader
        ]
        return _New(missing, undisclosed)

    def _as_shown(self, overlap: Overlap) -> _NowShown:
        encoded = msgspec.json.encode(overlap)
        shown = self._of_overlaps.get(encoded)
        if shown is None:
            shown = self._of_overlaps[encoded] = (overlap, canonical_json(msgspec.to_builtins(overlap)).decode())
        return shown


def _sharing(rows: Iterable[Holding]) -> set[str]:
    """The members that hold a token in a group where another does too."""
    groups: dict[str, set[str]] = {}
    for row in rows:
        groups.setdefault(row.group_id, set()).add(row.member_id)
    return {member_id for inside in groups.values() if len(inside) > 1 for member_id in inside}


def disclosed_hits(session: Session, states: Iterable[CurrentHit], now: datetime) -> list[DisclosedHit]:
    """One member's hits for an answer, in order of their ids, each with the stage that the member's requests about it
    have reached. The log says that of the requests themselves: a hit's own entries leave it at the first.
    """
    shown = sorted((state for state in states if state.overlap is not None), key=lambda state: state.known.hit_id)
    if not shown:
        return []
    requests = states_by_hit(session, shown[0].known.member_id, (state.known.hit_id for state in shown))
    stages = [_stage_of(requests.get(state.known.hit_id, ())) for state in shown]
    found = (state.disclosed(now, stage) for state, stage in zip(shown, stages, strict=True))
    return [hit for hit in found if hit is not None]


def _stage_of(requests: Container[str]) -> HitStage:
    """By the states of the requests about a hit."""
    if RequestState.ANSWERED in requests:
        return HitStage.RESPONSE
    return HitStage.REQUEST if requests else HitStage.HIT


def view_of_changes(states: Iterable[CurrentHit], now: datetime) -> dict[str, object]:
    """The part of a log view that tells what a member is newly shown, and which hits have ended."""
    changed = sorted((state for state in states if state.has_changed), key=lambda state: state.known.hit_id)
    hits = [hit for state in changed if (hit := state.disclosed(now)) is not None]
    return {
        "hits": msgspec.to_builtins(hits),
        "ended": [state.known.hit_id for state in changed if state.overlap is None],
    }


def save_changes(session: Session, states: Iterable[CurrentHit], event_id: str, now: datetime) -> None:
    """Keep what has been shown with `event_id`."""
    changed = [(state.known, state.view_json) for state in states if state.has_changed]
    save_views(session, changed, event_id, now)


def disclose_to_reader(
    session: Session, actor: Actor, tokens: Sequence[bytes], now: datetime, read: Mapping[str, object]
) -> tuple[list[DisclosedHit], str]:
    """The reader's live hits on `tokens`, in order of their ids, and the id of the event that records the
    reading.

    `read` tells in the log what was asked for.
    """
    authority = load_authority(session, now)
    states = work_out_hits(session, ways_of_tokens(session, tokens, now.date()), tokens, authority, actor.member_id)
    own = [state for state in states if state.known.member_id == actor.member_id]
    if any(state.has_changed for state in own):
        view = View(actor.member_id, view_of_changes(own, now))
        save_changes(session, own, record(session, "hits_changed", [view], now).event_id, now)
    hits = disclosed_hits(session, own, now)
    body = {
        **read,
        "representative_id": actor.representative_id,
        "count": len(hits),
        "hits_sha256": to_base64(digest(msgspec.to_builtins(hits))),
    }
    return hits, record(session, "hits_read", [View(actor.member_id, body)], now).event_id
