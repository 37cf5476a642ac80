"""The statements of the exchange for which the year of tests/exchange/silence has no occasion: asked for one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.delivery.outbound import Lane, OutboundMessage, claim_next, finish, prepare
from alerts.delivery.sending import DELIVERED
from alerts.store.alerts import StoredAlert, take_due
from alerts.store.subscriptions import ALERT, Delivery, Subscription, new_delivery
from exchange.indicators.derived import find_derived_of
from exchange.indicators.store import settle_rows, withdraw_expired
from exchange.indicators.submissions import slices_of_part
from exchange.indicators.taken_back import forget_epochs
from exchange.indicators.withdrawals import find_taken_back
from exchange.kernel.job_runs import finish_slot, last_successes, take_slot
from exchange.kernel.leases import Lease, release_lease
from exchange.kernel.request_counts import forget_count
from exchange.log.reading import read_waiting_entries, unpublished_since
from exchange.membership import store as membership
from exchange.membership.statements import (
    list_collecting_about,
    list_newest_effective,
    other_exchange,
    remove_signatures_of_others,
)
from exchange.operations.measures import read_measures
from exchange.outcomes.store import mark_notified
from exchange.queries.store import mark_disclosed, withheld_matches
from exchange.registrars.enrolments import list_invited, lock_enrolment
from exchange.registrars.holder_faults import find_report, next_position, reported_holders
from exchange.requests.store import mark_withdrawn
from keys.statements.envelopes import sign_statement
from keys.statements.types import to_payload
from schemas.terms import PushChannel
from schemas.values.identifiers import uuid7
from tests.taskforce.founding import Taskforce

KEY = bytes(32)
_ID = uuid7()
_NOW = datetime.fromisoformat("2027-06-01T12:00:00+00:00")

BESIDES: tuple[Callable[[Session], object], ...] = (
    lambda session: find_derived_of(session, _ID),
    lambda session: withdraw_expired(session, [(KEY, "g", "a", _ID), (KEY, "g", "b", _ID)], "error"),
    lambda session: settle_rows(session, KEY, KEY),
    lambda session: settle_rows(session, KEY, None),
    lambda session: slices_of_part(session, _ID, 0),
    lambda session: forget_epochs(session, [99]),
    lambda session: find_taken_back(session, KEY, [_ID]),
    lambda session: take_slot(session, "job", "slot", "worker", _NOW),
    lambda session: finish_slot(session, "job", "slot", _NOW),
    last_successes,
    lambda session: release_lease(session, Lease("sequencer", "worker", 0)),
    lambda session: forget_count(session, "a", 1),
    unpublished_since,
    lambda session: read_waiting_entries(session, "a", 100, _ID),
    list_newest_effective,
    lambda session: list_newest_effective(session, "epoch"),
    lambda session: list_collecting_about(session, "member", "a"),
    lambda session: other_exchange(session, "uk"),
    lambda session: remove_signatures_of_others(session, ["necc"]),
    lambda session: membership.save_member(session, session.get_one(membership.Member, "a"), []),
    lambda session: membership.save_epoch(session, membership.KeyEpoch(epoch=1, state="current")),
    lambda session: membership.revoke_key(session, "a/analyst"),
    lambda session: membership.stop_member(session, "a", _NOW),
    lambda session: read_measures(session, _NOW),
    lambda session: mark_notified(session, _ID, "a", _NOW),
    lambda session: withheld_matches(session, _ID),
    lambda session: mark_disclosed(session, _ID, _NOW),
    lambda session: lock_enrolment(session, KEY),
    lambda session: list_invited(session, ["a", "b"]),
    lambda session: find_report(session, "holder-1", KEY),
    reported_holders,
    next_position,
    lambda session: mark_withdrawn(session, [(_ID, "a"), (_ID, "b")], _NOW),
    lambda session: take_due(session, _ID, _NOW),
    lambda session: _deliver(session, ""),
    lambda session: _deliver(session, _ID),
)


def _deliver(session: Session, message_id: str) -> None:
    """Claims, takes up and ends a delivery, of a digest that is still gathered or of a message that has its id."""
    kept = Subscription(
        **{"subscription_id": _ID, "member_id": "a", "channel": PushChannel.WEBHOOK.value, "target": "", "failures": 0},
        **{"filters_json": "{}", "secret_number": 1, "created_by": "a/analyst", "claim_id": "", "claimed_until": _NOW},
        **dict.fromkeys(("secret_at", "created_at", "confirmed_at", "failed_at", "tried_at"), _NOW),
    )
    session.add(kept)
    alert_id = session.scalar(select(StoredAlert.alert_id).limit(1)) or _ID
    session.add(Delivery(**new_delivery(kept, ALERT, alert_id, 1, _NOW) | {"message_id": message_id}))
    session.flush()
    lane = Lane(PushChannel.WEBHOOK, None, _NOW + timedelta(hours=1), frozenset({"b"}))
    claim, *_ = [claim_next(session, replace(lane, failing=failing), _NOW) for failing in (None, True, False)]
    assert claim is not None
    prepare(session, claim, lane, _NOW)
    message: dict[str, Any] = {"kind": ALERT, "message_id": _ID, "happened_at": _NOW, "alerts": ()}
    finish(session, OutboundMessage(claim, kept, delivery_ids=(_ID,), **message), DELIVERED, _NOW, 0.5)


def do_besides(taskforce: Taskforce) -> None:
    """Have all of them executed: one by what a registrar hands in, each other in a transaction that is rolled back."""
    stated = to_payload(taskforce.member_statement(taskforce.members["a"], sequence=50))
    signed = sign_statement(stated, "necc", taskforce.registrars["necc"])
    registrar: dict[str, Any] = {"key_id": "registrar/necc", "key": taskforce.registrars["necc"]}
    answer = taskforce.send("POST", "/v1/statements", msgspec.json.encode(signed), **registrar)
    assert answer.status_code == 200, answer.text
    for each in BESIDES:
        with taskforce.database.transaction() as session:
            each(session)
            session.rollback()
