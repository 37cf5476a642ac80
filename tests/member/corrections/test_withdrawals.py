"""Taking back, corrections, outcomes and assessments from the command line, against the real exchange."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from sqlalchemy import select

from exchange.corrections.notify import notify_corrections
from exchange.corrections.store import CorrectionItem
from exchange.indicators.derived import Derived, DerivedKind, note_derived
from member.commands.shared.passphrases import unlock_representative
from member.corrections.log import DisclosureRecord
from member.identity.access import open_vault
from member.identity.home import Home
from member.indicators.submit import SubmissionContext
from member.log.chain import LogFault, OwnEntry
from member.vault.rows import VaultRows
from member.vault.store import Vault
from member.vault.uploads import Uploads
from schemas.outcomes import FIGURES
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.member.altered_answers import answers_changed
from tests.member.requests.test_requests import forget_readings, vault_of
from tests.taskforce.founding import ORIGIN
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes
from tests.taskforce.member_program import accounts, now, write_csv

FIRST = 91_000
WHOLE = 20_000_000_000_000


def share(taskforce: MemberHomes, folder: Path, *numbers: int) -> list[str]:
    """Accounts that a and b both submit; the submission ids."""
    made = []
    for bank in ("a", "b"):
        path = write_csv(folder / f"{bank}.csv", *accounts(*numbers))
        done = taskforce.run(bank, "submit", str(path))
        assert done.status == 0, done.document
        made.append(done.document["submission_id"])
    return made


def tell(taskforce: MemberHomes) -> int:
    """One round of the worker."""
    return notify_corrections(taskforce.database, now())


def hit_on(taskforce: MemberHomes, bank: str, number: int) -> dict[str, Any] | None:
    """A bank's live hit on an account."""
    listed = taskforce.run(bank, "hits").document["hits"]
    return next((hit for hit in listed if hit["values"] == [str(WHOLE + number)]), None)


def open_corrections(taskforce: MemberHomes) -> list[dict[str, Any]]:
    """What b has yet to acknowledge."""
    found: list[dict[str, Any]] = taskforce.run("b", "corrections", "list").document["corrections"]
    return found


def test_a_row_is_taken_back_and_who_was_told_reads_and_acknowledges_it(taskforce: MemberHomes, tmp_path: Path) -> None:
    share(taskforce, tmp_path, FIRST, FIRST + 1)
    hit = hit_on(taskforce, "b", FIRST)
    assert hit is not None
    done = taskforce.run("a", "withdraw", "--type", "bank_account", str(WHOLE + FIRST), "--reason", "false_positive")
    assert (done.status, done.document["withdrawn"], done.document["told"]) == (0, 1, 1)
    assert hit_on(taskforce, "b", FIRST) is None
    assert hit_on(taskforce, "b", FIRST + 1) is not None
    assert tell(taskforce) >= 1  # others of the tests before wait too
    (one,) = [one for one in taskforce.run("b", "corrections", "list").document["corrections"] if one["items"] == 1]
    assert (one["reason"], one["is_overdue"]) == ("false_positive", False)
    (about,) = one["concerned"]
    assert (about["kind"], about["object_id"], about["values"]) == ("hit", hit["hit_id"], [str(WHOLE + FIRST)])
    assert about["source_refs"] == [f"ref-{FIRST}"]
    taken_in = taskforce.run("b", "corrections", "ack", one["correction_id"])
    assert (taken_in.status, taken_in.document["concerned"]) == (0, [about])
    left = taskforce.run("b", "corrections", "list").document["corrections"]
    assert one["correction_id"] not in [other["correction_id"] for other in left]
    kept = taskforce.run("b", "corrections", "list", "--all").document["corrections"]
    assert one["correction_id"] in [other["correction_id"] for other in kept]
    assert taskforce.run("a", "corrections", "ack", one["correction_id"]).document["error"]["type"] == "not-found"
    again = taskforce.run("a", "withdraw", "--type", "bank_account", str(WHOLE + FIRST), "--reason", "error")
    assert again.rules == ["no-live-row"]
    for bank in ("a", "b"):
        verified = taskforce.run(bank, "log", "verify")
        assert verified.status == 0, verified.document


@contextmanager
def telling_more(taskforce: MemberHomes, correction_id: str, submission_id: str, times: int) -> Iterator[None]:
    """While it lasts, b is told more of a correction just before each of its first acknowledgements arrives."""
    honest, left = taskforce.applications[EXCHANGE_URL], iter(range(times))

    def add() -> None:
        with taskforce.database.transaction() as session:
            items = select(CorrectionItem.token).where(CorrectionItem.correction_id == correction_id)
            token = session.scalars(items).first()
            assert token is not None
            asked = (token, "b", DerivedKind.REQUEST, uuid7(), "a", submission_id, uuid7(), now())
            note_derived(session, [Derived(*asked)])
        assert tell(taskforce) == 1

    def adding(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].endswith("/acknowledgement") and next(left, None) is not None:
            add()
        return honest(environ, start_response)

    taskforce.applications[EXCHANGE_URL] = adding
    try:
        yield
    finally:
        taskforce.applications[EXCHANGE_URL] = honest


def test_items_added_to_a_correction_are_read_before_it_is_acknowledged(taskforce: MemberHomes, tmp_path: Path) -> None:
    submission_id, _ = share(taskforce, tmp_path, FIRST + 5)
    value = str(WHOLE + FIRST + 5)
    assert taskforce.run("a", "withdraw", "--type", "bank_account", value, "--reason", "cleared").status == 0
    assert tell(taskforce) == 1
    (correction_id,) = [one["correction_id"] for one in open_corrections(taskforce) if one["reason"] == "cleared"]
    with telling_more(taskforce, correction_id, submission_id, 3):
        refused = taskforce.run("b", "corrections", "ack", correction_id)
    assert (refused.status, refused.document["error"]["type"]) == (1, "more-items")
    assert "again" in refused.document["error"]["hint"]
    assert correction_id in [one["correction_id"] for one in open_corrections(taskforce)]
    with telling_more(taskforce, correction_id, submission_id, 1):
        done = taskforce.run("b", "corrections", "ack", correction_id)
    assert done.status == 0, done.document
    assert sorted(about["kind"] for about in done.document["concerned"]) == ["hit", *["request"] * 4]
    assert {about["values"][0] for about in done.document["concerned"]} == {value}
    assert correction_id not in [one["correction_id"] for one in open_corrections(taskforce)]


def test_a_submission_is_taken_back_whole_by_the_authoriser_too(taskforce: MemberHomes, tmp_path: Path) -> None:
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
    # The very same file again: listed again with a reason alone, and then found again.
    path = write_csv(tmp_path / "a.csv", *accounts(*numbers))
    again = taskforce.run("a", "submit", str(path), "--restart").document
    assert (again["accepted"], again["left_out"]) == (0, 3)
    anew = taskforce.run("a", "submit", str(path), "--relist", "the order was lifted").document
    assert (anew["accepted"], anew["duplicates"]) == (3, 0)
    assert hit_on(taskforce, "b", numbers[0]) is not None


def test_a_withdrawal_repeated_after_a_relisting_withdraws_the_new_row(taskforce: MemberHomes, tmp_path: Path) -> None:
    """The first answer was lost."""
    share(taskforce, tmp_path, FIRST + 15)
    command = ("b", "withdraw", "--type", "bank_account", str(WHOLE + FIRST + 15), "--reason", "error")
    with taskforce.losing_answers("/withdrawals"):
        assert taskforce.run(*command).status == 1
    assert hit_on(taskforce, "a", FIRST + 15) is None
    path = write_csv(tmp_path / "again.csv", f"bank_account,{WHOLE + FIRST + 15},right this time,,anew")
    assert taskforce.run("b", "submit", str(path), "--relist", "right this time").document["accepted"] == 1
    assert hit_on(taskforce, "a", FIRST + 15) is not None
    assert taskforce.run(*command).document["withdrawn"] == 1
    assert hit_on(taskforce, "a", FIRST + 15) is None


def test_a_withdrawal_that_never_arrived_leaves_the_row_live(taskforce: MemberHomes, tmp_path: Path) -> None:
    """Something between member and exchange answered in its place."""
    (_, others) = share(taskforce, tmp_path, FIRST + 16)
    command = ("b", "withdraw", "--type", "bank_account", str(WHOLE + FIRST + 16), "--reason", "error")
    with taskforce.garbling_answers("/withdrawals", does=False):
        assert taskforce.run(*command).document["error"]["type"] == "bad_answer"
    assert hit_on(taskforce, "a", FIRST + 16) is not None
    assert not is_withdrawn(taskforce, "b", others, FIRST + 16), "what lives is not marked as taken back"
    assert taskforce.run(*command).document["withdrawn"] == 1
    assert is_withdrawn(taskforce, "b", others, FIRST + 16)


def test_a_withdrawal_whose_answer_was_lost_is_ended_whatever_else_hangs(
    taskforce: MemberHomes, tmp_path: Path
) -> None:
    (_, others) = share(taskforce, tmp_path, FIRST + 17)
    command = ("b", "withdraw", "--type", "bank_account", str(WHOLE + FIRST + 17), "--reason", "error")
    with taskforce.losing_answers("/withdrawals"):
        assert taskforce.run(*command).status == 1
    path = write_csv(tmp_path / "unrelated.csv", *accounts(FIRST + 18))
    with taskforce.losing_answers("/submissions"):
        assert taskforce.run("b", "submit", str(path)).status == 1
    again = taskforce.run(*command)
    assert (again.status, again.document.get("withdrawn")) == (0, 1), again.document
    assert is_withdrawn(taskforce, "b", others, FIRST + 17)
    assert taskforce.run("b", "submit", str(path)).document["accepted"] == 1
    assert taskforce.run(*command).rules == ["no-live-row"]


def test_a_file_sent_again_leaves_out_withdrawn_rows_until_relisted(taskforce: MemberHomes, tmp_path: Path) -> None:
    one, other = FIRST + 60, FIRST + 61
    share(taskforce, tmp_path, one)
    path = str(write_csv(tmp_path / "nightly.csv", *accounts(one, other)))
    first = taskforce.run("b", "submit", path).document
    assert (first["accepted"], first["duplicates"], first["left_out"]) == (1, 1, 0)
    taken = taskforce.run("b", "withdraw", "--type", "bank_account", str(WHOLE + one), "--reason", "false_positive")
    assert taken.document["withdrawn"] == 1
    again = taskforce.run("b", "submit", path)
    assert again.status == 0
    told = {name: again.document[name] for name in ("rows", "accepted", "duplicates", "left_out", "rejected")}
    assert told == {"rows": 2, "accepted": 0, "duplicates": 1, "left_out": 1, "rejected": []}
    ((line, reason),) = [(row["line"], row["reason"]) for row in again.document["left_out_rows"]]
    assert (line, "false positive" in reason, "--relist" in reason) == (2, True, True)
    assert hit_on(taskforce, "a", one) is None
    said = taskforce.run("b", "submit", path, as_json=False).document["text"]
    assert "1 row left out (line 2): taken back as false positive" in said
    only = str(write_csv(tmp_path / "only.csv", *accounts(one)))
    alone = taskforce.run("b", "submit", only)
    assert (alone.status, alone.document["left_out"]) == (0, 1)
    for wrongly in (("--relist", "  "), ("--reason", "seen again")):
        assert taskforce.run("b", "submit", only, *wrongly).status == 2
    listed = taskforce.run("b", "submit", path, "--relist", "--reason", "seen again").document
    assert (listed["accepted"], listed["duplicates"], listed["left_out"]) == (1, 1, 0)
    assert hit_on(taskforce, "a", one) is not None
    assert taskforce.run("b", "submit", path).document["duplicates"] == 2
    assert taskforce.run("b", "log", "verify").status == 0


def test_a_withdrawn_row_known_only_as_a_duplicate_stays_out(taskforce: MemberHomes, tmp_path: Path) -> None:
    share(taskforce, tmp_path, FIRST + 70)
    with vault_of(taskforce, "b") as vault, vault.transaction():
        found = (VaultRows(vault).lookup("bank_account", str(WHOLE + FIRST + 70)),)
        own = "indicator_id IN (SELECT indicator_id FROM indicators WHERE lookup = ?)"
        vault.connection.execute(f"DELETE FROM sources WHERE {own}", found)  # as if its answer had been lost
    path = str(write_csv(tmp_path / "again.csv", *accounts(FIRST + 70)))
    assert taskforce.run("b", "submit", path).document["duplicates"] == 1
    taken = taskforce.run("b", "withdraw", "--type", "bank_account", str(WHOLE + FIRST + 70), "--reason", "cleared")
    assert taken.document["withdrawn"] == 1
    other = str(write_csv(tmp_path / "other.csv", f"bank_account,{WHOLE + FIRST + 70},said in other words,,"))
    for file in (path, other, path):
        with taskforce.noting_posts("/submissions") as sent:
            assert taskforce.run("b", "submit", file).document["left_out"] == 1
        assert [part["taken_back"] for part in sent] == [[[0, "cleared"]]], "so in the next epoch too"
    assert taskforce.run("b", "submit", path, "--relist", "seen again").document["accepted"] == 1
    with taskforce.noting_posts("/submissions") as sent:
        assert taskforce.run("b", "submit", path).document["duplicates"] == 1
    assert "taken_back" not in sent[0]


def test_a_value_taken_back_is_marked_though_the_vault_lost_its_rows(taskforce: MemberHomes, tmp_path: Path) -> None:
    share(taskforce, tmp_path, FIRST + 75)
    with vault_of(taskforce, "b") as vault, vault.transaction():
        found = (VaultRows(vault).lookup("bank_account", str(WHOLE + FIRST + 75)),)
        own = "indicator_id IN (SELECT indicator_id FROM indicators WHERE lookup = ?)"
        vault.connection.execute(f"DELETE FROM sources WHERE {own}", found)  # as in an older copy
    value = ("--type", "bank_account", str(WHOLE + FIRST + 75))
    assert taskforce.run("b", "withdraw", *value, "--reason", "cleared").document["withdrawn"] == 1
    path = str(write_csv(tmp_path / "again.csv", *accounts(FIRST + 75)))
    with taskforce.noting_posts("/submissions") as sent:
        assert taskforce.run("b", "submit", path).document["left_out"] == 1
    assert sent[0]["taken_back"] == [[0, "cleared"]], "the next epoch's exchange knows of nothing else"


def relisted(taskforce: MemberHomes, bank: str) -> tuple[str, int]:
    """Why the last submission of a bank listed rows again, and how many, as its own entry has it."""
    done = taskforce.run(bank, "log", "entries")
    views = [one["view"] for one in done.document["entries"] if one["view"].get("relist")]
    return views[-1]["relist"], views[-1]["relisted"]


def test_rows_are_listed_again_for_the_reasons_of_their_own(taskforce: MemberHomes, tmp_path: Path) -> None:
    numbers = range(FIRST + 80, FIRST + 84)
    share(taskforce, tmp_path, *numbers)
    gone = [str(WHOLE + one) for one in numbers[:3]]
    done = taskforce.run("b", "withdraw", "--type", "bank_account", *gone, "--reason", "cleared")
    assert done.document["withdrawn"] == 3
    reasons = ["paid in again", "", "paid in again", "of no concern here"]
    rows = [f"bank_account,{WHOLE + one},{why},," for one, why in zip(numbers, reasons, strict=True)]
    path = str(write_csv(tmp_path / "nightly.csv", *rows))
    with taskforce.noting_posts("/submissions") as sent:
        refused = taskforce.run("b", "submit", path, "--relist")
    error = refused.document["error"]
    assert (refused.status, error["type"], error["line"], sent) == (1, "reason_missing", 3, [])
    assert "line 3" in error["hint"]
    assert "--relist 'why" in error["hint"]
    rows[1] = f"bank_account,{WHOLE + numbers[1]},a new complaint,,"
    path = str(write_csv(tmp_path / "nightly.csv", *rows))
    with taskforce.losing_answers("/submissions"):
        assert taskforce.run("b", "submit", path, "--relist").status == 1
    done = taskforce.run("b", "submit", path, "--relist")
    assert [done.document[name] for name in ("accepted", "duplicates", "left_out")] == [3, 1, 0]
    taskforce.tick()
    assert relisted(taskforce, "b") == ("paid in again; a new complaint", 3)
    assert taskforce.run("b", "submit", path).document["duplicates"] == 4
    assert taskforce.run("b", "log", "verify").status == 0


@pytest.mark.parametrize("arrives", [True, False])
def test_a_row_withdrawn_while_its_upload_hung_does_not_come_back(
    taskforce: MemberHomes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrives: bool
) -> None:
    """In the part that was posted, whether it arrived or not, and in one that was not; all else goes on."""
    first = FIRST + (30 if arrives else 40)
    posted, later, *rest = range(first, first + 6)
    share(taskforce, tmp_path, posted, later)
    path = write_csv(tmp_path / "hung.csv", *accounts(posted, *rest, later))
    monkeypatch.setattr("member.indicators.acts.SubmissionContext", functools.partial(SubmissionContext, part_rows=2))
    withdraw = ("b", "withdraw", "--type", "bank_account", *(str(WHOLE + one) for one in (posted, later)))
    submit = ("b", "submit", str(path), *(("--relist", "seen again") if arrives else ()))
    if arrives:  # anew, by the part whose answer is lost
        assert taskforce.run(*withdraw, "--reason", "error").document["withdrawn"] == 2
    with taskforce.garbling_answers("/submissions", does=arrives):
        assert taskforce.run(*submit).status == 1
    assert taskforce.run(*withdraw, "--reason", "cleared").document["withdrawn"] == (1 if arrives else 2)
    resumed = taskforce.run(*submit).document
    told = ((5, 1) if arrives else (4, 2), 0)
    assert ((resumed["accepted"], resumed["left_out"]), resumed["duplicates"]) == told
    again = taskforce.run("a", "submit", str(write_csv(tmp_path / "all.csv", *accounts(posted, *rest, later))))
    assert again.status == 0, again.document
    assert [hit_on(taskforce, "a", one) is None for one in (posted, later, *rest)] == [True] * 2 + [False] * 4
    assert taskforce.run(*withdraw, "--reason", "error").rules == ["no-live-row"]
    file = write_csv(tmp_path / "anew.csv", *accounts(posted, later))
    assert taskforce.run("b", "submit", str(file)).document["left_out"] == 2
    anew = taskforce.run("b", "submit", str(file), "--relist", "seen once more").document
    assert anew["accepted"] == 2, "said anew it is there again"
    assert hit_on(taskforce, "a", later) is not None
    text = [taskforce.run("b", "log", "verify"), taskforce.run("a", "log", "verify")]
    assert [one.status for one in text] == [0, 0], text[0].document


def is_withdrawn(taskforce: MemberHomes, bank: str, submission_id: str, number: int) -> bool:
    """Whether a bank's vault says that it took an account out of a submission."""
    home = Home.open(taskforce.home(bank))
    with open_vault(home, unlock_representative(home, "analyst")) as vault:
        return Uploads(vault).is_withdrawn(submission_id, VaultRows(vault).lookup("bank_account", str(WHOLE + number)))


def test_what_cannot_be_taken_back_is_said_before_anybody_is_asked(taskforce: MemberHomes) -> None:
    unknown = taskforce.run("a", "withdraw", "--type", "bank_account", "20000098765432", "--reason", "error")
    assert (unknown.status, unknown.document["error"]["type"]) == (1, "unknown")
    wrong = taskforce.run("a", "withdraw", "--type", "bank_account", "2000", "--reason", "error")
    assert (wrong.status, wrong.document["error"]["type"]) == (1, "not_normalisable")
    for arguments in (
        ("--reason", "error"),
        ("20000098765432", "--reason", "error"),
        ("--type", "bank_account", "1", "--submission", uuid7(), "--reason", "error"),
        ("--submission", "no id", "--reason", "error"),
        ("--type", "bank_account", "20000098765432", "--reason", "spite"),
    ):
        assert taskforce.run("a", "withdraw", *arguments).status == 2, arguments


def test_outcomes_reach_the_contributor_with_its_value_and_no_name(taskforce: MemberHomes, tmp_path: Path) -> None:
    share(taskforce, tmp_path, FIRST + 20)
    hit = hit_on(taskforce, "b", FIRST + 20)
    assert hit is not None
    about = ("outcome", "record", "--hit", hit["hit_id"])
    assert taskforce.run("b", *about).rules == ["nothing-reported"]
    said = taskforce.run("b", *about, "--usefulness", "useful", "--restrained", "12000", "--arrests", "0")
    assert said.status == 0, said.document
    listed = taskforce.run("a", "outcome", "list", "--received").document["outcomes"]
    (seen,) = [one for one in listed if one["values"] == [str(WHOLE + FIRST + 20)]]
    assert (seen["restrained_gbp"], seen["arrests"], seen["charges"]) == (12000, 0, None)
    assert (seen["false_positive"], seen["recorder"], seen["recorder_kind"]) == (None, None, None)
    (own,) = taskforce.run("b", "outcome", "list").document["outcomes"]
    shown = " ".join(taskforce.run("b", "outcome", "list", as_json=False).document["text"].replace("│", " ").split())
    assert f"Hit id {hit['hit_id']} outcome usefulness" in shown or f"Hit {hit['hit_id']} usefulness" in shown
    assert (own["object"], own["object_id"]) == ("hit", hit["hit_id"])
    table = taskforce.run("a", "outcome", "list", "--received", as_json=False).document["text"]
    assert "restrained GBP: 12,000" in " ".join(table.replace("│", " ").split())
    # Of two banks in the group one would be known by its kind.
    (line,) = [line for line in table.splitlines() if str(WHOLE + FIRST + 20) in line]
    assert " - " in line
    assert taskforce.run("b", "outcome", "record", "--usefulness", "useful").status == 2
    exit_ = (*about, "--account-action", "exit", "--false-positive")
    assert taskforce.run("b", *exit_).rules == ["no-assessment"]
    checks = ("--other-sources", "--vulnerability-checked", "--keep-open-checked")
    assess = ("assessment", "record", "--hit", hit["hit_id"], "--decision", "exit")
    assert taskforce.run("b", *assess, *checks[1:]).rules == ["exit-unchecked"]
    assert taskforce.run("b", *assess, *checks).status == 0
    assert taskforce.run("b", *exit_).status == 0
    assert True in [one["false_positive"] for one in taskforce.run("b", "outcome", "list").document["outcomes"]]
    for bank in ("a", "b"):
        assert taskforce.run(bank, "log", "verify").status == 0


def id_at(moment: str) -> str:
    """An id as it is made at a time of 22 November 2026."""
    made = datetime.fromisoformat(f"2026-11-22T{moment}:00+00:00")
    return str(UUID(int=int(made.timestamp() * 1000) << 80 | UUID(uuid7()).int & (1 << 80) - 1))


def entry_of(kind: str, at: str = "10:00", **view: Any) -> OwnEntry:
    """An entry as it is when it has been opened, of an event made at a time."""
    return OwnEntry(uuid7(), id_at(at), 1, 1, bytes(33), bytes(32), {"kind": kind, **view})


def concerned_of(*objects: str) -> list[list[str]]:
    """What a correction concerns: hits on tokens."""
    return [[to_base64(bytes([number]) * 32), "hit", one] for number, one in enumerate(objects)]


def telling_of(concerned: list[list[str]], at: str = "10:00", **view: Any) -> OwnEntry:
    """The entry by which a member is told of a correction."""
    told_by = [{"kind": kind, "object_id": object_id} for _, kind, object_id in concerned]
    said = {"told_by": told_by, "items": len(concerned), "items_sha256": to_base64(digest(concerned))}
    return entry_of("correction", at, **{"correction_id": "c", "reason": "error", **said, **view})


@pytest.fixture
def disclosure_record(tmp_path: Path) -> Iterator[DisclosureRecord]:
    """What was shown, in a vault of its own."""
    with Vault.create(tmp_path / "vault.db", bytes(32), "a") as vault:
        yield DisclosureRecord(vault, "log")


def check(disclosure_record: DisclosureRecord, *entries: OwnEntry, is_complete: bool = True) -> None:
    """Hold what is kept against entries; what is found is forgotten."""
    made = disclosure_record.check()
    for entry in entries:
        made.look_at(entry)
    disclosure_record.forget(made.finish(is_complete=is_complete))


def test_a_correction_is_shown_as_it_was_told_and_with_no_more_than_that(disclosure_record: DisclosureRecord) -> None:
    one, two = concerned_of("h1"), concerned_of("h1", "h2")
    other = concerned_of("h3")
    disclosure_record.keep_correction("e", "c", "error", 1)
    disclosure_record.keep_concerned("e", "c", "error", one)
    with pytest.raises(LogFault, match="never recorded so"):
        check(disclosure_record)
    check(disclosure_record, is_complete=False)
    check(disclosure_record, replace(telling_of(one), view=None))
    wrong = ({"correction_id": "d"}, {"reason": "cleared"}, {"items": 2}, {"items_sha256": to_base64(digest(other))})
    for said in (*wrong, {"told_by": [{"kind": "query", "object_id": "h1"}]}):
        with pytest.raises(LogFault, match="never recorded so"):
            check(disclosure_record, telling_of(one, **said))
    malformed: tuple[Mapping[str, Any], ...] = ({"told_by": [1]}, {"items": None}, {"correction_id": []})
    for strange in malformed:
        with pytest.raises(LogFault, match="has a missing field"):
            check(disclosure_record, telling_of(one, **strange))
    check(disclosure_record, telling_of(one), telling_of(two[1:]))
    check(disclosure_record)
    disclosure_record.keep_concerned("f", "c", "error", two)
    check(disclosure_record, telling_of(one), telling_of(two[1:]))
    disclosure_record.keep_concerned("g", "c", "error", concerned_of("h1", "h3"))
    with pytest.raises(LogFault, match="never recorded so"):
        check(disclosure_record, telling_of(one), telling_of(two[1:]))
    disclosure_record.keep_correction("h", "d", "error", 1)
    with pytest.raises(LogFault, match="never recorded so"):
        check(disclosure_record, telling_of(one), replace(telling_of(one), view=None))


def test_an_open_correction_must_be_in_every_later_listing(
    disclosure_record: DisclosureRecord,
) -> None:
    items = concerned_of("h1")
    pages = [entry_of("corrections_read", at) for at in ("11:00", "11:01")]
    disclosure_record.keep_listing([page.event_id for page in pages], [])
    check(disclosure_record, *pages)
    check(disclosure_record, telling_of(items, "10:55"), *pages)
    check(disclosure_record, *pages, telling_of(items, "11:30"))
    acknowledged = [entry_of("correction_acknowledged", at, correction_id="c") for at in ("10:20", "11:05")]
    for one in acknowledged:
        check(disclosure_record, telling_of(items, "10:10"), one, *pages)
    late = entry_of("correction_acknowledged", "12:00", correction_id="c")
    others = entry_of("correction_acknowledged", "10:20", correction_id="d")
    for entries in ([], [late], [others], [acknowledged[0], telling_of(concerned_of("h2"), "10:40")]):
        with pytest.raises(LogFault, match="listed without this one"):
            check(disclosure_record, telling_of(items, "10:10"), *entries, *pages)
        check(disclosure_record, telling_of(items, "10:10"), *entries, *pages, replace(late, view=None))
    disclosure_record.keep_listing([page.event_id for page in pages], ["c"])
    check(disclosure_record, telling_of(items, "10:10"), *pages)


def test_an_outcome_about_our_rows_is_shown_as_it_was_told(disclosure_record: DisclosureRecord) -> None:
    figures: dict[str, Any] = {**dict.fromkeys(FIGURES), "arrests": 1}
    told = {"outcome_id": "o", "tokens": ["t"], "recorder": None, "recorder_kind": "telecom", "told_at": "t", **figures}
    disclosure_record.keep_outcome("e", told)
    own = entry_of("outcome", outcome_id="o", figures=figures)
    for entries in (
        [own],
        [entry_of("outcome", **told | {"arrests": 7})],
        [entry_of("outcome", **told | {"recorder": "nca"})],
        [entry_of("outcome", **told | {"tokens": []})],
    ):
        with pytest.raises(LogFault, match="never recorded so"):
            check(disclosure_record, *entries)
    check(disclosure_record, own, entry_of("outcome", **told))
    check(disclosure_record)


@contextmanager
def lied_to(taskforce: MemberHomes, lie: Mapping[str, object], path: str) -> Iterator[None]:
    """While it lasts, the exchange shows other things than it keeps; then the log of bank a does not stand up. What was
    read falsely is forgotten.
    """
    with answers_changed(taskforce, lie, path):
        yield
    verified = taskforce.run("a", "log", "verify").document
    forget_readings(taskforce)
    with vault_of(taskforce, "a") as vault, vault.transaction():
        vault.delete("corrections_listed", b"last")
    with vault_of(taskforce, "a") as vault:
        kept = DisclosureRecord(vault, ORIGIN)
        kept.forget(kept.check().shown)
    assert "does not state what was shown" in verified["error"]["detail"]
    assert taskforce.run("a", "log", "verify").status == 0


def test_a_hidden_or_invented_correction_or_outcome_is_detected(taskforce: MemberHomes, tmp_path: Path) -> None:
    share(taskforce, tmp_path, FIRST + 30)
    done = taskforce.run("b", "withdraw", "--type", "bank_account", str(WHOLE + FIRST + 30), "--reason", "error")
    assert done.document["withdrawn"] == 1
    assert tell(taskforce) >= 1
    listing = ("a", "corrections", "list")
    with lied_to(taskforce, {"corrections": []}, "/v1/corrections"):
        assert taskforce.run(*listing).document["corrections"] == []
    with lied_to(taskforce, {"concerned": {"object_id": uuid7()}}, "/v1/corrections/"):
        assert taskforce.run(*listing).status == 0
    falsehoods: tuple[Mapping[str, object], ...] = ({"items": 2}, {"correction_id": uuid7()})
    for false in falsehoods:
        with answers_changed(taskforce, false, "/v1/corrections/"):
            assert taskforce.run(*listing).document["error"]["type"] == "bad_answer"
    told = {"arrests": 7, "outcome_id": uuid7(), "tokens": [], "told_at": "t"}
    invented = {**dict.fromkeys(FIGURES), **told, "recorder": "nca", "recorder_kind": "law_enforcement"}
    with lied_to(taskforce, {"outcomes": [invented]}, "/v1/outcomes/received"):
        assert taskforce.run("a", "outcome", "list", "--received").document["outcomes"][0]["arrests"] == 7
