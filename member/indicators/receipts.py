"""Receipts: the exchange's signed word on what it took, checked against its answer and against what was sent.

1. The signature is that of the receipt key in the registrars' statement of the exchange.
2. The signed bytes are canonical JSON and name this member, this submission and this part.
3. The counts are those of the answer, and add up to the rows that were sent.
"""

from __future__ import annotations

import msgspec

from keys.signatures.ed25519 import SignatureError, verify_signature
from member.errors import AnswerError
from member.vault.uploads import Receipt
from schemas.submissions import RECEIPT_DOMAIN, SubmissionAnswer, counts_of
from schemas.values.canonical import parse_canonical_json
from schemas.values.encoding import from_base64


def verify_receipt(answer: SubmissionAnswer, *, receipt_key: bytes, member_id: str, rows: int) -> Receipt:
    """The receipt of an answer to a part of `rows` rows. AnswerError if it does not prove the answer."""
    try:
        receipt = Receipt(from_base64(answer.receipt.payload), from_base64(answer.receipt.signature, 64))
        verify_signature(receipt_key, RECEIPT_DOMAIN + receipt.payload, receipt.signature)
        body = parse_canonical_json(receipt.payload)
    except (SignatureError, ValueError) as error:
        raise AnswerError(f"the exchange's receipt is worth nothing: {error}", "tell the registrars") from error
    stated = body if isinstance(body, dict) else {}
    answered = {"member_id": member_id, **msgspec.structs.asdict(counts_of(answer))}
    differing = [name for name, value in answered.items() if stated.get(name) != value]
    if differing:
        raise AnswerError(f"the exchange's receipt differs from its answer in {', '.join(differing)}")
    others = [refused.row for refused in answer.rejected] + [one.row for one in answer.left_out]
    positions = [*answer.duplicates, *others]
    if answer.accepted + len(positions) != rows or len(set(positions)) != len(positions):
        raise AnswerError("the exchange's answer does not account for every row")
    if any(not 0 <= position < rows for position in positions):
        raise AnswerError("the exchange's answer names a row that was not sent")
    return receipt
