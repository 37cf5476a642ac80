"""Requests and answers as a person of this member is shown them: our own values rather than tokens, details opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import msgspec

from member.identity.home import Home
from member.next_steps import Act, Next
from member.requests.answering import TakenUp
from member.requests.asking import ReadAnswer
from member.requests.client import ReadRequest
from member.requests.prepared import prepared_digest
from member.transport.channel import shown_token
from member.vault.requests import PreparedAnswer
from member.vault.rows import OwnIndicator, VaultRows
from member.vault.store import Vault
from schemas.marking import Marking
from schemas.requests.gateways import Gateway
from schemas.requests.messages import AnswerDetails, ListedRequest
from schemas.terms import OFFERS, Direction, RequestState, Role

_BATCH = 500
_WHOLE = ("requester", "requested_by", "terms", "marking", "taken_up", "waiting")
"""What is shown of one request beside what a list shows."""
_JUDGED = ("parties", "themes", "evidence_standards")
"""Of a gateway: whom and what it is open to, which the exchange judges."""


@dataclass(frozen=True)
class OwnRequest:
    """A request as it is listed, with our own indicator behind its token, if this vault holds it."""

    request: ListedRequest
    own: OwnIndicator | None

    @property
    def values(self) -> list[str]:
        """Our own value."""
        return [] if self.own is None else [self.own.canonical]

    def to_json(self) -> dict[str, object]:
        """As `request list --json` gives it: our value rather than its token."""
        listed = {name: getattr(self.request, name) for name in ListedRequest.__struct_fields__ if name != "token"}
        kind = None if self.own is None else self.own.indicator_type
        return {**listed, "indicator_type": kind, "values": self.values}


def with_own_rows(vault: Vault, requests: Sequence[ListedRequest]) -> Iterator[OwnRequest]:
    """Each request, with our own value behind its token."""
    rows = VaultRows(vault)
    for start in range(0, len(requests), _BATCH):
        batch = requests[start : start + _BATCH]
        tokens = [shown_token(one.token) for one in batch]
        own = rows.find_by_tokens(tokens)
        yield from (OwnRequest(one, own.get(token)) for one, token in zip(batch, tokens, strict=True))


def whole_request(vault: Vault, read: ReadRequest) -> dict[str, object]:
    """A request that was read, as `request show --json` gives it, but for its answers."""
    (listed,) = with_own_rows(vault, [read])
    return {**listed.to_json(), **{name: getattr(read, name) for name in _WHOLE}}


def taken_up_request(vault: Vault, taken: TakenUp) -> dict[str, object]:
    """A request that was taken up, and what is not proved of it."""
    return {**whole_request(vault, taken.request), "proved": taken.doubt is None, "doubt": taken.doubt}


class AnswerView(msgspec.Struct, frozen=True):
    """An answer, opened; `fault` says why it cannot be believed."""

    institution: str | None
    recipient: str | None
    outcome: str
    details: Mapping[str, object]
    fields: Sequence[str]
    refusal_reason: str | None
    answered_by: str | None
    prepared_by: str | None
    answered_at: str | None
    marking: Marking | None
    fault: str | None
    withdrawn: bool
    given_out: bool

    @classmethod
    def of(cls, answer: ReadAnswer) -> Self:
        """An answer as it was read."""
        given = answer.given
        return cls(
            institution=given.institution,
            recipient=given.recipient,
            outcome=given.outcome,
            details=answer.details.stated(),
            fields=given.fields,
            refusal_reason=given.refusal_reason,
            answered_by=given.representative_id,
            prepared_by=None if given.prepared is None else given.prepared.representative_id,
            answered_at=given.answered_at,
            marking=given.marking,
            fault=answer.fault,
            withdrawn=answer.is_withdrawn,
            given_out=answer.is_given_out,
        )


class PreparedView(msgspec.Struct, frozen=True):
    """What one person prepared for another to send, and the digest that names it."""

    to: str | None
    outcome: str
    fields: Sequence[str]
    refusal_reason: str | None
    details: AnswerDetails | None
    marking: Marking | None
    prepared_by: str
    prepared_at: str
    digest: str

    @classmethod
    def of(cls, prepared: PreparedAnswer, member_id: str) -> Self:
        """As it lies in the vault."""
        names = [name for name in cls.__struct_fields__ if name != "digest"]
        said = {name: getattr(prepared, name) for name in names}
        return cls(**said, digest=prepared_digest(member_id, prepared))


class PreparedAnswers(msgspec.Struct, frozen=True):
    """What was prepared about one request."""

    request_id: str
    prepared: Sequence[PreparedView]


class Released(msgspec.Struct, frozen=True):
    """An offer of ours, and to whom it was released now."""

    request_id: str
    state: str
    due_at: str
    told: Sequence[str]


def gateway_for_members(gateway: Gateway) -> dict[str, object]:
    """What a gateway takes of the member; whom and what it is open to, the exchange judges."""
    described: dict[str, object] = {
        name: value for name, value in msgspec.to_builtins(gateway).items() if name not in _JUDGED
    }
    notice = described.get("prior_notice")
    if isinstance(notice, dict):
        del notice["field"]
    return described


def next_steps(home: Home, acting_as: str, read: ReadRequest, obstacle: str | None = None) -> tuple[Next, ...]:
    """How to go on with a request to us, by an authoriser of this home if there is one."""
    if read.direction != Direction.INCOMING or read.state not in (RequestState.OPEN, RequestState.TAKEN_UP):
        return ()
    able = [name for name, each in home.config.representatives.items() if Role.AUTHORISER in each.roles]
    officer = acting_as if acting_as in able else next(iter(able), None)
    about = {"request_id": read.request_id, **({} if officer is None else {"officer": officer})}
    if read.state == RequestState.OPEN:
        return (Next(Act.TAKE_UP_REQUEST, about),)
    if read.mode in OFFERS:
        return ()
    refusing = Next(Act.REFUSE_REQUEST, about)
    return (refusing,) if obstacle else (Next(Act.ANSWER_REQUEST, about), refusing)
