"""What is wrong on the command line is said there, before anybody is contacted: the exchange is out of reach here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.taskforce.homes import EXCHANGE_URL, MemberHomes

ID, ESCAPE, BIG = "019ac7b2-7f7e-7b1c-9d2a-3c5b8a1f0e11", "a\x1b[2Jb", "p" * 10_000_000
OUTCOME = ("outcome", "record", "--hit", ID)
ASSESSMENT = ("assessment", "record", "--hit")
GROUNDS = ("--necessity", "n", "--proportionality", "q", "--purpose", "p", "--authorised-by", "authoriser")
QUERY = ("query", "--type", "phone", "+447700900123", *GROUNDS, "--legal-gateway", "CCA2013_s7", "--case", "OP-1")
EXTENSION = ("query", "extend", ID, "--until", "2027-03-01", "--reason", "the trial moved")
REQUEST = ("request", "create", ID, "--legal-gateway", "ECCTA2023_s188", *GROUNDS[:6])
NOTICED = (*REQUEST, "--nca-notice", "NCA/1", "--notice-given-at")


@pytest.fixture(scope="module")
def unreachable(taskforce: MemberHomes) -> Iterator[MemberHomes]:
    """While it lasts nobody is at the exchange's address."""
    there = taskforce.applications.pop(EXCHANGE_URL)
    yield taskforce
    taskforce.applications[EXCHANGE_URL] = there


@pytest.mark.parametrize(
    "arguments",
    [
        ("outcome", "record", "--usefulness", "useful"),
        (*OUTCOME, "--query", ID, "--usefulness", "useful"),
        ("outcome", "record", "--hit", "the last one", "--usefulness", "useful"),
        (*OUTCOME, "--usefulness", "very"),
        (*OUTCOME, "--usefulness", ""),
        (*OUTCOME, "--arrests", "-1"),
        (*OUTCOME, "--arrests", "1.5"),
        (*OUTCOME, "--restrained", str(10**13)),
        (*OUTCOME, "--account-action", "close"),
        (*ASSESSMENT, "the last one", "--decision", "exit"),
        (*ASSESSMENT, ID, "--decision", "close"),
        (*ASSESSMENT, ID, "--decision", ""),
        ("corrections", "ack", "the last one"),
        *((*command, BIG) for command in (("corrections", "ack"), ("request", "show"), (*OUTCOME, "--usefulness"))),
        (*QUERY, "--until", BIG),
        ("withdraw", "--submission", ID, "--reason", ""),
        ("withdraw", "--submission", ESCAPE, "--reason", "error"),
        *((*QUERY, "--case", text) for text in (ESCAPE, "c" * 65)),
        *((*QUERY, "--purpose", text) for text in (ESCAPE, BIG)),
        (*QUERY, "--legal-gateway", ""),
        (*QUERY, "--legal-gateway", "consent"),
        (*QUERY, "--until", "2027-02-30"),
        (*QUERY, "--watch", "soon"),
        (*EXTENSION, "--until", "soon"),
        *((*EXTENSION, "--reason", text) for text in (ESCAPE, BIG)),
        *(("query", step, "the last one") for step in ("approve", "refuse", "show", "end-watch")),
        (*REQUEST, "--purpose", BIG),
        (*REQUEST, "--legal-gateway", "consent"),
        *((*NOTICED, time) for time in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-22")),
        ("config", "set", "review_days", "0100099999999"),
        ("submit", __file__, "--review-days", "0100099999999"),
        ("request", "answer", ID, "--partial", "everything"),
        ("request", "answer", ID, "--full", "--note", ESCAPE),
        ("request", "answer", ID, "--full", "--note", BIG),
        *(("request", "answer", ID, "--no-trace", *said) for said in (("--to", "c"), ("--confirm", "tlp-red"))),
        ("request", "refuse", ID, "--reason", ""),
        ("request", "take-up", "the last one"),
        ("request", "cancel", "the last one"),
    ],
    ids=lambda arguments: " ".join(arguments)[:60].replace("\x1b", "^"),
)
def test_what_is_wrong_is_said_before_anybody_is_contacted(
    unreachable: MemberHomes, arguments: tuple[str, ...]
) -> None:
    done = unreachable.run("a", *arguments)
    assert (done.status, done.document["error"]["type"]) in ((2, "usage"), (1, "too-long")), str(done.document)[:400]
    assert len(str(done.document)) < 2000, "a long text is not quoted back"


def test_what_is_right_fails_only_for_the_exchange_that_is_not_there(unreachable: MemberHomes) -> None:
    """So that the test above does not pass for another reason."""
    for arguments in ((*OUTCOME, "--usefulness", "useful"), EXTENSION, ("corrections", "ack", ID)):
        done = unreachable.run("a", *arguments)
        assert (done.status, done.document["error"]["type"]) == (1, "unreachable"), arguments
