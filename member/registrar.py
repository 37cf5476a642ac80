"""What a registrar does: see what waits, sign it, and hand what is in force to the key holders.

Rules, in order:
1. Only what reads strictly as a statement is signed; the signed bytes are the ones that were read and shown.
2. A proposal that could not take effect (an older sequence, another statement of the same sequence) is not signed.
3. The root is the registrar's own copy of the registrars' file, given once.
4. Holders take statements on the registrars' signatures alone; they are sent every one that came into force: none stays
   behind. A holder that has a newer one already says so, and lacks nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from keys.keyring import AnyStatement, Keyring, Root, StatementError, UnknownStatementError, parse_statement
from keys.statements import SUBJECT_FIELDS, Envelope, read_payload, sign_statement
from keys.strict import require_object
from member.authority import build_keyring
from member.channel import Identity
from member.errors import AnswerError, MemberError, RefusedError, UsedWronglyError
from member.exchange_client import ExchangeClient, Proposal, StatementAnswer
from schemas.canonical import canonical_json
from schemas.encoding import from_base64, to_rfc3339

_ORDER = ("exchange", "epoch", "member", "group")
_FOR_HOLDERS = ("epoch", "member")
_HAS_NEWER = "statement-stale"
_MAX_DRAFT_BYTES = 1 << 18


@dataclass(frozen=True)
class ReadProposal:
    """A proposal whose payload reads as a statement."""

    proposal: Proposal
    payload: bytes
    statement: AnyStatement

    def as_document(self) -> dict[str, Any]:
        """What is to be signed, whole."""
        return {
            "proposal_id": self.proposal.proposal_id,
            "type": self.proposal.type,
            "subject": str(self.proposal.subject),
            "signatures": self.proposal.signatures,
            "statement": self.statement.to_wire(),
        }


def read_proposals(exchange: ExchangeClient) -> list[ReadProposal]:
    """What waits for signatures, the exchange and epochs first. AnswerError for a payload that is no statement."""
    found = []
    for proposal in exchange.proposals():
        try:
            payload = from_base64(proposal.payload)
            found.append(ReadProposal(proposal, payload, parse_statement(payload)))
        except ValueError as error:
            detail = f"proposal {proposal.proposal_id} is no statement: {error}"
            raise AnswerError(detail, "do not sign it; tell the operator") from error
    return sorted(found, key=lambda each: _ORDER.index(read_payload(each.payload).type))


def choose(proposals: Sequence[ReadProposal], ids: Sequence[str]) -> list[ReadProposal]:
    """The proposals of these ids. MemberError if one does not wait."""
    waiting = {each.proposal.proposal_id: each for each in proposals}
    missing = [proposal_id for proposal_id in ids if proposal_id not in waiting]
    if missing:
        raise MemberError(
            f"no such proposal waits: {', '.join(missing)}", "registrar pending lists them", slug="unknown"
        )
    return [waiting[proposal_id] for proposal_id in ids]


def approve(
    exchange: ExchangeClient, chosen: Sequence[ReadProposal], root: Root, identity: Identity
) -> list[dict[str, Any]]:
    """Sign the chosen proposals and hand the signatures in; what became of each."""
    keyring = build_keyring(root, exchange.statements())
    return [{**each.as_document(), **msgspec.to_builtins(_sign(exchange, each, keyring, identity))} for each in chosen]


def _sign(exchange: ExchangeClient, each: ReadProposal, keyring: Keyring, identity: Identity) -> StatementAnswer:
    head = read_payload(each.payload)
    if head.sequence < keyring.next_sequence(head.type, head.subject):
        detail = (
            f"proposal {each.proposal.proposal_id} is older than the statement of {head.type} {head.subject} in force"
        )
        raise MemberError(detail, "tell the operator", slug="stale_proposal")
    envelope = sign_statement(each.payload, identity.key_id.removeprefix("registrar/"), identity.key)
    return exchange.add_statement(envelope)


def push_to_holders(
    exchange: ExchangeClient, root: Root, add: Callable[[str, dict[str, Any]], None]
) -> list[dict[str, Any]]:
    """Hand every epoch and member statement in force to the current epoch's holders; a problem is told, not raised."""
    envelopes = list(exchange.statements())
    keyring = build_keyring(root, envelopes)
    try:
        holders = keyring.current_epoch.holders
    except UnknownStatementError:
        return []
    wanted = _for_holders(envelopes)
    report = []
    for holder in holders:
        handed, problem = 0, None
        try:
            for envelope in wanted:
                try:
                    add(holder.url, envelope)
                except RefusedError as error:
                    if error.slug != _HAS_NEWER:
                        raise
                handed += 1
        except MemberError as error:
            problem = error.detail
        report.append({"holder_id": holder.holder_id, "url": holder.url, "statements": handed, "problem": problem})
    return report


def _for_holders(envelopes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Epochs first: a holder reads a member's statement in any order, but serves nobody without an epoch."""
    typed = [(read_payload(Envelope.parse(envelope).payload).type, envelope) for envelope in envelopes]
    return [envelope for kind in _FOR_HOLDERS for found, envelope in typed if found == kind]


def read_draft(path: Path, keyring: Keyring | None, now: datetime) -> bytes:
    """The payload to sign from a draft file: canonical bytes, sequence and time filled in where the draft has none."""
    try:
        data = path.read_bytes()
        body = json.loads(data[:_MAX_DRAFT_BYTES])
        body = require_object(body)
        kind = body.get("type", "")
        subject = str(body.get(SUBJECT_FIELDS.get(kind, ""), ""))
        body.setdefault("sequence", keyring.next_sequence(kind, subject) if keyring else 1)
        body.setdefault("issued_at", to_rfc3339(now))
        payload = canonical_json(body)
        parse_statement(payload)
    except OSError as error:
        raise UsedWronglyError(f"{path} cannot be read: {error.strerror}") from error
    except (StatementError, ValueError, RecursionError) as error:
        raise UsedWronglyError(f"{path} is no draft of a statement: {error}") from error
    return payload
