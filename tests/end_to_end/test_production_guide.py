"""docs/production.md is true: its blocks work as they stand there, one after the other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine

from exchange.programs.cli import program
from keys.holder.cli import cli as keyholder
from member.commands.cli import cli as member
from tests.ports import free_ports
from tests.postgresql import postgresql_server
from tests.sandbox_process import SCRIPTS
from tests.taskforce.member_program import run_member, write_secret_file
from tests.typed import run_typed

ROOT = Path(__file__).resolve().parent.parent.parent
GUIDE = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
MARKED = re.findall(r"^```(\w+) ?([\w ]*)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
BLOCKS = [(language, text) for language, mark, text in MARKED if mark in {"tried", "tried root"}]
# Debian's network and systemd, and an engine for containers: none is here. What such a block names is looked for below.
NOT_RUN = {("sh", "debian"), ("sh", "containers")}
NAMES = ("exchange.example", "keys-1.example", "keys-2.example", "keys-3.example")
VARIABLES = ("MEMBER_PASSPHRASE_FILE", "KEYHOLDER_PASSPHRASE_FILE")
IS_ROOT = os.geteuid() == 0


class Country:
    """The machines of the guide in one folder: its paths, addresses and users stand for others here.

    As root the users are real ones of this test. They may read what root may, since the environment with the programs
    can lie where only root enters; what they write, and whose their files are, is as on a machine of their own. Without
    root both users are the one that runs the test.
    """

    def __init__(self, folder: Path, database_port: int) -> None:
        self.folder = folder
        self.ports = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
        self.database_port = database_port
        self.users = {name: f"guide-{name[:4]}-{os.getpid()}" for name in ("exchange", "keyholder")}
        self.functions: dict[str, str] = {}
        self.code = self.fingerprint = ""
        for path in ("passphrase", "holder-1.passphrase"):
            (folder / path).write_text("words for the passphrase\n")
            (folder / path).chmod(0o600)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}
        self.environment |= {name: str(folder / "passphrase") for name in VARIABLES}
        self.environment |= {"PATH": f"{SCRIPTS}:{os.environ['PATH']}", "EXCHANGE_TICK_SECONDS": "1"}

    def here(self, block: str) -> str:
        """A block of the guide with this machine's places."""
        for name, port in self.ports.items():
            block = block.replace(f"https://{name}", f"http://127.0.0.1:{port}")
        block = block.replace("127.0.0.1:5432", f"127.0.0.1:{self.database_port}")
        block = re.sub(r"/(srv|etc)/(exchange|keyholder)", rf"{self.folder}/\1-\2", block)
        block = block.replace("docs/template.csv", str(ROOT / "docs" / "template.csv"))
        for name, user in self.users.items():
            if IS_ROOT:
                block = re.sub(rf"(-[og]|nologin) {name}\b", rf"\1 {user}", block)
                block = block.replace(f"{name}:{name} {self.folder}", f"{user}:{user} {self.folder}")
            else:
                block = re.sub(rf"^useradd .*\n|-[og] {name} ", "", block, flags=re.MULTILINE)
                block = block.replace(f" && chown -R {name}:{name} {self.folder}/srv-{name}", "")
            block = block.replace(f"runuser -u {name} -- ", " ".join([*self.as_user(name), ""]).lstrip())
        return block.replace("CODE", self.code).replace("FINGERPRINT", self.fingerprint)

    def as_user(self, name: str) -> list[str]:
        """What makes a command one of a user of the guide."""
        if not IS_ROOT:
            return []
        reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        return ["setpriv", f"--reuid={self.users[name]}", f"--regid={self.users[name]}", "--clear-groups", *reading]

    def run(self, block: str) -> str:
        """Run a command block; what it printed. ID and DIGEST stand for those of every proposal that is shown."""
        if " approve ID --digest DIGEST" in block:
            shown = json.loads(self.run(f"{block.partition(' approve ')[0]} pending --json"))["proposals"]
            ids = " ".join(each["proposal_id"] for each in shown)
            digests = " ".join(f"--digest {each['digest']}" for each in shown)
            block = block.replace("ID --digest DIGEST", f"{ids} {digests}")
        functions = [text for place, text in self.functions.items() if place in block]
        done = subprocess.run(
            ["bash", "-euc", "\n".join(["umask 077", *functions, self.here(block)])],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (block, done.stdout, done.stderr)
        for line in re.findall(r"^\w+\(\) \{.*$", block, re.MULTILINE):
            self.functions[f"/srv/{line.partition('(')[0]}"] = self.here(line)
        for found in re.findall(r"^(ey[\w-]{200,})$", done.stdout, re.MULTILINE):
            self.code = found
        for found in re.findall(r"registrars' fingerprint ([0-9a-f]{64})", done.stdout):
            self.fingerprint = found
        return done.stdout

    superuser_url = ""

    def run_sql(self, block: str) -> None:
        """Run statements as the database's superuser."""
        engine = create_engine(self.superuser_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in filter(str.strip, block.split(";")):
                connection.exec_driver_sql(statement)
        engine.dispose()

    @contextmanager
    def services(self) -> Iterator[None]:
        """The units of the guide, started as their ExecStart says."""
        started: list[subprocess.Popen[bytes]] = []
        for name in ("exchange", "exchange-worker", "keyholder", "holder-2", "holder-3"):
            unit = ROOT / "deploy" / f"{name.replace('holder-2', 'keyholder').replace('holder-3', 'keyholder')}.service"
            text = unit.read_text(encoding="utf-8")
            (command,) = re.findall(r"^ExecStart=\S+/(.*)$", text, re.MULTILINE)
            (user,) = re.findall(r"^User=(.*)$", text, re.MULTILINE)
            server = {"exchange": NAMES[0], "keyholder": NAMES[1], "holder-2": NAMES[2], "holder-3": NAMES[3]}.get(name)
            if server:
                command = re.sub(r"--port \d+", f"--port {self.ports[server]}", command)
            command = re.sub(r"--workers \d+", "--workers 1", command)
            if name.startswith("holder-"):  # another machine: its home lies here, and is root's
                start, environment = command.replace("/srv/keyholder", name).split(), self.environment
            else:
                start = [*self.as_user(user), *self.here(command).split()]
                given = dict(re.findall(r"^Environment=(\w+)=(.*)$", self.here(text), re.MULTILINE))
                environment = {**given, "PATH": self.environment["PATH"], "EXCHANGE_TICK_SECONDS": "1"}
            log = (self.folder / f"{len(started)}.log").open("wb")
            with log:
                started.append(subprocess.Popen(start, cwd=self.folder, env=environment, stdout=log, stderr=log))
        try:
            for port in self.ports.values():
                wait_for(f"http://127.0.0.1:{port}/healthz")
            yield
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(60)


def wait_for(url: str) -> None:
    """Return once the URL answers 200."""
    ends_at = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
                assert answer.status == 200
                return
        except (URLError, TimeoutError):
            assert time.monotonic() < ends_at, f"{url} does not answer"
            time.sleep(0.2)


@pytest.fixture
def country() -> Iterator[Country]:
    """The machines, with a PostgreSQL that asks all but its superuser for a password."""
    (port,) = free_ports(1)
    hba = Path(tempfile.mkdtemp(prefix="hba-", dir="/tmp"))
    hba.chmod(0o755)
    (hba / "hba").write_text("local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
    (hba / "hba").chmod(0o644)
    folder = Path(tempfile.mkdtemp(prefix="guide-", dir="/tmp"))  # where another user comes too
    folder.chmod(0o755)
    made = Country(folder, port)
    try:
        with postgresql_server("listen_addresses=127.0.0.1", f"port={port}", f"hba_file={hba / 'hba'}") as server:
            made.superuser_url = server.url()
            yield made
    finally:
        shutil.rmtree(hba)
        shutil.rmtree(folder)
        for user in made.users.values() if IS_ROOT else ():
            subprocess.run(["userdel", user], check=False, capture_output=True)


@pytest.mark.timeout(1200)  # some thirty processes, one after the other
def test_the_guide_leads_from_nothing_to_a_verified_log(country: Country) -> None:
    (starts,) = [
        number
        for number, (_, block) in enumerate(BLOCKS)
        if " init --registrars " in block and "exchange" in block.split()
    ]
    for language, block in BLOCKS[: starts + 1]:
        country.run_sql(block) if language == "sql" else country.run(block)
    said = []
    with country.services():
        for _, block in BLOCKS[starts + 1 :]:
            # Each line that ends a command by itself, so that the next can use the code that it printed.
            for line in re.split(r"(?<!\\)\n", block.strip()):
                said.append(country.run(line))
        assert "all is well" in country.run("exchange --home /srv/exchange doctor")
    whole = "\n".join(said)
    assert "epoch 1: effective (2/2)" in whole
    assert "group taskforce: effective (2/2)" in whole
    assert "9 rows: 9 accepted" in whole
    assert re.search(r"verified: [1-9]\d* entr(y|ies) of ours, 1 receipts?\b", whole)
    backup = country.folder / "srv-exchange" / "backup-1.age"
    assert backup.stat().st_mode & 0o077 == 0
    homes = [path for name in ("srv-exchange", "srv-keyholder") for path in (country.folder / name).rglob("*")]
    if IS_ROOT:
        assert {path.owner() for path in homes} == set(country.users.values())


def test_every_block_of_the_guide_is_run_or_says_why_not() -> None:
    fences = len(re.findall(r"^ *```", GUIDE, re.MULTILINE))
    assert len(MARKED) * 2 == fences
    assert {(language, mark) for language, mark, _ in MARKED} <= NOT_RUN | {
        ("sh", "tried"),
        ("sh", "tried root"),
        ("sh", "typed"),
        ("sql", "tried"),
    }


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A one-time code for bank-a of an exchange that serves."""
    (port,) = free_ports(1)
    home, words = tmp_path / "exchange", write_secret_file(tmp_path / "words" / "exchange", "words of an exchange")
    made = run_member(tmp_path / "necc", "registrar", "init", "necc", "--passphrase-file", str(words)).document
    root = {"quorum": 1, "registrars": [{name: made[name] for name in ("registrar_id", "public_key")}]}
    (tmp_path / "registrars.json").write_text(json.dumps(root))

    def run(*arguments: str) -> dict[str, Any]:
        done = CliRunner().invoke(program, ["--home", str(home), *arguments, "--json"])
        assert done.exit_code == 0, done.output
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    place = ("--url", f"http://127.0.0.1:{port}", "--exchange-id", "uk", "--passphrase-file", str(words))
    run("init", "--registrars", str(tmp_path / "registrars.json"), *place)
    book = ("--sector", "banking", "--declared-book", "1000")
    code = run("member", "enrol", "bank-a", "--kind", "financial_institution", "--name", "Bank A", *book)["code"]
    serve = [str(SCRIPTS / "exchange"), "--home", str(home), "serve", "--port", str(port), "--workers", "1"]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(serve, stdout=log, stderr=log) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/healthz")
            yield code
        finally:
            process.terminate()


@pytest.mark.timeout(600)  # six processes, each of which makes or opens keys
def test_two_people_of_a_member_join_as_the_guide_says(served: str, tmp_path: Path) -> None:
    (block,) = [text for language, mark, text in MARKED if (language, mark) == ("sh", "typed")]
    words = {"analyst": "her own twelve words", "authoriser": "his own dozen words"}
    fingerprint, said = "", []
    for line in block.strip().splitlines():
        command, _, who = line.partition(" # ")
        command = command.replace("/srv/bank-a", str(tmp_path / "bank-a")).replace("CODE", served)
        if command.startswith("install"):
            subprocess.run(command.replace("-g bank-a-people ", "").split(), check=True)
            continue
        for person in [name for name in words if f"the {name}" in who] or list(words):
            arguments = command.replace("~", str(tmp_path / person)).replace("FINGERPRINT", fingerprint).split()[1:]
            typed = [words[person]] * (2 if " init " in command else 1)
            done = run_typed("member", arguments, *(["y"] if " join " in command else []), *typed)
            assert done.status == 0, (command, done.printed, done.screen)
            found = re.search(r"fingerprint:? ([0-9a-f ]{64,})", done.printed)
            fingerprint = fingerprint if found is None else found[1].replace(" ", "")
            said.append(done.printed)
    assert "is sent when authoriser gives the same command" in said[-2]
    assert "it takes effect when the registrars have signed" in said[-1]


def test_what_a_block_that_is_not_run_names_is_there() -> None:
    text = "\n".join(block for language, mark, block in MARKED if (language, mark) in NOT_RUN)
    files = re.findall(r"(?:/opt/exchange/)?(deploy/[\w.-]+)", text)
    assert len(files) >= 6
    assert all((ROOT / name).is_file() for name in files)
    units = re.findall(r"systemctl enable --now ([a-z -]+)", text)
    assert all((ROOT / "deploy" / f"{name}.service").is_file() for line in units for name in line.split())
    assert {path.name for path in SCRIPTS.iterdir()} >= set(re.findall(r"/opt/exchange/\.venv/bin/(\w+)", text))
    services = (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    for line in re.findall(r"up --detach (.*)|run --rm (.*)", text):
        assert all(f"  {name}:\n" in services for name in " ".join(line).split())


def test_the_guide_names_no_command_that_is_not_there() -> None:
    programs: dict[str, click.Command] = {"exchange": program, "keyholder": keyholder, "member": member}
    named = re.findall(r"\b(exchange|member|keyholder)(?: --(?:home|as) \S+)+((?: [a-z][a-z-]+)+)", GUIDE)
    assert len(named) > 15
    for name, words in named:
        command = programs[name]
        for word in words.split():
            if isinstance(command, click.Group):
                assert word in command.commands, (name, words)
                command = command.commands[word]
