"""A key holder under test: the real application over a real store, and members who sign their requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from werkzeug.test import TestResponse

from keys.holder import store
from keys.holder.database import HolderDatabase, open_database
from keys.holder.service import HolderService
from keys.holder.settings import HolderConfig, HolderSettings
from keys.holder.web import create_app
from keys.oprf import group
from keys.oprf.threshold import Dealing
from keys.signatures.messages import SignedRequest, new_nonce, sign_request, verify_response
from tests.keys.factories import Member, holder_key, holder_url, make_root
from tests.tables import make_holder_tables
from tests.taskforce.clock import Clock

EVALUATIONS = "/v1/evaluations"


def make_elements(count: int) -> bytes:
    """Blinded elements as a member would send them."""
    return b"".join(element_bytes(number + 1001) for number in range(count))


def make_settings(
    dealing: Dealing, index: int = 1, *, database_url: str = "", home: Path = Path("/nowhere")
) -> HolderSettings:
    """The settings of holder `index`, its secrets opened."""
    config = HolderConfig(
        home=Path("/nowhere"),
        holder_id=f"holder-{index}",
        url=holder_url(index),
        verify_key=holder_key(index).public_bytes,
        root=make_root(),
        database_url=database_url,
    )
    return HolderSettings(config, holder_key(index), {1: dealing.shares[index - 1]})


def migrate(database_url: str) -> HolderDatabase:
    """The database with its tables."""
    database = open_database(database_url)
    make_holder_tables(database)
    return database


@dataclass
class HolderSimulator:
    """One worker of one holder."""

    settings: HolderSettings
    database: HolderDatabase
    clock: Clock

    def __post_init__(self) -> None:
        app = create_app(self.settings, database=self.database, clock=self.clock)
        self.service: HolderService = app.extensions["keyholder"]
        self.client = app.test_client()

    def allow(self, member_id: str, evaluations: int | None = None) -> None:
        """As `keyholder allow`."""
        with self.database.transaction() as connection:
            store.allow_member(connection, member_id, evaluations, self.clock())

    def grant(self, member_id: str, evaluations: int, days: int) -> None:
        """As `keyholder grant`."""
        with self.database.transaction() as connection:
            ends_at = self.clock() + timedelta(days=days)
            store.add_grant(connection, member_id, evaluations, ends_at, self.clock())

    def state(self, *envelopes: Any) -> list[TestResponse]:
        """Bring statements to it."""
        return [self.client.post("/v1/statements", json=msgspec.to_builtins(envelope)) for envelope in envelopes]

    def sign(
        self, member: Member, method: str, target: str, body: bytes = b"", *, key: str = "key-1", url: str | None = None
    ) -> dict[str, str]:
        """The headers of a member's request."""
        headers = {"Idempotency-Key": key, "Content-Type": "application/octet-stream"} if method == "POST" else {}
        address = (url or self.settings.config.url) + target
        return sign_request(method, address, headers, body, member.key_id, member.key, self.clock, new_nonce())

    def ask(
        self,
        member: Member,
        elements: bytes,
        *,
        key: str = "key-1",
        epoch: int = 1,
        quorum: Sequence[int] = (1, 2),
        proof: bool = True,
        batch: str | None = None,
    ) -> TestResponse:
        """A member's request for evaluations, its answer's signature checked."""
        named = ",".join(map(str, quorum))
        target = f"{EVALUATIONS}?epoch={epoch}&quorum={named}&proof={'yes' if proof else 'no'}"
        target += "" if batch is None else f"&batch={batch}"
        return self.send(target, elements, self.sign(member, "POST", target, elements, key=key))

    def send(self, target: str, body: bytes, headers: dict[str, str]) -> TestResponse:
        """Send what is signed already; a signed answer must be rightly signed."""
        answer = self.client.post(target, data=body, headers=headers)
        if "Signature" in answer.headers:
            self.verify(answer, SignedRequest("POST", self.settings.config.url + target, headers))
        return answer

    def verify(self, answer: TestResponse, asked: SignedRequest) -> None:
        """Raise unless this holder signed this answer."""
        verify_response(
            answer.status_code,
            answer.headers,
            answer.data,
            request=asked,
            key_id=self.settings.config.holder_id,
            public_key=self.settings.config.verify_key,
            now=self.clock(),
        )

    def budget(self, member: Member) -> dict[str, Any]:
        """What GET /v1/budget says."""
        headers = self.sign(member, "GET", "/v1/budget")
        answer = self.client.get("/v1/budget", headers=headers)
        assert answer.status_code == 200, answer.json
        self.verify(answer, SignedRequest("GET", self.settings.config.url + "/v1/budget", headers))
        document: dict[str, Any] = answer.get_json()
        return document


def problem_of(answer: TestResponse) -> str:
    """The slug of a problem document."""
    assert answer.mimetype == "application/problem+json", answer.data
    document = answer.get_json(force=True)
    assert document["status"] == answer.status_code
    return str(document["type"]).removeprefix("urn:exchange:problem:")


def element_bytes(scalar: int) -> bytes:
    """A known element: scalar * generator."""
    return group.multiply_base(group.scalar_from_int(scalar))
