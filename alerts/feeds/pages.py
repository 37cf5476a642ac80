"""Reading pages of a collection, in the order in which objects were added, each in time that depends on its size alone.

The statement is a union of one index range for each audience that the reader belongs to (and each type it asks for):
both databases merge such ranges in order and stop at the limit, so that neither depth nor what the reader may not see
costs anything. Where a few ids are asked for, they are looked up first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from itertools import product
from typing import Any

from alerts.feeds.filters import EVERY, TaxiiFilters
from alerts.readers.audiences import audiences_of_group
from exchange.kernel.lookups import Lookup, ReadTransaction

_OWN_AUDIENCE = ""
_MAX_RANGES = 100
_IN_ORDER = " ORDER BY added_ms LIMIT :most"


class Columns(Enum):
    """What a page shows of each object; the first three are always the same."""

    BODIES = "added_ms, alert_id, alert_version, body"
    RECORDS = "added_ms, alert_id, alert_version, object_id, modified_ms"


@dataclass(frozen=True, slots=True)
class CollectionReading:
    """What one member may read of one collection."""

    collection_id: str
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ObjectsPage:
    """Rows of the chosen columns, oldest first, and whether others follow."""

    rows: Sequence[tuple[Any, ...]]
    more: bool

    def versions(self) -> set[tuple[str, int]]:
        """The versions of alerts that it discloses, by alert and number."""
        return {(row[1], row[2]) for row in self.rows if row[1]}


_READER = Lookup(
    "SELECT g.group_id, m.kind FROM feed_collections c"
    " JOIN sharing_groups g ON g.group_id = c.group_id"
    " JOIN group_members i ON i.group_id = c.group_id"
    " JOIN members m ON m.member_id = i.member_id"
    " WHERE c.collection_id = :collection_id AND i.member_id = :member_id"
    " AND g.state = 'open' AND (g.sunset IS NULL OR g.sunset > :now)"
    " AND m.state = 'active' AND m.stopped_at IS NULL"
)


def find_reading(
    looking: ReadTransaction, member_id: str, collection_id: str, now: datetime
) -> CollectionReading | None:
    """What the member may read of the collection now; None if there is no such collection for it."""
    asked = {"collection_id": collection_id, "member_id": member_id, "now": looking.moment(now)}
    for group_id, kind in _READER.rows(looking, asked):
        return CollectionReading(collection_id, (_OWN_AUDIENCE, *audiences_of_group(looking, group_id, kind)))
    return None


def read_page(
    looking: ReadTransaction, reading: CollectionReading, filters: TaxiiFilters, columns: Columns
) -> ObjectsPage:
    """The page that the filters ask for."""
    if not filters.is_possible:
        return ObjectsPage([], more=False)
    lookup, values = page_lookup(reading, filters, columns)
    rows = lookup.rows(looking, values)
    return ObjectsPage(rows[: filters.limit], more=len(rows) > filters.limit)


def page_lookup(reading: CollectionReading, filters: TaxiiFilters, columns: Columns) -> tuple[Lookup, dict[str, Any]]:
    """The statement of a page and its values."""
    versions = filters.versions
    shape = _Shape(
        columns,
        len(reading.audiences),
        len(filters.types),
        len(filters.ids),
        versions.every,
        versions.first,
        versions.last,
        len(versions.moments),
    )
    values: dict[str, Any] = {"c": reading.collection_id, "after": filters.after_ms, "most": filters.limit + 1}
    lists = {"a": reading.audiences, "t": filters.types, "i": filters.ids, "v": versions.moments}
    for letter, several in lists.items():
        values |= {f"{letter}{number}": value for number, value in enumerate(several)}
    return _statement(shape), values


def holds(looking: ReadTransaction, reading: CollectionReading, object_id: str) -> bool:
    """Whether the reader's part of the collection has the object."""
    asked = TaxiiFilters(limit=1, ids=(object_id,), versions=EVERY)
    return bool(read_page(looking, reading, asked, Columns.RECORDS).rows)


@dataclass(frozen=True, slots=True)
class _Shape:
    """All that a statement's text depends on: how many of each there are, never what they are."""

    columns: Columns
    audiences: int
    types: int
    ids: int
    every: bool
    first: bool
    last: bool
    moments: int


@lru_cache(maxsize=512)
def _statement(shape: _Shape) -> Lookup:
    if shape.ids:
        # Arithmetic keeps the databases from the indices by audience and moment: the ids are the fewest rows.
        conditions = [f"object_id IN ({_names('i', shape.ids)})", "added_ms + 0 > :after"]
        conditions += [f"audience_id || '' IN ({_names('a', shape.audiences)})"]
        conditions += [f"object_type IN ({_names('t', shape.types)})"] if shape.types else []
        return Lookup(f"{_select(shape, conditions)} ORDER BY added_ms + 0 LIMIT :most")
    if shape.audiences * max(1, shape.types) > _MAX_RANGES:
        conditions = ["added_ms > :after", f"audience_id IN ({_names('a', shape.audiences)})"]
        conditions += [f"object_type IN ({_names('t', shape.types)})"] if shape.types else []
        return Lookup(_select(shape, conditions) + _IN_ORDER)
    kinds = [[f"object_type = :t{number}"] for number in range(shape.types)] or [[]]
    ranges = [
        _select(shape, [f"audience_id = :a{audience}", "added_ms > :after", *kind])
        for audience, kind in product(range(shape.audiences), kinds)
    ]
    # SQLite merges the ranges itself. PostgreSQL takes a range for ordered only where it is asked for one in order.
    ordered = [f"SELECT * FROM ({one}{_IN_ORDER}) AS range{number}" for number, one in enumerate(ranges)]  # noqa: S608
    return Lookup(" UNION ALL ".join(ranges) + _IN_ORDER, postgresql=" UNION ALL ".join(ordered) + _IN_ORDER)


def _select(shape: _Shape, conditions: Sequence[str]) -> str:
    clauses = ["collection_id = :c", *conditions, *([] if shape.every else [_version_condition(shape)])]
    return f"SELECT {shape.columns.value} FROM feed_objects WHERE {' AND '.join(clauses)}"  # noqa: S608 - names of ours


def _version_condition(shape: _Shape) -> str:
    either = ["is_first"] if shape.first else []
    either += ["is_last"] if shape.last else []
    either += [f"modified_ms IN ({_names('v', shape.moments)})"] if shape.moments else []
    return f"({' OR '.join(either)})" if either else "1 = 0"


def _names(letter: str, count: int) -> str:
    return ", ".join(f":{letter}{number}" for number in range(count))
