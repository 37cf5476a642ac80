"""Key holders that an emergency rotation replaces: they learn of it, and their word ends for members at once."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from exchange.registrars.accept import accept_statement, list_statements
from exchange.registrars.propose import list_proposals, propose_statement
from keys.holder import store as holder_store
from keys.holder.ceremony import hold_ceremony
from keys.holder.database import open_database
from keys.holder.settings import HolderConfig, create_home, open_settings
from keys.holder.web import create_app as create_holder_app
from keys.statements.envelopes import Root
from keys.statements.keyring import AnyStatement, parse_statement
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_rfc3339
from tests.member.statements.test_freshness import (
    HOLDERS,
    away,
    between,
    json_answer,
    sign_as_registrar,
    snapshot_of,
    withholding,
)
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes
from tests.taskforce.member_program import accounts, now, write_csv

HOLDER_WORDS = b"words of a new holder"


def make_holder(taskforce: MemberHomes, number: int) -> HolderConfig:
    """The home of one more key holder, not stated yet."""
    root = Root.load(taskforce.folder / "registrars.json")
    name = f"holder-{number}"
    return create_home(taskforce.folder / "holders" / name, name, f"http://{name}.test", root, HOLDER_WORDS)


def open_holder(taskforce: MemberHomes, config: HolderConfig) -> None:
    """It serves, and allows both banks."""
    database = open_database(config.database_url)
    database.migrate()
    with database.transaction() as connection:
        for member_id in ("a", "b"):
            holder_store.allow_member(connection, member_id, 1_000_000, now())
    taskforce.closing.append(database.dispose)
    app = create_holder_app(open_settings(config, HOLDER_WORDS), database=database, clock=now)
    taskforce.applications[config.url] = app


def propose(taskforce: MemberHomes, number: str, statement: AnyStatement) -> None:
    """The operator drafts an epoch's statement."""
    propose_statement(taskforce.database, "epoch", number, lambda sequence: statement, now())


def propose_rotation(taskforce: MemberHomes) -> None:
    """Epoch 2, with holders of its own, takes the place of epoch 1 in one step."""
    configs = [make_holder(taskforce, number) for number in (4, 5)]
    draft = hold_ceremony([(config, HOLDER_WORDS) for config in configs], 2, 2)
    second = {**msgspec.to_builtins(draft), "sequence": 1, "issued_at": to_rfc3339(now())}
    for config in configs:
        open_holder(taskforce, config)
    first = json.loads((taskforce.folder / "epoch.json").read_text())
    first |= {"sequence": 2, "issued_at": to_rfc3339(now()), "state": "retired"}
    for number, body in (("1", first), ("2", second)):
        propose(taskforce, number, parse_statement(canonical_json(body)))


def test_replaced_holders_are_told_and_their_word_ends(fresh: MemberHomes) -> None:
    """Both epochs change before one delivery: the old holders must learn that they are retired all the same."""
    with withholding(fresh):
        honest = fresh.applications[EXCHANGE_URL]
        propose_rotation(fresh)
        waiting = fresh.database
        assert waiting is not None
        for each in list_proposals(waiting):
            root = Root.load(fresh.folder / "registrars.json")
            accept_statement(waiting, root, sign_as_registrar(fresh, each.proposal_id), now())
        stated = msgspec.to_builtins(list_statements(waiting, 0, 100))
        with between(fresh, (EXCHANGE_URL,), "/v1/statements", json_answer(stated)):
            done = fresh.run("registrar", "registrar", "deliver")
        assert fresh.applications[EXCHANGE_URL] is honest
        assert done.status == 0, done.document
        told = {each["holder_id"]: each["is_serving"] for each in done.document["holders"]}
        assert told == {
            **dict.fromkeys(("holder-1", "holder-2", "holder-3"), False),
            "holder-4": True,
            "holder-5": True,
        }
        assert done.document["freshness"] == {"confirmed": 2, "needed": 2, "effective": True}
        assert len({snapshot_of(fresh, f"http://holder-{number}.test")["digest"] for number in range(1, 6)}) == 1
        standing = fresh.run("a", "status").document["statements"]  # from the old holders; judged by the new ones
        assert standing["holders"] == {"holder-4": "vouches", "holder-5": "vouches"}
    again = fresh.run("registrar", "registrar", "deliver").document["holders"]
    assert [each["holder_id"] for each in again] == ["holder-4", "holder-5"]  # those retired have confirmed it


def test_a_replaced_holder_that_was_away_is_asked_until_it_confirms(fresh: MemberHomes) -> None:
    propose_rotation(fresh)
    with away(fresh, HOLDERS[0]):
        missed = fresh.approve_waiting()
    assert (missed.status, missed.document["error"]["type"]) == (1, "holders_behind")
    assert "holder-1" in missed.document["error"]["detail"]
    assert fresh.run("registrar", "registrar", "deliver").status == 0
    assert snapshot_of(fresh, HOLDERS[0])["digest"] == snapshot_of(fresh, "http://holder-4.test")["digest"]


def test_a_replaced_holder_that_was_switched_off_is_given_up(fresh: MemberHomes) -> None:
    propose_rotation(fresh)
    with away(fresh, HOLDERS[0]):
        assert fresh.approve_waiting().status == 1
        given_up = fresh.run("registrar", "registrar", "deliver", "--gone", "holder-1")
        assert given_up.status == 0, given_up.document
        assert fresh.run("registrar", "registrar", "deliver").status == 0
    refused = fresh.run("registrar", "registrar", "deliver", "--gone", "holder-4")
    assert refused.status == 2, refused.document


def test_what_was_taken_back_stays_out_under_another_key(fresh: MemberHomes, tmp_path: Path) -> None:
    """No token of the old epoch is the same in the new one: the member's own marks keep the row out."""
    nightly = str(write_csv(tmp_path / "nightly.csv", *accounts(1, 2)))
    for bank in ("a", "b"):
        assert fresh.run(bank, "submit", nightly).document["accepted"] == 2
    account = ("--type", "bank_account", "20000000000001")
    taken = fresh.run("b", "withdraw", *account, "--reason", "false_positive")
    assert taken.document["withdrawn"] == 1, taken.document
    propose_rotation(fresh)
    assert fresh.approve_waiting().status == 0
    with fresh.noting_posts("/submissions") as sent:
        again = fresh.run("b", "submit", nightly)
    assert again.status == 0, again.document
    assert (again.document["accepted"], again.document["left_out"]) == (1, 1)
    assert [(part["envelope"]["epoch"], part["taken_back"]) for part in sent] == [(2, [[0, "false_positive"]])]
    assert fresh.run("a", "submit", nightly).document["accepted"] == 2
    assert values_of_hits(fresh) == {"20000000000002"}
    listed = fresh.run("b", "submit", nightly, "--relist", "--reason", "seen again")
    assert (listed.document["accepted"], listed.document["left_out"]) == (1, 0), listed.document
    assert values_of_hits(fresh) == {"20000000000001", "20000000000002"}


def values_of_hits(taskforce: MemberHomes) -> set[str]:
    """What bank a has in common with others."""
    return {value for hit in taskforce.run("a", "hits").document["hits"] for value in hit["values"]}
