"""A query as a person of this home is shown it: its texts opened, and values in the place of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from member.queries.asked import AskedSubject, asked_about
from member.queries.client import OpenedHead, OpenedQuery
from member.transport.channel import shown_token
from member.vault.store import Vault
from schemas.queries.messages import QueryHandling, QueryResult, WholeQuery
from schemas.values.encoding import to_base64
from schemas.values.message import Message

_NOT_SHOWN = ("sealed", "subjects_sha256", "tokens", "types")
"""What is for programs to check."""


class OtherCase(msgspec.Struct, frozen=True):
    """Another agency, how many of our subjects it is about too, and which, as far as this vault asked about them."""

    agency: str
    officer: str
    subjects: int
    values: list[str]


@dataclass(frozen=True)
class FoundValue:
    """What is disclosed of one value; None for one that this vault did not ask about."""

    value: str | None
    result: QueryResult

    def to_json(self) -> dict[str, object]:
        """The value, and the result but for its token."""
        shown = {name: value for name, value in msgspec.to_builtins(self.result).items() if name != "token"}
        return {"value": self.value, **shown}

    @property
    def marking(self) -> str | None:
        """How it is marked, in a line."""
        return None if self.result.handling is None else _line_of(self.result.handling)


@dataclass(frozen=True)
class ShownHead:
    """A query as a list gives it."""

    read: OpenedHead | OpenedQuery
    others: list[OtherCase]

    def to_json(self) -> dict[str, object]:
        """As `query list --json` gives it."""
        texts = {name: text for name, text in msgspec.to_builtins(self.read.grounds).items() if name != "salt"}
        document = _with_texts(self.read.query, "paperwork_sha256", texts)
        return {**document, "others": msgspec.to_builtins(self.others)}


@dataclass(frozen=True)
class ShownQuery:
    """A query whole: one result for each value that was asked about. `names` are what the registrars call the
    institutions that the results name by their ids.
    """

    head: ShownHead
    read: OpenedQuery
    results: list[FoundValue]
    names: Mapping[str, str]

    def to_json(self) -> dict[str, object]:
        """As `query show --json` gives it."""
        extensions = [
            _with_texts(one, "reason_sha256", {"reason": reason})
            for one, reason in zip(self.read.query.extensions, self.read.reasons, strict=True)
        ]
        results = [one.to_json() for one in self.results]
        return {**self.head.to_json(), "extensions": extensions, "results": results, "names": dict(self.names)}


@dataclass(frozen=True)
class ShownGrounds:
    """On what a query stands, to whoever is to authorise it; `values` are what it asks about, none where this home did
    not ask.
    """

    read: OpenedQuery
    values: list[str]

    @property
    def is_sealed_to_others(self) -> bool:
        """Whether its texts were sealed before this member was enrolled; its agency can show them."""
        return not self.read.grounds.salt


def show_grounds(vault: Vault, read: OpenedQuery) -> ShownGrounds:
    """On what a query stands, with the values that this vault asked about."""
    return ShownGrounds(read, [asked.value for asked in asked_about(vault, read.query.query_id)])


def show_head(vault: Vault, read: OpenedHead | OpenedQuery) -> ShownHead:
    """A query, with what this vault asked about."""
    asked = asked_about(vault, read.query.query_id)
    others = [
        OtherCase(one.agency, one.officer, len(one.tokens), _values_of(asked, one.tokens)) for one in read.query.others
    ]
    return ShownHead(read, others)


def find_values(vault: Vault, query: WholeQuery) -> Iterator[FoundValue]:
    """What a query finds of each value that this vault asked about, in their order, then of what it does not know."""
    found = {shown_token(result.token): result for result in query.results or ()}
    asked = asked_about(vault, query.query_id)
    yield from (FoundValue(one.value, found[one.token]) for one in asked if one.token in found)
    known = {one.token for one in asked}
    yield from (FoundValue(None, result) for token, result in found.items() if token not in known)


def _values_of(asked: Sequence[AskedSubject], tokens: Sequence[str]) -> list[str]:
    return [one.value for one in asked if to_base64(one.token) in tokens]


def _with_texts(shown: Message, sha256: str, texts: Mapping[str, str]) -> dict[str, object]:
    """What was shown, with texts in the place of their digest."""
    document: dict[str, object] = {}
    for name, value in msgspec.to_builtins(shown).items():
        if name == sha256:
            document |= texts
        elif name not in _NOT_SHOWN:
            document[name] = value
    return document


def _line_of(handling: QueryHandling) -> str:
    return f"{handling.classification} TLP:{handling.tlp} {handling.handling}"
