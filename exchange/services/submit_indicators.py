"""Storing a part of a submission and finding its overlaps, in one transaction.

In order:
1. The sharing group's row is locked: matching is serial within a group (docs/adr/0008), so that of two
   members who submit the same token at the same time the later one finds the earlier.
2. A repetition (same Idempotency-Key, same request) gets the same answer, its hits worked out anew; another
   request under the key is refused.
3. The envelope is judged by exchange.domain.submission under present authority.
4. Rows are stored, those already there left as they are, and what the member took back left out, unless the request
   says why it lists it again (docs/adr/0040); hits are found by joining the batch's tokens.
5. One event is recorded, a view for each affected member; others' views name nobody.
6. After the commit, and only then, the caller signs the receipt and answers.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from exchange.domain.authority import Authority
from exchange.domain.decision import RefusedError
from exchange.domain.gateway_rules import RULES, GatewayRules
from exchange.domain.matching import Holding
from exchange.domain.submission import Envelope, decide_submission
from exchange.log.entries import View
from exchange.services.acting import OtherRequestError
from exchange.services.actor import Actor
from exchange.services.disclose_hits import (
    HitState,
    disclose_to_reader,
    hits_to_wire,
    save_changes,
    view_of_changes,
    work_out_hits,
)
from exchange.services.events import record
from exchange.services.move_withdrawn import move_withdrawn, take_expired
from exchange.services.refuse_disclosure import refuse_disclosure
from exchange.store import outbox
from exchange.store.corrections import after_withdrawals, open_withdrawals_of
from exchange.store.idempotency import IdempotentAnswer, find_answer
from exchange.store.indicators import EXPIRED, Batch, find_expired, find_rows, retire_rows, store_rows
from exchange.store.membership import find_member, load_authority, lock_group, usable_epochs
from exchange.store.session import Database
from exchange.store.submissions import ACTIVE, Submission, SubmissionPart, find_part, find_submission
from exchange.store.taken_back import keep_tokens_out, kept_out, let_in
from schemas.canonical import canonical_json, digest
from schemas.encoding import to_base64, to_rfc3339
from schemas.submissions import Rows


class SubmissionConflictError(Exception):
    """The submission id or part is in use for something else."""


@dataclass(frozen=True, slots=True)
class SubmissionRequest:
    """A request whose form has been checked. `relist` is why rows that were taken back are listed again, None if they
    are not; `relist_rows` are the indices of those it is said of, None for all. `request_sha256` covers method, target
    and body.
    """

    submission_id: str
    part: int
    envelope: Envelope
    rows: Rows
    relist: str | None
    relist_rows: frozenset[int] | None
    idempotency_key: str
    request_sha256: bytes


@dataclass(frozen=True, slots=True)
class SubmissionAnswer:
    """What to answer once committed: `fields` of the answer, `receipt` to be signed, live `hits`."""

    fields: dict[str, Any]
    receipt: dict[str, Any]
    hits: list[dict[str, Any]]
    is_repeated: bool


def submit_indicators(
    database: Database,
    actor: Actor,
    request: SubmissionRequest,
    *,
    now: datetime,
    merge_delay_seconds: int,
    rules: GatewayRules = RULES,
) -> SubmissionAnswer:
    """Store the rows and say what overlaps; `rules` are those of the legal gateways.

    Raises RefusedError (recorded in the log), SubmissionConflictError, OtherRequestError,
    LogUnavailableError; then nothing is stored and nothing may be told.
    """

    def work(session: Session) -> SubmissionAnswer:
        return _submit(session, actor, request, now=now, merge_delay_seconds=merge_delay_seconds, rules=rules)

    try:
        try:
            return database.run_in_transaction(work)
        except IntegrityError:
            # Another worker stored the same key or part meanwhile; now it is there to be found.
            return database.run_in_transaction(work)
    except RefusedError as refusal:
        asked = {"asked": "submit", "submission_id": request.submission_id, "part": request.part}
        refuse_disclosure(database, actor, refusal.decision, asked, now)
        raise


def _submit(
    session: Session,
    actor: Actor,
    request: SubmissionRequest,
    *,
    now: datetime,
    merge_delay_seconds: int,
    rules: GatewayRules,
) -> SubmissionAnswer:
    lock_group(session, request.envelope.group)
    answered = find_answer(session, actor.representative_id, request.idempotency_key)
    if answered is not None:
        return _repeat(session, actor, request, answered, now)
    authority = _check(session, actor, request, now, rules)
    _claim_part(session, actor, request, now)
    holdings, there, out = _store(session, actor, request, now)
    duplicates = [row[4] for row in request.rows.good if row[0] in there]
    left_out = [{"row": row[4], "reason": out.reasons[row[0]]} for row in request.rows.good if row[0] in out.reasons]
    tokens = [row[0] for row in request.rows.good]
    states = work_out_hits(session, holdings, tokens if duplicates else (), authority, actor.member_id)
    hits = hits_to_wire(session, (state for state in states if state.known.member_id == actor.member_id), now)
    numbers = sorted([*duplicates, *request.rows.duplicates])
    fields = {
        "submission_id": request.submission_id,
        "part": request.part,
        "accepted": len(request.rows.good) - len(duplicates) - len(left_out),
        "duplicates": numbers,
        "left_out": sorted(left_out, key=itemgetter("row")),
        "rejected": request.rows.rejected,
    }
    receipt = _record(session, actor, request, fields=fields, relisted=out.relisted, hits=hits, states=states, now=now)
    receipt["maximum_merge_delay_seconds"] = merge_delay_seconds
    _remember(session, actor, request, fields=fields, receipt=receipt, now=now)
    return SubmissionAnswer(fields, receipt, hits, is_repeated=False)


def _repeat(
    session: Session, actor: Actor, request: SubmissionRequest, answered: IdempotentAnswer, now: datetime
) -> SubmissionAnswer:
    if answered.request_sha256 != request.request_sha256:
        raise OtherRequestError
    stored = json.loads(answered.answer)
    read = {"submission_id": request.submission_id, "part": request.part}
    tokens = [row[0] for row in request.rows.good]
    hits, _ = disclose_to_reader(session, actor, tokens, now, read)
    return SubmissionAnswer(stored["fields"], stored["receipt"], hits, is_repeated=True)


def _check(
    session: Session,
    actor: Actor,
    request: SubmissionRequest,
    now: datetime,
    rules: GatewayRules,
) -> Authority:
    """The authority under which the envelope is allowed. Raises RefusedError."""
    authority = load_authority(session, now)
    member = find_member(session, actor.member_id)
    decision = decide_submission(
        request.envelope,
        member_id=actor.member_id,
        kind="" if member is None else member.kind,
        authority=authority,
        epochs=usable_epochs(session),
        today=now.date(),
        rules=rules,
        relist=request.relist,
    )
    if not decision.is_allowed:
        raise RefusedError(decision)
    return authority


def _claim_part(session: Session, actor: Actor, request: SubmissionRequest, now: datetime) -> None:
    """Make the submission at its first part. Another member's id looks like one of one's own in another
    use. It begins after what was taken back while it waited for its turn.
    """
    envelope = request.envelope
    envelope_json = canonical_json(envelope.as_fields()).decode()
    known = find_submission(session, request.submission_id)
    if known is None:
        session.add(
            Submission(
                submission_id=request.submission_id,
                member_id=actor.member_id,
                representative_id=actor.representative_id,
                group_id=envelope.group,
                epoch=envelope.epoch,
                theme=envelope.theme,
                expires_on=envelope.expires_on,
                state=ACTIVE,
                envelope_json=envelope_json,
                created_at=after_withdrawals(session, now),
                review_on=envelope.review_by,
            )
        )
        session.flush()
        return
    same = known.member_id == actor.member_id and known.envelope_json == envelope_json and known.state == ACTIVE
    if not same or find_part(session, request.submission_id, request.part) is not None:
        raise SubmissionConflictError


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """Tokens whose rows are left out, with the reason for which each was taken back, and how many rows that were taken
    back are listed again.
    """

    reasons: dict[bytes, str]
    relisted: int


def _store(
    session: Session, actor: Actor, request: SubmissionRequest, now: datetime
) -> tuple[list[Holding], set[bytes], _LeftOut]:
    """All live rows of those tokens that anyone else holds too, the tokens that were there already, and what is left
    out.
    """
    good, envelope, today = request.rows.good, request.envelope, now.date()
    batch = Batch(*([row[column] for row in good] for column in range(4)))  # type: ignore[arg-type]
    rows = find_rows(session, batch.tokens)
    own = [row for row in rows if (row.holding.member_id, row.holding.group_id) == (actor.member_id, envelope.group)]
    passed = [row for row in own if row.expires_on < today and not row.is_withdrawn]
    retire_rows(session, [row.key for row in passed], EXPIRED, now)
    move_withdrawn(session, [(*row.key, row.submission_id) for row in own if row.is_withdrawn], now)
    there = {row.holding.token for row in own if row.expires_on >= today}
    out = _leave_out(session, actor, request, batch.tokens, there)
    absent = there | out.reasons.keys()
    store_rows(
        session, batch.without(absent) if absent else batch, envelope.group, actor.member_id, request.submission_id
    )
    holdings = [row.holding for row in rows if row.expires_on >= today]
    shared = {row.token for row in holdings}
    holdings += [
        Holding(token, envelope.group, actor.member_id, indicator_type, envelope.theme, first_seen)
        for token, indicator_type, first_seen, _last, _index in good
        if token in shared and token not in absent
    ]
    return holdings, there, out


def _leave_out(
    session: Session, actor: Actor, request: SubmissionRequest, tokens: Sequence[bytes], there: set[bytes]
) -> _LeftOut:
    """What the member took back in this epoch, and what it says that it took back in another: that is kept out from now
    on too. What lives is not left out.
    """
    group_id, member_id = request.envelope.group, actor.member_id
    _take_expired(session, actor, request, tokens)
    kept = kept_out(session, tokens, group_id, member_id)
    said = {row[0]: request.rows.taken_back[row[4]] for row in request.rows.good if row[4] in request.rows.taken_back}
    said = {token: reason for token, reason in said.items() if token not in there}
    keep_tokens_out(session, said, group_id, member_id, request.envelope.epoch)
    listed = [token for token in _asked_again(request, kept) if token not in said and token not in there]
    let_in(session, listed, group_id, member_id)
    out = (said | kept).keys() - there - set(listed)
    return _LeftOut({token: kept.get(token) or said[token] for token in out}, len(listed))


def _asked_again(request: SubmissionRequest, kept: Mapping[bytes, str]) -> list[bytes]:
    """Of the tokens that are kept out, those that the request lists again."""
    if request.relist is None:
        return []
    rows = request.relist_rows
    return [row[0] for row in request.rows.good if row[0] in kept and (rows is None or row[4] in rows)]


def _take_expired(session: Session, actor: Actor, request: SubmissionRequest, tokens: Sequence[bytes]) -> None:
    """Take back expired rows of submissions that were taken back and that the worker has not got to: later it would
    keep out what is listed again now.
    """
    if open_withdrawals_of(session, actor.member_id):
        expired = find_expired(session, tokens, actor.member_id)
        take_expired(session, [row for row in expired if row[1] == request.envelope.group])


def _record(
    session: Session,
    actor: Actor,
    request: SubmissionRequest,
    *,
    fields: dict[str, Any],
    relisted: int,
    hits: list[dict[str, Any]],
    states: list[HitState],
    now: datetime,
) -> dict[str, Any]:
    """Record the event and the notices of it; the receipt's payload but for the merge delay."""
    counts = {name: fields[name] for name in ("submission_id", "part", "accepted")}
    counts |= {name: len(fields[name]) for name in ("duplicates", "rejected", "left_out")}
    by_member: dict[str, list[HitState]] = defaultdict(list)
    for state in states:
        if state.has_changed:
            by_member[state.known.member_id].append(state)
    ended = view_of_changes(by_member.pop(actor.member_id, ()), now)["ended"]
    own_view = {
        **counts,
        "representative_id": actor.representative_id,
        "group": request.envelope.group,
        "legal_gateway": request.envelope.legal_gateway,
        "purpose": request.envelope.purpose,
        "relist": request.relist,
        "relisted": relisted,
        "envelope_sha256": to_base64(digest(request.envelope.as_fields())),
        "hits": hits,
        "ended": ended,
    }
    views = [View(actor.member_id, own_view)]
    views += [View(member_id, view_of_changes(changed, now)) for member_id, changed in sorted(by_member.items())]
    # The originator's signature makes the core unguessable: its digest tells the others nothing of who it
    # was.
    core = {"signature": actor.signature, "request_sha256": to_base64(request.request_sha256)}
    event = record(session, "match", views, now, core)
    save_changes(session, states, event.event_id, now)
    outbox.send(session, "match", event.event_id, by_member, now)
    return {
        **counts,
        "event_id": event.event_id,
        "member_id": actor.member_id,
        "entry": to_base64(event.entries[actor.member_id]),
        "committed_at": to_rfc3339(now),
    }


def _remember(
    session: Session,
    actor: Actor,
    request: SubmissionRequest,
    *,
    fields: dict[str, Any],
    receipt: dict[str, Any],
    now: datetime,
) -> None:
    """Keep the part, and the answer for a repetition of the request."""
    session.add(
        SubmissionPart(
            submission_id=request.submission_id,
            part=request.part,
            request_sha256=request.request_sha256,
            event_id=receipt["event_id"],
            accepted=receipt["accepted"],
            duplicates=receipt["duplicates"],
            rejected=receipt["rejected"],
            left_out=receipt["left_out"],
            committed_at=now,
        )
    )
    session.add(
        IdempotentAnswer(
            principal=actor.representative_id,
            key=request.idempotency_key,
            request_sha256=request.request_sha256,
            status=201,
            answer=canonical_json({"fields": fields, "receipt": receipt}),
            answered_at=now,
        )
    )
    session.flush()
