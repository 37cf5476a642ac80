"""The program as it runs: homes made by its commands, two workers behind one port, members on real HTTP."""

from __future__ import annotations

import base64
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from keys.holder.cli import cli
from keys.holder.settings import load_config, open_settings
from keys.signatures.messages import SignedRequest, new_nonce, sign_request, verify_response
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_rfc3339
from tests.keys.factories import Member, make_member, make_root, sign
from tests.keys.holder.simulator import element_bytes, make_elements
from tests.ports import free_port

PASSPHRASE = "correct horse battery staple"
ELEMENTS = make_elements(3)


def run(*arguments: str | Path) -> tuple[int, dict[str, Any], str]:
    """One command with --json: its exit status, document and standard error."""
    command = [sys.executable, "-m", "keys.holder.cli", *map(str, arguments), "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, json.loads(done.stdout), done.stderr


@dataclass
class ServedHolder:
    """A running `keyholder serve` with two workers."""

    folder: Path
    url: str
    verify_key: bytes
    process: subprocess.Popen[bytes]

    @property
    def home(self) -> Path:
        """Its home."""
        return self.folder / "h1"

    @property
    def log(self) -> bytes:
        """What it wrote so far."""
        return (self.folder / "serve.log").read_bytes()

    def signed(self, member: Member, elements: bytes, *, key: str) -> SignedRequest:
        """A member's request, signed now."""
        target = f"{self.url}/v1/evaluations?epoch=1&quorum=1,2&proof=yes"
        headers = {"Idempotency-Key": key, "Content-Type": "application/octet-stream"}
        signed = sign_request(
            "POST", target, headers, elements, member.key_id, member.key, lambda: datetime.now(UTC), new_nonce()
        )
        return SignedRequest("POST", target, signed)

    def send(self, asked: SignedRequest, elements: bytes) -> httpx.Response:
        """Send it on a connection of its own, so that any worker may get it."""
        answer = httpx.post(asked.url, content=elements, headers=dict(asked.headers.items()), timeout=30)
        if "Signature" in answer.headers:
            verify_response(
                answer.status_code,
                answer.headers,
                answer.content,
                request=asked,
                key_id="holder-1",
                public_key=self.verify_key,
                now=datetime.now(UTC),
            )
        return answer

    def send_together(self, requests: Sequence[SignedRequest], elements: bytes) -> list[int]:
        """The statuses of requests sent at once."""
        with ThreadPoolExecutor(len(requests)) as pool:
            return [answer.status_code for answer in pool.map(lambda one: self.send(one, elements), requests)]


def _make_homes(folder: Path, port: int) -> None:
    (folder / "registrars.json").write_text(json.dumps(make_root().to_wire()))
    (folder / "passphrase").write_text(PASSPHRASE + "\n")
    (folder / "passphrase").chmod(0o600)
    for index in (1, 2):
        code, document, _ = run(
            *("--home", folder / f"h{index}", "init", "--holder-id", f"holder-{index}"),
            *("--url", f"http://127.0.0.1:{port + index - 1}", "--registrars", folder / "registrars.json"),
            *("--passphrase-file", folder / "passphrase"),
        )
        assert (code, document["holder_id"]) == (0, f"holder-{index}")
    code, document, _ = run(
        *("ceremony", "--epoch", "1", "--threshold", "2", "--home", folder / "h1", "--home", folder / "h2"),
        *("--out", folder / "epoch.json"),
    )
    assert (code, document["holders"]) == (0, 2)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedHolder]:
    """Holder 1 of 2, with the epoch and three members stated."""
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    _make_homes(folder, port)
    url = f"http://127.0.0.1:{port}"
    with (folder / "serve.log").open("wb") as log:
        command = [sys.executable, "-m", "keys.holder.cli", "--home", str(folder / "h1"), "serve", "--workers", "2"]
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _wait_until_up(url, process)
        draft = json.loads((folder / "epoch.json").read_text())
        epoch = canonical_json({**draft, "sequence": 1, "issued_at": to_rfc3339(datetime.now(UTC))})
        envelopes = [sign(epoch), *(sign(make_member(name).statement) for name in "abc")]
        for envelope in envelopes:
            assert httpx.post(f"{url}/v1/statements", json=msgspec.to_builtins(envelope), timeout=30).status_code == 200
        assert run("--home", folder / "h1", "allow", "a", "b", "c", "--evaluations", "10")[0] == 0
        yield ServedHolder(folder, url, load_config(folder / "h1").verify_key, process)
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
    assert status == 0


def _wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the holder did not come up")


def test_a_member_is_answered_with_a_proof_over_real_http(served: ServedHolder) -> None:
    member = make_member("a")
    answer = served.send(served.signed(member, ELEMENTS, key="real"), ELEMENTS)
    assert (answer.status_code, len(answer.content)) == (200, len(ELEMENTS))
    assert len(base64.b64decode(answer.headers["Evaluation-Proof"])) == 64
    assert "Signature" in answer.headers


def test_two_workers_believe_a_nonce_once(served: ServedHolder) -> None:
    asked = served.signed(make_member("a"), ELEMENTS, key="once")
    assert sorted(served.send_together([asked] * 8, ELEMENTS)) == [200] + [401] * 7


def test_retries_that_arrive_together_are_charged_once(served: ServedHolder) -> None:
    member = make_member("b")
    retries = [served.signed(member, ELEMENTS, key="retried") for _ in range(6)]
    answers = served.send_together(retries, ELEMENTS)
    # Two workers: what comes while the other is at it is told to come again.
    assert 200 in answers
    assert set(answers) <= {200, 503}
    _, document, _ = run("--home", served.home, "status")
    assert {one["member_id"]: one["evaluations_30_days"] for one in document["members"]}["b"] == 3


def test_requests_that_arrive_together_cannot_overdraw_the_budget(served: ServedHolder) -> None:
    member = make_member("c")
    rivals = [served.signed(member, ELEMENTS, key=f"rival-{number}") for number in range(6)]
    answers = served.send_together(rivals, ELEMENTS)
    # What comes while four are under way is told to come again.
    assert answers.count(200) <= 3
    assert set(answers) <= {200, 429, 503}
    _, document, _ = run("--home", served.home, "status")
    assert {one["member_id"]: one["evaluations_30_days"] for one in document["members"]}["c"] <= 10


def test_the_host_header_has_no_say_in_what_was_signed(served: ServedHolder) -> None:
    """Signed for another name of this machine: the holder believes its configured address only."""
    target = served.url.replace("127.0.0.1", "localhost") + "/v1/evaluations?epoch=1&quorum=1,2"
    headers = {"Idempotency-Key": "host", "Content-Type": "application/octet-stream"}
    member = make_member("a")
    signed = sign_request(
        "POST", target, headers, ELEMENTS, member.key_id, member.key, lambda: datetime.now(UTC), new_nonce()
    )
    assert httpx.post(target, content=ELEMENTS, headers=signed, timeout=30).status_code == 401


@pytest.mark.parametrize(
    "raw",
    [
        b"GET http://127.0.0.1/v1/budget HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /v1/statements HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 9999999999\r\n\r\n",
        b"POST /v1/statements HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n[[[[[\r\n0\r\n\r\n",
        b"GET /v1/epochs?%00=%ff HTTP/1.1\r\nHost: \xff\r\nConnection: close\r\n\r\n",
        b"BREW /v1/epochs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
)
def test_hostile_http_is_never_an_error_of_ours(served: ServedHolder, raw: bytes) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(raw)
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 ")
    assert answer[9:10] in {b"2", b"4"}, answer[:200]


def test_neither_the_share_nor_an_element_is_ever_written_down(served: ServedHolder) -> None:
    """Canaries: after answers, refusals and errors, what is on disk and in the log holds none of them in any form."""
    member = make_member("a")
    bad = element_bytes(7)[:31] + b"\xff"
    told = [
        served.send(served.signed(member, bad, key="canary-1"), bad),
        served.send(served.signed(member, ELEMENTS * 9, key="canary-2"), ELEMENTS * 9),
        served.send(served.signed(member, ELEMENTS, key="canary-3"), ELEMENTS[:32]),
    ]
    assert [answer.status_code for answer in told] == [400, 429, 401]
    settings = open_settings(load_config(served.home), PASSPHRASE.encode())
    secrets = [settings.shares[1].scalar, settings.signing_key.to_seed(), PASSPHRASE.encode()]
    elements = [ELEMENTS[at : at + 32] for at in range(0, len(ELEMENTS), 32)] + [bad]
    written = [path.read_bytes() for path in served.home.iterdir()] + [served.log]
    shown = [repr(settings).encode(), *(answer.content + str(answer.headers).encode() for answer in told)]
    for canary in secrets + elements:
        for form in (canary, canary.hex().encode(), base64.b64encode(canary), repr(canary).encode()[2:-1]):
            assert not any(form in text for text in written + shown)


def test_logs_are_json_with_members_and_counts(served: ServedHolder) -> None:
    served.send(served.signed(make_member("b"), ELEMENTS, key="logged"), ELEMENTS)
    lines = [json.loads(line) for line in served.log.splitlines() if line.startswith(b"{")]
    answered = [line for line in lines if line["event"] == "evaluation answered"]
    assert {"member_id": "b", "evaluations": 3}.items() <= answered[-1].items()
    assert {key for line in answered for key in line} == {
        *("event", "level", "timestamp", "member_id", "evaluations", "charged"),
    }


# -- commands


def test_grants_are_dated_and_shown(served: ServedHolder) -> None:
    code, document, log = run("--home", served.home, "grant", "a", "--evaluations", "500", "--until", "2999-12-31")
    assert code == 0
    (member,) = document["members"]
    assert member["grants"][-1] == {"evaluations": 500, "used": 0, "ends_at": "3000-01-01T00:00:00.000Z"}
    assert '"event": "grant given"' in log


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (("grant", "a", "--evaluations", "5", "--until", "2020-01-01"), 1, "home"),
        (("grant", "nobody", "--evaluations", "5", "--until", "2999-01-01"), 1, "home"),
        (("grant", "a", "--evaluations", "0", "--until", "2999-01-01"), 2, "usage"),
        (("grant", "a", "--evaluations", "5", "--until", "soon"), 2, "usage"),
        (("grant", "a", "--until", "2999-01-01"), 2, "usage"),
        (("allow",), 2, "usage"),
        (("allow", "../a"), 2, "usage"),
        (("allow", "a", "--statement", "/nonexistent"), 1, "home"),
        (("init", "--holder-id", "x", "--url", "https://x", "--registrars", "/nonexistent"), 1, "statement"),
        (("frobnicate",), 2, "usage"),
    ],
)
def test_a_command_that_fails_says_why_in_json(
    served: ServedHolder, arguments: tuple[str, ...], code: int, kind: str
) -> None:
    got, document, _ = run("--home", served.home, *arguments)
    assert (got, document["error"]["type"]) == (code, kind)
    assert document["error"]["detail"]


def test_a_second_ceremony_of_the_same_epoch_is_refused(served: ServedHolder) -> None:
    before = {path.name: path.read_bytes() for path in served.home.glob("*.share")}
    code, document, _ = run(
        *("ceremony", "--epoch", "1", "--threshold", "2", "--home", served.home, "--home", served.folder / "h2"),
        *("--out", served.folder / "again.json"),
    )
    assert (code, document["error"]["type"]) == (1, "home")
    assert before == {path.name: path.read_bytes() for path in served.home.glob("*.share")}
    assert not (served.folder / "again.json").exists()


def test_without_a_passphrase_or_a_terminal_no_home_is_made(served: ServedHolder) -> None:
    home, registrars = served.folder / "h9", served.folder / "registrars.json"
    arguments = ("init", "--holder-id", "holder-9", "--url", "https://x", "--registrars", registrars)
    code, document, _ = run("--home", home, *arguments)
    assert (code, document["error"]["type"]) == (1, "custody")
    assert not home.exists()


def test_a_home_is_not_made_twice(served: ServedHolder) -> None:
    code, document, _ = run(
        *("--home", served.home, "init", "--holder-id", "holder-1", "--url", served.url),
        *("--registrars", served.folder / "registrars.json", "--passphrase-file", served.folder / "passphrase"),
    )
    assert (code, document["error"]["type"]) == (1, "home")


def test_all_in_the_home_is_private(served: ServedHolder) -> None:
    assert served.home.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in served.home.iterdir()}
    assert {modes[name] for name in ("config.json", "signing.key", "epoch-1.share")} == {0o600}


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_an_example(name: str) -> None:
    assert "Example: keyholder" in (cli.commands[name].help or "")
