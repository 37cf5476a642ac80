"""Alerts for tests: as small as they can be, and right unless a test changes them."""

from __future__ import annotations

from typing import Any

import msgspec

from alerts.acts.authoring import store_draft
from alerts.domain.alert import READABLE
from alerts.domain.rules import end_of
from alerts.store.subscriptions import NEVER, Subscription
from exchange.kernel.actor import Actor
from schemas.alerts.messages import AlertContent
from schemas.terms import AlertState
from schemas.values.identifiers import uuid7
from tests.taskforce.founding import Taskforce
from tests.taskforce.members import MemberSimulator


def make_content(**changes: Any) -> dict[str, Any]:
    """What an author writes, on the wire."""
    return {
        "title": "Mule accounts opened with forged payslips",
        "colour": "amber",
        "classification": "OFFICIAL",
        "tlp": "AMBER",
        "conditions": "",
        "theme": "money_mules",
        "audience": {"groups": ["taskforce"], "kinds": []},
        "overview": "Accounts are opened with *forged* payslips.",
        "red_flags": ["several new accounts paid by one employer that does not trade"],
        "case_studies": [{"title": "One ring", "text": "Nine accounts, one address."}],
        "requested_action": "Look for the employer's name.",
        "body": "## What we know\n\nMore [here](https://example.org/alert).",
        "legal_gateway": "CCA2013_s7",
        "purpose": "preventing mule accounts",
        "sources": [{"reference": "report 7", "tlp": "AMBER"}],
        "accounts": [],
        "supersedes": "",
        "review_by": "2027-05-01",
        "expires_on": "2027-11-01",
        **changes,
    }


def draft(member: MemberSimulator, **changes: Any) -> str:
    """The id of a draft by the member's analyst."""
    answer = member.send("POST", "/v1/alerts", make_content(**changes))
    assert answer.status_code == 201, answer.text
    return str(answer.get_json()["alert_id"])


def step(member: MemberSimulator, alert_id: str, name: str, value: Any, as_name: str = "authoriser") -> str:
    """The state after a step that is allowed."""
    answer = member.send("POST", f"/v1/alerts/{alert_id}/{name}", value, as_name=as_name)
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["state"])


def release(member: MemberSimulator, at: str | None = None, **changes: Any) -> str:
    """The id of an alert drafted, reviewed and released: published at once, or scheduled."""
    alert_id = draft(member, **changes)
    step(member, alert_id, "review", {})
    step(member, alert_id, "release", {"at": at})
    return alert_id


def read(member: MemberSimulator, alert_id: str) -> dict[str, Any]:
    """The alert as the member reads it."""
    answer = member.send("GET", f"/v1/alerts/{alert_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def plant_alert(taskforce: Taskforce, member_id: str, state: AlertState, **changes: Any) -> str:
    """The id of an alert put into the database in a state, by an author that is none of the member's people. Nobody is
    told of it, and it is in no feed.
    """
    now = taskforce.clock()
    author = Actor(f"{member_id}/an-author", member_id, frozenset())
    with taskforce.database.transaction() as session:
        stored = store_draft(session, author, msgspec.convert(make_content(**changes), AlertContent), now)
        stored.state = state.value
        if state in READABLE:
            stored.version, stored.published_at = 1, now
        if state is AlertState.PUBLISHED:
            stored.due_at = end_of(stored.alert.content.expires_on)
        return stored.alert_id


def logged(taskforce: Taskforce, member_id: str, kind: str, alert_id: str | None = None) -> list[dict[str, Any]]:
    """What the log says to a member of events of a kind, the oldest first; of one alert if it is given."""
    views = taskforce.views(member_id, kind)
    return [view for view in views if alert_id in (None, view.get("alert_id"))]


def plant_subscription(taskforce: Taskforce, member_id: str, target: str) -> str:
    """The id of a webhook subscription put into the database, confirmed, to all that the member may read."""
    now = taskforce.clock()
    planted = Subscription(
        subscription_id=uuid7(),
        member_id=member_id,
        channel="webhook",
        target=target,
        filters_json="{}",
        secret_number=1,
        secret_at=now,
        created_by=f"{member_id}/someone",
        created_at=now,
        confirmed_at=now,
        ended_at=None,
        failures=0,
        failed_at=NEVER,
        tried_at=now,
        claim_id="",
        claimed_until=NEVER,
    )
    with taskforce.database.transaction() as session:
        session.add(planted)
    return planted.subscription_id
