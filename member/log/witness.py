"""This member as a witness of the log (C2SP tlog-witness), and what it remembers of the log between calls.

1. A head is cosigned only if the log's stated key signed it and it continues the head cosigned last.
2. The new head is in the vault before the cosignature is given out: no two histories can be cosigned across a crash.
3. The witness has a key of its own, derived from the vault key; it signs nothing but cosignatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from keys.statements.keyring import ExchangeStatement
from member.errors import AnswerError
from member.log.verify import LastSeen
from member.transport.exchange_client import ExchangeClient
from member.vault.store import Vault
from tlog.checkpoint import open_checkpoint
from tlog.notes import Cosigner, NoteError, Signature, VerifierKey, parse_signature_line, parse_verifier_key
from tlog.proofs import ProofError, prove_consistency
from tlog.tiles import TileError, TileHashReader
from tlog.witness import NOTHING_WITNESSED, AddCheckpoint, WitnessedHead, decide

_KIND = "log"
_OK = 200


@dataclass(frozen=True)
class Cosigned:
    """A head that was cosigned: its size, the cosignature's line, the note with that line, and the witness's key."""

    size: int
    line: str
    note: str
    witness_key: str


def log_key(exchange: ExchangeStatement) -> VerifierKey:
    """The log's key as the registrars state it. AnswerError if their statement holds none."""
    try:
        return parse_verifier_key(exchange.log_vkey)
    except NoteError as error:
        raise AnswerError(f"the statement of the exchange has no usable log key: {error}") from error


def load_seen(vault: Vault, origin: str) -> LastSeen | None:
    """How far the log of this origin was verified before."""
    payload = vault.get(_KIND, f"seen|{origin}".encode())
    return None if payload is None else msgspec.msgpack.decode(payload, type=LastSeen)


def store_seen(vault: Vault, origin: str, seen: LastSeen) -> None:
    """Remember how far the log was verified."""
    with vault.transaction():
        vault.put(_KIND, f"seen|{origin}".encode(), msgspec.msgpack.encode(seen))


def witness_name(member_id: str) -> str:
    """The name under which a member cosigns."""
    return f"{member_id}/witness"


def cosign_newest(
    vault: Vault, exchange: ExchangeClient, stated: ExchangeStatement, member_id: str, now: datetime
) -> Cosigned:
    """Cosign the log's newest checkpoint. AnswerError if it does not continue the one cosigned last."""
    key, origin = log_key(stated), stated.log_origin
    cosigner = Cosigner(witness_name(member_id), vault.cipher.mac("witness-key", origin.encode()))
    place = f"witnessed|{origin}".encode()
    payload = vault.get(_KIND, place)
    head = NOTHING_WITNESSED if payload is None else msgspec.msgpack.decode(payload, type=WitnessedHead)
    try:
        signed = open_checkpoint(exchange.checkpoint(), origin, [key])
        request = AddCheckpoint(
            head.size, _consistency(exchange, head, signed.checkpoint.size, signed.checkpoint.root), signed.note
        )
    except (NoteError, TileError, ProofError) as error:
        raise AnswerError(f"the log cannot be cosigned: {error}", "tell the reviewer", slug="log_fault") from error
    decision = decide(request, [key], head, cosigner, int(now.timestamp()))
    if decision.status != _OK or decision.head is None:
        detail = f"the log does not continue the head of {head.size} leaves cosigned last: {decision.body.strip()}"
        raise AnswerError(detail, "tell the reviewer", slug="log_fault")
    with vault.transaction():
        vault.put(_KIND, place, msgspec.msgpack.encode(decision.head))
    line = _line(decision.body)
    return Cosigned(decision.head.size, line, f"{signed.note}{line}\n", str(cosigner.verifier_key))


def _line(body: str) -> str:
    signature: Signature = parse_signature_line(body.rstrip("\n"))
    return signature.line().rstrip("\n")


def _consistency(exchange: ExchangeClient, head: WitnessedHead, size: int, root: bytes) -> tuple[bytes, ...]:
    if head.size > size:
        raise ProofError(f"the log has shrunk: {size} leaves, where {head.size} were cosigned")
    tree = TileHashReader(size, root, lambda path: exchange.tile(path.removeprefix("tile/")))
    return tuple(prove_consistency(head.size, size, tree.read))
