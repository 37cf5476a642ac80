"""Reading a feed in one of its forms.

Rules, in order:
1. A group that the reader is not in now, or that is closed, is answered as one that does not exist.
2. What the reader holds already (ETag, Last-Modified) is not made again. Both follow from nothing but what it may see.
3. No version of an alert goes out before the log has its disclosure to the reader through this form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.domain.alert import Alert
from alerts.feeds.kept import Kept
from alerts.feeds.listing import Feed, FeedCursor, FeedLine, FeedPage, find_feed, find_listed, read_page
from alerts.readers.disclosing import AlertVersion, disclose_once, find_undisclosed
from alerts.store.alerts import StoredAlert
from exchange.kernel.chunks import in_chunks
from exchange.kernel.session import Database

_MAKE = 2
"""To be raised when the same alerts are to look different, so that readers fetch them again."""

_SETTLED = timedelta(minutes=1)
"""No change is committed later than this after the time that it bears; until then a Last-Modified could hide it."""

_AT_ONCE = 200
_KEPT = Kept(32 * 1024 * 1024)


class UnknownFeedError(LookupError):
    """There is no such feed, or no such alert in it, for this reader."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above a page's entries: `changed_at` is when the newest one was changed, None for no entry."""

    group_id: str
    title: str
    url: str
    first_url: str
    next_url: str | None
    changed_at: datetime | None


class FeedForm(Protocol):
    """A form of the feed. `channel` is its name in the log; `limit` the most entries of a page; `path` the place of a
    group's feed on this server.
    """

    channel: str
    name: str
    media_type: str
    limit: int

    def path(self, group_id: str) -> str:
        """Where a group's feed is."""

    def entry(self, alert: Alert) -> bytes:
        """One alert."""

    def join(self, heading: Heading, entries: Sequence[bytes]) -> bytes:
        """A whole page."""


@dataclass(frozen=True, slots=True)
class FeedAnswer:
    """A page as it is sent; `body` is None if the reader holds it already. `changed_at` is None where that time is too
    fresh to be relied on.
    """

    etag: str
    changed_at: datetime | None
    body: bytes | None


IsHeld = Callable[[str, datetime | None], bool]
"""Whether the reader holds the answer of that ETag and time of change."""


@dataclass(frozen=True, slots=True)
class FeedRequest:
    """Who reads, from what, when; `url` is the exchange's own address."""

    database: Database
    member_id: str
    now: datetime
    url: str

    def page(self, group_id: str, form: FeedForm, cursor: FeedCursor | None, is_held: IsHeld) -> FeedAnswer:
        """A page of a group's feed. Raises UnknownFeedError, LogUnavailableError."""
        with self.database.reading() as session:
            feed = self._find(session, group_id)
            page = read_page(session, feed, cursor, form.limit)
            heading = self._heading(feed, form, cursor, page)
            etag = _etag(form, heading, page.lines)
            changed_at = self._settled(heading.changed_at)
            if is_held(etag, changed_at):
                return FeedAnswer(etag, changed_at, None)
            body = form.join(heading, _entries(session, page.lines, form))
            untold = self._undisclosed(session, page.lines, form)
        self._disclose(untold, form.channel)
        return FeedAnswer(etag, changed_at, body)

    def single(self, group_id: str, form: FeedForm, stix_id: str, is_held: IsHeld) -> FeedAnswer:
        """One alert of a group's feed. Raises UnknownFeedError, LogUnavailableError."""
        with self.database.reading() as session:
            stored = find_listed(session, self._find(session, group_id), stix_id)
            if stored is None:
                raise UnknownFeedError
            lines = [FeedLine(stored.alert_id, stored.version, stored.modified_at)]
            etag = _digest([_MAKE, form.name, stored.alert_id, stored.version])
            changed_at = self._settled(stored.modified_at)
            if is_held(etag, changed_at):
                return FeedAnswer(etag, changed_at, None)
            body = form.entry(stored.alert)
            untold = self._undisclosed(session, lines, form)
        self._disclose(untold, form.channel)
        return FeedAnswer(etag, changed_at, body)

    def _find(self, session: Session, group_id: str) -> Feed:
        feed = find_feed(session, self.member_id, group_id, self.now)
        if feed is None:
            raise UnknownFeedError
        return feed

    def _heading(self, feed: Feed, form: FeedForm, cursor: FeedCursor | None, page: FeedPage) -> Heading:
        first = self.url.rstrip("/") + form.path(feed.group_id)
        return Heading(
            feed.group_id,
            f"Alerts: {feed.name}",
            first if cursor is None else f"{first}?cursor={cursor.write()}",
            first,
            None if page.next is None else f"{first}?cursor={page.next.write()}",
            page.lines[0].modified_at if page.lines else None,
        )

    def _settled(self, changed_at: datetime | None) -> datetime | None:
        return changed_at if changed_at is not None and self.now - changed_at >= _SETTLED else None

    def _undisclosed(self, session: Session, lines: Sequence[FeedLine], form: FeedForm) -> list[AlertVersion]:
        versions = [AlertVersion(line.alert_id, line.version) for line in lines]
        return find_undisclosed(session, self.member_id, versions, form.channel)

    def _disclose(self, untold: Sequence[AlertVersion], channel: str) -> None:
        """Rule 3."""
        if untold:
            self.database.run_in_transaction(
                lambda session: disclose_once(session, self.member_id, untold, channel, self.now)
            )


def _entries(session: Session, lines: Sequence[FeedLine], form: FeedForm) -> list[bytes]:
    """The entries of those lines, made once for each version and kept for all readers."""
    keys = [(form.name, line.alert_id, line.version) for line in lines]
    found = {key: entry for key in keys if (entry := _KEPT.find(key)) is not None}
    missing = [key[1] for key in keys if key not in found]
    for some in in_chunks(missing, _AT_ONCE):
        for stored in session.scalars(select(StoredAlert).where(StoredAlert.alert_id.in_(some))):
            key = (form.name, stored.alert_id, stored.version)
            found[key] = form.entry(stored.alert)
            _KEPT.keep(key, found[key])
    return [found[key] for key in keys]


def _etag(form: FeedForm, heading: Heading, lines: Sequence[FeedLine]) -> str:
    shown = [[line.alert_id, line.version] for line in lines]
    return _digest([_MAKE, form.name, heading.title, heading.url, heading.next_url, shown])


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:32]
