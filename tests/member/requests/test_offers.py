"""Offers from the command line, between real members through the real exchange: made by one person, taken up by another
member, released by a second person, opened; and the marking that goes with what is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.jobs import drain_outbox
from schemas.values.encoding import to_rfc3339
from tests.member.altered_answers import answers_changed
from tests.member.requests.test_requests import (
    BOSS,
    REASONS,
    TERMS,
    Shared,
    forget_readings,
    hits_of,
    new_account,
    refused_as,
    share_accounts,
    submit,
)
from tests.taskforce.homes import MemberHomes

CONFIRMED = ("--confirm", "safeguarding_action")
RELEASE = ("a", "--as", "authoriser", "request", "answer")


@pytest.fixture(scope="module")
def pool(taskforce: MemberHomes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Each test takes those that it needs."""
    return share_accounts(taskforce, tmp_path_factory.mktemp("offers"))


@pytest.fixture
def shared(pool: Iterator[Shared]) -> Shared:
    return next(pool)


def test_an_offer_is_released_by_a_second_person_to_who_took_it_up(taskforce: MemberHomes, shared: Shared) -> None:
    create = ("a", "request", "create", shared.hit, *TERMS, "--mode", "provide", "--fields", "reason,local_reference")
    assert set(taskforce.run(*create).rules) == {"no-confirmation"}
    made = taskforce.run(*create, *CONFIRMED)
    assert made.status == 0, made.document
    request_id = made.document["request_id"]
    assert set(taskforce.run(*RELEASE, request_id, "--full").rules) == {"not-taken-up"}
    assert set(taskforce.run(*BOSS, "answer", request_id, "--full").rules) == {"offer"}
    assert taskforce.run("b", "request", "show", request_id).document["requester"] is None, "not taken up by trying"
    taken = taskforce.run(*BOSS, "take-up", request_id).document
    assert (taken["requester"], taken["proved"]) == ("a", True)
    waiting = taskforce.run("a", "request", "show", request_id).document["waiting"]
    assert [one["institution"] for one in waiting] == ["b"]
    assert refused_as(taskforce.run("a", "request", "answer", request_id, "--full")) != "failed"
    assert set(taskforce.run(*RELEASE, request_id, "--full", "--to", "c").rules) == {"not-taken-up"}
    done = taskforce.run(*RELEASE, request_id, "--partial", "reason", "--note", "we froze it", "--to", "b")
    assert (done.status, done.document["told"]) == (0, ["b"]), done.document
    (answer,) = taskforce.run("b", "request", "show", request_id).document["answers"]
    assert (answer["institution"], answer["recipient"], answer["fault"]) == ("a", "b", None)
    assert answer["details"] == {"reason": [REASONS["a"]], "note": "we froze it"}
    (given,) = taskforce.run("a", "request", "show", request_id).document["answers"]
    assert (given["recipient"], given["details"], given["fault"]) == ("b", {}, None)
    for bank in ("a", "b"):
        verified = taskforce.run(bank, "log", "verify")
        assert verified.status == 0, verified.document


def test_a_release_is_prepared_by_one_and_sent_by_another(taskforce: MemberHomes, shared: Shared) -> None:
    create = ("a", "request", "create", shared.hit, *TERMS, "--mode", "provide", "--fields", "reason,first_seen")
    request_id = taskforce.run(*create, *CONFIRMED).document["request_id"]
    assert taskforce.run(*BOSS, "take-up", request_id).status == 0
    prepared = taskforce.run("a", "request", "prepare", request_id, "--partial", "reason", "--note", "seen by two")
    (made,) = prepared.document["prepared"]
    assert (made["to"], made["prepared_by"], made["details"]["note"]) == ("b", "a/analyst", "seen by two")
    assert taskforce.run("b", "request", "show", request_id).document["answers"] == []
    release = (*RELEASE, request_id, "--prepared")
    assert taskforce.run(*release).status == 2, "nobody has seen it"
    sent = taskforce.run(*release, "--digest", made["digest"])
    assert (sent.status, sent.document["told"]) == (0, ["b"]), sent.document
    (answer,) = taskforce.run("b", "request", "show", request_id).document["answers"]
    assert (answer["answered_by"], answer["prepared_by"], answer["fault"]) == ("a/authoriser", "a/analyst", None)
    assert answer["details"] == made["details"]
    for bank in ("a", "b"):
        verified = taskforce.run(bank, "log", "verify")
        assert verified.status == 0, verified.document


@pytest.mark.parametrize("refusal", [("--refuse", "not_necessary"), ("--no-trace",)])
def test_no_refusal_is_prepared_of_an_offer_of_ones_own(
    taskforce: MemberHomes, shared: Shared, refusal: tuple[str, ...]
) -> None:
    create = ("a", "request", "create", shared.hit, *TERMS, "--mode", "provide", *CONFIRMED)
    request_id = taskforce.run(*create).document["request_id"]
    assert taskforce.run(*BOSS, "take-up", request_id).status == 0
    assert set(taskforce.run("a", "request", "prepare", request_id, *refusal).rules) == {"own-request"}
    assert taskforce.run(*RELEASE, request_id, "--prepared").document["error"]["type"] == "not_prepared"


def test_the_maker_cannot_release_an_offer_shown_as_anothers(taskforce: MemberHomes, shared: Shared) -> None:
    made = taskforce.run("a", "request", "create", shared.hit, *TERMS, "--mode", "provide", *CONFIRMED)
    request_id = made.document["request_id"]
    assert taskforce.run(*BOSS, "take-up", request_id).status == 0
    another = {"requested_by": "a/authoriser"}
    with (
        taskforce.garbling_answers("/answer") as sent,
        answers_changed(taskforce, another, where="requested_by"),
    ):
        assert set(taskforce.run("a", "request", "answer", request_id, "--full").rules) == {"same-person"}
    assert sent == [], "nothing leaves"
    with answers_changed(taskforce, another, where="requested_by"):
        assert set(taskforce.run(*RELEASE, request_id, "--full").rules) == {"same-person"}, "nor by what it says itself"
    assert taskforce.run(*RELEASE, request_id, "--full").status == 0
    forget_readings(taskforce)


def test_an_offer_is_refused_without_learning_whose_it_is(taskforce: MemberHomes, shared: Shared) -> None:
    made = taskforce.run("a", "request", "create", shared.hit, *TERMS, "--mode", "alert", *CONFIRMED)
    assert made.status == 0, made.document
    request_id = made.document["request_id"]
    assert taskforce.run(*BOSS, "refuse", request_id, "--reason", "not_necessary").status == 0
    assert taskforce.run("b", "request", "show", request_id).document["requester"] is None
    shown = taskforce.run("a", "request", "show", request_id).document
    assert [(one["outcome"], one["institution"]) for one in shown["answers"]] == [("refused", None)]


def test_notices_of_an_offer_speak_of_an_offer_on_both_sides(taskforce: MemberHomes, shared: Shared) -> None:
    create = ("request", "create", shared.hit, *TERMS, "--mode", "provide", "--fields", "reason", *CONFIRMED)
    request_id = taskforce.run("a", *create).document["request_id"]
    assert taskforce.run(*BOSS, "take-up", request_id).status == 0
    assert taskforce.run(*RELEASE, request_id, "--full").status == 0
    drain_outbox(taskforce.database)
    said = {
        (bank, one["said"])
        for bank in ("a", "b")
        for one in taskforce.run(bank, "notices").document["notices"]
        if (one["about"] or {}).get("request_id") == request_id
    }
    assert said == {
        ("a", "our offer was taken up"),
        ("b", "we are offered information"),
        ("b", "what we were offered was disclosed to us"),
    }


LAX = {"answers": {"marking": {"tlp": "CLEAR", "protected_subject": False}}}


def test_a_marking_that_the_exchange_makes_milder_is_found_out(taskforce: MemberHomes, tmp_path: Path) -> None:
    account = new_account()
    submit(taskforce, tmp_path, "b", [account], "--tlp", "RED", "--subject-role", "victim")
    submit(taskforce, tmp_path, "a", [account])
    request_id = Shared(taskforce, account, hits_of(taskforce)[account]["hit_id"]).ask()
    assert set(taskforce.run(*BOSS, "answer", request_id, "--partial", "reason").rules) == {"tlp-red"}
    assert taskforce.run(*BOSS, "answer", request_id, "--partial", "reason", "--confirm", "tlp-red").status == 0
    with answers_changed(taskforce, LAX):
        assert refused_as(taskforce.run("a", "request", "show", request_id)) == "bad_answer"
    (answer,) = taskforce.run("a", "request", "show", request_id).document["answers"]
    assert (answer["marking"]["tlp"], answer["marking"]["protected_subject"]) == ("RED", True)
    with answers_changed(taskforce, LAX):
        assert refused_as(taskforce.run("a", "request", "show", request_id)) == "bad_answer", "opened before, too"
    forget_readings(taskforce)


def test_each_request_under_a_notice_is_separate_with_its_own_answers(taskforce: MemberHomes, shared: Shared) -> None:
    poca = ("--legal-gateway", "POCA2002_s339ZB")
    notice = ("a", "request", "notice", shared.hit, *poca)
    given = ("--nca-notice", "NCA/1", "--notice-given-at", to_rfc3339(datetime.now(UTC) - timedelta(hours=1)))
    create = ("a", "request", "create", shared.hit, *TERMS, *poca, *given)
    first = taskforce.run(*notice).document["request_id"]
    late = ("--nca-notice", "NCA/1", "--notice-given-at", "2025-01-01T00:00:00Z")
    assert set(taskforce.run(*create, *late).rules) == {"notice-too-old"}
    assert taskforce.run(*notice).document["request_id"] == first, "nothing was asked under it"
    assert taskforce.run(*create, "--fields", "reason").document["request_id"] == first
    second = taskforce.run(*create, "--fields", "reason,contact")
    assert second.status == 0, second.document
    assert second.document["request_id"] != first
    assert taskforce.run(*notice).document["request_id"] not in {first, second.document["request_id"]}
    confirmed = ("--confirm", "regulated_sector", "--confirm", "will_or_may_assist")
    assert set(taskforce.run(*BOSS, "answer", first, "--full").rules) == {"no-confirmation"}
    for request_id in (first, second.document["request_id"]):
        assert taskforce.run(*BOSS, "answer", request_id, "--full", *confirmed).status == 0
        (answer,) = taskforce.run("a", "request", "show", request_id).document["answers"]
        assert answer["details"]["reason"] == [REASONS["b"]]


def offer(shared: Shared) -> str:
    """An offer of bank a to provide a reason."""
    said = ("--mode", "provide", "--fields", "reason", *CONFIRMED)
    made = shared.taskforce.run("a", "request", "create", shared.hit, *TERMS, *said)
    assert made.status == 0, made.document
    return str(made.document["request_id"])


def test_an_offer_shown_as_a_request_before_take_up_gets_no_answer(taskforce: MemberHomes, shared: Shared) -> None:
    """Whoever answers believes to be asked; its details would go to a bank that asked for nothing."""
    request_id = offer(shared)
    with (
        taskforce.noting_posts("/answer") as answered,
        answers_changed(taskforce, {"mode": "request"}, unless="terms"),
    ):
        done = taskforce.run(*BOSS, "answer", request_id, "--full")
    assert (refused_as(done), answered) == ("not_proved", [])
    forget_readings(taskforce)


def test_who_released_an_offer_is_checked_against_our_own_identity(taskforce: MemberHomes, shared: Shared) -> None:
    request_id = offer(shared)
    taskforce.run(*BOSS, "take-up", request_id)
    assert taskforce.run(*RELEASE, request_id, "--full").status == 0
    swapped = {"answers": {"institution": "b", "recipient": "a"}}
    for bank in ("a", "b"):
        with answers_changed(taskforce, swapped):
            done = taskforce.run(bank, "request", "show", request_id)
        assert refused_as(done) == "bad_answer"
        assert done.document["answers"][0]["details"] == {}
        assert taskforce.run(bank, "request", "show", request_id).status == 0
    forget_readings(taskforce)


def test_a_release_whose_answer_was_lost_is_finished_by_the_same_command(
    taskforce: MemberHomes, shared: Shared
) -> None:
    request_id = offer(shared)
    assert taskforce.run(*BOSS, "take-up", request_id).status == 0
    release = (*RELEASE, request_id, "--full", "--note", "we froze it")
    with taskforce.losing_answers("/answer"):
        assert refused_as(taskforce.run(*release)) == "unreachable"
    again = taskforce.run(*release)
    assert (again.status, again.document["told"]) == (0, ["b"]), again.document
    assert "b received what was begun before" in again.said
    (answer,) = taskforce.run("b", "request", "show", request_id).document["answers"]
    assert (answer["fault"], answer["details"]) == (None, {"reason": [REASONS["a"]], "note": "we froze it"})
    assert set(taskforce.run(*release).rules) == {"not-taken-up"}, "it is finished: nothing is on its way any more"
