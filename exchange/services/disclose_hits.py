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
from typing import Any

from sqlalchemy.orm import Session

from exchange.domain.authority import Authority
from exchange.domain.matching import Holding, Overlap, group_by_token, see_overlaps
from exchange.log.entries import View
from exchange.services.actor import Actor
from exchange.services.events import record
from exchange.store.hits import KnownHit, add_hits, hits_of_member, last_views, save_views
from exchange.store.indicators import find_rows
from exchange.store.membership import load_authority
from exchange.store.requests import states_by_hit
from schemas.canonical import canonical_json, digest
from schemas.encoding import to_base64
from schemas.hits import hit_to_wire
from schemas.terms import HitStage, RequestState


@dataclass(frozen=True, slots=True)
class HitState:
    """One hit as it may be shown now; `fields` is None if nothing may be shown."""

    known: KnownHit
    fields: dict[str, Any] | None
    view_json: str | None

    @property
    def has_changed(self) -> bool:
        """Whether this differs from what the member was last shown."""
        return self.view_json != self.known.view_json

    def to_wire(self, now: datetime, stage: HitStage = HitStage.HIT) -> dict[str, Any]:
        """The hit for an answer; a hit that has not changed keeps the time at which it was disclosed."""
        disclosed_at = now if self.has_changed or self.known.disclosed_at is None else self.known.disclosed_at
        return hit_to_wire(self.known.hit_id, self.known.token, self.fields or {}, disclosed_at, stage)


def work_out_hits(
    session: Session,
    holdings: Iterable[Holding],
    tokens: Iterable[bytes],
    authority: Authority,
    reader: str | None = None,
) -> list[HitState]:
    """The state of every hit on `tokens` that is no longer as it was last shown, of every member, and of all those of
    the `reader`; `holdings` are all live rows of those tokens.
    """
    by_token = group_by_token(holdings)
    shown = last_views(session, sorted(set(by_token) | set(tokens)))
    missing = [
        (token, member_id)
        for token, rows in by_token.items()
        for member_id in _sharing(rows) - shown.get(token, {}).keys()
    ]
    if missing:
        add_hits(session, missing)
        for token, member_id in missing:
            shown.setdefault(token, {})[member_id] = None
    views, wanted = _Views(authority), _Wanted()
    for token, members in shown.items():
        allowed = views.of(by_token.get(token, ()))
        for member_id, view_json in members.items():
            now_shown = allowed.get(member_id, _NOTHING)
            if now_shown[1] != view_json or member_id == reader:
                wanted.setdefault(member_id, {})[token] = now_shown
    return [
        HitState(hit, *some[hit.token])
        for member_id, some in wanted.items()
        for hit in hits_of_member(session, member_id, list(some))
    ]


_Shown = tuple[dict[str, Any] | None, str | None]
"""What a member may see of a token, and the same as canonical JSON."""
_NOTHING: _Shown = (None, None)
_Wanted = dict[str, dict[bytes, _Shown]]
_Shape = tuple[str, str, str, str, str | None]
"""Group, member, type, theme and month of a row."""
_WAYS_KEPT = 512


class _Views:
    """What the members may see of some tokens. Tokens that the same members hold in the same way show the same: each
    way is worked out once.
    """

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._of_holders: dict[tuple[_Shape, ...], dict[str, _Shown]] = {}
        self._of_overlaps: dict[Overlap, _Shown] = {}

    def of(self, rows: Sequence[Holding]) -> Mapping[str, _Shown]:
        """By member; `rows` are the live rows of one token. A member that may see nothing is not in it."""
        held = tuple([(row[1], row[2], row[3], row[4], row[5] and row[5][:7]) for row in rows])
        found = self._of_holders.get(held)
        if found is None:
            if len(self._of_holders) >= _WAYS_KEPT:
                self._of_holders.clear()
            overlaps = see_overlaps(rows, self._authority)
            found = {member_id: self._shown(overlap) for member_id, overlap in overlaps.items()}
            self._of_holders[held] = found
        return found

    def _shown(self, overlap: Overlap) -> _Shown:
        shown = self._of_overlaps.get(overlap)
        if shown is None:
            fields = overlap.as_fields()
            shown = self._of_overlaps[overlap] = (fields, canonical_json(fields).decode())
        return shown


def _sharing(rows: Sequence[Holding]) -> set[str]:
    """The members that hold a token in a group where another does too."""
    groups: dict[str, set[str]] = {}
    for row in rows:
        groups.setdefault(row.group_id, set()).add(row.member_id)
    return {member_id for inside in groups.values() if len(inside) > 1 for member_id in inside}


def hits_to_wire(session: Session, states: Iterable[HitState], now: datetime) -> list[dict[str, Any]]:
    """One member's hits for an answer, in order of their ids, each with the stage that the member's requests about it
    have reached. The log says that of the requests themselves: a hit's own entries leave it at the first.
    """
    shown = sorted((state for state in states if state.fields is not None), key=lambda state: state.known.hit_id)
    if not shown:
        return []
    requests = states_by_hit(session, shown[0].known.member_id, (state.known.hit_id for state in shown))
    return [state.to_wire(now, _stage_of(requests.get(state.known.hit_id, ()))) for state in shown]


def _stage_of(requests: Container[str]) -> HitStage:
    """By the states of the requests about a hit."""
    if RequestState.ANSWERED in requests:
        return HitStage.RESPONSE
    return HitStage.REQUEST if requests else HitStage.HIT


def view_of_changes(states: Iterable[HitState], now: datetime) -> dict[str, Any]:
    """The part of a log view that tells what a member is newly shown, and which hits have ended."""
    changed = sorted((state for state in states if state.has_changed), key=lambda state: state.known.hit_id)
    return {
        "hits": [state.to_wire(now) for state in changed if state.fields is not None],
        "ended": [state.known.hit_id for state in changed if state.fields is None],
    }


def save_changes(session: Session, states: Iterable[HitState], event_id: str, now: datetime) -> None:
    """Keep what has been shown with `event_id`."""
    changed = [(state.known, state.view_json) for state in states if state.has_changed]
    save_views(session, changed, event_id, now)


def live_holdings(session: Session, tokens: Sequence[bytes], now: datetime) -> list[Holding]:
    """The rows of those tokens whose last day has not passed."""
    today = now.date()
    return [row.holding for row in find_rows(session, tokens) if row.expires_on >= today]


def disclose_to_reader(
    session: Session, actor: Actor, tokens: Sequence[bytes], now: datetime, read: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], str]:
    """The reader's live hits on `tokens`, in order of their ids, and the id of the event that records the
    reading.

    `read` tells in the log what was asked for.
    """
    authority = load_authority(session, now)
    states = work_out_hits(session, live_holdings(session, tokens, now), tokens, authority, actor.member_id)
    own = [state for state in states if state.known.member_id == actor.member_id]
    if any(state.has_changed for state in own):
        view = View(actor.member_id, view_of_changes(own, now))
        save_changes(session, own, record(session, "hits_changed", [view], now).event_id, now)
    hits = hits_to_wire(session, own, now)
    body = {
        **read,
        "representative_id": actor.representative_id,
        "count": len(hits),
        "hits_sha256": to_base64(digest(hits)),
    }
    return hits, record(session, "hits_read", [View(actor.member_id, body)], now).event_id
