"""The Update Framework's list of attacks, against what a member believes: each is noticed, or stops everything.

The operator of the exchange withholds; somebody between replays, forges, drips or never ends; a key is stolen.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec
import pytest

from exchange.membership.statements import find_statement
from exchange.registrars.propose import propose_statement
from keys.holder.settings import load_config, open_settings
from keys.signatures.messages import SigningKey
from keys.statements.envelopes import Registrar, Root, sign_statement
from keys.statements.keyring import Keyring, MemberState, MemberStatement, parse_statement
from keys.statements.snapshots import DOMAIN, LIFETIME, SnapshotError, check_progress, sign_snapshot, verify_snapshot
from member.commands.shared.passphrases import unlock_registrar
from member.identity.home import Home
from schemas.holders import SignedSnapshot
from schemas.problems import TYPE_PREFIX
from schemas.statements import StatementEnvelope
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.keys.factories import holder_key, make_dealing, make_epoch, make_member, make_root, sign
from tests.member.conftest import found_vouched
from tests.taskforce.homes import EXCHANGE_URL, HOLDER_PASSPHRASE, MemberHomes, start_nothing
from tests.taskforce.member_program import CLOCK, accounts, now, write_csv

HOLDERS = tuple(f"http://holder-{index}.test" for index in (1, 2, 3))


@pytest.fixture(scope="module")
def taskforce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberHomes]:
    """For tests after which everyone has the same statements, however many."""
    yield from found_vouched(tmp_path_factory.mktemp("freshness"))


def json_answer(body: Any) -> WSGIApplication:
    """A server that says one thing."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(body, default=msgspec.to_builtins).encode()]

    return answer


@contextmanager
def between(taskforce: MemberHomes, urls: Iterable[str], path: str, instead: WSGIApplication) -> Iterator[None]:
    """While it lasts, somebody else answers under a path of some servers."""
    honest = {url: taskforce.applications[url] for url in urls}

    def wrapped(url: str) -> WSGIApplication:
        def called(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            is_it = environ["REQUEST_METHOD"] == "GET" and environ["PATH_INFO"] == path
            return (instead if is_it else honest[url])(environ, start_response)

        return called

    taskforce.applications |= {url: wrapped(url) for url in honest}
    try:
        yield
    finally:
        taskforce.applications |= honest


@contextmanager
def away(taskforce: MemberHomes, *urls: str) -> Iterator[None]:
    """While it lasts, these servers cannot be reached."""
    gone = {url: taskforce.applications.pop(url) for url in urls}
    try:
        yield
    finally:
        taskforce.applications |= gone


def starting(status: str, headers: list[tuple[str, str]], *rest: object) -> Callable[[bytes], object]:
    """An answer that nobody receives; it must be a good one."""
    assert status.startswith("200")
    return len


@contextmanager
def withholding(taskforce: MemberHomes) -> Iterator[None]:
    """While it lasts, the operator shows the statements that are in force now, and none that comes."""
    page: list[bytes] = []
    honest = taskforce.applications[EXCHANGE_URL]

    def freezing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET" or environ["PATH_INFO"] != "/v1/statements":
            return honest(environ, start_response)
        if not page:
            page.extend(honest(environ, starting))
        start_response("200 OK", [("Content-Type", "application/json")])
        return page

    taskforce.applications[EXCHANGE_URL] = freezing
    assert taskforce.run("a", "hits").status == 0
    try:
        yield
    finally:
        taskforce.applications[EXCHANGE_URL] = honest


def suspend(taskforce: MemberHomes, member_id: str) -> None:
    """The registrars suspend a member and deliver it to the holders; the exchange as a's sees it may hide it."""
    draft = suspended(taskforce, member_id)
    envelope = sign_as_registrar(
        taskforce, propose_statement(taskforce.database, "member", member_id, lambda number: draft, now())
    )
    for url in HOLDERS:
        give(taskforce, url, envelope)


def suspended(taskforce: MemberHomes, member_id: str, home: str = "registrar") -> MemberStatement:
    """The member as it is stated, but suspended, by what the registrar of a home is shown."""
    file = taskforce.folder / f"stated-{secrets.token_hex(4)}.json"
    exported = taskforce.run(home, "--as", "registrar", "registrar", "export", str(file))
    assert exported.status == 0, exported.document
    payloads = [base64.b64decode(each["payload"]) for each in json.loads(file.read_text())["statements"]]
    stated = [each for each in map(parse_statement, payloads) if isinstance(each, MemberStatement)]
    last = max((each for each in stated if each.member_id == member_id), key=lambda each: each.sequence)
    return replace(last, sequence=last.sequence + 1, issued_at=now(), state=MemberState.SUSPENDED)


def registrar_key(taskforce: MemberHomes) -> SigningKey:
    """The registrar's key, opened as its program does."""
    return unlock_registrar(Home.open(taskforce.home("registrar"))).key


def sign_as_registrar(taskforce: MemberHomes, proposal_id: str) -> StatementEnvelope:
    """The envelope of what waits."""
    with taskforce.database.reading() as session:
        stored = find_statement(session, proposal_id)
        assert stored is not None
        return sign_statement(stored.payload, "necc", registrar_key(taskforce))


def give(taskforce: MemberHomes, url: str, envelope: StatementEnvelope) -> None:
    """Bring a statement to a holder."""
    body = json.dumps(envelope, default=msgspec.to_builtins).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/v1/statements",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/json",
        "REMOTE_ADDR": "127.0.0.1",
        "QUERY_STRING": "",
    }
    b"".join(taskforce.applications[url](environ, starting))


NUMBERS = itertools.count(1)


def state_another(taskforce: MemberHomes, *urls: str) -> None:
    """The registrars state something new, and deliver it to these holders; the exchange never shows it."""
    statement = make_member(f"late-{next(NUMBERS)}").statement
    envelope = sign_statement(canonical_json(statement.to_wire()), "necc", registrar_key(taskforce))
    for url in urls:
        give(taskforce, url, envelope)


def number_of(taskforce: MemberHomes) -> int:
    """How far member a has come."""
    number: int = taskforce.run("a", "status").document["statements"]["number"]
    return number


def test_a_suspension_withheld_from_a_member_is_noticed_at_once(fresh: MemberHomes) -> None:
    """Its next command has it from the key holders."""
    before = number_of(fresh)
    with withholding(fresh):
        suspend(fresh, "b")
        assert fresh.run("a", "hits").status == 0  # and now it has it, from the key holders
        standing = fresh.run("a", "status").document["statements"]
    assert (standing["number"], standing["needed"]) == (before + 1, 2)
    assert set(standing["holders"].values()) == {"vouches"}
    assert fresh.run("b", "hits").status == 1


def test_ones_own_suspension_withheld_is_noticed_too(fresh: MemberHomes) -> None:
    with withholding(fresh):
        suspend(fresh, "a")
        done = fresh.run("a", "hits")
    assert (done.status, done.document["error"]["type"]) == (1, "suspended")


def test_rollback_to_an_older_snapshot_is_refused(taskforce: MemberHomes) -> None:
    old = {url: read(taskforce, url, "/v1/snapshot") for url in HOLDERS}

    def replay(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [old[f"http://{environ['HTTP_HOST']}"]]

    state_another(taskforce, *HOLDERS)
    assert taskforce.run("a", "hits").status == 0
    with between(taskforce, HOLDERS[:2], "/v1/snapshot", replay):
        done = taskforce.run("a", "hits")
    assert (done.status, done.document["error"]["type"]) == (1, "statements-stale")
    assert "vouched for number" in done.document["error"]["detail"]
    with between(taskforce, HOLDERS[:1], "/v1/snapshot", replay):
        assert taskforce.run("a", "hits").status == 0  # two others still vouch


def test_mix_and_match_of_holders_states_is_brought_together(taskforce: MemberHomes) -> None:
    """One holder has one new statement, another has another: no two say the same, and nothing of it may be missed."""
    before = number_of(taskforce)
    state_another(taskforce, HOLDERS[0])
    state_another(taskforce, HOLDERS[1])
    assert taskforce.run("a", "hits").status == 0
    assert number_of(taskforce) == before + 2
    said = {snapshot_of(taskforce, url)["digest"] for url in HOLDERS}
    assert len(said) == 1  # the member handed each what it lacked


def test_freeze_ends_with_the_last_snapshots(fresh: MemberHomes) -> None:
    """Nobody but the operator can be reached: what was vouched for counts for seven days, and then all stops."""
    path = write_csv(fresh.folder / "x.csv", *accounts(1))
    alert = fresh.folder / "alert.json"
    alert.write_text(json.dumps(fresh.run("a", "alert", "template").document))
    told_in_clear = (
        ("alert", "draft", str(alert)),
        ("alert", "review", "1234-A"),
        ("alert", "release", "1234-A"),
        ("outcome", "record", "--hit", uuid7(), "--usefulness", "useful"),
    )
    with away(fresh, *HOLDERS), moved_clock(LIFETIME - timedelta(hours=1)):
        fresh.tick()
        assert fresh.run("a", "hits").status == 0
    with away(fresh, *HOLDERS), moved_clock(LIFETIME + timedelta(minutes=1)):
        fresh.tick()
        for command in (("hits",), ("submit", str(path)), ("request", "list"), *told_in_clear):
            done = fresh.run("a", *command)
            assert (done.status, done.document["error"]["type"]) == (1, "statements-stale"), done.document
            assert "registrar deliver" in done.document["error"]["hint"]
        standing = fresh.run("a", "status").document["statements"]
        assert standing["valid_until"] is None
        assert fresh.run("a", "log", "verify").status == 0  # what was told already can still be checked
    with moved_clock(LIFETIME + timedelta(minutes=1)):
        fresh.tick()
        assert fresh.run("a", "hits").status == 0  # the holders renew by themselves


def test_wrong_root_statements_are_not_accepted_from_a_holder(taskforce: MemberHomes) -> None:
    forged = canonical_json(make_member("forged").statement.to_wire())
    envelope = sign_statement(forged, "necc", SigningKey.generate())
    state_another(taskforce, *HOLDERS)
    with between(taskforce, HOLDERS, "/v1/statements", json_answer({"statements": [envelope], "next": None})):
        done = taskforce.run("a", "hits")
    assert (done.status, done.document["error"]["type"]) == (1, "statements-stale")
    assert "cannot be believed" in done.document["error"]["detail"]
    assert taskforce.run("a", "hits").status == 0


def test_arbitrary_payload_in_place_of_a_snapshot_vouches_for_nothing(fresh: MemberHomes) -> None:
    with moved_clock(LIFETIME + timedelta(minutes=1)):  # what was vouched for before is past
        fresh.tick()
        bodies: tuple[Any, ...] = ([], {}, {"payload": "", "signature": ""}, {"payload": 1, "signature": None}, "x")
        for body in bodies:
            with between(fresh, HOLDERS, "/v1/snapshot", json_answer(body)):
                done = fresh.run("a", "hits")
            assert (done.status, done.document["error"]["type"]) == (1, "statements-stale"), body


def test_endless_data_from_the_exchange_or_a_holder_ends(taskforce: MemberHomes) -> None:
    count = itertools.count(1)

    def endless(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"statements": [], "next": str(next(count))}).encode()]

    with between(taskforce, (EXCHANGE_URL,), "/v1/statements", endless):
        done = taskforce.run("a", "hits")
    assert (done.status, done.document["error"]["type"]) == (1, "bad_answer")
    state_another(taskforce, *HOLDERS)
    with between(taskforce, HOLDERS, "/v1/statements", endless):
        done = taskforce.run("a", "hits")
    assert (done.status, done.document["error"]["type"]) == (1, "statements-stale")
    assert taskforce.run("a", "hits").status == 0


def test_slow_retrieval_is_not_waited_for(fresh: MemberHomes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("member.statements.holder_statements._SECONDS", 0.5)
    stopped = threading.Event()

    def dripping(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        while not stopped.wait(0.05):
            yield b" "

    with moved_clock(LIFETIME + timedelta(minutes=1)):
        fresh.tick()
        with between(fresh, HOLDERS, "/v1/snapshot", dripping):
            done = fresh.run("a", "hits")  # returns, though no answer ever ends
        stopped.set()
    assert (done.status, done.document["error"]["type"]) == (1, "statements-stale")
    assert "did not answer within" in done.document["error"]["detail"]


def test_key_compromise_below_the_threshold_cannot_freeze(taskforce: MemberHomes) -> None:
    """A thief of one holder's key vouches for the old state in its name; the others say otherwise."""
    before, frozen = number_of(taskforce), read(taskforce, HOLDERS[0], "/v1/snapshot")
    state_another(taskforce, *HOLDERS)
    with between(taskforce, HOLDERS[:1], "/v1/snapshot", json_answer(json.loads(frozen))):
        assert taskforce.run("a", "hits").status == 0
    assert number_of(taskforce) == before + 1


def test_fast_forward_by_a_stolen_key_stops_no_other_holder(fresh: MemberHomes) -> None:
    """A thief of one holder's key vouches for the last number there is: what that holder says later goes back."""
    key = open_settings(load_config(fresh.folder / "holders" / "holder-1"), HOLDER_PASSPHRASE).signing_key
    payload = canonical_json({**snapshot_of(fresh, HOLDERS[0]), "number": 2**53 - 1, "digest": "0" * 64})
    forged = {"payload": to_base64(payload), "signature": to_base64(key.sign(DOMAIN + payload))}
    with between(fresh, HOLDERS[:1], "/v1/snapshot", json_answer(forged)):
        assert fresh.run("a", "hits").status == 0
    before = number_of(fresh)
    state_another(fresh, *HOLDERS)
    assert fresh.run("a", "hits").status == 0
    assert number_of(fresh) == before + 1
    said = fresh.run("a", "status").document["statements"]["holders"]
    assert (said["holder-2"], said["holder-3"]) == ("vouches", "vouches")
    assert f"vouched for number {2**53 - 1} before" in said["holder-1"]


def read(taskforce: MemberHomes, url: str, path: str) -> bytes:
    """What a server answers to anyone."""
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "REMOTE_ADDR": "127.0.0.1",
        "QUERY_STRING": "",
    }
    return b"".join(taskforce.applications[url](environ, start_nothing))


def snapshot_of(taskforce: MemberHomes, url: str) -> dict[str, Any]:
    """What a holder vouches for."""
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(read(taskforce, url, "/v1/snapshot"))["payload"]))
    return found


@contextmanager
def moved_clock(step: timedelta) -> Iterator[None]:
    """The servers' clock goes along."""
    CLOCK["step"] = step
    try:
        yield
    finally:
        CLOCK["step"] = timedelta(0)


class TestSnapshots:
    """The snapshot itself, byte by byte."""

    holder = make_epoch(make_dealing()).holders[0]
    at = datetime.fromisoformat("2026-11-22T10:00:00+00:00")

    def made(self, number: int = 1, key: SigningKey | None = None, at: datetime | None = None) -> SignedSnapshot:
        keyring = Keyring(make_root())
        for sequence in range(1, number + 1):
            keyring.add(sign(replace(make_member("a").statement, sequence=sequence)))
        return sign_snapshot(keyring, "holder-1", key or holder_key(1), at or self.at)

    def reason(self, wire: SignedSnapshot, now: datetime | None = None) -> str:
        with pytest.raises(SnapshotError) as refused:
            verify_snapshot(wire, self.holder, now or self.at)
        return refused.value.reason

    def test_the_holders_own_is_believed_for_seven_days(self) -> None:
        read = verify_snapshot(self.made(3), self.holder, self.at)
        assert (read.number, read.valid_until - read.issued_at) == (3, timedelta(days=7))
        assert self.reason(self.made(), self.at + timedelta(days=7)) == "expired"
        assert self.reason(self.made(), self.at - timedelta(minutes=6)) == "early"

    def test_anothers_key_or_any_changed_byte_is_refused(self) -> None:
        assert self.reason(self.made(key=holder_key(2))) == "signature"
        good = self.made()
        payload = base64.b64decode(good.payload)
        for place in range(len(payload)):
            changed = payload[:place] + bytes([payload[place] ^ 1]) + payload[place + 1 :]
            assert self.reason(msgspec.structs.replace(good, payload=to_base64(changed))) == "signature"

    def test_what_a_holder_signs_of_any_other_form_is_refused(self) -> None:
        body = json.loads(base64.b64decode(self.made().payload))
        long = "2027-11-22T10:00:00.000Z"
        wrong = ({"number": -1}, {"number": True}, {"digest": "x"}, {"holder_id": "holder-2"}, {"valid_until": long})
        for change in (*wrong, {"type": "member"}, {"more": 1}):
            payload = canonical_json({**body, **change})
            signature = holder_key(1).sign(b"exchange-snapshot-v1\0" + payload)
            assert self.reason(SignedSnapshot(to_base64(payload), to_base64(signature))) == "malformed"

    def test_a_holder_does_not_go_back_nor_say_two_things(self) -> None:
        older, newer = (verify_snapshot(self.made(number), self.holder, self.at) for number in (1, 2))
        check_progress(None, older)
        check_progress(older, newer)
        check_progress(newer, newer)
        for seen, offered, reason in ((newer, older, "rollback"), (newer, replace(newer, digest="0" * 64), "conflict")):
            with pytest.raises(SnapshotError) as refused:
                check_progress(seen, offered)
            assert refused.value.reason == reason


def test_a_root_of_the_wrong_registrars_is_refused(tmp_path: Path) -> None:
    keyring = Keyring(Root(1, (Registrar("necc", SigningKey.generate().public_bytes),)))
    with pytest.raises(ValueError, match="signed"):
        keyring.add(sign(make_member("a").statement))


def test_one_refused_statement_does_not_keep_the_others_back(fresh: MemberHomes) -> None:
    """A holder refuses the first statement that it is handed, and takes the others."""
    new = make_member("late").statement
    propose_statement(fresh.database, "member", "late", lambda sequence: new, now())
    honest = fresh.applications[HOLDERS[0]]
    refused: list[str] = []

    def refusing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "POST" or refused:
            return honest(environ, start_response)
        refused.append(environ["PATH_INFO"])
        start_response("409 Conflict", [("Content-Type", "application/problem+json")])
        return [
            json.dumps(
                {"type": f"{TYPE_PREFIX}epoch-not-served", "title": "x", "status": 409, "detail": "no share"}
            ).encode()
        ]

    fresh.applications[HOLDERS[0]] = refusing
    before = snapshot_of(fresh, HOLDERS[0])["number"]
    done = fresh.approve_waiting()
    assert refused == ["/v1/statements"]
    assert done.status == 0, done.document  # it had the refused one already: its snapshot says that it lacks nothing
    assert snapshot_of(fresh, HOLDERS[0])["number"] == before + 1


def test_a_holder_that_does_not_know_a_newcomer_yet_is_told_of_it(fresh: MemberHomes) -> None:
    """The registrars signed, and delivered to nobody: the holder's list is shown to those only whom it knows."""
    with away(fresh, *HOLDERS):
        fresh.enrol("newcomer")
        fresh.approve_waiting()
    done = fresh.run("newcomer", "hits")
    assert done.status == 0, str(done.document)


def test_a_list_of_endless_bytes_ends(fresh: MemberHomes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("member.statements.holder_statements._MAX_BYTES", 10_000)
    asked = itertools.count(1)

    def large(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        number = str(next(asked))
        envelope = {"payloadType": "x", "payload": number.rjust(4_000, "x"), "signatures": []}
        listed = {"statements": [envelope], "next": number}
        return [json.dumps(listed).encode()]

    state_another(fresh, *HOLDERS)
    with between(fresh, HOLDERS, "/v1/statements", large):
        done = fresh.run("a", "hits")
    assert (done.status, done.document["error"]["type"]) == (1, "statements-stale")
    assert "without end" in done.document["error"]["detail"]
    assert next(asked) <= 3 * len(HOLDERS) + 1


def test_a_holder_that_repeats_a_statement_is_not_read_to_its_end(fresh: MemberHomes) -> None:
    """Verifying one right statement for as long as a list may be would hold every command for minutes."""
    envelope = sign_statement(canonical_json(make_member("late").statement.to_wire()), "necc", registrar_key(fresh))
    state_another(fresh, *HOLDERS)
    with between(fresh, HOLDERS, "/v1/statements", json_answer({"statements": [envelope] * 2, "next": None})):
        done = fresh.run("a", "hits")
    assert (done.status, done.document["error"]["type"]) == (1, "statements-stale")
    assert "holder-1: holder-1 repeats a statement" in done.document["error"]["detail"]


def test_who_is_not_waited_for_any_more_stops_asking(fresh: MemberHomes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("member.statements.holder_statements._SECONDS", 0.5)
    asked, later = itertools.count(1), threading.Event()

    def endless(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        later.wait(0.05)
        start_response("200 OK", [("Content-Type", "application/json")])
        number = str(next(asked))
        envelope = {"payloadType": "x", "payload": number, "signatures": []}
        return [json.dumps({"statements": [envelope], "next": number}).encode()]

    state_another(fresh, *HOLDERS)
    before = set(threading.enumerate())
    with between(fresh, HOLDERS, "/v1/statements", endless):
        assert fresh.run("a", "hits").document["error"]["type"] == "statements-stale"
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
            assert not thread.is_alive()
    assert next(asked) < 500


def test_registrars_deliver_to_all_holders_at_once(fresh: MemberHomes) -> None:
    """Each waits for the others: one after the other nobody would ever be served."""
    together = threading.Barrier(len(HOLDERS))
    honest = {url: fresh.applications[url] for url in HOLDERS}

    def meeting(url: str) -> WSGIApplication:
        has_met = threading.Event()

        def called(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            if not has_met.is_set():
                has_met.set()
                together.wait(60)
            return honest[url](environ, start_response)

        return called

    fresh.applications |= {url: meeting(url) for url in HOLDERS}
    try:
        done = fresh.run("registrar", "--as", "registrar", "registrar", "deliver")
    finally:
        fresh.applications |= honest
    assert done.status == 0, str(done.document)
    assert [holder["problem"] for holder in done.document["holders"]] == [None] * len(HOLDERS)
