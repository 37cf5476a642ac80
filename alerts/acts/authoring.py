"""Drafting an alert, and its review by a peer."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import uuid4

from sqlalchemy.orm import Session

from alerts.acts.acting import cut, find_own, load_issuer, status_of, view_of
from alerts.domain.alert import content_fields
from alerts.domain.rules import decide_content, decide_review
from alerts.rendering.markdown import find_excess, find_forbidden
from alerts.store.alerts import StoredAlert, is_reference_taken, keep_audience, lock_own
from exchange.gateways.rules import GatewayRules
from exchange.kernel.actor import Actor
from exchange.kernel.decision import ALLOWED, Decision, refuse
from exchange.kernel.session import Database
from exchange.log.acting import Request, act_once, require
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.store import find_member
from schemas.alerts.messages import AlertContent, AlertStatus
from schemas.terms import AlertState
from schemas.values.canonical import canonical_json
from schemas.values.identifiers import uuid7

_DRAWS = 8


def draft_alert(
    database: Database, request: Request, content: AlertContent, gateways: GatewayRules
) -> tuple[AlertStatus, int]:
    """Keep a draft; how it stands. Raises as act_once does."""

    def draft(session: Session) -> AlertStatus:
        return status_of(draft_in(session, request, content, gateways))

    return act_once(database, request, {"asked": "alert_draft"}, draft, 201, answer=AlertStatus)


def draft_in(session: Session, request: Request, content: AlertContent, gateways: GatewayRules) -> StoredAlert:
    """Keep a draft, in the caller's transaction. Raises RefusalError, LogUnavailableError."""
    require(decide_draft(session, request.actor.member_id, content, gateways, request.now))
    stored = store_draft(session, request.actor, content, request.now)
    _record(session, "alert_drafted", stored, request)
    return stored


def review_alert(database: Database, request: Request, alert_id: str) -> tuple[AlertStatus, int]:
    """Note that a peer found the draft good; how it stands. Raises as act_once does."""

    def review(session: Session) -> AlertStatus:
        stored = find_own(session, request.actor.member_id, alert_id)
        review_in(session, request, stored)
        return status_of(stored)

    return act_once(database, request, {"asked": "alert_review", "alert_id": alert_id}, review, answer=AlertStatus)


def review_in(session: Session, request: Request, stored: StoredAlert) -> None:
    """Note the review of a locked draft, in the caller's transaction. Raises RefusalError, LogUnavailableError."""
    require(decide_review(AlertState(stored.state), stored.author_id, request.actor.representative_id))
    stored.state, stored.reviewer_id = AlertState.REVIEWED.value, request.actor.representative_id
    stored.modified_at = cut(request.now)
    _record(session, "alert_reviewed", stored, request)


def decide_draft(
    session: Session, member_id: str, content: AlertContent, gateways: GatewayRules, now: datetime
) -> Decision:
    """Whether the member may publish this at present."""
    issuer = load_issuer(session, member_id, gateways, now)
    superseded = find_superseded(session, member_id, content)
    alert = None if superseded is None else superseded.alert
    return decide_content(content, issuer, alert, now.date()) & decide_markdown(content)


def decide_markdown(content: AlertContent) -> Decision:
    """CommonMark without HTML and images, in every field that is Markdown; each fault is reported with its line."""
    decision = ALLOWED
    texts = list(_markdown_of(content))
    excess = find_excess([text for _, text in texts])
    if excess is not None:
        return refuse(excess.rule, texts[0][0], excess.cure)
    for field, text in texts:
        for one in find_forbidden(text):
            decision &= refuse(one.rule, field, f"line {one.line}: {one.cure}")
    return decision


def find_superseded(session: Session, member_id: str, content: AlertContent) -> StoredAlert | None:
    """The member's own alert that the content says it takes the place of, locked until the transaction ends."""
    return lock_own(session, member_id, reference=content.supersedes) if content.supersedes else None


def store_draft(session: Session, actor: Actor, content: AlertContent, now: datetime) -> StoredAlert:
    """A new alert."""
    stored = StoredAlert(
        alert_id=uuid7(),
        stix_id=str(uuid4()),
        reference=draw_reference(session, actor.member_id),
        member_id=actor.member_id,
        issuer=_name_of(session, actor.member_id),
        author_id=actor.representative_id,
        reviewer_id=None,
        releaser_id=None,
        state=AlertState.DRAFT.value,
        version=0,
        audience_id=keep_audience(session, content.audience),
        tlp=content.tlp,
        content_json=canonical_json(content_fields(content)).decode(),
        created_at=cut(now),
        modified_at=cut(now),
        due_at=None,
        published_at=None,
        reason="",
        superseded_by="",
    )
    session.add(stored)
    session.flush()
    return stored


def _name_of(session: Session, member_id: str) -> str:
    member = find_member(session, member_id)
    return member_id if member is None else member.name


def draw_reference(session: Session, member_id: str) -> str:
    """A free reference of that member, drawn at random, so that a gap tells nobody of an alert that it may not read
    (docs/adr/0023). It has four digits until most of these are taken, and the member's id in capitals, so that nobody's
    alert passes for another's (docs/adr/0044).
    """
    for digits in (4, 5, 6):
        for _ in range(_DRAWS):
            reference = f"{secrets.randbelow(10**digits):0{digits}}-{member_id.upper()}"
            if not is_reference_taken(session, reference):
                return reference
    raise RuntimeError("references run out")


def _markdown_of(content: AlertContent) -> list[tuple[str, str]]:
    cases = [(f"case_studies.{number}.text", case.text) for number, case in enumerate(content.case_studies)]
    plain = ("overview", "requested_action", "body")
    return [*((field, getattr(content, field)) for field in plain), *cases]


def _record(session: Session, kind: str, stored: StoredAlert, request: Request) -> None:
    actor = request.actor
    view = {**view_of(stored), "representative_id": actor.representative_id}
    record(session, kind, [View(actor.member_id, view)], request.now, {"signature": actor.signature})
