"""A member's own standing on the wire, and its notices."""

from __future__ import annotations

from typing import Annotated

from schemas.values.message import Form, IdCursor, Message, Time, Uuid

NOTICES_PAGE = 500


class GroupStatus(Message, frozen=True):
    """An open group that the member is in."""

    group_id: str
    kind: str
    sunset: Time | None


class LogSummary(Message, frozen=True):
    """The published log."""

    origin: str
    size: int


class OpenRequests(Message, frozen=True):
    """Information requests that wait for this member's answer, and those of its own that wait for one."""

    incoming: int
    outgoing: int


class Status(Message, frozen=True):
    """A member as the exchange sees it."""

    member_id: str
    kind: str
    sector: str
    state: str
    groups: list[GroupStatus]
    epoch: int | None
    log: LogSummary
    notices: int
    open_requests: OpenRequests


class NoticesQuery(Message, frozen=True):
    """Where to go on."""

    cursor: IdCursor | None = None
    limit: Annotated[int, Form("QueryInteger", 1, NOTICES_PAGE)] = NOTICES_PAGE


class ListedNotice(Message, frozen=True):
    """That something happened which concerns the member: the kind and the event, no content."""

    notice_id: Uuid
    kind: str
    event_id: Uuid
    created_at: Time


class NoticesPage(Message, frozen=True):
    """One page of notices."""

    notices: list[ListedNotice]
    next: str | None
