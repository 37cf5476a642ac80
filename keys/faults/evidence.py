"""Evidence that a key holder answered wrongly: what it was asked and what it signed, judged by anyone, offline.

Evidence is one of three kinds:
- `malformed`: a signed answer that is not as many elements as were asked about;
- `wrong_proof`: a signed answer whose proof is missing or does not hold;
- `wrong_answer`: a signed answer to the rows of a batch, and one to their weighted sum, validly proved, that differ.
  The weights follow from a seed (keys/oprf/batch_check.py).

It is believed only if, in order:
1. the statement of the epoch, in force when the holder answered, names the holder, with the quorum asked for;
2. each request is signed by a representative's key that the registrars state, for this holder's own address;
3. each answer is signed by the holder's key as the answer to that very request, with status 200;
4. each answer names, under that signature, the commitment to its share that the statement states: nothing is judged by
   a share that the holder had not used, because the epoch was stated anew meanwhile;
5. the mathematics shows the fault.
An honest holder signs nothing of the kind, whoever asks it and whatever he sends: nobody can frame one. Evidence holds
blinded elements and their answers; no blind, no identifier, no token. Every element of a batch that failed is blinded
anew before it is asked about again. Which statements it rests on, and for how long it counts: keys/faults/report.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import msgspec

from keys.oprf import batch_check, group, threshold
from keys.oprf import protocol as oprf
from keys.oprf.group import ELEMENT_BYTES
from keys.signatures.ed25519 import SignatureError
from keys.signatures.messages import HeaderFields, SignedRequest, signed_at, verify_request, verify_response
from keys.signatures.strict import require_fields, require_identifier, require_integer, require_literal, require_text
from keys.statements.types import EpochStatement
from schemas.holder_faults import KINDS, MALFORMED, WRONG_ANSWER, WRONG_PROOF, Evidence, SignedExchange
from schemas.holders import Holder
from schemas.values.encoding import from_base64

EVALUATIONS = "/v1/evaluations"
_REQUEST_FIELDS = ("content-digest", "idempotency-key", "signature", "signature-input")
_ANSWER_FIELDS = ("content-digest", "evaluation-commitment", "evaluation-proof", "signature", "signature-input")
_INDEX = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_MAX_BYTES = oprf.MAXIMUM_BATCH * ELEMENT_BYTES
_MAX_CHARS = 2048
_OK = 200


class EvidenceError(ValueError):
    """This shows no fault of the holder; the message says why."""


def signed_exchange(
    request: SignedRequest, elements: bytes, status: int, headers: HeaderFields, body: bytes
) -> SignedExchange:
    """A request and its answer as they were on the wire."""
    asked, answered = _chosen(request.headers, _REQUEST_FIELDS), _chosen(headers, _ANSWER_FIELDS)
    return SignedExchange(url=request.url, asked=asked, elements=elements, status=status, answered=answered, body=body)


def _parse_exchange(value: object) -> SignedExchange:
    """From its JSON object. Raises ValueError."""
    fields = require_fields(value, *SignedExchange.__struct_fields__)
    return SignedExchange(
        url=require_text(fields["url"], _MAX_CHARS),
        asked=_read_headers(fields["asked"], _REQUEST_FIELDS),
        elements=_read_bytes(fields["elements"]),
        status=require_integer(fields["status"], 100, 599),
        answered=_read_headers(fields["answered"], _ANSWER_FIELDS),
        body=_read_bytes(fields["body"]),
    )


def check_exchange(exchange: SignedExchange) -> None:
    """Raises EvidenceError if this could not show a fault: what is accepted must be fit to be shown."""
    if exchange.status != _OK:
        raise EvidenceError(f"the holder answered {exchange.status}, which is not an evaluation")
    try:
        _parse_exchange(msgspec.to_builtins(exchange))
    except ValueError as error:
        raise EvidenceError(f"the answer is not fit to be shown: {error}") from None
    answered_at(exchange)
    if commitment_of(exchange) is None:
        raise EvidenceError("the answer does not say which share it was made with")


def commitment_of(exchange: SignedExchange) -> bytes | None:
    """The commitment to the share that the holder says it used, None where it says none of the right form."""
    try:
        return from_base64(exchange.answered.get("evaluation-commitment", ""), ELEMENT_BYTES)
    except ValueError:
        return None


def proof_of(exchange: SignedExchange) -> bytes | None:
    """The proof beside the answer, None where there is none of the right form."""
    try:
        return from_base64(exchange.answered.get("evaluation-proof", ""), oprf.PROOF_BYTES)
    except ValueError:
        return None


def answered_at(exchange: SignedExchange) -> datetime:
    """When the holder signed, as it says. Raises EvidenceError."""
    return _created(exchange.answered)


def parse_evidence(value: object) -> Evidence:
    """From its JSON object. Raises EvidenceError for any other form."""
    try:
        fields = require_fields(value, *Evidence.__struct_fields__)
        kind = require_literal(fields["kind"], *KINDS)
        check, seed = fields["check"], fields["seed"]
        is_whole = kind == WRONG_ANSWER or not (check is None and seed is None)
        return Evidence(
            kind=kind,
            holder_id=require_identifier(fields["holder_id"]),
            epoch=require_integer(fields["epoch"], 1, 65_535),
            answer=_parse_exchange(fields["answer"]),
            check=_parse_exchange(check) if is_whole else None,
            seed=from_base64(require_text(seed, 64), batch_check.SEED_BYTES) if is_whole else None,
        )
    except ValueError as error:
        raise EvidenceError(f"not evidence of a holder's fault: {error}") from None


def verify_evidence(evidence: Evidence, epoch: EpochStatement, resolve_key: Callable[[str], bytes]) -> str:
    """What the holder did, in words; `resolve_key` gives the public key of a representative, or raises LookupError.

    Raises EvidenceError if nothing is shown.
    """
    if epoch.epoch != evidence.epoch:
        raise EvidenceError(f"the statement is of epoch {epoch.epoch}, the evidence of epoch {evidence.epoch}")
    holder = next((one for one in epoch.holders if one.holder_id == evidence.holder_id), None)
    if holder is None:
        raise EvidenceError(f"the statement of epoch {epoch.epoch} does not name {evidence.holder_id}")
    target = _verify_exchange(evidence.answer, holder, epoch, resolve_key)
    if evidence.kind == MALFORMED:
        return _show_malformed(evidence.answer)
    key = threshold.scaled_commitment(holder.commitment, holder.index, target.quorum)
    if evidence.kind == WRONG_PROOF:
        return _show_wrong_proof(evidence.answer, target, key)
    if evidence.check is None or evidence.seed is None:
        raise EvidenceError("a wrong answer is shown by a check and its seed")
    if _verify_exchange(evidence.check, holder, epoch, resolve_key).quorum != target.quorum:
        raise EvidenceError("the two requests name different quorums")
    return _show_wrong_answer(evidence.answer, evidence.check, evidence.seed, key)


@dataclass(frozen=True, slots=True)
class _Target:
    quorum: tuple[int, ...]
    is_proved: bool


def _verify_exchange(
    exchange: SignedExchange, holder: Holder, epoch: EpochStatement, resolve_key: Callable[[str], bytes]
) -> _Target:
    """Rules 1 to 4."""
    target = _read_target(exchange.url, holder, epoch)
    if exchange.status != _OK:
        raise EvidenceError(f"the holder answered {exchange.status}, which is not an evaluation")
    if answered_at(exchange) < epoch.issued_at:
        raise EvidenceError("the holder answered before the statement of the epoch in force was issued")
    if commitment_of(exchange) != holder.commitment:
        raise EvidenceError("the holder answered with another share than the statement of the epoch states")
    place = exchange.url.removeprefix(holder.url.rstrip("/"))
    asked = SignedRequest("POST", exchange.url, exchange.asked)
    try:
        now = _created(exchange.asked)
        verify_request("POST", holder.url, place, exchange.asked, exchange.elements, resolve_key, now)
    except SignatureError as error:
        raise EvidenceError(f"the request is not a stated representative's: {error}") from None
    try:
        verify_response(
            exchange.status,
            exchange.answered,
            exchange.body,
            request=asked,
            key_id=holder.holder_id,
            public_key=holder.verify_key,
            now=answered_at(exchange),
        )
    except SignatureError as error:
        raise EvidenceError(f"the answer is not the holder's: {error}") from None
    try:
        group.check_elements(exchange.elements)
    except group.InvalidElementError as error:
        raise EvidenceError(f"the holder was asked about something that is not an element: {error}") from None
    if not exchange.elements:
        raise EvidenceError("the holder was asked about nothing")
    return target


def _read_target(url: str, holder: Holder, epoch: EpochStatement) -> _Target:
    address = holder.url.rstrip("/") + EVALUATIONS + "?"
    query = parse_qs(urlsplit(url).query, keep_blank_values=True)
    stated = query.get("quorum", [""])[0].split(",")
    quorum = tuple(int(index) for index in stated if _INDEX.fullmatch(index))
    known = {one.index for one in epoch.holders}
    is_quorum = len(quorum) == len(stated) == len(set(quorum)) == epoch.threshold and set(quorum) <= known
    is_plain = url.startswith(address) and all(len(values) == 1 for values in query.values())
    if not is_plain or query.get("epoch") != [str(epoch.epoch)] or not is_quorum or holder.index not in quorum:
        raise EvidenceError("the request does not ask this holder for a quorum of the epoch")
    return _Target(quorum, query.get("proof") == ["yes"])


def _show_malformed(answer: SignedExchange) -> str:
    if not _are_elements(answer.body, len(answer.elements)):
        return "it answered with something else than as many elements as it was asked about"
    raise EvidenceError("the answer is as many elements as were asked about")


def _show_wrong_proof(answer: SignedExchange, target: _Target, key: bytes) -> str:
    if not target.is_proved:
        raise EvidenceError("no proof was asked for")
    if _is_proved(answer, key):
        raise EvidenceError("the proof holds")
    return "its proof does not show that it answered with its share"


def _show_wrong_answer(answer: SignedExchange, check: SignedExchange, seed: bytes, key: bytes) -> str:
    if check.elements != batch_check.weigh(seed, answer.elements):
        raise EvidenceError("the second request is not about the weighted sum of the first one's elements")
    if not _is_proved(check, key):
        raise EvidenceError("the second answer is not proved: that is evidence of another kind")
    if not _are_elements(answer.body, len(answer.elements)):
        raise EvidenceError("the first answer is malformed: that is evidence of another kind")
    if batch_check.weigh(seed, answer.body) == check.body:
        raise EvidenceError("the answers agree")
    return "its answers differ from what it proved for their weighted sum"


def _is_proved(exchange: SignedExchange, key: bytes) -> bool:
    try:
        oprf.verify_proof(key, exchange.elements, exchange.body, proof_of(exchange) or b"")
    except (oprf.InvalidProofError, group.InvalidElementError):
        return False
    return True


def _are_elements(body: bytes, length: int) -> bool:
    try:
        group.check_elements(body)
    except group.InvalidElementError:
        return False
    return len(body) == length


def _created(headers: Mapping[str, str]) -> datetime:
    try:
        return signed_at(headers)
    except SignatureError as error:
        raise EvidenceError(str(error)) from None


def _chosen(headers: HeaderFields, names: tuple[str, ...]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() in names}


def _read_headers(value: object, names: tuple[str, ...]) -> dict[str, str]:
    if not isinstance(value, dict) or not value.keys() <= set(names):
        raise ValueError("header fields: only those that the signatures cover")
    return {name: require_text(text, _MAX_CHARS) for name, text in value.items()}


def _read_bytes(value: object) -> bytes:
    if not isinstance(value, str) or len(value) > 4 * _MAX_BYTES // 3 + 4:
        raise ValueError("expected base64 of at most 65,535 elements")
    return from_base64(value)
