"""Whatever is published to whom: what a reader gets of the feeds is the same, to the byte, as if the alerts that it may
not read did not exist.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from alerts.domain.alert import READABLE
from alerts.feeds.atom import AtomForm
from alerts.feeds.json_feed import JsonForm
from alerts.store.alerts import AlertDisclosure, StoredAlert
from schemas.terms import AlertState
from tests.alerts.factories import plant_alert
from tests.alerts.feeds.divided import GROUPS, KINDS, divide
from tests.alerts.feeds.readers import ACCOUNT, LISTS, FeedReader, told
from tests.taskforce.founding import Taskforce

NewTaskforce = Callable[..., Taskforce]
SECRET = "Hidden from this reader"

_alerts = st.lists(
    st.fixed_dictionaries(
        {
            "groups": st.sets(st.sampled_from(sorted(GROUPS)), min_size=1).map(sorted),
            "kinds": st.sets(st.sampled_from(["financial_institution", "law_enforcement", "telecom"])).map(sorted),
            "tlp": st.sampled_from(["RED", "AMBER+STRICT", "AMBER", "GREEN", "CLEAR"]),
            "state": st.sampled_from(list(AlertState)),
        }
    ),
    min_size=1,
    max_size=6,
)


def test_nothing_of_a_hidden_alert_shows_in_any_feed(new_taskforce: NewTaskforce) -> None:
    taskforce = divide(new_taskforce)
    readers = {member_id: FeedReader(taskforce, member_id) for member_id in KINDS}

    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
    @given(alerts=_alerts)
    def check(alerts: list[dict[str, Any]]) -> None:
        _empty(taskforce)
        planted = {_plant(taskforce, one): one for one in alerts}
        for member_id, reader in readers.items():
            shown = {
                group_id: {alert_id for alert_id, one in planted.items() if _shows(one, group_id, KINDS[member_id])}
                for group_id in GROUPS
                if member_id in GROUPS[group_id]
            }
            hidden = set(planted) - set().union(*shown.values())
            with_hidden = {group_id: _everything(reader, group_id, planted, taskforce) for group_id in GROUPS}
            for group_id, answers in with_hidden.items():
                _check(answers, shown.get(group_id), planted)
            _remove(taskforce, hidden)
            assert with_hidden == {group_id: _everything(reader, group_id, planted, taskforce) for group_id in GROUPS}
            assert not {alert_id for _, alert_id, _ in told(taskforce, member_id)} & hidden
            _restore(taskforce, hidden)

    limits = AtomForm.limit, JsonForm.limit
    AtomForm.limit = JsonForm.limit = 3
    try:
        check()
    finally:
        AtomForm.limit, JsonForm.limit = limits


_removed: dict[str, dict[str, Any]] = {}
_stix_ids: dict[str, str] = {}


def _shows(one: dict[str, Any], group_id: str, kind: str) -> bool:
    addressed = group_id in one["groups"] and (not one["kinds"] or kind in one["kinds"])
    return addressed and one["tlp"] != "RED" and one["state"] in READABLE


def _plant(taskforce: Taskforce, one: dict[str, Any]) -> str:
    taskforce.clock.advance(milliseconds=500)  # type: ignore[attr-defined]
    audience = {"groups": one["groups"], "kinds": one["kinds"]}
    changes = {"tlp": one["tlp"], "accounts": [ACCOUNT], "title": SECRET}
    alert_id = plant_alert(taskforce, "a", one["state"], audience=audience, **changes)
    with taskforce.database.reading() as session:
        _stix_ids[alert_id] = session.get_one(StoredAlert, alert_id).stix_id
    return alert_id


def _everything(reader: FeedReader, group_id: str, planted: dict[str, Any], taskforce: Taskforce) -> list[Any]:
    """All that the feeds of a group answer: each page of each form, and each event by its id."""
    targets = [target.replace("taskforce", group_id) for target in LISTS]
    targets += [f"/feeds/misp/{group_id}/{_stix_ids[alert_id]}.json" for alert_id in planted]
    found = []
    for first in targets:
        target: str | None = first
        while target is not None:
            answer = reader.get(target)
            kept = {name: value for name, value in answer.headers if name not in ("X-Request-Id", "Date")}
            found.append((target, answer.status_code, kept, answer.data))
            target = _next_of(answer.text) if answer.status_code == 200 else None
            target = target and target.removeprefix(taskforce.settings.url)
    return found


def _next_of(text: str) -> str | None:
    found = re.search(r'"next_url":"([^"]+)"|<link rel="next"[^>]* href="([^"]+)"', text)
    return None if found is None else found[1] or found[2]


def _check(answers: list[Any], shown: set[str] | None, planted: dict[str, Any]) -> None:
    """What is shown is there, all of it; nothing else is."""
    if shown is None:
        assert {status for _, status, _, _ in answers} == {404}
        return
    whole = b"".join(body for _, _, _, body in answers).decode()
    for alert_id in planted:
        assert (_stix_ids[alert_id] in whole) == (alert_id in shown)
    items = [
        item["_alert"]["alert_id"]
        for target, _, _, body in answers
        if re.fullmatch("/feeds/[a-z]+[.]json.*", target)
        for item in json.loads(body)["items"]
    ]
    assert sorted(items) == sorted(shown)


def _remove(taskforce: Taskforce, hidden: set[str]) -> None:
    with taskforce.database.transaction() as session:
        for alert_id in hidden:
            stored = session.get_one(StoredAlert, alert_id)
            _removed[alert_id] = {column.key: getattr(stored, column.key) for column in StoredAlert.__table__.columns}
            session.delete(stored)


def _restore(taskforce: Taskforce, hidden: set[str]) -> None:
    with taskforce.database.transaction() as session:
        session.add_all(StoredAlert(**_removed.pop(alert_id)) for alert_id in hidden)


def _empty(taskforce: Taskforce) -> None:
    with taskforce.database.transaction() as session:
        session.execute(delete(AlertDisclosure))
        session.execute(delete(StoredAlert))
