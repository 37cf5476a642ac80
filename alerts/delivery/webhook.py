"""Webhooks as the Standard Webhooks specification has them (https://www.standardwebhooks.com, version 1): a thin JSON
body, and three headers that say which message it is, when it was sent, and that the exchange sent it.

No secret is stored. Each follows from one key in the exchange's custody (HKDF, RFC 5869), the subscription's id and the
number of the secret; so does the code that confirms a subscription.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from schemas.alerts.subscriptions import AlertPush, SubscriptionPush
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of all secrets of the specification
OLD_SECRET_GOOD_FOR = timedelta(hours=24)
"""So long after a change messages carry a signature under the former secret too, so that a receiver can change it
without losing one.
"""
_SECRET_BYTES = 32
_CODE_BYTES = 10


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """Makes the secrets of all subscriptions from the one key, 32 bytes."""

    key: bytes = field(repr=False)

    def secret(self, subscription_id: str, number: int) -> str:
        """The signing secret of that number: `whsec_` and 32 bytes in base64."""
        return SECRET_PREFIX + to_base64(self._derive("webhook secret", subscription_id, number, _SECRET_BYTES))

    def code(self, subscription_id: str) -> str:
        """What the receiver is sent, to be shown by the subscriber: 16 letters and digits, 80 bits."""
        return base64.b32encode(self._derive("confirmation code", subscription_id, 0, _CODE_BYTES)).decode()

    def is_code(self, subscription_id: str, shown: str) -> bool:
        """Whether that is the subscription's code, in capitals or not."""
        return hmac.compare_digest(self.code(subscription_id).encode(), shown.strip().upper().encode())

    def _derive(self, purpose: str, subscription_id: str, number: int, length: int) -> bytes:
        info = f"exchange alerts v1|{purpose}|{subscription_id}|{number}".encode()
        return HKDF(SHA256(), length, None, info).derive(self.key)


def valid_numbers(secret_number: int, secret_at: datetime, now: datetime) -> list[int]:
    """The numbers of the secrets that sign now: the present one, and for a while the one before it."""
    if secret_number > 1 and now < secret_at + OLD_SECRET_GOOD_FOR:
        return [secret_number, secret_number - 1]
    return [secret_number]


def sign_message(secrets: Sequence[str], message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers of a message that is sent now: HMAC-SHA256 over `id.timestamp.body` under each of the secrets."""
    timestamp = str(int(now.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [
        hmac.digest(base64.b64decode(secret.removeprefix(SECRET_PREFIX)), signed, hashlib.sha256) for secret in secrets
    ]
    return {
        "Content-Type": "application/json",
        "User-Agent": "intelligence-sharing-exchange",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{to_base64(signature)}" for signature in signatures),
    }


def message_body(message: AlertPush | SubscriptionPush) -> bytes:
    """What is signed and sent."""
    return canonical_json(msgspec.to_builtins(message))
