"""What the sandbox and the story read of the documents that the programs print with --json, command by command.

Fields that are not read are left out: a document may have more.
"""

from __future__ import annotations

from typing import Any

import msgspec

from demo.plan import NamedLog


class Done(msgspec.Struct, frozen=True):
    """A document of which nothing is read."""


class RegistrarKey(msgspec.Struct, frozen=True):
    """Of `member registrar init`: the entry in the registrars' root."""

    registrar_id: str
    public_key: str


class Drafted(msgspec.Struct, frozen=True):
    """Of a command that drafts a statement."""

    proposal_id: str


class NewHome(Drafted, frozen=True, kw_only=True):
    """Of `exchange init`."""

    log: NamedLog


class Invited(msgspec.Struct, frozen=True):
    """Of `exchange member enrol`."""

    code: str


class StatedKey(msgspec.Struct, frozen=True):
    """A representative's key, as a statement or a home names it."""

    public_key: str


class StatedKeys(msgspec.Struct, frozen=True):
    """Of a statement about a member; another statement has none of these."""

    member_id: str = ""
    encryption_key: str = ""
    representatives: list[StatedKey] = []


class WaitingDraft(msgspec.Struct, frozen=True):
    """One of `member registrar pending`."""

    proposal_id: str
    type: str
    digest: str
    statement: StatedKeys


class WaitingDrafts(msgspec.Struct, frozen=True):
    """Of `member registrar pending`."""

    proposals: list[WaitingDraft]


class HomeKeys(msgspec.Struct, frozen=True):
    """Of the configuration of a member's home."""

    encryption_key: str
    representatives: dict[str, StatedKey]


class PrintedToken(msgspec.Struct, frozen=True):
    """Of `member feed token`."""

    token: str


class Uploaded(msgspec.Struct, frozen=True):
    """Of `member submit`."""

    rows: int
    accepted: int
    hits: int


class FoundHit(msgspec.Struct, frozen=True):
    """One of `member hits`."""

    hit_id: str
    indicator_type: str
    values: list[str]
    institutions: str


class ListedHits(msgspec.Struct, frozen=True):
    """Of `member hits`, each as it was printed."""

    hits: list[dict[str, Any]]


class MadeRequest(msgspec.Struct, frozen=True):
    """Of `member request create`."""

    request_id: str


class IncomingRequest(msgspec.Struct, frozen=True):
    """One of `member request list --incoming`."""

    request_id: str
    values: list[str]


class ListedRequests(msgspec.Struct, frozen=True):
    """Of `member request list`."""

    requests: list[IncomingRequest]


class OpenedDetails(msgspec.Struct, frozen=True):
    """One answer of `member request show`."""

    institution: str
    details: dict[str, str | list[str]]


class ShownRequest(msgspec.Struct, frozen=True):
    """Of `member request show`."""

    answers: list[OpenedDetails]


class DraftedAlert(msgspec.Struct, frozen=True):
    """Of `member alert draft`."""

    reference: str


class AlertStep(msgspec.Struct, frozen=True):
    """Of a step of an alert."""

    state: str


class AlertTitle(msgspec.Struct, frozen=True):
    """What is compared of an alert's content."""

    title: str


class OpenedAlert(msgspec.Struct, frozen=True):
    """Of `member alert read`."""

    content: AlertTitle


class ListedResponse(msgspec.Struct, frozen=True):
    """One of `member alert responses`."""

    member_id: str
    implemented_at: str | None


class ListedResponses(msgspec.Struct, frozen=True):
    """Of `member alert responses`."""

    responses: list[ListedResponse]


class LogVerdict(msgspec.Struct, frozen=True):
    """Of `member log verify`."""

    verified: bool
    entries: int
