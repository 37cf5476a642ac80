"""Information requests from the command line, between real members through the real exchange: asked, taken up,
answered, opened; and what becomes of stolen tokens, copied proofs, exchanged keys and changed answers on the way.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from exchange.corrections.notify import notify_corrections
from keys.oprf.tokens import Token
from keys.sealing.hybrid import EncryptionKey
from member.commands.shared.passphrases import unlock_representative
from member.identity.access import open_vault
from member.identity.home import Home
from member.indicators.submit import SubmissionContext
from member.requests.log import RequestLog
from member.vault.rows import OwnRow, Source, VaultRows
from member.vault.store import Vault
from schemas.requests.messages import GivenAnswer
from schemas.terms import GroupKind
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.member.altered_answers import answers_changed, requests_noted
from tests.taskforce.founding import ORIGIN
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes
from tests.taskforce.member_program import Ran, now

BOSS = ("b", "--as", "authoriser", "request")
TERMS = (
    *("--legal-gateway", "ECCTA2023_s188", "--purpose", "to decide whether to restrict the account"),
    *("--necessity", "our own records end at the first payment", "--proportionality", "one account, four fields"),
)
FIELDS = "reason,first_seen,local_reference,contact"
REASONS = {"a": "paid by a victim", "b": "cash from a stolen card"}


@pytest.fixture(scope="module", autouse=True)
def desk(taskforce: MemberHomes) -> Iterator[None]:
    """Bank b has a desk that answers questions. What was read falsely here is no other module's business."""
    taskforce.run("b", "config", "set", "contact", "financial crime desk, extension 7")
    yield
    forget_readings(taskforce)


@dataclass
class Shared:
    """An account that both banks hold, and bank a's hit on it."""

    taskforce: MemberHomes
    account: str
    hit: str

    def ask(self, *options: str) -> str:
        done = self.taskforce.run("a", "request", "create", self.hit, *TERMS, "--fields", FIELDS, *options)
        assert done.status == 0, done.document
        assert done.document["state"] == "open"
        return str(done.document["request_id"])


def submit(taskforce: MemberHomes, folder: Path, bank: str, accounts: Iterable[str], *options: str) -> None:
    """Rows of these accounts, as the bank itself would write them."""
    path = folder / f"{bank}-{uuid7()}.csv"
    rows = [f"bank_account,{one},{REASONS[bank]},2026-03-06,ledger of {bank},2026-10-01,Leeds\n" for one in accounts]
    path.write_text("indicator_type,value,reason,first_seen,source_ref,last_seen,branch\n" + "".join(rows))
    done = taskforce.run(bank, "submit", str(path), *options)
    assert done.status == 0, done.document


def hits_of(taskforce: MemberHomes) -> dict[str, dict[str, Any]]:
    """Bank a's hits, by the account."""
    return {hit["values"][0]: hit for hit in taskforce.run("a", "hits").document["hits"]}


def new_account() -> str:
    return f"{int.from_bytes(os.urandom(6), 'big') % 10**14:014d}"


def share_accounts(taskforce: MemberHomes, folder: Path) -> Iterator[Shared]:
    """New accounts that both banks hold, without end: submitted a dozen at a time."""
    while True:
        accounts = [new_account() for _ in range(12)]
        submit(taskforce, folder, "b", accounts)
        submit(taskforce, folder, "a", accounts)
        hits = hits_of(taskforce)
        for account in accounts:
            yield Shared(taskforce, account, hits[account]["hit_id"])


@pytest.fixture(scope="module")
def pool(taskforce: MemberHomes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Each test takes those that it needs."""
    return share_accounts(taskforce, tmp_path_factory.mktemp("pool"))


@pytest.fixture
def shared(pool: Iterator[Shared]) -> Shared:
    return next(pool)


def refused_as(done: Ran) -> str:
    assert done.status == 1, done.document
    return str(done.document["error"]["type"])


# asking and answering


def test_a_bank_asks_and_the_holders_authoriser_answers_partly(taskforce: MemberHomes, shared: Shared) -> None:
    forget_readings(taskforce)
    request_id = shared.ask("--urgency", "immediate")
    waiting = taskforce.run("b", "request", "list", "--incoming", "--state", "open").document["requests"]
    (listed,) = [one for one in waiting if one["request_id"] == request_id]
    assert (listed["values"], listed["requester_kind"]) == ([shared.account], "financial_institution")
    before = taskforce.run("b", "request", "show", request_id).document
    assert (before["requester"], before["terms"], before["answers"]) == (None, None, [])
    taking = taskforce.run(*BOSS, "take-up", request_id)
    assert taking.status == 0, taking.document
    taken = taking.document
    assert (taken["requester"], taken["proved"], taken["doubt"]) == ("a", True, None)
    assert taken["terms"]["purpose"] == "to decide whether to restrict the account"
    note = "call before noon"
    done = taskforce.run(*BOSS, "answer", request_id, "--partial", "reason,first_seen,contact", "--note", note)
    assert (done.status, done.document["state"]) == (0, "answered"), done.document
    shown = taskforce.run("a", "request", "show", request_id)
    assert shown.status == 0, shown.document
    (answer,) = shown.document["answers"]
    assert (answer["institution"], answer["outcome"], answer["answered_by"]) == ("b", "partial", "b/authoriser")
    assert answer["details"] == {
        "reason": ["cash from a stolen card"],
        "first_seen": "2026-03-06",
        "contact": ["financial crime desk, extension 7"],
        "note": note,
    }
    text = taskforce.run("a", "request", "show", request_id, as_json=False).document["text"]
    assert "b: partial" in text
    assert "reason: cash from a stolen card" in text
    assert hits_of(taskforce)[shared.account]["stage"] == "response"
    for bank in ("a", "b"):
        verified = taskforce.run(bank, "log", "verify")
        assert verified.status == 0, verified.document
    kept = b"".join(path.read_bytes() for path in taskforce.folder.glob("exchange.db*"))
    told = (b"stolen card", b"call before noon", b"ledger of b", b"extension 7")
    assert not [text for text in told if text in kept]


def test_a_full_answer_has_every_field_and_null_where_nothing_is_held(taskforce: MemberHomes, shared: Shared) -> None:
    done = taskforce.run("a", "request", "create", shared.hit, *TERMS)
    request_id = done.document["request_id"]
    assert taskforce.run(*BOSS, "answer", request_id, "--full").status == 0
    (answer,) = taskforce.run("a", "request", "show", request_id).document["answers"]
    assert answer["outcome"] == "full"
    details = answer["details"]
    assert (details["local_reference"], details["last_seen"]) == (["ledger of b"], "2026-10-01")
    assert (details["subject_role"], details["narrative"]) == (["suspect"], None)
    assert "other_columns" not in details
    again = taskforce.run("a", "request", "show", request_id).document["answers"]
    assert again == [answer]


def test_who_answers_no_trace_or_refuses_is_not_named(taskforce: MemberHomes, shared: Shared) -> None:
    nothing, refused = shared.ask(), shared.ask()
    assert taskforce.run(*BOSS, "answer", nothing, "--no-trace").status == 0
    assert taskforce.run(*BOSS, "refuse", refused, "--reason", "not_proportionate").status == 0
    (first,) = taskforce.run("a", "request", "show", nothing).document["answers"]
    (second,) = taskforce.run("a", "request", "show", refused).document["answers"]
    assert (first["outcome"], second["outcome"]) == ("no_trace", "refused")
    assert second["refusal_reason"] == "not_proportionate"
    for answer in (first, second):
        assert (answer["institution"], answer["answered_by"], answer["details"]) == (None, None, {})


def test_a_victim_is_marked_as_one_whatever_was_asked(taskforce: MemberHomes, tmp_path: Path) -> None:
    account = new_account()
    submit(taskforce, tmp_path, "b", [account], "--subject-role", "victim")
    submit(taskforce, tmp_path, "a", [account])
    request_id = Shared(taskforce, account, hits_of(taskforce)[account]["hit_id"]).ask()
    assert taskforce.run(*BOSS, "answer", request_id, "--partial", "reason").status == 0
    (answer,) = taskforce.run("a", "request", "show", request_id).document["answers"]
    assert answer["details"] == {"reason": [REASONS["b"]], "subject_role": ["victim"]}
    assert answer["marking"]["protected_subject"] is True


def test_a_request_taken_back_is_answered_by_nobody(taskforce: MemberHomes, shared: Shared) -> None:
    request_id = shared.ask()
    assert taskforce.run("a", "request", "cancel", request_id).document["state"] == "cancelled"
    assert set(taskforce.run(*BOSS, "answer", request_id, "--full").rules) == {"cancelled"}


# who may not


def test_nobody_answers_twice_nor_its_own_nor_without_the_role(taskforce: MemberHomes, shared: Shared) -> None:
    request_id = shared.ask()
    own = taskforce.run("a", "--as", "authoriser", "request", "answer", request_id, "--full")
    assert set(own.rules) == {"own-request"}
    assert refused_as(taskforce.run("b", "request", "answer", request_id, "--full")) == "forbidden"
    assert taskforce.run(*BOSS, "answer", request_id, "--full").status == 0
    assert set(taskforce.run(*BOSS, "answer", request_id, "--partial", "reason").rules) == {"second-answer"}
    assert set(taskforce.run(*BOSS, "refuse", request_id, "--reason", "policy").rules) == {"second-answer"}


def test_what_was_not_asked_for_is_not_told(taskforce: MemberHomes, shared: Shared) -> None:
    request_id = shared.ask()
    done = taskforce.run(*BOSS, "answer", request_id, "--partial", "reason,other_columns")
    assert set(done.rules) == {"not-asked-for"}
    assert taskforce.run("a", "request", "show", request_id).document["answers"] == []


def test_a_row_planted_with_a_stolen_token_gets_no_answer(taskforce: MemberHomes, tmp_path: Path) -> None:
    """The thief has the token from a copy of the exchange's database, and not the identifier."""
    held, planted = new_account(), new_account()
    submit(taskforce, tmp_path, "b", [held])
    with vault_of(taskforce, "b") as vault:
        rows = VaultRows(vault)
        lookup = rows.lookup("bank_account", held)
        stolen = rows.cached_tokens(1, [lookup])[lookup].token
    with vault_of(taskforce, "a") as vault:
        rows = VaultRows(vault)
        rows.store([OwnRow("bank_account", planted, Source(planted, "", "", "", {}, 2, ""))], "g", 1)
        rows.store_tokens(1, {rows.lookup("bank_account", planted): Token(stolen, os.urandom(32))})
    submit(taskforce, tmp_path, "a", [planted])
    request_id = Shared(taskforce, planted, hits_of(taskforce)[planted]["hit_id"]).ask()
    for answer in (("--full",), ("--no-trace",)):
        assert refused_as(taskforce.run(*BOSS, "answer", request_id, *answer)) == "not_proved"
    assert taskforce.run("a", "request", "show", request_id).document["answers"] == []
    assert taskforce.run(*BOSS, "refuse", request_id, "--reason", "proof_not_valid").status == 0
    (answer,) = taskforce.run("a", "request", "show", request_id).document["answers"]
    assert (answer["outcome"], answer["institution"], answer["details"]) == ("refused", None, {})


def answer_fully(taskforce: MemberHomes, shared: Shared) -> dict[str, Any]:
    """What bank b's full answer to a new request tells bank a."""
    request_id = shared.ask("--fields", "reason,subject_role")
    done = taskforce.run(*BOSS, "answer", request_id, "--full")
    assert done.status == 0, done.document
    (answer,) = taskforce.run("a", "request", "show", request_id).document["answers"]
    return {"request_id": request_id, **answer}


def test_an_answer_omits_rows_outside_the_requesters_groups(
    taskforce: MemberHomes, shared: Shared, tmp_path: Path
) -> None:
    """They are omitted whatever submissions the exchange names."""
    taskforce.sign_group("cell-of-b", GroupKind.CELL, ("b",))
    path = tmp_path / "cell.csv"
    path.write_text(f"indicator_type,value,reason\nbank_account,{shared.account},secret of the cell\n")
    cell = taskforce.run("b", "submit", str(path), "--group", "cell-of-b").document["submission_id"]
    assert answer_fully(taskforce, shared)["details"]["reason"] == [REASONS["b"]]
    with requests_noted(taskforce) as noted:
        assert answer_fully(taskforce, shared)["details"]["reason"] == [REASONS["b"]]
    (own,) = {one for request in noted for one in request.submissions or ()}
    with answers_changed(taskforce, {"submissions": [own, cell]}, where="submissions"):
        assert answer_fully(taskforce, shared)["details"]["reason"] == [REASONS["b"]]
    request_id = shared.ask()
    with answers_changed(taskforce, {"submissions": [cell]}, where="proof"):
        assert refused_as(taskforce.run(*BOSS, "answer", request_id, "--full")) == "not_proved"


def test_a_withdrawn_row_is_disclosed_no_more_and_its_answer_is_marked(
    taskforce: MemberHomes, shared: Shared, tmp_path: Path
) -> None:
    """The very same line comes back with another role: that of the live row is told."""
    first = answer_fully(taskforce, shared)
    assert (first["details"]["subject_role"], first["withdrawn"]) == (["suspect"], False)
    done = taskforce.run("b", "withdraw", "--type", "bank_account", shared.account, "--reason", "error")
    assert done.document["withdrawn"] == 1
    submit(taskforce, tmp_path, "b", [shared.account], "--subject-role", "victim", "--relist", "seen again")
    second = answer_fully(taskforce, shared)
    assert second["details"] == {"reason": [REASONS["b"]], "subject_role": ["victim"]}
    show = ("a", "request", "show", first["request_id"])
    (after,) = taskforce.run(*show).document["answers"]
    assert (after["withdrawn"], after["given_out"], after["details"]) == (True, False, {})
    said = taskforce.run(*show, as_json=False).document["text"]
    assert "WITHDRAWN" in said
    assert REASONS["b"] not in said
    (kept,) = taskforce.run(*show, "--withdrawn").document["answers"]
    assert (kept["withdrawn"], kept["details"]) == (True, first["details"])
    assert taskforce.run("a", "log", "verify").status == 0
    tell_of_withdrawals(taskforce)


def test_the_holder_omits_what_it_withdrew_if_the_exchange_names_it(
    taskforce: MemberHomes, shared: Shared, tmp_path: Path
) -> None:
    request_id = shared.ask()
    with requests_noted(taskforce) as noted:
        assert taskforce.run(*BOSS, "take-up", request_id).status == 0
    stale = noted[-1].submissions or []
    assert len(stale) == 1
    assert taskforce.run("b", "withdraw", "--type", "bank_account", shared.account, "--reason", "error").status == 0
    submit(taskforce, tmp_path, "b", [shared.account], "--relist", "seen again")
    with answers_changed(taskforce, {"submissions": stale}, where="proof"):
        done = taskforce.run(*BOSS, "answer", request_id, "--full")
    assert refused_as(done) == "not_proved"
    tell_of_withdrawals(taskforce)


def test_a_list_uploaded_again_is_kept_once_and_answers_as_before(
    taskforce: MemberHomes, shared: Shared, tmp_path: Path
) -> None:
    taskforce.sign_group("list-of-b", GroupKind.CELL, ("b",))
    before = count_sources(taskforce, "b")
    for role in ("suspect", "victim"):  # duplicates, whatever they say: the exchange keeps the row that it has
        submit(taskforce, tmp_path, "b", [shared.account], "--subject-role", role)
    assert count_sources(taskforce, "b") == before
    for _ in range(2):
        submit(taskforce, tmp_path, "b", [shared.account], "--group", "list-of-b", "--subject-role", "victim")
    assert count_sources(taskforce, "b") == before + 1
    assert answer_fully(taskforce, shared)["details"] == {"reason": [REASONS["b"]], "subject_role": ["suspect"]}


def test_all_lines_of_a_row_come_back_with_it(
    taskforce: MemberHomes, shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told is every line of the file, in whichever part it stands, and none that is no longer there."""
    lines = [f"bank_account,{shared.account},{reason}" for reason in ("first", "left out", "second")]
    path, withdraw = tmp_path / "lines.csv", ("withdraw", "--type", "bank_account", shared.account, "--reason", "error")
    assert taskforce.run("b", *withdraw).status == 0
    path.write_text("\n".join(["indicator_type,value,reason", *lines]))
    assert taskforce.run("b", "submit", str(path), "--relist", "seen again").document["accepted"] == 1
    assert answer_fully(taskforce, shared)["details"]["reason"] == ["first", "left out", "second"]
    assert taskforce.run("b", *withdraw).status == 0
    others = [f"bank_account,{new_account()},filling" for _ in range(3)]
    path.write_text("\n".join(["indicator_type,value,reason", lines[0], *others, lines[2]]))
    monkeypatch.setattr("member.indicators.acts.SubmissionContext", functools.partial(SubmissionContext, part_rows=2))
    again = taskforce.run("b", "submit", str(path), "--relist", "seen again").document
    assert (again["accepted"], again["duplicates"]) == (1 + len(others), 1)
    assert answer_fully(taskforce, shared)["details"]["reason"] == ["first", "second"]
    tell_of_withdrawals(taskforce)


def test_a_row_withdrawn_while_its_upload_hangs_is_not_disclosed(
    taskforce: MemberHomes, shared: Shared, tmp_path: Path
) -> None:
    """The exchange took the row, lost its answer, and names the submission though the row was taken back since."""
    withdraw = ("b", "withdraw", "--type", "bank_account", shared.account, "--reason", "error")
    assert taskforce.run(*withdraw).document["withdrawn"] == 1
    path = tmp_path / "anew.csv"
    line = f"bank_account,{shared.account},{REASONS['b']},2026-03-06,ledger of b,2026-10-01,Leeds\n"
    path.write_text("indicator_type,value,reason,first_seen,source_ref,last_seen,branch\n" + line)
    before = count_sources(taskforce, "b")
    with taskforce.losing_answers("/submissions"):
        assert taskforce.run("b", "submit", str(path), "--relist", "seen again").status == 1
    assert taskforce.run(*withdraw).document["withdrawn"] == 1
    resumed = taskforce.run("b", "submit", str(path)).document
    assert (resumed["accepted"], resumed["left_out"], count_sources(taskforce, "b")) == (0, 1, before)
    path.write_text(f"indicator_type,value,reason\nbank_account,{shared.account},right at last\n")
    assert taskforce.run("b", "submit", str(path), "--relist", "seen again").document["accepted"] == 1
    assert answer_fully(taskforce, shared)["details"]["reason"] == ["right at last"]
    stale = [resumed["submission_id"]]
    request_id = shared.ask()
    with answers_changed(taskforce, {"submissions": stale}, where="proof"):
        assert refused_as(taskforce.run(*BOSS, "answer", request_id, "--full")) == "not_proved"
    tell_of_withdrawals(taskforce)


def count_sources(taskforce: MemberHomes, bank: str) -> int:
    with vault_of(taskforce, bank) as vault:
        return int(vault.connection.execute("SELECT count(*) FROM sources").fetchone()[0])


def tell_of_withdrawals(taskforce: MemberHomes) -> None:
    """One round of the worker: what was taken back here is no other module's business."""
    notify_corrections(taskforce.database, now())


@contextmanager
def vault_of(taskforce: MemberHomes, bank: str) -> Iterator[Vault]:
    home = Home.open(taskforce.home(bank))
    with open_vault(home, unlock_representative(home, "analyst")) as vault:
        yield vault


FORGED_REQUESTS: dict[str, Mapping[str, object]] = {
    "key": {"encryption_key": to_base64(EncryptionKey.generate().public_bytes)},
    "fields": {"terms": {"fields": [*FIELDS.split(","), "other_columns"]}},
    "gateway": {"legal_gateway": "DPA2018_Sch2", "terms": {"legal_gateway": "DPA2018_Sch2"}},
    "proof": {"proof": to_base64(bytes(32))},
    "person": {"requester": "invented", "requested_by": "invented/analyst"},
    "member": {"requester": "b"},
    "id": {"terms": {"request_id": uuid7()}},
}


@pytest.mark.parametrize("changed", FORGED_REQUESTS)
def test_a_request_shown_other_than_it_was_made_gets_no_answer(
    taskforce: MemberHomes, asked: str, changed: str
) -> None:
    with answers_changed(taskforce, FORGED_REQUESTS[changed], where="terms"):
        done = taskforce.run(*BOSS, "answer", asked, "--full")
    assert refused_as(done) == "not_proved"


@pytest.mark.parametrize("changes", [{"marking": {"tlp": "PURPLE"}}, {"terms": ["purpose"]}], ids=["marking", "terms"])
def test_what_is_shown_in_another_form_gets_no_answer(
    taskforce: MemberHomes, asked: str, changes: Mapping[str, object]
) -> None:
    with answers_changed(taskforce, changes, where="terms"):
        done = taskforce.run(*BOSS, "answer", asked, "--full")
    assert refused_as(done) == "bad_answer"


def test_what_others_write_looks_like_no_line_of_the_program(taskforce: MemberHomes, shared: Shared) -> None:
    """A purpose, a necessity, a note: none can say that a bank answered, or how something is marked."""
    forged = "\n  marked OFFICIAL, TLP:CLEAR, handling permitted\nbank-c: full\n  reason: charged with fraud"
    request_id = shared.ask("--purpose", f"to see{forged}", "--necessity", f"none other{forged}")
    taken = taskforce.run(*BOSS, "take-up", request_id, as_json=False).document["text"].splitlines()
    done = taskforce.run(*BOSS, "answer", request_id, "--partial", "reason", "--note", f"see{forged}", as_json=False)
    assert done.status == 0, done.document
    shown = taskforce.run("a", "request", "show", request_id, as_json=False).document["text"].splitlines()
    assert (taken.count("    | bank-c: full"), shown.count("    | bank-c: full")) == (2, 3)
    assert "  note: see" in shown
    assert [line for line in shown if line.startswith("b: ")] == ["b: partial"]
    for line in (*taken, *shown):
        assert not line.startswith(("bank-c", "  marked OFFICIAL, TLP:CLEAR", "  reason: charged"))
    (answer,) = taskforce.run("a", "request", "show", request_id).document["answers"]
    assert answer["details"]["note"] == f"see{forged}"


@pytest.fixture(scope="module")
def asked(pool: Iterator[Shared]) -> str:
    """A request that nobody ever answers."""
    return next(pool).ask()


def test_a_proof_copied_from_another_request_is_worth_nothing(
    taskforce: MemberHomes, shared: Shared, asked: str
) -> None:
    own = shared.ask()
    with requests_noted(taskforce) as noted:
        assert taskforce.run(*BOSS, "take-up", own).document["proved"] is True
    with answers_changed(taskforce, {"proof": noted[-1].proof}, where="proof"):
        taken = taskforce.run(*BOSS, "take-up", asked).document
    assert (taken["proved"], taken["requester"]) == (False, "a")


@pytest.mark.parametrize("is_there", [True, False], ids=["another of ours", "none"])
def test_no_other_request_passes_for_the_one_that_was_made(
    taskforce: MemberHomes, shared: Shared, asked: str, is_there: bool
) -> None:
    """Whose id the exchange answers: the next command would show, or take back, that one."""
    answered = asked if is_there else uuid7()
    with answers_changed(taskforce, {"request_id": answered}):
        done = taskforce.run("a", "request", "create", shared.hit, *TERMS, "--fields", "reason")
    assert refused_as(done) == "bad_answer"


# answers on their way back


NO_TRACE = GivenAnswer(
    outcome="no_trace",
    institution="b",
    recipient="a",
    representative_id="b/authoriser",
    fields=[],
    refusal_reason=None,
    sealed_sha256=None,
    signature=None,
    prepared=None,
    answered_at=None,
    sealed=None,
    marking=None,
    withdrawn=False,
)
UNSIGNED = {
    "no trace": ("request", NO_TRACE),
    "refused": ("request", replace(NO_TRACE, outcome="refused", refusal_reason="policy")),
    "unknown": ("request", replace(NO_TRACE, outcome="confirmed", institution=None)),
    "as if offered": ("provide", replace(NO_TRACE, outcome="full", fields=["reason"])),
    "as if ours": ("alert", replace(NO_TRACE, outcome="full", institution="a")),
}


@pytest.mark.parametrize("forged", UNSIGNED)
def test_an_answer_that_nobody_signed_is_not_shown_under_a_banks_name(
    taskforce: MemberHomes, asked: str, forged: str
) -> None:
    mode, answer = UNSIGNED[forged]
    with answers_changed(taskforce, {"answers": [to_builtins(answer)], "mode": mode}):
        done = taskforce.run("a", "request", "show", asked)
        text = taskforce.run("a", "request", "show", asked, as_json=False)
    assert refused_as(done) == "bad_answer"
    assert [bool(one["fault"]) for one in done.document["answers"]] == [True]
    assert text.status == 1
    assert "NOT TO BE BELIEVED" in text.document["text"]
    assert "cannot be believed" in done.document["error"]["detail"]
    forget_readings(taskforce)


FORGED_ANSWERS: dict[str, Mapping[str, object]] = {
    "institution": {"institution": "a"},
    "signer": {"representative_id": "b/analyst"},
    "invented signer": {"institution": "invented", "representative_id": "invented/authoriser"},
    "outcome": {"outcome": "full"},
    "sealed": {"sealed": to_base64(bytes(4096))},
    "fields": {"fields": ["reason", "narrative"]},
    "sealed withheld": {"sealed": None},
}


@pytest.mark.parametrize("changed", FORGED_ANSWERS)
def test_an_answer_changed_on_its_way_is_told_as_that(taskforce: MemberHomes, answered: str, changed: str) -> None:
    with answers_changed(taskforce, {"answers": FORGED_ANSWERS[changed]}):
        done = taskforce.run("a", "request", "show", answered)
    assert refused_as(done) == "bad_answer"
    (answer,) = done.document["answers"]
    assert (answer["details"], bool(answer["fault"])) == ({}, True)


@pytest.fixture(scope="module")
def answered(taskforce: MemberHomes, pool: Iterator[Shared]) -> str:
    """A request whose answer nobody has opened yet."""
    request_id = next(pool).ask()
    assert taskforce.run(*BOSS, "answer", request_id, "--partial", "reason").status == 0
    return request_id


def test_an_answer_lost_on_its_way_is_sent_again_as_it_was(taskforce: MemberHomes, shared: Shared) -> None:
    request_id = shared.ask()
    with taskforce.losing_answers("/answer"):
        assert taskforce.run(*BOSS, "answer", request_id, "--partial", "reason").status == 1
    again = taskforce.run(*BOSS, "answer", request_id, "--full")
    assert (again.status, again.document["state"]) == (0, "answered")
    assert "was begun before, and has arrived: partial, reason" in again.said
    (answer,) = taskforce.run("a", "request", "show", request_id).document["answers"]
    assert (answer["outcome"], list(answer["details"])) == ("partial", ["reason"])


# the log


def test_an_exchange_that_shows_other_requests_than_it_logged_is_caught(taskforce: MemberHomes, asked: str) -> None:
    forget_readings(taskforce)
    with requests_noted(taskforce) as noted, answers_changed(taskforce, {"urgency": "immediate"}):
        assert taskforce.run("b", "request", "show", asked).status == 0
    (shown,) = noted
    verified = taskforce.run("b", "log", "verify")
    assert refused_as(verified) == "log_fault"
    assert verified.document["error"]["entry"]["event_id"] == shown.event_id
    forget_readings(taskforce)
    assert taskforce.run("b", "log", "verify").status == 0


def test_an_honest_reading_does_not_hide_a_forged_one_of_its_event(taskforce: MemberHomes, asked: str) -> None:
    forget_readings(taskforce)
    with requests_noted(taskforce) as noted:
        assert taskforce.run("b", "request", "show", asked).status == 0
    (honest,) = noted
    with answers_changed(taskforce, {"urgency": "immediate", "event_id": honest.event_id}):
        assert taskforce.run("b", "request", "show", asked).document["urgency"] == "immediate"
    with answers_changed(taskforce, to_builtins(honest)):
        assert taskforce.run("b", "request", "show", asked).document["urgency"] == honest.urgency != "immediate"
    verified = taskforce.run("b", "log", "verify")
    assert refused_as(verified) == "log_fault"
    assert verified.document["error"]["entry"]["event_id"] == honest.event_id
    forget_readings(taskforce)
    assert taskforce.run("b", "log", "verify").status == 0


def forget_readings(taskforce: MemberHomes) -> None:
    """What other tests let the banks read falsely."""
    for bank in ("a", "b"):
        with vault_of(taskforce, bank) as vault:
            log = RequestLog(vault, ORIGIN)
            log.forget(log.readings())
            with vault.transaction():
                for shown in log.answers():
                    vault.delete("request_shown", shown.request_id.encode())


def test_an_answer_that_the_exchange_invents_is_found_out(taskforce: MemberHomes, shared: Shared) -> None:
    refused = shared.ask()
    gave = taskforce.run("b", "--as", "authoriser", "request", "refuse", refused, "--reason", "not_necessary")
    assert gave.status == 0, gave.document
    forget_readings(taskforce)
    with answers_changed(taskforce, {"answers": {"outcome": "no_trace", "refusal_reason": None}}):
        assert taskforce.run("a", "request", "show", refused).document["answers"][0]["outcome"] == "no_trace"
    with vault_of(taskforce, "a") as vault:  # an exchange that also logs the reading as it lies
        log = RequestLog(vault, ORIGIN)
        log.forget(log.readings())
    verified = taskforce.run("a", "log", "verify")
    assert refused_as(verified) == "log_fault"
    assert "never logged" in verified.document["error"]["detail"]
    assert taskforce.run("a", "request", "show", refused).status == 0
    assert taskforce.run("a", "log", "verify").status == 0


# what is missing, and what may not be said


def test_missing_grounds_of_the_gateway_are_named_before_sending(taskforce: MemberHomes, shared: Shared) -> None:
    create = ("a", "request", "create", shared.hit)
    before = len(taskforce.run("a", "request", "list", "--outgoing").document["requests"])
    done = taskforce.run(*create, "--legal-gateway", "ECCTA2023_s188")
    assert set(done.rules) == {"no-purpose", "no-necessity", "no-proportionality"}
    assert "economic crime" in done.document["error"]["detail"]
    poca = ("--legal-gateway", "POCA2002_s339ZB", *TERMS[2:])
    assert set(taskforce.run(*create, *poca).rules) == {"no-prior-notice"}
    assert set(taskforce.run(*create, *poca, "--mode", "alert").rules) == {
        "gateway-mode",
        "no-prior-notice",
        "no-confirmation",
    }
    tipping = taskforce.run(*create, *TERMS, "--purpose", "we have filed a SAR about it")
    assert set(tipping.rules) == {"tipping-off"}
    assert len(taskforce.run("a", "request", "list", "--outgoing").document["requests"]) == before
    wrong = taskforce.run(*create, *TERMS, "--condition", "warning")
    assert set(wrong.rules) == {"gateway-condition"}


def test_a_notice_is_drafted_at_home_and_the_request_bears_its_reference(
    taskforce: MemberHomes, shared: Shared, tmp_path: Path
) -> None:
    hit, out = shared.hit, tmp_path / "notice.txt"
    poca = ("--legal-gateway", "POCA2002_s339ZB")
    said = ("--subject", "Jo Example, account 12", "--grounds", "cash in, cash out")
    drafted = taskforce.run("a", "request", "notice", hit, *poca, *said, "--out", str(out))
    assert drafted.status == 0, drafted.document
    assert "Jo Example, account 12" in out.read_text()
    assert drafted.document["request_id"] in out.read_text()
    given = ("--nca-notice", "NCA-2026-4711", "--notice-given-at")
    early = taskforce.run("a", "request", "create", hit, *poca, *TERMS[2:], *given, "2020-01-01T09:00:00Z")
    assert set(early.rules) == {"notice-too-old"}
    at = taskforce.around().clock().isoformat(timespec="seconds")
    done = taskforce.run("a", "request", "create", hit, *poca, *TERMS[2:], *given, at)
    assert (done.status, done.document["request_id"]) == (0, drafted.document["request_id"]), done.document
    none = taskforce.run("a", "request", "notice", hit, "--legal-gateway", "ECCTA2023_s188")
    assert set(none.rules) == {"no-notice"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", uuid7(), "--mode", "shout"),
        ("create", uuid7(), *TERMS, "--legal-gateway", ""),
        ("create", uuid7(), *TERMS, "--fields", "everything"),
        ("create", uuid7(), *TERMS, "--fields", ","),
        ("create", uuid7(), *TERMS, "--fields", ""),
        ("create", uuid7(), *TERMS, "--nca-notice", "N-1", "--notice-given-at", "2026-11-22"),
        ("create", uuid7(), *TERMS, "--purpose", "a\x1b[2Jb"),
        ("create", uuid7(), *TERMS, "--nca-notice", "N-1"),
        ("create", uuid7(), *TERMS, "--nca-notice", "N-1", "--notice-given-at", "yesterday"),
        ("answer", uuid7()),
        ("answer", uuid7(), "--full", "--no-trace"),
        ("answer", uuid7(), "--no-trace", "--note", "x"),
        ("answer", uuid7(), "--no-trace", "--to", "b"),
        ("answer", uuid7(), "--no-trace", "--confirm", "tlp-red"),
        ("answer", uuid7(), "--partial", ""),
        ("refuse", uuid7(), "--reason", "because"),
        ("show", "the last one"),
    ],
)
def test_what_is_asked_wrongly_is_told_before_anybody_is_contacted(
    taskforce: MemberHomes, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(taskforce.applications, EXCHANGE_URL)
    done = taskforce.run("a", "request", *arguments)
    assert (done.status, done.document["error"]["type"]) == (2, "usage"), done.document


def test_a_hit_that_is_not_ours_cannot_be_asked_about(taskforce: MemberHomes, shared: Shared) -> None:
    assert refused_as(taskforce.run("a", "request", "create", uuid7(), *TERMS)) == "unknown_hit"
    done = taskforce.run("b", "request", "show", uuid7())
    assert (refused_as(done), done.document["error"]["status"]) == ("not-found", 404)


# at the terminal


def at_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the program takes its caller for a person at a terminal."""
    monkeypatch.setattr("member.commands.requests.answer.at_terminal", lambda session: not session.as_json)


def test_the_terminal_shows_who_asks_before_anything_is_sent(
    taskforce: MemberHomes, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without agreement nothing is sent."""
    request_id = shared.ask()
    looked = taskforce.run("b", "request", "show", request_id, as_json=False).document["text"]
    assert f"about: {shared.account}" in looked
    assert f"next: member --as authoriser request take-up {request_id}" in looked
    at_the_terminal(monkeypatch)
    stopped = taskforce.run(*BOSS, "answer", request_id, "--full", as_json=False, typed="n\n")
    assert stopped.status == 1
    for told in ("from a", "purpose: to decide whether to restrict the account", f"about: {shared.account}", "y/N"):
        assert told in stopped.said, told
    assert "taken up now" in stopped.said
    shown = taskforce.run("b", "request", "show", request_id).document
    assert (shown["state"], shown["answers"]) == ("taken_up", [])
    done = taskforce.run(*BOSS, "refuse", request_id, "--reason", "policy", as_json=False)
    assert (done.status, "is refused" in done.document["text"]) == (0, True), done
    second, third = shared.ask(), shared.ask()
    agreed = taskforce.run(*BOSS, "answer", second, "--partial", "reason", as_json=False, typed="y\n")
    assert (agreed.status, "of a is answered" in agreed.document["text"]) == (0, True), agreed
    assert "y/N" not in taskforce.run(*BOSS, "answer", third, "--full", "--yes", as_json=False).said
    (answer,) = taskforce.run("a", "request", "show", third).document["answers"]
    assert answer["outcome"] == "full"


def test_a_plainly_wrong_answer_is_refused_before_the_take_up(taskforce: MemberHomes, shared: Shared) -> None:
    request_id = shared.ask()
    assert set(taskforce.run(*BOSS, "answer", request_id, "--full", "--confirm", "bogus").rules) == {"confirmation"}
    assert taskforce.run("b", "request", "show", request_id).document["state"] == "open"
    late = taskforce.run(*BOSS, "answer", request_id, "--partial", "narrative")
    assert set(late.rules) == {"not-asked-for"}
    assert "taken up now" in late.document["error"]["hint"]
    again = taskforce.run(*BOSS, "answer", request_id, "--partial", "narrative")
    assert "taken up now" not in (again.document["error"].get("hint") or "")


def test_an_unknown_id_is_refused_with_the_command_that_lists_ids(taskforce: MemberHomes) -> None:
    """The exchange answers another member's id alike."""
    error = taskforce.run("b", "request", "show", uuid7()).document["error"]
    assert error["detail"] == "There is nothing of that id for you."
    assert error["hint"] == "what there is for you: member request list"


def test_who_lacks_a_role_is_told_which_representative_here_has_it(taskforce: MemberHomes, shared: Shared) -> None:
    request_id = shared.ask()
    error = taskforce.run("b", "request", "take-up", request_id).document["error"]
    assert (error["type"], error["hint"]) == ("forbidden", "member --as authoriser …")
    own = taskforce.run("a", "--as", "authoriser", "request", "take-up", request_id).document["error"]
    assert "hint" not in own


def test_cancelling_what_is_answered_leaves_the_answer_and_says_so(taskforce: MemberHomes, shared: Shared) -> None:
    request_id = shared.ask()
    assert taskforce.run(*BOSS, "answer", request_id, "--full").status == 0
    for _ in range(2):
        done = taskforce.run("a", "request", "cancel", request_id, as_json=False)
        assert done.status == 0
        assert "what was answered stays, and nobody else answers it any more" in done.document["text"]
