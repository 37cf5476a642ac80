"""A log on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exchange.log.laboratory import Laboratory, copy_laboratory
from tests.filled_databases import CopyFilled


@pytest.fixture
def laboratory(copy_filled: CopyFilled, tmp_path: Path) -> Iterator[Laboratory]:
    with copy_laboratory(copy_filled, "empty", lambda log: None, tmp_path) as made:
        yield made
