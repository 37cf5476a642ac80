"""A taskforce in one process: real keys, real signatures, the real application on a real database. No mocks.

`Taskforce` is the exchange with its registrars; `MemberSimulator` is a member that signs its requests as the member
program does.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import msgspec
from werkzeug.test import TestResponse

from alerts.composition import blueprints
from alerts.store.notices import count_notices
from exchange.configuration.settings import Settings
from exchange.kernel.session import Database, create_database
from exchange.membership.statements import next_sequence
from exchange.programs.application import create_app
from exchange.registrars.accept import accept_statement
from exchange.registrars.issue_enrolment import Invitation, issue_enrolment
from exchange.web.context import Context
from keys.oprf import threshold
from keys.sealing.hybrid import EncryptionKey
from keys.signatures.messages import SigningKey, new_nonce, sign_request
from keys.statements.envelopes import Registrar, Root, sign_statement
from keys.statements.types import (
    AnyStatement,
    EpochState,
    EpochStatement,
    GroupState,
    GroupStatement,
    MemberState,
    MemberStatement,
    RepresentativeState,
    StatedRepresentative,
    to_payload,
)
from schemas.holders import Holder
from schemas.terms import GroupKind, MemberKind, Role, Sector
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.factories import Clock, make_envelope, make_rows
from tests.tables import make_tables

URL = "https://exchange.test"
NEVER_SECONDS = 10**9
ANALYST = frozenset({Role.SUBMITTER, Role.INVESTIGATOR, Role.AUTHOR})
AUTHORISER = frozenset({Role.AUTHORISER, Role.RELEASER})


def _encoded(value: object) -> bytes:
    """As JSON, messages too."""
    return json.dumps(value, default=msgspec.to_builtins).encode()


@dataclass
class MemberSimulator:
    """A member with an analyst and an authoriser. `send` signs; everything else is built on it."""

    taskforce: Taskforce
    member_id: str
    keys: dict[str, SigningKey] = field(default_factory=dict)
    encryption_key: bytes = b""
    private_key: EncryptionKey = field(default_factory=EncryptionKey.generate)
    kind: MemberKind = MemberKind.FINANCIAL_INSTITUTION
    sector: Sector = Sector.BANKING

    def __post_init__(self) -> None:
        self.keys = {name: SigningKey.generate() for name in ("analyst", "authoriser")}
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
        content = (b"" if value is None else _encoded(value)) if body is None else body
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

    def representatives(self) -> tuple[StatedRepresentative, ...]:
        """As the registrars state them."""
        roles = {"analyst": ANALYST, "authoriser": AUTHORISER}
        return tuple(
            StatedRepresentative(f"{self.member_id}/{name}", key.public_bytes, roles[name], RepresentativeState.ACTIVE)
            for name, key in self.keys.items()
        )

    def claim(self, code: str, **changes: Any) -> dict[str, Any]:
        """The body that answers an enrolment code."""
        roles = {"analyst": sorted(ANALYST), "authoriser": sorted(AUTHORISER)}
        people = []
        for name, key in self.keys.items():
            proved = {
                "member_id": self.member_id,
                "code_sha256": hashlib.sha256(code.encode()).hexdigest(),
                "encryption_key": to_base64(self.encryption_key),
                "public_key": to_base64(key.public_bytes),
                "roles": roles[name],
            }
            proof = key.sign(b"exchange-enrolment-v1\0" + canonical_json(proved))
            people.append(
                {
                    "representative_id": f"{self.member_id}/{name}",
                    "public_key": to_base64(key.public_bytes),
                    "roles": roles[name],
                    "proof": to_base64(proof),
                }
            )
        body = {"code": code, "member_id": self.member_id, "encryption_key": to_base64(self.encryption_key)}
        return {**body, "representatives": people, **changes}


class Taskforce:
    """The exchange on a new database, with two registrars of whom both must sign.

    No worker ticks here, so that the log counts as standing still only after `log_stale_seconds` that a test gives.
    """

    def __init__(
        self,
        database_url: str,
        home: Path,
        clock: Callable[[], datetime] | None = None,
        log_stale_seconds: int = NEVER_SECONDS,
    ) -> None:
        self.clock = clock or Clock()
        self.registrars = {name: SigningKey.generate() for name in ("necc", "reviewer")}
        people = tuple(Registrar(name, key.public_bytes) for name, key in self.registrars.items())
        self.root = Root(len(people), people)
        self.receipt_key = SigningKey.generate()
        self.webhook_key = secrets.token_bytes(32)
        self.settings = Settings(
            home=home,
            exchange_id="test",
            url=URL,
            log_origin="exchange.test/log",
            log_vkey="",
            root=self.root,
            database_url=database_url,
        )
        self.database = create_database(database_url, log_stale_seconds=log_stale_seconds)
        make_tables(self.database)
        self.app = self.make_app(self.database)
        self.members: dict[str, MemberSimulator] = {}

    def copy(self, database_url: str, home: Path) -> Taskforce:
        """The same members with the same keys on a copy of the database, where it is the time of its founding."""
        made = copy(self)
        made.clock = Clock()
        made.settings = dataclasses.replace(self.settings, home=home, database_url=database_url)
        made.database = create_database(database_url, log_stale_seconds=self.database.log_stale_seconds)
        made.app = made.make_app(made.database)
        made.registrars = dict(self.registrars)
        made.members = {name: member.copy(made) for name, member in self.members.items()}
        return made

    def make_app(self, database: Database) -> Any:
        """Another worker on a database."""
        context = Context(self.settings, database, self.receipt_key, self.clock, count_notices, self.webhook_key)
        return create_app(context, blueprints())

    def close(self) -> None:
        """Close the connections."""
        self.database.dispose()

    def send(
        self,
        method: str,
        target: str,
        body: bytes,
        *,
        key_id: str,
        key: SigningKey,
        idempotency_key: str | None = None,
        nonce: str | None = None,
        content_type: str = "application/json",
        app: Any = None,
    ) -> TestResponse:
        """A request signed with any key."""
        headers = {}
        if method == "POST":
            headers = {
                "Idempotency-Key": idempotency_key or secrets.token_hex(16),
                "Content-Type": content_type,
            }
        signed = sign_request(
            method, URL + target, headers, body, key_id, key, clock=self.clock, nonce=nonce or new_nonce()
        )
        return self.send_unsigned(method, target, body, signed, app=app)

    def send_unsigned(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None, app: Any = None
    ) -> TestResponse:
        """A request as it is."""
        client = (app or self.app).test_client()
        answer: TestResponse = client.open(target, base_url=URL, method=method, data=body, headers=headers or {})
        return answer

    def send_as_registrar(self, name: str, method: str, target: str, value: Any = None) -> TestResponse:
        """A request signed by a registrar."""
        body = b"" if value is None else _encoded(value)
        return self.send(method, target, body, key_id=f"registrar/{name}", key=self.registrars[name])

    def state(self, kind: str, subject: str, draft: Callable[[int], AnyStatement]) -> None:
        """Let all registrars sign a statement of their own."""
        with self.database.reading() as session:
            payload = to_payload(draft(next_sequence(session, kind, subject)))
        for name, key in self.registrars.items():
            accept_statement(self.database, self.root, sign_statement(payload, name, key), self.clock())

    def sign(self, proposal_id: str, *names: str) -> None:
        """Let the named registrars, or all, sign a proposal."""
        for proposal in self.proposals():
            if proposal["proposal_id"] == proposal_id:
                for name in names or self.registrars:
                    payload = base64.b64decode(proposal["payload"])
                    envelope = sign_statement(payload, name, self.registrars[name])
                    accept_statement(self.database, self.root, envelope, self.clock())
                return
        raise AssertionError("no such proposal")

    def proposals(self) -> list[dict[str, Any]]:
        """What the registrars may sign."""
        answer = self.send_as_registrar("necc", "GET", "/v1/proposals")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.get_json()["proposals"]
        return found

    def add_member(
        self,
        member_id: str,
        *,
        sector: Sector = Sector.BANKING,
        kind: MemberKind = MemberKind.FINANCIAL_INSTITUTION,
    ) -> MemberSimulator:
        """A member stated by the registrars."""
        member = MemberSimulator(self, member_id, kind=kind, sector=sector)
        self.members[member_id] = member
        self.state_member(member)
        return member

    def state_member(self, member: MemberSimulator, state: MemberState = MemberState.ACTIVE) -> None:
        """State how a member stands from now on."""
        self.state("member", member.member_id, lambda sequence: self.member_statement(member, sequence, state))

    def member_statement(
        self, member: MemberSimulator, sequence: int, state: MemberState = MemberState.ACTIVE
    ) -> MemberStatement:
        """What the registrars would sign."""
        return MemberStatement(
            sequence=sequence,
            issued_at=self.clock(),
            member_id=member.member_id,
            name=f"Member {member.member_id}",
            kind=member.kind,
            sector=member.sector,
            state=state,
            declared_book=1_000_000,
            encryption_key=member.encryption_key,
            representatives=member.representatives(),
        )

    def state_group(
        self,
        member_ids: Iterable[str],
        group_id: str = "taskforce",
        *,
        state: GroupState = GroupState.OPEN,
        sunset: datetime | None = None,
    ) -> None:
        """State a group's members from now on."""
        members = frozenset(member_ids)
        self.state(
            "group",
            group_id,
            lambda sequence: GroupStatement(
                sequence=sequence,
                issued_at=self.clock(),
                group_id=group_id,
                name=group_id,
                kind=GroupKind.TASKFORCE,
                objective="test",
                sunset=sunset,
                state=state,
                members=members,
            ),
        )

    def state_epoch(self, epoch: int = 1, state: EpochState = EpochState.CURRENT) -> None:
        """State a key epoch of three holders."""
        dealing = threshold.deal(None, 2, 3)
        holders = tuple(
            Holder(
                index,
                f"holder-{index}",
                f"https://holder-{index}.test",
                dealing.commitments[index],
                SigningKey.generate().public_bytes,
            )
            for index in (1, 2, 3)
        )
        self.state(
            "epoch",
            str(epoch),
            lambda sequence: EpochStatement(
                sequence=sequence,
                issued_at=self.clock(),
                epoch=epoch,
                state=state,
                threshold=2,
                public_key=dealing.group_public_key,
                normalisation="n1",
                holders=holders,
            ),
        )

    def invite(self, member_id: str) -> str:
        """An enrolment code."""
        invitation = Invitation(member_id, f"Member {member_id}", "financial_institution", "banking", 1000)
        return issue_enrolment(self.database, invitation, url=URL, root=self.root, now=self.clock())


def make_taskforce(database_url: str, home: Path, *member_ids: str) -> Taskforce:
    """A taskforce with these banks in one group under epoch 1."""
    taskforce = Taskforce(database_url, home)
    for member_id in member_ids:
        taskforce.add_member(member_id)
    taskforce.state_epoch()
    taskforce.state_group(member_ids)
    return taskforce
