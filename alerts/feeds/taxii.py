"""TAXII 2.1 (OASIS Standard) without HTTP: the resources as bytes, joined from what is stored ready-made.

Rules, in order
1. A collection is that of one sharing group. It is there for the members that are in the group while the group is open,
   whether or not anything was published in it; for others it is not.
2. Of its objects a member reads those whose audience it belongs to when it asks. Where its pages end, what they count
   and how they are continued follows from these alone.
3. Every version of an alert that an answer tells of is in the log before the answer leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime

from alerts.feeds.filters import EVERY, LAST_ONLY, TaxiiFilters, Versions, read_filters, write_time, write_version
from alerts.feeds.pages import CollectionReading, Columns, ObjectsPage, find_reading, holds, read_page
from alerts.feeds.storing import open_collections
from alerts.readers.disclosing import AlertVersion, disclose_once, find_undisclosed_for_poll
from alerts.store.feed_objects import find_collections
from exchange.kernel.lookups import ReadTransaction
from exchange.kernel.session import Database
from exchange.membership.store import SharingGroup, groups_of_member
from schemas.alerts.feeds import TaxiiCollection

MEDIA_TYPE = "application/taxii+json"
CONTENT_TYPE = f"{MEDIA_TYPE};version=2.1"
STIX_TYPE = "application/stix+json;version=2.1"
CHANNEL = "taxii"
EMPTY = b"{}"


class UnknownError(LookupError):
    """There is no such collection or object for this reader."""


@dataclass(frozen=True, slots=True)
class TaxiiAnswer:
    """A page as it is sent; `first` and `last` are the moments of its oldest and newest object, None for no object."""

    body: bytes
    first: str | None = None
    last: str | None = None


def list_collections(database: Database, member_id: str, now: datetime) -> list[TaxiiCollection]:
    """The collections that there are for the member. One that is missing is made: a group has its own before its first
    alert, so that it tells of none.
    """
    with database.reading() as session:
        groups = [group for group in groups_of_member(session, member_id) if group.is_open(now)]
        found = find_collections(session, [group.group_id for group in groups])
    missing = [group.group_id for group in groups if group.group_id not in found]
    if missing:
        found |= database.run_in_transaction(lambda session: open_collections(session, missing))
    return [_describe(group, found[group.group_id]) for group in groups]


def find_collection(database: Database, member_id: str, now: datetime, collection_id: str) -> TaxiiCollection:
    """One of them. Raises UnknownError."""
    for found in list_collections(database, member_id, now):
        if found.id == collection_id:
            return found
    raise UnknownError


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads pages, from what, when. `looking` gives the reading transaction of the request, which ends with its
    block and before any other begins.
    """

    database: Database
    member_id: str
    now: datetime
    looking: Callable[[], AbstractContextManager[ReadTransaction]]

    def objects(self, collection_id: str, query: Mapping[str, str], object_id: str | None = None) -> TaxiiAnswer:
        """An envelope of objects, or of versions of one object. Raises UnknownError, BadQueryError."""
        return self._page(collection_id, query, Columns.BODIES, _bodies, object_id=object_id)

    def manifest(self, collection_id: str, query: Mapping[str, str]) -> TaxiiAnswer:
        """A manifest. Raises UnknownError, BadQueryError."""
        return self._page(collection_id, query, Columns.RECORDS, _records)

    def versions(self, collection_id: str, query: Mapping[str, str], object_id: str) -> TaxiiAnswer:
        """The versions of one object. Raises UnknownError, BadQueryError."""
        return self._page(
            collection_id, query, Columns.RECORDS, _versions, name=b"versions", object_id=object_id, versions=EVERY
        )

    def check_readable(self, collection_id: str) -> None:
        """Raises UnknownError if there is no such collection for the reader."""
        with self.looking() as look:
            self._find(look, collection_id)

    def _page(
        self,
        collection_id: str,
        query: Mapping[str, str],
        columns: Columns,
        parts: Callable[[ObjectsPage], list[bytes]],
        *,
        name: bytes = b"objects",
        object_id: str | None = None,
        versions: Versions = LAST_ONLY,
    ) -> TaxiiAnswer:
        filters = read_filters(query, versions)
        with self.looking() as look:
            reading = self._find(look, collection_id)
            if object_id is not None:
                filters = _about(look, reading, filters, object_id)
            page = read_page(look, reading, filters, columns)
            untold = find_undisclosed_for_poll(look, self.member_id, page.versions(), CHANNEL)
        self._record(untold)
        return _answer(page, name, parts(page))

    def _find(self, look: ReadTransaction, collection_id: str) -> CollectionReading:
        reading = find_reading(look, self.member_id, collection_id, self.now)
        if reading is None:
            raise UnknownError
        return reading

    def _record(self, untold: Sequence[AlertVersion]) -> None:
        """Rule 3."""
        if untold:
            self.database.run_in_transaction(
                lambda session: disclose_once(session, self.member_id, untold, CHANNEL, self.now)
            )


def _describe(group: SharingGroup, collection_id: str) -> TaxiiCollection:
    return TaxiiCollection(
        id=collection_id,
        title=group.name,
        description=f"Alerts to the sharing group {group.group_id}",
        can_read=True,
        can_write=False,
        media_types=[STIX_TYPE],
    )


def _about(look: ReadTransaction, reading: CollectionReading, filters: TaxiiFilters, object_id: str) -> TaxiiFilters:
    if not holds(look, reading, object_id):
        raise UnknownError
    return replace(filters, ids=(object_id,), types=())


def _answer(page: ObjectsPage, name: bytes, parts: list[bytes]) -> TaxiiAnswer:
    """The resource with its list of that name; joined at once, since a copy of a page is what costs most here."""
    if not parts:
        return TaxiiAnswer(EMPTY)
    first, last = page.rows[0][0], page.rows[-1][0]
    head = b'{"more":true,"next":"%d","%b":[' % (last, name) if page.more else b'{"more":false,"%b":[' % name
    parts[0] = head + parts[0]
    parts[-1] += b"]}"
    return TaxiiAnswer(b",".join(parts), write_time(first), write_time(last))


def _bodies(page: ObjectsPage) -> list[bytes]:
    return [row[3] for row in page.rows]


def _records(page: ObjectsPage) -> list[bytes]:
    return [
        f'{{"id":"{object_id}","date_added":"{write_time(added_ms)}",'
        f'"version":"{write_version(modified_ms)}","media_type":"{STIX_TYPE}"}}'.encode()
        for added_ms, _, _, object_id, modified_ms in page.rows
    ]


def _versions(page: ObjectsPage) -> list[bytes]:
    return [f'"{write_version(row[4])}"'.encode() for row in page.rows]
