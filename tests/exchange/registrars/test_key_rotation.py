"""`exchange member rotate-key`: the old key is dead at once and for ever, the new one lives by the quorum."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from sqlalchemy import text

from exchange.configuration.settings import load_settings
from exchange.kernel.session import create_database
from exchange.programs.cli import program
from exchange.registrars.accept import accept_statement
from exchange.registrars.propose import list_proposals, propose_statement
from exchange.registrars.rotate_key import UnknownRepresentativeError, rotate_key
from keys.signatures.messages import SigningKey
from keys.statements.envelopes import merge, sign_statement
from keys.statements.keyring import (
    Keyring,
    RepresentativeState,
    StatedRepresentative,
    StatementError,
    parse_statement,
    to_payload,
)
from keys.statements.replacement import ReplacementError, sign_replacement, verify_replacement
from schemas.enrolments import KeyReplacement
from schemas.terms import FourEyes, Role
from schemas.values.encoding import to_base64
from tests.exchange.factories import make_token
from tests.keys.factories import make_member
from tests.taskforce.clock import NOW
from tests.taskforce.founding import Taskforce
from tests.taskforce.members import MemberSimulator

NewTaskforce = Callable[..., Taskforce]
WHO = "a/analyst"


def asked_by(member: MemberSimulator, new: SigningKey) -> KeyReplacement:
    """What the member's program would write, read by the operator's."""
    return verify_replacement(msgspec.to_builtins(sign_replacement(WHO, member.keys["analyst"].public_bytes, new)))


def status_of(taskforce: Taskforce, key: SigningKey, app: Any = None) -> int:
    """What a request with this key gets."""
    answer = taskforce.send("GET", "/v1/status", b"", key_id=WHO, key=key, app=app)
    return answer.status_code


def test_the_old_key_is_refused_on_the_very_next_request_at_every_worker(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    old = taskforce.members["a"].keys["analyst"]
    other_database = create_database(taskforce.settings.database_url)
    try:
        other_worker = taskforce.make_app(other_database)
        assert status_of(taskforce, old, other_worker) == 200
        rotate_key(taskforce.database, WHO, None, taskforce.clock())
        assert status_of(taskforce, old, other_worker) == 403
        assert status_of(taskforce, old) == 403
        assert taskforce.members["a"].send("GET", "/v1/status", as_name="authoriser").status_code == 200
    finally:
        other_database.dispose()


def test_the_new_key_counts_when_the_quorum_has_signed_and_not_before(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a, new = taskforce.members["a"], SigningKey.generate()
    proposal_id = rotate_key(taskforce.database, WHO, asked_by(a, new), taskforce.clock())
    assert (status_of(taskforce, new), status_of(taskforce, a.keys["analyst"])) == (401, 403)
    taskforce.sign(proposal_id, "necc")
    assert (status_of(taskforce, new), status_of(taskforce, a.keys["analyst"])) == (401, 403)
    taskforce.sign(proposal_id, "reviewer")
    assert (status_of(taskforce, new), status_of(taskforce, a.keys["analyst"])) == (200, 401)
    a.keys["analyst"] = new
    assert a.submit([make_token()]).status_code == 201


def test_a_key_is_replaced_after_its_revocation_was_signed_too(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a, new = taskforce.members["a"], SigningKey.generate()
    taskforce.sign(rotate_key(taskforce.database, WHO, None, taskforce.clock()))
    assert status_of(taskforce, a.keys["analyst"]) == 403
    taskforce.sign(rotate_key(taskforce.database, WHO, asked_by(a, new), taskforce.clock()))
    assert (status_of(taskforce, new), status_of(taskforce, a.keys["analyst"])) == (200, 401)


def test_an_older_draft_that_names_the_old_key_does_not_bring_it_back(new_taskforce: NewTaskforce) -> None:
    """It was drafted for something else before the theft, and the registrars sign it after."""
    taskforce = new_taskforce("a")
    a = taskforce.members["a"]
    older = propose_statement(
        taskforce.database, "member", "a", lambda sequence: taskforce.member_statement(a, sequence), taskforce.clock()
    )
    (payload,) = (base64.b64decode(each["payload"]) for each in taskforce.proposals())
    taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
    rotate_key(taskforce.database, WHO, None, taskforce.clock())
    assert older not in {each["proposal_id"] for each in taskforce.proposals()}  # the revoking took its place
    envelope = sign_statement(payload, "necc", taskforce.registrars["necc"])
    # A signature makes it wait again: no draft of the operator's ends what a registrar signed.
    assert accept_statement(taskforce.database, taskforce.root, envelope, taskforce.clock()).state == "collecting"
    assert status_of(taskforce, a.keys["analyst"]) == 403
    taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
    taskforce.state_member(a)  # even when the registrars state it anew
    assert status_of(taskforce, a.keys["analyst"]) == 403


def test_a_replaced_key_never_comes_back_not_even_by_the_quorum(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a, new = taskforce.members["a"], SigningKey.generate()
    old = a.keys["analyst"]
    taskforce.sign(rotate_key(taskforce.database, WHO, asked_by(a, new), taskforce.clock()))
    a.keys["analyst"] = new
    taskforce.state_member(a)  # another statement between: the memory is longer than one step
    a.keys["analyst"] = old
    with pytest.raises(StatementError, match="does not come back"):
        taskforce.state_member(a)
    assert (status_of(taskforce, new), status_of(taskforce, old)) == (200, 401)


def test_a_keyring_remembers_spent_keys(new_taskforce: NewTaskforce) -> None:
    """As members and key holders keep it."""
    taskforce = new_taskforce("a")
    a, old = taskforce.members["a"], taskforce.members["a"].keys["analyst"]
    keyring = Keyring(taskforce.root)

    def state(sequence: int, key: SigningKey, name: str = "analyst") -> None:
        a.keys = {name: key}
        statement = dataclasses.replace(
            taskforce.member_statement(a, sequence),
            representatives=tuple(
                dataclasses.replace(person, representative_id=f"a/{name}")
                for person in taskforce.member_statement(a, sequence).representatives
            ),
        )
        payload = to_payload(statement)
        first, second = (sign_statement(payload, each, key) for each, key in taskforce.registrars.items())
        keyring.add(merge(first, second))

    state(1, old)
    state(2, SigningKey.generate())
    state(3, SigningKey.generate())
    for sequence, name in ((4, "analyst"), (5, "authoriser")):
        with pytest.raises(StatementError, match="does not come back"):
            state(sequence, old, name)
    assert keyring.member("a").sequence == 3


# -- the attacker's


def test_a_thief_of_the_old_key_cannot_sign_the_rotation_to_his_own(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a, his = taskforce.members["a"], SigningKey.generate()
    old = a.keys["analyst"]
    statement = taskforce.member_statement(a, 2)
    people = (dataclasses.replace(statement.representatives[0], public_key=his.public_bytes),)
    payload = to_payload(dataclasses.replace(statement, representatives=people))
    forged = [sign_statement(payload, name, old) for name in ("necc", "reviewer")]
    body = json.dumps(merge(*forged), default=msgspec.to_builtins).encode()
    assert taskforce.send("POST", "/v1/statements", body, key_id=WHO, key=old).status_code == 401
    assert taskforce.send("POST", "/v1/statements", body, key_id="registrar/necc", key=old).status_code == 401
    with pytest.raises(StatementError, match="no registrar"):
        accept_statement(taskforce.database, taskforce.root, merge(*forged), taskforce.clock())
    assert status_of(taskforce, his) == 401


def test_a_request_for_a_new_key_is_proved_by_that_key_for_that_place(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a, new = taskforce.members["a"], SigningKey.generate()
    old = a.keys["analyst"]
    good = msgspec.to_builtins(sign_replacement(WHO, old.public_bytes, new))
    by_the_old_key = to_base64(sign_replacement(WHO, old.public_bytes, old).proof)
    for change in (
        {"proof": by_the_old_key},
        {"representative_id": "a/authoriser"},
        {"replaces": good["public_key"]},
        {"public_key": to_base64(SigningKey.generate().public_bytes)},
        {"extra": 1},
    ):
        with pytest.raises(ReplacementError):
            verify_replacement({**good, **change})
    oddities: list[object] = [None, [], "text", {}, {**good, "proof": 7}]
    for odd in oddities:
        with pytest.raises(ReplacementError):
            verify_replacement(odd)


def test_a_rotation_of_another_time_or_person_revokes_nothing(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a, new = taskforce.members["a"], SigningKey.generate()
    used = asked_by(a, SigningKey.generate())
    taskforce.sign(rotate_key(taskforce.database, WHO, asked_by(a, new), taskforce.clock()))
    a.keys["analyst"] = new
    wrong = (used, msgspec.structs.replace(asked_by(a, SigningKey.generate()), representative_id="a/authoriser"))
    for replacement in (*wrong, asked_by(a, new)):
        with pytest.raises(ReplacementError):
            rotate_key(taskforce.database, WHO, replacement, taskforce.clock())
    for nobody in ("a/nobody", "b/analyst", "a", "", "registrar/necc"):
        with pytest.raises(UnknownRepresentativeError):
            rotate_key(taskforce.database, nobody, None, taskforce.clock())
    assert status_of(taskforce, new) == 200


def test_the_revocation_stands_in_the_members_log(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    rotate_key(taskforce.database, WHO, None, taskforce.clock())
    rotate_key(taskforce.database, WHO, None, taskforce.clock())  # again: one entry
    with taskforce.database.reading() as session:
        found = session.execute(text("SELECT count(*) FROM log_entries WHERE kind = 'key_revoked'")).scalar_one()
    assert found == 1


def test_the_command_revokes_and_drafts_what_the_members_file_asks_for(tmp_path: Path) -> None:
    home, passphrase = tmp_path / "home", tmp_path / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text("a passphrase of the tests")
    registrar = SigningKey.generate()
    named = {"registrar_id": "necc", "public_key": to_base64(registrar.public_bytes)}
    (tmp_path / "registrars.json").write_text(json.dumps({"quorum": 1, "registrars": [named]}))

    def run(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
        done = CliRunner().invoke(program, ["--home", str(home), *map(str, arguments), "--json"])
        return done.exit_code, {} if done.exception else json.loads(done.stdout)

    setting_up = ("--url", "https://x.test", "--exchange-id", "uk", "--passphrase-file", passphrase)
    assert run("init", "--registrars", tmp_path / "registrars.json", *setting_up)[0] == 0
    settings = load_settings(home, {})
    database = create_database(settings.database_url)
    old, new = SigningKey.generate(), SigningKey.generate()
    person = StatedRepresentative(WHO, old.public_bytes, frozenset({Role.SUBMITTER}), RepresentativeState.ACTIVE)
    stated = dataclasses.replace(make_member("a").statement, representatives=(person,))
    accept_statement(database, settings.root, sign_statement(to_payload(stated), "necc", registrar), NOW)

    file = tmp_path / "new.json"
    for content in (b"no json", b"\xff", b"[" * 100_000, b"{}"):
        file.write_bytes(content)
        assert run("member", "rotate-key", WHO, "--new-key", file)[0] != 0, content[:20]
    assert run("member", "rotate-key", "a/nobody")[0] != 0
    file.write_text(json.dumps(msgspec.to_builtins(sign_replacement(WHO, old.public_bytes, new))))
    code, done = run("member", "rotate-key", WHO, "--new-key", file)
    assert (code, done["public_key"], done["state"]) == (0, to_base64(new.public_bytes), "revoked")
    (proposal,) = (one for one in list_proposals(database) if one.proposal_id == done["proposal_id"])
    drafted = parse_statement(proposal.payload)
    assert drafted == dataclasses.replace(
        stated,
        sequence=2,
        issued_at=drafted.issued_at,
        representatives=(dataclasses.replace(person, public_key=new.public_bytes),),
    )
    assert run("proposal", "discard", done["proposal_id"])[0] == 0
    code, done = run("member", "four-eyes", "a", "--answers")
    assert (code, done["four_eyes"]) == (0, ["answers"])
    (proposal,) = (one for one in list_proposals(database) if one.proposal_id == done["proposal_id"])
    drafted = parse_statement(proposal.payload)
    assert drafted == dataclasses.replace(
        stated, sequence=2, issued_at=drafted.issued_at, four_eyes=frozenset({FourEyes.ANSWERS})
    )
    assert run("member", "four-eyes", "a", "--no-answers")[0] == 1, "nothing to change"
    database.dispose()
