"""Alerts and feed tokens at the exchange, as a member sees them: one method a request, every answer checked for its
form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from member.errors import AnswerError, RefusedError, UsedWronglyError, quoted
from member.transport import wire
from member.transport.channel import Channel, decode
from member.transport.pages import ListBound, walk
from schemas.values.canonical import NotCanonicalError, digest
from schemas.values.encoding import to_base64
from schemas.values.identifiers import is_reference

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_PAGE = 100
_UNKNOWN = 404
_BEGINNING = re.compile(r"[0-9]{4,6}(-[A-Z0-9_-]{0,64})?|[0-9A-F][0-9A-F-]{3,35}", re.ASCII)
_SHOWN_CANDIDATES = 5


_Form = TypeVar("_Form")


class AlertStanding(msgspec.Struct, frozen=True):
    """How an alert stands after a step."""

    alert_id: str
    reference: str
    state: str


class ListedAlert(msgspec.Struct, frozen=True):
    """One alert of a list. `member_id` issued it; `acknowledged` says whether this member did so."""

    alert_id: str
    reference: str
    state: str
    member_id: str
    issuer: str
    version: int
    title: str
    colour: str
    classification: str
    tlp: str
    theme: str
    published_at: str | None
    modified_at: str
    expires_on: str
    acknowledged: bool


class AlertsPage(msgspec.Struct, frozen=True):
    """One page of alerts."""

    alerts: list[ListedAlert]
    next: str | None


class CaseStudy(msgspec.Struct, frozen=True):
    """An example of what happened."""

    title: str
    text: str


class Source(msgspec.Struct, frozen=True):
    """What an alert draws on."""

    reference: str
    tlp: str


class Account(msgspec.Struct, frozen=True):
    """An account that the author named."""

    iban: str
    sort_code: str
    account_number: str
    bic: str


class Audience(msgspec.Struct, frozen=True):
    """Whom an alert is addressed to, as far as this member may know."""

    groups: list[str]
    kinds: list[str]


class AlertContent(msgspec.Struct, frozen=True):
    """What the author wrote; Markdown in `overview`, case studies, `requested_action` and `body`."""

    title: str
    colour: str
    classification: str
    tlp: str
    conditions: str
    theme: str
    audience: Audience
    overview: str
    red_flags: list[str]
    case_studies: list[CaseStudy]
    requested_action: str
    body: str
    legal_gateway: str
    purpose: str
    sources: list[Source]
    accounts: list[Account]
    supersedes: str
    review_by: str
    expires_on: str


class Response(msgspec.Struct, frozen=True):
    """What a member said to an alert. `member_id` is empty for one's own."""

    version: int
    acknowledged_at: str
    implemented_at: str | None
    feedback: str
    member_id: str = ""


class ReadAlert(msgspec.Struct, frozen=True):
    """An alert as it is read: `document` is the exchange's answer whole. `content_sha256` is in base64."""

    alert_id: str
    reference: str
    state: str
    member_id: str
    issuer: str
    version: int
    content: AlertContent
    content_sha256: str
    published_at: str | None
    modified_at: str
    reason: str
    superseded_by: str
    event_id: str
    response: Response | None = None
    document: dict[str, Any] = {}

    def computed_sha256(self) -> str:
        """The digest of the content as it came, without its audience (of which each reader sees a part of its own)."""
        told = {name: value for name, value in self.document["content"].items() if name != "audience"}
        try:
            return to_base64(digest(told))
        except NotCanonicalError as error:
            raise AnswerError("the exchange showed an alert without a canonical form") from error


class _Responses(msgspec.Struct, frozen=True):
    responses: list[Response]


class NewFeedToken(msgspec.Struct, frozen=True):
    """A feed token: shown this once, and not even to a repetition of the request (`token` is then None)."""

    token_id: str
    token: str | None


class FeedToken(msgspec.Struct, frozen=True):
    """A feed token as it is listed."""

    token_id: str
    name: str
    created_by: str
    created_at: str
    revoked_at: str | None


class _FeedTokens(msgspec.Struct, frozen=True):
    feed_tokens: list[FeedToken]
    next: str | None


_Paged = TypeVar("_Paged", AlertsPage, _FeedTokens)


def _begins(alert: ListedAlert, text: str) -> bool:
    return alert.reference.startswith(text.upper()) or alert.alert_id.startswith(text.lower())


class AlertClient:
    """The requests of one representative about alerts and feed tokens."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._server = channel.base_url

    def draft(self, content: dict[str, Any]) -> AlertStanding:
        """Hand in a draft."""
        return self._post(wire.ALERTS, content, AlertStanding)

    def step(self, alert_id: str, step: str, value: dict[str, Any]) -> AlertStanding:
        """Review, release, withdraw or acknowledge an alert."""
        return self._post(f"{wire.ALERTS}/{alert_id}/{step}", value, AlertStanding)

    def alerts(self, **wanted: str | None) -> Iterator[ListedAlert]:
        """Every alert that this member may see, page by page; `wanted` names a `state` or a `reference`."""
        given = {name: value for name, value in wanted.items() if value is not None}
        for page in self._pages(wire.ALERTS, AlertsPage, given):
            yield from page.alerts

    def find_id(self, given: str) -> str:
        """The id of an alert by its id, its reference, or the beginning of either (four characters or more).
        UsedWronglyError for none of these and for the beginning of several, RefusedError for what is not there.
        """
        text = given.strip()
        if _UUID.fullmatch(text.lower()):
            return text.lower()
        if not _BEGINNING.fullmatch(text.upper()):
            what = f"{quoted(given)} is neither a reference such as 1234-NECC nor the id of an alert"
            raise UsedWronglyError(what, "member alert list")
        wanted = text.upper() if is_reference(text.upper()) else None
        found = [one for one in self.alerts(reference=wanted) if text.upper() == one.reference] if wanted else []
        found = found or [one for one in self.alerts() if _begins(one, text)]
        if len(found) > 1:
            candidates = ", ".join(sorted(one.reference for one in found[:_SHOWN_CANDIDATES]))
            raise UsedWronglyError(f"{text} begins {len(found):,} alerts: {candidates}", "give more of it")
        if found:
            return found[0].alert_id
        raise RefusedError(
            f"no alert {text.upper()} is there for this member",
            "member alert list",
            slug="unknown-alert",
            status=_UNKNOWN,
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
        return decode(self._channel.get(f"{wire.ALERTS}/{alert_id}/responses").body, _Responses, self._server).responses

    def make_token(self, name: str) -> NewFeedToken:
        """A new feed token."""
        return self._post(wire.FEED_TOKENS, {"name": name}, NewFeedToken)

    def tokens(self) -> Iterator[FeedToken]:
        """Own feed tokens, without the secrets, page by page."""
        for page in self._pages(wire.FEED_TOKENS, _FeedTokens, {}):
            yield from page.feed_tokens

    def revoke_token(self, token_id: str) -> None:
        """Make a feed token worthless."""
        self._channel.post(f"{wire.FEED_TOKENS}/{token_id}/revoke", b"{}")

    def _pages(self, path: str, form: type[_Paged], given: dict[str, str]) -> Iterator[_Paged]:
        for page, _ in walk(self._channel, path, {**given, "limit": _PAGE}, form, ListBound("alerts")):
            yield page

    def _post(self, path: str, value: dict[str, Any], form: type[_Form]) -> _Form:
        answer = self._channel.post(path, msgspec.json.encode(value))
        return decode(answer.body, form, self._server)
