"""Registrars' statements on the wire, the exchange's and the key holders': DSSE envelopes, proposals, pages."""

from __future__ import annotations

from typing import Annotated

import msgspec

from schemas.values.message import Count, Form, Message

PAGE = 200
_MAX_SIGNATURES = 64


class EnvelopeSignature(Message, frozen=True, forbid_unknown_fields=True):
    """One registrar's signature."""

    keyid: Annotated[str, msgspec.Meta(description="registrar/<id>")]
    sig: Annotated[str, msgspec.Meta(description="base64, 64 bytes")]


class StatementEnvelope(Message, frozen=True, forbid_unknown_fields=True):
    """A DSSE envelope as it came, nothing of it read; keys.statements.envelopes reads it."""

    payloadType: str  # noqa: N815 - DSSE names it so
    payload: Annotated[str, msgspec.Meta(description="base64 of canonical JSON")]
    signatures: Annotated[list[EnvelopeSignature], Count(None, _MAX_SIGNATURES)]


class StatementAnswer(Message, frozen=True):
    """Where a statement stands after its signatures were added."""

    state: Annotated[str, Form("choice", "collecting", "effective", "superseded")]
    signatures: int
    quorum: int


class Proposal(Message, frozen=True):
    """A draft that still requires signatures."""

    proposal_id: str
    payload: str
    type: str
    subject: str
    signatures: int


class Proposals(Message, frozen=True):
    """All drafts."""

    proposals: list[Proposal]


class StatementsQuery(Message, frozen=True):
    """Where to go on."""

    cursor: Annotated[int, Form("Cursor")] | None = None
    limit: Annotated[int, Form("QueryInteger", 1, PAGE)] = PAGE


class StatementsPage(Message, frozen=True):
    """Statements in the order in which they came into force, or were accepted."""

    statements: list[StatementEnvelope]
    next: str | None
