"""Each revision of a key holder's tables, up and down, with rows in every one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

import keys.holder.migrations
from keys.holder.database import HolderDatabase, open_database
from tests.rows import ROWS, fill_tables, kept, read_tables

VERSION_TABLE = frozenset({"holder_alembic_version"})


def _configuration() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(keys.holder.migrations.__path__[0])))
    return config


REVISIONS = [
    script.revision for script in reversed(list(ScriptDirectory.from_config(_configuration()).walk_revisions()))
]


def _upgrade(database: HolderDatabase, revision: str) -> None:
    config = _configuration()
    with database.transaction() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.mark.parametrize(("older", "newer"), list(pairwise(REVISIONS)))
def test_rows_survive_a_revision_up_and_down(database_url: str, older: str, newer: str) -> None:
    database = open_database(database_url)
    try:
        _upgrade(database, older)
        with database.transaction() as connection:
            fill_tables(connection, without=VERSION_TABLE)
            before = read_tables(connection, without=VERSION_TABLE)
        assert {len(rows) for rows in before.values()} == {ROWS}
        _upgrade(database, newer)
        with database.transaction() as connection:
            assert kept(before, read_tables(connection, without=VERSION_TABLE)) == kept(before, before)
        database.migrate(older)
        with database.transaction() as connection:
            assert read_tables(connection, without=VERSION_TABLE) == before
    finally:
        database.dispose()
