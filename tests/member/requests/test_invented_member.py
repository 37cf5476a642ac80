"""An operator who writes a member of its own into its database: no holder answers it, and no member believes it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import msgspec
import pytest

from exchange.membership import store as membership
from exchange.membership.statements import (
    EFFECTIVE,
    StatementSignature,
    StoredStatement,
    next_position,
    statement_id_of,
)
from keys.statements.envelopes import pre_authentication_encoding, sign_statement
from keys.statements.keyring import EpochStatement, to_payload
from member.errors import RefusedError
from member.statements.authority import build_keyring, load_root
from member.tokens.evaluation import HolderRefusedError
from member.tokens.holders import connect_holders
from member.transport.channel import Channel, Identity, RuntimeEnvironment
from tests.keys.factories import make_member, registrar_key
from tests.keys.holder.simulator import make_elements
from tests.taskforce.homes import MemberHomes
from tests.taskforce.member_program import now

INVENTED = make_member("invented")
_ME, _PERSON = "invented", "invented/analyst"


@pytest.fixture(scope="module")
def taskforce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberHomes]:
    founded = MemberHomes.found(tmp_path_factory.mktemp("invented"), banks=("a",))
    assert founded.run("a", "status").status == 0
    invent(founded)
    yield founded
    founded.close()


def invent(taskforce: MemberHomes) -> None:
    """The operator's rows: a member in force, its key, its group; and a statement that a stranger signed."""
    invented, statement = INVENTED, INVENTED.statement
    payload = to_payload(statement)
    with taskforce.database.transaction() as session:
        row = membership.Member(
            **{name: getattr(statement, name) for name in ("member_id", "name", "declared_book", "encryption_key")},
            **{name: str(getattr(statement, name)) for name in ("kind", "sector", "state")},
            sequence=1,
            updated_at=now(),
            stopped_at=None,
        )
        person = membership.Representative(
            representative_id=_PERSON,
            member_id=_ME,
            public_key=invented.key.public_bytes,
            roles_json='["submitter"]',
            state="active",
        )
        membership.save_member(session, row, [person])
        session.add(membership.GroupMember(group_id="taskforce", member_id=_ME))
        statement_id = statement_id_of(payload)
        session.add(
            StoredStatement(
                statement_id=statement_id,
                type="member",
                subject=_ME,
                sequence=1,
                payload=payload,
                state=EFFECTIVE,
                proposed_at=now(),
                effective_at=now(),
                position=next_position(session),
            )
        )
        session.flush()
        signature = registrar_key("stranger").sign(pre_authentication_encoding(payload))
        session.add(
            StatementSignature(statement_id=statement_id, registrar_id="necc", signature=signature, added_at=now())
        )


def _epoch(taskforce: MemberHomes, around: RuntimeEnvironment) -> EpochStatement:
    """The epoch, as a registrar's client reads it before the forgery."""
    home = taskforce.home("registrar")
    listed = json.loads(Channel("http://holder-1.test", None, around).get("/v1/epochs").body)["epochs"][0]["statement"]
    return build_keyring(load_root(home / "registrars.json"), [listed]).current_epoch


@pytest.mark.parametrize("person", [_PERSON, "a/ghost"])
def test_no_holder_answers_a_member_that_the_operator_invented(taskforce: MemberHomes, person: str) -> None:
    """Nor does one answer an invented person of a true member."""
    around = dataclasses.replace(taskforce.around(), patience=0.0)
    epoch = _epoch(taskforce, around)
    holders = connect_holders(epoch, Identity(person, INVENTED.key), around)
    for holder in holders.values():
        with pytest.raises(HolderRefusedError, match="no representative with this keyid"):
            holder.evaluate(make_elements(1), epoch=1, quorum=(1, 2), proof=False, idempotency_key="k" * 16)
        holder.close()


def test_a_holder_takes_no_statement_of_the_operators(taskforce: MemberHomes) -> None:
    envelope = sign_statement(to_payload(INVENTED.statement), "necc", registrar_key("stranger"))
    around = dataclasses.replace(taskforce.around(), patience=0.0)
    for holder in _epoch(taskforce, around).holders:
        channel = Channel(holder.url, None, around)
        with pytest.raises(RefusedError) as refused:
            channel.post("/v1/statements", json.dumps(envelope, default=msgspec.to_builtins).encode())
        assert refused.value.slug == "statement-quorum"
        channel.close()


def test_members_stop_at_a_statement_that_no_registrar_signed(taskforce: MemberHomes) -> None:
    for command in (("status",), ("hits",), ("token", "--type", "phone", "+447700900001")):
        done = taskforce.run("a", *command)
        assert (done.status, done.document["error"]["type"]) == (1, "bad_answer"), command
        assert "cannot be believed" in done.document["error"]["detail"]
    for act in ("pending", "deliver"):
        told = taskforce.run("registrar", "registrar", act)
        assert (told.status, told.document["error"]["type"]) == (1, "bad_answer")
