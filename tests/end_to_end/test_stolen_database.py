"""A thief with the whole exchange database: what key shares are needed before a guessed account can be tested."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
import sqlalchemy

from keys import group, oprf, threshold
from keys.holder.settings import load_config, open_settings
from keys.threshold import Share
from keys.tokens import oprf_input, split_output
from tests.end_to_end.conftest import Taskforce

pytestmark = pytest.mark.timeout(600)


def _stolen_tokens(taskforce: Taskforce) -> set[bytes]:
    """Every 32-byte value in any column of any table: the thief need not know which one is the token."""
    engine = sqlalchemy.create_engine(taskforce.database_url)
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        rows = [row for table in metadata.tables.values() for row in connection.execute(table.select())]
    engine.dispose()
    return {bytes(value) for row in rows for value in row if isinstance(value, bytes | memoryview) and len(value) == 32}


def _stolen_shares(taskforce: Taskforce) -> list[Share]:
    folder = taskforce.sandbox.folder
    shares = []
    for home in sorted((folder / "holders").iterdir()):
        passphrase = (folder / "passphrases" / home.name).read_bytes().strip()
        shares.append(open_settings(load_config(Path(home)), passphrase).shares[1])
    return shares


def _token(key: bytes, account: str) -> bytes:
    return split_output(oprf.evaluate_unblinded(key, oprf_input("n1", "bank_account", account))).token


def test_one_share_and_the_database_do_not_test_a_guess_but_two_shares_do(taskforce: Taskforce) -> None:
    account = next(value for value in taskforce.story.expected["a"] if value.isdigit())
    stolen = _stolen_tokens(taskforce)
    shares = _stolen_shares(taskforce)
    assert len(shares) == 3
    for share in shares:
        others = [other.index for other in shares if other.index != share.index]
        keys = [share.scalar, *(threshold.scaled_share(share, (share.index, other)) for other in others)]
        assert not stolen & {_token(key, account) for key in keys}
    for pair in combinations(shares, 2):
        quorum = (pair[0].index, pair[1].index)
        key = sum(group.scalar_to_int(threshold.scaled_share(share, quorum)) for share in pair)
        assert _token(group.scalar_from_int(key), account) in stolen
        assert _token(group.scalar_from_int(key), "20000099999999") not in stolen
