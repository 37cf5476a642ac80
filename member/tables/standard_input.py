"""What comes on standard input, kept as a file of the home while it is read: it is read twice, and may be long."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

_PREFIX = ".standard-input-"


@contextmanager
def as_file(stream: BinaryIO, home: Path) -> Iterator[Path]:
    """The stream as a file, readable by its owner only, which is removed at the end. One that a killed run left behind
    is removed first.
    """
    for left in home.glob(f"{_PREFIX}*"):
        left.unlink(missing_ok=True)
    with NamedTemporaryFile("wb", dir=home, prefix=_PREFIX) as file:
        shutil.copyfileobj(stream, file)
        file.flush()
        yield Path(file.name)
