"""Storing a part of a submission and finding its overlaps, in slices, most parts in one (docs/adr/0046).

In order, in one transaction for each slice:
1. The sharing group's row is locked: matching is serial within a group (docs/adr/0008), so that of two
   members who submit the same token at the same time the later one finds the earlier.
2. A repetition (same Idempotency-Key, same request) gets the same answer, its hits worked out anew; another
   request under the key is refused. One that was stopped between two slices goes on behind the last.
3. The envelope is judged by exchange.submissions.rules under present authority.
4. Rows are stored, those already there left as they are, and what the member took back left out, unless the request
   says why it lists it again (docs/adr/0040); hits are found by joining the slice's tokens.
5. One event is recorded, a view for each affected member; others' views name nobody.
6. After the commit of the last, and only then, the caller signs the receipt and answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from exchange.gateways.rules import RULES, GatewayRules
from exchange.indicators.holders import count_holders
from exchange.kernel import outbox
from exchange.kernel.actor import Actor
from exchange.kernel.decision import RefusalError
from exchange.kernel.idempotency import IdempotentAnswer, find_answer
from exchange.kernel.session import Database
from exchange.log.entries import RecordedEvent, View
from exchange.log.events import record
from exchange.log.refusals import refuse_disclosure
from exchange.membership.authority import Authority
from exchange.membership.store import find_member, load_authority, lock_group, usable_epochs
from exchange.submissions.disclose_hits import (
    CurrentHit,
    disclose_to_reader,
    disclosed_hits,
    save_changes,
    view_of_changes,
    work_out_hits,
)
from exchange.submissions.parts import (
    PartlyStoredError,
    SubmissionRequest,
    claim_part,
    cut,
    is_partly_stored,
    remember_slice,
    sum_up,
)
from exchange.submissions.rules import decide_submission
from exchange.submissions.slices import SLICE_ROWS, end_of_slice, max_holders
from exchange.submissions.store_slice import store_slice, tokens_left_out
from schemas.hits import DisclosedHit
from schemas.submissions import LeftOutRow, PartReceipt, PartResult, counts_of
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64, to_rfc3339


@dataclass(frozen=True, slots=True)
class StoredPart:
    """What to answer once committed: what became of the rows, `receipt` to be signed, live `hits`."""

    result: PartResult
    receipt: PartReceipt
    hits: list[DisclosedHit]
    is_repeated: bool


def submit_indicators(
    database: Database,
    actor: Actor,
    request: SubmissionRequest,
    *,
    now: datetime,
    merge_delay_seconds: int,
    rules: GatewayRules = RULES,
) -> StoredPart:
    """Store the rows and say what overlaps; `rules` are those of the legal gateways.

    Raises RefusalError (recorded in the log), SubmissionConflictError, OtherRequestError, LogUnavailableError; then
    nothing may be disclosed. What earlier slices stored stays: a refusal of the rest is a PartlyStoredError, and after
    a LogUnavailableError the same request goes on behind them.
    """

    tokens = [row[0] for row in request.rows.good]
    with database.reading() as session:
        held = _count_others(session, actor, request, now)
    unread, hits = set(tokens), list[DisclosedHit]()
    submitting = _Submitting(actor, request, held, now, merge_delay_seconds, rules)
    try:
        while (done := _store_next(database, submitting)).answer is None:
            unread -= set(done.tokens)
            hits += done.hits
    except RefusalError as refusal:
        asked = {"asked": "submit", "submission_id": request.submission_id, "part": request.part}
        refuse_disclosure(database, actor, refusal.decision, asked, now)
        with database.reading() as session:
            if is_partly_stored(session, actor, request):
                raise PartlyStoredError(refusal.decision) from refusal
        raise
    unread -= set(done.tokens)
    hits += done.hits
    # Those of slices that another attempt stored, and of the whole part if it was answered before.
    hits += _read_hits(database, submitting, sorted(unread))
    hits.sort(key=attrgetter("hit_id"))
    return StoredPart(done.answer.result, done.answer.receipt, hits, done.is_repeated)


class _AnsweredPart(msgspec.Struct, frozen=True):
    """What is answered of a part, beside its hits: kept for a repetition of the request."""

    result: PartResult
    receipt: PartReceipt


@dataclass(frozen=True, slots=True)
class _Submitting:
    """A request under way; `held` is how many others could hold its tokens, where any did, when it began."""

    actor: Actor
    request: SubmissionRequest
    held: Mapping[bytes, int]
    now: datetime
    merge_delay_seconds: int
    rules: GatewayRules


@dataclass(frozen=True, slots=True)
class _Done:
    """A slice that is stored: its tokens and the member's live hits on them; with the last, what to answer. A part that
    was answered before has nothing but this.
    """

    tokens: Sequence[bytes]
    hits: list[DisclosedHit]
    answer: _AnsweredPart | None
    is_repeated: bool = False


def _count_others(session: Session, actor: Actor, request: SubmissionRequest, now: datetime) -> dict[bytes, int]:
    """How many others can hold each of the tokens that any do, for all that is disclosed to the member."""
    group = request.envelope.group
    inside = load_authority(session, now).groups.get(group, frozenset())
    tokens = [row[0] for row in request.rows.good]
    others = count_holders(session, tokens, group, inside - {actor.member_id}, now.date())
    left_out = tokens_left_out(session, actor, request, list(others))
    return {token: max_holders(count, len(inside)) for token, count in others.items() if token not in left_out}


def _store_next(database: Database, submitting: _Submitting) -> _Done:
    """Store the first slice of the part that is not stored yet."""
    try:
        return database.run_in_transaction(lambda session: _submit(session, submitting))
    except IntegrityError:
        # Another worker stored the same key or slice meanwhile; now it is there to be found.
        return database.run_in_transaction(lambda session: _submit(session, submitting))


def _submit(session: Session, submitting: _Submitting) -> _Done:
    actor, request, now = submitting.actor, submitting.request, submitting.now
    lock_group(session, request.envelope.group)
    answered = find_answer(session, actor.representative_id, request.idempotency_key, request.request_sha256)
    if answered is not None:
        return _Done((), [], msgspec.json.decode(answered.answer, type=_AnsweredPart), is_repeated=True)
    authority = _check(session, actor, request, now, submitting.rules)
    earlier = claim_part(session, actor, request, now)
    part, upto = cut(request, earlier, submitting.held, SLICE_ROWS)
    ways, there, out = store_slice(session, actor, part, now)
    good = part.rows.good
    duplicates = [row[4] for row in good if row[0] in there]
    left_out = [LeftOutRow(row=row[4], reason=out.reasons[row[0]]) for row in good if row[0] in out.reasons]
    tokens = [row[0] for row in good]
    states = work_out_hits(session, ways, tokens if duplicates else (), authority, actor.member_id)
    hits = disclosed_hits(session, (state for state in states if state.known.member_id == actor.member_id), now)
    result = PartResult(
        submission_id=request.submission_id,
        part=request.part,
        accepted=len(good) - len(duplicates) - len(left_out),
        duplicates=sorted([*duplicates, *part.rows.duplicates]),
        left_out=sorted(left_out, key=attrgetter("row")),
        rejected=part.rows.rejected,
    )
    shown = {
        **msgspec.to_builtins(counts_of(result)),
        "slice": len(earlier),
        "relisted": out.relisted,
        "hits": msgspec.to_builtins(hits),
    }
    event = _record(session, actor, part, shown=shown, states=states, now=now)
    if not remember_slice(
        session, request, number=len(earlier), upto=upto, result=result, event_id=event.event_id, now=now
    ):
        return _Done(tokens, hits, None)
    whole = sum_up(result, earlier)
    receipt = PartReceipt(
        **msgspec.structs.asdict(counts_of(whole)),
        event_id=event.event_id,
        member_id=actor.member_id,
        entry=to_base64(event.entries[actor.member_id]),
        committed_at=to_rfc3339(now),
        maximum_merge_delay_seconds=submitting.merge_delay_seconds,
    )
    answer = _AnsweredPart(whole, receipt)
    _remember_answer(session, actor, request, answer, now)
    return _Done(tokens, hits, answer)


def _read_hits(database: Database, submitting: _Submitting, tokens: Sequence[bytes]) -> list[DisclosedHit]:
    """The member's live hits on tokens whose rows are stored, each reading as long as a slice."""
    actor, request, now = submitting.actor, submitting.request, submitting.now
    read = {"submission_id": request.submission_id, "part": request.part}
    hits: list[DisclosedHit] = []
    start = 0
    while start < len(tokens):
        end = end_of_slice(tokens, start, submitting.held, SLICE_ROWS)
        some = tokens[start:end]
        found, _ = database.run_in_transaction(
            lambda session, some=some: disclose_to_reader(session, actor, some, now, read)  # type: ignore[misc]
        )
        hits += found
        start = end
    return hits


def _check(
    session: Session,
    actor: Actor,
    request: SubmissionRequest,
    now: datetime,
    rules: GatewayRules,
) -> Authority:
    """The authority under which the envelope is allowed. Raises RefusalError."""
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
        raise RefusalError(decision)
    return authority


def _record(
    session: Session,
    actor: Actor,
    request: SubmissionRequest,
    *,
    shown: Mapping[str, object],
    states: list[CurrentHit],
    now: datetime,
) -> RecordedEvent:
    """Record the event of a slice, which shows the member `shown`, and the notices of it."""
    by_member: dict[str, list[CurrentHit]] = defaultdict(list)
    for state in states:
        if state.has_changed:
            by_member[state.known.member_id].append(state)
    ended = view_of_changes(by_member.pop(actor.member_id, ()), now)["ended"]
    own_view = {
        **shown,
        "representative_id": actor.representative_id,
        "group": request.envelope.group,
        "legal_gateway": request.envelope.legal_gateway,
        "purpose": request.envelope.purpose,
        "relist": request.relist,
        "envelope_sha256": to_base64(digest(msgspec.to_builtins(request.envelope))),
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
    return event


def _remember_answer(
    session: Session, actor: Actor, request: SubmissionRequest, answer: _AnsweredPart, now: datetime
) -> None:
    """Keep the answer for a repetition of the request."""
    session.add(
        IdempotentAnswer(
            principal=actor.representative_id,
            key=request.idempotency_key,
            request_sha256=request.request_sha256,
            status=201,
            answer=msgspec.json.encode(answer),
            answered_at=now,
        )
    )
    session.flush()
