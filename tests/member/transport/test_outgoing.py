"""What was sent and whose answer was lost: the same command again does nothing twice, and is told what it was then.

The exchange is the real one; some of its answers do not arrive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import httpx
import pytest

from exchange.corrections.notify import notify_corrections
from member.workplace.workplace import Workplace
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes
from tests.taskforce.member_program import Ran, accounts, now, write_csv

WHOLE, FIRST = 20_000_000_000_000, 95_000
TYPE = ("--type", "bank_account")
GROUNDS = ("--legal-gateway", "CCA2013_s7", "--purpose", "finding who is paid")
ASKING = ("--mode", "request", "--legal-gateway", "ECCTA2023_s188", "--purpose", "finding who is paid")
STATED = ("--necessity", "nobody else can say", "--proportionality", "one account")


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberHomes]:
    """Two banks that hold the same six accounts, and an agency."""
    folder = tmp_path_factory.mktemp("forgetful")
    founded = MemberHomes.found(folder, agencies=("nca",), reviewers=("ico",))
    file = write_csv(folder / "rows.csv", *accounts(*range(FIRST, FIRST + 6)))
    for bank in ("b", "a"):
        assert founded.run(bank, "submit", str(file)).status == 0
    yield founded
    founded.close()


def hit_on(taskforce: MemberHomes, number: int) -> str:
    """Bank a's hit on an account."""
    listed = taskforce.run("a", "hits").document["hits"]
    return next(str(hit["hit_id"]) for hit in listed if hit["values"] == [str(WHOLE + number)])


def run_twice(taskforce: MemberHomes, path: str, *arguments: str) -> Ran:
    """A command whose first answer is lost, and how it ends when it is given again."""
    with taskforce.losing_answers(path):
        lost = taskforce.run(*arguments)
    assert (lost.status, lost.document["error"]["type"]) == (1, "unreachable")
    again = taskforce.run(*arguments)
    assert again.status == 0, again.document
    return again


def listed(taskforce: MemberHomes, name: str, *arguments: str) -> list[dict[str, Any]]:
    """What a command lists under a name."""
    found = taskforce.run(*arguments).document[name]
    assert isinstance(found, list)
    return found


def test_a_row_is_taken_back_once_and_its_figures_are_told(forgetful: MemberHomes) -> None:
    said = ("a", "withdraw", *TYPE, str(WHOLE + FIRST), "--reason", "false_positive")
    again = run_twice(forgetful, "/withdrawals", *said)
    assert (again.document["withdrawn"], again.document["told"]) == (1, 1)
    once_more = forgetful.run(*said)
    assert once_more.document["error"]["problem"]["reasons"][0]["code"] == "no-live-row", "this is another withdrawal"


def test_holders_are_asked_once(forgetful: MemberHomes) -> None:
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


def test_a_query_is_made_once_and_its_correction_names_its_subject(forgetful: MemberHomes) -> None:
    account = str(WHOLE + FIRST + 2)
    said = ("nca", "query", *TYPE, account, "--case", "OP-9", *GROUNDS, *STATED, "--authorised-by", "authoriser")
    again = run_twice(forgetful, "/queries", *said)
    (query,) = listed(forgetful, "queries", "nca", "query", "list")
    assert query["query_id"] == again.document["query_id"]
    with forgetful.losing_answers("/approve"):
        lost = forgetful.run("nca", "--as", "authoriser", "query", "approve", query["query_id"])
    assert lost.status == 1
    for _ in range(2):
        again = forgetful.run("nca", "--as", "authoriser", "query", "approve", query["query_id"])
        assert [result["institutions"] for result in again.document["results"]] == [["a", "b"]]
    steps = (("extend", "--until", "2027-06-01", "--reason", "the trial moved"), ("end-watch",))
    for step, *options in steps[: 1 if query["watch_until"] is None else 2]:
        run_twice(forgetful, f"/{step}", "nca", "--as", "authoriser", "query", step, query["query_id"], *options)
    assert forgetful.run("b", "withdraw", *TYPE, account, "--reason", "cleared").status == 0
    assert notify_corrections(forgetful.database, now()) >= 1
    (correction,) = listed(forgetful, "corrections", "nca", "corrections", "list")
    (about,) = correction["concerned"]
    assert (about["kind"], about["object_id"], about["values"]) == ("query", query["query_id"], [account])
    run_twice(forgetful, "/acknowledgement", "nca", "corrections", "ack", correction["correction_id"])


def at_once(case: str) -> tuple[str, ...]:
    """A query that is asked and authorised in one command."""
    officer = ("--authorised-by", "authoriser", "--approve")
    return ("nca", "query", *TYPE, str(WHOLE + FIRST + 3), "--case", case, *GROUNDS, *STATED, *officer)


def queries_of(taskforce: MemberHomes, case: str) -> list[str]:
    """The ids of the agency's queries for a case."""
    return [one["query_id"] for one in listed(taskforce, "queries", "nca", "query", "list") if one["case"] == case]


def test_an_immediate_approval_given_again_is_of_the_same_query(forgetful: MemberHomes) -> None:
    """Its first answer was lost."""
    said = at_once("OP-10")
    with forgetful.losing_answers("/approve"):
        lost = forgetful.run(*said)
    (query_id,) = queries_of(forgetful, "OP-10")
    assert f"member --as authoriser query approve {query_id}" in lost.document["error"]["hint"]
    again = forgetful.run(*said)
    assert (again.status, again.document["query_id"], again.document["state"]) == (0, query_id, "answered")
    assert queries_of(forgetful, "OP-10") == [query_id]
    with forgetful.losing_answers("/queries"):
        assert forgetful.run(*said).status == 1
    anew = forgetful.run(*said)
    assert anew.status == 0, anew.document
    assert sorted(queries_of(forgetful, "OP-10")) == sorted([query_id, anew.document["query_id"]]), "this is another"


def test_a_query_that_its_officer_refused_meanwhile_is_asked_anew(forgetful: MemberHomes) -> None:
    said = at_once("OP-11")
    honest = forgetful.applications[EXCHANGE_URL]

    def failing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].endswith("/approve"):
            raise httpx.ReadError("it never arrives")
        return honest(environ, start_response)

    forgetful.applications[EXCHANGE_URL] = failing
    try:
        assert forgetful.run(*said).status == 1
    finally:
        forgetful.applications[EXCHANGE_URL] = honest
    (waiting,) = queries_of(forgetful, "OP-11")
    run_twice(forgetful, "/refuse", "nca", "--as", "authoriser", "query", "refuse", waiting)
    assert forgetful.run(*said).status == 1
    assert forgetful.run(*said).status == 0
    assert len(queries_of(forgetful, "OP-11")) == 2


def test_a_request_is_taken_back_once(forgetful: MemberHomes) -> None:
    asked = forgetful.run("a", "request", "create", hit_on(forgetful, FIRST + 3), *ASKING, *STATED).document
    run_twice(forgetful, "/cancel", "a", "request", "cancel", asked["request_id"])


def test_an_outcome_and_an_assessment_are_recorded_once(forgetful: MemberHomes) -> None:
    hit = hit_on(forgetful, FIRST + 4)
    checks = ("--other-sources", "--vulnerability-checked", "--keep-open-checked")
    run_twice(forgetful, "/assessments", "a", "assessment", "record", "--hit", hit, *checks, "--decision", "exit")
    run_twice(forgetful, "/outcomes", "a", "outcome", "record", "--hit", hit, "--account-action", "exit")
    assert len(listed(forgetful, "outcomes", "a", "outcome", "list")) == 1
    assert len(listed(forgetful, "outcomes", "b", "outcome", "list", "--received")) == 1
    for member in ("a", "b", "nca", "ico"):
        verified = forgetful.run(member, "log", "verify")
        assert verified.status == 0, verified.document


def test_an_act_answered_by_a_proxys_page_is_sent_again_and_done_once(forgetful: MemberHomes) -> None:
    """The exchange acted: the same command is answered as it was then, and makes nothing anew."""
    account = str(WHOLE + FIRST + 5)
    query = ("nca", "query", *TYPE, account, "--case", "OP-12", *GROUNDS, *STATED, "--authorised-by", "authoriser")
    asking = ("a", "request", "create", hit_on(forgetful, FIRST + 5), *ASKING, *STATED, "--fields", "reason")
    outcome = ("a", "outcome", "record", "--hit", hit_on(forgetful, FIRST + 5), "--usefulness", "useful")
    for path, said, listing in (
        ("/requests", asking, ("requests", "a", "request", "list", "--outgoing")),
        ("/queries", query, ("queries", "nca", "query", "list")),
        ("/outcomes", outcome, ("outcomes", "a", "outcome", "list")),
    ):
        before = len(listed(forgetful, *listing))
        with forgetful.garbling_answers(path) as sent:
            assert forgetful.run(*said).document["error"]["type"] == "bad_answer"
            assert forgetful.run(*said).document["error"]["type"] == "bad_answer"
        assert len(sent) == 2
        assert sent[0] == sent[1], "the same bytes again"
        assert forgetful.run(*said).status == 0
        assert len(listed(forgetful, *listing)) == before + 1, path
    (made,) = [one for one in listed(forgetful, "queries", "nca", "query", "list") if one["case"] == "OP-12"]
    approve = ("nca", "--as", "authoriser", "query", "approve", made["query_id"])
    with forgetful.garbling_answers("/approve"):
        assert forgetful.run(*approve).document["error"]["type"] == "bad_answer"
    assert forgetful.run(*approve).document["state"] == "answered"


def test_a_refusal_that_is_not_the_exchanges_decides_nothing(forgetful: MemberHomes) -> None:
    said = ("a", "outcome", "record", "--hit", hit_on(forgetful, FIRST + 5), "--usefulness", "not_useful")
    before = len(listed(forgetful, "outcomes", "a", "outcome", "list"))
    with forgetful.garbling_answers("/outcomes", status="403 Forbidden") as sent:
        assert [forgetful.run(*said).document["error"]["type"] for _ in range(2)] == ["refused"] * 2
    assert sent[0] == sent[1], "the same bytes again"
    assert forgetful.run(*said).status == 0
    assert len(listed(forgetful, "outcomes", "a", "outcome", "list")) == before + 1


def test_a_query_given_again_on_the_next_day_is_the_same(
    forgetful: MemberHomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end that follows from the day is no part of what was said."""
    account = str(WHOLE + FIRST + 5)
    said = ("nca", "query", *TYPE, account, "--case", "OP-13", *GROUNDS, *STATED, "--authorised-by", "authoriser")
    with forgetful.losing_answers("/queries"):
        assert forgetful.run(*said).status == 1
    until = [one["until"] for one in listed(forgetful, "queries", "nca", "query", "list") if one["case"] == "OP-13"]
    monkeypatch.setattr(Workplace, "today", lambda workplace: now().date() + timedelta(days=1))
    again = forgetful.run(*said)
    assert (again.status, [again.document["until"]]) == (0, until), again.document
    assert queries_of(forgetful, "OP-13") == [again.document["query_id"]]
    assert forgetful.run(*said).document["query_id"] != again.document["query_id"], "decided on: this is another"
