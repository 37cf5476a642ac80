"""The keyring: what enters, what is too late, and what the registrars themselves cannot state."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from keys.oprf.threshold import deal
from keys.statements.envelopes import Root
from keys.statements.keyring import (
    AnyStatement,
    EpochState,
    ExchangeStatement,
    GroupState,
    GroupStatement,
    Keyring,
    MemberState,
    StatementError,
    UnknownStatementError,
    parse_statement,
    to_payload,
)
from schemas.terms import GroupKind
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64
from tests.keys.factories import (
    ISSUED,
    holder_key,
    make_dealing,
    make_epoch,
    make_member,
    make_root,
    sign,
)

DEALING = make_dealing()
MEMBER = make_member()
EPOCH = make_epoch(DEALING)
GROUP = GroupStatement(
    sequence=1,
    issued_at=ISSUED,
    group_id="taskforce",
    name="The taskforce",
    kind=GroupKind.TASKFORCE,
    objective="All of it",
    sunset=datetime(2027, 1, 1, tzinfo=UTC),
    state=GroupState.OPEN,
    members=frozenset({"a", "b"}),
)
EXCHANGE = ExchangeStatement(
    sequence=1,
    issued_at=ISSUED,
    exchange_id="exchange",
    url="https://exchange.example",
    log_origin="exchange.example/log",
    log_vkey="exchange.example/log+12345678+AQID",
    receipt_key=holder_key(9).public_bytes,
)


@pytest.fixture
def keyring() -> Keyring:
    """An empty keyring under a quorum of two."""
    return Keyring(make_root())


def _reason(keyring: Keyring, statement: AnyStatement | bytes) -> str:
    with pytest.raises(StatementError) as caught:
        keyring.add(sign(statement))
    return caught.value.reason


@pytest.mark.parametrize("statement", [MEMBER.statement, GROUP, EPOCH, EXCHANGE], ids=lambda one: type(one).__name__)
def test_a_statement_survives_its_bytes(statement: AnyStatement) -> None:
    assert parse_statement(to_payload(statement)) == statement


def test_what_was_stated_is_found(keyring: Keyring) -> None:
    for statement in (MEMBER.statement, GROUP, EPOCH, EXCHANGE):
        keyring.add(sign(statement))
    assert keyring.member("a") == MEMBER.statement
    assert keyring.group("taskforce") == GROUP
    assert keyring.epoch(1) == keyring.current_epoch == EPOCH
    assert keyring.exchange == EXCHANGE
    assert keyring.representative("a/analyst") == (MEMBER.statement, MEMBER.statement.representatives[0])
    assert [one.member_id for one in keyring.members()] == ["a"]


@pytest.mark.parametrize("key_id", ["", "/", "a", "a/", "a/nobody", "b/analyst", "registrar/necc", "a/analyst/x"])
def test_what_was_not_stated_is_unknown(keyring: Keyring, key_id: str) -> None:
    keyring.add(sign(MEMBER.statement))
    with pytest.raises(UnknownStatementError):
        keyring.representative(key_id)


def test_an_empty_keyring_knows_nothing(keyring: Keyring) -> None:
    for ask in (
        lambda: keyring.member("a"),
        lambda: keyring.group("taskforce"),
        lambda: keyring.epoch(1),
        lambda: keyring.current_epoch,
        lambda: keyring.exchange,
    ):
        with pytest.raises(UnknownStatementError):
            ask()


def test_what_too_few_signed_does_not_enter(keyring: Keyring) -> None:
    with pytest.raises(StatementError, match="2 are required"):
        keyring.add(sign(MEMBER.statement, by=("necc", "stranger")))
    with pytest.raises(UnknownStatementError):
        keyring.member("a")


def test_the_newer_statement_wins_and_the_older_does_not_come_back(keyring: Keyring) -> None:
    keyring.add(sign(MEMBER.statement))
    suspended = MEMBER.changed(state=MemberState.SUSPENDED)
    keyring.add(sign(suspended))
    assert _reason(keyring, MEMBER.statement) == "stale"
    assert keyring.member("a").state is MemberState.SUSPENDED
    assert keyring.next_sequence("member", "a") == 3
    assert keyring.next_sequence("member", "b") == 1


def test_a_refused_statement_does_not_change_what_was_stated_before(keyring: Keyring) -> None:
    revoked = dataclasses.replace(MEMBER.revoked(), issued_at=ISSUED + timedelta(days=1))
    for statement in (MEMBER.statement, revoked):
        keyring.add(sign(statement))
    later = ISSUED + timedelta(days=2)
    assert _reason(keyring, dataclasses.replace(MEMBER.statement, sequence=3, issued_at=later)) == "inconsistent"
    assert keyring.member_at("a", ISSUED) == MEMBER.statement
    assert keyring.member_at("a", later) == revoked


def test_the_same_statement_again_changes_nothing(keyring: Keyring) -> None:
    keyring.add(sign(MEMBER.statement))
    assert keyring.add(sign(MEMBER.statement, by=("reviewer", "bank"))) == MEMBER.statement


def test_another_statement_of_the_same_sequence_is_refused(keyring: Keyring) -> None:
    keyring.add(sign(MEMBER.statement))
    assert _reason(keyring, dataclasses.replace(MEMBER.statement, name="Another")) == "conflict"
    assert keyring.member("a").name == "Bank a"


def test_sequences_of_different_subjects_are_apart(keyring: Keyring) -> None:
    keyring.add(sign(MEMBER.changed()))
    keyring.add(sign(make_member("b").statement))
    assert keyring.member("b").sequence == 1


def test_a_file_of_registrars_says_each_thing_once(tmp_path: Path) -> None:
    """Who reads the first quorum by eye would compare another root."""
    path = tmp_path / "registrars.json"
    written = canonical_json(make_root().to_wire()).decode()
    path.write_text(written)
    assert Root.load(path) == make_root()
    path.write_text('{"quorum":3,' + written[1:])
    with pytest.raises(StatementError, match="a field twice"):
        Root.load(path)


# -- epochs


def test_commitments_that_are_not_of_the_key_are_refused(keyring: Keyring) -> None:
    other = deal(None, 2, 3)
    forged = msgspec.structs.replace(EPOCH.holders[2], commitment=other.commitments[3])
    assert _reason(keyring, dataclasses.replace(EPOCH, holders=(*EPOCH.holders[:2], forged))) == "inconsistent"
    assert _reason(keyring, dataclasses.replace(EPOCH, public_key=other.group_public_key)) == "inconsistent"
    with pytest.raises(UnknownStatementError):
        keyring.epoch(1)


def test_an_epoch_keeps_its_key_and_threshold(keyring: Keyring) -> None:
    keyring.add(sign(EPOCH))
    other = dataclasses.replace(make_epoch(deal(None, 2, 3)), sequence=2)
    assert _reason(keyring, other) == "inconsistent"
    looser = dataclasses.replace(EPOCH, sequence=2, normalisation="n2")
    assert _reason(keyring, looser) == "inconsistent"
    assert keyring.epoch(1) == EPOCH


def test_a_retired_epoch_does_not_come_back(keyring: Keyring) -> None:
    keyring.add(sign(EPOCH))
    keyring.add(sign(dataclasses.replace(EPOCH, sequence=2, state=EpochState.RETIRED)))
    assert _reason(keyring, dataclasses.replace(EPOCH, sequence=3)) == "inconsistent"


def test_the_current_epoch_is_the_highest_that_is_current(keyring: Keyring) -> None:
    keyring.add(sign(EPOCH))
    keyring.add(sign(make_epoch(deal(None, 2, 3), epoch=2)))
    assert keyring.current_epoch.epoch == 2
    keyring.add(sign(dataclasses.replace(keyring.epoch(2), sequence=2, state=EpochState.RETIRING)))
    assert keyring.current_epoch.epoch == 1


def test_there_is_one_exchange(keyring: Keyring) -> None:
    keyring.add(sign(EXCHANGE))
    assert _reason(keyring, dataclasses.replace(EXCHANGE, exchange_id="another")) == "inconsistent"
    keyring.add(sign(dataclasses.replace(EXCHANGE, sequence=2, url="https://new.example")))
    assert keyring.exchange.url == "https://new.example"


# -- fields


def _changed(statement: AnyStatement, path: str, value: object) -> bytes:
    wire: Any = json.loads(to_payload(statement))
    at = wire
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        at = at[part]
    at[last] = value
    return canonical_json(wire)


@pytest.mark.parametrize(
    ("statement", "path", "value"),
    [
        (MEMBER.statement, "extra", 1),
        (MEMBER.statement, "member_id", "registrar"),
        (MEMBER.statement, "member_id", "A"),
        (MEMBER.statement, "member_id", "a/b"),
        (MEMBER.statement, "name", ""),
        (MEMBER.statement, "name", "two\nlines"),
        (MEMBER.statement, "name", "x" * 201),
        (MEMBER.statement, "kind", "casino"),
        (MEMBER.statement, "sector", None),
        (MEMBER.statement, "state", "ACTIVE"),
        (MEMBER.statement, "declared_book", -1),
        (MEMBER.statement, "declared_book", True),
        (MEMBER.statement, "declared_book", 10**11),
        (MEMBER.statement, "encryption_key", to_base64(b"e" * 31)),
        (MEMBER.statement, "encryption_key", to_base64(b"e" * 1215)),
        (MEMBER.statement, "representatives", {}),
        (MEMBER.statement, "representatives.0.extra", 1),
        (MEMBER.statement, "representatives.0.representative_id", "b/analyst"),
        (MEMBER.statement, "representatives.0.representative_id", "analyst"),
        (MEMBER.statement, "representatives.0.representative_id", "a/"),
        (MEMBER.statement, "representatives.0.representative_id", "a/x/y"),
        (MEMBER.statement, "representatives.0.public_key", to_base64(bytes(32))),
        (MEMBER.statement, "representatives.0.roles", ["emperor"]),
        (MEMBER.statement, "representatives.0.roles", ["submitter", "submitter"]),
        (MEMBER.statement, "representatives.0.state", "suspended"),
        (GROUP, "members", ["a", "a"]),
        (GROUP, "members", "a"),
        (GROUP, "sunset", "2027-01-01"),
        (GROUP, "kind", "club"),
        (EPOCH, "threshold", 1),
        (EPOCH, "threshold", 4),
        (EPOCH, "epoch", 0),
        (EPOCH, "epoch", "1"),
        (EPOCH, "public_key", to_base64(bytes(32))),
        (EPOCH, "public_key", to_base64(b"\xff" * 32)),
        (EPOCH, "holders.0.index", 0),
        (EPOCH, "holders.0.index", 2),
        (EPOCH, "holders.0.holder_id", "holder-2"),
        (EPOCH, "holders.0.url", "javascript:alert(1)"),
        (EPOCH, "holders.0.url", "https://holder-2.example"),
        (EPOCH, "holders.0.commitment", to_base64(bytes(32))),
        (EPOCH, "holders.0.verify_key", to_base64(holder_key(2).public_bytes)),
        (EXCHANGE, "url", "ftp://x"),
        (EXCHANGE, "receipt_key", to_base64(b"\x01" + bytes(31))),
        (EXCHANGE, "log_origin", ""),
    ],
)
def test_a_quorum_cannot_state_what_is_malformed(
    keyring: Keyring, statement: AnyStatement, path: str, value: object
) -> None:
    assert _reason(keyring, _changed(statement, path, value)) == "malformed"


@pytest.mark.parametrize("statement", [MEMBER.statement, GROUP, EPOCH, EXCHANGE], ids=lambda one: type(one).__name__)
def test_every_field_is_wanted(statement: AnyStatement) -> None:
    wire = statement.to_wire()
    for name in wire:
        without = canonical_json({other: value for other, value in wire.items() if other != name})
        with pytest.raises(StatementError):
            parse_statement(without)


def test_one_key_cannot_be_two_representatives(keyring: Keyring) -> None:
    (person,) = MEMBER.statement.representatives
    twin = dataclasses.replace(person, representative_id="a/authoriser")
    assert _reason(keyring, MEMBER.changed(representatives=(person, twin))) == "malformed"
