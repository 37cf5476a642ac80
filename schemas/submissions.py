"""A submission on the wire: parts of up to 20,000 rows, each under the one envelope that all rows share, and what
became of the rows, each named by its index in its part.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from schemas.hits import DisclosedHit
from schemas.terms import (
    CaseType,
    Classification,
    EvidenceStandard,
    Handling,
    IntelligenceAssessment,
    LegalGateway,
    SourceEvaluation,
    SubjectRole,
    Theme,
    TrafficLight,
    WithdrawalReason,
)
from schemas.values.message import Count, Day, Form, Identifier, Message, Time, Uuid, one_of

MAX_ROWS = 20_000
MAX_PARTS = 1_000_000
MAX_REASON = 2000
"""Characters of the reason for which rows are listed again."""
BAD_DAY = "a date YYYY-MM-DD, not in the future, or leave it empty"

_Reason: Any = Literal.__getitem__(tuple(code.value for code in WithdrawalReason))
_Prose = Annotated[str, Form("Text", 2000, least=0, multiline=True)]


class KeptEnvelope(Message, frozen=True, kw_only=True):
    """What of an envelope is kept with its rows: among whom they count and until when, the role that it gives their
    subjects, and how they are marked.
    """

    group: Identifier
    theme: Annotated[str, one_of(Theme)]
    subject_role: Annotated[str, one_of(SubjectRole)]
    handling: Annotated[str, one_of(Handling)]
    conditions: _Prose | None
    classification: Annotated[str, one_of(Classification)]
    tlp: Annotated[str, one_of(TrafficLight)]
    expires_on: Day


class SubmissionEnvelope(KeptEnvelope, frozen=True, kw_only=True):
    """What all rows of a submission share. Unknown fields are refused. An empty legal gateway or purpose is read, and
    refused by the rules, so that the refusal is recorded.
    """

    epoch: Annotated[int, Form("BoundedInteger", 1, 65_535)]
    normalisation: Annotated[str, Form("matching", r"n[0-9]{1,3}\Z")]
    case_type: Annotated[str, one_of(CaseType)]
    red_flags: Annotated[list[Annotated[str, Form("Text", 200)]], Count(None, 50)]
    evidence_standard: Annotated[str, one_of(EvidenceStandard)]
    source_evaluation: Annotated[str, one_of(SourceEvaluation)]
    intelligence_assessment: Annotated[str, one_of(IntelligenceAssessment)]
    legal_gateway: Annotated[str, Form("choice", "", *(code.value for code in LegalGateway))] = ""
    purpose: _Prose = ""
    review_by: Day


class SubmissionHead(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What a request to submit says beside its envelope and its rows."""

    submission_id: Annotated[str, Form("UUID"), Meta(description="version 7, made by the member")]
    part: Annotated[int, Form("BoundedInteger", 0, MAX_PARTS)]
    relist: (
        Annotated[
            str,
            Form("Text", MAX_REASON, least=0, multiline=True),
            Meta(description="why rows that were taken back are listed again; without it they are left out"),
        ]
        | None
    ) = None
    relist_rows: (
        Annotated[
            list[int],
            Count(0, MAX_ROWS),
            Meta(description="the rows, by index, that `relist` is said of; all, if it is absent"),
        ]
        | None
    ) = None
    taken_back: Annotated[
        list[Annotated[tuple[int, _Reason], Form("Raw")]],
        Count(0, MAX_ROWS),
        Meta(
            description="[index of a row, reason (false_positive, cleared, error, court_order)]: rows taken back, maybe"
            " in another epoch; they are left out, and kept out in this epoch too"
        ),
    ] = msgspec.field(default_factory=list)


class SubmittedPart(SubmissionHead, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a submission as its member sends it."""

    envelope: SubmissionEnvelope
    rows: Annotated[
        list[Annotated[list[str | None], Count(4, 4)]],
        Count(1, MAX_ROWS),
        Meta(description="[token (base64, 32 bytes), indicator_type, first_seen | null, last_seen | null]"),
    ]


class LeftOutRow(Message, frozen=True):
    """A row that its member had taken back, and that is not listed again."""

    row: int
    reason: Annotated[str, one_of(WithdrawalReason)]


class RejectedRow(Message, frozen=True):
    """A row that was refused."""

    row: int
    field: str
    reason: str


RECEIPT_DOMAIN = b"exchange-receipt-v1\0"
"""Before the payload of a receipt, in what is signed."""


class SignedReceipt(Message, frozen=True):
    """The exchange's signed receipt: canonical JSON in base64, and an Ed25519 signature."""

    payload: str
    signature: str


class PartResult(Message, frozen=True):
    """What became of the rows of a part, each named by its index."""

    submission_id: Uuid
    part: int
    accepted: int
    duplicates: list[int]
    rejected: list[RejectedRow]
    left_out: list[LeftOutRow]


class SubmissionAnswer(PartResult, frozen=True):
    """What became of the rows of a part, the receipt for it, and the member's hits on them."""

    receipt: SignedReceipt
    hits: list[DisclosedHit]


class PartCounts(Message, frozen=True):
    """What became of the rows of a part as the log and the receipt say it: how many."""

    submission_id: Uuid
    part: int
    accepted: int
    duplicates: int
    rejected: int
    left_out: int


class PartReceipt(PartCounts, frozen=True):
    """What the exchange signs of a part: what it committed, for whom, and when it will be in the log at the latest.
    `entry` is the log's (33 bytes, base64).
    """

    event_id: Uuid
    member_id: Identifier
    entry: str
    committed_at: Time
    maximum_merge_delay_seconds: int


def counts_of(result: PartResult) -> PartCounts:
    """How many of the rows of a part there were of each kind."""
    return PartCounts(
        submission_id=result.submission_id,
        part=result.part,
        accepted=result.accepted,
        duplicates=len(result.duplicates),
        rejected=len(result.rejected),
        left_out=len(result.left_out),
    )
