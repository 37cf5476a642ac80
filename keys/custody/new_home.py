"""Making a home whole or not at all: a folder with keys and settings, as `init` of each program makes it; and a folder
that people share, as the vault's.

1. Each thing is written down in the mark `.unfinished`, on disk, before it is made (making.py). What was there before,
   and what others put there meanwhile, is not in it and is never removed.
2. What fails leaves the folder as it was: what the mark names is removed, what was replaced is put back.
3. What is killed leaves the mark: nothing opens such a home, and the next `init` clears it first. One mark is held by
   one process: a second `init` beside the first is refused.
4. The mark of a shared folder names the home that it is made for. The `init` of that home alone clears it; that of
   another is refused with the cure. It goes after the home's own mark: a home that is whole never lacks its vault.
The folder itself may be there already, with other files in it, and its parent may be another user's: nothing is
renamed.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from keys.custody.files import CustodyError, is_group_shared, make_private_folder, sync_folder, write_private_file
from keys.custody.making import recorded_by
from schemas.values.encoding import from_base64, to_base64

_MARK = ".unfinished"
_MAX_MARK_BYTES = 1 << 24
_BESIDE = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}", re.ASCII)
"""What write_private_file leaves beside a file when it is killed."""


def is_unfinished(home: Path) -> bool:
    """Whether an `init` of this home was killed, or is at work."""
    return (home / _MARK).exists()


@contextmanager
def whole_home(home: Path) -> Iterator[None]:
    """Make what belongs into `home` (mode 0700) within the block. Raises CustodyError, also while another `init` is at
    work there.
    """
    with _new_folder(home), _made_whole(home):
        yield


@contextmanager
def whole_shared_folder(folder: Path, home: Path) -> Iterator[None]:
    """Make what belongs into a folder that others share, for `home`, which is made whole within the block. Raises
    CustodyError, also if it was left half made for another home.
    """
    with _new_folder(home), _new_folder(folder, shared=True), _made_whole(folder, home):
        yield


def clear_unfinished(folder: Path, home: Path, *, is_whole: bool) -> None:
    """Remove what a killed `init` of `home` made in a shared folder; the mark alone where the home `is_whole` with it,
    and only the mark was left. Raises CustodyError if it was left half made for another home, and while another `init`
    is at work there.
    """
    if is_unfinished(folder):
        with _held(folder) as mark:
            mark.clear(home, keep=is_whole)


@contextmanager
def _new_folder(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """A folder, which goes again if the block fails, it is empty and it was not there."""
    was_there = folder.exists()
    make_private_folder(folder, shared=shared)
    try:
        yield
    except BaseException:
        if not was_there:
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def _made_whole(folder: Path, home: Path | None = None) -> Iterator[None]:
    with _held(folder) as mark:
        mark.clear(home)
        mark.begin(home)
        try:
            with recorded_by(mark):
                yield
        except BaseException:
            mark.undo()
            raise
        mark.end()


@dataclass
class _Mark:
    """The mark of a folder, open and held by this process: a line of JSON that says for which home the folder is made
    (null for a home itself), then one for each thing.
    """

    folder: Path
    descriptor: int
    paths: dict[str, str | None] = field(default_factory=dict)
    """What was made, by its path below the folder; of what was replaced, what it held (base64)."""

    def begin(self, home: Path | None) -> None:
        """Take an empty mark for what is made now."""
        self._add({"home": _name_of(home)})
        sync_folder(self.folder)

    def end(self) -> None:
        """Take the mark away: the folder is whole."""
        (self.folder / _MARK).unlink(missing_ok=True)
        with suppress(OSError):
            sync_folder(self.folder)

    def clear(self, home: Path | None, *, keep: bool = False) -> None:
        """Undo what another process wrote down and did not finish, or `keep` it. CustodyError if it was for another
        home.
        """
        data = self._read()
        if not data:  # killed before it made anything, or new
            return
        made_for, self.paths = self._parse(data)
        if made_for != _name_of(home):
            where = f"the init of {made_for}" if made_for else "an init of its own"
            cure = f"give that init again, or, if that home is gone, empty {self.folder}"
            raise CustodyError(f"{self.folder} was left half made by {where}: {cure}")
        if not keep:
            self._remove()
        os.ftruncate(self.descriptor, 0)
        self.paths = {}

    def undo(self) -> None:
        """Leave the folder as it was."""
        self._remove()
        self.end()

    def will_make(self, path: Path) -> None:
        """Write it down, unless it is there or lies elsewhere."""
        name = self._below(path)
        if name is not None and not os.path.lexists(path):
            self._note(name, None)

    def will_write(self, path: Path) -> None:
        """Write it down, with what it holds if it is there."""
        name = self._below(path)
        if name is not None and name not in self.paths:
            self._note(name, to_base64(_held_by(path)) if os.path.lexists(path) else None)

    def did_not_make(self, path: Path) -> None:
        """Strike it out."""
        name = self._below(path)
        if name is not None and self.paths.pop(name, "") is None:
            self._add({"path": name, "of_others": True})

    def _note(self, name: str, held: str | None) -> None:
        if name not in self.paths:
            self._add({"path": name, "held": held})
            self.paths[name] = held

    def _add(self, line: dict[str, object]) -> None:
        try:
            os.write(self.descriptor, json.dumps(line).encode() + b"\n")
            os.fsync(self.descriptor)
        except OSError as error:
            raise CustodyError(f"{self.folder / _MARK} cannot be written: {error.strerror}") from None

    def _read(self) -> bytes:
        return os.pread(self.descriptor, _MAX_MARK_BYTES, 0)

    def _parse(self, data: bytes) -> tuple[str | None, dict[str, str | None]]:
        """For which home, and what was made. A last line that is not whole was cut off before its thing was made."""
        try:
            head, *lines = (json.loads(line) for line in data.split(b"\n")[:-1])
            paths: dict[str, str | None] = {}
            for line in lines:
                name = self._checked(line["path"])
                if "of_others" in line:
                    paths.pop(name, None)
                else:
                    paths[name] = held = line["held"]
                    from_base64(held or "")
            return head["home"], paths
        except (ValueError, TypeError, KeyError, AttributeError):
            problem = f"{self.folder} was left half made and {_MARK} in it cannot be read"
            raise CustodyError(f"{problem}: empty it, then init") from None

    def _checked(self, name: str) -> str:
        """ValueError for what leads out of the folder: in a shared one a colleague may have written it."""
        if self._below(self.folder / name) != name or ".." in Path(name).parts:
            raise ValueError(name)
        return name

    def _below(self, path: Path) -> str | None:
        """Its path below the folder, None for what lies elsewhere and for the mark itself."""
        real = Path(os.path.realpath(path.parent)) / path.name
        is_ours = real.is_relative_to(self.folder) and real not in {self.folder, self.folder / _MARK}
        return str(real.relative_to(self.folder)) if is_ours else None

    def _remove(self) -> None:
        for name in sorted(self.paths, reverse=True):  # what is in a folder before the folder
            path, held = self.folder / name, self.paths[name]
            _remove_beside(path)
            if held is not None:
                write_private_file(path, from_base64(held), shared=True)
                continue
            with suppress(OSError):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@contextmanager
def _held(folder: Path) -> Iterator[_Mark]:
    """The mark of a folder, made if it is missing. Raises CustodyError if another process has it."""
    path = folder / _MARK
    busy = CustodyError(f"another init is at work in {folder}: try again when it has ended")
    with ExitStack() as closing:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            closing.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(descriptor)
            if status.st_uid == os.geteuid() and is_group_shared(folder):
                os.fchmod(descriptor, 0o660)
        except BlockingIOError:
            raise busy from None
        except OSError as error:
            raise CustodyError(f"{path} cannot be written: {error.strerror}") from None
        if status.st_nlink == 0:  # the other ended meanwhile
            raise busy
        mark = _Mark(Path(os.path.realpath(folder)), descriptor)
        try:
            yield mark
        finally:
            if not os.fstat(descriptor).st_size:  # nothing is being made
                mark.end()


def _held_by(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CustodyError(f"{path} cannot be read: {error.strerror}") from None


def _name_of(home: Path | None) -> str | None:
    return None if home is None else os.path.realpath(home)


def _remove_beside(path: Path) -> None:
    """Remove what a write of it that was killed left beside it."""
    with suppress(OSError):
        for each in path.parent.iterdir():
            found = _BESIDE.fullmatch(each.name)
            if found and found["name"] == path.name:
                each.unlink()
