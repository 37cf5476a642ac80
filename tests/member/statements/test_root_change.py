"""The registrars replaced, as registrars, banks and key holders meet it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from exchange.kernel.session import Database
from exchange.membership.roots import read_roots
from exchange.registrars.accept import accept_statement, list_statements
from exchange.registrars.issue_enrolment import Invitation, issue_enrolment
from exchange.registrars.propose import list_proposals, propose_statement
from exchange.registrars.roots import propose_root
from keys.statements.envelopes import Root
from tests.keys.factories import registrar
from tests.member.statements.test_freshness import HOLDERS, between, json_answer, snapshot_of, suspended
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes
from tests.taskforce.member_program import now, run_member, write_secret_file

NECC, FCA = ("registrar", "registrar"), ("fca", "registrar")


def database_of(taskforce: MemberHomes) -> Database:
    return taskforce.database


def pinned(taskforce: MemberHomes) -> Root:
    return Root.load(taskforce.folder / "registrars.json")


def make_successor(taskforce: MemberHomes) -> None:
    """The registrar fca makes its key, and the operator drafts that it follows necc."""
    words = taskforce.folder / "passphrases" / "registrar"
    made = run_member(taskforce.home("fca"), "registrar", "init", "fca", "--passphrase-file", str(words))
    wanted = {"quorum": 1, "registrars": [{name: made.document[name] for name in ("registrar_id", "public_key")}]}
    propose_root(database_of(taskforce), pinned(taskforce), Root.parse(wanted), now())
    root = str(taskforce.folder / "registrars.json")
    connected = taskforce.run(*FCA, "connect", "--exchange-url", EXCHANGE_URL, "--registrars", root)
    assert connected.status == 0, connected.document


def sign_off_line(taskforce: MemberHomes) -> Path:
    """necc carries what waits to fca, which signs it by its digest; the file of its signature."""
    file, out = taskforce.folder / "proposals.json", taskforce.folder / "signed-fca.json"
    exported = taskforce.run(*NECC, "export", str(file))
    assert exported.status == 0, exported.document
    (shown,) = taskforce.run(*FCA, "show", str(file)).document["proposals"]
    assert (shown["type"], shown["joining"], shown["leaving"], shown["obstacle"]) == ("root", ["fca"], ["necc"], None)
    signed = taskforce.run(*FCA, "sign", str(file), "--digest", shown["digest"], "--out", str(out))
    assert signed.status == 0, signed.document
    return out


def replace_registrars(taskforce: MemberHomes) -> None:
    """fca follows necc, at the exchange; nobody has delivered it."""
    make_successor(taskforce)
    (envelope,) = json.loads(sign_off_line(taskforce).read_text())["envelopes"]
    standing = accept_statement(database_of(taskforce), pinned(taskforce), envelope, now())
    assert (standing.state, standing.signatures, standing.quorum) == ("collecting", 1, 2)
    last = taskforce.approve_waiting()
    assert (last.status, last.document["error"]["type"]) == (1, "not_a_registrar")
    assert [each["state"] for each in last.document["approved"]] == ["effective"]


def stated(taskforce: MemberHomes) -> dict[str, Any]:
    """The exchange's page of statements."""
    page: dict[str, Any] = msgspec.to_builtins(list_statements(database_of(taskforce), 0, 100))
    return page


def test_registrars_are_replaced_and_everyone_follows(fresh: MemberHomes) -> None:
    before = stated(fresh)
    replace_registrars(fresh)
    delivered = fresh.run(*FCA, "deliver")
    assert delivered.status == 0, delivered.document
    roots = read_roots(database_of(fresh), pinned(fresh))
    assert {snapshot_of(fresh, url)["root"] for url in HOLDERS} == {2}
    with between(fresh, (EXCHANGE_URL,), "/v1/statements", json_answer(before)):
        assert fresh.run("a", "hits").status == 0  # the key holders have what the operator withholds
    for bank in ("a", "b"):
        status = fresh.run(bank, "status").document
        assert status["registrars_fingerprint"] == roots.fingerprint
        assert (status["state"], status["statements"]["holders"]["holder-1"]) == ("active", "vouches")
    with between(fresh, (EXCHANGE_URL,), "/v1/statements", json_answer(before)):
        assert fresh.run("a", "status").document["registrars_fingerprint"] == roots.fingerprint  # no way back

    draft = suspended_by(fresh, "b")
    (waiting,) = fresh.run(*FCA, "pending").document["proposals"]
    done = fresh.run(*FCA, "approve", waiting["proposal_id"], "--digest", waiting["digest"])
    assert (done.status, waiting["proposal_id"]) == (0, draft)
    assert fresh.run("a", "hits").status == 0
    assert fresh.run("b", "hits").document["error"]["type"] in {"suspended", "forbidden"}


def suspended_by(taskforce: MemberHomes, member_id: str) -> str:
    """The operator drafts a suspension; the proposal's id."""
    statement = suspended(taskforce, member_id, "fca")
    return propose_statement(database_of(taskforce), "member", member_id, lambda sequence: statement, now())


def test_a_newcomer_pins_the_newest_root_and_no_older_one(fresh: MemberHomes) -> None:
    before = stated(fresh)
    replace_registrars(fresh)
    assert fresh.run(*FCA, "deliver").status == 0
    roots = read_roots(database_of(fresh), pinned(fresh))
    invitation = Invitation("c", "Bank c", "financial_institution", "banking", 1000)
    code = issue_enrolment(database_of(fresh), invitation, url=EXCHANGE_URL, root=roots.as_pinned(), now=now())
    passphrases = str(fresh.passphrase_dir("c"))
    made = run_member(fresh.home("c"), "init", "--member-id", "c", "--sandbox", "--passphrase-dir", passphrases)
    assert made.status == 0
    wrong = fresh.run("c", "join", code, "--registrars-fingerprint", pinned(fresh).fingerprint)
    assert wrong.document["error"]["type"] == "wrong_registrars"
    joined = fresh.run("c", "join", code, "--registrars-fingerprint", roots.fingerprint)
    assert joined.status == 0, joined.document
    (waiting,) = [each.proposal_id for each in list_proposals(database_of(fresh))]
    assert fresh.run(*FCA, "approve", waiting, "--digest", waiting).status == 0
    with between(fresh, (EXCHANGE_URL,), "/v1/statements", json_answer(before)):
        hidden = fresh.run("c", "status")
        assert "only root 1 was shown" in hidden.document["error"]["detail"], hidden.document
    status = fresh.run("c", "status").document
    assert (status["state"], status["registrars_fingerprint"]) == ("active", roots.fingerprint)


def test_a_home_pins_a_later_root_of_its_registrars_and_no_earlier_one(tmp_path: Path) -> None:
    home, words = tmp_path / "home", write_secret_file(tmp_path / "words", "words of a registrar")
    made = run_member(home, "registrar", "init", "necc", "--passphrase-file", str(words)).document
    first = {"quorum": 1, "registrars": [{name: made[name] for name in ("registrar_id", "public_key")}]}
    third, second = ({**first, "newest": {"version": number, "fingerprint": f"{number:064x}"}} for number in (3, 2))
    others = {"quorum": 1, "registrars": [registrar("bank").to_wire()]}
    for document, refusal in (
        (first, None),
        (third, None),
        (third, None),
        (second, "a later root already: 3"),
        (first, "a later root already: 3"),
        (others, "other registrars"),
    ):
        file = tmp_path / "root.json"
        file.write_text(json.dumps(document))
        done = run_member(
            home, "registrar", "connect", "--exchange-url", "http://127.0.0.1:1", "--registrars", str(file)
        )
        assert done.status == (0 if refusal is None else 1), done.document
        if refusal is None:
            assert done.document["registrars_fingerprint"] == Root.parse(document).fingerprint
        else:
            assert refusal in done.document["error"]["detail"]
