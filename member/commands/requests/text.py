"""Requests on the terminal and in JSON, and what a person says of them, read from options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click
import msgspec

from member.commands.shared.session import Session
from member.inputs import TooLongError, read_choices, read_text
from member.plain import to_second
from member.requests.asking import ReadAnswer
from member.requests.client import ReadRequest
from member.requests.prepared import prepared_digest
from member.transport.channel import shown_token
from member.vault.requests import PreparedAnswer
from member.vault.rows import OwnIndicator, VaultRows
from schemas.marking import Marking
from schemas.rendering.words import in_words
from schemas.requests.messages import NO_DETAILS, ListedRequest
from schemas.terms import OFFERS, Direction, RequestField, RequestState, Role
from schemas.values.message import MAX_SHORT

_BATCH = 500

confirm_option = click.option(
    "--confirm",
    "confirmations",
    metavar="CODE",
    multiple=True,
    help="What whoever discloses must confirm, by gateway or marking (member request gateways lists the codes).",
)


def describe(session: Session, read: ReadRequest) -> dict[str, Any]:
    """A request that was read, as `request show --json` gives it, but for its answers."""
    (listed,) = with_own_rows(session, [read])
    more = ("requester", "requested_by", "terms", "marking", "taken_up", "waiting")
    return {**listed.to_json(), **{name: msgspec.to_builtins(getattr(read, name)) for name in more}}


def describe_answer(answer: ReadAnswer) -> dict[str, Any]:
    """An answer, opened."""
    given = answer.given
    return {
        "institution": given.institution,
        "recipient": given.recipient,
        "outcome": given.outcome,
        "details": answer.details.stated(),
        "fields": given.fields,
        "refusal_reason": given.refusal_reason,
        "answered_by": given.representative_id,
        "prepared_by": None if given.prepared is None else given.prepared.representative_id,
        "answered_at": given.answered_at,
        "marking": msgspec.to_builtins(given.marking),
        "fault": answer.fault,
        "withdrawn": answer.is_withdrawn,
        "given_out": answer.is_given_out,
    }


def describe_prepared(prepared: PreparedAnswer, member_id: str) -> dict[str, Any]:
    """What one person prepared for another to send, and the digest that names it."""
    names = ("to", "outcome", "fields", "refusal_reason", "details", "marking", "prepared_by", "prepared_at")
    return {
        **{name: msgspec.to_builtins(getattr(prepared, name)) for name in names},
        "digest": prepared_digest(member_id, prepared),
    }


def prepared_lines(prepared: PreparedAnswer) -> Iterator[str]:
    """The same for people, word for word."""
    yield f"prepared by {prepared.prepared_by}, {to_second(prepared.prepared_at)}: {in_words(prepared.outcome)}"
    yield from (f"  to: {one}" for one in (prepared.to or prepared.requester,) if one)
    yield from (f"  reason: {in_words(one)}" for one in (prepared.refusal_reason,) if one)
    for name, value in (prepared.details or NO_DETAILS).stated().items():
        yield f"  {in_words(name)}: {_in_a_line(value)}"


def _in_a_line(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(_in_a_line(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    return "nothing held" if value is None else str(value)


@dataclass(frozen=True)
class OwnRequest:
    """A request as it is listed, with our own indicator behind its token, if this vault holds it."""

    request: ListedRequest
    own: OwnIndicator | None

    @property
    def values(self) -> list[str]:
        """Our own value."""
        return [] if self.own is None else [self.own.canonical]

    def to_json(self) -> dict[str, Any]:
        """As `request list --json` gives it: our value rather than its token."""
        listed = {name: getattr(self.request, name) for name in ListedRequest.__struct_fields__ if name != "token"}
        kind = None if self.own is None else self.own.indicator_type
        return {**listed, "indicator_type": kind, "values": self.values}


def with_own_rows(session: Session, requests: Sequence[ListedRequest]) -> Iterator[OwnRequest]:
    """Each request, with our own value behind its token."""
    rows = VaultRows(session.workplace.vault)
    for start in range(0, len(requests), _BATCH):
        batch = requests[start : start + _BATCH]
        tokens = [shown_token(one.token) for one in batch]
        own = rows.find_by_tokens(tokens)
        yield from (OwnRequest(one, own.get(token)) for one, token in zip(batch, tokens, strict=True))


def next_step(session: Session, read: ReadRequest, obstacle: str | None = None) -> Iterator[str]:
    """How to go on with a request to us."""
    if read.direction != Direction.INCOMING or read.state not in (RequestState.OPEN, RequestState.TAKEN_UP):
        return
    able = [name for name, each in session.home.config.representatives.items() if Role.AUTHORISER in each.roles]
    officer = f"member --as {session.acting_as if session.acting_as in able else next(iter(able), '…')} request"
    if read.state == RequestState.OPEN:
        yield f"next: {officer} take-up {read.request_id}"
    elif read.mode not in OFFERS:
        answering = "" if obstacle else f"{officer} answer {read.request_id} --full, or "
        yield f"next: {answering}{officer} refuse {read.request_id} --reason …"


def lines_of(session: Session, read: ReadRequest, answers: list[ReadAnswer]) -> Iterator[str]:
    """A request and its answers for a person."""
    yield f"request {read.request_id} ({read.direction}) is {in_words(read.state)}, due {to_second(read.due_at)}"
    asker = read.requester or f"a {in_words(read.requester_kind)}"
    yield f"  {in_words(read.mode)} under {in_words(read.legal_gateway)}, from {asker}"
    (own,) = with_own_rows(session, [read])
    yield f"  about: {', '.join(own.values) or 'a value that this vault does not hold'}"
    for name, value in (msgspec.to_builtins(read.terms) or {}).items():
        if value and name in {"purpose", "necessity", "proportionality", "fields", "condition", "confirmations"}:
            yield f"  {name}: {_line(value)}"
    if read.waiting:
        waiting = ", ".join(one.institution for one in read.waiting)
        yield f"  took it up, and waits to be told: {waiting} (request answer, by another of us)"
    yield from _marking_lines(read.marking)
    for answer in answers:
        given = answer.given
        reason = f" ({in_words(given.refusal_reason)})" if given.refusal_reason else ""
        yield f"{given.institution or 'one that held it'}: {in_words(given.outcome)}{reason}"
        if answer.fault is not None:
            yield f"  NOT TO BE BELIEVED: {answer.fault}"
        if answer.is_withdrawn:
            yield "  WITHDRAWN: its holder has taken this back; do not go by it (--withdrawn shows what it said)"
        elif answer.details.stated() and not answer.is_given_out:
            yield "  the exchange no longer gives this out; it is shown as it was opened here"
        for name, value in answer.details.stated().items():
            yield f"  {in_words(name)}: {_line(value)}"
        yield from _marking_lines(given.marking)


def _marking_lines(marking: Marking | None) -> Iterator[str]:
    if marking is None:
        return
    yield f"  marked {marking.classification}, TLP:{marking.tlp}, handling {marking.handling}"
    for condition in marking.conditions.splitlines():
        yield f"  handle under: {condition}"
    if marking.protected_subject:
        yield "  the subject is a victim or an unwitting mule: protect it"


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name} = {item}" for name, item in value.items())
    return ", ".join(map(_line, value)) if isinstance(value, list) else "nothing held" if value is None else str(value)


def read_id(session: Session, text: str) -> str:
    """The id of the request that a person means. Raises UsageError."""
    return session.workplace.find_id("request", text)


def read_fields(field: str, text: str) -> tuple[str, ...]:
    """The named fields of `a,b`, each once, at least one. Raises InputError."""
    return read_choices(field, text, list(RequestField))


def read_said(field: str, text: str, most: int = MAX_SHORT) -> str:
    """A text of a request or an answer. Raises InputError."""
    return read_text(field, text, most, too_long=TooLongError)
