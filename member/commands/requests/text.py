"""Requests on the terminal and in JSON, and what a person says of them, read from options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import msgspec

from member.commands.shared.next_steps import command_of
from member.commands.shared.session import Session
from member.inputs import TooLongError, read_choices, read_text
from member.plain import to_second
from member.requests.asking import ReadAnswer
from member.requests.client import ReadRequest
from member.requests.views import next_steps, with_own_rows
from member.vault.requests import PreparedAnswer
from schemas.marking import Marking
from schemas.rendering.words import in_words
from schemas.requests.messages import NO_DETAILS
from schemas.terms import RequestField
from schemas.values.message import MAX_SHORT

confirm_option = click.option(
    "--confirm",
    "confirmations",
    metavar="CODE",
    multiple=True,
    help="What whoever discloses must confirm, by gateway or marking (member request gateways lists the codes).",
)


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


def next_step(session: Session, read: ReadRequest, obstacle: str | None = None) -> Iterator[str]:
    """How to go on with a request to us."""
    steps = next_steps(session.home, session.acting_as, read, obstacle)
    if steps:
        yield f"next: {', or '.join(map(command_of, steps))}"


def lines_of(session: Session, read: ReadRequest, answers: list[ReadAnswer]) -> Iterator[str]:
    """A request and its answers for a person."""
    yield f"request {read.request_id} ({read.direction}) is {in_words(read.state)}, due {to_second(read.due_at)}"
    asker = read.requester or f"a {in_words(read.requester_kind)}"
    yield f"  {in_words(read.mode)} under {in_words(read.legal_gateway)}, from {asker}"
    (own,) = with_own_rows(session.workplace.vault, [read])
    yield f"  about: {', '.join(own.values) or 'a value that this vault does not hold'}"
    for name, value in (msgspec.to_builtins(read.terms) or {}).items():
        if value and name in {"purpose", "necessity", "proportionality", "fields", "condition", "confirmations"}:
            yield f"  {name}: {_line(value)}"
    if read.waiting:
        waiting = ", ".join(one.institution for one in read.waiting)
        yield f"  took it up, and waits for the release: {waiting} (request answer, by another of us)"
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
