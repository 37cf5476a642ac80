"""What a cell sends, and its signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from keys.signatures.messages import SigningKey
from keys.signatures.urls import canonical_url
from schemas.values.encoding import to_base64
from tests.exchange.matrix.cells import Cell, State

ENVELOPES: dict[State, dict[str, Any]] = {
    State.GROUP_CLOSED: {"group": "closed"},
    State.GROUP_PAST_SUNSET: {"group": "past-sunset"},
    State.EPOCH_RETIRED: {"epoch": 2},
}
"""What brings a state about that is not the member's own."""


@dataclass(frozen=True)
class Request:
    """What a cell sends, but for its signature."""

    target: str
    value: Any = None
    idempotency_key: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


def group_of(cell: Cell) -> str:
    """The group that a cell's request is about."""
    return str(ENVELOPES.get(cell.state, {}).get("group", "taskforce"))


def sign(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    key_id: str,
    key: SigningKey,
    now: datetime,
    nonce: str,
) -> dict[str, str]:
    """All headers of a signed request, as keys.signatures.messages makes them, but put together by hand after RFC 9421
    section 2.5, which is several times faster.
    """
    digest = f"sha-256=:{to_base64(sha256(body).digest())}:"
    covered = {"@method": method, "@target-uri": canonical_url(url), "content-digest": digest}
    if method == "POST":
        covered["idempotency-key"] = headers["Idempotency-Key"]
    names = " ".join(f'"{name}"' for name in covered)
    parameters = f'({names});created={int(now.timestamp())};keyid="{key_id}";alg="ed25519";nonce="{nonce}"'
    base = "".join(f'"{name}": {value}\n' for name, value in covered.items()) + f'"@signature-params": {parameters}'
    signature = f"sig1=:{to_base64(key.sign(base.encode()))}:"
    return {**headers, "Content-Digest": digest, "Signature-Input": f"sig1={parameters}", "Signature": signature}
