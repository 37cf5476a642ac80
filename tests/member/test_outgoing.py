"""What was sent and whose answer was lost: the same command again does nothing twice, and is told what it was then.

The exchange is the real one; some of its answers do not arrive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from exchange.services.tell_corrections import tell_corrections
from tests.member.taskforce import Ran, Taskforce, accounts, now, write_csv

WHOLE, FIRST = 20_000_000_000_000, 95_000
TYPE = ("--type", "bank_account")
GROUNDS = ("--legal-gateway", "CCA2013_s7", "--purpose", "finding who is paid")
ASKING = ("--mode", "request", "--legal-gateway", "ECCTA2023_s188", "--purpose", "finding who is paid")
STATED = ("--necessity", "nobody else can say", "--proportionality", "one account")


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taskforce]:
    """Two banks that hold the same five accounts, and an agency."""
    folder = tmp_path_factory.mktemp("forgetful")
    founded = Taskforce.found(folder, agencies=("nca",), reviewers=("ico",))
    file = write_csv(folder / "rows.csv", *accounts(*range(FIRST, FIRST + 5)))
    for bank in ("b", "a"):
        assert founded.run(bank, "submit", str(file)).status == 0
    yield founded
    founded.close()


def hit_on(taskforce: Taskforce, number: int) -> str:
    """Bank a's hit on an account."""
    listed = taskforce.run("a", "hits").document["hits"]
    return next(str(hit["hit_id"]) for hit in listed if hit["values"] == [str(WHOLE + number)])


def run_twice(taskforce: Taskforce, path: str, *arguments: str) -> Ran:
    """A command whose first answer is lost, and how it ends when it is given again."""
    with taskforce.losing_answers(path):
        lost = taskforce.run(*arguments)
    assert (lost.status, lost.document["error"]["type"]) == (1, "unreachable")
    again = taskforce.run(*arguments)
    assert again.status == 0, again.document
    return again


def listed(taskforce: Taskforce, name: str, *arguments: str) -> list[dict[str, Any]]:
    """What a command lists under a name."""
    found = taskforce.run(*arguments).document[name]
    assert isinstance(found, list)
    return found


def test_a_row_is_taken_back_once_and_its_figures_are_told(forgetful: Taskforce) -> None:
    said = ("a", "withdraw", *TYPE, str(WHOLE + FIRST), "--reason", "false_positive")
    again = run_twice(forgetful, "/withdrawals", *said)
    assert (again.document["withdrawn"], again.document["told"]) == (1, 1)
    once_more = forgetful.run(*said)
    assert once_more.document["error"]["problem"]["reasons"][0]["code"] == "no-live-row", "this is another withdrawal"


def test_holders_are_asked_once(forgetful: Taskforce) -> None:
    said = ("a", "request", "create", hit_on(forgetful, FIRST + 1), *ASKING, *STATED)
    before = forgetful.run("b", "status").document["open_requests"]
    again = run_twice(forgetful, "/requests", *said)
    (outgoing,) = listed(forgetful, "requests", "a", "request", "list", "--outgoing")
    assert outgoing["request_id"] == again.document["request_id"]
    assert len(listed(forgetful, "requests", "b", "request", "list", "--incoming")) == 1
    after = forgetful.run("b", "status").document["open_requests"]
    assert (before["incoming"], after["incoming"], after["outgoing"]) == (0, 1, 0)
    answered = forgetful.run("b", "--as", "authoriser", "request", "answer", again.document["request_id"], "--full")
    assert answered.status == 0, answered.document
    assert forgetful.run("b", "status").document["open_requests"] == {"incoming": 0, "outgoing": 0}
    anew = forgetful.run(*said)
    assert anew.document["request_id"] != again.document["request_id"], "what was answered is over: this is another"


def test_a_query_is_asked_once_and_its_correction_names_what_was_asked_about(forgetful: Taskforce) -> None:
    account = str(WHOLE + FIRST + 2)
    said = ("nca", "query", *TYPE, account, "--case", "OP-9", *GROUNDS, *STATED, "--authorised-by", "authoriser")
    again = run_twice(forgetful, "/queries", *said)
    (query,) = listed(forgetful, "queries", "nca", "query", "list")
    assert query["query_id"] == again.document["query_id"]
    with forgetful.losing_answers("/approve"):
        lost = forgetful.run("nca", "--as", "authoriser", "query", "approve", query["query_id"])
    assert lost.status == 1
    again = forgetful.run("nca", "--as", "authoriser", "query", "approve", query["query_id"])
    assert "it is answered already: member query show" in again.document["error"]["detail"]
    shown = forgetful.run("nca", "query", "show", query["query_id"])
    assert [result["institutions"] for result in shown.document["results"]] == [["a", "b"]]
    assert forgetful.run("b", "withdraw", *TYPE, account, "--reason", "cleared").status == 0
    assert forgetful.database is not None
    assert tell_corrections(forgetful.database, now()) >= 1
    (correction,) = listed(forgetful, "corrections", "nca", "corrections", "list")
    (about,) = correction["concerned"]
    assert (about["kind"], about["object_id"], about["values"]) == ("query", query["query_id"], [account])


def test_an_officer_who_could_not_authorise_at_once_is_told_how_to_go_on(forgetful: Taskforce) -> None:
    said = ("nca", "query", *TYPE, str(WHOLE + FIRST + 3), "--case", "OP-10", *GROUNDS, *STATED)
    with forgetful.losing_answers("/approve"):
        lost = forgetful.run(*said, "--authorised-by", "authoriser", "--approve")
    hint = lost.document["error"]["hint"]
    (query_id,) = [
        one["query_id"] for one in listed(forgetful, "queries", "nca", "query", "list") if one["case"] == "OP-10"
    ]
    assert f"member --as authoriser query approve {query_id}" in hint


def test_an_outcome_and_an_assessment_are_recorded_once(forgetful: Taskforce) -> None:
    hit = hit_on(forgetful, FIRST + 4)
    checks = ("--other-sources", "--vulnerability-checked", "--keep-open-checked")
    run_twice(forgetful, "/assessments", "a", "assessment", "record", "--hit", hit, *checks, "--decision", "exit")
    run_twice(forgetful, "/outcomes", "a", "outcome", "record", "--hit", hit, "--account-action", "exit")
    assert len(listed(forgetful, "outcomes", "a", "outcome", "list")) == 1
    assert len(listed(forgetful, "outcomes", "b", "outcome", "list", "--received")) == 1
    for member in ("a", "b", "nca", "ico"):
        verified = forgetful.run(member, "log", "verify")
        assert verified.status == 0, verified.document
