"""What the key holder keeps: each function is one question or one change, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, text, tuple_, update
from sqlalchemy.exc import IntegrityError

from keys.holder.budget import Budget, Charge, Grant, window_end, window_number
from keys.holder.tables import charges, grants, members, nonces, request_counts, statements, windows
from keys.signatures.messages import WINDOW
from keys.statements.envelopes import Statement
from schemas.statements import StatementEnvelope
from schemas.values.identifiers import uuid7

_NONCES_FORGOTTEN = 100
# One form of it that both databases read.
_COUNT_REQUEST = text(
    "INSERT INTO holder_request_counts (member_id, minute, requests) VALUES (:member_id, :minute, 1)"
    " ON CONFLICT (member_id, minute) DO UPDATE SET requests = holder_request_counts.requests + 1 RETURNING requests"
)


class NonceSeenError(Exception):
    """A nonce was used before."""


@dataclass(frozen=True, slots=True)
class AllowedMember:
    """A member that this holder answers; `evaluations` per window, or None where the rule decides."""

    member_id: str
    evaluations: int | None
    allowed_at: datetime


@dataclass(frozen=True, slots=True)
class RecordedCharge:
    """A request charged before: SHA-256 of it, the quorum as `1,3`, the checks still paid for, how often it was begun
    and until when a worker may be at it.
    """

    request_digest: bytes
    epoch: int
    quorum: str
    checks: int
    computations: int
    working_until: datetime | None


def remember_nonce(connection: Connection, key_id: str, nonce: str, created_at: datetime, now: datetime) -> None:
    """Keep a nonce as long as its signature could be believed. Raises NonceSeenError; then the transaction is lost."""
    _forget_nonces(connection, now)
    # A second more than the window, so that none is forgotten at its very end.
    expires_at = created_at + WINDOW + timedelta(seconds=1)
    try:
        connection.execute(insert(nonces).values(key_id=key_id, nonce=nonce, expires_at=expires_at))
    except IntegrityError:
        raise NonceSeenError from None


def _forget_nonces(connection: Connection, now: datetime) -> None:
    """Drop some that are past use, skipping those that another worker is dropping."""
    key = tuple_(nonces.c.key_id, nonces.c.nonce)
    past = select(nonces.c.key_id, nonces.c.nonce).where(nonces.c.expires_at < now)
    past = past.order_by(nonces.c.expires_at).limit(_NONCES_FORGOTTEN).with_for_update(skip_locked=True)
    connection.execute(delete(nonces).where(key.in_(past)))


def count_request(connection: Connection, member_id: str, minute: int) -> int:
    """Count one request of the member; how many it has now made in that minute. Earlier minutes are forgotten."""
    made = connection.execute(_COUNT_REQUEST, {"member_id": member_id, "minute": minute}).scalar_one()
    if made == 1:
        past = (request_counts.c.member_id == member_id) & (request_counts.c.minute < minute)
        connection.execute(delete(request_counts).where(past))
    return int(made)


def allow_member(connection: Connection, member_id: str, evaluations: int | None, now: datetime) -> AllowedMember:
    """Let a member ask, or change its standing budget; its windows keep counting from when it was first allowed."""
    changed = connection.execute(
        update(members).where(members.c.member_id == member_id).values(evaluations=evaluations, changed_at=now)
    )
    if changed.rowcount == 0:
        row = {"member_id": member_id, "evaluations": evaluations, "allowed_at": now, "changed_at": now}
        connection.execute(insert(members).values(row))
    allowed = find_member(connection, member_id)
    if allowed is None:
        raise AssertionError("the row was just written")
    return allowed


def find_member(connection: Connection, member_id: str, *, lock: bool = False) -> AllowedMember | None:
    """The member if it is allowed; with `lock`, nobody else charges it until the transaction ends."""
    query = select(members.c.member_id, members.c.evaluations, members.c.allowed_at)
    query = query.where(members.c.member_id == member_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else AllowedMember(*row)


def list_members(connection: Connection) -> list[AllowedMember]:
    """All members allowed, by id."""
    query = select(members.c.member_id, members.c.evaluations, members.c.allowed_at)
    return [AllowedMember(*row) for row in connection.execute(query.order_by(members.c.member_id))]


def add_grant(connection: Connection, member_id: str, evaluations: int, ends_at: datetime, now: datetime) -> Grant:
    """Give a dated extra."""
    grant = Grant(uuid7(), evaluations, 0, ends_at)
    connection.execute(
        insert(grants).values(
            grant_id=grant.grant_id,
            member_id=member_id,
            evaluations=evaluations,
            used=0,
            granted_at=now,
            ends_at=ends_at,
        )
    )
    return grant


def read_budget(connection: Connection, member: AllowedMember, standing: int, now: datetime) -> Budget:
    """The member's budget in the window of `now`, its standing part being `standing` evaluations."""
    number = window_number(member.allowed_at, now)
    used = connection.execute(
        select(windows.c.used).where(windows.c.member_id == member.member_id, windows.c.number == number)
    ).scalar_one_or_none()
    query = select(grants.c.grant_id, grants.c.evaluations, grants.c.used, grants.c.ends_at)
    query = query.where(grants.c.member_id == member.member_id, grants.c.ends_at > now)
    live = tuple(Grant(*row) for row in connection.execute(query.order_by(grants.c.ends_at, grants.c.grant_id)))
    return Budget(standing, used or 0, window_end(member.allowed_at, number), live)


def find_charge(connection: Connection, member_id: str, idempotency_key: str) -> RecordedCharge | None:
    """The charge made under this key, if there is one."""
    kept = (charges.c.request_digest, charges.c.epoch, charges.c.quorum, charges.c.checks)
    query = select(*kept, charges.c.computations, charges.c.working_until).where(_charge(member_id, idempotency_key))
    row = connection.execute(query).one_or_none()
    return None if row is None else RecordedCharge(*row)


def _charge(member_id: str, idempotency_key: str) -> ColumnElement[bool]:
    return (charges.c.member_id == member_id) & (charges.c.idempotency_key == idempotency_key)


def count_under_way(connection: Connection, member_id: str, now: datetime) -> int:
    """How many of the member's requests workers are at."""
    query = select(func.count()).where(charges.c.member_id == member_id, charges.c.working_until > now)
    return int(connection.execute(query).scalar_one())


def begin_again(connection: Connection, member_id: str, idempotency_key: str, until: datetime) -> None:
    """Note that a request charged before is begun once more."""
    again = {"computations": charges.c.computations + 1, "working_until": until}
    connection.execute(update(charges).where(_charge(member_id, idempotency_key)).values(again))


def finish_work(connection: Connection, member_id: str, idempotency_key: str) -> None:
    """Note that no worker is at a request any more."""
    connection.execute(update(charges).where(_charge(member_id, idempotency_key)).values(working_until=None))


def use_check(connection: Connection, member_id: str, batch_key: str) -> None:
    """Use up one of the checks that were paid for with a batch. The caller holds the member's lock."""
    connection.execute(update(charges).where(_charge(member_id, batch_key)).values(checks=charges.c.checks - 1))


def record_charge(
    connection: Connection,
    member: AllowedMember,
    charge: Charge,
    *,
    idempotency_key: str,
    request_digest: bytes,
    epoch: int,
    quorum: str,
    checks: int = 0,
    batch_key: str | None = None,
    working_until: datetime | None = None,
    now: datetime,
) -> None:
    """Spend `charge` and keep what it was for. The caller holds the member's lock and has read its budget."""
    connection.execute(
        insert(charges).values(
            charge_id=uuid7(),
            member_id=member.member_id,
            idempotency_key=idempotency_key,
            request_digest=request_digest,
            epoch=epoch,
            quorum=quorum,
            evaluations=charge.standing + sum(charge.grants.values()),
            checks=checks,
            batch_key=batch_key,
            computations=1,
            working_until=working_until,
            charged_at=now,
        )
    )
    for grant_id, part in charge.grants.items():
        connection.execute(update(grants).where(grants.c.grant_id == grant_id).values(used=grants.c.used + part))
    if charge.standing:
        number = window_number(member.allowed_at, now)
        row = (windows.c.member_id == member.member_id) & (windows.c.number == number)
        spent = connection.execute(update(windows).where(row).values(used=windows.c.used + charge.standing))
        if spent.rowcount == 0:
            first = {"member_id": member.member_id, "number": number, "used": charge.standing}
            connection.execute(insert(windows).values(first))


def count_evaluations(connection: Connection, member_id: str, since: datetime) -> int:
    """How many evaluations the member was charged for since then."""
    query = select(func.coalesce(func.sum(charges.c.evaluations), 0))
    query = query.where(charges.c.member_id == member_id, charges.c.charged_at >= since)
    return int(connection.execute(query).scalar_one())


def count_totals(connection: Connection) -> dict[str, int]:
    """Counts without names: members allowed, statements."""
    return {
        "members": connection.execute(select(func.count()).select_from(members)).scalar_one(),
        "statements": latest_position(connection),
    }


def latest_position(connection: Connection) -> int:
    """The position of the last statement accepted, 0 if none: it tells whether a keyring read before is still good."""
    return int(connection.execute(select(func.coalesce(func.max(statements.c.position), 0))).scalar_one())


def list_envelopes(connection: Connection) -> Iterator[object]:
    """All envelopes accepted (JSON objects), in order."""
    for (envelope,) in connection.execute(select(statements.c.envelope).order_by(statements.c.position)):
        yield msgspec.json.decode(envelope)


def list_page(connection: Connection, after: int, limit: int) -> list[tuple[int, str]]:
    """(position, envelope as JSON) of the statements accepted behind a position, in order."""
    query = select(statements.c.position, statements.c.envelope).where(statements.c.position > after)
    return [
        (position, text) for position, text in connection.execute(query.order_by(statements.c.position).limit(limit))
    ]


def find_envelope(connection: Connection, statement_type: str, subject: str) -> StatementEnvelope | None:
    """The envelope of a subject that was accepted last, or None."""
    query = select(statements.c.envelope).where(statements.c.type == statement_type, statements.c.subject == subject)
    row = connection.execute(query.order_by(statements.c.position.desc()).limit(1)).scalar_one_or_none()
    return None if row is None else msgspec.json.decode(row, type=StatementEnvelope)


def add_statement(connection: Connection, statement: Statement, envelope: StatementEnvelope, now: datetime) -> None:
    """Keep a verified statement with its envelope. The caller holds the lock of statements."""
    connection.execute(
        insert(statements).values(
            position=latest_position(connection) + 1,
            type=statement.type,
            subject=statement.subject,
            sequence=statement.sequence,
            envelope=msgspec.json.encode(envelope).decode(),
            stored_at=now,
        )
    )
