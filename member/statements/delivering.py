"""Handing what is in force to the key holders, after signatures were handed in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import UnsetType

from keys.statements.envelopes import Envelope, merge, read_payload
from member.errors import RefusedError, UsageError
from member.statements.kept import KeptStatements
from member.statements.proposals import ProposalView
from member.statements.registrar import (
    REFUSED,
    STALE,
    Confirmed,
    Delivered,
    HolderChannel,
    effective_for_freshness,
    hand_in,
    push_to_holders,
    serving_ids,
)
from member.transport.exchange_client import ExchangeClient
from schemas.holders import Holder
from schemas.statements import StatementEnvelope

_UNAUTHENTICATED = 401


class SignaturesView(msgspec.Struct, frozen=True):
    """What became of signatures from a file, by the digest of what they sign; no counts where they were refused."""

    digest: str
    state: str
    problem: str | None
    signatures: int | UnsetType
    quorum: int | UnsetType

    @property
    def name(self) -> str:
        """What identifies it."""
        return self.digest


Done = Sequence[ProposalView | SignaturesView]


@dataclass(frozen=True)
class HolderDelivery:
    """How the key holders stand after they were sent what is in force. None for a registrar whom the exchange takes for
    one no more: it signed the root without it.
    """

    holders: list[Delivered]
    freshness: Confirmed

    @property
    def behind(self) -> list[str]:
        """The ids of holders that did not take the statements."""
        return [each.holder_id for each in self.holders if each.problem is not None]


def failed_of(done: Done) -> Done:
    """What was not approved."""
    return [each for each in done if each.state in {STALE, REFUSED}]


def submit_signatures(
    exchange: ExchangeClient, kept: KeptStatements, envelopes: Sequence[StatementEnvelope]
) -> list[SignaturesView]:
    """Hand in signatures from files. What the quorum has signed in them is kept, even if the exchange does not take
    it.
    """
    kept.take_in(exchange.statements())
    submitted = []
    for envelope in _merged(envelopes):
        handed = hand_in(exchange, envelope)
        digest = read_payload(Envelope.parse(envelope).payload).digest
        submitted.append(SignaturesView(digest, handed.state, handed.problem, handed.signatures, handed.quorum))
        if kept.keyring().counts(envelope):
            kept.take_in([envelope])
    return submitted


def note_gone(exchange: ExchangeClient, kept: KeptStatements, gone: Collection[str]) -> None:
    """Ask these holders no more: they were switched off. UsageError for one that serves an epoch."""
    serving = sorted(set(gone) & serving_ids(kept.take_in(exchange.statements())))
    if serving:
        raise UsageError(f"{', '.join(serving)} serves an epoch", "have the epoch stated anew first")
    kept.note_retired(kept.retired | set(gone))


def deliver(
    exchange: ExchangeClient, kept: KeptStatements, channel_of: Callable[[Holder], HolderChannel], done: Done
) -> HolderDelivery | None:
    """Hand every statement in force to the key holders, after what was `done`. None where the exchange takes this
    registrar for one no more.
    """
    try:
        keyring = kept.take_in(exchange.statements())
    except RefusedError as error:
        if error.status != _UNAUTHENTICATED or not done:
            raise
        return None
    holders = push_to_holders(kept.envelopes, keyring, channel_of, kept.retired)
    confirmed = {each.holder_id for each in holders if each.problem is None}
    kept.note_retired((kept.retired | confirmed) - serving_ids(keyring))
    return HolderDelivery(holders, effective_for_freshness(keyring, holders))


def _merged(envelopes: Sequence[StatementEnvelope]) -> list[StatementEnvelope]:
    """One envelope of each payload, with the signatures of all."""
    found: dict[str, StatementEnvelope] = {}
    for envelope in envelopes:
        payload = envelope.payload
        found[payload] = merge(found[payload], envelope) if payload in found else envelope
    return list(found.values())
