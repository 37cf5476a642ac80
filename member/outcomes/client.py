"""Outcomes and assessments at the exchange, as a member sees them: codes and figures, no text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Self, TypeVar

import msgspec

from member.corrections.log import DisclosureRecord
from member.transport import wire
from member.transport.channel import Channel, shown_digest
from member.transport.outgoing import Outgoing, reading
from member.transport.pages import ListBound, walk
from member.vault.store import Vault
from member.workplace.workplace import Workplace
from schemas.outcomes import (
    FIGURES,
    AssessmentStatus,
    OutcomeStatus,
    ReceivedOutcome,
    ReceivedPage,
    RecordedOutcome,
    RecordedPage,
)
from schemas.values.identifiers import uuid7

_PAGE = 100


_Page = TypeVar("_Page", RecordedPage, ReceivedPage)


class OutcomeClient:
    """The requests of one representative about outcomes."""

    def __init__(self, channel: Channel, vault: Vault) -> None:
        self._channel = channel
        self._outgoing = Outgoing(vault, channel)
        self._server = channel.base_url

    @classmethod
    def at(cls, workplace: Workplace) -> Self:
        """As the acting representative."""
        return cls(workplace.exchange_channel, workplace.vault)

    def record(self, about: str, object_id: str, figures: Mapping[str, object]) -> OutcomeStatus:
        """Say what came of a hit, a request or a query; what is not among `figures` is not reported."""
        reported = {name: figures.get(name) for name in FIGURES}
        said = {"object": about, "object_id": object_id, **reported}
        read = reading(OutcomeStatus, "outcome_id", self._server)
        return self._outgoing.post(wire.OUTCOMES, said, lambda: {"outcome_id": uuid7(), **said}, read)

    def assess(self, hit_id: str, checks: dict[str, bool], decision: str) -> AssessmentStatus:
        """Record this member's own assessment of a hit."""
        said = {"hit_id": hit_id, **checks, "decision": decision}
        read = reading(AssessmentStatus, "assessment_id", self._server)
        return self._outgoing.post(wire.ASSESSMENTS, said, lambda: {"assessment_id": uuid7(), **said}, read)

    def recorded(self, log: DisclosureRecord) -> Iterator[RecordedOutcome]:
        """Every outcome that this member recorded; the pages are kept to be held against the log."""
        for page in self._pages(log, wire.OUTCOMES, RecordedPage):
            yield from page.outcomes

    def received(self, log: DisclosureRecord) -> Iterator[ReceivedOutcome]:
        """Every outcome about this member's rows; kept to be held against the log."""
        for page in self._pages(log, f"{wire.OUTCOMES}/received", ReceivedPage):
            for one in page.outcomes:
                log.keep_outcome(page.event_id, msgspec.to_builtins(one))
            yield from page.outcomes

    def _pages(self, log: DisclosureRecord, path: str, form: type[_Page]) -> Iterator[_Page]:
        for page, body in walk(self._channel, path, {"limit": _PAGE}, form, ListBound("outcomes")):
            log.keep_reading(page.event_id, shown_digest(msgspec.json.decode(body)["outcomes"]))
            yield page
