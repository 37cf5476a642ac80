"""Making a home whole or not at all: a folder with keys and settings, as `init` of each program makes it.

1. What fails leaves the folder as it was: everything made within the block is removed, whatever the error.
2. What is killed leaves the mark `.unfinished`: nothing opens such a home, and the next `init` clears it first.
The folder itself may be there already, with other files in it, and its parent may be another user's: nothing is
renamed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from keys.custody.files import CustodyError, make_private_folder, write_private_file

_MARK = ".unfinished"
_MAX_FILES = 10_000


def is_unfinished(home: Path) -> bool:
    """Whether an `init` of this home was killed."""
    return (home / _MARK).exists()


@contextmanager
def whole_home(home: Path) -> Iterator[None]:
    """Make what belongs into `home` (mode 0700) within the block. Raises CustodyError."""
    was_there = home.exists()
    make_private_folder(home)
    try:
        _clear(home)
        before = _files_in(home)
        write_private_file(home / _MARK, json.dumps(sorted(before)).encode())
        yield
        (home / _MARK).unlink()
    except BaseException:
        _clear(home)
        if not was_there:
            with suppress(OSError):
                home.rmdir()
        raise


@contextmanager
def as_it_was_on_failure(folder: Path) -> Iterator[None]:
    """What is made within the block in a folder that others share is removed if it fails; the folder stays."""
    before = _files_in(folder)
    try:
        yield
    except BaseException:
        _remove(folder, before)
        raise


def _clear(home: Path) -> None:
    """Remove what an `init` made that did not finish; nothing without its mark."""
    try:
        before = set(json.loads((home / _MARK).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError):
        raise CustodyError(f"{home} was left half made and {_MARK} in it cannot be read: empty it, then init") from None
    _remove(home, before)
    (home / _MARK).unlink(missing_ok=True)


def _remove(home: Path, before: set[str]) -> None:
    """Remove what was not there before."""
    for name in sorted(_files_in(home) - before, reverse=True):  # what is in a folder before the folder
        path = home / name
        with suppress(OSError):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def _files_in(home: Path) -> set[str]:
    """Files and folders below `home`, but for the mark."""
    found: set[str] = set()
    for folder, folders, files in os.walk(home):
        found |= {str((Path(folder) / name).relative_to(home)) for name in (*folders, *files)}
        if len(found) > _MAX_FILES:
            raise CustodyError(f"{home} holds too much for a new home: choose another folder")
    return found - {_MARK}
