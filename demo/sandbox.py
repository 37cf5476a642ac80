"""A whole taskforce on loopback, for trying out, for acceptance runs and for the demonstration.

It drives the three programs as a person would, as processes: key holders with a dealt key, the exchange and its worker,
members with two representatives each, all in one sharing group, and the coordinator `necc`, whose registrar signs every
statement. Passphrases lie in files of the sandbox and nowhere else. A second start on the same folder finds all again.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sysconfig
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from demo.answers import (
    Done,
    Drafted,
    HomeKeys,
    Invited,
    NewHome,
    PrintedToken,
    RegistrarKey,
    WaitingDraft,
    WaitingDrafts,
)
from demo.load import store_generated_rows
from demo.plan import (
    COORDINATOR,
    LOAD_MEMBERS,
    DescribedMember,
    DescribedTaxii,
    SandboxDescription,
    SandboxPlan,
    SandboxState,
)
from demo.steps import SandboxError, free_ports, read_taxii, refuse_used_ports, run_command, write_atomically
from demo.supervisor import SupervisedProgram, Supervisor
from exchange.configuration.settings import load_settings
from exchange.kernel.session import create_database
from keys.custody.files import make_private_folder, write_private_file
from schemas.alerts.feeds import TaxiiCollections, TaxiiDiscovery

GROUP = "taskforce"
_EVALUATIONS = 50_000_000
_STATEMENTS = {
    "necessity": "sandbox: nothing else says who holds the accounts of the case",
    "proportionality": "sandbox: only what the case is about, for as long as it lasts",
}
"""Defaults of members that may ask queries."""
_WAIT_SECONDS = 30.0
"""For another sandbox on the same folder to end: stopping its programs takes up to 20."""
_DEFAULTS = {
    "group": GROUP,
    "legal_gateway": "CCA2013_s7",
    "purpose": "sandbox: finding accounts that launder across institutions",
    "theme": "money_mules",
    "expires_days": "365",
}
_SECTORS = {
    "financial_institution": "banking",
    "law_enforcement": "law_enforcement",
    "regulator": "regulation",
}


class Sandbox:
    """One sandbox in one folder."""

    def __init__(self, folder: Path, report: Callable[[str], None] = lambda text: None) -> None:
        self.folder = folder.resolve()
        self._report = report
        self._state = SandboxState(SandboxPlan())
        self._taxii: DescribedTaxii | None = None
        self._lock: int | None = None
        self._drafts: set[str] = set()  # digests of the statements drafted here: a proposal's id is its digest
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("EXCHANGE_", "KEYHOLDER_", "MEMBER_"))}
        self.supervisor = Supervisor(environment, changed=self._write_description)

    @property
    def plan(self) -> SandboxPlan:
        return self._state.plan

    # -- where things lie

    @property
    def description_file(self) -> Path:
        return self.folder / "sandbox.json"

    def member_home(self, member_id: str) -> Path:
        return self.folder / "members" / member_id

    def _holder_home(self, index: int) -> Path:
        return self.folder / "holders" / f"holder-{index}"

    @property
    def _exchange_home(self) -> Path:
        return self.folder / "exchange"

    @property
    def _feed_tokens_file(self) -> Path:
        return self.folder / "feed-tokens.json"

    @property
    def exchange_url(self) -> str:
        return f"http://127.0.0.1:{self._state.ports['exchange']}"

    @property
    def holder_urls(self) -> list[str]:
        ports = self._state.ports
        return [f"http://127.0.0.1:{ports[f'holder-{index}']}" for index in self._holder_indices]

    @property
    def _holder_indices(self) -> range:
        return range(1, self.plan.holders + 1)

    def _passphrase(self, *names: str) -> Path:
        path = self.folder.joinpath("passphrases", *names)
        if not path.exists():
            make_private_folder(path.parent)
            write_private_file(path, secrets.token_urlsafe(24).encode() + b"\n")
        return path

    # -- the steps

    def start(self, plan: SandboxPlan, chosen: Iterable[str] = ()) -> SandboxDescription:
        """Set up if the folder is new, start all programs, and write sandbox.json when all is ready.

        On a second start the plan of the first holds; the fields of `plan` named in `chosen` must agree with it.
        Raises SandboxError, ProgramNotReadyError.
        """
        self._lock_folder()
        state_file = self.folder / "state.json"
        self.description_file.unlink(missing_ok=True)
        if state_file.exists():
            self._load_state(state_file, plan, chosen)
            refuse_used_ports(self._state.ports)
            run_command(Done, "exchange", "--home", str(self._exchange_home), "upgrade")
            self._start_programs()
        else:
            self._state = SandboxState(plan)
            self._set_up(state_file)
        self._taxii = self._find_collections()
        self._write_description()
        return self.describe()

    def _lock_folder(self) -> None:
        """Keep every other sandbox off the folder until this one has stopped."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock, deadline, is_told = os.open(self.folder, os.O_RDONLY), time.monotonic() + _WAIT_SECONDS, False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(lock)
                    raise SandboxError(f"a sandbox runs in {self.folder}: stop it, or take another folder") from None
                if not is_told:
                    self._report(f"a sandbox runs in {self.folder}; waiting for it to stop")
                is_told = True
                time.sleep(0.2)
            else:
                self._lock = lock
                return

    def _load_state(self, state_file: Path, plan: SandboxPlan, chosen: Iterable[str]) -> None:
        self._state = msgspec.json.decode(state_file.read_bytes(), type=SandboxState)
        for name in chosen:
            if getattr(plan, name) != getattr(self.plan, name):
                raise SandboxError(
                    f"{self.folder} was set up with another --{name}: leave it out, or take a new folder"
                )

    def _set_up(self, state_file: Path) -> None:
        if self.folder.exists() and any(self.folder.iterdir()):
            raise SandboxError(f"{self.folder} is not empty and holds no finished sandbox: take a new folder")
        if self.plan.port:
            refuse_used_ports({"exchange": self.plan.port})
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)  # the database URL in it may hold a password
        for name in ("logs", "passphrases", "members", "holders"):
            (self.folder / name).mkdir(mode=0o700)
        names = ["exchange", *(f"holder-{index}" for index in self._holder_indices)]
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        if self.plan.port:
            ports["exchange"] = self.plan.port
        self._state.ports = ports
        self._set_up_authorities()
        self._start_programs()
        self._enrol_members()
        self._sign_and_allow()
        self._make_feed_tokens()
        if self.plan.indicators:
            self._store_generated_rows()
        if self.plan.alerts:
            self._publish_generated_alerts()
        write_atomically(state_file, self._state)

    def _set_up_authorities(self) -> None:
        self._report("the registrar, the exchange and the key holders make their keys")
        home = str(self.member_home(COORDINATOR))
        registrar = run_command(
            RegistrarKey,
            *("member", "--home", home, "registrar", "init", COORDINATOR),
            *("--passphrase-file", str(self._passphrase(COORDINATOR, "registrar"))),
        )
        self._write_registrars(registrar)
        with ThreadPoolExecutor(2) as pool:
            exchange = pool.submit(self._init_exchange)
            list(pool.map(self._init_holder, self._holder_indices))
            self._state.log = exchange.result().log
            self._drafts.add(exchange.result().proposal_id)
        homes = [part for index in self._holder_indices for part in ("--home", str(self._holder_home(index)))]
        epoch_file = self.folder / "epoch.json"
        run_command(
            Done,
            *("keyholder", "ceremony", "--epoch", "1", "--threshold", str(self.plan.threshold)),
            *(*homes, "--out", str(epoch_file)),
        )
        exchange_home = ("exchange", "--home", str(self._exchange_home))
        proposed = run_command(Drafted, *exchange_home, "epoch", "propose", str(epoch_file))
        self._drafts.add(proposed.proposal_id)

    @property
    def _registrars_file(self) -> Path:
        return self.folder / "registrars.json"

    def _write_registrars(self, registrar: RegistrarKey) -> None:
        write_atomically(self._registrars_file, {"quorum": 1, "registrars": [registrar]})

    def _init_exchange(self) -> NewHome:
        database = ["--database-url", self.plan.database_url] if self.plan.database_url else []
        return run_command(
            NewHome,
            *("exchange", "--home", str(self._exchange_home), "init", "--registrars", str(self._registrars_file)),
            *("--url", self.exchange_url, "--exchange-id", "sandbox", "--tick-seconds", "1"),
            *("--passphrase-file", str(self._passphrase("exchange")), *database),
        )

    def _init_holder(self, index: int) -> None:
        run_command(
            Done,
            *("keyholder", "--home", str(self._holder_home(index)), "init", "--holder-id", f"holder-{index}"),
            *("--url", self.holder_urls[index - 1], "--registrars", str(self._registrars_file)),
            *("--passphrase-file", str(self._passphrase(f"holder-{index}"))),
        )

    def _start_programs(self) -> None:
        self._report("the exchange, its worker and the key holders start")
        scripts = Path(sysconfig.get_path("scripts"))
        exchange = [str(scripts / "exchange"), "--home", str(self._exchange_home)]
        port = str(self._state.ports["exchange"])
        programs = [
            SupervisedProgram(
                "exchange", [*exchange, "serve", "--port", port], self._log("exchange"), f"{self.exchange_url}/readyz"
            ),
            SupervisedProgram("worker", [*exchange, "worker"], self._log("worker")),
        ]
        for index, url in zip(self._holder_indices, self.holder_urls, strict=True):
            command = [str(scripts / "keyholder"), "--home", str(self._holder_home(index)), "serve"]
            port = str(self._state.ports[f"holder-{index}"])
            name = f"holder-{index}"
            programs.append(SupervisedProgram(name, [*command, "--port", port], self._log(name), f"{url}/healthz"))
        self.supervisor.start(*programs)

    def _log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def _enrol_members(self) -> None:
        self._report(f"{len(self.plan.members)} members enrol, each with two representatives")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._enrol_member, self.plan.members.items()))
        proposed = run_command(
            Drafted,
            *("exchange", "--home", str(self._exchange_home), "group", "create", GROUP, "--kind", "taskforce"),
            *("--objective", "the whole taskforce", "--members", ",".join(self.plan.in_group)),
        )
        self._drafts.add(proposed.proposal_id)

    def _enrol_member(self, member: tuple[str, str]) -> None:
        member_id, kind = member
        home = ["--home", str(self.member_home(member_id))]
        sector = _SECTORS[kind]
        code = run_command(
            Invited,
            *("exchange", "--home", str(self._exchange_home), "member", "enrol", member_id, "--kind", kind),
            *("--name", f"Sandbox {member_id}", "--sector", sector, "--declared-book", "1000000"),
        ).code
        for representative in ("analyst", "authoriser"):
            self._passphrase(member_id, representative)
        folder = str(self.folder / "passphrases" / member_id)
        roles = ["--role", "analyst=reviewer"] if member_id in self.plan.reviewers else []
        run_command(
            Done, "member", *home, "init", "--member-id", member_id, "--sandbox", "--passphrase-dir", folder, *roles
        )
        run_command(Done, "member", *home, "join", code, "--yes")
        defaults = _DEFAULTS | (_STATEMENTS if kind == "law_enforcement" else {})
        settings = [part for pair in defaults.items() for part in pair]
        run_command(Done, "member", *home, "config", "set", *settings)

    def _sign_and_allow(self) -> None:
        self._report("the registrar signs; the key holders allow the members")
        run_command(
            Done,
            *("member", "--home", str(self.member_home(COORDINATOR)), "--as", "registrar", "registrar", "connect"),
            *("--exchange-url", self.exchange_url, "--registrars", str(self._registrars_file)),
        )
        self._approve_own_drafts()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._allow_members, self._holder_indices))

    def _approve_own_drafts(self) -> None:
        """The registrar signs what this sandbox drafted itself, by digest, and nothing that waits beside it."""
        registrar = ("member", "--home", str(self.member_home(COORDINATOR)), "--as", "registrar", "registrar")
        waiting = run_command(WaitingDrafts, *registrar, "pending").proposals
        unknown = [each.proposal_id for each in waiting if not self._is_own_draft(each)]
        if unknown:
            raise SandboxError(f"proposals wait that this sandbox did not draft: {', '.join(unknown)}")
        ids = [each.proposal_id for each in waiting]
        digests = [part for each in waiting for part in ("--digest", each.digest)]
        run_command(Done, *registrar, "approve", *ids, *digests)

    def _is_own_draft(self, proposal: WaitingDraft) -> bool:
        """By what the programs said when they drafted it; a member's by the keys that lie in its home."""
        if proposal.type != "member":
            return proposal.digest in self._drafts
        stated = proposal.statement
        if stated.member_id not in self.plan.members:
            return False
        own = msgspec.json.decode((self.member_home(stated.member_id) / "config.json").read_bytes(), type=HomeKeys)
        keys = {each.public_key for each in own.representatives.values()}
        stated_keys = {each.public_key for each in stated.representatives}
        return stated_keys == keys and stated.encryption_key == own.encryption_key

    def _allow_members(self, index: int) -> None:
        home = ["keyholder", "--home", str(self._holder_home(index))]
        run_command(Done, *home, "allow", *self.plan.in_group, "--evaluations", str(_EVALUATIONS))

    def _store_generated_rows(self) -> None:
        database = create_database(load_settings(self._exchange_home).database_url)
        try:
            store_generated_rows(database, GROUP, LOAD_MEMBERS, self.plan.indicators, self._report)
        finally:
            database.dispose()

    def _publish_generated_alerts(self) -> None:
        self._report(f"{COORDINATOR} publishes {self.plan.alerts:,} generated alerts")
        run_command(
            Done,
            *("exchange", "--home", str(self._exchange_home), "alert", "generate", str(self.plan.alerts)),
            *("--member", COORDINATOR, "--group", GROUP),
        )

    def _make_feed_tokens(self) -> None:
        """Kept here in a private file: the exchange shows a token once, and a second start needs the same."""
        self._report("each member makes a token for its feed readers")
        with ThreadPoolExecutor(2) as pool:
            tokens = dict(zip(self.plan.members, pool.map(self._make_feed_token, self.plan.members), strict=True))
        write_private_file(self._feed_tokens_file, json.dumps(tokens, indent=2).encode() + b"\n")

    def _make_feed_token(self, member_id: str) -> str:
        home = str(self.member_home(member_id))
        return run_command(PrintedToken, "member", "--home", home, "feed", "token", "--name", "sandbox").token

    @property
    def _feed_tokens(self) -> dict[str, str]:
        """By member; none in a sandbox that was set up before there were feeds."""
        path = self._feed_tokens_file
        tokens: dict[str, str] = json.loads(path.read_bytes()) if path.exists() else {}
        return tokens

    def _find_collections(self) -> DescribedTaxii | None:
        """Where the feeds are, as a TAXII client finds it: the collections that any of the members may read."""
        discovery_url = f"{self.exchange_url}/taxii2/"
        collections: dict[str, str] = {}
        for token in self._feed_tokens.values():
            discovered = read_taxii(discovery_url, token, TaxiiDiscovery)
            if discovered is None:
                continue
            listed = read_taxii(f"{discovered.default}collections/", token, TaxiiCollections)
            for found in (listed and listed.collections) or ():
                collections[found.title] = found.id
        return DescribedTaxii(discovery_url, collections) if self._feed_tokens else None

    def _feeds(self) -> dict[str, str]:
        """Where the feeds of the taskforce's group are in their other forms, as `member feed addresses` lists them."""
        place = f"{self.exchange_url}/feeds"
        return {
            "atom": f"{place}/{GROUP}.atom",
            "json": f"{place}/{GROUP}.json",
            "misp": f"{place}/misp/{GROUP}/",
        }

    # -- what is disclosed

    def describe(self) -> SandboxDescription:
        """The document of sandbox.json."""
        tokens = self._feed_tokens
        return SandboxDescription(
            exchange_url=self.exchange_url,
            holders=self.holder_urls,
            threshold=self.plan.threshold,
            members={
                member_id: DescribedMember(str(self.member_home(member_id)), kind, tokens.get(member_id))
                for member_id, kind in self.plan.members.items()
            },
            log=self._state.log,
            taxii=self._taxii,
            feeds=self._feeds() if tokens else None,
            pids=self.supervisor.pids,
        )

    def _write_description(self) -> None:
        write_atomically(self.description_file, self.describe())

    def stop(self) -> None:
        """Stop all programs; the folder keeps everything. One that did not get the folder leaves it as it is."""
        self.supervisor.stop()
        if self._lock is not None:
            self.description_file.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None
