"""A log on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exchange.log.laboratory import Laboratory, open_laboratory


@pytest.fixture
def laboratory(database_url: str, tmp_path: Path) -> Iterator[Laboratory]:
    with open_laboratory(database_url, tmp_path) as opened:
        yield opened
