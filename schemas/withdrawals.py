"""Taking back on the wire: withdrawals, and the corrections that every recipient gets. Unknown fields are
refused.

Rows are named by their tokens or by their submission, never by a value; nothing here is free text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from schemas.terms import CorrectionKind, CorrectionState, WithdrawalReason
from schemas.values.message import (
    Count,
    Digest,
    DigestText,
    Form,
    Message,
    OwnId,
    Time,
    Uuid,
    UuidText,
    one_of,
)

MAX_TOKENS = 1000
"""Of one withdrawal by tokens; a submission is withdrawn whole, however large."""
CORRECTIONS_PAGE = 100
ITEMS_PAGE = 1000
MAX_ITEMS = 999_999_999


class NewWithdrawal(Message, frozen=True):
    """Which of one's own rows are taken back, by tokens or by submission, and why. The client makes the id."""

    withdrawal_id: OwnId
    tokens: Annotated[list[Digest], Count(1, MAX_TOKENS)] | None
    submission_id: OwnId | None
    reason: Annotated[str, one_of(WithdrawalReason)]

    def faults(self) -> Iterator[tuple[str, str]]:
        """Both or neither of tokens and submission, or a token that is given twice."""
        if (self.tokens is None) == (self.submission_id is None):
            yield "tokens", "expected either tokens or a submission_id"
        elif self.tokens is not None and len(set(self.tokens)) != len(self.tokens):
            yield "tokens", "each token once"


class Withdrawn(Message, frozen=True):
    """How many rows were taken back, and how many members known to the withdrawing one are notified: at least so
    many, maybe more.
    """

    withdrawal_id: Uuid
    withdrawn: int
    told: int
    event_id: Uuid


class ListedCorrection(Message, frozen=True):
    """One correction: something disclosed to the member rested on rows that are taken back. `items` counts what."""

    correction_id: Uuid
    reason: Annotated[str, one_of(WithdrawalReason)]
    items: int
    told_at: Time
    due_at: Time
    acknowledged_at: Time | None
    is_overdue: bool


class CorrectionsPage(Message, frozen=True):
    """One page of corrections, and the log's event of this reading."""

    corrections: list[ListedCorrection]
    next: str | None
    event_id: Uuid


class CorrectionsQuery(Message, frozen=True):
    """Which corrections (with `state` open those not acknowledged), and where to go on."""

    state: Annotated[str, one_of(CorrectionState)] | None = None
    cursor: UuidText | None = None
    limit: Annotated[int, Form("QueryInteger", 1, CORRECTIONS_PAGE)] = CORRECTIONS_PAGE


class ConcernedItem(Message, frozen=True):
    """What had been disclosed: by which hit, request or query (`object_id`), about which token."""

    token: DigestText
    kind: Annotated[str, one_of(CorrectionKind)]
    object_id: Uuid


class ReadCorrection(ListedCorrection, frozen=True):
    """One correction with what it concerns, page by page: `next` is how many items to leave out for the next page."""

    concerned: list[ConcernedItem]
    next: int | None
    event_id: Uuid


class CorrectionQuery(Message, frozen=True):
    """Where to go on among the items of a correction."""

    cursor: Annotated[int, Form("QueryInteger", 0, MAX_ITEMS)] = 0


class TakenIn(Message, frozen=True):
    """That a correction was taken in: as many items of it as the member has read, which must be all that there are."""

    items: Annotated[int, Form("BoundedInteger", 1, MAX_ITEMS)]


class CorrectionStatus(Message, frozen=True):
    """How a correction stands after it was acknowledged."""

    correction_id: Uuid
    acknowledged_at: Time
