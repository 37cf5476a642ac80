"""Notices: what happened that concerns this member, in words, what it is about, and how to go on.

In order:
1. A notice itself says its kind and its event alone. What it is about is read from our own entry of that event in the
   log; a notice without such an entry is shown as that.
2. What was shown to a representative is kept in the vault, so that the next call shows it what is new.
3. Ids are made when something happens, and a later one may be stored first: each call looks again at the last hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from member.errors import AnswerError
from member.log.chain import OwnEntry
from member.log.own_entries import OwnLog
from member.next_steps import Act, Next
from member.transport.exchange_client import ExchangeClient
from member.vault.store import Vault
from member.workplace.workplace import Workplace
from schemas.status import ListedNotice
from schemas.terms import OFFERS, Direction
from schemas.values.identifiers import is_reference, is_uuid7

_ABOUT, _CURSOR, _SHOWN, _OFFER = "notice_about", "notice_cursor", "notices_shown", "notice_offer"
_OVERLAP_MILLISECONDS = 3_600_000
_WAITS = 20
"""How often an entry is waited for that has no place in the log yet."""


@dataclass(frozen=True)
class NoticeKind:
    """What a kind of notice says; the fields of its log entry that say about what; the act to go on with."""

    said: str
    about: tuple[str, ...] = ()
    then: Act = Act.LIST_LOG


_REQUEST, _QUERY = ("request_id",), ("query_id",)
_SHOW_REQUEST, _SHOW_QUERY = Act.SHOW_REQUEST, Act.SHOW_QUERY
_ALERT, _READ_ALERT = ("reference", "alert_id"), Act.READ_ALERT
_NAMED_BY = {
    _SHOW_REQUEST: "request_id",
    _SHOW_QUERY: "query_id",
    _READ_ALERT: "reference",
    Act.LIST_RESPONSES: "reference",
}
"""What an act needs to be about something; without it the log is read."""

KINDS: Mapping[str, NoticeKind] = {
    "match": NoticeKind("indicators of ours meet others' anew", (), Act.LIST_HITS),
    "request_received": NoticeKind("we are asked about an indicator of ours", _REQUEST, _SHOW_REQUEST),
    "request_taken_up": NoticeKind("a holder took up our request", _REQUEST, _SHOW_REQUEST),
    "request_answered": NoticeKind("our request was answered", _REQUEST, _SHOW_REQUEST),
    "request_reminder": NoticeKind("a request still waits for our answer", (*_REQUEST, "due_at"), _SHOW_REQUEST),
    "request_lapsed": NoticeKind("a request lapsed: its time was up", _REQUEST, _SHOW_REQUEST),
    "request_cancelled": NoticeKind("a request was taken back by who asked", _REQUEST, _SHOW_REQUEST),
    "le_query_asked": NoticeKind("a query waits for its authorising officer", _QUERY, _SHOW_QUERY),
    "le_query_disclosed": NoticeKind("rows of ours were disclosed to an agency; its cover has ended", _QUERY),
    "le_query_lapsed": NoticeKind("a query lapsed: nobody authorised it in time", _QUERY, _SHOW_QUERY),
    "le_query_ended": NoticeKind("a query ended: its last day has passed", _QUERY, _SHOW_QUERY),
    "le_watch_matched": NoticeKind("a watch met new rows", (*_QUERY, "hit_ids"), _SHOW_QUERY),
    "le_deconfliction": NoticeKind("another agency is about the same subject", _QUERY, _SHOW_QUERY),
    "correction": NoticeKind(
        "what was disclosed to us is taken back", ("correction_id", "reason", "due_at"), Act.LIST_CORRECTIONS
    ),
    "correction_overdue": NoticeKind(
        "a correction was not acknowledged in time", ("correction_id", "recipient", "due_at"), Act.LIST_CORRECTIONS
    ),
    "outcome": NoticeKind("what became of rows of ours", ("outcome_id",), Act.LIST_OUTCOMES),
    "review_due": NoticeKind(
        "rows of ours are due for review: take back what no longer holds", ("submission_ids",), Act.WITHDRAW
    ),
    "authority": NoticeKind("the registrars signed something about us or our groups", ("statement",), Act.SHOW_STATUS),
    "holder_fault": NoticeKind(
        "a key holder was proved at fault", ("holder_id", "epoch", "fault"), Act.LIST_HOLDER_FAULTS
    ),
    "alert_published": NoticeKind("an alert was published", _ALERT, _READ_ALERT),
    "alert_superseded": NoticeKind("an alert was superseded", _ALERT, _READ_ALERT),
    "alert_withdrawn": NoticeKind("an alert was withdrawn", _ALERT, _READ_ALERT),
    "alert_expired": NoticeKind("an alert expired", _ALERT, _READ_ALERT),
    "alert_acknowledged": NoticeKind("an alert of ours was acknowledged", _ALERT, Act.LIST_RESPONSES),
    "refusal": NoticeKind("an alert of ours was not published when its time came", ("alert_id",), Act.LIST_ALERTS),
    "subscription_ended": NoticeKind(
        "a receiver ended a subscription of ours", ("subscription_id",), Act.LIST_SUBSCRIPTIONS
    ),
}
"""Every kind that is known here; another is shown by its name."""


_ASKED = "request_made"
_NOTICED_AS = {_ASKED: "request_received"}
"""Kinds of events whose notices have another kind."""

_OFFER_TO_US: Mapping[str, str] = {
    "request_received": "we are offered information",
    "request_answered": "what we were offered was disclosed to us",
    "request_reminder": "an offer to us waits to be taken up or refused",
    "request_lapsed": "an offer lapsed: its time was up",
    "request_cancelled": "an offer was taken back by who made it",
}
_OFFER_OF_OURS: Mapping[str, str] = {
    "request_taken_up": "our offer was taken up",
    "request_answered": "our offer was refused",
    "request_lapsed": "our offer lapsed: its time was up",
}
"""What kinds of notices say of an offer."""


@dataclass(frozen=True)
class DescribedNotice:
    """A notice in words, with what our log says that it is about, and how to go on."""

    notice: ListedNotice
    said: str
    about: dict[str, object] | None
    then: Next


class _Shown(msgspec.Struct, frozen=True):
    """What a representative was shown: everything up to the id `floor`, and of what lies behind it `ids`."""

    floor: str = ""
    ids: list[str] = []


@dataclass(frozen=True)
class NoticeBoard:
    """The notices, as one representative reads them."""

    vault: Vault
    exchange: ExchangeClient
    reader: str

    @classmethod
    def at(cls, workplace: Workplace) -> Self:
        """As the acting representative reads them."""
        return cls(workplace.vault, workplace.exchange, workplace.acting_as)

    def unread(self) -> Iterator[ListedNotice]:
        """What this representative has not been shown yet."""
        shown = self._shown()
        known = set(shown.ids)
        return (notice for notice in self.exchange.notices(shown.floor or None) if notice.notice_id not in known)

    def remember(self, notices: Sequence[ListedNotice]) -> int:
        """Keep that these were shown; how many of them had not been."""
        before = self._shown()
        fresh = {one.notice_id for one in notices if one.notice_id > before.floor} - set(before.ids)
        if not fresh:
            return 0
        newest = max({*fresh, *before.ids})
        floor = max(_an_hour_before(newest), before.floor)
        after = _Shown(floor, sorted(one for one in {*fresh, *before.ids} if one > floor))
        with self.vault.transaction():
            self.vault.put(_SHOWN, self.reader.encode(), msgspec.msgpack.encode(after))
        return len(fresh)

    def _shown(self) -> _Shown:
        payload = self.vault.get(_SHOWN, self.reader.encode())
        return _Shown() if payload is None else msgspec.msgpack.decode(payload, type=_Shown)


class NoticeLog:
    """What notices are about, by this member's own entries in the log."""

    def __init__(self, log: OwnLog) -> None:
        self._log = log

    @classmethod
    def at(cls, workplace: Workplace) -> Self:
        """By the log that this member follows."""
        return cls(workplace.own_log(workplace.log_origin(workplace.stated)))

    def describe(self, notices: Sequence[ListedNotice]) -> list[DescribedNotice]:
        """The notices as they are shown; `about` is None where our log has no entry of the event. Raises LogFault."""
        event_ids = {notice.event_id for notice in notices}

        def is_there() -> bool:
            return all(self._about(event_id) is not None for event_id in event_ids)

        self._log.catch_up(_CURSOR, self._take_in, waits=_WAITS, is_there=is_there)
        return [self._describe(notice) for notice in notices]

    def _take_in(self, entry: OwnEntry) -> None:
        if entry.view is None:
            return
        recorded = str(entry.view.get("kind"))
        kind = KINDS.get(_NOTICED_AS.get(recorded, recorded))
        if kind is None:
            return
        about = {name: entry.view[name] for name in kind.about if entry.view.get(name) is not None}
        try:
            kept = msgspec.msgpack.encode(about)
        except (OverflowError, RecursionError):
            raise entry.fault("what it is about has an invalid format") from None
        self._log.vault.put(_ABOUT, self._log.name(entry.event_id), kept)
        if recorded == _ASKED and entry.view.get("mode") in OFFERS and "request_id" in about:
            direction = str(entry.view.get("direction"))
            self._log.vault.put(_OFFER, self._log.name(str(about["request_id"])), direction.encode())

    def _about(self, event_id: str) -> dict[str, object] | None:
        payload = self._log.vault.get(_ABOUT, self._log.name(event_id))
        return None if payload is None else msgspec.msgpack.decode(payload, type=dict[str, object])

    def _describe(self, notice: ListedNotice) -> DescribedNotice:
        kind = KINDS.get(notice.kind, NoticeKind(notice.kind.replace("_", " ")))
        about = self._about(notice.event_id)
        said = self._said_of_offer(notice.kind, about or {}) or kind.said
        return DescribedNotice(notice, said, about, _next(kind, about or {}))

    def _said_of_offer(self, kind: str, about: Mapping[str, Any]) -> str | None:
        """What the notice says if the request that it is about is an offer."""
        direction = self._log.vault.get(_OFFER, self._log.name(str(about.get("request_id"))))
        if direction is None:
            return None
        return (_OFFER_OF_OURS if direction.decode() == Direction.OUTGOING else _OFFER_TO_US).get(kind)


@dataclass(frozen=True)
class ReadNotices:
    """Notices in words, and how many of them the acting representative had not been shown."""

    listed: list[DescribedNotice]
    new: int


def read_notices(workplace: Workplace, since: str | None = None, *, every: bool = False) -> ReadNotices:
    """What the acting representative has not been shown yet, every notice, or those behind the id `since`. They count
    as shown from now on. Raises LogFault.
    """
    board = NoticeBoard.at(workplace)
    found = list(board.unread() if since is None and not every else workplace.exchange.notices(since))
    listed = NoticeLog.at(workplace).describe(found)
    return ReadNotices(listed, board.remember(found))


def _next(kind: NoticeKind, about: Mapping[str, Any]) -> Next:
    """How to go on. A command may be made of it: what the log states stands in it only as an id or a reference."""
    named = {name: value for name, value in about.items() if is_uuid7(str(value)) or is_reference(str(value))}
    lacks = kind.then in _NAMED_BY and _NAMED_BY[kind.then] not in named
    return Next(Act.LIST_LOG) if lacks else Next(kind.then, named)


def _an_hour_before(notice_id: str) -> str:
    """The least id of a notice made an hour before that one. Raises AnswerError."""
    if not is_uuid7(notice_id):
        raise AnswerError("the exchange gives a notice without a proper id")
    milliseconds = max(int(notice_id.replace("-", "")[:12], 16) - _OVERLAP_MILLISECONDS, 0)
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"
