"""Alerts, their audiences, and which member was told of which version through which channel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Index, Integer, PrimaryKeyConstraint, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, Session, mapped_column

from alerts.domain.alert import Alert, AlertContent, Audience
from exchange.store.base import Base, UtcDateTime
from exchange.store.upsert import insert_ignoring
from schemas.canonical import canonical_json, digest
from schemas.terms import AlertState


class StoredAudience(Base):
    """One audience, however many alerts are addressed to it. Its id is a digest of what it says, and reaches nobody."""

    __tablename__ = "alert_audiences"

    audience_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    groups_json: Mapped[str] = mapped_column(Text)
    kinds_json: Mapped[str] = mapped_column(Text)

    @property
    def audience(self) -> Audience:
        """As a value."""
        return Audience(tuple(json.loads(self.groups_json)), tuple(json.loads(self.kinds_json)))


class StoredAlert(Base):
    """One alert at its present version."""

    __tablename__ = "alerts"
    __table_args__ = (
        UniqueConstraint("reference"),
        UniqueConstraint("stix_id"),
        Index("ix_alerts_member_id_alert_id", "member_id", "alert_id"),
        Index("ix_alerts_audience_id_published_at", "audience_id", "published_at"),
        Index("ix_alerts_state_due_at", "state", "due_at"),
    )

    alert_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    stix_id: Mapped[str] = mapped_column(String(36))
    reference: Mapped[str] = mapped_column(String(16))
    member_id: Mapped[str] = mapped_column(String(64))
    author_id: Mapped[str] = mapped_column(String(129))
    reviewer_id: Mapped[str | None] = mapped_column(String(129))
    releaser_id: Mapped[str | None] = mapped_column(String(129))
    state: Mapped[str] = mapped_column(String(20))
    version: Mapped[int] = mapped_column(Integer)
    audience_id: Mapped[str] = mapped_column(String(32))
    content_json: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    modified_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # When the worker has something to do with it: the set time while scheduled, the end of its last day once published.
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Text)
    superseded_by: Mapped[str] = mapped_column(String(16))

    @property
    def alert(self) -> Alert:
        """As a value."""
        return Alert(
            alert_id=self.alert_id,
            stix_id=self.stix_id,
            reference=self.reference,
            member_id=self.member_id,
            state=AlertState(self.state),
            version=self.version,
            content=AlertContent.from_fields(json.loads(self.content_json)),
            created_at=self.created_at,
            modified_at=self.modified_at,
            published_at=self.published_at,
            reason=self.reason,
            superseded_by=self.superseded_by,
        )


class AlertTold(Base):
    """That a version of an alert was disclosed to a member through a channel (`api`, `taxii`, `atom`, `json`, `misp`,
    `webhook`, `mail`), and the log's event of that. A second time is no new disclosure.
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
    """What a member said to an alert: acknowledged, implemented, feedback."""

    __tablename__ = "alert_responses"
    __table_args__ = (PrimaryKeyConstraint("alert_id", "member_id"),)

    alert_id: Mapped[str] = mapped_column(String(36))
    member_id: Mapped[str] = mapped_column(String(64))
    acknowledged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    implemented_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    feedback: Mapped[str] = mapped_column(Text)


def id_of_audience(audience: Audience) -> str:
    """32 hexadecimal digits, the same for the same audience."""
    return digest({"groups": list(audience.groups), "kinds": list(audience.kinds)}).hex()[:32]


def keep_audience(session: Session, audience: Audience) -> str:
    """Store an audience that is not there yet; its id."""
    groups, kinds = (canonical_json(list(part)).decode() for part in (audience.groups, audience.kinds))
    row = {"audience_id": id_of_audience(audience), "groups_json": groups, "kinds_json": kinds}
    insert_ignoring(session, StoredAudience, [row])
    return row["audience_id"]


def list_audiences(session: Session) -> Sequence[StoredAudience]:
    """All audiences; they are few."""
    return session.query(StoredAudience).order_by(StoredAudience.audience_id).all()
