"""Homes in which the real member program works, before the exchange and real key holders, all in one process.

Everything lies in files under one folder, so that another process can open the same taskforce again.
"""

from __future__ import annotations

import atexit
import io
import json
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import httpx
import msgspec
from flask import Flask

from edge.request_limits import LARGEST_LIMIT
from exchange.kernel.session import LOG_STALE_SECONDS, Database
from exchange.log.sequencer import CARRIED_TICKS
from exchange.registrars.propose import propose_statement
from keys.holder import store as holder_store
from keys.holder.ceremony import hold_ceremony
from keys.holder.database import open_database
from keys.holder.settings import create_home, load_config, open_settings
from keys.holder.web import create_app as create_holder_app
from keys.signatures.ed25519 import SigningKey
from keys.statements.keyring import ExchangeStatement, GroupState, GroupStatement, Root, parse_statement
from member.transport.channel import RuntimeEnvironment
from schemas.terms import GroupKind
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_rfc3339
from tests.taskforce.founding import ORIGIN, ExchangeKeys, Taskforce
from tests.taskforce.member_program import Ran, at_the_real_time, now, run_member, write_secret_file
from tlog.notes import NoteSigner

EXCHANGE_URL = "http://exchange.localhost"
GROUP = "taskforce"
DEFAULTS = {
    "group": GROUP,
    "legal_gateway": "CCA2013_s7",
    "purpose": "finding mule accounts",
    "theme": "money_mules",
    "expires_days": "365",
}
HOLDER_PASSPHRASE = b"words of a holder"


@dataclass
class MemberHomes:
    """The servers of a taskforce, and the member program's calls to them. The one registrar has a home too."""

    folder: Path
    applications: dict[str, WSGIApplication] = field(default_factory=dict)
    exchange: Taskforce = field(init=False)
    closing: list[Callable[[], None]] = field(default_factory=list)
    kinds: dict[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def found(
        cls,
        folder: Path,
        banks: tuple[str, ...] = ("a", "b"),
        holders: int = 3,
        agencies: tuple[str, ...] = (),
        reviewers: tuple[str, ...] = (),
    ) -> MemberHomes:
        """A new taskforce with everything signed, and its members enrolled; reviewers are in no group.

        The first of its kind in a test process is kept as it is now, and what is given is a copy of its files.
        """
        kind = (banks, holders, agencies, reviewers)
        if kind not in _founded:
            original = cls(Path(tempfile.mkdtemp(prefix="founded-")))
            atexit.register(shutil.rmtree, original.folder, ignore_errors=True)
            with at_the_real_time():
                original._found(*kind)
            original.close()
            _founded[kind] = original.folder, original.kinds
        founded, kinds = _founded[kind]
        shutil.copytree(founded, folder, dirs_exist_ok=True)
        for config in folder.glob("members/*/config.json"):  # holds absolute paths
            config.write_text(config.read_text().replace(str(founded), str(folder)))
        taskforce = cls(folder, kinds=dict(kinds))
        taskforce.open()
        return taskforce

    def _found(
        self, banks: tuple[str, ...], holders: int, agencies: tuple[str, ...], reviewers: tuple[str, ...]
    ) -> None:
        self.kinds |= dict.fromkeys(agencies, ("law_enforcement", "law_enforcement"))
        self.kinds |= dict.fromkeys(reviewers, ("regulator", "regulation"))
        self._make_authorities(holders)
        self.open()
        self._propose()
        for member_id in (*banks, *agencies):
            self.enrol(member_id)
        for member_id in reviewers:
            self.enrol(member_id, "--role", "analyst=reviewer")
        self.sign((*banks, *agencies))

    @property
    def database(self) -> Database:
        """The exchange's."""
        return self.exchange.database

    def open(self) -> None:
        """Start the servers on what lies in the folder."""
        for home in sorted((self.folder / "holders").iterdir()):
            config = load_config(home)
            database = open_database(config.database_url)
            self.closing.append(database.dispose)
            app = create_holder_app(open_settings(config, HOLDER_PASSPHRASE), database=database, clock=now)
            self.applications[config.url] = app
        receipt, log = ((self.folder / f"{name}.seed").read_bytes() for name in ("receipt", "log"))
        root = Root.load(self.folder / "registrars.json")
        self.exchange = Taskforce(
            f"sqlite:///{self.folder / 'exchange.db'}",
            self.folder,
            now,
            LOG_STALE_SECONDS,
            ExchangeKeys(root, SigningKey.from_seed(receipt), NoteSigner(ORIGIN, log)),
            url=EXCHANGE_URL,
            tick_seconds=1,
            # One taskforce serves the tests of a file: how many calls they make in a minute is the machine's affair.
            requests_per_minute=LARGEST_LIMIT,
            unsigned_requests_per_minute=LARGEST_LIMIT,
        )
        self.closing.append(self.exchange.close)
        self.applications[EXCHANGE_URL] = self.exchange.app

    def close(self) -> None:
        """Let go of the databases."""
        for close in self.closing:
            close()

    def _make_authorities(self, holders: int) -> None:
        registrar = run_member(self.home("registrar"), "registrar", "init", "necc", *self._registrar_passphrase())
        entry = {name: registrar.document[name] for name in ("registrar_id", "public_key")}
        root = {"quorum": 1, "registrars": [entry]}
        (self.folder / "registrars.json").write_text(json.dumps(root))
        configs = []
        for number in range(1, holders + 1):
            home = self.folder / "holders" / f"holder-{number}"
            home.parent.mkdir(exist_ok=True, mode=0o700)
            url = f"http://holder-{number}.test"
            config = create_home(home, f"holder-{number}", url, Root.parse(root), HOLDER_PASSPHRASE)
            database = open_database(config.database_url)
            database.migrate()
            database.dispose()
            configs.append(config)
        draft = hold_ceremony([(config, HOLDER_PASSPHRASE) for config in configs], 1, 2)
        (self.folder / "epoch.json").write_bytes(msgspec.json.encode(draft))
        for name in ("receipt", "log"):
            (self.folder / f"{name}.seed").write_bytes(secrets.token_bytes(32))

    def _registrar_passphrase(self) -> tuple[str, str]:
        return "--passphrase-file", str(
            write_secret_file(self.folder / "passphrases" / "registrar", "words of a registrar")
        )

    def _propose(self) -> None:
        draft = json.loads((self.folder / "epoch.json").read_text())
        draft |= {"sequence": 1, "issued_at": to_rfc3339(now())}
        epoch = parse_statement(canonical_json(draft))
        vkey, receipt_key = self.exchange.settings.log_vkey, self.exchange.receipt_key.public_bytes
        exchange = ExchangeStatement(1, now(), "test", EXCHANGE_URL, ORIGIN, vkey, receipt_key)
        propose_statement(self.database, "epoch", "1", lambda sequence: epoch, now())
        propose_statement(self.database, "exchange", "test", lambda sequence: exchange, now())

    def home(self, member_id: str) -> Path:
        """A member's home."""
        return self.folder / "members" / member_id

    def passphrase_dir(self, member_id: str) -> Path:
        """A member's passphrases, made if they are missing."""
        folder = self.folder / "passphrases" / member_id
        for name in ("analyst", "authoriser"):
            write_secret_file(folder / name, f"passphrase of {name}")
        return folder

    def invite(self, member_id: str) -> str:
        """A one-time code."""
        kind, sector = self.kinds.get(member_id, ("financial_institution", "banking"))
        return self.exchange.invite(member_id, f"Bank {member_id}", kind, sector, book=1_000_000)

    def enrol(self, member_id: str, *options: str) -> None:
        """Make a member's home and let it join."""
        home = self.home(member_id)
        passphrases = str(self.passphrase_dir(member_id))
        made = run_member(
            home, "init", "--member-id", member_id, "--sandbox", "--passphrase-dir", passphrases, *options
        )
        assert made.status == 0, made.document
        joined = self.run(member_id, "join", self.invite(member_id), "--yes")
        assert joined.status == 0, joined.document
        settings = [part for pair in DEFAULTS.items() for part in pair]
        assert self.run(member_id, "config", "set", *settings).status == 0

    def sign_group(self, group_id: str, kind: GroupKind, members: tuple[str, ...]) -> None:
        """The registrar signs what waits, and a new group of these members."""
        group = GroupStatement(1, now(), group_id, "all", kind, "all", None, GroupState.OPEN, frozenset(members))
        propose_statement(self.database, "group", group_id, lambda sequence: group, now())
        approved = self.approve_waiting()
        assert approved.status == 0, approved.document

    def approve_waiting(self) -> Ran:
        """The registrar reads what waits, and signs what it was shown."""
        registrar = ("registrar", "--as", "registrar", "registrar")
        pending = self.run(*registrar, "pending")
        assert pending.status == 0, pending.document
        waiting = pending.document["proposals"]
        digests = [part for each in waiting for part in ("--digest", each["digest"])]
        return self.run(*registrar, "approve", *[each["proposal_id"] for each in waiting], *digests)

    def sign_file(self, draft: Path) -> None:
        """The registrar reads a draft, signs it off line, and hands it in."""
        (shown,) = self.run("registrar", "registrar", "show", str(draft)).document["proposals"]
        out = draft.with_suffix(".signed")
        signed = self.run("registrar", "registrar", "sign", str(draft), "--digest", shown["digest"], "--out", str(out))
        assert signed.status == 0, signed.document
        submitted = self.run("registrar", "registrar", "submit", str(out))
        assert submitted.status == 0, submitted.document

    def sign(self, members: tuple[str, ...]) -> None:
        """The registrar signs what waits, and a group of these members; the holders allow them."""
        root = str(self.folder / "registrars.json")
        registrar = ("registrar", "--as", "registrar")
        connected = self.run(*registrar, "registrar", "connect", "--exchange-url", EXCHANGE_URL, "--registrars", root)
        assert connected.status == 0, connected.document
        self.sign_group(GROUP, GroupKind.TASKFORCE, members)
        for home in (self.folder / "holders").iterdir():
            database = open_database(load_config(home).database_url)
            with database.transaction() as connection:
                for member_id in members:
                    holder_store.allow_member(connection, member_id, 1_000_000, now())
            database.dispose()

    def around(self) -> RuntimeEnvironment:
        """How the member program reaches the servers. While it sleeps, the sequencer works."""
        return RuntimeEnvironment(now, lambda seconds: self.tick(), self._transport, patience=2.0)

    def _transport(self, url: str) -> httpx.BaseTransport:
        if url not in self.applications:
            return httpx.MockTransport(_unreachable)
        return httpx.WSGITransport(_with_raw_uri(self.applications[url]))

    def run(self, member_id: str, *arguments: str, as_json: bool = True, typed: str | None = None) -> Ran:
        """Run the member program for one of the members; `typed` is what comes from its standard input."""
        return run_member(self.home(member_id), *arguments, around=self.around(), as_json=as_json, typed=typed)

    @contextmanager
    def losing_answers(self, path: str) -> Iterator[None]:
        """While it lasts, the exchange does what is asked under a path that ends so, and its answers are lost."""
        honest = self.applications[EXCHANGE_URL]

        def losing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            answer = list(honest(environ, start_response))
            if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].endswith(path):
                raise httpx.ReadError("the answer is lost")
            return answer

        self.applications[EXCHANGE_URL] = losing
        try:
            yield
        finally:
            self.applications[EXCHANGE_URL] = honest

    @contextmanager
    def noting_posts(self, path: str) -> Iterator[list[dict[str, Any]]]:
        """While it lasts, what the exchange is sent under a path that ends so is noted."""
        honest = self.applications[EXCHANGE_URL]
        sent: list[dict[str, Any]] = []

        def noting(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].endswith(path):
                body = environ["wsgi.input"].read()
                environ["wsgi.input"] = io.BytesIO(body)
                sent.append(json.loads(body))
            return honest(environ, start_response)

        self.applications[EXCHANGE_URL] = noting
        try:
            yield sent
        finally:
            self.applications[EXCHANGE_URL] = honest

    @contextmanager
    def garbling_answers(self, path: str, *, does: bool = True, status: str = "200 OK") -> Iterator[list[bytes]]:
        """While it lasts, something in between answers a POST to a path that ends so with a page; the exchange does it
        or never sees it. Gives the bodies that were sent.
        """
        honest, seen = self.applications[EXCHANGE_URL], []

        def garbling(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            if environ["REQUEST_METHOD"] != "POST" or not environ["PATH_INFO"].endswith(path):
                return honest(environ, start_response)
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            seen.append(body)
            if does:
                b"".join(honest({**environ, "wsgi.input": io.BytesIO(body)}, start_nothing))
            start_response(status, [("Content-Type", "text/html")])
            return [b"<html>log in to this network</html>"]

        self.applications[EXCHANGE_URL] = garbling
        try:
            yield seen
        finally:
            self.applications[EXCHANGE_URL] = honest

    def tick(self) -> None:
        """Give all that waits for the log its place."""
        self.exchange.tick(CARRIED_TICKS + 1)


def start_nothing(status: str, headers: list[tuple[str, str]], *rest: object) -> Callable[[bytes], object]:
    """An answer that nobody receives."""
    return len


_founded: dict[tuple[object, ...], tuple[Path, dict[str, tuple[str, str]]]] = {}


def _unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody is there", request=request)


def _with_raw_uri(app: WSGIApplication | Flask) -> WSGIApplication:
    """As gunicorn does: the request target as it came."""

    def called(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING", "")
        environ["RAW_URI"] = environ["PATH_INFO"] + (f"?{query}" if query else "")
        return app(environ, start_response)

    return called
