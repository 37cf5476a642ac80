"""The MISP feed, loaded by PyMISP with MISP's own object templates."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from schemas.terms import AlertState
from tests.alerts.feeds.readers import ACCOUNT, HASHES, MANIFEST, FeedReader, change, publish, stix_id_of
from tests.taskforce.founding import Taskforce

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pymisp import MISPEvent, MISPObject

NewTaskforce = Callable[..., Taskforce]
ABROAD = {"iban": "DE89370400440532013000", "sort_code": "", "account_number": "", "bic": ""}


@pytest.fixture
def database_kind() -> str:
    """What an alert looks like in this form is the same on each database: one will do."""
    return "sqlite"


def load_event(reader: FeedReader, event_id: str) -> Any:
    """The event, as PyMISP reads it from a feed."""
    event = MISPEvent(strict_validation=True)
    event.from_dict(**reader.read(f"/feeds/misp/taskforce/{event_id}.json").get_json())
    return event


def test_the_manifest_tells_what_each_event_says(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    event_ids = [stix_id_of(taskforce, publish(taskforce, tlp="AMBER+STRICT")) for _ in range(3)]
    reader = FeedReader(taskforce, "b")
    manifest = reader.read(MANIFEST).get_json()
    assert list(manifest) == event_ids[::-1]
    for event_id in event_ids:
        event = load_event(reader, event_id)
        made = event.manifest[event_id]
        assert manifest[event_id]["info"] == made["info"]
        assert int(manifest[event_id]["timestamp"]) == int(made["timestamp"])
        assert manifest[event_id]["Orgc"]["name"] == "Member a"
        assert "tlp:amber+strict" in {tag.name for tag in event.tags}
        assert (event.analysis, event.threat_level_id, event.published) == (2, 2, True)


def test_an_account_is_an_object_of_misps_own_template(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    event_id = stix_id_of(taskforce, publish(taskforce, accounts=[ACCOUNT, ABROAD]))
    event = load_event(FeedReader(taskforce, "b"), event_id)
    first, second = event.objects
    template: Any = MISPObject("bank-account", strict=True)
    for made in (first, second):
        assert (made.name, made.template_uuid) == ("bank-account", template.template_uuid)
        assert getattr(made, "meta-category") == "financial"
        relations = {one.object_relation: one for one in made.attributes}
        definition = template._definition["attributes"]
        assert {name: one.type for name, one in relations.items()} == {
            name: definition[name]["misp-attribute"] for name in relations
        }
    assert {one.object_relation: one.value for one in first.attributes} == {
        "iban": ACCOUNT["iban"],
        "account": ACCOUNT["account_number"],
        "institution-code": ACCOUNT["sort_code"],
        "swift": ACCOUNT["bic"],
    }
    assert [one.object_relation for one in second.attributes] == ["iban"]


def test_the_hashes_are_those_of_the_events(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    event_id = stix_id_of(taskforce, publish(taskforce, accounts=[ACCOUNT]))
    reader = FeedReader(taskforce, "b")
    lines = reader.read(HASHES).text.splitlines()
    wanted = load_event(reader, event_id).attributes_hashes("md5")
    assert sorted(lines) == sorted(f"{one},{event_id}" for one in wanted)
    assert f"{hashlib.md5(b'GB33BUKB20201555555555', usedforsecurity=False).hexdigest()},{event_id}" in lines


def test_a_withdrawn_event_makes_misp_drop_what_it_had(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    alert_id = publish(taskforce, accounts=[ACCOUNT])
    event_id = stix_id_of(taskforce, alert_id)
    reader = FeedReader(taskforce, "b")
    path = f"/feeds/misp/taskforce/{event_id}.json"
    before = reader.read(path).get_json()["Event"]
    manifest = reader.read(MANIFEST).get_json()[event_id]
    change(taskforce, alert_id, AlertState.WITHDRAWN, reason="A victim's account", modified_at=taskforce.clock())
    answer = reader.read(path)
    after = answer.get_json()["Event"]
    # MISP compares whole seconds.
    assert int(after["timestamp"]) > int(before["timestamp"])
    assert int(reader.read(MANIFEST).get_json()[event_id]["timestamp"]) > int(manifest["timestamp"])
    for text in ("GB33", "55555555", "202015", "BUKB", "Mule accounts", "forged", "employer"):
        assert text not in answer.text
        assert text not in reader.read(MANIFEST).text
    stays = {one["value"] for one in after["Attribute"] if not one["deleted"]}
    assert stays == {after["info"].removeprefix("WITHDRAWN: alert "), "OFFICIAL TLP:AMBER."}
    gone = {one["uuid"]: one["deleted"] for made in after["Object"] for one in (made, *made["Attribute"])}
    assert set(gone) == {one["uuid"] for made in before["Object"] for one in (made, *made["Attribute"])}
    assert all(gone.values())
    assert len(reader.read(HASHES).text.splitlines()) == 2
    load_event(reader, event_id)


def test_ids_tell_nothing_of_an_account(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    reader = FeedReader(taskforce, "b")
    ids: list[set[str]] = []
    for _ in range(2):
        event_id = stix_id_of(taskforce, publish(taskforce, accounts=[ACCOUNT]))
        event = reader.read(f"/feeds/misp/taskforce/{event_id}.json").get_json()["Event"]
        ids.append({one["uuid"] for made in event["Object"] for one in (made, *made["Attribute"])})
    assert not ids[0] & ids[1]


def test_an_id_that_is_none_is_unknown(new_taskforce: NewTaskforce) -> None:
    reader = FeedReader(new_taskforce("a", "b"), "b")
    for name in ("x", "01938F3C-7B1E-7C55-9D3A-0A4C1F6B2D10", "hashes"):
        assert reader.get(f"/feeds/misp/taskforce/{name}.json").status_code == 404
