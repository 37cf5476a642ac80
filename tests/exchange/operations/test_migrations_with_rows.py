"""Each revision, up and down, with rows in every table: no value is lost that both sides have a place for."""

from __future__ import annotations

from itertools import pairwise

import pytest
from alembic.script import ScriptDirectory

from exchange.kernel.session import create_database
from migrations.upgrade import configuration, current_revision, downgrade, head_revision, upgrade
from tests.rows import ROWS, fill_tables, kept, read_tables

REVISIONS = [
    script.revision for script in reversed(list(ScriptDirectory.from_config(configuration()).walk_revisions()))
]


@pytest.mark.parametrize(("older", "newer"), list(pairwise(REVISIONS)))
def test_rows_survive_a_revision_up_and_down(database_url: str, older: str, newer: str) -> None:
    database = create_database(database_url)
    try:
        upgrade(database, older)
        with database.engine.begin() as connection:
            fill_tables(connection)
            before = read_tables(connection)
        assert len(before) > 20
        assert {len(rows) for rows in before.values()} == {ROWS}
        upgrade(database, newer)
        with database.engine.begin() as connection:
            assert current_revision(connection) == newer
            assert kept(before, read_tables(connection)) == kept(before, before)
        downgrade(database, older)
        with database.engine.begin() as connection:
            assert current_revision(connection) == older
            assert read_tables(connection) == before
    finally:
        database.dispose()


def test_rows_of_the_first_revision_reach_the_newest(database_url: str) -> None:
    database = create_database(database_url)
    try:
        upgrade(database, REVISIONS[0])
        with database.engine.begin() as connection:
            fill_tables(connection)
            before = read_tables(connection)
        upgrade(database)
        with database.engine.begin() as connection:
            assert current_revision(connection) == head_revision()
            after = kept(before, read_tables(connection))
        assert after == kept(before, before)
        assert len(after) == len(before)
    finally:
        database.dispose()
