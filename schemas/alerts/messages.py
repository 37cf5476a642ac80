"""Alerts on the wire: what an author writes, what readers are shown, and what they say to it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from schemas.terms import (
    AlertColour,
    AlertState,
    Classification,
    LegalGateway,
    MemberKind,
    Theme,
    TrafficLight,
)
from schemas.values.identifiers import REFERENCE
from schemas.values.message import (
    Count,
    Day,
    DayText,
    Flag,
    Form,
    Identifier,
    Message,
    ShortText,
    Time,
    Uuid,
    UuidText,
    one_of,
)

ALERTS_PAGE = 100
MAX_ITEMS = 100
"""Of any list in an alert."""
MAX_TEXT = 200 * 1024
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

Title = Annotated[str, Form("Text", 200)]
LongText = Annotated[str, Form("Prose", MAX_TEXT)]


def _whole(pattern: str, expected: str) -> Form:
    return Form("matching", rf"(?:{pattern})\Z", expected)


class Audience(Message, frozen=True):
    """Whom an alert is addressed to: active members of at least one of the sharing groups that are of one of the kinds;
    no kind means every kind. Of the groups a reader is shown those that it is in.
    """

    # An empty audience is read here and refused by the rules, so that the refusal is recorded.
    groups: Annotated[list[Identifier], Count(0, MAX_ITEMS)]
    kinds: Annotated[list[Annotated[str, one_of(MemberKind)]], Count(0, MAX_ITEMS)]


class CaseStudy(Message, frozen=True):
    """An example of what happened; `text` is Markdown."""

    title: Title
    text: Annotated[str, Form("Prose", MAX_TEXT, least=1)]


class AlertSource(Message, frozen=True):
    """What an alert draws on, and how widely that may be shared: an alert's TLP is at least as strict."""

    reference: Title
    tlp: Annotated[str, one_of(TrafficLight)]


class PublishedAccount(Message, frozen=True):
    """An account that the author chose to name; what only a UK account has is empty else, and `bic` may be."""

    iban: Annotated[str, _whole(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", "expected an IBAN in capitals without blanks")]
    sort_code: Annotated[str, _whole(r"([0-9]{6})?", "expected six digits, or nothing for an account outside the UK")]
    account_number: Annotated[
        str, _whole(r"([0-9]{8})?", "expected eight digits, or nothing for an account outside the UK")
    ]
    bic: Annotated[str, _whole(r"([A-Z0-9]{8}([A-Z0-9]{3})?)?", "expected a BIC of 8 or 11 signs, or nothing")]


class AlertContent(Message, frozen=True):
    """What an author writes. `overview`, the texts of case studies, `requested_action` and `body` are Markdown
    (CommonMark without HTML and images), the rest is plain text. `supersedes` is the reference of the alert that this
    one takes the place of, or empty.
    """

    title: Title
    colour: Annotated[str, one_of(AlertColour)]
    classification: Annotated[str, one_of(Classification)]
    tlp: Annotated[str, one_of(TrafficLight)]
    conditions: ShortText
    theme: Annotated[str, one_of(Theme)]
    audience: Audience
    overview: Annotated[str, Form("Prose", MAX_TEXT, least=1)]
    red_flags: Annotated[list[Annotated[str, Form("Text", 1000)]], Count(0, MAX_ITEMS)]
    case_studies: Annotated[list[CaseStudy], Count(0, MAX_ITEMS)]
    requested_action: LongText
    body: LongText
    legal_gateway: Annotated[str, Form("choice", "", *(code.value for code in LegalGateway))]
    purpose: ShortText
    sources: Annotated[list[AlertSource], Count(0, MAX_ITEMS)]
    accounts: Annotated[list[PublishedAccount], Count(0, MAX_ITEMS)]
    supersedes: Annotated[str, _whole(f"({REFERENCE})?", "expected the reference of an alert, or nothing")]
    review_by: Day
    expires_on: Day


class Release(Message, frozen=True):
    """When to publish: at that time, or now for null."""

    at: Annotated[datetime, Form("Moment"), msgspec.Meta(description="RFC 3339 in UTC; null for now")] | None


class TakingBack(Message, frozen=True):
    """Why an alert is taken back; every recipient reads it."""

    reason: ShortText


class Acknowledgement(Message, frozen=True):
    """What a member says to an alert: read, put to use or not, and what came of it."""

    implemented: Flag
    feedback: Annotated[str, Form("Prose", 20_000)]


class AlertsQuery(Message, frozen=True):
    """Where to go on, in which state, and of which reference."""

    cursor: UuidText | None = None
    limit: Annotated[int, Form("QueryInteger", 1, ALERTS_PAGE)] = ALERTS_PAGE
    state: Annotated[str, one_of(AlertState)] | None = None
    reference: Annotated[str, Form("QueryText", REFERENCE)] | None = None


class AlertStatus(Message, frozen=True):
    """How an alert stands after a step."""

    alert_id: Uuid
    reference: str
    state: Annotated[str, one_of(AlertState)]


class OwnResponse(Message, frozen=True):
    """What the reading member said to an alert, to which version of it last."""

    version: int
    acknowledged_at: Time
    implemented_at: Time | None
    feedback: str


class ListedAlert(AlertStatus, frozen=True):
    """One alert of a list. `member_id` issued it, `issuer` is its name; `acknowledged` says whether the reading member
    did.
    """

    member_id: Identifier
    issuer: str
    version: int
    title: str
    colour: Annotated[str, one_of(AlertColour)]
    classification: Annotated[str, one_of(Classification)]
    tlp: Annotated[str, one_of(TrafficLight)]
    theme: Annotated[str, one_of(Theme)]
    published_at: Time | None
    modified_at: Time
    expires_on: DayText
    acknowledged: bool


class AlertsPage(Message, frozen=True):
    """One page of alerts, and the log's event of this reading."""

    alerts: list[ListedAlert]
    next: str | None
    event_id: Uuid


class Steps(Message, frozen=True):
    """Who of the issuing member did what, and when it is to be published; the issuer alone reads it."""

    author: str
    reviewer: str | None
    releaser: str | None
    publish_at: Time | None


class ShownAlert(AlertStatus, frozen=True):
    """An alert as a member reads it. `content_sha256` (base64) is that of the canonical content without its audience.
    Of a withdrawn alert `content` keeps its handling, codes and dates alone.
    """

    member_id: Identifier
    issuer: str
    version: int
    content: AlertContent
    content_sha256: str
    created_at: Time
    modified_at: Time
    published_at: Time | None
    reason: str
    superseded_by: str
    response: OwnResponse | None
    steps: Steps | None
    event_id: Uuid


class Response(OwnResponse, frozen=True):
    """What one member said to an alert."""

    member_id: Identifier


class Responses(Message, frozen=True):
    """What members said to an alert, by member."""

    responses: list[Response]
    event_id: Uuid
