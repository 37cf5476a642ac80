"""Alerts, their audiences, and which version was disclosed to which member through which channel."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Index, Integer, PrimaryKeyConstraint, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from alerts.domain.alert import READABLE, Alert
from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.upsert import insert_ignoring
from schemas.alerts.messages import AlertContent, Audience
from schemas.terms import AlertState
from schemas.values.canonical import canonical_json, digest

_WITH_DUE = (AlertState.SCHEDULED, AlertState.PUBLISHED)


class StoredAudience(Base):
    """One audience, however many alerts are addressed to it. Its id is a digest of what it says, and reaches nobody."""

    __tablename__ = "alert_audiences"

    audience_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    groups_json: Mapped[str] = mapped_column(Text)
    kinds_json: Mapped[str] = mapped_column(Text)

    @property
    def audience(self) -> Audience:
        """As a value."""
        return Audience(groups=json.loads(self.groups_json), kinds=json.loads(self.kinds_json))


class StoredAlert(Base):
    """One alert at its present version."""

    __tablename__ = "alerts"
    __table_args__ = (
        UniqueConstraint("reference"),
        UniqueConstraint("stix_id"),
        Index("ix_alerts_member_id_alert_id", "member_id", "alert_id"),
        Index("ix_alerts_audience_id_alert_id", "audience_id", "alert_id"),
        Index("ix_alerts_audience_id_modified_at_alert_id", "audience_id", "modified_at", "alert_id"),
        Index("ix_alerts_state_due_at", "state", "due_at"),
    )

    alert_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    stix_id: Mapped[str] = mapped_column(String(36))
    reference: Mapped[str] = mapped_column(String(72))
    member_id: Mapped[str] = mapped_column(String(64))
    # As the registrars stated it when the alert was drafted.
    issuer: Mapped[str] = mapped_column(String(200))
    author_id: Mapped[str] = mapped_column(String(129))
    reviewer_id: Mapped[str | None] = mapped_column(String(129))
    releaser_id: Mapped[str | None] = mapped_column(String(129))
    state: Mapped[str] = mapped_column(String(20))
    version: Mapped[int] = mapped_column(Integer)
    audience_id: Mapped[str] = mapped_column(String(32))
    tlp: Mapped[str] = mapped_column(String(12))
    content_json: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    modified_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # When the worker has something to do with it: the set time while scheduled, the end of its last day once published.
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Text)
    superseded_by: Mapped[str] = mapped_column(String(72))

    @property
    def alert(self) -> Alert:
        """As a value."""
        return Alert(
            alert_id=self.alert_id,
            stix_id=self.stix_id,
            reference=self.reference,
            member_id=self.member_id,
            issuer=self.issuer,
            state=AlertState(self.state),
            version=self.version,
            content=msgspec.json.decode(self.content_json, type=AlertContent),
            created_at=self.created_at,
            modified_at=self.modified_at,
            published_at=self.published_at,
            reason=self.reason,
            superseded_by=self.superseded_by,
        )


class AlertDisclosure(Base):
    """That a version of an alert was disclosed to a member through a channel (`log`: its own entry of the log,
    `api`, `taxii`, `atom`, `json`, `misp`, `html`, `webhook`, `mail`), and the log's event of that. A second time
    is no new disclosure.
    """

    __tablename__ = "alert_told"
    __table_args__ = (PrimaryKeyConstraint("alert_id", "member_id", "version", "channel"),)

    alert_id: Mapped[str] = mapped_column(String(36))
    member_id: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(Integer)
    channel: Mapped[str] = mapped_column(String(10))
    event_id: Mapped[str] = mapped_column(String(36))
    told_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AlertResponse(Base):
    """What a member said to an alert: acknowledged (and which version of it, last), implemented, feedback."""

    __tablename__ = "alert_responses"
    __table_args__ = (PrimaryKeyConstraint("alert_id", "member_id"),)

    alert_id: Mapped[str] = mapped_column(String(36))
    member_id: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(Integer)
    acknowledged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    implemented_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    feedback: Mapped[str] = mapped_column(Text)


def id_of_audience(audience: Audience) -> str:
    """32 hexadecimal digits, the same for the same audience."""
    return digest(msgspec.to_builtins(audience)).hex()[:32]


def keep_audience(session: Session, audience: Audience) -> str:
    """Store an audience that is not there yet; its id."""
    groups, kinds = (canonical_json(part).decode() for part in (audience.groups, audience.kinds))
    row = {"audience_id": id_of_audience(audience), "groups_json": groups, "kinds_json": kinds}
    insert_ignoring(session, StoredAudience, [row])
    return row["audience_id"]


def list_audiences(session: Session) -> Sequence[StoredAudience]:
    """All audiences; they are few."""
    return session.query(StoredAudience).order_by(StoredAudience.audience_id).all()


def find_alert(session: Session, alert_id: str) -> StoredAlert | None:
    """The alert of that id."""
    return session.get(StoredAlert, alert_id)


def lock_own(
    session: Session, member_id: str, *, alert_id: str | None = None, reference: str | None = None
) -> StoredAlert | None:
    """The alert of that id, or of that reference, if the member issues it, as it stands now; nobody else changes it
    until the transaction ends. Another's is not locked, so that nobody waits for one that it may not know of.
    """
    named = StoredAlert.reference == reference if alert_id is None else StoredAlert.alert_id == alert_id
    own = select(StoredAlert).where(named, StoredAlert.member_id == member_id).with_for_update()
    return session.scalars(own, execution_options={"populate_existing": True}).one_or_none()


def is_reference_taken(session: Session, reference: str) -> bool:
    """Whether an alert has it."""
    return session.scalar(select(StoredAlert.alert_id).where(StoredAlert.reference == reference)) is not None


def page_of_alerts(
    session: Session,
    member_id: str,
    audience_ids: Iterable[str],
    *,
    after: str,
    limit: int,
    state: str | None,
    reference: str | None,
) -> list[StoredAlert]:
    """The member's own alerts, and others' to one of the audiences from their publication on, behind an id, in order.
    Only those in a state, or of a reference, where one is given.

    Each side is read along an index of its own, so that the time it takes tells nothing of alerts in between.
    """
    behind = select(StoredAlert).where(StoredAlert.alert_id > after).order_by(StoredAlert.alert_id).limit(limit)
    behind = behind if state is None else behind.where(StoredAlert.state == state)
    behind = behind if reference is None else behind.where(StoredAlert.reference == reference)
    own = behind.where(StoredAlert.member_id == member_id)
    others = behind.where(StoredAlert.member_id != member_id, StoredAlert.state.in_(READABLE))
    found = list(session.scalars(own))
    for audience_id in sorted(audience_ids):
        found += session.scalars(others.where(StoredAlert.audience_id == audience_id))
    return sorted(found, key=lambda one: one.alert_id)[:limit]


def list_due(session: Session, now: datetime, limit: int) -> list[str]:
    """Ids of alerts that the worker has something to do with, the longest due first."""
    found = select(StoredAlert.alert_id).where(StoredAlert.state.in_(_WITH_DUE), StoredAlert.due_at <= now)
    return list(session.scalars(found.order_by(StoredAlert.due_at, StoredAlert.alert_id).limit(limit)))


def take_due(session: Session, alert_id: str, now: datetime) -> StoredAlert | None:
    """The alert, locked, if it is still due and nobody else is at it."""
    due = (StoredAlert.alert_id == alert_id) & StoredAlert.state.in_(_WITH_DUE) & (StoredAlert.due_at <= now)
    return session.scalars(select(StoredAlert).where(due).with_for_update(skip_locked=True)).one_or_none()


def members_disclosed_to(session: Session, alert_id: str) -> set[str]:
    """The members that some version of the alert was disclosed to, through whichever channel."""
    return set(
        session.scalars(select(AlertDisclosure.member_id).where(AlertDisclosure.alert_id == alert_id).distinct())
    )


def find_response(session: Session, alert_id: str, member_id: str, *, lock: bool = False) -> AlertResponse | None:
    """What the member said to the alert."""
    return session.get(AlertResponse, (alert_id, member_id), with_for_update=lock or None)


def list_responses(session: Session, alert_id: str) -> Sequence[AlertResponse]:
    """What members said to the alert, by member."""
    found = select(AlertResponse).where(AlertResponse.alert_id == alert_id).order_by(AlertResponse.member_id)
    return session.scalars(found).all()


def acknowledged_among(session: Session, member_id: str, alert_ids: Sequence[str]) -> set[str]:
    """Those of a page of alerts that the member acknowledged."""
    said = (AlertResponse.member_id == member_id) & AlertResponse.alert_id.in_(alert_ids)
    return set(session.scalars(select(AlertResponse.alert_id).where(said)))
