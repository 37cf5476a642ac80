"""What a TAXII reader may not see changes nothing that it can see: not one byte of any page, of any size, behind any
cursor, of any object or header.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from alerts.feeds.storing import store_objects
from alerts.readers.audiences import audiences_of_group, readable_audiences
from alerts.store.alerts import StoredAlert, list_audiences
from alerts.store.feed_objects import FeedObject
from exchange.kernel.lookups import looking
from schemas.terms import AlertState
from tests.alerts.factories import plant_alert
from tests.alerts.feeds.divided import GROUPS, KINDS, divide
from tests.alerts.feeds.readers import ACCOUNT, told
from tests.alerts.feeds.taxii_reader import TaxiiReader
from tests.taskforce.founding import Taskforce

NewTaskforce = Callable[..., Taskforce]
READABLE = [AlertState.PUBLISHED, AlertState.WITHDRAWN, AlertState.SUPERSEDED, AlertState.EXPIRED]
MARK = "Hidden from this reader"

_alert = st.fixed_dictionaries(
    {
        "groups": st.sets(st.sampled_from(sorted(GROUPS)), min_size=1).map(sorted),
        "kinds": st.sets(st.sampled_from(["financial_institution", "law_enforcement", "telecom"])).map(sorted),
        "tlp": st.sampled_from(["RED", "AMBER+STRICT", "AMBER", "GREEN", "CLEAR"]),
        "state": st.sampled_from(READABLE),
        "red_flags": st.integers(0, 3),
    }
)


def test_an_alert_shows_nowhere_but_to_those_it_is_addressed_to(new_taskforce: NewTaskforce) -> None:
    taskforce = divide(new_taskforce)
    readers = {member_id: TaxiiReader(taskforce, member_id) for member_id in KINDS}

    @settings(max_examples=6, suppress_health_check=list(HealthCheck))
    @given(alert=_alert, limit=st.integers(1, 20))
    def check(alert: dict[str, Any], limit: int) -> None:
        before = {member_id: _everything(reader, limit) for member_id, reader in readers.items()}
        entries = {member_id: told(taskforce, member_id) for member_id in readers}
        object_ids = _publish(taskforce, alert)
        for member_id, reader in readers.items():
            collections = [group for group in alert["groups"] if _is_shown(alert, group, member_id)]
            if collections:
                found = {one["id"] for group in collections for one in reader.objects(group, limit=limit)}
                assert object_ids <= found
                continue
            assert _everything(reader, limit) == before[member_id]
            assert told(taskforce, member_id) == entries[member_id]
            for collection_id in reader.collections().values():
                for object_id in object_ids:
                    _check_unknown(reader, collection_id, object_id)

    check()


def test_a_first_alert_that_is_hidden_does_not_open_the_collection(new_taskforce: NewTaskforce) -> None:
    """Two groups alike but for one hidden alert in the first: what their collections hold is the same."""
    taskforce = new_taskforce("a", "b")
    for group_id in ("first", "second"):
        taskforce.state_group(["a", "b"], group_id)
    changes = {"groups": ["first"], "kinds": ["law_enforcement"], "tlp": "AMBER"}
    _publish(taskforce, {**changes, "state": AlertState.PUBLISHED, "red_flags": 2})
    reader = TaxiiReader(taskforce, "b")
    ids = reader.collections()
    assert ids.keys() == {"first", "second", "taskforce"}
    for path in ("objects/", "manifest/"):
        first, second = (_kept(reader.ask(f"collections/{ids[group]}/{path}")) for group in ("first", "second"))
        assert first == second


def test_the_audiences_of_a_collection_are_those_that_the_rights_say(new_taskforce: NewTaskforce) -> None:
    taskforce = divide(new_taskforce)
    for groups in (["taskforce"], ["cell"], ["cell", "own"]):
        for kinds in ([], ["law_enforcement"], ["financial_institution", "telecom"]):
            plant_alert(taskforce, "a", AlertState.PUBLISHED, audience={"groups": groups, "kinds": kinds})
    with taskforce.database.reading() as session, looking(taskforce.database) as look:
        audiences = {one.audience_id: one.audience for one in list_audiences(session)}
        for member_id, kind in KINDS.items():
            readable = readable_audiences(session, member_id, taskforce.clock())
            by_group = {
                group: set(audiences_of_group(look, group, kind)) for group in GROUPS if member_id in GROUPS[group]
            }
            assert set().union(*by_group.values()) == readable
            for group, found in by_group.items():
                assert found == {one for one in readable if group in audiences[one].groups}


def _publish(taskforce: Taskforce, alert: dict[str, Any]) -> set[str]:
    """Publish it; the ids of its objects."""
    audience = {"groups": alert["groups"], "kinds": alert["kinds"]}
    flags = [f"{MARK} {number}" for number in range(alert["red_flags"])]
    changes = {"tlp": alert["tlp"], "accounts": [ACCOUNT], "title": MARK, "red_flags": flags, "audience": audience}
    alert_id = plant_alert(taskforce, "a", alert["state"], **changes)
    with taskforce.database.transaction() as session:
        store_objects(session, session.get_one(StoredAlert, alert_id).alert, taskforce.clock())
        stored = session.scalars(select(FeedObject.object_id).where(FeedObject.alert_id == alert_id))
        return set(stored)


def _is_shown(alert: dict[str, Any], group: str, member_id: str) -> bool:
    addressed = member_id in GROUPS[group] and (not alert["kinds"] or KINDS[member_id] in alert["kinds"])
    return addressed and alert["tlp"] != "RED"


def _everything(reader: TaxiiReader, limit: int) -> list[Any]:
    """All that the reader can be answered: each page of each list, with its headers."""
    found = [_kept(reader.ask("")), _kept(reader.ask("collections/"))]
    for collection_id in reader.collections().values():
        for path in ("", "manifest/", "objects/", "objects/?match[version]=all", "objects/?match[type]=report"):
            target, _, query = path.partition("?")
            field, _, value = query.partition("=")
            asked: dict[str, Any] = {"limit": limit} if path else {}
            asked |= {field.replace("match[", "match_").rstrip("]"): value} if query else {}
            while True:
                answer = reader.ask(f"collections/{collection_id}/{target}", **asked)
                found.append(_kept(answer))
                page = answer.get_json(force=True)
                if not page.get("more"):
                    break
                asked["next"] = page["next"]
    return found


def _kept(answer: Any) -> Any:
    return answer.status_code, [pair for pair in answer.headers if pair[0] != "X-Request-Id"], answer.data


def _check_unknown(reader: TaxiiReader, collection_id: str, object_id: str) -> None:
    """As an id that nobody gave."""
    unknown = f"{object_id.partition('--')[0]}--00000000-0000-4000-8000-000000000000"
    for suffix in ("", "versions/"):
        answers = [reader.ask(f"collections/{collection_id}/objects/{one}/{suffix}") for one in (object_id, unknown)]
        told_of = [(one.status_code, one.get_json(force=True) | {"error_id": ""}, len(one.data)) for one in answers]
        assert told_of[0] == told_of[1]
        assert told_of[0][0] == 404
    for path in ("objects/", "manifest/"):
        answers = [reader.ask(f"collections/{collection_id}/{path}", match_id=one) for one in (object_id, unknown)]
        assert _kept(answers[0]) == _kept(answers[1])
        assert answers[0].data == b"{}"
