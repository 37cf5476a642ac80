"""Statements carried by hand, for registrars whose key never meets a network.

A file of proposals, `{"proposals":[{"proposal_id","payload"}],"statements":[envelope…]}`, has what waits and what is in
force, so that the differences show off line. A file of signatures is `{"envelopes":[envelope…]}`. A draft, as
`representative add` writes it, is a statement's own JSON object, whole: what lacks a sequence has no bytes to sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from keys.signatures.strict import require_object
from keys.statements.envelopes import Envelope, payload_digest
from keys.statements.keyring import StatementError, parse_statement
from member.errors import AnswerError, UsageError
from member.next_steps import Act, Next
from member.statements.proposals import ReadProposal, in_order, read_proposal
from schemas.statements import StatementEnvelope
from schemas.values.canonical import canonical_json, parse_unambiguous_json
from schemas.values.encoding import to_base64

_MAX_FILE_BYTES = 64 << 20


class _Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    proposal_id: str
    payload: str


class ProposalsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What waits, and the envelopes in force when the file was written."""

    proposals: list[_Proposal]
    statements: list[object]

    def envelopes(self) -> list[StatementEnvelope]:
        """What was in force. AnswerError for what is no envelope."""
        try:
            return [Envelope.parse(each).to_wire() for each in self.statements]
        except StatementError as error:
            raise AnswerError(f"a statement cannot be believed: {error}", "tell the other registrars") from error

    def read(self) -> list[ReadProposal]:
        """The proposals. AnswerError for one that is no statement."""
        return in_order(read_proposal(each.proposal_id, each.payload, 0) for each in self.proposals)


class _SignaturesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    envelopes: list[object]


def proposals_file(proposals: Iterable[ReadProposal], statements: Sequence[StatementEnvelope]) -> bytes:
    """The bytes of a file of proposals."""
    waiting = [_Proposal(each.proposal_id, to_base64(each.payload)) for each in proposals]
    return msgspec.json.encode(ProposalsFile(waiting, list(statements))) + b"\n"


def signatures_file(envelopes: Sequence[StatementEnvelope]) -> bytes:
    """The bytes of a file of signatures."""
    return msgspec.json.encode(_SignaturesFile(list(envelopes))) + b"\n"


def read_proposals_file(path: Path) -> ProposalsFile:
    """What a file of proposals, or a draft, holds. UsageError if it is neither."""
    data = _read(path)
    try:
        document = require_object(parse_unambiguous_json(data))
        if "proposals" in document:
            return msgspec.convert(document, ProposalsFile)
        payload = canonical_json(document)
        parse_statement(payload)
    except (StatementError, ValueError, RecursionError, msgspec.ValidationError) as error:
        detail = f"{path} holds neither proposals nor a draft of a statement: {error}"
        hint = "a draft is a whole statement, with sequence and issued_at; proposals are exported"
        raise UsageError(detail, hint, then=Next(Act.EXPORT_PROPOSALS)) from error
    return ProposalsFile([_Proposal(payload_digest(payload), to_base64(payload))], [])


def read_signatures_file(path: Path) -> list[StatementEnvelope]:
    """The envelopes in a file of signatures. UsageError if it is none, AnswerError if one is no envelope."""
    try:
        found = msgspec.json.decode(_read(path), type=_SignaturesFile).envelopes
        return [Envelope.parse(each).to_wire() for each in found]
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"{path} holds no signatures: {error}", then=Next(Act.SIGN_STATEMENTS)) from error
    except StatementError as error:
        raise AnswerError(f"{path}: {error}", "sign again") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
