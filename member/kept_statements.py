"""The statements that a registrar has seen in force, kept in its own home: what the operator no longer shows is still
known, and the key holders are found by the registrars' own word.

The file holds public envelopes; each is checked against the pinned root whenever it is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from keys.custody import write_private_file
from keys.keyring import Keyring, Root, StatementError
from member.authority import build_keyring
from member.errors import AnswerError, HomeError

_FILE = "statements-in-force.json"


class KeptStatements:
    """The envelopes in one registrar's home, in the order in which they were seen."""

    def __init__(self, home: Path, root: Root) -> None:
        self._path = home / _FILE
        self._root = root
        self._envelopes = self._read()

    @property
    def envelopes(self) -> list[dict[str, Any]]:
        """All that were seen in force, older ones of a subject too."""
        return list(self._envelopes)

    def keyring(self) -> Keyring:
        """What they say. AnswerError if one is not signed by the quorum."""
        return build_keyring(self._root, self._envelopes)

    def take_in(self, envelopes: Iterable[dict[str, Any]]) -> Keyring:
        """Keep those that are new and in force; the keyring with them. AnswerError for one that cannot be believed."""
        keyring = self.keyring()
        new = []
        for envelope in envelopes:
            if envelope not in self._envelopes and _add(keyring, envelope):
                new.append(envelope)
        if new:
            self._envelopes += new
            write_private_file(self._path, msgspec.json.encode(self._envelopes))
        return keyring

    def _read(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[dict[str, Any]])
        except msgspec.DecodeError as error:
            raise HomeError(f"{self._path} is damaged", "remove it: the statements are fetched again") from error


def _add(keyring: Keyring, envelope: dict[str, Any]) -> bool:
    """Whether the statement is new here."""
    before = keyring.digest
    try:
        keyring.add(envelope)
    except StatementError as error:
        if error.reason == "stale":
            return False
        raise AnswerError(f"a statement cannot be believed: {error}", "tell the other registrars") from error
    return keyring.digest != before
