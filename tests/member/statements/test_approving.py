"""A registrar signs what it was shown and nothing else: by digest, at a terminal, and off line from files."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from exchange.registrars.propose import add_payload, discard_proposal, propose_statement
from keys.statements.envelopes import MAX_SEQUENCE
from keys.statements.fingerprints import fingerprint_of, in_fours
from keys.statements.keyring import (
    GroupState,
    GroupStatement,
    MemberState,
    MemberStatement,
    parse_statement,
    to_payload,
)
from schemas.terms import GroupKind
from schemas.values.encoding import to_rfc3339
from tests.keys.factories import make_member
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes, start_nothing
from tests.taskforce.member_program import Ran, now, run_member

REGISTRAR = ("registrar", "--as", "registrar", "registrar")


@pytest.fixture(scope="module")
def taskforce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberHomes]:
    founded = MemberHomes.found(tmp_path_factory.mktemp("approving"), banks=("a",))
    yield founded
    founded.close()


def group(group_id: str, objective: str = "one ring") -> GroupStatement:
    """A first statement about a group of bank a."""
    return GroupStatement(
        1, now(), group_id, group_id, GroupKind.THREAT_GROUP, objective, None, GroupState.OPEN, frozenset({"a"})
    )


def draft(taskforce: MemberHomes, group_id: str) -> str:
    """The operator drafts a group; the proposal's id."""
    return propose_statement(taskforce.database, "group", group_id, lambda sequence: group(group_id), now())


def pending(taskforce: MemberHomes) -> dict[str, dict[str, Any]]:
    """What the registrar is shown, by id."""
    shown = taskforce.run(*REGISTRAR, "pending")
    assert shown.status == 0, shown.document
    return {each["proposal_id"]: each for each in shown.document["proposals"]}


def unwrapped(text: str) -> str:
    """What is shown, with the parts of a long line put together."""
    return text.replace("\n|     ", " ")


def approve(taskforce: MemberHomes, *shown: dict[str, Any]) -> Ran:
    """The documented command."""
    digests = [part for each in shown for part in ("--digest", each["digest"])]
    return taskforce.run(*REGISTRAR, "approve", *[each["proposal_id"] for each in shown], *digests)


def in_force(taskforce: MemberHomes) -> set[str]:
    """The subjects of all statements that the exchange shows as in force."""
    file = taskforce.folder / f"look-{base64.b32encode(now().isoformat().encode()).decode().rstrip('=')}"
    assert taskforce.run(*REGISTRAR, "export", str(file)).status == 0
    payloads = [base64.b64decode(each["payload"]) for each in json.loads(file.read_text())["statements"]]
    return {json.loads(each).get("group_id") or json.loads(each).get("member_id") or "" for each in payloads}


def test_what_waits_is_told_with_keys_changes_and_digest(taskforce: MemberHomes) -> None:
    stated = make_member("bank-x").statement
    added = propose_statement(taskforce.database, "member", "bank-x", lambda sequence: stated, now())
    shown = pending(taskforce)[added]
    assert (shown["digest"], shown["is_new"], shown["changes"], shown["stale"]) == (added, True, [], False)
    prints = {(each["of"], each["use"]): each["fingerprint"] for each in shown["keys"]}
    person = stated.representatives[0]
    assert prints["bank-x", "encryption"] == fingerprint_of(stated.encryption_key)
    assert prints[person.representative_id, "signing"] == fingerprint_of(person.public_key)
    text = unwrapped(taskforce.run(*REGISTRAR, "pending", as_json=False).document["text"])
    for part in (stated.name, in_fours(prints["bank-x", "encryption"]), in_fours(fingerprint_of(person.public_key))):
        assert part in text
    assert f"approve {added} --digest {added}" in text
    for wrong in ("", "zz", added + "0"):
        refused = taskforce.run(*REGISTRAR, "approve", wrong, "--digest", shown["digest"])
        assert (refused.status, refused.document["error"]["type"]) == (1, "unknown"), wrong
    done = taskforce.run(*REGISTRAR, "approve", added[:10], "--digest", shown["digest"])
    assert (done.status, [each["proposal_id"] for each in done.document["approved"]]) == (0, [added]), done.document

    other = bytes([9]) * 32
    changed = replace(stated, sequence=2, state=MemberState.SUSPENDED, encryption_key=other)
    second = propose_statement(taskforce.database, "member", "bank-x", lambda sequence: changed, now())
    shown = pending(taskforce)[second]
    before, after = in_fours(fingerprint_of(stated.encryption_key)), in_fours(fingerprint_of(other))
    assert shown["changes"] == [
        {"field": "encryption_key", "before": f"fingerprint {before}", "after": f"fingerprint {after}"},
        {"field": "state", "before": "active", "after": "suspended"},
    ]
    assert "state: active -> suspended" in taskforce.run(*REGISTRAR, "pending", as_json=False).document["text"]
    assert approve(taskforce, shown).status == 0


def test_a_member_reads_the_fingerprints_that_the_registrar_sees(taskforce: MemberHomes) -> None:
    standing = taskforce.run("a", "status").document
    file = taskforce.folder / "as-stated.json"
    assert taskforce.run(*REGISTRAR, "export", str(file)).status == 0
    statements = [parse_statement(base64.b64decode(e["payload"])) for e in json.loads(file.read_text())["statements"]]
    (stated,) = [each for each in statements if isinstance(each, MemberStatement) and each.member_id == "a"]
    assert standing["encryption_key_fingerprint"] == fingerprint_of(stated.encryption_key)
    assert {each["representative_id"]: each["fingerprint"] for each in standing["representatives"]} == {
        person.representative_id: fingerprint_of(person.public_key) for person in stated.representatives
    }


def test_a_payload_swapped_between_showing_and_signing_is_not_signed(taskforce: MemberHomes) -> None:
    first, second = draft(taskforce, "shown"), draft(taskforce, "beside")
    shown = pending(taskforce)
    swapped = base64.b64encode(to_payload(group("shown", "what the operator would like"))).decode()
    honest = taskforce.applications[EXCHANGE_URL]

    def swapping(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/v1/proposals":
            return honest(environ, start_response)
        answer = json.loads(b"".join(honest(environ, start_nothing)))
        for each in answer["proposals"]:
            each["payload"] = swapped if each["proposal_id"] == first else each["payload"]
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    taskforce.applications[EXCHANGE_URL] = swapping
    try:
        done = approve(taskforce, shown[second], shown[first])
    finally:
        taskforce.applications[EXCHANGE_URL] = honest
    assert (done.status, done.document["error"]["type"]) == (1, "digest_mismatch")
    assert done.document["error"]["proposal_id"] == first
    assert {each["signatures"] for each in pending(taskforce).values()} == {0}  # the one beside it neither
    assert not {"shown", "beside"} & in_force(taskforce)
    assert approve(taskforce, *pending(taskforce).values()).status == 0


def test_a_ghost_bank_enrolled_just_before_the_command_is_not_signed(taskforce: MemberHomes) -> None:
    wanted = draft(taskforce, "wanted")
    shown = pending(taskforce)[wanted]
    ghost = make_member("ghost").statement
    planted = propose_statement(taskforce.database, "member", "ghost", lambda sequence: ghost, now())
    done = approve(taskforce, shown)
    assert [each["proposal_id"] for each in done.document["approved"]] == [wanted]
    assert "ghost" not in in_force(taskforce)
    waiting = pending(taskforce)
    assert (waiting[planted]["signatures"], waiting[planted]["is_new"]) == (0, True)
    for everything in (("approve",), ("approve", "--all"), ("approve", planted)):
        refused = taskforce.run(*REGISTRAR, *everything)
        assert (refused.status, refused.document["error"]["type"]) == (2, "usage"), everything
    assert "ghost" not in in_force(taskforce)


def test_approving_goes_on_to_the_last_and_names_what_is_stale(taskforce: MemberHomes) -> None:
    """Two of one sequence, as an operator that drafts twice has them stand."""
    with taskforce.database.transaction() as session:
        twins = [add_payload(session, to_payload(group("twin", name)), now()) for name in ("first", "second")]
    last = draft(taskforce, "last-of-all")
    shown = pending(taskforce)
    done = approve(taskforce, *[shown[each] for each in (*twins, last)])
    assert (done.status, done.document["error"]["type"]) == (1, "not_approved")
    assert [each["state"] for each in done.document["approved"]] == ["effective", "stale", "effective"]
    assert "group twin: stale" in done.document["error"]["detail"]
    assert {"twin", "last-of-all"} <= in_force(taskforce)


def test_signing_works_off_line_from_files(taskforce: MemberHomes, tmp_path: Path) -> None:
    draft(taskforce, "carried")
    proposals, signed = tmp_path / "proposals.json", tmp_path / "signed.json"
    exported = taskforce.run(*REGISTRAR, "export", str(proposals))
    (shown,) = [each for each in exported.document["proposals"] if each["subject"] == "carried"]

    home = taskforce.home("registrar")
    seen = run_member(home, "registrar", "show", str(proposals))  # no way to any server from here
    assert shown["digest"] in {each["digest"] for each in seen.document["proposals"]}
    for digests, status in (((), 2), (("--digest", "0" * 64), 1)):
        refused = run_member(home, "registrar", "sign", str(proposals), *digests, "--out", str(signed))
        assert (refused.status, signed.exists()) == (status, False), refused.document
    done = run_member(home, "registrar", "sign", str(proposals), "--digest", shown["digest"], "--out", str(signed))
    assert (done.status, [each["subject"] for each in done.document["signed"]]) == (0, ["carried"])
    assert len(json.loads(signed.read_text())["envelopes"]) == 1

    assert "carried" not in in_force(taskforce)
    submitted = taskforce.run(*REGISTRAR, "submit", str(signed))
    assert (submitted.status, submitted.document["submitted"][0]["state"]) == (0, "effective"), submitted.document
    assert "carried" in in_force(taskforce)


def test_files_that_are_none_are_refused_by_name(taskforce: MemberHomes, tmp_path: Path) -> None:
    home = taskforce.home("registrar")
    for number, text in enumerate(("", "[]", "{}", '{"proposals":[{"proposal_id":"x"}]}', '{"type":"group"}', "\0")):
        path = tmp_path / f"{number}.json"
        path.write_text(text)
        shown = run_member(home, "registrar", "show", str(path))
        submitted = taskforce.run(*REGISTRAR, "submit", str(path))
        for done in (shown, submitted):
            assert (done.status, done.document["error"]["type"]) == (2, "usage"), (text, done.document)
            assert str(path) in done.document["error"]["detail"]


def test_holders_are_found_by_the_registrars_word_and_kept(taskforce: MemberHomes) -> None:
    """The operator shows fewer statements than before: what this registrar saw in force still reaches the holders."""
    honest = taskforce.applications[EXCHANGE_URL]

    def hiding(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/v1/statements":
            return honest(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"statements":[],"next":null}']

    whole = taskforce.run(*REGISTRAR, "deliver").document["holders"]
    taskforce.applications[EXCHANGE_URL] = hiding
    try:
        hidden = taskforce.run(*REGISTRAR, "deliver").document["holders"]
    finally:
        taskforce.applications[EXCHANGE_URL] = honest
    assert hidden == whole
    assert [each["holder_id"] for each in whole] == ["holder-1", "holder-2", "holder-3"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sequence": MAX_SEQUENCE}, "sequences left out can never be used again"),
        ({"sequence": 1 + 9}, "sequences left out can never be used again"),
        ({"issued_at": now() + timedelta(hours=2)}, "lies in the future"),
        ({"issued_at": datetime.max.replace(tzinfo=UTC)}, "lies in the future"),
    ],
)
def test_a_sequence_or_time_that_runs_ahead_is_shown_and_not_signed(
    taskforce: MemberHomes, tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    """Signed once, the highest sequence would make its subject unchangeable: nobody could be suspended any more."""
    ahead = replace(group(f"ahead-{secrets.token_hex(3)}"), **change)
    planted = propose_statement(taskforce.database, "group", ahead.group_id, lambda sequence: ahead, now())
    shown = pending(taskforce)[planted]
    assert (shown["sequence"], shown["issued_at"]) == (ahead.sequence, to_rfc3339(ahead.issued_at))
    assert told in shown["obstacle"]
    text = taskforce.run(*REGISTRAR, "pending", as_json=False).document["text"]
    assert f"sequence {ahead.sequence}, issued at {to_rfc3339(ahead.issued_at)}" in text
    done = approve(taskforce, shown)
    assert (done.status, done.document["approved"][0]["state"]) == (1, "refused")
    assert told in done.document["error"]["detail"]

    proposals, signed = tmp_path / "proposals.json", tmp_path / "signed.json"
    assert taskforce.run(*REGISTRAR, "export", str(proposals)).status == 0
    arguments = ("registrar", "sign", str(proposals), "--digest", shown["digest"], "--out", str(signed))
    refused = run_member(taskforce.home("registrar"), *arguments)
    assert (refused.status, refused.document["error"]["type"]) == (1, "not_to_be_signed")
    assert not signed.exists()
    assert pending(taskforce)[planted]["signatures"] == 0
    discard_proposal(taskforce.database, planted, now())
