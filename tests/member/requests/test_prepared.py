"""One person of a bank prepares an answer, another sends it; and what becomes of it when either tries to be both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from member.commands.shared.passphrases import unlock_representative
from member.identity.access import open_vault
from member.identity.home import Home
from member.vault.requests import RequestRecords
from schemas.requests.messages import AnswerDetails
from schemas.requests.prepared import PREPARED_DAYS
from schemas.values.encoding import to_rfc3339
from tests.member.requests.test_requests import BOSS, Shared, share_accounts
from tests.taskforce.homes import MemberHomes
from tests.taskforce.member_program import now

ANALYST = ("b", "request")


@pytest.fixture(scope="module")
def pool(taskforce: MemberHomes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Accounts that both banks hold."""
    return share_accounts(taskforce, tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def taken_up(taskforce: MemberHomes, pool: Iterator[Shared]) -> str:
    """A request that the authoriser of b has taken up."""
    request_id = next(pool).ask()
    assert taskforce.run(*BOSS, "take-up", request_id).status == 0
    return request_id


@contextmanager
def records_of_b(taskforce: MemberHomes) -> Iterator[RequestRecords]:
    home = Home.open(Path(taskforce.home("b")))
    with open_vault(home, unlock_representative(home, "authoriser")) as vault:
        yield RequestRecords(vault)


def change_prepared(taskforce: MemberHomes, request_id: str, **changes: Any) -> None:
    """What somebody with the vault makes of what was prepared."""
    with records_of_b(taskforce) as records:
        kept = records.prepared(request_id)
        assert kept is not None
        records.keep_prepared(msgspec.structs.replace(kept, **changes))


def is_kept(taskforce: MemberHomes, request_id: str) -> bool:
    with records_of_b(taskforce) as records:
        return request_id in records.prepared_ids()


def ask_for_two(taskforce: MemberHomes, folder: Path, wanted: str) -> None:
    """The registrars sign that bank b wants two people for an answer, or that it does not."""
    draft = folder / f"draft{wanted}.json"
    drafted = taskforce.run("b", "representative", "four-eyes", wanted, "--out", str(draft))
    assert drafted.status == 0, drafted.document
    taskforce.sign_file(draft)


def test_an_answer_is_prepared_by_one_and_sent_by_another(taskforce: MemberHomes, taken_up: str) -> None:
    prepared = taskforce.run(*ANALYST, "prepare", taken_up, "--partial", "reason,first_seen", "--note", "seen twice")
    assert prepared.status == 0, prepared.document
    (made,) = prepared.document["prepared"]
    assert (made["prepared_by"], made["details"]["note"]) == ("b/analyst", "seen twice")
    assert taskforce.run("a", "request", "show", taken_up).document["answers"] == [], "nobody is told anything before"
    assert taskforce.run(*BOSS, "answer", taken_up, "--prepared", "--full").status == 2
    for unseen in ((), ("--yes",)):
        blind = taskforce.run(*BOSS, "answer", taken_up, "--prepared", *unseen)
        assert (blind.status, "--digest" in blind.document["error"]["detail"]) == (2, True)
    other = taskforce.run(*BOSS, "answer", taken_up, "--prepared", "--digest", "0" * 64)
    assert other.document["error"]["type"] == "other_digest"
    assert taskforce.run(*BOSS, "answer", taken_up, "--full", "--digest", made["digest"]).status == 2
    sent = taskforce.run(*BOSS, "answer", taken_up, "--prepared", "--digest", made["digest"])
    assert sent.status == 0, sent.document
    (answer,) = taskforce.run("a", "request", "show", taken_up).document["answers"]
    assert (answer["answered_by"], answer["prepared_by"], answer["fault"]) == ("b/authoriser", "b/analyst", None)
    assert answer["details"] == made["details"]
    again = taskforce.run(*BOSS, "answer", taken_up, "--prepared")
    assert again.document["error"]["type"] == "not_prepared"
    for member in "ab":
        verified = taskforce.run(member, "log", "verify")
        assert verified.status == 0, verified.document


def test_what_nobody_prepared_or_took_up_is_not_sent(taskforce: MemberHomes, pool: Iterator[Shared]) -> None:
    request_id = next(pool).ask()
    assert set(taskforce.run(*ANALYST, "prepare", request_id, "--full").rules) == {"not-taken-up"}
    assert taskforce.run(*BOSS, "answer", request_id, "--prepared").document["error"]["type"] == "not_prepared"


def test_an_attacker_cannot_prepare_and_send_alone(taskforce: MemberHomes, taken_up: str) -> None:
    assert taskforce.run(*BOSS, "prepare", taken_up, "--no-trace").status == 0
    assert set(taskforce.run(*BOSS, "answer", taken_up, "--prepared").rules) == {"same-preparer"}
    (made,) = taskforce.run(*ANALYST, "prepare", taken_up, "--refuse", "not_necessary").document["prepared"]
    sent = taskforce.run(*BOSS, "refuse", taken_up, "--prepared", "--digest", made["digest"])
    assert sent.document["state"] == "answered"


def test_what_was_changed_since_it_was_prepared_is_not_sent(taskforce: MemberHomes, taken_up: str) -> None:
    assert taskforce.run(*ANALYST, "prepare", taken_up, "--partial", "reason").status == 0
    change_prepared(taskforce, taken_up, details=AnswerDetails(reason=["something else"]))
    assert set(taskforce.run(*BOSS, "answer", taken_up, "--prepared").rules) == {"preparers-signature"}


def test_what_was_prepared_is_dropped_when_it_was_answered_otherwise(taskforce: MemberHomes, taken_up: str) -> None:
    assert taskforce.run(*ANALYST, "prepare", taken_up, "--full").status == 0
    assert is_kept(taskforce, taken_up)
    assert taskforce.run(*BOSS, "answer", taken_up, "--no-trace").status == 0
    assert not is_kept(taskforce, taken_up)


def test_what_was_prepared_is_dropped_when_its_request_is_over(taskforce: MemberHomes, taken_up: str) -> None:
    assert taskforce.run(*ANALYST, "prepare", taken_up, "--full").status == 0
    assert taskforce.run("b", "request", "list").status == 0
    assert is_kept(taskforce, taken_up), "it may be sent still"
    assert taskforce.run("a", "request", "cancel", taken_up).status == 0
    assert taskforce.run("b", "request", "list").status == 0
    assert not is_kept(taskforce, taken_up)


def test_what_was_prepared_a_week_ago_is_dropped(taskforce: MemberHomes, taken_up: str) -> None:
    assert taskforce.run(*ANALYST, "prepare", taken_up, "--full").status == 0
    change_prepared(taskforce, taken_up, prepared_at=to_rfc3339(now() - timedelta(days=PREPARED_DAYS, hours=1)))
    assert taskforce.run(*BOSS, "answer", taken_up, "--prepared").document["error"]["type"] == "not_prepared"
    assert not is_kept(taskforce, taken_up)


def test_an_answer_is_judged_by_what_was_stated_when_it_was_sent(
    taskforce: MemberHomes, taken_up: str, pool: Iterator[Shared], tmp_path: Path
) -> None:
    """That answers take two people, or one again, makes no answer of before wrong."""
    assert taskforce.run(*BOSS, "answer", taken_up, "--full").status == 0
    ask_for_two(taskforce, tmp_path, "--answers")
    (alone,) = taskforce.run("a", "request", "show", taken_up).document["answers"]
    assert (alone["fault"], alone["details"] is None) == (None, False)
    again = next(pool).ask()
    assert taskforce.run(*BOSS, "take-up", again).status == 0
    assert set(taskforce.run(*BOSS, "answer", again, "--full").rules) == {"not-prepared"}
    (made,) = taskforce.run(*ANALYST, "prepare", again, "--full").document["prepared"]
    assert taskforce.run(*BOSS, "answer", again, "--prepared", "--digest", made["digest"]).status == 0
    ask_for_two(taskforce, tmp_path, "--no-answers")
    (both,) = taskforce.run("a", "request", "show", again).document["answers"]
    assert (both["fault"], both["prepared_by"]) == (None, "b/analyst")
    for member in "ab":
        verified = taskforce.run(member, "log", "verify")
        assert verified.status == 0, verified.document
