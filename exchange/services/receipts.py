"""Receipts: the exchange's signed word that it committed something and will have it in the log."""

from __future__ import annotations

from typing import Any

from keys.signing import SigningKey
from schemas.canonical import canonical_json
from schemas.encoding import to_base64

RECEIPT_DOMAIN = b"exchange-receipt-v1\0"


def sign_receipt(key: SigningKey, payload: dict[str, Any]) -> dict[str, str]:
    """The receipt on the wire: payload and Ed25519 signature over domain and payload, both base64. After the commit
    only.
    """
    content = canonical_json(payload)
    return {"payload": to_base64(content), "signature": to_base64(key.sign(RECEIPT_DOMAIN + content))}
