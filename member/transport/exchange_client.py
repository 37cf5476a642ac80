"""The exchange as a member sees it: one method a request, every answer checked for its form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from member.errors import AnswerError
from member.transport import wire
from member.transport.channel import Channel, decode
from member.transport.pages import ListBound, walk
from schemas.enrolments import EnrolmentAnswer
from schemas.hits import DisclosedHit, HitsPage
from schemas.holder_faults import HolderFaultsPage, TakenReport
from schemas.statements import Proposal, Proposals, StatementAnswer, StatementEnvelope, StatementsPage
from schemas.status import ListedNotice, NoticesPage, Status
from schemas.submissions import SubmissionAnswer

_PAGE = 500
_MAX_PAGES = 500
"""Of statements: of 200 each, more than any taskforce states."""
_MAX_STATEMENT_BYTES = 64 * 1024 * 1024
_MAX_FAULTS = 500
_MAX_FAULT_BYTES = 256 * 1024 * 1024


class LogPage(msgspec.Struct, frozen=True):
    """One page of the member's own log entries, as received."""

    entries: list[dict[str, Any]]
    pending: list[str]
    next: int | None
    waiting: list[dict[str, Any]] = []


class ExchangeClient:
    """The requests of one representative or registrar to the exchange."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._server = channel.base_url

    def enrol(self, body: bytes) -> str:
        """Ask to become a member; the state of the enrolment."""
        answer = self._channel.post(wire.ENROLMENTS, body)
        return decode(answer.body, EnrolmentAnswer, self._server).state

    def proposals(self) -> list[Proposal]:
        """What the registrars may sign."""
        return decode(self._channel.get(wire.PROPOSALS).body, Proposals, self._server).proposals

    def add_statement(self, envelope: StatementEnvelope) -> StatementAnswer:
        """Add signatures to a statement."""
        answer = self._channel.post(wire.STATEMENTS, msgspec.json.encode(envelope))
        return decode(answer.body, StatementAnswer, self._server)

    def statements(self) -> Iterator[StatementEnvelope]:
        """Every effective statement, unverified, in the exchange's order. AnswerError for a list without end."""
        bound = ListBound("statements", _MAX_PAGES, _MAX_STATEMENT_BYTES)
        for page, _ in walk(self._channel, wire.STATEMENTS, {}, StatementsPage, bound):
            yield from page.statements

    def report_holder_fault(self, body: bytes) -> TakenReport:
        """Report a key holder's fault with its evidence."""
        return decode(self._channel.post(wire.HOLDER_FAULTS, body).body, TakenReport, self._server)

    def holder_faults(self) -> Iterator[HolderFaultsPage]:
        """Reported faults of key holders, unverified, page by page. AnswerError for a list without end."""
        bound = ListBound("faults of key holders", _MAX_FAULTS, _MAX_FAULT_BYTES)
        for page, _ in walk(self._channel, wire.HOLDER_FAULTS, {}, HolderFaultsPage, bound):
            yield page
            if not page.reports:
                return

    def standing(self) -> Status:
        """How this member stands."""
        return decode(self._channel.get(wire.STATUS).body, Status, self._server)

    def submit_part(self, body: bytes, idempotency_key: str) -> SubmissionAnswer:
        """Send one part of a submission."""
        answer = self._channel.post(wire.SUBMISSIONS, body, idempotency_key=idempotency_key)
        return decode(answer.body, SubmissionAnswer, self._server)

    def hits(self, since: str | None = None) -> Iterator[DisclosedHit]:
        """Every live hit, page by page."""
        parameters: dict[str, str | int] = {"limit": _PAGE} | ({} if since is None else {"since": since})
        for page, _ in walk(self._channel, wire.HITS, parameters, HitsPage, ListBound("hits")):
            yield from page.hits

    def notices(self, after: str | None = None) -> Iterator[ListedNotice]:
        """Every notice behind one, oldest first, page by page."""
        parameters: dict[str, str | int] = {} if after is None else {"cursor": after}
        for page, _ in walk(self._channel, wire.NOTICES, parameters, NoticesPage, ListBound("notices")):
            yield from page.notices

    def checkpoint(self) -> bytes:
        """The log's latest checkpoint, a signed note."""
        return self._channel.get(wire.LOG_CHECKPOINT).body

    def tile(self, path: str) -> bytes:
        """A tile or entry bundle; `path` follows /log/tile/."""
        return self._channel.get(wire.LOG_TILE + path).body

    def log_page(self, after: int, limit: int = _PAGE) -> LogPage:
        """Own log entries numbered above `after`."""
        answer = self._channel.get(wire.LOG_ENTRIES, {"after": after, "limit": limit})
        return decode(answer.body, LogPage, self._server)

    def waiting_entries(self) -> list[dict[str, Any]]:
        """All own log entries that wait for their place, each with its receipt, as received."""
        found: list[dict[str, Any]] = []
        last, bound = "", ListBound("waiting entries")
        while True:
            page: dict[str, str | int] = {"after": 0, "limit": 1, "waiting": _PAGE}
            with bound.page():
                answer = self._channel.get(wire.LOG_ENTRIES, page | ({"waiting_after": last} if last else {}))
            bound.count_bytes(len(answer.body))
            rows = decode(answer.body, LogPage, self._server).waiting
            if not rows:
                return found
            before, last = last, str(rows[-1].get("entry_id"))
            if last <= before:
                raise AnswerError("the exchange repeats a page cursor")
            found += rows
