"""That both databases read a page from where it begins, whatever lies before it, behind it and beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alerts.feeds.filters import TaxiiFilters
from alerts.feeds.pages import CollectionReading, Columns, find_reading, page_lookup, read_page
from exchange.kernel.lookups import ReadTransaction, looking
from tests.alerts.factories import release
from tests.alerts.feeds.taxii_reader import TaxiiReader
from tests.taskforce.founding import Taskforce, make_taskforce

NewTaskforce = Callable[..., Taskforce]


def test_pages_are_merged_from_ranges_of_an_index_without_sorting(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    for kinds in ([], ["financial_institution"], ["financial_institution", "telecom"]):
        release(taskforce.members["a"], audience={"groups": ["taskforce"], "kinds": kinds})
    collection_id = TaxiiReader(taskforce, "b").collections()["taskforce"]
    with looking(taskforce.database) as look:
        reading = find_reading(look, "b", collection_id, taskforce.clock())
        assert reading is not None
        assert len(reading.audiences) == 4
        for filters in (TaxiiFilters(), TaxiiFilters(types=("report", "identity")), TaxiiFilters(limit=1, after_ms=5)):
            plan = _plan(look, reading, filters)
            assert ("MERGE" if look.is_sqlite else "Merge Append") in plan
            assert "TEMP B-TREE" not in plan
            assert "Sort  (" not in plan
            assert read_page(look, reading, filters, Columns.BODIES).rows


def test_sqlite_without_statistics_looks_an_object_up_by_its_id(tmp_path: Path) -> None:
    taskforce = make_taskforce(f"sqlite:///{tmp_path / 'test.db'}", tmp_path, "a", "b")
    try:
        collection_id = TaxiiReader(taskforce, "b").collections()["taskforce"]
        with looking(taskforce.database) as look:
            reading = find_reading(look, "b", collection_id, taskforce.clock())
            assert reading is not None
            assert "object_id=?" in _plan(look, reading, TaxiiFilters(ids=("report--1", "report--2")))
    finally:
        taskforce.close()


def _plan(look: ReadTransaction, reading: CollectionReading, filters: TaxiiFilters) -> str:
    """How the database says it would read; of a table so small PostgreSQL is kept from reading the whole."""
    lookup, values = page_lookup(reading, filters, Columns.BODIES)
    if not look.is_sqlite:
        look.cursor.execute("SET LOCAL enable_seqscan = off")
        look.cursor.execute("SET LOCAL enable_bitmapscan = off")
    explain = "EXPLAIN QUERY PLAN " if look.is_sqlite else "EXPLAIN "
    look.cursor.execute(explain + lookup.text(is_sqlite=look.is_sqlite), values)
    return "\n".join(str(row[-1]) for row in look.cursor.fetchall())
