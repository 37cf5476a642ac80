"""Key holders that an emergency rotation replaces: they learn of it, and their word ends for members at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.services.accept_statement import accept_statement, list_statements
from exchange.services.propose_statement import list_proposals, propose_statement
from keys.holder.ceremony import hold_ceremony
from keys.holder.database import open_database
from keys.holder.settings import Config, create_home, open_settings
from keys.holder.web import create_app as create_holder_app
from keys.keyring import AnyStatement, parse_statement
from keys.statements import Root
from schemas.canonical import canonical_json
from schemas.encoding import to_rfc3339
from tests.member.taskforce import EXCHANGE_URL, Taskforce, now
from tests.member.test_freshness import (
    HOLDERS,
    away,
    between,
    found,
    json_answer,
    sign_as_registrar,
    snapshot_of,
    withholding,
)

HOLDER_WORDS = b"words of a new holder"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Taskforce]:
    """Banks a and b, with three holders of epoch 1."""
    yield from found(tmp_path)


def open_holder(taskforce: Taskforce, number: int) -> Config:
    """One more key holder, not stated yet."""
    root = Root.load(taskforce.folder / "registrars.json")
    name = f"holder-{number}"
    config = create_home(taskforce.folder / "holders" / name, name, f"http://{name}.test", root, HOLDER_WORDS)
    database = open_database(config.database_url)
    database.migrate()
    taskforce.closing.append(database.dispose)
    app = create_holder_app(open_settings(config, HOLDER_WORDS), database=database, clock=now)
    taskforce.applications[config.url] = app
    return config


def propose(taskforce: Taskforce, number: str, statement: AnyStatement) -> None:
    """The operator drafts an epoch's statement."""
    assert taskforce.database is not None
    propose_statement(taskforce.database, "epoch", number, lambda sequence: statement, now())


def propose_rotation(taskforce: Taskforce) -> None:
    """Epoch 2, with holders of its own, takes the place of epoch 1 in one step."""
    configs = [(open_holder(taskforce, number), HOLDER_WORDS) for number in (4, 5)]
    second = hold_ceremony(configs, 2, 2) | {"sequence": 1, "issued_at": to_rfc3339(now())}
    first = json.loads((taskforce.folder / "epoch.json").read_text())
    first |= {"sequence": 2, "issued_at": to_rfc3339(now()), "state": "retired"}
    for number, body in (("1", first), ("2", second)):
        propose(taskforce, number, parse_statement(canonical_json(body)))


def test_replaced_holders_are_told_and_their_word_ends(fresh: Taskforce) -> None:
    """Both epochs change before one delivery: the old holders must learn that they are retired all the same."""
    with withholding(fresh):
        honest = fresh.applications[EXCHANGE_URL]
        propose_rotation(fresh)
        waiting = fresh.database
        assert waiting is not None
        for each in list_proposals(waiting):
            root = Root.load(fresh.folder / "registrars.json")
            accept_statement(waiting, root, sign_as_registrar(fresh, each.proposal_id), now())
        stated = {"statements": list_statements(waiting, 0, 100)[0], "next": None}
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


def test_a_replaced_holder_that_was_away_is_asked_until_it_confirms(fresh: Taskforce) -> None:
    propose_rotation(fresh)
    with away(fresh, HOLDERS[0]):
        missed = fresh.approve_waiting()
    assert (missed.status, missed.document["error"]["type"]) == (1, "holders_behind")
    assert "holder-1" in missed.document["error"]["detail"]
    assert fresh.run("registrar", "registrar", "deliver").status == 0
    assert snapshot_of(fresh, HOLDERS[0])["digest"] == snapshot_of(fresh, "http://holder-4.test")["digest"]


def test_a_replaced_holder_that_was_switched_off_is_given_up(fresh: Taskforce) -> None:
    propose_rotation(fresh)
    with away(fresh, HOLDERS[0]):
        assert fresh.approve_waiting().status == 1
        given_up = fresh.run("registrar", "registrar", "deliver", "--gone", "holder-1")
        assert given_up.status == 0, given_up.document
        assert fresh.run("registrar", "registrar", "deliver").status == 0
    refused = fresh.run("registrar", "registrar", "deliver", "--gone", "holder-4")
    assert refused.status == 2, refused.document
