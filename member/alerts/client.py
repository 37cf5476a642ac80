"""Alerts and feed tokens at the exchange, as a member sees them: one method a request, every answer checked for its
form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Self, TypeVar

import msgspec

from member.errors import AnswerError, RefusedError, UsageError, quoted
from member.next_steps import Act, Next
from member.transport import wire
from member.transport.channel import Channel, decode
from member.transport.pages import ListBound, walk
from member.workplace.workplace import Workplace
from schemas.alerts.feed_tokens import FeedTokenForm, FeedTokensPage, ListedFeedToken, NewFeedToken
from schemas.alerts.messages import (
    AlertContent,
    AlertsPage,
    AlertStatus,
    ListedAlert,
    Response,
    Responses,
    ShownAlert,
)
from schemas.values.canonical import NotCanonicalError, digest
from schemas.values.encoding import to_base64
from schemas.values.identifiers import is_reference
from schemas.values.message import Message

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_PAGE = 100
_UNKNOWN = 404
_BEGINNING = re.compile(r"[0-9]{4,6}(-[A-Z0-9_-]{0,64})?|[0-9A-F][0-9A-F-]{3,35}", re.ASCII)
_SHOWN_CANDIDATES = 5


_Form = TypeVar("_Form")


class ReadAlert(ShownAlert, frozen=True):
    """An alert as it is read: `document` is the exchange's answer whole."""

    document: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def computed_sha256(self) -> str:
        """The digest of the content as it came, without its audience (of which each reader sees a part of its own)."""
        content = {name: value for name, value in self.document["content"].items() if name != "audience"}
        try:
            return to_base64(digest(content))
        except NotCanonicalError as error:
            raise AnswerError("the exchange showed an alert without a canonical form") from error


_Paged = TypeVar("_Paged", AlertsPage, FeedTokensPage)


def _begins(alert: ListedAlert, text: str) -> bool:
    return alert.reference.startswith(text.upper()) or alert.alert_id.startswith(text.lower())


class AlertClient:
    """The requests of one representative about alerts and feed tokens."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._server = channel.base_url

    @classmethod
    def at(cls, workplace: Workplace) -> Self:
        """As the acting representative."""
        return cls(workplace.exchange_channel)

    def draft(self, content: AlertContent) -> AlertStatus:
        """Hand in a draft."""
        return self._post(wire.ALERTS, content, AlertStatus)

    def step(self, alert_id: str, step: str, value: Message) -> AlertStatus:
        """Review, release, withdraw or acknowledge an alert."""
        return self._post(f"{wire.ALERTS}/{alert_id}/{step}", value, AlertStatus)

    def alerts(self, **wanted: str | None) -> Iterator[ListedAlert]:
        """Every alert that this member may see, page by page; `wanted` names a `state` or a `reference`."""
        given = {name: value for name, value in wanted.items() if value is not None}
        for page in self._pages(wire.ALERTS, AlertsPage, given):
            yield from page.alerts

    def find_id(self, given: str) -> str:
        """The id of an alert by its id, its reference, or the beginning of either (four characters or more).
        UsageError for none of these and for the beginning of several, RefusedError for what is not there.
        """
        text = given.strip()
        if _UUID.fullmatch(text.lower()):
            return text.lower()
        if not _BEGINNING.fullmatch(text.upper()):
            what = f"{quoted(given)} is neither a reference such as 1234-NECC nor the id of an alert"
            raise UsageError(what, then=Next(Act.LIST_ALERTS))
        wanted = text.upper() if is_reference(text.upper()) else None
        found = [one for one in self.alerts(reference=wanted) if text.upper() == one.reference] if wanted else []
        found = found or [one for one in self.alerts() if _begins(one, text)]
        if len(found) > 1:
            candidates = ", ".join(sorted(one.reference for one in found[:_SHOWN_CANDIDATES]))
            raise UsageError(f"{text} begins {len(found):,} alerts: {candidates}", "give more of it")
        if found:
            return found[0].alert_id
        raise RefusedError(
            f"no alert {text.upper()} is there for this member",
            slug="unknown-alert",
            status=_UNKNOWN,
            then=Next(Act.LIST_ALERTS),
        )

    def read(self, alert_id: str) -> ReadAlert:
        """One alert, whole."""
        body = self._channel.get(f"{wire.ALERTS}/{alert_id}").body
        read = decode(body, ReadAlert, self._server)
        if read.alert_id != alert_id:
            raise AnswerError("the exchange showed another alert than was asked for")
        return msgspec.structs.replace(read, document=msgspec.json.decode(body))

    def rendered(self, alert_id: str, form: str) -> bytes:
        """The alert as a `pdf`, or as a `page` of HTML."""
        return self._channel.get(f"{wire.ALERTS}/{alert_id}/{form}").body

    def responses(self, alert_id: str) -> list[Response]:
        """What members said to an alert of one's own."""
        return decode(self._channel.get(f"{wire.ALERTS}/{alert_id}/responses").body, Responses, self._server).responses

    def make_token(self, name: str) -> NewFeedToken:
        """A new feed token."""
        return self._post(wire.FEED_TOKENS, FeedTokenForm(name=name), NewFeedToken)

    def tokens(self) -> Iterator[ListedFeedToken]:
        """Own feed tokens, without the secrets, page by page."""
        for page in self._pages(wire.FEED_TOKENS, FeedTokensPage, {}):
            yield from page.feed_tokens

    def revoke_token(self, token_id: str) -> None:
        """Make a feed token worthless."""
        self._channel.post(f"{wire.FEED_TOKENS}/{token_id}/revoke", b"{}")

    def _pages(self, path: str, form: type[_Paged], given: dict[str, str]) -> Iterator[_Paged]:
        for page, _ in walk(self._channel, path, {**given, "limit": _PAGE}, form, ListBound("alerts")):
            yield page

    def _post(self, path: str, value: Message, form: type[_Form]) -> _Form:
        answer = self._channel.post(path, msgspec.json.encode(value))
        return decode(answer.body, form, self._server)
