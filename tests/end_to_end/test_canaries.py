"""Secrets and identifiers through real programs, by good ways and bad ones; afterwards none lies anywhere it must not.

The taskforce runs on a PostgreSQL whose URL holds a password. What is looked for: accounts, phones and other
identifiers, what members write about them, tokens and detail keys, passphrases, seeds of signing keys, key shares,
enrolment codes, the database's password, and what a stranger writes into requests. Where: logs and standard error of
every program, error answers, metrics, the report, the database, the backup, and what the homes keep.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import psycopg
import pytest
import sqlalchemy

from exchange.configuration.settings import LOG_KEY_PURPOSE, RECEIPT_KEY_PURPOSE, key_path
from keys.custody.age_file import AgeReader
from keys.custody.files import read_secret
from keys.holder.settings import load_config, open_settings
from keys.oprf import group, threshold
from keys.oprf import protocol as oprf
from keys.oprf.tokens import oprf_input, split_output
from member.commands.shared.passphrases import unlock_representative
from member.identity.home import Home
from tests.canaries import Canaries
from tests.postgresql import PostgresqlServer, postgresql_server
from tests.sandbox_process import RunningSandbox, run, sandbox_process

pytestmark = pytest.mark.timeout(900)

PASSWORD = "pw-canary-5e1f0c9a77"
ACCOUNT = "20000055779913"
IDENTIFIERS = {
    "account": ACCOUNT,
    "phone": "+447700900871",
    "email": "canary.person@mule-canary.example",
    "wallet": f"0x{0xCA9A12 << 130:040x}",
    "bad phone": "call-canary-0770x",
    "bad account": "canary-account-12-34",
}
WRITTEN = {"narrative": "narrative canary he said hello", "reference": "case-canary-4711", "reason": "reason canary"}
COVERT = {
    "case": "OP-canary-9931",
    "purpose": "purpose canary the harbour master",
    "necessity": "necessity canary nobody else knows",
    "proportionality": "proportionality canary one account",
    "extension": "extension canary the handler is at work",
}
"""What an agency says of a covert query."""
STRANGER = {"stranger": "stranger-canary-8d72aa", "bearer": "bearer-canary-0b1e55", "nul": "nul-canary-77\0x"}
BACKUP_PASSPHRASE = "backup passphrase canary"


def test_the_forms_that_are_looked_for_are_found_wherever_they_stand() -> None:
    canaries = Canaries({"account": ACCOUNT.encode(), "seed": bytes(range(32))})
    for secret, name in ((ACCOUNT.encode(), "account"), (bytes(range(32)), "seed")):
        for before in (b"", b"x", b"xy", b"xyz"):
            for after in (b"", b"a", b"ab"):
                whole = before + secret + after
                for content in (whole, whole.hex().encode(), base64.b64encode(whole), base64.urlsafe_b64encode(whole)):
                    assert canaries.found_in(b"<" + content + b">") == {name}
        assert canaries.found_in(quote(secret).encode()) == {name}
    assert canaries.found_in(b"nothing of 20000055779914 is here") == set()


@dataclass
class Stage:
    """The running taskforce, what was said and answered on the way, and its secrets."""

    sandbox: RunningSandbox
    server: PostgresqlServer
    folder: Path
    said: list[bytes]

    def member(self, name: str, *arguments: str, wanted: int = 0) -> dict[str, Any]:
        done = self.sandbox.member(name, *arguments)
        assert done.status == wanted, (done.document, done.said)
        self.said.append(done.said.encode())
        return done.document

    def exchange(self, *arguments: str) -> dict[str, Any]:
        done = run("exchange", "--home", str(self.sandbox.folder / "exchange"), *arguments)
        assert done.status == 0, done.document
        self.said.append(done.said.encode())
        return done.document


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("canaries")
    with postgresql_server() as server:
        url = server.url().replace("postgres@", f"postgres:{PASSWORD}@")
        assert PASSWORD in url
        with sandbox_process(
            folder / "sandbox", "--banks", "a,b", "--agencies", "nca", "--database-url", url
        ) as sandbox:
            yield Stage(sandbox, server, folder, [])


def write_upload(path: Path) -> Path:
    """Good rows, bad rows, and a column of narrative."""
    kinds = {"account": "bank_account", "bad account": "bank_account", "bad phone": "phone"}
    lines = ["indicator_type,value,reason,first_seen,source_ref,note"]
    tail = f"{WRITTEN['reason']},,{WRITTEN['reference']},{WRITTEN['narrative']}"
    lines += [f"{kinds.get(name, name)},{value},{tail}" for name, value in IDENTIFIERS.items()]
    path.write_text("\n".join([*lines, ""]))
    return path


def ask_covertly(stage: Stage) -> None:
    """A covert query with a watch, approved, extended and reviewed. What its readers are shown is theirs to see."""
    today = datetime.now(UTC).date()
    days = [(today + timedelta(days=days)).isoformat() for days in (30, 60)]
    grounds = [part for name in list(COVERT)[:4] for part in (f"--{name}", COVERT[name])]
    asked = stage.member(
        *("nca", "query", "--type", "bank_account", ACCOUNT, *grounds, "--legal-gateway", "CCA2013_s7"),
        *("--authorised-by", "authoriser", "--watch", days[0], "--approve"),
    )
    assert asked["results"][0]["hit"]
    officer = ("nca", "--as", "authoriser", "query")
    longer = ("--until", days[1], "--watch", days[1], "--reason", COVERT["extension"])
    stage.member(*officer, "extend", asked["query_id"], *longer)
    for member_id in ("nca", "reviewer"):
        shown = stage.member(member_id, "query", "show", asked["query_id"])
        assert {name: shown[name] for name in list(COVERT)[:4]} == {name: COVERT[name] for name in list(COVERT)[:4]}
        assert shown["extensions"][0]["reason"] == COVERT["extension"]


def ask_badly(url: str, said: list[bytes]) -> None:
    """Requests of a stranger, wrong in every way, with canaries wherever something can be written."""
    word, nul = STRANGER["stranger"], STRANGER["nul"]
    headers = {"Authorization": f"Bearer {STRANGER['bearer']}", "Idempotency-Key": word, "Cookie": f"session={word}"}
    body = {"purpose": WRITTEN["narrative"], "value": ACCOUNT, "code": word, "member_id": word, word: nul}
    bodies = [json.dumps(body).encode(), word.encode(), b"[" * 10_000 + ACCOUNT.encode(), json.dumps([nul]).encode()]
    forged = f'sig1=("@method");created=1;keyid="{word}";alg="ed25519";nonce="{word}"'
    signed = {"Signature-Input": forged, "Signature": "sig1=:YWJj:", "Content-Type": "application/json"}
    with httpx.Client(base_url=url, headers=headers) as client:
        for path in ("/v1/submissions", "/v1/enrolments", "/v1/statements", "/v1/evaluations", f"/{word}/{ACCOUNT}"):
            for content in bodies:
                said.append(client.post(path, content=content, headers=signed).content)
        for path in (
            f"/v1/hits?since={word}",
            f"/log/tile/{word}/{ACCOUNT}",
            f"/log/entries?after={word}",
            f"/%00{word}",
        ):
            said.append(client.get(path).content)
    place = urlsplit(url)
    for raw in (
        f"GET /{word} HTTP/9.9\r\n\r\n",
        f"{word}\r\n\r\n",
        f"GET / HTTP/1.1\r\n{word}\r\n{ACCOUNT}: \0\r\n\r\n",
    ):
        with socket.create_connection((str(place.hostname), place.port or 80), timeout=30) as connection:
            connection.sendall(raw.encode())
            said.append(connection.recv(65_536))


@contextmanager
def database_down(server: PostgresqlServer) -> Iterator[None]:
    """Nobody reaches the exchange's database, as if the server had gone."""

    def tell(*statements: str) -> None:
        with psycopg.connect(host=str(server.socket_folder), user="postgres", dbname="template1") as connection:
            connection.autocommit = True
            for statement in statements:
                connection.execute(statement)

    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'"
    tell("ALTER DATABASE postgres ALLOW_CONNECTIONS false", end)
    try:
        yield
    finally:
        tell("ALTER DATABASE postgres ALLOW_CONNECTIONS true")


def act(stage: Stage) -> None:
    """Everything that can be done, well and badly."""
    upload = write_upload(stage.folder / "upload.csv")
    for bank in ("a", "b"):
        done = stage.member(bank, "submit", str(upload))
        assert (done["accepted"], len(done["rejected"])) == (4, 2)
    assert len(stage.member("a", "hits")["hits"]) == 4
    stage.member("a", "submit", str(upload), "--legal-gateway", "NONE", wanted=2)
    stage.member("a", "log", "verify")
    ask_covertly(stage)
    urls = [stage.sandbox.description["exchange_url"], *stage.sandbox.description["holders"]]
    for url in urls:
        ask_badly(url, stage.said)
    with database_down(stage.server):
        answer = httpx.get(f"{urls[0]}/readyz", timeout=60)
        assert answer.status_code == 503
        stage.said.append(answer.content)
        ask_badly(urls[0], stage.said)
        down = run("exchange", "--home", str(stage.sandbox.folder / "exchange"), "log", "status")
        assert down.status == 1
        stage.said += [down.said.encode(), json.dumps(down.document).encode()]
        time.sleep(2)  # the worker ticks every second, and fails
    deadline = time.monotonic() + 60
    while httpx.get(f"{urls[0]}/readyz", timeout=60).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    for url in urls:
        for path in ("/metrics", "/readyz", "/openapi.json"):
            stage.said.append(httpx.get(url + path).content)
    stage.said.append(json.dumps(stage.exchange("report")).encode())


def secrets_of(stage: Stage) -> dict[str, bytes]:
    """Every secret of every party, in the clear."""
    folder = stage.sandbox.folder
    found = {
        f"passphrase {path.name}": path.read_bytes().strip()
        for path in (folder / "passphrases").rglob("*")
        if path.is_file()
    }
    home = folder / "exchange"
    passphrase = (folder / "passphrases" / "exchange").read_bytes().strip()
    for name, purpose in (("log.key", LOG_KEY_PURPOSE), ("receipt.key", RECEIPT_KEY_PURPOSE)):
        found[name] = read_secret(key_path(home, name), passphrase, purpose)
    for bank in ("a", "b"):
        for representative in ("analyst", "authoriser"):
            unlocked = unlock_representative(Home.open(Path(stage.sandbox.home(bank))), representative)
            found[f"{bank}/{representative} seed"] = unlocked.identity.key.to_seed()
            found[f"{bank} vault key"] = unlocked.vault_key
    shares = []
    for holder in sorted((folder / "holders").iterdir()):
        opened = open_settings(load_config(holder), (folder / "passphrases" / holder.name).read_bytes().strip())
        shares.append(opened.shares[1])
        found[f"{holder.name} share"] = opened.shares[1].scalar
        found[f"{holder.name} seed"] = opened.signing_key.to_seed()
    quorum = (shares[0].index, shares[1].index)
    key = sum(group.scalar_to_int(threshold.scaled_share(share, quorum)) for share in shares[:2])
    output = oprf.evaluate_unblinded(group.scalar_from_int(key), oprf_input("n1", "bank_account", ACCOUNT))
    found |= {"token": split_output(output).token, "detail key": split_output(output).detail_key}
    return found


def decrypted_backup(stage: Stage) -> bytes:
    """What the operator's backup holds, opened."""
    file, passphrase = stage.folder / "backup.age", stage.folder / "backup-passphrase"
    passphrase.write_text(BACKUP_PASSPHRASE)
    passphrase.chmod(0o600)
    stage.exchange("backup", str(file), "--passphrase-file", str(passphrase))
    with file.open("rb") as stream:
        return gzip.decompress(io.BufferedReader(AgeReader(stream, BACKUP_PASSPHRASE.encode())).read())


def columns_of(url: str) -> bytes:
    """Every value of every column, binary ones as they are."""
    engine = sqlalchemy.create_engine(url)
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        rows = [row for table in metadata.tables.values() for row in connection.execute(table.select())]
    engine.dispose()
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)


def test_no_secret_and_no_identifier_lies_where_it_must_not(stage: Stage) -> None:
    code = stage.exchange(
        *("member", "enrol", "acme", "--kind", "telecom", "--name", "Acme", "--sector", "telecommunications"),
        *("--declared-book", "9"),
    )["code"]
    invitation = json.loads(base64.urlsafe_b64decode(code + "=" * (-len(code) % 4)))
    act(stage)
    known = secrets_of(stage)
    texts = {
        **IDENTIFIERS,
        **WRITTEN,
        **COVERT,
        **STRANGER,
        "database password": PASSWORD,
        "backup passphrase": BACKUP_PASSPHRASE,
    }
    known |= {name: value.encode() for name, value in texts.items()}
    known["enrolment code"] = invitation["secret"].encode()
    canaries = Canaries(known)
    tokens_may_be_there = ("token",)

    backup = decrypted_backup(stage)
    columns = columns_of(stage.server.url())
    assert canaries.found_in(columns) == {"token"}  # the search finds what is there
    assert canaries.found_in(backup, tokens_may_be_there) == set()
    assert canaries.found_in((stage.folder / "backup.age").read_bytes()) == set()
    for said in stage.said:
        assert canaries.found_in(said) == set(), said[:2_000]

    folder = stage.sandbox.folder
    logs = [*(folder / "logs").iterdir(), folder.with_name(f"{folder.name}.log")]
    assert sum(path.stat().st_size for path in logs) > 10_000
    for log in logs:
        assert canaries.found_in(log.read_bytes()) == set(), log
    for path in (path for part in ("exchange", "holders", "members") for path in (folder / part).rglob("*")):
        if not path.is_file():
            continue
        if path.parent.name == "rejected":  # the member's own rows, for the member to mend
            assert path.stat().st_mode & 0o077 == 0
            continue
        # The database's address with its password is in the settings, and only there, for their owner alone.
        but = ("database password",) if path == folder / "exchange" / "config.toml" else ()
        assert canaries.found_in(path.read_bytes(), but) == set(), path
        assert not but or path.stat().st_mode & 0o077 == 0
