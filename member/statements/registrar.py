"""What a registrar does: see what waits, sign what it was shown, and hand what is in force to the key holders.

Rules, in order:
1. Only what reads strictly as a statement is signed, and only bytes whose SHA-256 is the digest that the registrar was
   shown: whatever is behind a proposal's id by then, nothing unseen is signed. One digest that differs, and nothing is.
2. A proposal that could not take effect (an older sequence, another statement of the same sequence) is not signed, nor
   one whose sequence runs far ahead or whose time lies in the future: after the highest sequence nothing could be
   stated about its subject any more, not even a suspension. The others still are signed, and each is reported.
3. The root is the registrar's own copy of the registrars' file, given once.
4. The key holders are those of every epoch that the registrars ever stated, by what this registrar has itself seen in
   force, never by the operator's list; one that serves no epoch any more until it has confirmed that it knows, or is
   gone. They take statements on the signatures alone, and are sent every one; that a holder has them is believed for
   its own signed snapshot.
5. A root is signed only if it follows the newest one and carries over exactly what this registrar has seen in force.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Protocol

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from keys.statements.envelopes import Envelope, read_payload, sign_statement
from keys.statements.keyring import (
    EpochState,
    EpochStatement,
    Keyring,
    UnknownStatementError,
    parse_statement,
)
from keys.statements.roots import roots_first
from keys.statements.snapshots import Snapshot, SnapshotError
from member.errors import MemberError, RefusedError
from member.next_steps import Act, Next
from member.statements.holder_statements import Deadline
from member.statements.proposals import ProposalView, ReadProposal
from member.transport.channel import Identity
from member.transport.exchange_client import ExchangeClient
from schemas.holders import Holder, SignedSnapshot
from schemas.statements import StatementEnvelope

_ORDER_OF_HANDING = {"root": 0, "epoch": 1}
_HAS_NEWER = "statement-stale"
_OVERTAKEN = "superseded"
_CONFLICT = 409
_VOUCHES_FOR_OTHERS = "it took the statements, but vouches for others: compare what the registrars have"
_DELIVERY_SECONDS = 300.0
"""Of one holder for all statements; the others have had theirs meanwhile."""
STALE, REFUSED = "stale", "refused"


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
    """Send signatures to the exchange; where the statement then stands. A refusal is returned, not raised."""
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
    confirmed it; a problem is returned, not raised.

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
