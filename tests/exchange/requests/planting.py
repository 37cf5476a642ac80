"""Rows, hits and requests put into the database as they would be: for tests that need many, in every state."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from exchange.indicators.hits import Hit
from exchange.indicators.store import RecentIndicator
from exchange.indicators.submissions import ACTIVE, Submission
from exchange.requests.store import InformationRequest, RequestPart
from schemas.terms import RequestState
from schemas.values.canonical import canonical_json
from schemas.values.encoding import from_base64
from schemas.values.identifiers import uuid7
from tests.exchange.factories import make_envelope
from tests.exchange.requests.factories import make_request
from tests.taskforce.founding import Taskforce

GATEWAY = {"legal_gateway": "DPA2018_Sch2", "condition": None}
"""Open to every kind of member."""


def plant_row(taskforce: Taskforce, member_id: str, group_id: str, token: bytes) -> str:
    """A live row of a member, under a submission of its own; its id."""
    envelope = make_envelope(group=group_id, legal_gateway=GATEWAY["legal_gateway"])
    submission_id = uuid7()
    with taskforce.database.transaction() as session:
        session.add(
            Submission(
                submission_id=submission_id,
                member_id=member_id,
                representative_id=f"{member_id}/someone",
                group_id=group_id,
                epoch=1,
                theme=envelope["theme"],
                expires_on=date.fromisoformat(envelope["expires_on"]),
                state=ACTIVE,
                envelope_json=canonical_json(envelope).decode(),
                created_at=taskforce.clock(),
                review_on=None,
            )
        )
        row = {"submission_id": submission_id, "indicator_type": "iban", "first_seen": None, "last_seen": None}
        session.add(RecentIndicator(token=token, group_id=group_id, member_id=member_id, **row))
    return submission_id


def plant_hit(taskforce: Taskforce, member_id: str, token: bytes) -> str:
    """The id of a hit that the member was shown."""
    hit_id = uuid7()
    with taskforce.database.transaction() as session:
        shown = {"view_json": "{}", "disclosed_at": taskforce.clock(), "event_id": uuid7()}
        session.add(Hit(token=token, member_id=member_id, hit_id=hit_id, **shown))
    return hit_id


def plant_request(
    taskforce: Taskforce, requester: str, holders: Iterable[str], token: bytes, taken_up_by: str | None = None
) -> str:
    """The id of a request that reached the holders; `taken_up_by` is the representative who took it up at each."""
    now = taskforce.clock()
    terms: dict[str, Any] = make_request(uuid7(), **GATEWAY)
    proof = from_base64(terms.pop("proof"))
    taken: dict[str, Any] = {"state": RequestState.OPEN.value}
    if taken_up_by is not None:
        taken = {"state": RequestState.TAKEN_UP.value, "representative_id": taken_up_by, "taken_up_at": now}
    with taskforce.database.transaction() as session:
        session.add(
            InformationRequest(
                request_id=terms["request_id"],
                member_id=requester,
                representative_id=f"{requester}/analyst",
                public_key=bytes(32),
                encryption_key=bytes(32),
                hit_id=terms["hit_id"],
                token=token,
                terms_json=canonical_json(terms).decode(),
                proof=proof,
                state=RequestState.OPEN.value,
                created_at=now,
                due_at=now + timedelta(days=1),
                lapses_at=now + timedelta(days=2),
            )
        )
        session.add_all(RequestPart(request_id=terms["request_id"], member_id=holder, **taken) for holder in holders)
    request_id: str = terms["request_id"]
    return request_id
