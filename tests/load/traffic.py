"""Mixed traffic on a running sandbox: what members do all day, and what nobody should."""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from keys.oprf.protocol import blind_batch
from tests.load.connected import Connected, connect, submission_body
from tests.load.rows import make_indicator, write_file
from tests.sandbox_process import RunningSandbox

PAUSE_SECONDS = 0.15
UPLOAD_EVERY_SECONDS = 20.0
BURST = 900
_OCTETS = "application/octet-stream"
_COMMON_TOKENS = 2_000
_FILE_ROWS = 300


@dataclass
class Tally:
    """How every request was answered. A 5xx is a fault, but for a 503 that says when to come back."""

    by_status: Counter[str] = field(default_factory=Counter)
    by_kind: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, answer: httpx.Response) -> None:
        """Count an answer."""
        status = answer.status_code
        fault = status >= 500 and not (status == 503 and "Retry-After" in answer.headers)
        with self._lock:
            self.by_status[str(status)] += 1
            self.by_kind[kind] += 1
            if fault:
                self.faults.append(f"{kind}: {status} {answer.text[:300]}")

    def fail(self, text: str) -> None:
        """Note what should not have happened."""
        with self._lock:
            self.faults.append(text)


class Traffic:
    """Threads that send requests until `stop`. Each member sends from one thread, and uploads from another."""

    def __init__(self, sandbox: RunningSandbox, members: tuple[str, ...], folder: Path) -> None:
        self.tally = Tally()
        self._sandbox = sandbox
        self._folder = folder
        self._stopping = threading.Event()
        self._common = [secrets.token_bytes(32) for _ in range(_COMMON_TOKENS)]
        jobs: list[Callable[[], None]] = [partial(self._send_as, member) for member in members]
        jobs.append(partial(self._upload_as, members))
        self._threads = [threading.Thread(target=self._guarded, args=(job,), daemon=True) for job in jobs]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, after the requests under way."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _guarded(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as error:  # noqa: BLE001 - a thread that ends early must fail the soak, not vanish
            self.tally.fail(f"a sender ended: {type(error).__name__}: {error}"[:500])

    def _send_as(self, member: str) -> None:
        url, holders = self._sandbox.description["exchange_url"], self._sandbox.description["holders"]
        client = connect(Path(self._sandbox.home(member)), url)
        keys = [Connected(client.identity, holder, holder) for holder in holders]
        rng = random.Random(member)
        kinds = {
            self._submit: 8,
            self._read: 20,
            self._evaluate: 6,
            self._hostile: 10,
        }
        ordered, weights = list(kinds), list(kinds.values())
        burst_at = time.monotonic() + rng.uniform(60, 180)
        while not self._stopping.wait(rng.expovariate(1 / PAUSE_SECONDS)):
            rng.choices(ordered, weights)[0](client, keys, rng)
            if time.monotonic() > burst_at:
                self._burst(client)
                burst_at += 240
        for each in (client, *keys):
            each.close()

    def _submit(self, client: Connected, keys: list[Connected], rng: random.Random) -> None:
        tokens = rng.sample(self._common, 20) + [secrets.token_bytes(32) for _ in range(rng.choice((5, 50, 400)))]
        body, key = submission_body(tokens), secrets.token_hex(16)
        self.tally.note("submit", client.send("POST", "/v1/submissions", body, key=key))
        if rng.random() < 0.3:
            self.tally.note("submit again", client.send("POST", "/v1/submissions", body, key=key))

    def _read(self, client: Connected, keys: list[Connected], rng: random.Random) -> None:
        after = rng.randrange(50)
        targets = ["/v1/hits?limit=200", "/v1/status", "/v1/statements", f"/log/entries?after={after}&limit=50"]
        signed = rng.choice([*targets, "/log/checkpoint"])
        self.tally.note(signed.partition("?")[0], client.send("GET", signed))
        tile = rng.choice(["/log/tile/0/000", "/log/tile/entries/000", "/readyz", "/healthz", "/openapi.json"])
        self.tally.note(tile, client.send("GET", tile, signed=False))

    def _evaluate(self, client: Connected, keys: list[Connected], rng: random.Random) -> None:
        index = rng.randrange(len(keys))
        quorum = ",".join(map(str, sorted({index + 1, (index + 1) % len(keys) + 1})))
        elements = blind_batch([b"n1|phone|+447%09d" % rng.randrange(10**9) for _ in range(8)]).elements
        target = f"/v1/evaluations?epoch=1&quorum={quorum}&proof=yes"
        self.tally.note("evaluate", keys[index].send("POST", target, elements, content_type=_OCTETS))
        self.tally.note("budget", keys[index].send("GET", "/v1/budget"))

    def _hostile(self, client: Connected, keys: list[Connected], rng: random.Random) -> None:
        body = submission_body([secrets.token_bytes(32)])
        attempts: list[Callable[[], httpx.Response]] = [
            lambda: client.send("POST", "/v1/submissions", body, signed=False),
            lambda: client.send("POST", "/v1/submissions", secrets.token_bytes(2_000)),
            lambda: client.send("POST", "/v1/submissions", b"[" * 50_000),
            lambda: client.send("POST", "/v1/submissions", submission_body([], part=-1)),
            lambda: client.send("POST", "/v1/submissions", submission_body([b"short"])),
            lambda: client.send("GET", "/v1/hits?cursor=%00&limit=-1"),
            lambda: client.send("GET", "/log/tile/9/999", signed=False),
            lambda: client.send("DELETE", "/v1/status"),
            lambda: client.send("GET", "/v1/" + secrets.token_hex(8)),
            lambda: client.send("POST", "/v1/enrolments", b'{"code":"guess"}', signed=False),
            lambda: client.send("POST", "/v1/statements", b'{"payload":"AA=="}'),
            lambda: self._ask(rng, "epoch=1&quorum=1,2,3&proof=no", b"\xff" * 64, keys),
            lambda: self._ask(rng, "epoch=9&quorum=1,1&proof=no", bytes(32), keys),
            lambda: rng.choice(keys).send("GET", "/v1/budget", signed=False),
        ]
        self.tally.note("hostile", rng.choice(attempts)())

    def _ask(self, rng: random.Random, query: str, body: bytes, keys: list[Connected]) -> httpx.Response:
        return rng.choice(keys).send("POST", f"/v1/evaluations?{query}", body, content_type=_OCTETS)

    def _burst(self, client: Connected) -> None:
        """More requests than a member may make in a minute: the rest is answered 429."""
        for _ in range(BURST):
            if self._stopping.is_set():
                return
            self.tally.note("burst", client.send("GET", "/v1/status"))

    def _upload_as(self, members: tuple[str, ...]) -> None:
        """Real files by the real program: new ones that overlap with another member's, and old ones again."""
        number, written = 0, dict[str, list[Path]]()
        while not self._stopping.wait(UPLOAD_EVERY_SECONDS):
            member = members[number % len(members)]
            first = number // len(members) * _FILE_ROWS
            path = self._folder / f"{member}-{number}.csv"
            write_file(path, (make_indicator(first + row) for row in range(_FILE_ROWS)))
            written.setdefault(member, []).append(path)
            again = number % 3 == 2
            self._run_member(member, "submit", str(random.choice(written[member]) if again else path))
            if number % 5 == 4:
                self._run_member(member, *random.choice((("hits",), ("status",), ("log", "verify"))))
            number += 1

    def _run_member(self, member: str, *arguments: str) -> None:
        done = self._sandbox.member(member, *arguments)
        self.tally.by_kind[f"member {arguments[0]}"] += 1
        error: dict[str, Any] = done.document.get("error", {})
        # Bursts of the same member may use its minute up for longer than the program's patience.
        if done.status != 0 and error.get("type") not in ("too-many-requests", "unreachable"):
            self.tally.fail(f"member {' '.join(arguments)}: {json.dumps(error)[:500]}")
