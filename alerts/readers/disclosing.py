"""Recording that versions of alerts are disclosed to a member through a channel: once, however often it is fetched."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.store.alerts import AlertDisclosure, StoredAlert
from exchange.kernel.chunks import in_chunks
from exchange.kernel.lookups import Lookup, ReadTransaction
from exchange.kernel.upsert import insert_ignoring
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.store import lock_member
from schemas.values.encoding import to_base64

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class AlertVersion:
    """One version of one alert."""

    alert_id: str
    version: int


def find_undisclosed(
    session: Session, member_id: str, versions: Iterable[AlertVersion], channel: str
) -> list[AlertVersion]:
    """Those of the versions that were not yet disclosed to the member through the channel."""
    asked = sorted(set(versions), key=lambda one: (one.alert_id, one.version))
    disclosed = set()
    for some in in_chunks([one.alert_id for one in asked], _AT_ONCE):
        rows = select(AlertDisclosure.alert_id, AlertDisclosure.version).where(
            AlertDisclosure.alert_id.in_(some),
            AlertDisclosure.member_id == member_id,
            AlertDisclosure.channel == channel,
        )
        disclosed |= {AlertVersion(*row) for row in session.execute(rows)}
    return [one for one in asked if one not in disclosed]


def find_undisclosed_for_poll(
    looking: ReadTransaction, member_id: str, versions: Collection[tuple[str, int]], channel: str
) -> list[AlertVersion]:
    """As find_undisclosed, for polls; at most a page's versions, by alert and number."""
    if not versions:
        return []
    alert_ids = {alert_id for alert_id, _ in versions}
    values: dict[str, object] = {f"a{number}": alert_id for number, alert_id in enumerate(alert_ids)}
    values |= {"member_id": member_id, "channel": channel}
    disclosed = _disclosed_lookup(len(alert_ids)).rows(looking, values)
    return [AlertVersion(*one) for one in sorted(set(versions).difference(disclosed))]


@lru_cache(maxsize=512)
def _disclosed_lookup(count: int) -> Lookup:
    names = ", ".join(f":a{number}" for number in range(count))
    return Lookup(
        "SELECT alert_id, version FROM alert_told"  # noqa: S608 - names of our own
        f" WHERE member_id = :member_id AND channel = :channel AND alert_id IN ({names})"
    )


def disclose_once(
    session: Session, member_id: str, versions: Iterable[AlertVersion], channel: str, now: datetime
) -> str | None:
    """As record_disclosed, of those of the versions that are untold: the log says each once, however many polls of the
    member's ask for them at the same time.
    """
    lock_member(session, member_id)
    return record_disclosed(session, member_id, find_undisclosed(session, member_id, versions, channel), channel, now)


def record_disclosed(
    session: Session, member_id: str, untold: Sequence[AlertVersion], channel: str, now: datetime
) -> str | None:
    """Record the disclosure of those versions in the log, one event for all; its id, None for none.

    Call it in a writing transaction and answer after its commit. Raises LogUnavailableError.
    """
    if not untold:
        return None
    view = {"channel": channel, "alerts": [_line(session, one) for one in untold]}
    event_id = record(session, "alert_told", [View(member_id, view)], now).event_id
    rows = [
        {"alert_id": one.alert_id, "member_id": member_id, "version": one.version}
        | {"channel": channel, "event_id": event_id, "told_at": now}
        for one in untold
    ]
    for some in in_chunks(rows, _AT_ONCE):
        insert_ignoring(session, AlertDisclosure, some)
    return event_id


def _line(session: Session, one: AlertVersion) -> dict[str, object]:
    stored = session.get_one(StoredAlert, one.alert_id)
    return {
        "alert_id": one.alert_id,
        "reference": stored.reference,
        "version": one.version,
        "content_sha256": to_base64(stored.alert.sha256_of(one.version)),
    }


def record_disclosed_to_all(
    session: Session, stored: StoredAlert, member_ids: Sequence[str], *, event_id: str, channel: str, now: datetime
) -> None:
    """Record that an event disclosed the alert's present version to each of the members."""
    rows = [
        {"alert_id": stored.alert_id, "member_id": member_id, "version": stored.version}
        | {"channel": channel, "event_id": event_id, "told_at": now}
        for member_id in member_ids
    ]
    for some in in_chunks(rows, _AT_ONCE):
        insert_ignoring(session, AlertDisclosure, some)
