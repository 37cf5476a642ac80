"""Asking as law enforcement: values become tokens here, and the exchange's answers values again.

In order:
1. What cannot be right is refused before anybody is contacted, all of it at once.
2. Tokens come from the vault where they were computed before; what is missing is asked of the key holders in one small,
   fully proved batch.
3. What was asked is in the vault before the query leaves, so that whoever reads the answer, the authorising officer
   too, sees the values; the exchange never does.
4. What was shown is kept until `log verify` has found its entry in the verified log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec

from keys.tokens import oprf_input
from member.errors import MemberError, UsedWronglyError
from member.intake import Accepted, read_normalised
from member.normalise.outcome import NormalisationError
from member.normalise.rules import normalise
from member.query_client import QueryClient, QueryResult, QueryStanding, ReadQuery
from member.reading import check_file
from member.request_log import RequestLog
from member.tokenise import Tokeniser
from member.vault.store import Vault
from schemas.encoding import to_base64
from schemas.identifiers import uuid7
from schemas.terms import NORMALISATION

MAX_SUBJECTS = 500
COVER_DAYS = 90
"""How long the cover of a query lasts for which neither an end nor a watch is named."""

_QUERY, _TOKEN = "query", "query_token"


class Subject(msgspec.Struct, frozen=True):
    """A value as it was given, and its canonical form."""

    value: str
    indicator_type: str
    canonical: str

    @property
    def input(self) -> bytes:
        """What is tokenised."""
        return oprf_input(NORMALISATION, self.indicator_type, self.canonical)


class AskedSubject(msgspec.Struct, frozen=True):
    """A value that was asked about, and its token (32 bytes)."""

    value: str
    indicator_type: str
    token: bytes


@dataclass(frozen=True)
class Grounds:
    """On what a query rests, as the command line says it; days are the last on which it, and its watch, stand."""

    case: str
    legal_gateway: str
    purpose: str
    necessity: str
    proportionality: str
    authorised_by: str
    covert: bool
    silent: bool
    until: date | None
    watch_until: date | None

    def to_wire(self, today: date) -> dict[str, Any]:
        """As the exchange takes them. Cover always ends: with the watch, or after COVER_DAYS, unless it is said."""
        until = self.until
        if until is None and self.covert:
            until = self.watch_until or today + timedelta(days=COVER_DAYS)
        return {
            "case": self.case,
            "legal_gateway": self.legal_gateway,
            "purpose": self.purpose,
            "necessity": self.necessity or None,
            "proportionality": self.proportionality or None,
            "authorised_by": self.authorised_by,
            "covert": self.covert,
            "silent": self.silent,
            "until": None if until is None else until.isoformat(),
            "watch_until": None if self.watch_until is None else self.watch_until.isoformat(),
        }


@dataclass(frozen=True)
class QueryDesk:
    """What asking works with. `tokeniser` makes one for an epoch; `origin` is that of the log."""

    vault: Vault
    client: QueryClient
    epoch: int
    tokeniser: Callable[[], Tokeniser]
    origin: str

    def ask(self, subjects: Sequence[Subject], grounds: Grounds, today: date) -> QueryStanding:
        """Ask about the subjects. Each token is sent once, however often its value was given."""
        tokens = self._tokens(subjects)
        asked = [
            AskedSubject(subject.value, subject.indicator_type, token)
            for subject, token in zip(subjects, tokens, strict=True)
        ]
        once = {one.token: one.indicator_type for one in asked}
        tokens_once = [to_base64(token) for token in once]
        question = {"tokens": tokens_once, "types": list(once.values()), **grounds.to_wire(today)}

        def make() -> dict[str, Any]:
            query_id = uuid7()
            self.vault.put(_QUERY, query_id.encode(), msgspec.msgpack.encode(asked))
            return {"query_id": query_id, **question}

        return self.client.ask(question, make)

    def show(self, read: ReadQuery) -> dict[str, Any]:
        """A query as `query --json` gives it: one result for each value that was asked about."""
        if read.results is not None:
            RequestLog(self.vault, self.origin).keep(read.event_id, "results_sha256", read.results_sha256)
        document: dict[str, Any] = msgspec.to_builtins(read)
        del document["results_sha256"]
        return {**document, "results": list(self._results(read))}

    def _results(self, read: ReadQuery) -> Iterator[dict[str, Any]]:
        found = {result.token_bytes(): result for result in read.results or ()}
        for asked in asked_about(self.vault, read.query_id):
            result = found.pop(asked.token, None)
            if result is not None:
                yield _describe(asked.value, result)
                found[asked.token] = result
        known = {asked.token for asked in asked_about(self.vault, read.query_id)}
        yield from (_describe(None, result) for token, result in found.items() if token not in known)

    def _tokens(self, subjects: Sequence[Subject]) -> list[bytes]:
        inputs = dict.fromkeys(subject.input for subject in subjects)
        tokens = {each: self.vault.get(_TOKEN, self._name(each)) for each in inputs}
        missing = [each for each, token in tokens.items() if token is None]
        if missing:
            made = self.tokeniser().tokenise(missing)
            fresh = {each: token.token for each, token in zip(missing, made, strict=True)}
            with self.vault.transaction():
                for each, token in fresh.items():
                    self.vault.put(_TOKEN, self._name(each), token)
            tokens |= fresh
        return [tokens[subject.input] or b"" for subject in subjects]

    def _name(self, oprf: bytes) -> bytes:
        return f"{self.epoch}|".encode() + oprf


def asked_about(vault: Vault, query_id: str) -> list[AskedSubject]:
    """What a query asked about; nothing if this vault did not ask it."""
    payload = vault.get(_QUERY, query_id.encode())
    return [] if payload is None else msgspec.msgpack.decode(payload, type=list[AskedSubject])


def _describe(value: str | None, result: QueryResult) -> dict[str, Any]:
    """A result with its value, which a vault that lacks the query cannot tell, rather than its token."""
    document: dict[str, Any] = msgspec.to_builtins(result)
    del document["token"]
    return {"value": value, **document}


def read_values(indicator_type: str, values: Sequence[str]) -> list[Subject]:
    """Subjects from the command line. UsedWronglyError naming every value that is none."""
    subjects, faults = [], []
    for position, value in enumerate(values, 1):
        try:
            found = normalise(indicator_type, value)
            subjects.append(Subject(value, found.indicator_type, found.canonical))
        except NormalisationError as error:
            faults.append(f"value {position}: {error}")
    return _checked(subjects, faults)


def read_file(path: Path) -> list[Subject]:
    """Subjects from a CSV of indicator_type and value. UsedWronglyError naming every line that cannot be used;
    FileRefusedError.
    """
    subjects, faults = [], []
    for row in read_normalised(check_file(path)):
        if isinstance(row, Accepted):
            subjects.append(Subject(row.row.value, row.canonical.indicator_type, row.canonical.canonical))
        else:
            faults.append(f"line {row.line}, {row.column or 'row'}: {row.reason}")
    return _checked(subjects, faults)


def _checked(subjects: list[Subject], faults: Sequence[str]) -> list[Subject]:
    if faults:
        raise MemberError("; ".join(faults), "mend them, and ask again: nothing was sent", slug="not_normalisable")
    if not subjects:
        raise UsedWronglyError("nothing to ask about", "--type TYPE VALUE…, or --file FILE.csv")
    if len({subject.input for subject in subjects}) > MAX_SUBJECTS:
        raise UsedWronglyError(f"a query asks about {MAX_SUBJECTS} things at most", "ask in several queries")
    return subjects
