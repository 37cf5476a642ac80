"""Alerts as STIX 2.1: what the OASIS validator says, which ids stay, and what changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import stix2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from sqlalchemy import select
from stix2validator import ValidationOptions, validate_instance

from alerts.acts.publication import apply_due_changes
from alerts.domain.alert import Alert
from alerts.feeds import extensions
from alerts.feeds.fixed_objects import FIXED_IDS, TLP_MARKINGS
from alerts.feeds.stix import make_objects, parts_of
from alerts.feeds.stix_shapes import NotStixError, encode_checked
from alerts.feeds.storing import store_objects
from alerts.store.alerts import StoredAlert
from alerts.store.feed_objects import FeedObject
from schemas.alerts.messages import AlertContent
from schemas.terms import AlertColour, AlertState, LegalGateway, Theme, TrafficLight
from tests.alerts.factories import make_content, plant_alert, release, step
from tests.alerts.feeds.readers import ACCOUNT
from tests.alerts.feeds.taxii_reader import TaxiiReader
from tests.taskforce.clock import NOW
from tests.taskforce.founding import Taskforce

NewTaskforce = Callable[..., Taskforce]
FOREIGN = {"iban": "DE89370400440532013000", "sort_code": "", "account_number": "", "bic": ""}
TASKFORCE_ID = "identity--7b6e4d9c-6f1b-4e0e-8a53-2f5d0d9f7a11"
DOCUMENTS = Path(__file__).parents[3] / "docs" / "stix"

_texts = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=300).filter(str.strip)
_lights = [light.value for light in TrafficLight if light is not TrafficLight.RED]


def faults(objects: Sequence[dict[str, Any]]) -> list[str]:
    """What the OASIS validator finds wrong."""
    options = ValidationOptions(version="2.1")
    found = [(one["id"], validate_instance(one, options)) for one in objects]
    return [f"{object_id}: {error}" for object_id, result in found for error in result.errors]


def of_type(objects: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Those of one type."""
    return [one for one in objects if one["type"] == kind]


def make_alert(state: AlertState = AlertState.PUBLISHED, **changes: Any) -> Alert:
    """An alert as a value."""
    return Alert(
        alert_id=str(uuid4()),
        stix_id=str(uuid4()),
        reference="0421-NECC",
        member_id="a",
        issuer="Bank A",
        state=state,
        version=1,
        content=msgspec.convert(make_content(**changes), AlertContent),
        created_at=NOW,
        modified_at=NOW,
        published_at=NOW,
    )


def objects_of(alert: Alert) -> list[dict[str, Any]]:
    """Its objects, checked as they are when they are stored."""
    ids = {part: str(uuid4()) for part in parts_of(alert)}
    return [json.loads(encode_checked(one)) for one in make_objects(alert, ids, TASKFORCE_ID)]


def test_objects_of_every_state_are_valid_stix_and_read_by_stix2(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    bank = taskforce.members["a"]
    for colour, theme in zip(AlertColour, (Theme.MONEY_MULES, Theme.TERRORIST_FINANCE, Theme.OTHER), strict=True):
        release(bank, colour=colour.value, theme=theme.value, accounts=[ACCOUNT, FOREIGN])
    withdrawn, replaced = release(bank, accounts=[ACCOUNT, FOREIGN]), release(bank, red_flags=[])
    step(bank, withdrawn, "withdraw", {"reason": "a mistake"})
    with taskforce.database.reading() as session:
        reference = session.get_one(StoredAlert, replaced).reference
    release(bank, supersedes=reference, tlp="CLEAR", sources=[])
    release(bank, review_by="2026-11-23", expires_on="2026-11-23")
    taskforce.clock.advance(days=3)  # type: ignore[attr-defined]
    apply_due_changes(taskforce.database, taskforce.clock())

    every = TaxiiReader(taskforce, "b").objects(match_version="all")
    states = {one["extensions"][extensions.ALERT]["state"] for one in of_type(every, "report")}
    assert states == {"published", "withdrawn", "superseded", "expired"}
    assert faults(every) == []
    present = {one["id"] for one in every}
    assert present >= FIXED_IDS
    for one in every:
        stix2.parse(one, allow_custom=one["type"] in ("report", "bank-account"))
        assert {*one.get("object_refs", ()), *one.get("object_marking_refs", ())} <= present
        assert one.get("created_by_ref", one["id"]) in present


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(
    state=st.sampled_from(
        [AlertState.PUBLISHED, AlertState.WITHDRAWN, AlertState.SUPERSEDED, AlertState.EXPIRED],
    ),
    title=_texts,
    red_flags=st.lists(_texts, max_size=3),
    overview=_texts,
    requested_action=_texts | st.just(""),
    purpose=_texts,
    conditions=_texts | st.just(""),
    legal_gateway=st.sampled_from([gateway.value for gateway in LegalGateway]),
    theme=st.sampled_from([theme.value for theme in Theme]),
    tlp=st.sampled_from(_lights),
    accounts=st.lists(st.sampled_from([ACCOUNT, FOREIGN]), max_size=2),
)
def test_whatever_an_author_writes_becomes_objects_that_pass(state: AlertState, **changes: Any) -> None:
    alert, is_withdrawn = make_alert(state, **changes), state is AlertState.WITHDRAWN
    objects = objects_of(alert)
    assert faults(objects) == []
    report = objects[-1]
    assert report["object_refs"] == [TASKFORCE_ID, *(one["id"] for one in objects[:-1])]
    assert report["name"] == ("WITHDRAWN: alert 0421-NECC" if is_withdrawn else alert.content.title)
    assert report["external_references"][0]["external_id"] == "0421-NECC"
    versioned = [one for one in objects if one["type"] != "bank-account"]
    assert {one.get("revoked", False) for one in versioned} == {is_withdrawn}


def test_an_object_keeps_its_id_and_changes_only_with_its_alert(
    new_taskforce: NewTaskforce,
) -> None:
    taskforce = new_taskforce("a", "b")
    reader = TaxiiReader(taskforce, "b")
    alert_id = release(taskforce.members["a"], red_flags=["one", "two"], accounts=[ACCOUNT])
    before = {one["id"]: one for one in reader.alert_objects()}
    step(taskforce.members["a"], alert_id, "withdraw", {"reason": "a mistake"})
    after = {one["id"]: one for one in reader.alert_objects()}
    assert before.keys() == after.keys()
    assert len(before) == 4
    for object_id, one in after.items():
        if one["type"] == "bank-account":
            assert one["extensions"][extensions.ACCOUNT]["withdrawn"] is True
            continue
        # The clock stood still between the two: the version rises all the same.
        assert one["modified"] > before[object_id]["modified"]
        assert one["created"] == before[object_id]["created"]
        assert one["revoked"] is True
    every = reader.alert_objects(match_version="all")
    assert len(every) == 8
    report = of_type(list(after.values()), "report")[0]
    assert report["extensions"][extensions.ALERT]["withdrawal_reason"] == "a mistake"


def test_once_an_alert_is_withdrawn_no_version_tells_what_it_said(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    reader = TaxiiReader(taskforce, "b")
    words = {"title": "Kestrel title", "overview": "Kestrel overview", "purpose": "Kestrel purpose", "body": "Kestrel"}
    kept = release(taskforce.members["a"], accounts=[ACCOUNT], **words)
    gone = release(taskforce.members["a"], red_flags=["Kestrel flag"], accounts=[FOREIGN], **words)
    assert "Kestrel flag" in json.dumps(reader.alert_objects(match_version="all"))
    before = [one["id"] for one in reader.alert_objects()]
    step(taskforce.members["a"], gone, "withdraw", {"reason": "a mistake"})
    every = reader.alert_objects(match_version="all")
    said = json.dumps([one for one in every if one.get("revoked")])
    assert "Kestrel" not in said
    text = json.dumps(every)
    assert FOREIGN["iban"] not in text
    assert "Kestrel flag" not in text
    assert ACCOUNT["iban"] in text
    assert {one["id"] for one in every} == set(before)
    assert faults(every) == []
    with taskforce.database.reading() as session:
        bodies = list(session.scalars(select(FeedObject.body).where(FeedObject.alert_id == gone)))
    assert len(bodies) == 6
    assert not any(b"Kestrel" in body for body in bodies)
    assert kept != gone


def test_what_expires_makes_a_new_version_of_its_report_alone(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    reader = TaxiiReader(taskforce, "b")
    release(taskforce.members["a"], accounts=[ACCOUNT], review_by="2026-11-23", expires_on="2026-11-23")
    taskforce.clock.advance(days=3)  # type: ignore[attr-defined]
    apply_due_changes(taskforce.database, taskforce.clock())
    types = [one["type"] for one in reader.alert_objects(match_version="all")]
    assert sorted(types) == ["attack-pattern", "bank-account", "report", "report"]


def test_ids_of_accounts_say_nothing_of_the_account_or_of_other_alerts(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    for _ in range(2):
        release(taskforce.members["a"], accounts=[ACCOUNT])
    accounts = of_type(TaxiiReader(taskforce, "b").objects(), "bank-account")
    assert len({one["id"] for one in accounts}) == 2
    assert {one["iban"] for one in accounts} == {ACCOUNT["iban"]}
    # Random (version 4), never made of the number (version 5), which could be tried out.
    assert {one["id"].partition("--")[2][14] for one in accounts} == {"4"}


def test_an_alert_that_names_no_account_brings_no_observable(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    release(taskforce.members["a"])
    types = {one["type"] for one in TaxiiReader(taskforce, "b").alert_objects()}
    assert types == {"report", "attack-pattern"}


def test_the_account_is_written_as_its_published_extension_says() -> None:
    uk, foreign = of_type(objects_of(make_alert(accounts=[ACCOUNT, FOREIGN])), "bank-account")
    assert uk["extensions"] == {
        extensions.BANK_ACCOUNT: {"extension_type": "new-sco"},
        extensions.ACCOUNT: {"extension_type": "property-extension", "sort_code": "202015"},
    }
    assert (uk["iban"], uk["bic"], uk["account_number"]) == (ACCOUNT["iban"], "BUKBGB22", "55555555")
    assert foreign["extensions"] == {extensions.BANK_ACCOUNT: {"extension_type": "new-sco"}}
    assert "account_number" not in foreign


def test_plain_text_cannot_become_markup_in_a_description() -> None:
    bad = "<script>alert(1)</script> [x](javascript:y)"
    alert = make_alert(red_flags=[bad], case_studies=[{"title": bad, "text": "text"}])
    pattern, report = objects_of(alert)
    assert "\\<script\\>" in pattern["description"]
    assert "\\<script\\>" in report["description"]
    assert "<script>" not in (pattern["description"] + report["description"]).replace("\\<script\\>", "")


def test_the_documented_schemas_are_those_of_the_feed_and_fit_it() -> None:
    documents = {"alert": extensions.ALERT_SCHEMA, "account": extensions.ACCOUNT_SCHEMA}
    for name, schema in documents.items():
        assert json.loads((DOCUMENTS / f"{name}.schema.json").read_text()) == schema
        Draft202012Validator.check_schema(schema)
    for state in (AlertState.PUBLISHED, AlertState.WITHDRAWN):
        alert = replace(make_alert(state, accounts=[ACCOUNT]), reason="wrong", superseded_by="0007-NECC")
        *_, account, report = objects_of(alert)
        Draft202012Validator(extensions.ALERT_SCHEMA).validate(report["extensions"][extensions.ALERT])
        Draft202012Validator(extensions.ACCOUNT_SCHEMA).validate(account["extensions"][extensions.ACCOUNT])


def test_a_red_alert_is_in_no_collection(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    release(taskforce.members["a"], tlp="RED", sources=[])
    assert TaxiiReader(taskforce, "b").alert_objects() == []


@pytest.mark.parametrize(
    "changes",
    [
        *({"modified": time} for time in ("yesterday", "2020-01-01T00:00:00.000Z", "2026-99-01T00:00:00.000Z")),
        *({"name": ""}, {"id": "report--1"}, {"object_refs": []}, {"created_by_ref": "nobody"}),
    ],
)
def test_an_object_that_would_break_a_reader_is_refused(changes: dict[str, Any]) -> None:
    report = make_objects(make_alert(red_flags=[]), {}, TASKFORCE_ID)[-1]
    with pytest.raises(NotStixError):
        encode_checked(msgspec.structs.replace(report, **changes))


def test_nothing_is_stored_of_an_alert_with_an_unknown_marking(
    new_taskforce: NewTaskforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    taskforce = new_taskforce("a", "b")
    alert_id = plant_alert(taskforce, "a", AlertState.PUBLISHED)
    missing = f"marking-definition--{uuid4()}"
    monkeypatch.setitem(TLP_MARKINGS, TrafficLight.AMBER, missing)
    with pytest.raises(NotStixError), taskforce.database.transaction() as session:
        store_objects(session, session.get_one(StoredAlert, alert_id).alert, taskforce.clock())
    with taskforce.database.reading() as session:
        assert session.query(FeedObject).count() == 0
