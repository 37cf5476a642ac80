"""Outcomes and assessments at the exchange, as a member sees them: codes and figures, no text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from member.corrections.log import FIGURES, ToldLog
from member.errors import AnswerError
from member.transport import wire
from member.transport.channel import Channel, shown_digest
from member.transport.outgoing import Outgoing, reading
from member.transport.pages import ListBound, walk
from member.vault.store import Vault
from schemas.values.encoding import from_base64
from schemas.values.identifiers import uuid7

_PAGE = 100


class _Figures(msgspec.Struct, frozen=True, kw_only=True):
    usefulness: str | None
    internal_investigation: str | None
    account_action: str | None
    arrests: int | None
    charges: int | None
    restrained_gbp: int | None
    forfeited_gbp: int | None
    repatriated_gbp: int | None
    disruption: str | None
    outcome_code: str | None
    false_positive: bool | None
    harm_to_customer: bool | None


class RecordedOutcome(_Figures, frozen=True, kw_only=True):
    """An outcome that this member recorded; None for what was not reported."""

    outcome_id: str
    object: str
    object_id: str
    recorded_at: str


class ReceivedOutcome(_Figures, frozen=True, kw_only=True):
    """An outcome about this member's rows; `recorder` is None where it may not know who it was, and
    `recorder_kind` where it may not even know the kind.
    """

    outcome_id: str
    tokens: list[str]
    recorder_kind: str | None
    recorder: str | None
    told_at: str

    def token_bytes(self) -> list[bytes]:
        """The tokens, 32 bytes each; AnswerError if one is none."""
        try:
            return [from_base64(token, 32) for token in self.tokens]
        except ValueError as error:
            raise AnswerError("the exchange showed an outcome without a proper token") from error


class OutcomeStanding(msgspec.Struct, frozen=True):
    """That an outcome is kept."""

    outcome_id: str
    event_id: str


class AssessmentStanding(msgspec.Struct, frozen=True):
    """That an assessment is kept."""

    assessment_id: str
    event_id: str


class _RecordedPage(msgspec.Struct, frozen=True):
    outcomes: list[RecordedOutcome]
    next: str | None
    event_id: str


class _ReceivedPage(msgspec.Struct, frozen=True):
    outcomes: list[ReceivedOutcome]
    next: str | None
    event_id: str


_Page = TypeVar("_Page", _RecordedPage, _ReceivedPage)


class OutcomeClient:
    """The requests of one representative about outcomes."""

    def __init__(self, channel: Channel, vault: Vault) -> None:
        self._channel = channel
        self._outgoing = Outgoing(vault, channel)
        self._server = channel.base_url

    def record(self, about: str, object_id: str, figures: dict[str, Any]) -> OutcomeStanding:
        """Say what came of a hit, a request or a query; what is not among `figures` is not reported."""
        reported = {name: figures.get(name) for name in FIGURES}
        said = {"object": about, "object_id": object_id, **reported}
        read = reading(OutcomeStanding, "outcome_id", self._server)
        return self._outgoing.post(wire.OUTCOMES, said, lambda: {"outcome_id": uuid7(), **said}, read)

    def assess(self, hit_id: str, checks: dict[str, bool], decision: str) -> AssessmentStanding:
        """Record this member's own assessment of a hit."""
        said = {"hit_id": hit_id, **checks, "decision": decision}
        read = reading(AssessmentStanding, "assessment_id", self._server)
        return self._outgoing.post(wire.ASSESSMENTS, said, lambda: {"assessment_id": uuid7(), **said}, read)

    def recorded(self, log: ToldLog) -> Iterator[RecordedOutcome]:
        """Every outcome that this member recorded; the pages are kept to be held against the log."""
        for page in self._pages(log, wire.OUTCOMES, _RecordedPage):
            yield from page.outcomes

    def received(self, log: ToldLog) -> Iterator[ReceivedOutcome]:
        """Every outcome about this member's rows; kept to be held against the log."""
        for page in self._pages(log, f"{wire.OUTCOMES}/received", _ReceivedPage):
            for one in page.outcomes:
                log.keep_outcome(page.event_id, msgspec.to_builtins(one))
            yield from page.outcomes

    def _pages(self, log: ToldLog, path: str, form: type[_Page]) -> Iterator[_Page]:
        for page, body in walk(self._channel, path, {"limit": _PAGE}, form, ListBound("outcomes")):
            log.keep_reading(page.event_id, shown_digest(msgspec.json.decode(body)["outcomes"]))
            yield page
