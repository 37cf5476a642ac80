"""The parts of submissions: each is stored in one slice or in several (docs/adr/0046), in the order of its tokens, so
that what was stopped between two goes on behind the last that is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from operator import attrgetter

import msgspec
from sqlalchemy.orm import Session

from exchange.indicators.submissions import ACTIVE, Submission, SubmissionPart, find_submission, slices_of_part
from exchange.indicators.withdrawals import after_withdrawals
from exchange.kernel.actor import Actor
from exchange.kernel.decision import Decision
from exchange.kernel.problem_error import ProblemError
from exchange.submissions.reading import Rows
from exchange.submissions.slices import end_of_slice
from schemas.problems import Problem
from schemas.submissions import LeftOutRow, PartResult, SubmissionEnvelope, counts_of
from schemas.values.canonical import canonical_json


class SubmissionConflictError(ProblemError):
    """The submission id or part is in use for something else."""

    def __init__(self) -> None:
        detail = "The submission id or part is in use for something else: take a new submission id."
        super().__init__(Problem("submission-conflict", "Submission id in use", 409, detail))


class PartlyStoredError(ProblemError):
    """A rule refuses the rest of a part of which rows are stored and were disclosed."""

    def __init__(self, decision: Decision) -> None:
        title = "A rule refuses the rest of this part; what was stored of it before stays"
        detail = "; ".join(f"{reason.field}: {reason.detail}" for reason in decision.reasons)
        reasons = [reason.as_fields() for reason in decision.reasons]
        super().__init__(Problem("partly-stored", title, 409, detail, {"reasons": reasons}))


@dataclass(frozen=True, slots=True)
class SubmissionRequest:
    """A request whose form has been checked. `relist` is why rows that were taken back are listed again, None if they
    are not; `relist_rows` are the indices of those it is said of, None for all. `request_sha256` covers method, target
    and body.
    """

    submission_id: str
    part: int
    envelope: SubmissionEnvelope
    rows: Rows
    relist: str | None
    relist_rows: frozenset[int] | None
    idempotency_key: str
    request_sha256: bytes


def claim_part(session: Session, actor: Actor, request: SubmissionRequest, now: datetime) -> Sequence[SubmissionPart]:
    """The slices of the part that are stored already. Make the submission at its first part: it begins after what was
    taken back while it waited for its turn. Another member's id looks like one of one's own in another use.

    Raises SubmissionConflictError.
    """
    envelope = request.envelope
    envelope_json = canonical_json(msgspec.to_builtins(envelope)).decode()
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
        return ()
    same = known.member_id == actor.member_id and known.envelope_json == envelope_json and known.state == ACTIVE
    earlier = slices_of_part(session, request.submission_id, request.part)
    if not same or any(one.is_last or one.request_sha256 != request.request_sha256 for one in earlier):
        raise SubmissionConflictError
    return earlier


def is_partly_stored(session: Session, actor: Actor, request: SubmissionRequest) -> bool:
    """Whether the member has rows of the part here. Of another member's submission nothing is said."""
    known = find_submission(session, request.submission_id)
    is_own = known is not None and known.member_id == actor.member_id
    return is_own and bool(slices_of_part(session, request.submission_id, request.part))


def cut(
    request: SubmissionRequest, earlier: Sequence[SubmissionPart], held: Mapping[bytes, int], most: int
) -> tuple[SubmissionRequest, int]:
    """The request with the rows of the slice behind the earlier ones alone, and up to which of its good rows that goes;
    what was wrong with other rows goes with the last slice. `held` and `most` are those of end_of_slice.
    """
    start, good = earlier[-1].upto if earlier else 0, request.rows.good
    upto = end_of_slice([row[0] for row in good], start, held, most)
    if (start, upto) == (0, len(good)):
        return request, upto
    rows = replace(request.rows, good=good[start:upto])
    if upto < len(good):
        rows = replace(rows, rejected=[], duplicates=[])
    return replace(request, rows=rows), upto


class _NotAccepted(msgspec.Struct, frozen=True):
    """The rows of a slice that were not accepted, by index."""

    duplicates: list[int]
    left_out: list[LeftOutRow]


def sum_up(last: PartResult, earlier: Sequence[SubmissionPart]) -> PartResult:
    """What became of the whole part: of the last slice's rows, and of those of the earlier ones."""
    listed = [msgspec.json.decode(one.rows_json or "", type=_NotAccepted) for one in earlier]
    return msgspec.structs.replace(
        last,
        accepted=last.accepted + sum(one.accepted for one in earlier),
        duplicates=sorted(chain(last.duplicates, *(rows.duplicates for rows in listed))),
        left_out=sorted(chain(last.left_out, *(rows.left_out for rows in listed)), key=attrgetter("row")),
    )


def remember_slice(
    session: Session,
    request: SubmissionRequest,
    *,
    number: int,
    upto: int,
    result: PartResult,
    event_id: str,
    now: datetime,
) -> bool:
    """Keep a slice, and the numbers of its rows that were not accepted until the whole part is answered; whether it is
    the last.
    """
    is_last = upto == len(request.rows.good)
    rows, counts = _NotAccepted(result.duplicates, result.left_out), counts_of(result)
    slice_ = SubmissionPart(
        submission_id=request.submission_id,
        part=request.part,
        slice=number,
        request_sha256=request.request_sha256,
        event_id=event_id,
        upto=upto,
        is_last=is_last,
        accepted=counts.accepted,
        duplicates=counts.duplicates,
        rejected=counts.rejected,
        left_out=counts.left_out,
        rows_json=None if is_last else msgspec.json.encode(rows).decode(),
        committed_at=now,
    )
    session.add(slice_)
    return is_last
