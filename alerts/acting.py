"""What all acts on alerts share: they are done once for each Idempotency-Key, refusals are recorded, and an alert that
the asker may not know of looks exactly like one that does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.audiences import readable_audiences
from alerts.domain.alert import READABLE
from alerts.domain.rules import Issuer
from alerts.store.alerts import StoredAlert, find_alert, lock_own
from exchange.domain.decision import Decision, RefusedError, refuse
from exchange.services.actor import Actor
from exchange.services.refuse_disclosure import refuse_disclosure
from exchange.services.submit_indicators import OtherRequestError
from exchange.store.idempotency import IdempotentAnswer
from exchange.store.membership import find_member, load_authority
from exchange.store.session import Database
from exchange.store.upsert import insert_ignoring
from schemas.encoding import to_base64, to_rfc3339

_CLAIMED = 0
_Result = TypeVar("_Result")
_UNKNOWN = refuse("unknown-alert", "alert_id", "there is no such alert")


class UnknownAlertError(Exception):
    """There is no alert of that id that the asker may know of."""


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks, when, and what it is known by: `sha256` covers method, target and body."""

    actor: Actor
    idempotency_key: str
    sha256: bytes
    now: datetime


def act_once(
    database: Database,
    request: Request,
    asked: dict[str, Any],
    work: Callable[[Session], dict[str, Any]],
    status: int = 200,
) -> tuple[dict[str, Any], int]:
    """What `work` gives, and `status`; or what was answered to the same request under the same key. The answer is kept
    in the transaction of the act, so that a repetition changes nothing.

    `asked` says for what, without content, should it be refused. Raises RefusedError and UnknownAlertError (both
    recorded in the log), OtherRequestError, LogUnavailableError; then nothing is done.
    """

    def act(session: Session) -> tuple[dict[str, Any], int]:
        kept = _claim_key(session, request)
        if kept.status == _CLAIMED:
            kept.status, kept.answer = status, json.dumps(work(session)).encode()
            session.flush()
        return json.loads(kept.answer), kept.status

    with_refusals = RecordedRefusals(database, request.actor, asked, request.now)
    try:
        return with_refusals.run(act)
    except IntegrityError:
        # Another worker stored the same reference or response meanwhile; now it is there to be found.
        return with_refusals.run(act)


@dataclass(frozen=True, slots=True)
class RecordedRefusals:
    """Runs work of an actor's in a transaction, and records a refusal of it in another."""

    database: Database
    actor: Actor
    asked: dict[str, Any]
    now: datetime

    def run(self, work: Callable[[Session], _Result]) -> _Result:
        """What `work` gives, committed."""
        try:
            return self.database.run_in_transaction(work)
        except RefusedError as refusal:
            self._record(refusal.decision)
            raise
        except UnknownAlertError:
            self._record(_UNKNOWN)
            raise

    def _record(self, decision: Decision) -> None:
        refuse_disclosure(self.database, self.actor, decision, self.asked, self.now)


def require(decision: Decision) -> None:
    """Raises RefusedError unless it is allowed."""
    if not decision.is_allowed:
        raise RefusedError(decision)


def find_own(session: Session, member_id: str, alert_id: str) -> StoredAlert:
    """An alert that the member issues, locked until the transaction ends. Raises UnknownAlertError."""
    found = lock_own(session, member_id, alert_id=alert_id)
    if found is None:
        raise UnknownAlertError
    return found


def find_readable(session: Session, member_id: str, alert_id: str, now: datetime) -> StoredAlert:
    """An alert that the member may read now: its own in every state, others' that are addressed to it from their
    publication on. Raises UnknownAlertError, after the same work whether there is one or not.
    """
    audiences = readable_audiences(session, member_id, now)
    found = find_alert(session, alert_id)
    if found is not None and (
        found.member_id == member_id or (found.audience_id in audiences and found.state in READABLE)
    ):
        return found
    raise UnknownAlertError


def load_issuer(session: Session, member_id: str, now: datetime) -> Issuer:
    """The member as an issuer, under present authority."""
    member = find_member(session, member_id)
    return Issuer(member_id, "" if member is None else member.kind, load_authority(session, now))


def view_of(stored: StoredAlert) -> dict[str, Any]:
    """What the log says of an alert to whoever it concerns: which version, marked how, its content as a digest."""
    alert = stored.alert
    return {
        "alert_id": alert.alert_id,
        "reference": alert.reference,
        "version": alert.version,
        "state": alert.state.value,
        "tlp": alert.content.tlp,
        "content_sha256": to_base64(alert.sha256_of(alert.version)),
    }


def standing_of(stored: StoredAlert) -> dict[str, Any]:
    """What an act answers."""
    return {"alert_id": stored.alert_id, "reference": stored.reference, "state": stored.state}


def cut(moment: datetime) -> datetime:
    """The moment in whole milliseconds."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def text_of(moment: datetime | None) -> str | None:
    """The moment on the wire, None for none."""
    return None if moment is None else to_rfc3339(moment)


def _claim_key(session: Session, request: Request) -> IdempotentAnswer:
    """What is kept under the key: an answer, or the request's own claim. The same request at the same time waits here
    until this one has its answer. Raises OtherRequestError.
    """
    principal, key = request.actor.representative_id, request.idempotency_key
    claim = {"principal": principal, "key": key, "request_sha256": request.sha256, "status": _CLAIMED}
    insert_ignoring(session, IdempotentAnswer, [{**claim, "answer": b"", "answered_at": request.now}])
    kept = session.get_one(IdempotentAnswer, (principal, key))
    if kept.request_sha256 != request.sha256:
        raise OtherRequestError
    return kept
