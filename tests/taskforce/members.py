"""Members that sign their requests as the member program does, over HTTP to the real application."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import msgspec
from werkzeug.test import TestResponse

from alerts.jobs import drain_outbox
from keys.sealing.hybrid import EncryptionKey
from keys.signatures.messages import SigningKey
from keys.statements.types import RepresentativeState, StatedRepresentative
from schemas.terms import MemberKind, Role, Sector
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.factories import make_envelope, make_rows

if TYPE_CHECKING:
    from tests.taskforce.founding import Taskforce

ANALYST = frozenset({Role.SUBMITTER, Role.INVESTIGATOR, Role.AUTHOR})
AUTHORISER = frozenset({Role.AUTHORISER, Role.RELEASER})
USUAL_ROLES: Mapping[str, frozenset[Role]] = {"analyst": ANALYST, "authoriser": AUTHORISER}


def encode_json(value: object) -> bytes:
    """As JSON, messages too."""
    return json.dumps(value, default=msgspec.to_builtins).encode()


@dataclass
class MemberSimulator:
    """A member with a representative for each of `roles`. `send` signs; everything else is built on it."""

    taskforce: Taskforce
    member_id: str
    kind: MemberKind = MemberKind.FINANCIAL_INSTITUTION
    sector: Sector = Sector.BANKING
    roles: Mapping[str, frozenset[Role]] = field(default_factory=lambda: USUAL_ROLES)
    keys: dict[str, SigningKey] = field(init=False)
    keys_state: RepresentativeState = RepresentativeState.ACTIVE
    encryption_key: bytes = field(init=False)
    private_key: EncryptionKey = field(default_factory=EncryptionKey.generate)

    def __post_init__(self) -> None:
        self.keys = {name: SigningKey.generate() for name in self.roles}
        self.encryption_key = self.private_key.public_bytes

    def copy(self, taskforce: Taskforce) -> Self:
        """The same member in a copy of its taskforce."""
        made = copy(self)
        made.taskforce, made.keys = taskforce, dict(self.keys)
        return made

    def send(
        self,
        method: str,
        target: str,
        value: Any = None,
        *,
        body: bytes | None = None,
        as_name: str = "analyst",
        idempotency_key: str | None = None,
        nonce: str | None = None,
        app: Any = None,
    ) -> TestResponse:
        """One signed request; `value` is sent as JSON, or `body` as it is."""
        content = (b"" if value is None else encode_json(value)) if body is None else body
        return self.taskforce.send(
            method,
            target,
            content,
            key_id=f"{self.member_id}/{as_name}",
            key=self.keys[as_name],
            idempotency_key=idempotency_key,
            nonce=nonce,
            app=app,
        )

    def submit(self, tokens: Iterable[bytes], *, rows: Sequence[Any] | None = None, **options: Any) -> TestResponse:
        """Submit tokens under a good envelope; `envelope` holds changes to it."""
        value = self.submission(tokens, rows=rows, **options.pop("envelope", {}))
        value |= options.pop("fields", {})
        return self.send("POST", "/v1/submissions", value, **options)

    def submission(
        self, tokens: Iterable[bytes], *, rows: Sequence[Any] | None = None, **envelope: Any
    ) -> dict[str, Any]:
        """The body of a submission."""
        return {
            "submission_id": uuid7(),
            "part": 0,
            "envelope": make_envelope(**envelope),
            "rows": make_rows(tokens) if rows is None else rows,
        }

    def hits(self, query: str = "") -> list[dict[str, Any]]:
        """Every hit, page by page."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            joined = "&".join(part for part in (query, cursor) if part)
            answer = self.send("GET", "/v1/hits" + (f"?{joined}" if joined else ""))
            assert answer.status_code == 200, answer.text
            page = answer.get_json()
            found += page["hits"]
            if page["next"] is None:
                return found
            cursor = f"cursor={page['next']}"

    def views(self, kind: str | None = None, after: str = "") -> list[dict[str, Any]]:
        """What the log says to the member (Taskforce.views)."""
        return self.taskforce.views(self.member_id, kind, after)

    def notices(self, about: str = "", after: str = "") -> list[str]:
        """The kinds of the member's notices, in order of their times: of those that begin with `about`."""
        drain_outbox(self.taskforce.database)
        answer = self.send("GET", f"/v1/notices?cursor={after}" if after else "/v1/notices")
        assert answer.status_code == 200, answer.text
        return [one["kind"] for one in answer.get_json()["notices"] if one["kind"].startswith(about)]

    def representatives(self) -> tuple[StatedRepresentative, ...]:
        """As the registrars state them."""
        return tuple(
            StatedRepresentative(f"{self.member_id}/{name}", key.public_bytes, self.roles[name], self.keys_state)
            for name, key in self.keys.items()
        )

    def claim(self, code: str, **changes: Any) -> dict[str, Any]:
        """The body that answers an enrolment code."""
        people = []
        for name, key in self.keys.items():
            proved = {
                "member_id": self.member_id,
                "code_sha256": hashlib.sha256(code.encode()).hexdigest(),
                "encryption_key": to_base64(self.encryption_key),
                "public_key": to_base64(key.public_bytes),
                "roles": sorted(self.roles[name]),
            }
            proof = key.sign(b"exchange-enrolment-v1\0" + canonical_json(proved))
            people.append(
                {
                    "representative_id": f"{self.member_id}/{name}",
                    "public_key": to_base64(key.public_bytes),
                    "roles": sorted(self.roles[name]),
                    "proof": to_base64(proof),
                }
            )
        body = {"code": code, "member_id": self.member_id, "encryption_key": to_base64(self.encryption_key)}
        return {**body, "representatives": people, **changes}


def reasons_of(answer: TestResponse, *statuses: int) -> set[str]:
    """The names of the rules that refused, under one of the statuses: 403 unless others are given."""
    assert answer.status_code in (statuses or (403,)), answer.text
    return {reason["code"] for reason in answer.get_json()["reasons"]}
