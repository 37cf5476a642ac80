"""What the exchange, registrars who left and other members can do with the list of holders' faults, and what not."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
import pytest

from exchange.registrars.accept import list_statements
from keys.statements.envelopes import Envelope, payload_digest, sign_statement
from keys.statements.keyring import EpochState, EpochStatement, Keyring, parse_statement, to_payload
from member.statements.authority import held_keyring, take_in
from member.tokens.fault_spread import leave_out
from member.tokens.kept_conduct import VaultConductStore
from member.vault.store import Vault
from schemas.holder_faults import WRONG_PROOF, Evidence, FaultReport, SignedExchange
from schemas.statements import StatementEnvelope
from tests.keys.factories import holder_key, make_dealing, make_epoch, make_root, sign
from tests.keys.statements.test_roots import next_root
from tests.member.statements.test_freshness import between, json_answer, registrar_key
from tests.member.statements.test_root_change import FCA, database_of, replace_registrars
from tests.member.tokens.test_holder_faults import LIAR, spoiling
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes
from tests.taskforce.member_program import accounts, write_csv

FAULTS = "/v1/holder-faults"
_ASKED = ("content-digest", "idempotency-key", "signature", "signature-input")
_ANSWERED = ("evaluation-commitment", "evaluation-proof")


@pytest.fixture
def taskforce(tmp_path: Path) -> Iterator[MemberHomes]:
    made = MemberHomes.found(tmp_path / "taskforce", banks=("a", "b"), agencies=("nca",))
    yield made
    made.close()


def honest_exchange(taskforce: MemberHomes, folder: Path) -> SignedExchange:
    """What holder-1 is asked by a, with proof, and answers."""
    honest, noted = taskforce.applications[LIAR], list[SignedExchange]()

    def noting(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        elements = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(elements)
        heads: list[tuple[str, dict[str, str]]] = []

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            heads.append((status, {name.lower(): value for name, value in headers}))
            return start_response(status, headers, *rest)

        body = b"".join(honest(environ, start))
        ((status, answered),) = heads
        if "proof=yes" in environ["QUERY_STRING"] and status.startswith("200"):
            asked = {name: environ[f"HTTP_{name.upper().replace('-', '_')}"] for name in _ASKED}
            kept = {name: answered[name] for name in (*_ASKED, *_ANSWERED) if name in answered}
            url = f"{LIAR}{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
            noted.append(SignedExchange(url, asked, elements, 200, kept, body))
        return [body]

    taskforce.applications[LIAR] = noting
    try:
        for turn in range(20):  # two of the three are drawn at random
            path = write_csv(folder / f"{turn}.csv", *accounts(70_000 + turn))
            assert taskforce.run("a", "submit", str(path)).status == 0
            if noted:
                return noted[0]
    finally:
        taskforce.applications[LIAR] = honest
    raise AssertionError("the holder was never drawn")


def stated(taskforce: MemberHomes, kind: str, name: str) -> StatementEnvelope:
    """The envelope at the exchange of the statement about somebody."""
    envelopes = list_statements(database_of(taskforce), 0, 100).statements
    return next(
        each
        for each in envelopes
        for statement in (parse_statement(Envelope.parse(each).payload).to_wire(),)
        if statement["type"] == kind and name in {statement.get("member_id"), str(statement.get("epoch"))}
    )


def framing(taskforce: MemberHomes, folder: Path) -> dict[str, Any]:
    """A report by the registrar necc: holder-1 answered honestly, and necc swapped its index with a colleague's."""
    exchange = honest_exchange(taskforce, folder)
    statement = parse_statement(Envelope.parse(stated(taskforce, "epoch", "1")).payload)
    assert isinstance(statement, EpochStatement)
    other = next(index for index in (2, 3) if f"quorum=1,{index}" in exchange.url.replace("%2C", ","))
    to = {1: other, other: 1}
    holders = tuple(msgspec.structs.replace(one, index=to.get(one.index, one.index)) for one in statement.holders)
    swapped = dataclasses.replace(statement, sequence=9, holders=holders)
    report = FaultReport(
        evidence=Evidence(WRONG_PROOF, "holder-1", 1, exchange, None, None),
        epoch_statement=sign_statement(to_payload(swapped), "necc", registrar_key(taskforce)),
        member_statement=stated(taskforce, "member", "a"),
    )
    document: dict[str, Any] = msgspec.to_builtins(report)
    return document


def page_of(report: dict[str, Any]) -> dict[str, Any]:
    """The exchange's page with that report alone."""
    shown = {"report_id": "0" * 64, "received_at": "2026-11-22T10:00:00.000Z", "report": report}
    return {"reports": [shown], "next": None}


def faults(taskforce: MemberHomes, member_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = taskforce.run(member_id, "holder-fault", "list").document["holder_faults"]
    return found


def test_a_registrar_who_left_frames_no_holder(taskforce: MemberHomes, tmp_path: Path) -> None:
    """With the exchange's help neither, nor by a file."""
    framed = framing(taskforce, tmp_path)
    replace_registrars(taskforce)
    assert taskforce.run(*FCA, "deliver").status == 0
    assert taskforce.run("b", "status").status == 0
    path = tmp_path / "framed.json"
    path.write_text(json.dumps(framed))
    with between(taskforce, (EXCHANGE_URL,), FAULTS, json_answer(page_of(framed))):
        assert taskforce.run("b", "status").status == 0
        assert taskforce.run(*FCA, "pending").document["holder_faults"] == []
    verified = taskforce.run("b", "holder-fault", "verify", str(path), "--leave-out")
    assert (verified.status, verified.document["error"]["type"]) == (1, "not_shown")
    assert faults(taskforce, "b") == []


def test_a_list_that_ends_early_once_hides_nothing_later(taskforce: MemberHomes, tmp_path: Path) -> None:
    spoiling(taskforce, "a", tmp_path, 1)
    assert taskforce.run("a", "status").status == 0
    with between(taskforce, (EXCHANGE_URL,), FAULTS, json_answer({"reports": [], "next": "999999"})):
        assert taskforce.run("b", "status").status == 0
    assert faults(taskforce, "b") == []
    assert taskforce.run("b", "status").status == 0
    (shown,) = faults(taskforce, "b")
    assert (shown["holder_id"], shown["source"]) == ("holder-1", "shown")
    assert taskforce.run("b", "status").status == 0
    assert len(faults(taskforce, "b")) == 1


def test_a_report_shown_falsely_is_read_again(taskforce: MemberHomes, tmp_path: Path) -> None:
    """Altered at first, then as it is."""
    fault = spoiling(taskforce, "a", tmp_path, 1)
    exported = tmp_path / "fault.json"
    assert taskforce.run("a", "holder-fault", "export", fault["fault_id"], str(exported)).status == 0
    assert taskforce.run("a", "status").status == 0
    altered = json.loads(exported.read_bytes())
    altered["evidence"]["seed"] = altered["evidence"]["seed"].swapcase()
    with between(taskforce, (EXCHANGE_URL,), FAULTS, json_answer(page_of(altered))):
        assert taskforce.run("b", "status").status == 0
    assert faults(taskforce, "b") == []
    assert taskforce.run("b", "status").status == 0
    assert [each["holder_id"] for each in faults(taskforce, "b")] == ["holder-1"]


def test_a_bank_does_not_report_what_an_agency_asked(taskforce: MemberHomes, tmp_path: Path) -> None:
    fault = spoiling(taskforce, "nca", tmp_path, 1)
    path = tmp_path / "fault.json"
    assert taskforce.run("nca", "holder-fault", "export", fault["fault_id"], str(path)).status == 0
    assert taskforce.run("b", "status").status == 0
    assert taskforce.run("b", "holder-fault", "verify", str(path), "--leave-out").status == 0
    (kept,) = faults(taskforce, "b")
    refused = taskforce.run("b", "holder-fault", "report", kept["fault_id"])
    assert (refused.status, refused.document["error"]["type"]) == (1, "not_the_asker")
    assert taskforce.run("a", "status").status == 0
    assert faults(taskforce, "a") == []


def test_a_holder_at_fault_is_left_out_of_every_epoch_with_its_key(tmp_path: Path) -> None:
    """Of the next one too, and of one that is retired not."""
    keyring, states = Keyring(make_root()), (EpochState.RETIRED, EpochState.RETIRING, EpochState.CURRENT)
    for number, state in enumerate(states, start=1):
        keyring.add(sign(make_epoch(make_dealing(), epoch=number, state=state)))
    path, key = tmp_path / "vault.db", bytes(32)
    Vault.create(path, key, "a").close()
    with Vault.open(path, key, "a") as vault:
        leave_out(vault, keyring, "holder-1", holder_key(1).public_bytes, "it lied")
        leave_out(vault, keyring, "holder-2", holder_key(9).public_bytes, "it lied under another key")
        found = {number: VaultConductStore(vault, number, 1).read() for number in (1, 2, 3)}
    assert {number: {name: one.fault for name, one in each.items()} for number, each in found.items()} == {
        1: {},
        2: {"holder-1": "it lied"},
        3: {"holder-1": "it lied"},
    }


def test_a_home_opened_again_knows_which_epochs_were_in_force(tmp_path: Path) -> None:
    """Stated, stated anew, then carried over by a root that lists the newer one alone."""
    root, path, key = make_root(), tmp_path / "vault.db", bytes(32)
    first = make_epoch(make_dealing())
    anew = dataclasses.replace(first, sequence=2)
    Vault.create(path, key, "a").close()
    with Vault.open(path, key, "a") as vault:
        keyring = Keyring(root)
        for statement in (first, anew):
            assert take_in(keyring, vault, [sign(statement)]) == 1
        change = next_root(keyring.roots, ("bank", "regulator"), carry=[anew])
        assert take_in(keyring, vault, [sign(change, ("necc", "reviewer", "bank", "regulator"))]) == 1
    with Vault.open(path, key, "a") as vault:
        again = held_keyring(root, vault)
        assert again.epoch(1) == anew
        assert again.was_in_force(payload_digest(to_payload(first)))
        forged = sign(dataclasses.replace(first, sequence=3))
        assert take_in(again, vault, [forged]) == 0
        assert not again.was_in_force(payload_digest(to_payload(dataclasses.replace(first, sequence=3))))
