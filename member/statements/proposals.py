"""Proposals that wait for a registrar's signature: read strictly, beside what is in force, and why one is not to be
signed (member.statements.registrar, rules 1, 2 and 5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from keys.statements.envelopes import ROOT, Statement, payload_digest, read_payload
from keys.statements.keyring import (
    AnyStatement,
    Keyring,
    RootStatement,
    StatementError,
    parse_statement,
)
from member.errors import AnswerError
from member.statements.review import ChangeView, KeyView, review
from member.transport.exchange_client import ExchangeClient
from schemas.statements import Proposal
from schemas.values.encoding import from_base64, to_rfc3339

_ORDER = ("root", "exchange", "epoch", "member", "group")
_MAX_AHEAD = 8
"""How many sequences a statement may leave out: some that wait together are signed off line, in any order."""
_MAX_EARLY = timedelta(hours=1)
"""How far the clocks of the operator and of a registrar's machine without a network may differ."""
_PROPOSAL_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class ReadProposal:
    """A proposal whose payload reads as a statement."""

    proposal_id: str
    signatures: int
    payload: bytes
    statement: AnyStatement

    @property
    def digest(self) -> str:
        """What the registrar is shown, and says to have it signed."""
        return payload_digest(self.payload)

    def view(self, keyring: Keyring, now: datetime) -> ProposalView:
        """What is to be signed, whole, beside what is in force."""
        head = read_payload(self.payload)
        reviewed = review(self.statement, _held(keyring, head))
        follows = reviewed.succession
        return ProposalView(
            proposal_id=self.proposal_id,
            type=head.type,
            subject=head.subject,
            sequence=head.sequence,
            issued_at=to_rfc3339(head.issued_at),
            signatures=self.signatures,
            digest=self.digest,
            stale=is_overtaken(self.payload, keyring),
            obstacle=find_obstacle(self.payload, keyring, now),
            is_new=reviewed.is_new,
            keys=reviewed.keys,
            changes=reviewed.changes,
            joining=UNSET if follows is None else follows.joining,
            leaving=UNSET if follows is None else follows.leaving,
            carried_over=UNSET if follows is None else follows.carried_over,
            statement=self.statement.to_wire(),
        )


class ProposalView(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal as a registrar is shown it. `obstacle` says why it is not to be signed, `statement` is what would be;
    joining, leaving and carried_over are those of a root. Once it was dealt with, `state` says how it stands, `problem`
    why not better.
    """

    proposal_id: str
    type: str
    subject: str
    sequence: int
    issued_at: str
    signatures: int
    digest: str
    stale: bool
    obstacle: str | None
    is_new: bool
    keys: Sequence[KeyView]
    changes: Sequence[ChangeView]
    joining: Sequence[str] | UnsetType = UNSET
    leaving: Sequence[str] | UnsetType = UNSET
    carried_over: int | UnsetType = UNSET
    statement: Mapping[str, Any]
    state: str | UnsetType = UNSET
    problem: str | UnsetType | None = UNSET
    quorum: int | UnsetType = UNSET

    @property
    def name(self) -> str:
        """What identifies it."""
        return f"{self.type} {self.subject}"


def _held(keyring: Keyring, head: Statement) -> AnyStatement | None:
    """What is in force about the same subject; of the registrars also the first root, which nothing states."""
    return keyring.roots.as_statement() if head.type == ROOT else keyring.held(head.type, head.subject)


def is_overtaken(payload: bytes, keyring: Keyring) -> bool:
    """Whether the statement could not take effect any more."""
    head = read_payload(payload)
    return head.sequence < keyring.next_sequence(head.type, head.subject)


def find_obstacle(payload: bytes, keyring: Keyring, now: datetime) -> str | None:
    """Why a registrar does not sign this statement; None if it may (rule 2)."""
    if is_overtaken(payload, keyring):
        return "a statement with this sequence, or a higher one, is in force already"
    head = read_payload(payload)
    expected = keyring.next_sequence(head.type, head.subject)
    if head.sequence > expected + _MAX_AHEAD:
        return f"its sequence is {head.sequence}, and {expected} comes next: sequences left out can never be used again"
    if head.issued_at > now + _MAX_EARLY:
        return f"it says that it was issued at {to_rfc3339(head.issued_at)}, which lies in the future"
    return _obstacle_of_root(payload, keyring) if head.type == ROOT else None


def _obstacle_of_root(payload: bytes, keyring: Keyring) -> str | None:
    """A root follows the newest one, and carries over what this registrar has seen in force, no less and no more."""
    try:
        keyring.roots.signing(payload)
    except StatementError as error:
        return str(error)
    stated = parse_statement(payload)
    listed = stated.statements if isinstance(stated, RootStatement) else frozenset()
    here = {bytes.fromhex(each.digest): each for each in keyring.in_force() if each.type != ROOT}
    left_out = ", ".join(f"{each.type} {each.subject}" for digest, each in here.items() if digest not in listed)
    if left_out:
        return f"it does not carry over what is in force: {left_out}"
    unknown = len(listed - set(here))
    several = "1 statement that is" if unknown == 1 else f"{unknown} statements that are"
    return f"it carries over {several} not in force as far as is known here" if unknown else None


def read_proposal(proposal_id: str, payload: str, signatures: int) -> ReadProposal:
    """A proposal as it was received, `payload` in base64. AnswerError if it is no statement."""
    if not _PROPOSAL_ID.fullmatch(proposal_id):
        detail = "the exchange shows a proposal whose id is not 64 hexadecimal digits"
        raise AnswerError(detail, "do not sign it; tell the operator")
    try:
        data = from_base64(payload)
        return ReadProposal(proposal_id, signatures, data, parse_statement(data))
    except ValueError as error:
        detail = f"proposal {proposal_id} is not a statement: {error}"
        raise AnswerError(detail, "do not sign it; tell the operator") from error


def read_proposals(exchange: ExchangeClient) -> list[ReadProposal]:
    """What waits for signatures, the exchange and epochs first. AnswerError for a payload that is no statement."""
    return in_order(_read(proposal) for proposal in exchange.proposals())


def _read(proposal: Proposal) -> ReadProposal:
    return read_proposal(proposal.proposal_id, proposal.payload, proposal.signatures)


def in_order(proposals: Iterable[ReadProposal]) -> list[ReadProposal]:
    """The exchange and epochs first: without them members and groups are of no use."""
    return sorted(proposals, key=lambda each: _ORDER.index(read_payload(each.payload).type))
