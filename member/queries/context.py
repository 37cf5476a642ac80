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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

import msgspec

from keys.oprf.tokens import oprf_input
from member.errors import AnswerError, MemberError, RefusedError
from member.indicators.intake import Accepted, read_normalised
from member.inputs import InputError
from member.normalise.circumstances import DEFAULT, Circumstances
from member.normalise.outcome import NormalisationError
from member.normalise.rules import normalise
from member.queries.asked import AskedSubject, keep_asked
from member.queries.client import OpenedQuery, QueryClient
from member.queries.shown import ShownQuery, find_values, show_head
from member.requests.log import RequestLog
from member.tables.reading import check_file
from member.tokens.tokenise import Tokeniser
from member.vault.store import Vault
from member.workplace.workplace import Workplace
from schemas.queries.messages import (
    MAX_TOKENS,
    SALT_BYTES,
    AskQuery,
    QueryApplication,
    QueryStatus,
)
from schemas.terms import NORMALISATION, QueryState
from schemas.values.canonical import canonical_json
from schemas.values.identifiers import uuid7

COVER_DAYS = 90
"""How long the cover of a query lasts for which neither an end nor a watch is named."""

_TOKEN, _QUESTION, _UNAPPROVED = "query_token", "query_question", "query_unapproved"
_WHEN_PENDING = ("until", "watch_until")
"""Terms that later steps may change."""


class QueriedValue(msgspec.Struct, frozen=True):
    """A value as it was given, and its canonical form."""

    value: str
    indicator_type: str
    canonical: str

    @property
    def input(self) -> bytes:
        """What is tokenised."""
        return oprf_input(NORMALISATION, self.indicator_type, self.canonical)


@dataclass(frozen=True)
class QueryContext:
    """What asking works with. `tokeniser` makes one for an epoch; `origin` is that of the log."""

    vault: Vault
    client: QueryClient
    epoch: int
    tokeniser: Callable[[], Tokeniser]
    origin: str

    @classmethod
    def at(cls, workplace: Workplace) -> Self:
        """As the acting representative."""
        epoch = workplace.epoch.epoch
        origin = workplace.log_origin(workplace.keyring)
        return cls(workplace.vault, QueryClient.at(workplace), epoch, lambda: workplace.tokeniser(epoch), origin)

    def ask(self, subjects: Sequence[QueriedValue], application: QueryApplication, today: date) -> QueryStatus:
        """Ask about the subjects. Each token is sent once, however often its value was given."""
        return self._ask(*self._question(subjects, application, today), _said(subjects, application), _keep_nothing)

    def ask_and_approve(
        self, subjects: Sequence[QueriedValue], application: QueryApplication, today: date, officer: QueryClient
    ) -> OpenedQuery:
        """Ask, and have the officer whose key is at hand authorise it. Given again after an approval whose answer was
        lost, it is the same query that is approved. Raises UnapprovedError for a query that waits now.
        """
        said = _said(subjects, application)
        name = canonical_json([self.client.signer, said])
        kept = self.vault.get(_UNAPPROVED, name)
        if kept is None or self.client.is_asking(said):
            asked, question = self._question(subjects, application, today)
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
        self, query_id: str, officer: QueryClient, agree: Callable[[OpenedQuery], None] = lambda _: None
    ) -> OpenedQuery:
        """Authorise a query as its officer: it is read, held against what this vault asked, shown to `agree` (which
        raises unless the person agrees), and its digest sent. AnswerError for one that is shown without its texts.
        """
        is_again = officer.is_approving(query_id)  # then the digest that was read before is sent
        read = self._checked(officer.read(query_id), is_fresh=not is_again)
        RequestLog(self.vault, self.origin).keep(read.query.event_id, "terms_sha256", read.terms_sha256)
        if not read.grounds.salt:
            detail = "nothing was approved: the exchange does not show on what the query stands"
            raise AnswerError(detail, "tell the reviewer and the registrars")
        agree(read)
        return officer.approve(query_id, read.terms_sha256)

    def _checked(self, read: OpenedQuery, *, is_fresh: bool = False) -> OpenedQuery:
        """The query, if it is what this vault asked, where it did. Raises MemberError."""
        payload = self.vault.get(_QUESTION, read.query.query_id.encode())
        if payload is None:
            return read
        asked = msgspec.to_builtins(msgspec.msgpack.decode(payload, type=AskQuery))
        shown = {**msgspec.to_builtins(read.query), **msgspec.to_builtins(read.grounds)}
        later = () if is_fresh or read.query.state == QueryState.PENDING else _WHEN_PENDING
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
        self, subjects: Sequence[QueriedValue], application: QueryApplication, today: date
    ) -> tuple[list[AskedSubject], AskQuery]:
        """What is asked, with values for the vault, and on the wire."""
        tokens = self._tokens(subjects)
        asked = [
            AskedSubject(subject.value, subject.indicator_type, token)
            for subject, token in zip(subjects, tokens, strict=True)
        ]
        once = {one.token: one.indicator_type for one in asked}
        return asked, AskQuery(
            **msgspec.structs.asdict(_with_end(application, today)),
            query_id=uuid7(),
            tokens=list(once),
            types=list(once.values()),
            salt=secrets.token_bytes(SALT_BYTES),
        )

    def _ask(
        self,
        asked: Sequence[AskedSubject],
        question: AskQuery,
        said: dict[str, object],
        keep: Callable[[str], None],
    ) -> QueryStatus:
        def make() -> AskQuery:
            query_id = question.query_id
            keep_asked(self.vault, query_id, asked)
            self.vault.put(_QUESTION, query_id.encode(), msgspec.msgpack.encode(question))
            keep(query_id)
            return question

        return self.client.ask(said, make)

    def show(self, read: OpenedQuery, names: Callable[[Iterable[str]], Mapping[str, str]]) -> ShownQuery:
        """A query as it is shown, with what `names` calls the institutions. Raises MemberError unless it is what this
        vault asked, where it did.
        """
        query, kept = read.query, RequestLog(self.vault, self.origin)
        kept.keep(query.event_id, "terms_sha256", read.terms_sha256)
        if query.results is not None:
            kept.keep(query.event_id, "results_sha256", read.results_sha256)
        results = list(find_values(self.vault, self._checked(read).query))
        named = names(one for found in results for one in found.result.institutions)
        return ShownQuery(show_head(self.vault, read), read, results, named)

    def _tokens(self, subjects: Sequence[QueriedValue]) -> list[bytes]:
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


def _said(subjects: Sequence[QueriedValue], application: QueryApplication) -> dict[str, object]:
    """What tells one command from another: not the tokens, which are others in another epoch, nor a day worked out."""
    about = dict.fromkeys((subject.indicator_type, subject.canonical) for subject in subjects)
    return {"subjects": [list(one) for one in about], **msgspec.to_builtins(application)}


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


def _with_end(application: QueryApplication, today: date) -> QueryApplication:
    """Cover always ends: with the watch, or after COVER_DAYS, unless it is said."""
    if application.until is not None or not application.covert:
        return application
    until = application.watch_until or today + timedelta(days=COVER_DAYS)
    return msgspec.structs.replace(application, until=until)


def _keep_nothing(query_id: str) -> None:
    """For a query that another is to approve."""


def _plain(value: Any) -> Any:
    """As the exchange keeps it: no text rather than none, and no white space around a case."""
    return value.strip() if isinstance(value, str) else value or ""


def read_values(
    indicator_type: str, values: Sequence[str], circumstances: Circumstances = DEFAULT
) -> list[QueriedValue]:
    """Subjects from the command line. MemberError naming every value that is none."""
    subjects, faults = [], []
    for position, value in enumerate(values, 1):
        try:
            found = normalise(indicator_type, value, circumstances)
            subjects.append(QueriedValue(value, found.indicator_type, found.canonical))
        except NormalisationError as error:
            faults.append(f"value {position}: {error}")
    return _checked(subjects, faults)


def read_file(path: Path, circumstances: Circumstances = DEFAULT) -> list[QueriedValue]:
    """Subjects from a CSV of indicator_type and value. MemberError naming every line that cannot be used;
    FileRefusedError.
    """
    subjects, faults = [], []
    for row in read_normalised(check_file(path), circumstances):
        if isinstance(row, Accepted):
            subjects.append(QueriedValue(row.row.value, row.canonical.indicator_type, row.canonical.canonical))
        else:
            faults.append(f"line {row.line}, {row.column or 'row'}: {row.reason}")
    return _checked(subjects, faults)


def _checked(subjects: list[QueriedValue], faults: Sequence[str]) -> list[QueriedValue]:
    if faults:
        raise MemberError("; ".join(faults), "mend them, and ask again: nothing was sent", slug="not_normalisable")
    if not subjects:
        raise InputError("values", "nothing to ask about", "values, or a file of them")
    if len({subject.input for subject in subjects}) > MAX_TOKENS:
        raise InputError("values", f"a query asks about {MAX_TOKENS} things at most", "ask in several queries")
    return subjects
