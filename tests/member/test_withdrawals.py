"""Taking back, corrections, outcomes and assessments from the command line, against the real exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exchange.services.tell_corrections import tell_corrections
from schemas.identifiers import uuid7
from tests.member.taskforce import Ran, Taskforce, accounts, now, write_csv

FIRST = 91_000
WHOLE = 20_000_000_000_000


def share(taskforce: Taskforce, folder: Path, *numbers: int) -> list[str]:
    """Accounts that a and b both submit; the submission ids."""
    made = []
    for bank in ("a", "b"):
        path = write_csv(folder / f"{bank}.csv", *accounts(*numbers))
        done = taskforce.run(bank, "submit", str(path))
        assert done.status == 0, done.document
        made.append(done.document["submission_id"])
    return made


def tell(taskforce: Taskforce) -> int:
    """One round of the worker."""
    assert taskforce.database is not None
    return tell_corrections(taskforce.database, now())


def hit_on(taskforce: Taskforce, bank: str, number: int) -> dict[str, Any] | None:
    """A bank's live hit on an account."""
    listed = taskforce.run(bank, "hits").document["hits"]
    return next((hit for hit in listed if hit["values"] == [str(WHOLE + number)]), None)


def rules_of(done: Ran) -> list[str]:
    """The names of the rules that refused."""
    assert done.status == 1, done.document
    return [reason["code"] for reason in done.document["error"]["problem"]["reasons"]]


def test_a_row_is_taken_back_and_who_was_told_reads_and_acknowledges_it(taskforce: Taskforce, tmp_path: Path) -> None:
    share(taskforce, tmp_path, FIRST, FIRST + 1)
    hit = hit_on(taskforce, "b", FIRST)
    assert hit is not None
    done = taskforce.run("a", "withdraw", "--type", "bank_account", str(WHOLE + FIRST), "--reason", "false_positive")
    assert (done.status, done.document["withdrawn"], done.document["told"]) == (0, 1, 1)
    assert hit_on(taskforce, "b", FIRST) is None
    assert hit_on(taskforce, "b", FIRST + 1) is not None
    assert tell(taskforce) == 1
    (one,) = [one for one in taskforce.run("b", "corrections", "list").document["corrections"] if one["items"] == 1]
    assert (one["reason"], one["is_overdue"]) == ("false_positive", False)
    (about,) = one["concerned"]
    assert (about["kind"], about["object_id"], about["values"]) == ("hit", hit["hit_id"], [str(WHOLE + FIRST)])
    assert about["source_refs"] == [f"ref-{FIRST}"]
    assert taskforce.run("b", "corrections", "ack", one["correction_id"]).status == 0
    left = taskforce.run("b", "corrections", "list").document["corrections"]
    assert one["correction_id"] not in [other["correction_id"] for other in left]
    kept = taskforce.run("b", "corrections", "list", "--all").document["corrections"]
    assert one["correction_id"] in [other["correction_id"] for other in kept]
    assert taskforce.run("a", "corrections", "ack", one["correction_id"]).document["error"]["type"] == "not-found"
    again = taskforce.run("a", "withdraw", "--type", "bank_account", str(WHOLE + FIRST), "--reason", "error")
    assert rules_of(again) == ["no-live-row"]
    for bank in ("a", "b"):
        verified = taskforce.run(bank, "log", "verify")
        assert verified.status == 0, verified.document


def test_a_submission_is_taken_back_whole_by_the_authoriser_too(taskforce: Taskforce, tmp_path: Path) -> None:
    numbers = [FIRST + 10, FIRST + 11, FIRST + 12]
    own, others = share(taskforce, tmp_path, *numbers)
    stolen = taskforce.run("a", "withdraw", "--submission", others, "--reason", "error")
    unknown = taskforce.run("a", "withdraw", "--submission", uuid7(), "--reason", "error")
    assert (stolen.status, stolen.document) == (1, unknown.document)
    done = taskforce.run("a", "--as", "authoriser", "withdraw", "--submission", own, "--reason", "court_order")
    assert (done.document["withdrawn"], done.document["told"]) == (3, 1)
    assert [hit_on(taskforce, "b", number) for number in numbers] == [None] * 3
    assert tell(taskforce) == 1
    listed = taskforce.run("b", "corrections", "list").document["corrections"]
    (one,) = [one for one in listed if one["reason"] == "court_order"]
    assert {about["values"][0] for about in one["concerned"]} == {str(WHOLE + number) for number in numbers}
    # The very same file again: new rows, which are found again.
    path = write_csv(tmp_path / "a.csv", *accounts(*numbers))
    again = taskforce.run("a", "submit", str(path), "--restart").document
    assert (again["accepted"], again["duplicates"]) == (3, 0)
    assert hit_on(taskforce, "b", numbers[0]) is not None


def test_the_same_command_after_a_lost_answer_and_a_new_row_takes_the_new_row_back(
    taskforce: Taskforce, tmp_path: Path
) -> None:
    share(taskforce, tmp_path, FIRST + 15)
    command = ("b", "withdraw", "--type", "bank_account", str(WHOLE + FIRST + 15), "--reason", "error")
    with taskforce.losing_answers("/withdrawals"):
        assert taskforce.run(*command).status == 1
    assert hit_on(taskforce, "a", FIRST + 15) is None
    path = write_csv(tmp_path / "again.csv", f"bank_account,{WHOLE + FIRST + 15},right this time,,anew")
    assert taskforce.run("b", "submit", str(path)).document["accepted"] == 1
    assert hit_on(taskforce, "a", FIRST + 15) is not None
    assert taskforce.run(*command).document["withdrawn"] == 1
    assert hit_on(taskforce, "a", FIRST + 15) is None


def test_what_cannot_be_taken_back_is_said_before_anybody_is_asked(taskforce: Taskforce) -> None:
    unknown = taskforce.run("a", "withdraw", "--type", "bank_account", "20000099999999", "--reason", "error")
    assert (unknown.status, unknown.document["error"]["type"]) == (1, "unknown")
    wrong = taskforce.run("a", "withdraw", "--type", "bank_account", "2000", "--reason", "error")
    assert (wrong.status, wrong.document["error"]["type"]) == (1, "not_normalisable")
    for arguments in (
        ("--reason", "error"),
        ("20000099999999", "--reason", "error"),
        ("--type", "bank_account", "1", "--submission", uuid7(), "--reason", "error"),
        ("--submission", "no id", "--reason", "error"),
        ("--type", "bank_account", "20000099999999", "--reason", "spite"),
    ):
        assert taskforce.run("a", "withdraw", *arguments).status == 2, arguments


def test_outcomes_reach_the_contributor_with_its_own_value_and_without_a_name(
    taskforce: Taskforce, tmp_path: Path
) -> None:
    share(taskforce, tmp_path, FIRST + 20)
    hit = hit_on(taskforce, "b", FIRST + 20)
    assert hit is not None
    about = ("outcome", "record", "--hit", hit["hit_id"])
    assert rules_of(taskforce.run("b", *about)) == ["nothing-reported"]
    said = taskforce.run("b", *about, "--usefulness", "useful", "--restrained", "12000", "--arrests", "0")
    assert said.status == 0, said.document
    listed = taskforce.run("a", "outcome", "list", "--received").document["outcomes"]
    (seen,) = [one for one in listed if one["values"] == [str(WHOLE + FIRST + 20)]]
    assert (seen["restrained_gbp"], seen["arrests"], seen["charges"]) == (12000, 0, None)
    assert (seen["false_positive"], seen["recorder"], seen["recorder_kind"]) == (None, None, "financial_institution")
    (own,) = taskforce.run("b", "outcome", "list").document["outcomes"]
    assert (own["object"], own["object_id"]) == ("hit", hit["hit_id"])
    table = taskforce.run("a", "outcome", "list", "--received", as_json=False).document["text"]
    assert "restrained gbp: 12000" in table
    assert taskforce.run("b", "outcome", "record", "--usefulness", "useful").status == 2
    exit_ = (*about, "--account-action", "exit", "--false-positive")
    assert rules_of(taskforce.run("b", *exit_)) == ["no-assessment"]
    checks = ("--other-sources", "--vulnerability-checked", "--keep-open-checked")
    assess = ("assessment", "record", "--hit", hit["hit_id"], "--decision", "exit")
    assert rules_of(taskforce.run("b", *assess, *checks[1:])) == ["exit-unchecked"]
    assert taskforce.run("b", *assess, *checks).status == 0
    assert taskforce.run("b", *exit_).status == 0
    assert True in [one["false_positive"] for one in taskforce.run("b", "outcome", "list").document["outcomes"]]
    for bank in ("a", "b"):
        assert taskforce.run(bank, "log", "verify").status == 0
