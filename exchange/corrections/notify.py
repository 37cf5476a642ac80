"""Notifying every recipient of a row that it is taken back: the worker's part of a withdrawal.

In order:
1. Rows of withdrawn submissions are moved out of the live tables, in short transactions.
2. For each batch of rows, in one transaction: its recipients (exchange.indicators.withdrawal), a correction for each of
   them, one event with a view for each, a notice for each that has nothing open of this withdrawal yet. A member's view
   says by which hits, requests and queries it learned of them, and which of its hits have ended; nothing of anybody
   else.
3. What was disclosed while that went on (by a transaction that had seen the rows) is reported after it, hits too: a row
   is watched if a member shared it that had not been shown its hit.
Work that was stopped goes on where it stopped; what was reported once is not reported again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial

from sqlalchemy.orm import Session

from exchange.corrections.store import CorrectionUpdate, Disclosure, add_corrections
from exchange.indicators.derived import Derived, DerivedKind, find_derived
from exchange.indicators.hits import KnownHit, find_hits
from exchange.indicators.holders import ways_of_tokens
from exchange.indicators.move_withdrawn import move_withdrawn, take_expired
from exchange.indicators.store import (
    RowKey,
    expired_of_submission,
    find_past_rows,
    find_rows,
    iterate_keys_of_submissions,
)
from exchange.indicators.submissions import arrivals_of, begun_at, last_days
from exchange.indicators.withdrawal import (
    Held,
    LastShown,
    OtherRow,
    TakenBack,
    shared_since,
    was_disclosed_by_hit,
    was_shown_late,
)
from exchange.indicators.withdrawals import (
    Withdrawal,
    WithdrawnRow,
    close_submission,
    find_withdrawal,
    forget_withdrawn,
    late_disclosures,
    list_open_submissions,
    list_watched,
    mark_notified,
    next_unnotified,
)
from exchange.kernel import outbox
from exchange.kernel.chunks import in_chunks
from exchange.kernel.limits import CORRECTION_HOURS
from exchange.kernel.locks import lock_named
from exchange.kernel.session import Database
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.load_past_authority import load_past_authority
from exchange.membership.past_authority import Span
from exchange.membership.store import list_reviewers, load_authority, lock_group
from exchange.outcomes.store import overtake_assessments
from exchange.queries.rules import end_of
from exchange.requests.store import mark_withdrawn
from exchange.submissions.disclose_hits import CurrentHit, save_changes, view_of_changes, work_out_hits
from schemas.terms import CorrectionKind
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64, to_rfc3339

ACKNOWLEDGED_WITHIN = timedelta(hours=CORRECTION_HOURS)
ROWS_MOVED_AT_ONCE = 2000
ROWS_NOTIFIED_AT_ONCE = 500
WATCHED_FOR = timedelta(minutes=10)
"""How long after the telling late disclosures are looked for; no transaction lasts so long."""
_FOR_EVER = datetime.max.replace(tzinfo=UTC)
_COVERT = frozenset({CorrectionKind.QUERY.value, CorrectionKind.WATCH.value})


def notify_corrections(database: Database, now: datetime, within: timedelta = ACKNOWLEDGED_WITHIN) -> int:
    """Tell everyone of everything that was taken back until now; how many corrections were made or added to. A
    correction is to be acknowledged `within` a time.
    """
    _move_submissions(database, now)
    due_at, notified = now + within, 0
    while (made := database.run_in_transaction(lambda session: _notify_batch(session, now, due_at))) is not None:
        notified += made
    notified += database.run_in_transaction(lambda session: _notify_late(session, now, due_at))
    database.run_in_transaction(lambda session: forget_withdrawn(session, now - WATCHED_FOR))
    return notified


def _move_submissions(database: Database, now: datetime) -> None:
    with database.reading() as session:
        waiting = [(row.withdrawal_id, str(row.open_submission_id)) for row in list_open_submissions(session)]
    for withdrawal_id, submission_id in waiting:
        with database.reading() as session:
            keys = list(iterate_keys_of_submissions(session, [submission_id]))
        for some in in_chunks(keys, ROWS_MOVED_AT_ONCE):
            database.run_in_transaction(
                lambda session, some=some, submission_id=submission_id: _move(session, some, submission_id, now)  # type: ignore[misc]
            )
        with database.reading() as session:
            # Only now: the job `expire` may have retired some of the rows since their keys were read.
            expired = expired_of_submission(session, submission_id)
        for expired_rows in in_chunks(expired, ROWS_MOVED_AT_ONCE):
            database.run_in_transaction(partial(_take, rows=expired_rows))
        database.run_in_transaction(
            lambda session, withdrawal_id=withdrawal_id: close_submission(session, withdrawal_id)  # type: ignore[misc]
        )


def _move(session: Session, keys: Sequence[tuple[bytes, str, str]], submission_id: str, now: datetime) -> None:
    """Move those of the rows that are still there and still of the submission: one may have been submitted anew."""
    for group_id in sorted({key[1] for key in keys}):
        lock_group(session, group_id)
    asked_for = frozenset(keys)
    there = find_rows(session, sorted({key[0] for key in keys}), submission_id=submission_id)
    rows = [(*row.key, row.submission_id) for row in there if row.key in asked_for]
    move_withdrawn(session, rows, now)


def _take(session: Session, rows: Sequence[RowKey]) -> None:
    """Take back those of the rows that are kept as expired. Whoever submits them meanwhile did so before or waits."""
    for group_id in sorted({row[1] for row in rows}):
        lock_group(session, group_id)
    take_expired(session, rows)


def _notify_batch(session: Session, now: datetime, due_at: datetime) -> int | None:
    """Tell of one batch of rows; None if there is none."""
    lock_named(session, "corrections")
    rows = next_unnotified(session, ROWS_NOTIFIED_AT_ONCE)
    if not rows:
        return None
    withdrawal = find_withdrawal(session, rows[0].withdrawal_id)
    assert withdrawal is not None  # noqa: S101 - stored with its rows; for the type checker
    disclosed, watched = _disclosed_by_hits(_find_shares(session, withdrawal, rows))
    disclosed |= _disclosed_otherwise(session, _derived_of(session, rows), now)
    made = _notify(session, withdrawal, disclosed, now, due_at)
    mark_notified(session, rows, watched, now)
    return made


def _notify_late(session: Session, now: datetime, due_at: datetime) -> int:
    lock_named(session, "corrections")
    late: dict[str, list[Derived]] = defaultdict(list)
    for withdrawal_id, derived in late_disclosures(session, now - WATCHED_FOR):
        late[withdrawal_id].append(derived)
    watched: dict[str, list[WithdrawnRow]] = defaultdict(list)
    # A row is watched so long after the telling, and a reading may have begun so long before it.
    for row in list_watched(session, now - 2 * WATCHED_FOR):
        watched[row.withdrawal_id].append(row)
    made = 0
    for withdrawal_id in sorted(late.keys() | watched.keys()):
        withdrawal = find_withdrawal(session, withdrawal_id)
        if withdrawal is not None:
            disclosed = _disclosed_otherwise(session, late[withdrawal_id], now)
            for rows in in_chunks(watched[withdrawal_id], ROWS_NOTIFIED_AT_ONCE):
                disclosed |= _disclosed_by_late_hits(session, withdrawal, rows)
            made += _notify(session, withdrawal, disclosed, now, due_at)
    return made


def _derived_of(session: Session, rows: Sequence[WithdrawnRow]) -> list[Derived]:
    return find_derived(session, {(row.token, row.submission_id) for row in rows})


def _disclosed_otherwise(session: Session, derived: Sequence[Derived], now: datetime) -> set[Disclosure]:
    """Who learned of rows by a request, an answer, a query or a watch; the answers are marked as withdrawn."""
    responses = [one for one in derived if one.kind is DerivedKind.RESPONSE]
    # A part is its holder's, who answered the sender, or to whom the sender of an offer disclosed.
    parts = ((one.object_id, holder) for one in responses for holder in (one.source_member_id, one.recipient_member_id))
    mark_withdrawn(session, parts, now)
    return {
        Disclosure(one.recipient_member_id, one.token, one.kind.value, one.object_id)
        for one in derived
        if one.recipient_member_id != one.source_member_id
    }


@dataclass(frozen=True, slots=True)
class _Share:
    """That a member held the token of a withdrawn row with it, in a time in which both could share in its group."""

    source: WithdrawnRow
    row: TakenBack
    member_id: str
    held: list[Held]
    together: list[Span]
    hit: KnownHit | None

    @property
    def last(self) -> LastShown:
        """How the member's hit was last shown to it."""
        hit = self.hit
        if hit is None:
            return LastShown(False, None, None)
        return LastShown(hit.view_json is not None, hit.disclosed_at, hit.event_id)

    def disclosure(self) -> Disclosure:
        """That the member learned of it by its hit, which exists."""
        assert self.hit is not None  # noqa: S101 - it was shown; for the type checker
        return Disclosure(self.member_id, self.source.token, CorrectionKind.HIT.value, self.hit.hit_id)


def _find_shares(session: Session, withdrawal: Withdrawal, rows: Sequence[WithdrawnRow]) -> list[_Share]:
    """Who shared the rows, shown a hit or not."""
    tokens = sorted({row.token for row in rows})
    past = [row for row in find_past_rows(session, tokens) if row[2] != withdrawal.member_id]
    begun = begun_at(session, [*(row[3] for row in past), *(row.submission_id for row in rows)])
    days = last_days(session, {row.submission_id for row in rows})
    arrivals = arrivals_of(session, {row.submission_id for row in rows})
    held: dict[bytes, dict[str, list[Held]]] = defaultdict(lambda: defaultdict(list))
    for token, group_id, member_id, submission_id, until in past:
        held[token][member_id].append(Held(group_id, begun[submission_id], until))
    members = {row[2] for row in past} | {withdrawal.member_id}
    authority = load_past_authority(session, {row.group_id for row in rows}, members)
    together = cache(lambda group_id, member_id: authority.together(group_id, withdrawal.member_id, member_id))
    hits, shares = find_hits(session, tokens), []
    for source in rows:
        ended_at = min(withdrawal.created_at, end_of(days[source.submission_id]))
        events = arrivals.get(source.submission_id, frozenset())
        row = TakenBack(source.group_id, begun[source.submission_id], ended_at, events)
        for member_id, own in held[source.token].items():
            spans = together(row.group_id, member_id)
            if shared_since(row, own, spans) is not None:
                shares.append(_Share(source, row, member_id, own, spans, hits.get((source.token, member_id))))
    return shares


def _disclosed_by_hits(shares: Sequence[_Share]) -> tuple[set[Disclosure], set[tuple[bytes, str]]]:
    """Who was shown a hit that one of the rows was part of; (token, submission) of the rows that some member shared and
    was not shown.
    """
    disclosed, watched = set(), set()
    for one in shares:
        if was_disclosed_by_hit(one.row, one.held, one.last, one.together):
            disclosed.add(one.disclosure())
        else:
            watched.add((one.source.token, one.source.submission_id))
    return disclosed, watched


def _disclosed_by_late_hits(session: Session, withdrawal: Withdrawal, rows: Sequence[WithdrawnRow]) -> set[Disclosure]:
    """Who was shown a hit of one of the rows by a reading in progress when the row's recipients were notified."""
    shares = [one for one in _find_shares(session, withdrawal, rows) if one.hit is not None]
    past = find_past_rows(session, sorted({one.source.token for one in shares}))
    begun, arrivals = begun_at(session, [row[3] for row in past]), arrivals_of(session, [row[3] for row in past])
    authority = load_past_authority(session, {row[1] for row in past}, {row[2] for row in past})
    there: dict[bytes, list[tuple[str, TakenBack]]] = defaultdict(list)
    for token, group_id, holder, name, until in past:
        # A withdrawn row, this one too, ended before its recipients were notified.
        row = TakenBack(group_id, begun[name], until or _FOR_EVER, arrivals.get(name, frozenset()))
        there[token].append((holder, row))
    disclosed = set()
    for one in shares:
        others = [
            OtherRow(row, authority.together(row.group_id, one.member_id, holder))
            for holder, row in there[one.source.token]
            if holder != one.member_id
        ]
        came = {
            event for _, row in there[one.source.token] if row.group_id == one.row.group_id for event in row.arrivals
        }
        told_at = max(one.source.told_at or withdrawal.created_at, withdrawal.created_at)
        if was_shown_late(one.held, one.last, told_at, others, came):
            disclosed.add(one.disclosure())
    return disclosed


def _notify(
    session: Session, withdrawal: Withdrawal, disclosed: set[Disclosure], now: datetime, due_at: datetime
) -> int:
    """Make the corrections, the event and the notices; how many members received something new. What they had
    assessed of the same things is overtaken.
    """
    news = add_corrections(session, withdrawal, disclosed, now, due_at)
    if not news:
        return 0
    overtake_assessments(session, _hits_concerned(session, news), now)
    changed = _changed_hits(session, news, now)
    views = [
        View(member_id, _view_of(new, view_of_changes(changed.get(member_id, ()), now)))
        for member_id, new in sorted(news.items())
    ]
    views += _reviewers_views(session, news)
    event = record(session, "correction", views, now, {"withdrawal_id": withdrawal.withdrawal_id})
    save_changes(session, [state for member_id in news for state in changed.get(member_id, ())], event.event_id, now)
    calling = [member_id for member_id, new in news.items() if new.calls]
    outbox.send(session, "correction", event.event_id, calling, now)
    return len(news)


def _hits_concerned(session: Session, news: Mapping[str, CorrectionUpdate]) -> dict[str, list[str]]:
    """Each member's own hits on what it is notified of, by a hit or otherwise."""
    disclosed = {(one.token, member_id) for member_id, new in news.items() for one in new.items}
    concerned: dict[str, list[str]] = defaultdict(list)
    for key, hit in find_hits(session, {token for token, _ in disclosed}).items():
        if key in disclosed:
            concerned[hit.member_id].append(hit.hit_id)
    return concerned


def _changed_hits(session: Session, news: dict[str, CorrectionUpdate], now: datetime) -> dict[str, list[CurrentHit]]:
    """How each member's hits on the tokens that itself is notified of stand without the rows. Its hits on what others
    alone are notified of are left to their own time: any other news now would show that somebody was notified of them,
    and may be an agency under cover.
    """
    disclosed = {(one.token, member_id) for member_id, new in news.items() for one in new.items}
    listed = sorted({token for token, _ in disclosed})
    states: dict[str, list[CurrentHit]] = defaultdict(list)
    ways = ways_of_tokens(session, listed, now.date())
    for state in work_out_hits(session, ways, listed, load_authority(session, now)):
        if (state.known.token, state.known.member_id) in disclosed:
            states[state.known.member_id].append(state)
    return states


def _view_of(new: CorrectionUpdate, changes: Mapping[str, object]) -> dict[str, object]:
    """What the member's log says: the facts, and a digest of the items with their tokens."""
    correction = new.correction
    items = [[to_base64(one.token), one.kind, one.object_id] for one in new.items]
    return {
        "correction_id": correction.correction_id,
        "reason": correction.reason,
        "due_at": to_rfc3339(correction.due_at),
        "told_by": _objects(new.items),
        "items": len(items),
        "items_sha256": to_base64(digest(items)),
        **changes,
    }


def _objects(items: Iterable[Disclosure]) -> list[dict[str, str]]:
    return [
        {"kind": kind, "object_id": object_id} for kind, object_id in sorted({(i.kind, i.object_id) for i in items})
    ]


def _reviewers_views(session: Session, news: dict[str, CorrectionUpdate]) -> list[View]:
    """What reviewers learn of agencies' corrections, since they see all police work at once."""
    listed = [
        {"recipient": member_id, "correction_id": new.correction.correction_id, "told_by": _objects(covert)}
        for member_id, new in sorted(news.items())
        if (covert := [one for one in new.items if one.kind in _COVERT])
    ]
    reviewers = [member_id for member_id in list_reviewers(session) if member_id not in news] if listed else []
    return [View(member_id, {"agencies_corrections": listed}) for member_id in reviewers]
