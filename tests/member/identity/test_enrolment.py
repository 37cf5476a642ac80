"""Becoming a member: the code, the registrars' fingerprint, and what holds until they have signed."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from keys.statements.keyring import Root
from member.errors import UsageError
from member.identity.enrolment import read_code
from tests.taskforce.homes import MemberHomes
from tests.taskforce.member_program import accounts, run_member, write_csv, write_secret_file


def ready(taskforce: MemberHomes, member_id: str) -> str:
    """A home for a new member, and its code."""
    folder = str(taskforce.passphrase_dir(member_id))
    made = run_member(
        taskforce.home(member_id), "init", "--member-id", member_id, "--sandbox", "--passphrase-dir", folder
    )
    assert made.status == 0
    return taskforce.invite(member_id)


def test_a_member_is_told_to_wait_until_the_registrars_have_signed(taskforce: MemberHomes, tmp_path: Path) -> None:
    code = ready(taskforce, "c")
    root = Root.load(taskforce.folder / "registrars.json")
    joined = taskforce.run("c", "join", code, "--registrars-fingerprint", root.fingerprint.upper())
    assert (joined.status, joined.document["state"]) == (0, "awaiting_registrars")
    assert joined.document["registrars_fingerprint"] == root.fingerprint
    assert taskforce.run("c", "hits").document["error"]["type"] == "awaiting_registrars"
    assert taskforce.run("c", "status").document["state"] == "awaiting_registrars"

    waiting = taskforce.run("registrar", "registrar", "pending").document["proposals"]
    (proposal,) = [each for each in waiting if each["subject"] == "c"]
    assert proposal["statement"]["representatives"][0]["representative_id"] == "c/analyst"
    shown = (proposal["proposal_id"], "--digest", proposal["digest"])
    approved = taskforce.run("registrar", "registrar", "approve", *shown)
    assert [each["state"] for each in approved.document["approved"]] == ["effective"]
    assert all(each["problem"] is None for each in approved.document["holders"])
    assert taskforce.run("c", "status").document["state"] == "active"
    refused = taskforce.run("c", "submit", str(write_csv(tmp_path / "x.csv", *accounts(1))), "--dry-run")
    assert refused.status == 0


def test_a_wrong_fingerprint_stops_the_joining_before_anything_is_sent(taskforce: MemberHomes) -> None:
    code = ready(taskforce, "d")
    done = taskforce.run("d", "join", code, "--registrars-fingerprint", "0" * 64)
    assert (done.status, done.document["error"]["type"]) == (1, "wrong_registrars")
    assert not (taskforce.home("d") / "registrars.json").exists()
    assert taskforce.run("d", "join", code, "--yes").status == 0


def test_an_uncompared_fingerprint_is_not_taken_silently(taskforce: MemberHomes) -> None:
    code = ready(taskforce, "e")
    done = taskforce.run("e", "join", code)
    assert (done.status, done.document["error"]["type"]) == (2, "usage")
    assert "fingerprint" in done.said


def test_an_attacker_cannot_use_anothers_code_or_use_one_twice(taskforce: MemberHomes) -> None:
    code = ready(taskforce, "f")
    ready(taskforce, "g")
    assert taskforce.run("g", "join", code, "--yes").document["error"]["type"] == "home"
    assert taskforce.run("f", "join", code, "--yes").status == 0
    folder = str(taskforce.passphrase_dir("f"))
    run_member(taskforce.home("f-again"), "init", "--member-id", "f", "--sandbox", "--passphrase-dir", folder)
    again = taskforce.run("f-again", "join", code, "--yes")
    assert (again.status, again.document["error"]["status"]) == (1, 403)


def test_an_attacker_cannot_bring_other_registrars_by_a_second_code(taskforce: MemberHomes) -> None:
    code = json.loads(base64.urlsafe_b64decode(taskforce.invite("a") + "=="))
    code["registrars"]["registrars"][0]["registrar_id"] = "mallory"
    forged = base64.urlsafe_b64encode(json.dumps(code).encode()).decode().rstrip("=")
    done = taskforce.run("a", "join", forged, "--yes")
    assert (done.status, done.document["error"]["type"]) == (1, "home")


@pytest.mark.parametrize("text", ["", "%%%", "e30", "bnVsbA", "ü", "A" * 70_000])
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_code(text)


def test_a_new_representative_counts_when_the_registrars_have_signed(taskforce: MemberHomes, tmp_path: Path) -> None:
    secret = write_secret_file(taskforce.passphrase_dir("a") / "carol", "secret of carol")
    draft = tmp_path / "draft.json"
    options = ("--roles", "investigator", "--out", str(draft), "--passphrase-file", str(secret))
    assert taskforce.run("a", "representative", "add", "carol", *options).status == 0
    assert taskforce.run("a", "--as", "carol", "hits").status == 1
    taskforce.sign_file(draft)
    assert taskforce.run("a", "--as", "carol", "hits").status == 0
    people = {each["representative_id"]: each for each in taskforce.run("a", "status").document["representatives"]}
    assert people["a/carol"]["roles"] == ["investigator"]

    revoked = tmp_path / "revoked.json"
    assert taskforce.run("a", "representative", "remove", "carol", "--out", str(revoked)).status == 0
    taskforce.sign_file(revoked)
    assert taskforce.run("a", "--as", "carol", "hits").status == 1
    listed = taskforce.run("a", "representative", "list").document["representatives"]
    assert {each["representative_id"]: each["state"] for each in listed}["a/carol"] == "revoked"


def test_a_registrar_signs_nothing_that_is_no_statement(taskforce: MemberHomes, tmp_path: Path) -> None:
    (tmp_path / "draft.json").write_text(json.dumps({"type": "member", "member_id": "a"}))
    done = taskforce.run("registrar", "registrar", "show", str(tmp_path / "draft.json"))
    assert (done.status, done.document["error"]["type"]) == (2, "usage")


def test_a_registrar_is_told_which_proposals_do_not_wait(taskforce: MemberHomes) -> None:
    done = taskforce.run("registrar", "registrar", "approve", "nonsense", "--digest", "0")
    assert (done.status, done.document["error"]["type"]) == (1, "unknown")
