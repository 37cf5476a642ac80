"""Proved faults of key holders on the wire; keys/faults reads and judges them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from schemas.statements import StatementEnvelope
from schemas.values.message import Form, Message

MALFORMED, WRONG_PROOF, WRONG_ANSWER = KINDS = ("malformed", "wrong_proof", "wrong_answer")


class SignedExchange(Message, frozen=True):
    """A signed request to a key holder and its signed answer, with the header fields that the signatures cover."""

    url: str
    asked: dict[str, str]
    elements: Annotated[bytes, Form("String"), msgspec.Meta(description="base64 of blinded elements, 32 bytes each")]
    status: int
    answered: dict[str, str]
    body: Annotated[bytes, Form("String"), msgspec.Meta(description="base64 of what the holder answered")]

    def __repr__(self) -> str:
        return f"SignedExchange(url={self.url!r}, status={self.status!r})"


class Evidence(Message, frozen=True):
    """What a holder signed, and no honest one signs: the answer, and for a wrong answer the proved one about the
    weighted sum, and the seed.
    """

    kind: Annotated[str, Form("choice", *KINDS)]
    holder_id: str
    epoch: int
    answer: SignedExchange
    check: SignedExchange | None
    seed: Annotated[bytes, Form("String"), msgspec.Meta(description="base64, 32 bytes")] | None

    def __repr__(self) -> str:
        return f"Evidence(kind={self.kind!r}, holder_id={self.holder_id!r}, epoch={self.epoch!r})"


class FaultReport(Message, frozen=True):
    """Evidence, and the registrars' statements that it is judged by: of its epoch, and of the member that asked."""

    evidence: Evidence
    epoch_statement: StatementEnvelope
    member_statement: StatementEnvelope

    def __repr__(self) -> str:
        return f"FaultReport({self.evidence!r})"


class TakenReport(Message, frozen=True):
    """What became of a report, and which one is stored; `known` if the holder's fault was reported before."""

    report_id: str
    epoch: int
    holder_id: str
    state: Annotated[str, Form("choice", "recorded", "known")]


class HolderFaultsQuery(Message, frozen=True):
    """Where to go on."""

    cursor: Annotated[int, Form("Cursor")] | None = None


class ListedReport(Message, frozen=True):
    """A report that the exchange has verified; whoever reads it verifies it again."""

    report_id: str
    received_at: str
    report: Annotated[msgspec.Raw, FaultReport]


class HolderFaultsPage(Message, frozen=True):
    """One report, which may be some megabytes, or none; `next` is the cursor behind it."""

    reports: list[ListedReport]
    next: str | None
