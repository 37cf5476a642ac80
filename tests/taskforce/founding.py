"""The founding of a taskforce: real keys, real signatures, the real application on a real database. No mocks.

`Taskforce` is the exchange with its registrars, its members and its log, in this process. Whatever a test needs beside
it is built on it: scenarios on members that it simulates (`members`), or homes that the real member program works in
and key holders that run (`homes`).
"""

from __future__ import annotations

import base64
import dataclasses
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from sqlalchemy import select
from werkzeug.test import TestResponse

from alerts.composition import blueprints
from alerts.store.notices import count_notices
from exchange.configuration.settings import Settings
from exchange.kernel.leases import acquire_lease, release_lease
from exchange.kernel.session import Database, create_database
from exchange.log.head_file import HeadFile
from exchange.log.sequencer import Sequencer, TickResult
from exchange.log.tables import LogEntry
from exchange.membership.statements import next_sequence
from exchange.programs.application import create_app
from exchange.registrars.accept import accept_statement
from exchange.registrars.issue_enrolment import Invitation, issue_enrolment
from exchange.web.context import Context
from keys.oprf.threshold import Dealing
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
    to_payload,
)
from schemas.terms import GroupKind, MemberKind, Role, Sector
from tests.keys.factories import make_dealing, make_epoch
from tests.tables import make_tables
from tests.taskforce.clock import Clock
from tests.taskforce.members import USUAL_ROLES, MemberSimulator, encode_json
from tlog.notes import NoteSigner

URL = "https://exchange.test"
ORIGIN = "exchange.test/log"
LOG_SIGNER = NoteSigner(ORIGIN, bytes(32))
NEVER_SECONDS = 10**9


@dataclass(frozen=True)
class ExchangeKeys:
    """The registrars that an exchange believes, and its own keys: for receipts, and for its log."""

    root: Root
    receipt_key: SigningKey
    log_signer: NoteSigner

    @classmethod
    def generate(cls, registrars: Mapping[str, SigningKey]) -> Self:
        """New keys of an exchange under registrars who must all sign."""
        people = tuple(Registrar(name, key.public_bytes) for name, key in registrars.items())
        return cls(Root(len(people), people), SigningKey.generate(), LOG_SIGNER)


class Taskforce:
    """The exchange on a database, whose tables are made if there are none; with two registrars of whom both must sign,
    unless the exchange's `keys` are given. `settings` are those of the exchange that a test changes.

    No worker ticks here, so that the log counts as standing still only after `log_stale_seconds` that a test gives.
    """

    def __init__(
        self,
        database_url: str,
        home: Path,
        clock: Callable[[], datetime] | None = None,
        log_stale_seconds: int = NEVER_SECONDS,
        keys: ExchangeKeys | None = None,
        **settings: Any,
    ) -> None:
        self.clock = clock or Clock()
        self.registrars = {} if keys else {name: SigningKey.generate() for name in ("necc", "reviewer")}
        keys = keys or ExchangeKeys.generate(self.registrars)
        self.root, self.receipt_key, self.log_signer = keys.root, keys.receipt_key, keys.log_signer
        self.webhook_key = secrets.token_bytes(32)
        told: dict[str, Any] = {"exchange_id": "test", "url": URL, "log_origin": ORIGIN} | settings
        self.settings = Settings(
            home=home,
            log_vkey=str(self.log_signer.verifier_key),
            root=self.root,
            database_url=database_url,
            **told,
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

    def make_context(self, database: Database) -> Context:
        """What an application of the exchange is told."""
        return Context(self.settings, database, self.receipt_key, self.clock, count_notices, self.webhook_key)

    def make_app(self, database: Database) -> Any:
        """Another worker on a database."""
        return create_app(self.make_context(database), blueprints())

    def change_settings(self, **changes: Any) -> None:
        """Other settings from here on, with an application of which all is made anew."""
        self.settings = dataclasses.replace(self.settings, **changes)
        self.app = self.make_app(self.database)

    def head_file(self) -> HeadFile:
        """Where the last signed head of its log is kept, in the exchange's home; made if there is none."""
        path = self.settings.head_file
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        head_file = HeadFile(path, self.log_signer)
        if not path.exists():
            head_file.create()
        return head_file

    def make_sequencer(self) -> Sequencer:
        """A sequencer of its log."""
        return Sequencer(self.database, self.log_signer, self.head_file())

    def tick(self, times: int = 1) -> TickResult:
        """Ticks of the log, by a sequencer of their own; the last of them. Waits for another that is at it."""
        with self.database.transaction() as session:
            lease = acquire_lease(session, "sequencer", secrets.token_hex(8), self.clock(), timedelta(seconds=60))
        if lease is None:
            time.sleep(0.01)
            return self.tick(times)
        try:
            sequencer = self.make_sequencer()
            ticked = [sequencer.tick(self.clock(), lease) for _ in range(times)]
        finally:
            with self.database.transaction() as session:
                release_lease(session, lease)
        return ticked[-1]

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
            method, self.settings.url + target, headers, body, key_id, key, clock=self.clock, nonce=nonce or new_nonce()
        )
        return self.send_unsigned(method, target, body, signed, app=app)

    def send_unsigned(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None, app: Any = None
    ) -> TestResponse:
        """A request as it is."""
        client = (app or self.app).test_client()
        answer: TestResponse = client.open(
            target, base_url=self.settings.url, method=method, data=body, headers=headers or {}
        )
        return answer

    def send_as_registrar(self, name: str, method: str, target: str, value: Any = None) -> TestResponse:
        """A request signed by a registrar."""
        body = b"" if value is None else encode_json(value)
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

    def views(self, member_id: str, kind: str | None = None, after: str = "") -> list[dict[str, Any]]:
        """What the log says to a member of its events, or of those of one kind, in the order in which they were
        recorded; of those after an entry's id.
        """
        wanted = select(LogEntry.view).where(LogEntry.member_id == member_id, LogEntry.entry_id > after)
        if kind is not None:
            wanted = wanted.where(LogEntry.kind == kind)
        with self.database.reading() as session:
            return [json.loads(view) for view in session.scalars(wanted.order_by(LogEntry.entry_id)) if view]

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
        roles: Mapping[str, frozenset[Role]] = USUAL_ROLES,
    ) -> MemberSimulator:
        """A member stated by the registrars, with a representative for each of `roles`."""
        member = MemberSimulator(self, member_id, kind, sector, roles)
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
        keys = {index: SigningKey.generate() for index in (1, 2, 3)}
        self.state_epoch_of(make_dealing(), keys, epoch, state=state)

    def state_epoch_of(self, dealing: Dealing, keys: Mapping[int, SigningKey], epoch: int, **changes: Any) -> None:
        """State an epoch of this dealing, whose holders sign with `keys`, each at its `holder_url`."""
        stated = make_epoch(dealing, epoch=epoch, keys=keys)

        def draft(sequence: int) -> EpochStatement:
            return dataclasses.replace(stated, sequence=sequence, issued_at=self.clock(), **changes)

        self.state("epoch", str(epoch), draft)

    def invite(
        self,
        member_id: str,
        name: str = "",
        kind: str = "financial_institution",
        sector: str = "banking",
        *,
        book: int = 1000,
    ) -> str:
        """An enrolment code."""
        invitation = Invitation(member_id, name or f"Member {member_id}", kind, sector, book)
        return issue_enrolment(self.database, invitation, url=self.settings.url, root=self.root, now=self.clock())


def make_taskforce(database_url: str, home: Path, *member_ids: str) -> Taskforce:
    """A taskforce with these banks in one group under epoch 1."""
    taskforce = Taskforce(database_url, home)
    for member_id in member_ids:
        taskforce.add_member(member_id)
    taskforce.state_epoch()
    taskforce.state_group(member_ids)
    return taskforce
