"""Requests and answers for tests, on the wire: right unless a test changes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from schemas.marking import marking_of_envelope
from schemas.requests.messages import SEALED_SIZES, answer_to_sign, prepared_to_sign
from schemas.values.encoding import from_base64, to_base64, to_rfc3339
from schemas.values.identifiers import uuid7
from tests.exchange.factories import stated_envelope

WANTED = ["local_reference", "reason"]
STRICT = {**msgspec.to_builtins(marking_of_envelope(stated_envelope())), "protected_subject": False}
"""How the rows of a usual submission are marked."""


def make_request(hit_id: str, /, **changes: Any) -> dict[str, Any]:
    """A request on the wire, under section 188."""
    return {
        "request_id": uuid7(),
        "hit_id": hit_id,
        "mode": "request",
        "legal_gateway": "ECCTA2023_s188",
        "condition": "request",
        "purpose": "deciding whether to restrict the account",
        "necessity": "our own records do not show where the funds came from",
        "proportionality": "two fields about one account",
        "fields": WANTED,
        "urgency": "24h",
        "confirmations": [],
        "nca_notice": None,
        "proof": to_base64(bytes(32)),
        **changes,
    }


def make_answer(signer: Any, request_id: str, holder: str, requester: str | None, **changes: Any) -> dict[str, Any]:
    """An answer on the wire, partial unless told otherwise, signed as it stands unless `signature` is given."""
    value = {
        "outcome": "partial",
        "fields": WANTED[:1],
        "refusal_reason": None,
        "sealed": to_base64(bytes(SEALED_SIZES[0])),
        "submissions": [],
        "confirmations": [],
        "to": None,
        "prepared": None,
        **changes,
    }
    value.setdefault("marking", None if value["sealed"] is None else STRICT)
    if "signature" not in value:
        sealed = value["sealed"]
        signed = answer_to_sign(
            request_id=request_id,
            holder=holder,
            requester=requester,
            outcome=value["outcome"],
            fields=value["fields"],
            refusal_reason=value["refusal_reason"],
            sealed=None if sealed is None else from_base64(sealed),
            marking=value["marking"],
            prepared=value["prepared"],
        )
        value["signature"] = to_base64(signer.sign(signed))
    return value


def make_prepared(
    signer: Any, by: str, request_id: str, holder: str, requester: str | None, *, prepared_at: datetime, **changes: Any
) -> dict[str, Any]:
    """Who prepared an answer on the wire, signed for that answer."""
    at = to_rfc3339(prepared_at)
    answer = make_answer(signer, request_id, holder, requester, **changes)
    fixed = None if answer["sealed"] is None else bytes(32)
    signed = prepared_to_sign(
        request_id=request_id,
        holder=holder,
        requester=requester,
        outcome=answer["outcome"],
        fields=answer["fields"],
        refusal_reason=answer["refusal_reason"],
        details_commitment=fixed,
        marking=answer["marking"],
        confirmations=answer["confirmations"],
        submissions=answer["submissions"],
        prepared_at=at,
    )
    by_whom = {"representative_id": by, "signature": to_base64(signer.sign(signed))}
    return {
        **by_whom,
        "details_commitment": None if fixed is None else to_base64(fixed),
        "prepared_at": at,
    }


NO_TRACE: dict[str, Any] = {"outcome": "no_trace", "fields": [], "sealed": None}
REFUSED: dict[str, Any] = {"outcome": "refused", "fields": [], "sealed": None, "refusal_reason": "not_necessary"}


def notice(given_at: Any) -> dict[str, str]:
    """A notice given at that time."""
    return {"reference": "NCA/2026/1234", "given_at": to_rfc3339(given_at)}
