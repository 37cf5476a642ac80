"""Asking as law enforcement: values become tokens here, and the exchange's answers values again.

In order:
1. What cannot be right is refused before anybody is contacted, all of it at once.
2. Tokens come from the vault where they were computed before; what is missing is asked of the key holders in one small,
   fully proved batch.
3. What was asked is in the vault before the query leaves, so that whoever reads the answer, the authorising officer
   too, sees the values; the exchange never does.
4. The officer authorises what was read, by its digest; where this vault asked it, that must be what was asked.
5. What was shown is kept until `log verify` has found its entry in the verified log.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from keys.oprf.tokens import oprf_input
from keys.sealing.query_papers import SALT_BYTES
from member.errors import AnswerError, MemberError, RefusedError, UsedWronglyError
from member.indicators.intake import Accepted, read_normalised
from member.normalise.circumstances import USUAL, Circumstances
from member.normalise.outcome import NormalisationError
from member.normalise.rules import normalise
from member.queries.client import OtherAgency, QueryClient, QueryHead, QueryResult, QueryStanding, ReadQuery
from member.requests.log import RequestLog
from member.tables.reading import check_file
from member.tokens.tokenise import Tokeniser
from member.vault.store import Vault
from schemas.terms import NORMALISATION, QueryState
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7

MAX_SUBJECTS = 500
COVER_DAYS = 90
"""How long the cover of a query lasts for which neither an end nor a watch is named."""

_QUERY, _TOKEN, _QUESTION, _UNAPPROVED = "query", "query_token", "query_question", "query_unapproved"
_WHEN_PENDING = ("until", "watch_until")
"""Terms that later steps may change."""


_NOT_SHOWN = ("results_sha256", "terms_sha256", "subjects_sha256", "salt", "tokens", "types")
"""What is for programs to check."""


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
        return {**self.said(), "until": None if until is None else until.isoformat()}

    def said(self) -> dict[str, Any]:
        """What was said, and nothing that follows from the day on which it was."""
        return {
            "case": self.case,
            "legal_gateway": self.legal_gateway,
            "purpose": self.purpose,
            "necessity": self.necessity or None,
            "proportionality": self.proportionality or None,
            "authorised_by": self.authorised_by,
            "covert": self.covert,
            "silent": self.silent,
            "until": None if self.until is None else self.until.isoformat(),
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
        return self._ask(*self._question(subjects, grounds, today), _said(subjects, grounds), _keep_nothing)

    def ask_and_approve(
        self, subjects: Sequence[Subject], grounds: Grounds, today: date, officer: QueryClient
    ) -> ReadQuery:
        """Ask, and have the officer whose key is at hand authorise it. Given again after an approval whose answer was
        lost, it is the same query that is approved. Raises UnapprovedError for a query that waits now.
        """
        said = _said(subjects, grounds)
        name = canonical_json([self.client.signer, said])
        kept = self.vault.get(_UNAPPROVED, name)
        if kept is None or self.client.is_asking(said):
            asked, question = self._question(subjects, grounds, today)
            keep = partial(self.vault.put, _UNAPPROVED, name)
            query_id = self._ask(asked, question, said, lambda made: keep(made.encode())).query_id
        else:
            query_id = kept.decode()
        try:
            read = self.approve(query_id, officer)
        except MemberError as error:
            if is_decided(error):
                self._forget(name)
            raise UnapprovedError(query_id, error) from error
        self._forget(name)
        return read

    def approve(
        self, query_id: str, officer: QueryClient, agree: Callable[[ReadQuery], None] = lambda _: None
    ) -> ReadQuery:
        """Authorise a query as its officer: it is read, held against what this vault asked, shown to `agree` (which
        raises unless the person agrees), and its digest sent. AnswerError for one that is shown without its texts.
        """
        is_again = officer.is_approving(query_id)  # then the digest that was read before is sent
        read = self._checked(officer.read(query_id), is_fresh=not is_again)
        RequestLog(self.vault, self.origin).keep(read.event_id, "terms_sha256", read.terms_sha256)
        if not read.salt:
            detail = "nothing was approved: the exchange does not show on what the query stands"
            raise AnswerError(detail, "tell the reviewer and the registrars")
        agree(read)
        return officer.approve(query_id, read.terms_sha256)

    def _checked(self, read: ReadQuery, *, is_fresh: bool = False) -> ReadQuery:
        """The query, if it is what this vault asked, where it did. Raises MemberError."""
        payload = self.vault.get(_QUESTION, read.query_id.encode())
        if payload is None:
            return read
        asked, shown = msgspec.msgpack.decode(payload), msgspec.to_builtins(read)
        later = () if is_fresh or read.state == QueryState.PENDING else _WHEN_PENDING
        others = [
            name
            for name, value in asked.items()
            if name not in later and not (name == "until" and value is None) and _plain(value) != _plain(shown[name])
        ]
        if others:
            what = f"the exchange shows another {', '.join(others)} than was asked from this home"
            raise MemberError(what, "do not approve it: tell the reviewer", slug="other_terms")
        return read

    def _forget(self, name: bytes) -> None:
        with self.vault.transaction():
            self.vault.delete(_UNAPPROVED, name)

    def _question(
        self, subjects: Sequence[Subject], grounds: Grounds, today: date
    ) -> tuple[list[AskedSubject], dict[str, Any]]:
        """What is asked, with values for the vault, and on the wire without its id."""
        tokens = self._tokens(subjects)
        asked = [
            AskedSubject(subject.value, subject.indicator_type, token)
            for subject, token in zip(subjects, tokens, strict=True)
        ]
        once = {one.token: one.indicator_type for one in asked}
        tokens_once = [to_base64(token) for token in once]
        return asked, {
            "tokens": tokens_once,
            "types": list(once.values()),
            **grounds.to_wire(today),
            "salt": _fresh_salt(),
        }

    def _ask(
        self,
        asked: Sequence[AskedSubject],
        question: dict[str, Any],
        said: dict[str, Any],
        keep: Callable[[str], None],
    ) -> QueryStanding:
        def make() -> dict[str, Any]:
            query_id = uuid7()
            self.vault.put(_QUERY, query_id.encode(), msgspec.msgpack.encode(asked))
            self.vault.put(_QUESTION, query_id.encode(), msgspec.msgpack.encode(question))
            keep(query_id)
            return {"query_id": query_id, **question}

        return self.client.ask(said, make)

    def show(self, read: ReadQuery) -> dict[str, Any]:
        """A query as `query --json` gives it: one result for each value that was asked about."""
        kept = RequestLog(self.vault, self.origin)
        kept.keep(read.event_id, "terms_sha256", read.terms_sha256)
        if read.results is not None:
            kept.keep(read.event_id, "results_sha256", read.results_sha256)
        document: dict[str, Any] = msgspec.to_builtins(self._checked(read))
        for name in _NOT_SHOWN:
            del document[name]
        results, asked = list(self._results(read)), asked_about(self.vault, read.query_id)
        return {**document, "others": [_describe_other(other, asked) for other in read.others], "results": results}

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


def _said(subjects: Sequence[Subject], grounds: Grounds) -> dict[str, Any]:
    """What tells one command from another: not the tokens, which are others in another epoch, nor a day worked out."""
    about = dict.fromkeys((subject.indicator_type, subject.canonical) for subject in subjects)
    return {"subjects": [list(one) for one in about], **grounds.said()}


class UnapprovedError(Exception):
    """A query was asked, and its approval failed by `error`."""

    def __init__(self, query_id: str, error: MemberError) -> None:
        super().__init__(str(error))
        self.query_id = query_id
        self.error = error


def is_decided(error: MemberError) -> bool:
    """Whether an approval was refused because the query waits for none: it was refused, lapsed, or is gone."""
    reasons = error.fields.get("problem", {}).get("reasons") if isinstance(error, RefusedError) else None
    codes = [one.get("code") for one in reasons if isinstance(one, dict)] if isinstance(reasons, list) else []
    return error.slug == "not-found" or "not-pending" in codes


def _fresh_salt() -> str:
    """What keeps the texts from being guessed from their digest, base64."""
    return to_base64(secrets.token_bytes(SALT_BYTES))


def _keep_nothing(query_id: str) -> None:
    """For a query that another is to approve."""


def _plain(value: Any) -> Any:
    """As the exchange keeps it: no text rather than none, and no white space around a case."""
    return value.strip() if isinstance(value, str) else value or ""


def asked_about(vault: Vault, query_id: str) -> list[AskedSubject]:
    """What a query asked about; nothing if this vault did not ask it."""
    payload = vault.get(_QUERY, query_id.encode())
    return [] if payload is None else msgspec.msgpack.decode(payload, type=list[AskedSubject])


def describe_head(vault: Vault, head: QueryHead) -> dict[str, Any]:
    """A query as a list gives it."""
    document: dict[str, Any] = msgspec.to_builtins(head)
    asked = asked_about(vault, head.query_id)
    return {**document, "others": [_describe_other(other, asked) for other in head.others]}


def _describe_other(other: OtherAgency, asked: Sequence[AskedSubject]) -> dict[str, Any]:
    """Another agency and the subjects that it is about too: their values, as far as this vault asked about them."""
    values = [one.value for one in asked if to_base64(one.token) in other.tokens]
    return {"agency": other.agency, "officer": other.officer, "subjects": len(other.tokens), "values": values}


def _describe(value: str | None, result: QueryResult) -> dict[str, Any]:
    """A result with its value, which a vault that lacks the query cannot tell, rather than its token."""
    document: dict[str, Any] = msgspec.to_builtins(result)
    del document["token"]
    return {"value": value, **document}


def read_values(indicator_type: str, values: Sequence[str], circumstances: Circumstances = USUAL) -> list[Subject]:
    """Subjects from the command line. UsedWronglyError naming every value that is none."""
    subjects, faults = [], []
    for position, value in enumerate(values, 1):
        try:
            found = normalise(indicator_type, value, circumstances)
            subjects.append(Subject(value, found.indicator_type, found.canonical))
        except NormalisationError as error:
            faults.append(f"value {position}: {error}")
    return _checked(subjects, faults)


def read_file(path: Path, circumstances: Circumstances = USUAL) -> list[Subject]:
    """Subjects from a CSV of indicator_type and value. UsedWronglyError naming every line that cannot be used;
    FileRefusedError.
    """
    subjects, faults = [], []
    for row in read_normalised(check_file(path), circumstances):
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
