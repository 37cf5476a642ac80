"""Feed readers for tests, and what the log says that they were told."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from sqlalchemy import select
from werkzeug.test import TestResponse

from alerts.domain.alert import content_fields
from alerts.store.alerts import StoredAlert
from exchange.log.tables import LogEntry
from exchange.membership.feed_tokens import make_feed_token
from schemas.terms import AlertState
from schemas.values.canonical import canonical_json
from tests.alerts.factories import plant_alert
from tests.taskforce.founding import Taskforce

ATOM, JSON = "/feeds/taskforce.atom", "/feeds/taskforce.json"
MANIFEST, HASHES = "/feeds/misp/taskforce/manifest.json", "/feeds/misp/taskforce/hashes.csv"
LISTS = (ATOM, JSON, MANIFEST, HASHES)
ACCOUNT = {"iban": "GB33BUKB20201555555555", "sort_code": "202015", "account_number": "55555555", "bic": "BUKBGB22"}


class FeedReader:
    """A reader with a feed token of a member's."""

    def __init__(self, taskforce: Taskforce, member_id: str) -> None:
        self._taskforce = taskforce
        with taskforce.database.transaction() as session:
            _, token = make_feed_token(session, member_id, "reader", f"{member_id}/analyst", taskforce.clock())
        self.token = token

    def get(self, target: str, **headers: str) -> TestResponse:
        """The answer to a request with the token; `If_None_Match` stands for the header If-None-Match."""
        shown = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._taskforce.send_unsigned("GET", target, headers={"Authorization": f"Bearer {self.token}", **shown})

    def read(self, target: str) -> TestResponse:
        """The answer, which is good."""
        answer = self.get(target)
        assert answer.status_code == 200, answer.text
        return answer


def told(taskforce: Taskforce, member_id: str) -> list[tuple[str, str, int]]:
    """What the member's log says that feeds told it: channel, alert and version, in order."""
    chosen = select(LogEntry).where(LogEntry.member_id == member_id, LogEntry.kind == "alert_told")
    found: list[tuple[str, str, int]] = []
    with taskforce.database.reading() as session:
        for entry in session.scalars(chosen.order_by(LogEntry.entry_id)):
            view: dict[str, Any] = json.loads(entry.view or b"{}")
            found += [(view["channel"], one["alert_id"], one["version"]) for one in view["alerts"]]
    return found


def publish(taskforce: Taskforce, member_id: str = "a", **changes: Any) -> str:
    """The id of a published alert, changed a second after all before."""
    taskforce.clock.advance(seconds=1)  # type: ignore[attr-defined]
    return plant_alert(taskforce, member_id, AlertState.PUBLISHED, **changes)


def change(taskforce: Taskforce, alert_id: str, state: AlertState, **values: Any) -> None:
    """A new version of the alert, a second later."""
    taskforce.clock.advance(seconds=1)  # type: ignore[attr-defined]
    with taskforce.database.transaction() as session:
        stored = session.get_one(StoredAlert, alert_id)
        stored.state, stored.version, stored.modified_at = state.value, stored.version + 1, taskforce.clock()
        for name, value in values.items():
            setattr(stored, name, value)


def stix_id_of(taskforce: Taskforce, alert_id: str) -> str:
    """The alert's STIX id, which is also that of its MISP event."""
    with taskforce.database.reading() as session:
        return session.get_one(StoredAlert, alert_id).stix_id


def set_content(taskforce: Taskforce, alert_id: str, **changes: Any) -> None:
    """Change what an alert says behind its back."""
    with taskforce.database.transaction() as session:
        stored = session.get_one(StoredAlert, alert_id)
        content = msgspec.structs.replace(stored.alert.content, **changes)
        stored.content_json = canonical_json(content_fields(content)).decode()
