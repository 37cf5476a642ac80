"""The last signed head, kept outside the database, so that a restored older database is noticed before it forks
the log.

The file holds the checkpoint's signed note. It is replaced in one step, on disk before anything is published, and
never by an older head. It belongs on another volume than the database and in no backup together with it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlog.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from tlog.hashing import EMPTY_ROOT
from tlog.notes import NoteError, NoteSigner, VerifierKey


class LogRefusedError(RuntimeError):
    """The log must not be signed as it stands; the message says what is wrong and what to do."""


class LogRestoredError(LogRefusedError):
    """The database does not continue the last signed head: it was restored from an older copy, or is another's."""


class HeadFile:
    """The head file at a path, for one log key. Safe against two processes writing at once."""

    def __init__(self, path: Path, signer: NoteSigner) -> None:
        self._path = path
        self._signer = signer

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it makes: the head, what is renamed to it, and its lock."""
        return (
            self._path,
            self._path.with_name(f"{self._path.name}.new"),
            self._path.with_name(f"{self._path.name}.lock"),
        )

    def create(self) -> None:
        """Start a new log with the head of no entries. Raises FileExistsError if there is a head already."""
        with self._locked():
            if self._path.exists():
                raise FileExistsError(f"{self._path} holds the head of a log already")
            empty = Checkpoint(self._signer.name, 0, EMPTY_ROOT)
            self._replace(sign_checkpoint(empty, self._signer))

    def read(self) -> Checkpoint | None:
        """The last signed head, None without a file. Raises LogRefusedError for a file that this log's key did not
        sign.
        """
        return read_head_note(self._path, self._signer.name, self._signer.verifier_key)

    def advance(self, note: str) -> None:
        """Replace the head unless the file holds a larger one; on disk when this returns."""
        with self._locked():
            current, new = self.read(), _open(note.encode(), self._path, self._signer.name, self._signer.verifier_key)
            if current is None or current.size < new.size:
                self._replace(note)

    def _replace(self, note: str) -> None:
        # Under the lock one name serves all: what a killed process left behind is overwritten.
        temporary = self._path.with_name(f"{self._path.name}.new")
        try:
            with temporary.open("wb") as file:
                file.write(note.encode())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # else the new name may be lost in a crash
        finally:
            os.close(folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._path.with_name(f"{self._path.name}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def read_head_note(path: Path, origin: str, key: VerifierKey) -> Checkpoint | None:
    """The last signed head of the log of that origin and key, None without a file: reading needs no secret. Raises
    LogRefusedError for a file that the key did not sign.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return _open(data, path, origin, key)


def _open(data: bytes, path: Path, origin: str, key: VerifierKey) -> Checkpoint:
    try:
        return open_checkpoint(data, origin, [key]).checkpoint
    except NoteError as error:
        raise LogRefusedError(
            f"{path} holds no head signed by the key of this log ({error}); put back the file that does"
        ) from error
