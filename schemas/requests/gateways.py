"""The legal gateways on the wire: what each takes, as data, so that a client can say what is missing before it asks."""

from __future__ import annotations

from typing import Annotated

import msgspec

from schemas.terms import EvidenceStandard, GatewayCondition, LegalGateway, MemberKind, RequestMode, Theme, Urgency
from schemas.values.message import Identifier, Message, one_of


class ModeCondition(Message, frozen=True):
    """The condition that a request in one mode meets, and has to name."""

    mode: Annotated[str, one_of(RequestMode)]
    condition: Annotated[str, one_of(GatewayCondition)]


class GatewayParties(Message, frozen=True):
    """Who may disclose to whom."""

    disclosers: list[Annotated[str, one_of(MemberKind)]]
    recipients: list[Annotated[str, one_of(MemberKind)]]


class GatewayStatement(Message, frozen=True):
    """A field that must be filled in, and the question that it answers."""

    field: str
    question: str


class GatewayNotice(Message, frozen=True):
    """A notice that must have been given before. `template` has `{placeholders}` that a member fills in at home."""

    field: str
    addressee: str
    within_days: int
    report_days: int
    template: str
    placeholders: list[str]


class GatewayConfirmation(Message, frozen=True):
    """What whoever discloses confirms: one of the codes. `condition` null: whichever is claimed."""

    codes: list[str]
    question: str
    condition: Annotated[str, one_of(GatewayCondition)] | None


class Gateway(Message, frozen=True):
    """One legal gateway: what it takes. A mode without a condition names none. `recipients` are the members to whom
    alone may be disclosed, null for all of the right kind; `onward` goes with all that is.
    """

    code: Annotated[str, one_of(LegalGateway)]
    citation: str
    parties: list[GatewayParties]
    modes: Annotated[list[str], msgspec.Meta(description="modes of requests, and `query`")]
    conditions: list[ModeCondition]
    statements: list[GatewayStatement]
    confirmations: list[GatewayConfirmation]
    recipients: list[Identifier] | None
    onward: list[str]
    prior_notice: GatewayNotice | None
    themes: list[Annotated[str, one_of(Theme)]]
    evidence_standards: list[Annotated[str, one_of(EvidenceStandard)]]


class Gateways(Message, frozen=True):
    """Every legal gateway, and the minutes that each urgency gives a holder."""

    gateways: list[Gateway]
    urgency_minutes: dict[Annotated[str, one_of(Urgency)], int]
