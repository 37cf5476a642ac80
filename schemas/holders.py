"""What key holders take and give on the wire, evaluations themselves aside: these are plain bytes."""

from __future__ import annotations

from typing import Annotated

import msgspec

from schemas.statements import StatementEnvelope
from schemas.values.message import Form, Message


class EvaluationQuery(Message, frozen=True):
    """What is requested of a key holder: an evaluation."""

    epoch: Annotated[int, Form("Index"), msgspec.Meta(description="The key epoch")]
    quorum: Annotated[
        tuple[int, ...],
        Form(
            "Quorum",
            metadata={"type": "string", "description": "The t holders' indices, with commas between", "example": "1,3"},
        ),
    ]
    proof: Annotated[
        str,
        Form("choice", "yes", "no"),
        msgspec.Meta(description="Whether a proof (RFC 9497, mode 1, 64 bytes) is requested, in Evaluation-Proof"),
    ] = "no"
    batch: Annotated[
        str | msgspec.UnsetType,
        Form("matching", r"[A-Za-z0-9._~-]{1,128}\Z"),
        msgspec.Meta(description="The Idempotency-Key of the batch without proofs that this one element checks"),
    ] = msgspec.UNSET


class EvaluationHeaders(Message, frozen=True):
    """What identifies a request, so that it is charged once."""

    idempotency_key: Annotated[str, Form("String", metadata={"maxLength": 128})] = msgspec.field(name="Idempotency-Key")


class AcceptedQuery(Message, frozen=True):
    """Where to go on in the list of statements."""

    cursor: Annotated[
        int,
        Form("Position", metadata={"type": "integer", "minimum": 0, "description": "`next` of the page before"}),
    ] = 0


class AcceptedStatement(Message, frozen=True):
    """A statement taken in."""

    type: str
    subject: str
    sequence: int
    state: Annotated[str, Form("String", metadata={"enum": ["stored", "known"]})]


class SignedSnapshot(Message, frozen=True, forbid_unknown_fields=True):
    """A holder's word on what is in force: canonical JSON with type, holder_id, root (its version), number, digest,
    issued_at and valid_until, and its signature over `exchange-snapshot-v1`, a zero byte, and the payload.
    """

    payload: Annotated[str, msgspec.Meta(description="Base64")]
    signature: Annotated[str, msgspec.Meta(description="Base64 of 64 bytes, Ed25519, the holder's verify_key")]


class Holder(Message, frozen=True):
    """A key holder in an epoch: `commitment` is its share times the generator, `verify_key` signs its answers."""

    index: int
    holder_id: str
    url: str
    commitment: Annotated[bytes, Form("String"), msgspec.Meta(description="Base64 of 32 bytes")]
    verify_key: Annotated[bytes, Form("String"), msgspec.Meta(description="Base64 of 32 bytes, Ed25519")]


class StatedEpoch(Message, frozen=True):
    """An epoch that the registrars state, with their statement."""

    epoch: int
    state: str
    threshold: int
    public_key: Annotated[bytes, Form("String"), msgspec.Meta(description="Base64 of 32 bytes")]
    normalisation: str
    holders: list[Holder]
    served: Annotated[bool, msgspec.Meta(description="Whether this holder evaluates under it")]
    statement: StatementEnvelope


class EpochsAnswer(Message, frozen=True):
    """The epochs known to a holder."""

    holder_id: str
    epochs: list[StatedEpoch]


class BudgetGrant(Message, frozen=True):
    """A dated extra."""

    evaluations: int
    used: int
    ends_at: str


class StandingBudget(Message, frozen=True):
    """The standing budget of 30 days."""

    evaluations: int
    used: int
    renews_at: str


class BudgetFigures(Message, frozen=True):
    """What a holder still answers: evaluations left, in all, until the standing budget renews."""

    remaining: int
    renews_at: str
    standing: StandingBudget
    grants: list[BudgetGrant]


class BudgetAnswer(BudgetFigures, frozen=True):
    """A member's budget at a holder."""

    member_id: str


class ServiceState(Message, frozen=True):
    """Whether a holder's service is there."""

    state: str
