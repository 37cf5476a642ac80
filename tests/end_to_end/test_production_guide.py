"""docs/production.md is true: its blocks marked `tried` work as they stand there, one after the other."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import click
import pytest

from exchange.cli import program
from keys.holder.cli import cli as keyholder
from member.cli import cli as member
from tests.sandbox_process import SCRIPTS

ROOT = Path(__file__).resolve().parent.parent.parent
GUIDE = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh tried\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
NAMES = ("exchange.example", "keys-1.example", "keys-2.example", "keys-3.example")
VARIABLES = ("MEMBER_PASSPHRASE_FILE", "EXCHANGE_PASSPHRASE_FILE", "KEYHOLDER_PASSPHRASE_FILE")


class Country:
    """The machines of the guide in one folder: its paths and addresses stand for others here."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.ports = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
        self.database_url = database_url
        self.code = self.fingerprint = ""
        for path in ("passphrase", "backup-passphrase"):
            (folder / path).write_text(f"words for the {path}\n")
            (folder / path).chmod(0o600)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}
        self.environment |= {name: str(folder / "passphrase") for name in VARIABLES}
        self.environment |= {"PATH": f"{SCRIPTS}:{os.environ['PATH']}", "EXCHANGE_TICK_SECONDS": "1"}

    def here(self, block: str) -> str:
        """A block of the guide with this machine's places."""
        for name, port in self.ports.items():
            block = block.replace(f"https://{name}", f"http://127.0.0.1:{port}")
        block = block.replace("postgresql+psycopg://exchange@db.example/exchange", self.database_url)
        block = block.replace("/srv/exchange", "exchange").replace("/etc/exchange/", "")
        block = block.replace("docs/template.csv", str(ROOT / "docs" / "template.csv"))
        return block.replace("CODE", self.code).replace("FINGERPRINT", self.fingerprint)

    def run(self, block: str) -> str:
        """Run a command block; what it printed. ID and DIGEST stand for those of every proposal that is shown."""
        if " approve ID --digest DIGEST" in block:
            shown = json.loads(self.run(f"{block.partition(' approve ')[0]} pending --json"))["proposals"]
            ids = " ".join(each["proposal_id"] for each in shown)
            digests = " ".join(f"--digest {each['digest']}" for each in shown)
            block = block.replace("ID --digest DIGEST", f"{ids} {digests}")
        done = subprocess.run(
            ["bash", "-euc", f"umask 077\n{self.here(block)}"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (block, done.stdout, done.stderr)
        for found in re.findall(r"^(ey[\w-]{200,})$", done.stdout, re.MULTILINE):
            self.code = found
        for found in re.findall(r"registrars' fingerprint ([0-9a-f]{64})", done.stdout):
            self.fingerprint = found
        return done.stdout

    @contextmanager
    def services(self) -> Iterator[None]:
        """The units of the guide, started as their ExecStart says."""
        started: list[subprocess.Popen[bytes]] = []
        for name in ("exchange", "exchange-worker", "keyholder", "keyholder", "keyholder"):
            unit = (ROOT / "deploy" / f"{name}.service").read_text(encoding="utf-8")
            (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
            place = f"holder-{len(started) - 1}" if name == "keyholder" else "exchange"
            port = (
                self.ports["exchange.example" if name == "exchange" else f"keys-{len(started) - 1}.example"]
                if ("--port" in command)
                else 0
            )
            command = re.sub(r"/srv/\w+", place, re.sub(r"^\S+/", f"{SCRIPTS}/", command))
            command = re.sub(r"--port \d+", f"--port {port}", re.sub(r"--workers \d+", "--workers 1", command))
            log = (self.folder / f"{len(started)}.log").open("wb")
            with log:
                started.append(
                    subprocess.Popen(command.split(), cwd=self.folder, env=self.environment, stdout=log, stderr=log)
                )
        try:
            for port in self.ports.values():
                wait_for(f"http://127.0.0.1:{port}/healthz")
            yield
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(60)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(url: str) -> None:
    """Return once the URL answers 200."""
    ends_at = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
                assert answer.status == 200
                return
        except URLError:
            assert time.monotonic() < ends_at, f"{url} does not answer"
            time.sleep(0.2)


@pytest.mark.timeout(1200)  # some thirty processes, one after the other
def test_the_guide_leads_from_nothing_to_a_verified_log(tmp_path: Path, postgresql_url: str) -> None:
    country = Country(tmp_path, postgresql_url)
    (starts,) = [number for number, block in enumerate(BLOCKS) if " init --registrars " in block]
    for block in BLOCKS[: starts + 1]:
        country.run(block)
    said = []
    with country.services():
        for block in BLOCKS[starts + 1 :]:
            # Each line that ends a command by itself, so that the next can use the code that it printed.
            for line in re.split(r"(?<!\\)\n", block.strip()):
                said.append(country.run(line))
    whole = "\n".join(said)
    assert "epoch 1: effective (2/2)" in whole
    assert "group taskforce: effective (2/2)" in whole
    assert "9 rows: 9 accepted" in whole
    assert re.search(r"verified: [1-9]\d* entries of ours, 1 receipts", whole)
    assert (tmp_path / "backup-1.age").stat().st_mode & 0o077 == 0


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
