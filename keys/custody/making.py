"""Who is told of each path before it is made or replaced: what makes a folder whole or not at all (new_home.py)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol


class Recorder(Protocol):
    """What keeps a record of what is made."""

    def will_make(self, path: Path) -> None:
        """This process is about to make it, unless it is there."""

    def will_write(self, path: Path) -> None:
        """This process is about to make it, or to replace the small file that is there."""

    def did_not_make(self, path: Path) -> None:
        """Somebody else was first."""


_recorders: ContextVar[tuple[Recorder, ...]] = ContextVar("_recorders", default=())


@contextmanager
def recorded_by(recorder: Recorder) -> Iterator[None]:
    """Tell it of everything that is made within the block."""
    token = _recorders.set((*_recorders.get(), recorder))
    try:
        yield
    finally:
        _recorders.reset(token)


def about_to_make(*paths: Path) -> None:
    """Say so before making them; what is there already stays whoever's it was."""
    for recorder in _recorders.get():
        for path in paths:
            recorder.will_make(path)


def about_to_make_database(path: Path | None) -> None:
    """The same of an SQLite file, if it is one, and the files that SQLite puts beside it."""
    if path is not None and not path.exists():
        about_to_make(path, *(path.with_name(f"{path.name}-{each}") for each in ("journal", "wal", "shm")))


def about_to_write(path: Path) -> None:
    """Say so before a small file is made, or replaced whole."""
    for recorder in _recorders.get():
        recorder.will_write(path)


def did_not_make(path: Path) -> None:
    """Take back what was said: somebody else made it meanwhile, and it is theirs."""
    for recorder in _recorders.get():
        recorder.did_not_make(path)
