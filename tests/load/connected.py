"""A member's representative that talks to a running exchange directly: its own key, real signatures, real HTTP."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from keys.signatures.messages import new_nonce, sign_request
from member.commands.shared.passphrases import unlock_representative
from member.identity.access import Unlocked
from member.identity.home import Home
from member.transport.channel import Identity
from schemas.values.identifiers import uuid7
from tests.exchange.factories import make_envelope, make_rows
from tests.taskforce.clock import utc_now

ANSWERED_WITHIN = 120.0


@dataclass
class Connected:
    """Sends signed requests as one representative. `signed_for` is the server's own address, `url` where it listens.

    Safe to use from several threads.
    """

    identity: Identity
    url: str
    signed_for: str

    def __post_init__(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
        self._client = httpx.Client(timeout=ANSWERED_WITHIN, limits=limits, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def send(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        key: str | None = None,
        signed: bool = True,
        content_type: str = "application/json",
    ) -> httpx.Response:
        """One request, tried once, signed unless said otherwise."""
        headers = {"Content-Type": content_type} if body else {}
        if method == "POST":
            headers["Idempotency-Key"] = key or secrets.token_hex(16)
        if signed:
            identity = self.identity
            headers = sign_request(
                method, self.signed_for + target, headers, body, identity.key_id, identity.key, utc_now, new_nonce()
            )
        return self._client.request(method, self.url + target, content=body, headers=headers)

    def submit(self, body: bytes, *, key: str | None = None, patience: float = 120.0) -> httpx.Response:
        """Submit, and wait as told while the exchange is busy; the first other answer."""
        key = key or secrets.token_hex(16)
        deadline = time.monotonic() + patience
        while True:
            answer = self.send("POST", "/v1/submissions", body, key=key)
            if answer.status_code not in (429, 503) or time.monotonic() > deadline:
                return answer
            time.sleep(min(float(answer.headers.get("Retry-After", "1")), 5.0))


def submission_body(tokens: Sequence[bytes], **fields: Any) -> bytes:
    """A submission of these tokens under a good envelope; `fields` replace fields of the request."""
    document = {"submission_id": uuid7(), "part": 0, "envelope": make_envelope(), "rows": make_rows(tokens)}
    return msgspec.json.encode(document | fields)


def connect(home: Path, url: str, name: str = "analyst") -> Connected:
    """The representative whose key lies in a member's home, its passphrase in the file that the home names."""
    unlocked: Unlocked = unlock_representative(Home.open(home), name)
    return Connected(unlocked.identity, url, url)
