"""What comes as a stream (standard input, an upload), kept as a file of the home while it is read: it is read twice,
and may be long. From there on one path reads it, CSV or workbook, wherever it came from.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, BinaryIO, cast

_PREFIX = ".standard-input-"


@contextmanager
def as_file(stream: BinaryIO, home: Path) -> Iterator[Path]:
    """The stream as a file, readable by its owner only, which is removed at the end. Those that killed runs left behind
    are removed first; one that is being read is locked.
    """
    for left in home.glob(f"{_PREFIX}*"):
        _remove_unless_read(left)
    with _new_file(home) as file:
        path = Path(file.name)
        try:
            shutil.copyfileobj(stream, file)
            file.flush()
            yield path
        finally:
            path.unlink(missing_ok=True)


def _new_file(home: Path) -> IO[bytes]:
    """A file of its own, locked."""
    while True:
        file = NamedTemporaryFile("wb", dir=home, prefix=_PREFIX, delete=False)  # noqa: SIM115 - the caller closes it
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return cast(IO[bytes], file)
        file.close()  # taken for one that was left behind, before it was locked


def _remove_unless_read(path: Path) -> None:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except (BlockingIOError, FileNotFoundError):
        return
