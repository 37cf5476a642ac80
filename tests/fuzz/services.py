"""A real exchange and a real key holder on loopback, each a server process, and those who sign requests to them.

The parent makes their databases and keys, and leaves what the servers need in a folder; they are started as
`python -m tests.fuzz.services exchange|holder FOLDER PORT`.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from alerts.feeds.fixed_objects import TLP_MARKINGS
from alerts.feeds.storing import open_collections
from alerts.store.alerts import StoredAlert
from edge.serving import Server
from exchange.kernel.session import LOG_STALE_SECONDS
from exchange.membership.feed_tokens import make_feed_token
from keys.holder import store
from keys.holder.serving import HolderServer
from keys.holder.settings import HolderConfig, HolderSettings
from keys.oprf.threshold import Share
from keys.signatures.messages import SigningKey
from keys.statements.envelopes import Root, sign_statement
from keys.statements.keyring import EpochState, RootStatement, to_payload
from schemas.terms import AlertState, MemberKind, QueryState, TrafficLight
from schemas.values.encoding import from_base64, to_base64
from schemas.values.identifiers import uuid7
from tests.alerts.factories import make_content, plant_alert, plant_subscription
from tests.exchange.corrections.taking_back import make_assessment, make_outcome, make_withdrawal, plant_correction
from tests.exchange.factories import make_envelope, make_rows, make_token
from tests.exchange.queries.planting import plant_query
from tests.exchange.registrars.faulty_holders import FaultyHolders
from tests.exchange.requests.factories import NO_TRACE, make_answer, make_request
from tests.exchange.requests.planting import GATEWAY, plant_hit, plant_request, plant_row
from tests.keys.factories import holder_key, holder_url, make_dealing, make_epoch, make_member, make_root, sign
from tests.keys.holder.simulator import make_elements, migrate
from tests.ports import free_port
from tests.taskforce.clock import utc_now
from tests.taskforce.founding import LOG_SIGNER, URL, ExchangeKeys, Taskforce
from tests.taskforce.members import MemberSimulator

UNLIMITED = 1_000_000
_EVALUATIONS = 10**12
_OWN_ROWS = 40
_START_SECONDS = 60.0


@dataclass(frozen=True)
class Signer:
    """One who signs."""

    key_id: str
    key: SigningKey = field(repr=False)


@dataclass(frozen=True)
class Service:
    """A running server. `url` is what requests are signed for; `samples` makes the body of a request that is served,
    for each route, and what stands for each variable of a path, such as `{alert_id}`.
    """

    name: str
    port: int
    url: str
    document: dict[str, Any]
    signers: dict[str, Signer]
    samples: dict[str, Callable[[], Any]]
    log_file: Path
    feed_token: str = field(default="", repr=False)


@contextmanager
def running_exchange(folder: Path, database_url: str, *, limit: int = UNLIMITED, workers: int = 1) -> Iterator[Service]:
    """An exchange with two banks and two registrars; `limit` requests a minute are answered to each caller."""
    taskforce = Taskforce(database_url, folder, clock=utc_now)
    try:
        for member_id in ("a", "b"):
            taskforce.add_member(member_id)
        taskforce.state_epoch()
        taskforce.add_member("nca", kind=MemberKind.LAW_ENFORCEMENT)
        taskforce.state_group(("a", "b", "nca"))
        new = [MemberSimulator(taskforce, f"new-{number}") for number in range(3)]
        claims = [member.claim(taskforce.invite(member.member_id)) for member in new]
        statement = taskforce.member_statement(taskforce.members["b"], 2)
        people = ("nca/analyst", "nca/authoriser")
        query_ids = [plant_query(taskforce.database, *people, state) for state in QueryState for _ in range(3)]
        alert_ids = [plant_alert(taskforce, "a", state) for state in AlertState for _ in range(3)]
        planted = [plant_subscription(taskforce, "a", f"https://hooks.a.example/{number}") for number in range(6)]
        correction_ids = [plant_correction(taskforce, "a") for _ in range(3)]
        hit_id = plant_hit(taskforce, "a", make_token())
        for number in range(_OWN_ROWS):
            plant_row(taskforce, "a", "taskforce", _own_token(number))
        fault_report = msgspec.to_builtins(
            FaultyHolders(taskforce, epoch=77, state=EpochState.RETIRING).report(taskforce.members["a"])
        )
        shared = make_token()
        for member_id in ("a", "b"):
            plant_row(taskforce, member_id, "taskforce", shared)
        shared_hit = plant_hit(taskforce, "a", shared)
        request_ids = [
            plant_request(taskforce, *parties, shared, taken_up_by)
            for parties in (("b", ["a"]), ("a", ["b"]))
            for taken_up_by in (None, f"{parties[1][0]}/authoriser")
            for _ in range(3)
        ]
        with taskforce.database.transaction() as session:
            _, feed_token = make_feed_token(session, "a", "feed", "a/analyst", utc_now())
            token_ids = [make_feed_token(session, "a", "other", "a/analyst", utc_now())[0] for _ in range(3)]
            collection_id = open_collections(session, ["taskforce"])["taskforce"]
            event_ids = [session.get_one(StoredAlert, alert_id).stix_id for alert_id in alert_ids]
    finally:
        taskforce.close()
    _write(
        folder / "exchange.json",
        {
            "root": taskforce.root.to_wire(),
            "database_url": database_url,
            "receipt_seed": to_base64(taskforce.receipt_key.to_seed()),
            "limit": limit,
            "workers": workers,
        },
    )
    signers = {
        f"{member_id}/{name}": Signer(f"{member_id}/{name}", key)
        for member_id, member in taskforce.members.items()
        for name, key in member.keys.items()
    }
    signers |= {f"registrar/{name}": Signer(f"registrar/{name}", key) for name, key in taskforce.registrars.items()}
    payload = to_payload(statement)
    envelopes = [msgspec.to_builtins(sign_statement(payload, name, key)) for name, key in taskforce.registrars.items()]
    # A change of registrars that one of them alone signs, so that it never takes effect.
    successors = RootStatement(2, utc_now(), taskforce.root.fingerprint, 1, taskforce.root.registrars[:1], frozenset())
    signed = sign_statement(to_payload(successors), "necc", taskforce.registrars["necc"])
    envelopes.append(msgspec.to_builtins(signed))
    turn = count()
    samples: dict[str, Callable[[], Any]] = {
        "POST /v1/submissions": _submission,
        "POST /v1/enrolments": lambda: claims[next(turn) % len(claims)],
        "POST /v1/statements": lambda: envelopes[next(turn) % len(envelopes)],
        "POST /v1/holder-faults": lambda: fault_report,
        "POST /v1/alerts": make_content,
        "POST /v1/alerts/{alert_id}/review": dict,
        "POST /v1/alerts/{alert_id}/release": lambda: {"at": (None, "2027-01-01T00:00:00Z")[next(turn) % 2]},
        "POST /v1/alerts/{alert_id}/withdraw": lambda: {"reason": "a mistake"},
        "POST /v1/alerts/{alert_id}/acknowledgement": lambda: {"implemented": True, "feedback": "of use"},
        "POST /v1/subscriptions": lambda: {"channel": "webhook", "target": "https://hooks.bank.example/in"},
        **{f"POST /v1/subscriptions/{{subscription_id}}/{name}": dict for name in ("end", "test", "secret")},
        "POST /v1/subscriptions/{subscription_id}/confirm": lambda: {"code": "A" * 16},
        "POST /v1/subscriptions/{subscription_id}/replay": lambda: {"since": "2026-01-01"},
        "{subscription_id}": lambda: planted[next(turn) % len(planted)],
        "POST /v1/withdrawals": lambda: _withdrawal(next(turn)),
        "POST /v1/corrections/{correction_id}/acknowledgement": lambda: {"items": 1},
        "{correction_id}": lambda: correction_ids[next(turn) % len(correction_ids)],
        "POST /v1/outcomes": lambda: make_outcome("hit", hit_id, arrests=next(turn) % 3),
        "POST /v1/assessments": lambda: make_assessment(hit_id),
        "POST /v1/requests": lambda: make_request(shared_hit, **GATEWAY),
        **{f"POST /v1/requests/{{request_id}}/{step}": dict for step in ("take-up", "cancel")},
        "POST /v1/requests/{request_id}/answer": lambda: make_answer(
            signers["a/authoriser"].key, request_ids[next(turn) % len(request_ids)], "a", "b", **NO_TRACE
        ),
        "{request_id}": lambda: request_ids[next(turn) % len(request_ids)],
        "POST /v1/queries": _query,
        **{f"POST /v1/queries/{{query_id}}/{step}": dict for step in ("refuse", "end-watch")},
        "POST /v1/queries/{query_id}/approve": lambda: {"terms_sha256": to_base64(secrets.token_bytes(32))},
        "POST /v1/queries/{query_id}/extend": lambda: {
            "until": "2027-01-01",
            "reason": "the trial moved",
            "salt": to_base64(bytes(32)),
        },
        "{query_id}": lambda: query_ids[next(turn) % len(query_ids)],
        "POST /v1/feed-tokens": lambda: {"name": "feed reader"},
        "POST /v1/feed-tokens/{token_id}/revoke": dict,
        "{token_id}": lambda: token_ids[next(turn) % len(token_ids)],
        "{group_id}": lambda: "taskforce",
        "{collection_id}": lambda: collection_id,
        "{object_id}": lambda: TLP_MARKINGS[TrafficLight.AMBER],
        "{event_id}": lambda: event_ids[next(turn) % len(event_ids)],
        "{alert_id}": lambda: alert_ids[next(turn) % len(alert_ids)],
        "{path}": lambda: ("0/000", "entries/000.p/1", "0/000.p/16")[next(turn) % 3],
    }
    with _server("exchange", folder) as port:
        log_file = folder / "exchange.log"
        yield Service("exchange", port, URL, _read_document(port), signers, samples, log_file, feed_token)


@contextmanager
def running_holder(folder: Path, database_url: str, *, limit: int = UNLIMITED, workers: int = 1) -> Iterator[Service]:
    """Key holder 1 of 3, its epoch stated, with the members a and b allowed."""
    dealing, members = make_dealing(), (make_member("a"), make_member("b"))
    database = migrate(database_url)
    try:
        with database.transaction() as connection:
            for member in members:
                store.allow_member(connection, member.statement.member_id, _EVALUATIONS, utc_now())
    finally:
        database.dispose()
    share = dealing.shares[0]
    _write(
        folder / "holder.json",
        {
            "database_url": database_url,
            "share": {"index": share.index, "scalar": to_base64(share.scalar)},
            "limit": limit,
            "workers": workers,
        },
    )
    statements = [sign(make_epoch(dealing)), *(sign(member.statement) for member in members)]
    root = make_root()
    successors = RootStatement(2, utc_now(), root.fingerprint, 1, root.registrars[:1], frozenset())
    brought = msgspec.to_builtins([*statements, sign(successors, ("necc",))])
    signers = {member.key_id: Signer(member.key_id, member.key) for member in members}
    elements = [make_elements(number) for number in (1, 2, 3)]
    turn = count()
    samples: dict[str, Callable[[], Any]] = {
        "POST /v1/statements": lambda: brought[next(turn) % len(brought)],
        "POST /v1/evaluations": lambda: elements[next(turn) % len(elements)],
    }
    with _server("holder", folder) as port:
        for statement in statements:
            _post_json(port, "/v1/statements", statement)
        yield Service("holder", port, holder_url(1), _read_document(port), signers, samples, folder / "holder.log")


def _query() -> dict[str, Any]:
    """An overt one, since no independent reviewer takes part here."""
    texts = dict.fromkeys(("case", "purpose", "necessity", "proportionality"), "operation X") | {
        "salt": to_base64(bytes(32))
    }
    people = {"authorised_by": "nca/authoriser", "legal_gateway": "CCA2013_s7"}
    days = {"until": None, "watch_until": None, "covert": False, "silent": False}
    return {"query_id": uuid7(), "tokens": [to_base64(make_token())], "types": ["iban"], **texts, **people, **days}


def _submission() -> dict[str, Any]:
    rows = make_rows([make_token() for _ in range(3)])
    return {"submission_id": uuid7(), "part": 0, "envelope": make_envelope(), "rows": rows}


def _own_token(number: int) -> bytes:
    """The token of one of the rows that bank a has."""
    return hashlib.sha256(bytes([number % _OWN_ROWS])).digest()


def _withdrawal(number: int) -> dict[str, Any]:
    return make_withdrawal([_own_token(number)])


def _write(path: Path, document: dict[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(document, default=msgspec.to_builtins))


@contextmanager
def _server(name: str, folder: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "tests.fuzz.services", name, str(folder), str(port)]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            _await(process, port, folder / f"{name}.log")
            yield port
        finally:
            process.terminate()
            process.wait(60)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            _get(port, "/healthz")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")


def _get(port: int, path: str) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def _post_json(port: int, path: str, value: Any) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(
            "POST", path, json.dumps(value, default=msgspec.to_builtins), {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
    finally:
        connection.close()


def _read_document(port: int) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_get(port, "/openapi.json"))
    return document


# -- in the server's process


def serve_exchange(folder: Path, port: int) -> None:
    """Serve the exchange of the folder until SIGTERM."""
    told = json.loads((folder / "exchange.json").read_text())
    receipt_key = SigningKey.from_seed(from_base64(told["receipt_seed"], 32))
    keys = ExchangeKeys(Root.parse(told["root"]), receipt_key, LOG_SIGNER)

    def make() -> Any:
        limits = ("requests", "feed_requests", "enrolments", "unsigned_requests")
        told_limits = {f"{name}_per_minute": told["limit"] for name in limits}
        return Taskforce(told["database_url"], folder, utc_now, LOG_STALE_SECONDS, keys, **told_limits).app

    Server(make, host="127.0.0.1", port=port, workers=told["workers"], threads=4).run()


def serve_holder(folder: Path, port: int) -> None:
    """Serve the key holder of the folder until SIGTERM."""
    told = json.loads((folder / "holder.json").read_text())
    share = Share(told["share"]["index"], from_base64(told["share"]["scalar"], 32))
    config = HolderConfig(
        home=folder,
        holder_id="holder-1",
        url=holder_url(1),
        verify_key=holder_key(1).public_bytes,
        root=make_root(),
        database_url=told["database_url"],
        requests_per_minute=told["limit"],
        unsigned_per_minute=told["limit"],
    )
    settings = HolderSettings(config, holder_key(1), {1: share})
    HolderServer(settings, host="127.0.0.1", port=port, workers=told["workers"], threads=4).run()


if __name__ == "__main__":
    serve = {"exchange": serve_exchange, "holder": serve_holder}[sys.argv[1]]
    serve(Path(sys.argv[2]), int(sys.argv[3]))
