"""The statements that a registrar has seen in force, kept in its own home: what the operator no longer shows is still
known, and the key holders are found by the registrars' own word.

The file holds public envelopes; each is checked against the pinned root whenever it is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from keys.custody.files import write_private_file
from keys.statements.keyring import Keyring, Root, StatementError
from keys.statements.roots import roots_first
from member.errors import AnswerError, HomeError
from member.statements.authority import replay
from schemas.statements import StatementEnvelope

_FILE = "statements-in-force.json"
_RETIRED = "retired-holders.json"
_Kept = TypeVar("_Kept")


class KeptStatements:
    """The envelopes in one registrar's home, in the order in which they were seen."""

    def __init__(self, home: Path, root: Root) -> None:
        self._path = home / _FILE
        self._retired_path = home / _RETIRED
        self._root = root
        self._envelopes = self._read()

    @property
    def envelopes(self) -> list[StatementEnvelope]:
        """All that were seen in force, older ones of a subject too."""
        return list(self._envelopes)

    def keyring(self) -> Keyring:
        """What they say; what does not count under the root pinned is passed over."""
        return replay(self._root, self._envelopes)

    def take_in(self, envelopes: Iterable[StatementEnvelope]) -> Keyring:
        """Keep those that are new and in force; the keyring with them. AnswerError for one that cannot be believed."""
        keyring = self.keyring()
        new = []
        for envelope in _in_order(envelopes):
            if envelope not in self._envelopes and _add(keyring, envelope):
                new.append(envelope)
        if new:
            self._envelopes += new
            write_private_file(self._path, msgspec.json.encode(self._envelopes))
        return keyring

    @property
    def retired(self) -> frozenset[str]:
        """The holders that have confirmed to know that they serve no epoch any more."""
        return frozenset(_decoded(self._retired_path, list[str]) or [])

    def note_retired(self, holder_ids: frozenset[str]) -> None:
        """Keep who has confirmed it, instead of what was kept before."""
        if holder_ids != self.retired:
            write_private_file(self._retired_path, msgspec.json.encode(sorted(holder_ids)))

    def _read(self) -> list[StatementEnvelope]:
        return _decoded(self._path, list[StatementEnvelope]) or []


def _decoded(path: Path, kind: type[_Kept]) -> _Kept | None:
    """What a file holds, None without one."""
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise HomeError(f"{path} is damaged", "remove it: it is made again from what is in force") from error


def _in_order(envelopes: Iterable[StatementEnvelope]) -> list[StatementEnvelope]:
    try:
        return roots_first(envelopes)
    except StatementError as error:
        raise AnswerError(f"a statement cannot be believed: {error}", "tell the other registrars") from error


def _add(keyring: Keyring, envelope: StatementEnvelope) -> bool:
    """Whether the statement is new here."""
    before = keyring.digest
    try:
        keyring.add(envelope)
    except StatementError as error:
        if error.reason == "stale":
            return False
        raise AnswerError(f"a statement cannot be believed: {error}", "tell the other registrars") from error
    return keyring.digest != before
