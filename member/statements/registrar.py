"""What a registrar does: see what waits, sign what it was shown, and hand what is in force to the key holders.

Rules, in order:
1. Only what reads strictly as a statement is signed, and only bytes whose SHA-256 is the digest that the registrar was
   shown: whatever is behind a proposal's id by then, nothing unseen is signed. One digest that differs, and nothing is.
2. A proposal that could not take effect (an older sequence, another statement of the same sequence) is not signed, nor
   one whose sequence runs far ahead or whose time lies in the future: after the highest sequence nothing could be
   stated about its subject any more, not even a suspension. The others still are signed, and each is told.
3. The root is the registrar's own copy of the registrars' file, given once.
4. The key holders are those of every epoch that the registrars ever stated, by what this registrar has itself seen in
   force, never by the operator's list; one that serves no epoch any more until it has confirmed that it knows, or is
   gone. They take statements on the signatures alone, and are sent every one; that a holder has them is believed for
   its own signed snapshot.
5. A root is signed only if it follows the newest one and carries over exactly what this registrar has seen in force.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from keys.statements.envelopes import ROOT, Envelope, Statement, payload_digest, read_payload, sign_statement
from keys.statements.keyring import (
    AnyStatement,
    EpochState,
    EpochStatement,
    Keyring,
    RootStatement,
    StatementError,
    UnknownStatementError,
    parse_statement,
)
from keys.statements.roots import roots_first
from keys.statements.snapshots import Snapshot, SnapshotError
from member.errors import AnswerError, MemberError, RefusedError
from member.next_steps import Act, Next
from member.statements.holder_statements import Deadline
from member.statements.review import ChangeView, KeyView, review
from member.transport.channel import Identity
from member.transport.exchange_client import ExchangeClient
from schemas.holders import Holder, SignedSnapshot
from schemas.statements import Proposal, StatementEnvelope
from schemas.values.encoding import from_base64, to_rfc3339

_ORDER = ("root", "exchange", "epoch", "member", "group")
_ORDER_OF_HANDING = {"root": 0, "epoch": 1}
_HAS_NEWER = "statement-stale"
_OVERTAKEN = "superseded"
_CONFLICT = 409
_VOUCHES_FOR_OTHERS = "it took the statements, but vouches for others: compare what the registrars have"
_MOST_AHEAD = 8
"""How many sequences a statement may leave out: some that wait together are signed off line, in any order."""
_MOST_EARLY = timedelta(hours=1)
"""How far the clocks of the operator and of a registrar's machine without a network may differ."""
_PROPOSAL_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DELIVERY_SECONDS = 300.0
"""Of one holder for all statements; the others have had theirs meanwhile."""
STALE, REFUSED = "stale", "refused"


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
        """What it is told by."""
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
    if head.sequence > expected + _MOST_AHEAD:
        return f"its sequence is {head.sequence}, and {expected} comes next: sequences left out can never be used again"
    if head.issued_at > now + _MOST_EARLY:
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


def choose(proposals: Sequence[ReadProposal], ids: Sequence[str], digests: Sequence[str]) -> list[ReadProposal]:
    """The proposals of these ids or unmistakable beginnings of them, each with the digest that was shown, whole (none:
    they are shown now).

    MemberError if one does not wait, or is another than the one shown; then none is to be signed.
    """
    named = {given: [each for each in proposals if given and each.proposal_id.startswith(given)] for given in ids}
    missing = [given for given, found in named.items() if len(found) != 1]
    if missing:
        several = "; what begins so is more than one" if any(named[given] for given in missing) else ""
        raise MemberError(
            f"no such proposal waits: {', '.join(missing)}{several}", slug="unknown", then=Next(Act.LIST_PROPOSALS)
        )
    chosen = [named[given][0] for given in ids]
    for each, digest in zip(chosen, digests, strict=bool(digests)):
        if each.digest != digest.lower():
            detail = f"proposal {each.proposal_id} is not what you were shown: its digest is {each.digest} now"
            hint, then = "nothing was signed; look at it, and tell the other registrars", Next(Act.LIST_PROPOSALS)
            about = {"proposal_id": each.proposal_id, "found": each.digest}
            raise MemberError(detail, hint, slug="digest_mismatch", then=then, **about)
    return chosen


def approve(
    exchange: ExchangeClient, chosen: Sequence[ReadProposal], keyring: Keyring, identity: Identity, now: datetime
) -> list[ProposalView]:
    """Sign the chosen proposals and hand the signatures in; what became of each, to the last."""
    views = [each.view(keyring, now) for each in chosen]
    return [_approve_one(exchange, each, view, identity) for each, view in zip(chosen, views, strict=True)]


def _approve_one(exchange: ExchangeClient, each: ReadProposal, view: ProposalView, identity: Identity) -> ProposalView:
    if view.obstacle is not None:
        return replace(view, state=STALE if view.stale else REFUSED, problem=view.obstacle)
    handed = hand_in(exchange, sign(each.payload, identity))
    signatures = view.signatures if handed.signatures is UNSET else handed.signatures
    return replace(view, signatures=signatures, state=handed.state, problem=handed.problem, quorum=handed.quorum)


def sign(payload: bytes, identity: Identity) -> StatementEnvelope:
    """The envelope with this registrar's signature."""
    return sign_statement(payload, identity.key_id.removeprefix("registrar/"), identity.key)


class SubmittedSignatures(msgspec.Struct, frozen=True):
    """What became of signatures that were handed in; the counts are left out where the exchange refused them."""

    state: str
    problem: str | None
    signatures: int | UnsetType = UNSET
    quorum: int | UnsetType = UNSET


def hand_in(exchange: ExchangeClient, envelope: StatementEnvelope) -> SubmittedSignatures:
    """Send signatures to the exchange; where the statement then stands. A refusal is told, not raised."""
    try:
        answer = exchange.add_statement(envelope)
    except RefusedError as error:
        return SubmittedSignatures(STALE if error.status == _CONFLICT else REFUSED, error.detail)
    except MemberError as error:
        return SubmittedSignatures(REFUSED, error.detail)
    if answer.state == _OVERTAKEN:
        return SubmittedSignatures(
            STALE, "another statement took its place meanwhile", answer.signatures, answer.quorum
        )
    return SubmittedSignatures(answer.state, None, answer.signatures, answer.quorum)


def stated_holders(keyring: Keyring, envelopes: Iterable[StatementEnvelope]) -> list[Holder]:
    """The key holders of every epoch ever stated, each once, as they were stated last: one that was replaced goes on
    vouching and evaluating until it learns that it was.
    """
    stated = [parse_statement(Envelope.parse(each).payload) for each in envelopes]
    epochs = [each for each in stated if isinstance(each, EpochStatement)]
    found: dict[str, Holder] = {}
    for epoch in [*epochs, *sorted(keyring.epochs(), key=lambda each: each.epoch)]:
        found |= {holder.holder_id: holder for holder in epoch.holders}
    return [found[holder_id] for holder_id in sorted(found)]


def serving_ids(keyring: Keyring) -> frozenset[str]:
    """The ids of the holders of every epoch that is not retired."""
    live = (epoch for epoch in keyring.epochs() if epoch.state is not EpochState.RETIRED)
    return frozenset(holder.holder_id for epoch in live for holder in epoch.holders)


class HolderChannel(Protocol):
    """A way to one key holder: its signed word on what it has, and a hand that takes statements."""

    def snapshot(self) -> tuple[SignedSnapshot, Snapshot]:
        """What it has in force. Raises MemberError, SnapshotError."""

    def hand_over(self, envelope: StatementEnvelope) -> None:
        """Give it a statement. Raises MemberError."""


class Delivered(msgspec.Struct, frozen=True):
    """How a key holder stands after it was sent `statements` of them; `problem` is None for one that is up to date."""

    holder_id: str
    url: str
    is_serving: bool
    statements: int
    problem: str | None


def push_to_holders(
    envelopes: Sequence[StatementEnvelope],
    keyring: Keyring,
    courier_of: Callable[[Holder], HolderChannel],
    retired: Collection[str] = (),
) -> list[Delivered]:
    """Bring every key holder that the registrars ever stated up to date, all at once, but for those `retired` that have
    confirmed it; a problem is told, not raised.

    It counts as up to date only by its own signature: nobody between can take the statements in its place.
    """
    wanted, serving = _in_order(envelopes), serving_ids(keyring)
    holders = [
        holder
        for holder in stated_holders(keyring, envelopes)
        if holder.holder_id in serving or holder.holder_id not in retired
    ]
    couriers = [courier_of(holder) for holder in holders]
    with ThreadPoolExecutor(max(1, len(holders)), thread_name_prefix="courier") as pool:
        brought = list(pool.map(lambda courier: _bring_up_to_date(courier, wanted, keyring), couriers))
    return [
        Delivered(holder.holder_id, holder.url, holder.holder_id in serving, handed, problem)
        for holder, (handed, problem) in zip(holders, brought, strict=True)
    ]


def _bring_up_to_date(
    courier: HolderChannel, wanted: Sequence[StatementEnvelope], keyring: Keyring
) -> tuple[int, str | None]:
    """How many statements it took, and why it is not up to date, None if it is."""
    handed, problem, until = 0, None, Deadline(_DELIVERY_SECONDS)
    try:
        if not _has_all(courier, keyring):
            refused = _hand_over(courier, wanted, until)
            handed = len(wanted) - len(refused)
            if not _has_all(courier, keyring):
                problem = f"it refused statements: {'; '.join(refused)}" if refused else _VOUCHES_FOR_OTHERS
    except MemberError as error:
        problem = error.detail
    except SnapshotError as error:
        problem = str(error)
    return handed, problem


def _has_all(courier: HolderChannel, keyring: Keyring) -> bool:
    _, snapshot = courier.snapshot()
    return snapshot.digest == keyring.digest


def _hand_over(courier: HolderChannel, envelopes: Sequence[StatementEnvelope], until: Deadline) -> list[str]:
    """Send them all; which of them it refused for good, and why. Raises MemberError if it cannot be asked on, and once
    its time has passed.
    """
    refused = []
    for envelope in envelopes:
        until.check()
        try:
            courier.hand_over(envelope)
        except RefusedError as error:
            if not error.is_final:
                raise
            if error.slug != _HAS_NEWER:
                head = read_payload(Envelope.parse(envelope).payload)
                refused.append(f"{head.type} {head.subject}, sequence {head.sequence}: {error.detail}")
    return refused


class Confirmed(msgspec.Struct, frozen=True):
    """How many key holders of the current epoch confirmed, and how many must for what was stated to be effective."""

    confirmed: int
    needed: int
    effective: bool


def effective_for_freshness(keyring: Keyring, report: Iterable[Delivered]) -> Confirmed:
    """How many holders of the current epoch confirmed, and whether no member can be kept from what was stated any more.

    Of the t holders that vouch for a member t - 1 may lie, and the one that does not may be any: so all n must have it.
    n - t + 1 are enough among honest holders only.
    """
    try:
        epoch = keyring.current_epoch
    except UnknownStatementError:
        return Confirmed(0, 0, effective=False)
    names = {holder.holder_id for holder in epoch.holders}
    confirmed = sum(each.problem is None and each.holder_id in names for each in report)
    needed = len(epoch.holders)
    return Confirmed(confirmed, needed, effective=confirmed == needed)


def _in_order(envelopes: Iterable[StatementEnvelope]) -> list[StatementEnvelope]:
    """Roots first: they say what else counts. Then epochs: a holder serves nobody without one."""
    typed = [(read_payload(Envelope.parse(envelope).payload).type, envelope) for envelope in roots_first(envelopes)]
    return [envelope for _, envelope in sorted(typed, key=lambda each: _ORDER_OF_HANDING.get(each[0], 2))]
