"""One person of a bank prepares an answer, another sends it; and what becomes of it when either tries to be both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from member.access import open_vault, unlock_representative
from member.home import Home
from member.vault.requests import RequestRecords
from tests.member.taskforce import Taskforce
from tests.member.test_requests import BOSS, Shared, rules_of, share_accounts

ANALYST = ("b", "request")


@pytest.fixture(scope="module")
def pool(taskforce: Taskforce, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Accounts that both banks hold."""
    return share_accounts(taskforce, tmp_path_factory.mktemp("prepared"), 4)


@pytest.fixture
def taken_up(taskforce: Taskforce, pool: Iterator[Shared]) -> str:
    """A request that the authoriser of b has taken up."""
    request_id = next(pool).ask()
    assert taskforce.run(*BOSS, "take-up", request_id).status == 0
    return request_id


def test_an_answer_is_prepared_by_one_and_sent_by_another(taskforce: Taskforce, taken_up: str) -> None:
    prepared = taskforce.run(*ANALYST, "prepare", taken_up, "--partial", "reason,first_seen", "--note", "seen twice")
    assert prepared.status == 0, prepared.document
    (made,) = prepared.document["prepared"]
    assert (made["prepared_by"], made["details"]["note"]) == ("b/analyst", "seen twice")
    assert taskforce.run("a", "request", "show", taken_up).document["answers"] == [], "nobody is told anything before"
    assert taskforce.run(*BOSS, "answer", taken_up, "--prepared", "--full").status == 2
    sent = taskforce.run(*BOSS, "answer", taken_up, "--prepared")
    assert sent.status == 0, sent.document
    (answer,) = taskforce.run("a", "request", "show", taken_up).document["answers"]
    assert (answer["answered_by"], answer["prepared_by"], answer["fault"]) == ("b/authoriser", "b/analyst", None)
    assert answer["details"] == made["details"]
    again = taskforce.run(*BOSS, "answer", taken_up, "--prepared")
    assert again.document["error"]["type"] == "not_prepared"
    for member in "ab":
        verified = taskforce.run(member, "log", "verify")
        assert verified.status == 0, verified.document


def test_what_nobody_prepared_or_took_up_is_not_sent(taskforce: Taskforce, pool: Iterator[Shared]) -> None:
    request_id = next(pool).ask()
    assert rules_of(taskforce.run(*ANALYST, "prepare", request_id, "--full")) == {"not-taken-up"}
    assert taskforce.run(*BOSS, "answer", request_id, "--prepared").document["error"]["type"] == "not_prepared"


def test_an_attacker_cannot_prepare_and_send_alone(taskforce: Taskforce, taken_up: str) -> None:
    assert taskforce.run(*BOSS, "prepare", taken_up, "--no-trace").status == 0
    assert rules_of(taskforce.run(*BOSS, "answer", taken_up, "--prepared")) == {"same-preparer"}
    assert taskforce.run(*ANALYST, "prepare", taken_up, "--refuse", "not_necessary").status == 0
    assert taskforce.run(*BOSS, "refuse", taken_up, "--prepared").document["state"] == "answered"


def test_what_was_changed_since_it_was_prepared_is_not_sent(taskforce: Taskforce, taken_up: str) -> None:
    assert taskforce.run(*ANALYST, "prepare", taken_up, "--partial", "reason").status == 0
    home = Home.open(Path(taskforce.home("b")))
    with open_vault(home, unlock_representative(home, "authoriser")) as vault:
        records = RequestRecords(vault)
        kept = records.prepared(taken_up)
        assert kept is not None
        records.keep_prepared(msgspec.structs.replace(kept, details={"reason": ["something else"]}))
    assert rules_of(taskforce.run(*BOSS, "answer", taken_up, "--prepared")) == {"preparers-signature"}
