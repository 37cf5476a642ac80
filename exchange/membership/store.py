"""Who takes part, as the registrars' statements say: members, representatives, sharing groups, key epochs.

These tables are a projection: exchange/registrars/accept.py alone writes them, from statements in force. What an
operator may do here without registrars is to stop a member (`stopped_at`) and to revoke a representative's key, never
to admit anyone.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text, delete, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.membership.authority import Authority
from schemas.terms import MemberKind, Role

_REVOKED = "revoked"


class Member(Base):
    """One institution or agency."""

    __tablename__ = "members"

    member_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(40))
    sector: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(16))
    declared_book: Mapped[int] = mapped_column(BigInteger)
    encryption_key: Mapped[bytes] = mapped_column(LargeBinary(1216))
    sequence: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    four_eyes_json: Mapped[str] = mapped_column(Text, default="[]")

    @property
    def four_eyes(self) -> frozenset[str]:
        """The codes of what takes two people of it."""
        return frozenset(json.loads(self.four_eyes_json))

    @property
    def is_active(self) -> bool:
        """Whether the registrars say so and the operator has not stopped it."""
        return self.state == "active" and self.stopped_at is None


class Representative(Base):
    """One person's key at a member, and what that person may do."""

    __tablename__ = "representatives"
    __table_args__ = (Index("ix_representatives_member_id", "member_id"),)

    representative_id: Mapped[str] = mapped_column(String(130), primary_key=True)
    member_id: Mapped[str] = mapped_column(ForeignKey("members.member_id"))
    public_key: Mapped[bytes] = mapped_column(LargeBinary(32))
    roles_json: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))

    @property
    def roles(self) -> frozenset[str]:
        """The role codes."""
        return frozenset(json.loads(self.roles_json))


class SharingGroup(Base):
    """A taskforce, threat group or cell."""

    __tablename__ = "sharing_groups"

    group_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(40))
    objective: Mapped[str] = mapped_column(Text)
    sunset: Mapped[datetime | None] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(16))
    sequence: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    def is_open(self, now: datetime) -> bool:
        """Whether rows may be shared in it: not closed, and its sunset has not passed."""
        return self.state == "open" and (self.sunset is None or now < self.sunset)


class GroupMember(Base):
    """That a member is in a group."""

    __tablename__ = "group_members"

    group_id: Mapped[str] = mapped_column(ForeignKey("sharing_groups.group_id"), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64), primary_key=True)


class KeyEpoch(Base):
    """One key epoch as the registrars signed it; `holders_json` is the statement's list."""

    __tablename__ = "key_epochs"

    epoch: Mapped[int] = mapped_column(Integer, primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    threshold: Mapped[int] = mapped_column(Integer)
    public_key: Mapped[bytes] = mapped_column(LargeBinary(32))
    normalisation: Mapped[str] = mapped_column(String(8))
    holders_json: Mapped[str] = mapped_column(Text)
    sequence: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class KnownRepresentative:
    """A representative together with its member, read in one go for authentication."""

    representative_id: str
    member_id: str
    public_key: bytes
    roles: frozenset[str]
    is_active: bool


def find_representative(session: Session, representative_id: str) -> KnownRepresentative | None:
    """The representative of that id, active or not; None for an unknown one."""
    row = session.execute(
        select(Representative, Member)
        .join(Member, Member.member_id == Representative.member_id)
        .where(Representative.representative_id == representative_id)
    ).one_or_none()
    if row is None:
        return None
    representative, member = row
    return KnownRepresentative(
        representative_id=representative.representative_id,
        member_id=member.member_id,
        public_key=representative.public_key,
        roles=representative.roles,
        is_active=representative.state == "active" and member.is_active,
    )


def find_member(session: Session, member_id: str) -> Member | None:
    """The member of that id."""
    return session.get(Member, member_id)


def list_reviewers(session: Session) -> list[str]:
    """Ids of the independent reviewers, sorted: active members of kind regulator with an active representative in the
    role reviewer.
    """
    people = select(Representative.member_id, Representative.roles_json).where(Representative.state == "active")
    found = {member_id for member_id, roles in session.execute(people) if Role.REVIEWER in json.loads(roles)}
    reviewers = [member for member in list_members(session) if member.kind == MemberKind.REGULATOR]
    return [member.member_id for member in reviewers if member.is_active and member.member_id in found]


def lock_member(session: Session, member_id: str) -> Member:
    """The member, its row locked until the transaction ends: what is counted of it is not counted twice at once."""
    return session.scalars(select(Member).where(Member.member_id == member_id).with_for_update(key_share=True)).one()


def list_members(session: Session) -> Sequence[Member]:
    """All members by id."""
    return session.scalars(select(Member).order_by(Member.member_id)).all()


def kinds_of_members(session: Session) -> dict[str, str]:
    """The kind of every member, by its id."""
    return {row.member_id: row.kind for row in session.execute(select(Member.member_id, Member.kind))}


def stops_of_members(session: Session, member_ids: Collection[str]) -> dict[str, datetime]:
    """Since when those of the members are stopped that the operator has stopped."""
    found = session.execute(select(Member.member_id, Member.stopped_at))
    return {name: stopped_at for name, stopped_at in found if stopped_at is not None and name in member_ids}


def list_groups(session: Session) -> Sequence[SharingGroup]:
    """All groups by id."""
    return session.scalars(select(SharingGroup).order_by(SharingGroup.group_id)).all()


def members_of_group(session: Session, group_id: str) -> list[str]:
    """Ids of the members of a group, sorted."""
    found = select(GroupMember.member_id).where(GroupMember.group_id == group_id).order_by(GroupMember.member_id)
    return list(session.scalars(found))


def groups_of_member(session: Session, member_id: str) -> Sequence[SharingGroup]:
    """The groups that a member is in, open or not, by id."""
    return session.scalars(
        select(SharingGroup)
        .join(GroupMember, GroupMember.group_id == SharingGroup.group_id)
        .where(GroupMember.member_id == member_id)
        .order_by(SharingGroup.group_id)
    ).all()


def lock_group(session: Session, group_id: str) -> SharingGroup | None:
    """The group, its row locked until the transaction ends: matching is serial within a group."""
    return session.execute(
        select(SharingGroup).where(SharingGroup.group_id == group_id).with_for_update()
    ).scalar_one_or_none()


def load_authority(session: Session, now: datetime) -> Authority:
    """Who may share with whom now: active members of open groups, and each member's sector."""
    sectors = {member.member_id: member.sector for member in list_members(session) if member.is_active}
    open_groups = {group.group_id for group in list_groups(session) if group.is_open(now)}
    members: dict[str, set[str]] = {group_id: set() for group_id in open_groups}
    for group_id, member_id in session.execute(select(GroupMember.group_id, GroupMember.member_id)):
        if group_id in open_groups and member_id in sectors:
            members[group_id].add(member_id)
    return Authority.of(members, sectors)


def usable_epochs(session: Session) -> dict[int, str]:
    """Normalisation version by epoch, for the epochs in which rows may be submitted."""
    found = select(KeyEpoch.epoch, KeyEpoch.normalisation).where(KeyEpoch.state.in_(("current", "retiring")))
    return {row.epoch: row.normalisation for row in session.execute(found)}


def retired_epochs(session: Session) -> list[int]:
    """The epochs in which nothing can be submitted any more."""
    return list(session.scalars(select(KeyEpoch.epoch).where(KeyEpoch.state == "retired")))


def current_epoch(session: Session) -> int | None:
    """The number of the current epoch, None before the first ceremony."""
    return session.scalars(
        select(KeyEpoch.epoch).where(KeyEpoch.state == "current").order_by(KeyEpoch.epoch.desc()).limit(1)
    ).first()


def save_member(session: Session, member: Member, representatives: Iterable[Representative]) -> None:
    """Put a member and all its representatives in place of what was known of it. A key revoked here stays revoked."""
    session.merge(member)
    session.flush()
    revoked = (Representative.member_id == member.member_id) & (Representative.state == _REVOKED)
    spent = set(session.scalars(select(Representative.public_key).where(revoked)))
    session.execute(delete(Representative).where(Representative.member_id == member.member_id))
    for person in representatives:
        person.state = _REVOKED if person.public_key in spent else person.state
        session.add(person)
    session.flush()


def revoke_key(session: Session, representative_id: str) -> bool:
    """Let the representative's present key count for nothing; False if it counted for nothing before."""
    active = (Representative.representative_id == representative_id) & (Representative.state != _REVOKED)
    changed = update(Representative).where(active).values(state=_REVOKED).returning(Representative.representative_id)
    return session.execute(changed).first() is not None


def stop_member(session: Session, member_id: str, now: datetime) -> bool:
    """Mark a member as stopped by the operator; False if there is none of that id."""
    found = session.execute(
        update(Member).where(Member.member_id == member_id).values(stopped_at=now).returning(Member.member_id)
    ).first()
    return found is not None


def save_group(session: Session, group: SharingGroup, member_ids: Iterable[str]) -> None:
    """Put a group and its members in place of what was known of it."""
    session.merge(group)
    session.flush()
    session.execute(delete(GroupMember).where(GroupMember.group_id == group.group_id))
    rows = [{"group_id": group.group_id, "member_id": member_id} for member_id in sorted(set(member_ids))]
    if rows:
        session.execute(insert(GroupMember), rows)


def save_epoch(session: Session, epoch: KeyEpoch) -> None:
    """Put an epoch in place of what was known of it."""
    session.merge(epoch)
    session.flush()
