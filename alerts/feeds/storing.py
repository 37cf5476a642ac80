"""Making the objects of an alert ready for the feeds, in the transaction that changes the alert.

1. A RED alert is in no feed.
2. Nothing is stored that is not STIX as alerts.feeds.stix_shapes has it, or that refers to what its collection lacks.
3. An object that did not change keeps its version; one that did gets a later `modified`, whatever the clock says.
4. Of a withdrawn alert no version keeps what it said: the versions stay, as readers know them, and their words go.
5. What else a collection holds is the same whether or not an alert is in it (alerts.feeds.fixed_objects).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import insert
from sqlalchemy.orm import Session

from alerts.domain.alert import Alert
from alerts.feeds.fixed_objects import FIRST_ADDED_MS, FIXED_IDS, FixedObject, make_fixed_objects
from alerts.feeds.stix import AlertObject, make_objects, parts_of, take_back
from alerts.feeds.stix_shapes import (
    AttackPattern,
    BankAccount,
    MarkingDefinition,
    NotStixError,
    StixObject,
    StixReport,
    decode_stored,
    encode_checked,
)
from alerts.store.alerts import id_of_audience
from alerts.store.feed_objects import (
    FeedObject,
    earlier_versions,
    find_collections,
    keep_collections,
    keep_ids,
    last_versions,
    take_moments,
)
from exchange.kernel.upsert import insert_ignoring
from schemas.terms import AlertState, TrafficLight
from schemas.values.encoding import from_rfc3339, to_rfc3339

_OWN = ""
_TASKFORCE = "taskforce"


@dataclass(frozen=True, slots=True)
class _Version:
    """One version of an object, ready to be stored."""

    object_id: str
    object_type: str
    modified_ms: int
    body: bytes


def store_objects(session: Session, alert: Alert, now: datetime) -> None:
    """Add the present version of the alert's objects to the collections of its groups. Raises NotStixError."""
    if alert.content.tlp == TrafficLight.RED:
        return
    collections = open_collections(session, alert.content.audience.groups)
    taskforce_id = _taskforce_id(session)
    objects = make_objects(alert, keep_ids(session, alert.alert_id, parts_of(alert)), taskforce_id)
    _check_references(objects, taskforce_id)
    # First the clock: with it locked, the last versions are the last.
    moments = iter(take_moments(session, len(objects) * len(collections), now))
    known = last_versions(session, alert.alert_id)
    rows = []
    for collection_id in collections.values():
        for one in objects:
            last = known.get((collection_id, one.id))
            version = _next_version(one, last, now)
            if version is not None:
                rows.append(_row(collection_id, next(moments), version, is_first=last is None, alert=alert))
    _end_last(session, [known[key] for row in rows if (key := (row["collection_id"], row["object_id"])) in known])
    if rows:
        session.execute(insert(FeedObject), rows)
    if alert.state is AlertState.WITHDRAWN:
        _take_back_versions(session, alert)


def _take_back_versions(session: Session, alert: Alert) -> None:
    """Let the words of the earlier versions go too, from the feeds and from the disk."""
    for stored in earlier_versions(session, alert.alert_id):
        one = decode_stored(stored.body)
        if isinstance(one, AlertObject):
            stored.body = encode_checked(take_back(one, alert))
    session.flush()


def open_collections(session: Session, group_ids: Sequence[str]) -> dict[str, str]:
    """The ids of the groups' collections; one that is new gets what every collection holds."""
    known = find_collections(session, group_ids)
    if len(known) == len(group_ids):
        return known
    collections = keep_collections(session, group_ids)
    fixed = [
        _Version(one.id, _type_of(one), _version_ms(one), encode_checked(one))
        for one in make_fixed_objects(_taskforce_id(session))
    ]
    rows = [
        _row(collection_id, FIRST_ADDED_MS + place, version, is_first=True)
        for collection_id in collections.values()
        for place, version in enumerate(fixed)
    ]
    insert_ignoring(session, FeedObject, rows)
    return collections


def _taskforce_id(session: Session) -> str:
    return f"identity--{keep_ids(session, _OWN, [_TASKFORCE])[_TASKFORCE]}"


def _check_references(objects: Sequence[AlertObject], taskforce_id: str) -> None:
    present = FIXED_IDS | {taskforce_id, *(one.id for one in objects)}
    for one in objects:
        referenced = set(one.object_marking_refs)
        referenced |= {*one.object_refs, one.created_by_ref} if isinstance(one, StixReport) else set()
        if not referenced <= present:
            raise NotStixError(f"{one.id} refers to what its collection does not hold")


def _next_version(one: AlertObject, last: FeedObject | None, now: datetime) -> _Version | None:
    """The version to add; None if the last one says the same."""
    if isinstance(one, BankAccount):
        body = encode_checked(one)
        if last is not None and last.body == body:
            return None
        stored_ms = max(_milliseconds(now), 0 if last is None else last.modified_ms + 1)
        return _Version(one.id, _type_of(one), stored_ms, body)
    if last is not None:
        before = _moment(last.modified_ms)
        if encode_checked(msgspec.structs.replace(one, modified=to_rfc3339(before))) == last.body:
            return None
        after = before + timedelta(milliseconds=1)
        one = msgspec.structs.replace(one, modified=max(one.modified, to_rfc3339(after)))
    return _Version(one.id, _type_of(one), _version_ms(one), encode_checked(one))


def _end_last(session: Session, ended: Iterable[FeedObject]) -> None:
    for one in ended:
        one.is_last = False
    session.flush()


def _row(
    collection_id: str, added_ms: int, version: _Version, *, is_first: bool, alert: Alert | None = None
) -> dict[str, object]:
    return {
        "collection_id": collection_id,
        "added_ms": added_ms,
        "object_id": version.object_id,
        "object_type": version.object_type,
        "modified_ms": version.modified_ms,
        "is_first": is_first,
        "is_last": True,
        "audience_id": "" if alert is None else id_of_audience(alert.content.audience),
        "alert_id": "" if alert is None else alert.alert_id,
        "alert_version": 0 if alert is None else alert.version,
        "body": version.body,
    }


def _type_of(one: StixObject) -> str:
    return one.id.partition("--")[0]


def _version_ms(one: FixedObject | StixReport | AttackPattern) -> int:
    """`modified`, else `created` (TAXII 2.1, match[version])."""
    return _milliseconds(from_rfc3339(one.created if isinstance(one, MarkingDefinition) else one.modified))


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
