"""What all acts share: they are done once for each Idempotency-Key, refusals are recorded, and an object that the asker
may not know of looks exactly like one that does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from exchange.kernel.actor import Actor
from exchange.kernel.decision import Decision, RefusalError, refuse
from exchange.kernel.idempotency import IdempotentAnswer, find_answer
from exchange.kernel.session import Database
from exchange.kernel.upsert import insert_ignoring
from exchange.log.refusals import refuse_disclosure

_CLAIMED = 0
_Answer = TypeVar("_Answer")
_Result = TypeVar("_Result")


class ConflictError(RefusalError):
    """An id that the client made is in use already."""


class UnknownObjectError(Exception):
    """There is no such object that the asker may know of; `decision` is what its log says of it."""

    decision: ClassVar[Decision] = refuse("unknown", "id", "there is nothing of that id")


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
    work: Callable[[Session], _Answer],
    status: int = 200,
    *,
    answer: type[_Answer],
) -> tuple[_Answer, int]:
    """What `work` gives, of the form `answer`, and `status`; or what was answered to the same request under the same
    key. The answer is kept in the transaction of the act, so that a repetition changes nothing.

    `asked` says for what, without content, should it be refused. Raises RefusalError and UnknownObjectError (both
    recorded in the log), OtherRequestError, LogUnavailableError; then nothing is done.
    """

    def act(session: Session) -> tuple[_Answer, int]:
        kept = _claim_key(session, request)
        if kept.status == _CLAIMED:
            kept.status, kept.answer = status, msgspec.json.encode(work(session))
            session.flush()
        return msgspec.json.decode(kept.answer, type=answer), kept.status

    with_refusals = RecordedRefusals(database, request.actor, asked, request.now)
    try:
        return with_refusals.run(act)
    except IntegrityError:
        # Another worker stored the same thing meanwhile; now it is there to be found.
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
        except RefusalError as refusal:
            self._record(refusal.decision)
            raise
        except UnknownObjectError as unknown:
            self._record(unknown.decision)
            raise

    def _record(self, decision: Decision) -> None:
        refuse_disclosure(self.database, self.actor, decision, self.asked, self.now)


def require(decision: Decision) -> None:
    """Raises RefusalError unless it is allowed."""
    if not decision.is_allowed:
        raise RefusalError(decision)


def _claim_key(session: Session, request: Request) -> IdempotentAnswer:
    """What is kept under the key: an answer, or the request's own claim. The same request at the same time waits here
    until this one has its answer. Raises OtherRequestError.
    """
    principal, key = request.actor.representative_id, request.idempotency_key
    claim = {"principal": principal, "key": key, "request_sha256": request.sha256, "status": _CLAIMED}
    insert_ignoring(session, IdempotentAnswer, [{**claim, "answer": b"", "answered_at": request.now}])
    kept = find_answer(session, principal, key, request.sha256)
    if kept is None:
        raise AssertionError("the row was just written")
    return kept
