"""Submitting against the real exchange and real key holders: what counts, what is told, and what never leaves."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest

from schemas.values.canonical import canonical_json, parse_canonical_json
from schemas.values.encoding import from_base64, to_base64
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes
from tests.taskforce.member_program import accounts, now, write_csv


@contextmanager
def replaced(taskforce: MemberHomes, url: str, application: WSGIApplication | None) -> Iterator[WSGIApplication]:
    """Another application in a server's place; None takes the server away."""
    original = taskforce.applications.pop(url)
    if application is not None:
        taskforce.applications[url] = application
    try:
        yield original
    finally:
        taskforce.applications[url] = original


def answering(change: Any, path: str, original: WSGIApplication) -> WSGIApplication:
    """The exchange, its JSON answers under a path changed."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        kept: list[Any] = []

        def keep(status: str, headers: Any, exc_info: Any = None) -> Any:
            kept[:] = [status, headers]
            return lambda data: None

        body = b"".join(original(environ, keep))
        if environ["PATH_INFO"] == path:
            document = json.loads(body)
            change(document)
            body = json.dumps(document).encode()
        start_response(kept[0], [pair for pair in kept[1] if pair[0].lower() != "content-length"])
        return [body]

    return application


def test_rows_are_accepted_duplicates_or_rejected_and_nothing_else(taskforce: MemberHomes, tmp_path: Path) -> None:
    rows = [*accounts(1, 2), "bank_account,20-00-00 00000001,twice,,ref-9", "phone,call me,bad,,", "wallet,,empty,,"]
    done = taskforce.run("a", "submit", str(write_csv(tmp_path / "rows.csv", *rows)))
    assert done.status == 0
    counts = {name: done.document[name] for name in ("rows", "accepted", "duplicates", "hits")}
    assert counts == {"rows": 5, "accepted": 2, "duplicates": 1, "hits": 0}
    assert [(row["line"], row["column"], row["value"]) for row in done.document["rejected"]] == [
        (5, "value", "call me"),
        (6, "value", ""),
    ]
    assert set(done.document) == {
        *("submission_id", "rows", "accepted", "duplicates", "left_out", "left_out_rows"),
        *("rejected", "rejected_file", "hits"),
    }
    with Path(done.document["rejected_file"]).open(newline="") as stream:
        assert [row["rejected_line"] for row in csv.DictReader(stream)] == ["5", "6"]
    assert Path(done.document["rejected_file"]).stat().st_mode & 0o077 == 0


def test_rejected_rows_are_safe_to_open_mended_and_removed_in_time(taskforce: MemberHomes, tmp_path: Path) -> None:
    formula = '=HYPERLINK("http://x.example")'
    rows = [*accounts(1), f'phone,"{formula.replace(chr(34), chr(34) * 2)}",-bad,,+ref', "phone,+1,bad,,"]
    done = taskforce.run("a", "submit", str(write_csv(tmp_path / "rows.csv", *rows)))
    report = Path(done.document["rejected_file"])
    assert (report.name, report.stat().st_mode & 0o777) == (
        f"{done.document['submission_id']}.formula-safe.csv",
        0o600,
    )
    with report.open(newline="") as stream:
        cells = [(row["value"], row["reason"], row["source_ref"]) for row in csv.DictReader(stream)]
    assert cells == [(f"'{formula}", "'-bad", "'+ref"), ("'+1", "bad", "")]

    mended = tmp_path / "mended.csv"
    mended.write_text(report.read_text().replace("\"'" + formula.replace('"', '""') + '"', "'+447700900123"))
    again = taskforce.run("a", "submit", str(mended))
    assert (again.document["accepted"], len(again.document["rejected"])) == (1, 1), again.document
    exports = {name: tmp_path / name for name in ("export.csv", "export.raw.csv")}
    for path in exports.values():
        assert taskforce.run("a", "vault", "export", str(path)).status == 0
    kept = {}
    for name, path in exports.items():
        with path.open(newline="") as stream:
            kept[name] = {row["canonical"].lstrip("'"): row for row in csv.DictReader(stream)}["+447700900123"]
    names = ("canonical", "value", "reason", "source_ref")
    assert [kept["export.raw.csv"][name] for name in names] == ["+447700900123", "+447700900123", "-bad", "+ref"]
    assert [kept["export.csv"][name] for name in names] == [f"'{kept['export.raw.csv'][name]}" for name in names]

    assert taskforce.run("a", "config", "set", "rejected_days", "0").status == 2
    assert taskforce.run("a", "config", "set", "rejected_days", "7").status == 0
    left = report.with_name(f".{report.name}.abc")  # by a run that was killed
    left.touch(mode=0o600)
    other = report.with_name("mine.csv")
    other.touch()
    changed = now().timestamp() - 7 * 86_400
    for path in (report, left, other):
        os.utime(path, (changed + 60, changed + 60))
    assert taskforce.run("a", "config", "show").status == 0
    assert report.exists()
    for path in (report, left, other):
        os.utime(path, (changed - 60, changed - 60))
    assert taskforce.run("a", "config", "show").status == 0
    assert [path.exists() for path in (report, left, other)] == [False, False, True]


def test_the_same_rows_again_are_duplicates_and_cost_no_evaluation(taskforce: MemberHomes, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", *accounts(11, 12, 13))
    first = taskforce.run("a", "submit", str(path)).document
    budgets = [each["budget"]["remaining"] for each in taskforce.run("a", "status").document["holders"]]
    second = taskforce.run("a", "submit", str(path))
    assert (second.status, second.document["accepted"], second.document["duplicates"]) == (0, 0, 3)
    assert second.document["submission_id"] != first["submission_id"]
    after = [each["budget"]["remaining"] for each in taskforce.run("a", "status").document["holders"]]
    assert after == budgets


def test_an_overlap_is_shown_with_ones_own_value_and_references(taskforce: MemberHomes, tmp_path: Path) -> None:
    shared = "iban,GB33 BUKB 2020 1555 5555 55,x,,"
    assert taskforce.run("a", "submit", str(write_csv(tmp_path / "a.csv", shared + "case-a"))).document["hits"] == 0
    rows = [*accounts(21), "bank_account,20-20-15 55555555,x,,case-b1", "bank_account,20201555555555,x,,case-b2"]
    done = taskforce.run("b", "submit", str(write_csv(tmp_path / "b.csv", *rows)))
    assert done.document["hits"] == 1
    for member, references in (("a", ["case-a"]), ("b", ["case-b1", "case-b2"])):
        hits = {hit["values"][0]: hit for hit in taskforce.run(member, "hits").document["hits"]}
        assert hits["20201555555555"]["source_refs"] == references
        assert hits["20201555555555"]["indicator_type"] == "bank_account"
        assert hits["20201555555555"]["institutions"] == "1"
        assert "token" not in hits["20201555555555"]
        text = taskforce.run(member, "hits", as_json=False).document["text"]
        assert "20201555555555" in text
        assert "member request create NO." in text
    again = taskforce.run("b", "submit", str(tmp_path / "b.csv")).document
    assert (again["hits"], again["duplicates"]) == (1, 3)


def test_a_file_all_of_whose_rows_are_refused_fails_and_says_why(taskforce: MemberHomes, tmp_path: Path) -> None:
    done = taskforce.run("a", "submit", str(write_csv(tmp_path / "bad.csv", "phone,call me,bad,,")))
    assert done.status == 1
    assert done.document["error"]["type"] == "every_row_refused"
    assert len(done.document["rejected"]) == 1


def test_a_file_that_cannot_be_used_is_refused_before_anyone_is_asked(taskforce: MemberHomes, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("name,account\nx,y\n")
    done = taskforce.run("a", "submit", str(tmp_path / "other.csv"))
    assert (done.status, done.document["error"]["type"]) == (1, "file_refused")


def test_a_dry_run_judges_days_as_the_exchange_does(taskforce: MemberHomes, tmp_path: Path) -> None:
    days = ["2099-01-01", "1899-12-31", (now().date() + timedelta(days=1)).isoformat()]
    rows = [f"bank_account,{30_000_000_000_001 + at},x,{day}," for at, day in enumerate(days)]
    path = write_csv(tmp_path / "days.csv", *rows)
    dry, sent = (taskforce.run("a", "submit", str(path), *dry).document for dry in (("--dry-run",), ()))
    assert [(row["line"], row["column"]) for row in dry["rejected"]] == [(2, "first_seen"), (3, "first_seen")]
    assert dry["rejected"] == sent["rejected"]
    assert "leave it empty" in sent["rejected"][0]["reason"]


def test_a_dry_run_contacts_nobody(taskforce: MemberHomes, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", *accounts(31), "iban,GB33BUKB20201555555555,x,,", "phone,bad,,,")
    with replaced(taskforce, EXCHANGE_URL, None):
        done = taskforce.run("a", "submit", str(path), "--dry-run")
    assert done.status == 0
    assert done.document["submission_id"] is None
    assert done.document["normalised"] == [
        {"line": 2, "indicator_type": "bank_account", "canonical": "20000000000031"},
        {"line": 3, "indicator_type": "bank_account", "canonical": "20201555555555"},
    ]


def test_rows_that_the_exchange_rejects_are_told_by_line(taskforce: MemberHomes, tmp_path: Path) -> None:
    rows = [*accounts(41), "bank_account,20000000000042,from the future,2999-01-01,ref", *accounts(43)]
    done = taskforce.run("a", "submit", str(write_csv(tmp_path / "rows.csv", *rows)))
    assert (done.status, done.document["accepted"]) == (0, 2)
    ((line, column, value),) = [(row["line"], row["column"], row["value"]) for row in done.document["rejected"]]
    assert (line, column, value) == (3, "first_seen", "2999-01-01")


def test_one_holder_down_is_survived_and_two_are_named(taskforce: MemberHomes, tmp_path: Path) -> None:
    with replaced(taskforce, "http://holder-1.test", None):
        done = taskforce.run("a", "submit", str(write_csv(tmp_path / "one.csv", *accounts(51))))
        assert (done.status, done.document["accepted"]) == (0, 1)
        with replaced(taskforce, "http://holder-2.test", None):
            done = taskforce.run("a", "submit", str(write_csv(tmp_path / "two.csv", *accounts(52))))
    assert (done.status, done.document["error"]["type"]) == (1, "no_quorum")
    assert {"holder-1", "holder-2"} <= set(done.document["error"]["holders"])


def tampering(original: WSGIApplication) -> WSGIApplication:
    """A holder whose evaluations are altered on their way."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = b"".join(original(environ, start_response))
        return [body[:-1] + bytes([body[-1] ^ 1]) if environ["PATH_INFO"] == "/v1/evaluations" else body]

    return application


def test_tampering_with_holders_answers_is_detected_and_recorded(taskforce: MemberHomes, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", *accounts(*range(60, 70)))
    urls = ("http://holder-1.test", "http://holder-3.test")
    first, third = (tampering(taskforce.applications[url]) for url in urls)
    with replaced(taskforce, urls[0], first), replaced(taskforce, urls[1], third):
        done = taskforce.run("a", "submit", str(path))
    assert (done.status, done.document["error"]["type"]) == (1, "no_quorum")
    kept = taskforce.run("a", "status").document["holder_faults"]
    assert {fault["holder_id"] for fault in kept} == {"holder-1", "holder-3"}
    assert all("signature" in fault["reason"] for fault in kept)
    assert taskforce.run("a", "submit", str(path)).document["accepted"] == 10


def test_an_exchange_that_is_down_is_said_to_be_so(taskforce: MemberHomes, tmp_path: Path) -> None:
    with replaced(taskforce, EXCHANGE_URL, None):
        done = taskforce.run("a", "submit", str(write_csv(tmp_path / "rows.csv", *accounts(71))))
    assert (done.status, done.document["error"]["type"]) == (1, "unreachable")
    assert taskforce.run("a", "submit", str(tmp_path / "rows.csv")).document["accepted"] == 1


@pytest.mark.parametrize("field", ["accepted", "receipt"])
def test_an_answer_that_its_receipt_does_not_prove_is_refused(
    taskforce: MemberHomes, tmp_path: Path, field: str
) -> None:
    def change(document: dict[str, Any]) -> None:
        if field == "accepted":
            document["accepted"] += 1
        else:
            document["receipt"]["signature"] = "A" * 86 + "=="

    path = write_csv(tmp_path / "rows.csv", *accounts(80 + len(field)))
    original = taskforce.applications[EXCHANGE_URL]
    with replaced(taskforce, EXCHANGE_URL, answering(change, "/v1/submissions", original)):
        done = taskforce.run("a", "submit", str(path))
    assert (done.status, done.document["error"]["type"]) == (1, "bad_answer")
    resumed = taskforce.run("a", "submit", str(path))
    assert (resumed.status, resumed.document["accepted"]) == (0, 1)


def test_an_exchange_that_forges_a_statement_is_not_believed(taskforce: MemberHomes) -> None:
    def change(document: dict[str, Any]) -> None:
        """The newest, as if the registrars had signed the next of its subject with what they signed it with."""
        newest = document["statements"][-1]
        stated = parse_canonical_json(from_base64(newest["payload"]))
        forged = {**stated, "sequence": stated["sequence"] + 1}
        document["statements"].append({**newest, "payload": to_base64(canonical_json(forged))})

    original = taskforce.applications[EXCHANGE_URL]
    with replaced(taskforce, EXCHANGE_URL, answering(change, "/v1/statements", original)):
        done = taskforce.run("a", "hits")
    assert (done.status, done.document["error"]["type"]) == (1, "bad_answer")


def test_an_exchange_that_hides_statements_changes_nothing(taskforce: MemberHomes) -> None:
    def change(document: dict[str, Any]) -> None:
        document["statements"] = []

    assert taskforce.run("a", "hits").status == 0
    original = taskforce.applications[EXCHANGE_URL]
    with replaced(taskforce, EXCHANGE_URL, answering(change, "/v1/statements", original)):
        assert taskforce.run("a", "hits").status == 0


def test_a_refusal_of_the_exchange_is_told_as_it_is(taskforce: MemberHomes, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", *accounts(91))
    done = taskforce.run("a", "submit", str(path), "--group", "elsewhere")
    assert done.status == 1
    assert done.document["error"]["status"] in (403, 422)
    assert taskforce.run("a", "--as", "authoriser", "submit", str(path)).document["error"]["status"] == 403


def test_a_token_is_the_same_for_all_who_hold_the_value(taskforce: MemberHomes) -> None:
    tokens = [taskforce.run(bank, "token", "--type", "phone", "+44 7700 900123").document for bank in "ab"]
    assert tokens[0] == tokens[1]
    assert (tokens[0]["type"], tokens[0]["canonical"], tokens[0]["epoch"]) == ("phone", "+447700900123", 1)
    assert bytes.fromhex(tokens[0]["token"])


def test_the_log_is_verified_listed_proved_and_witnessed(taskforce: MemberHomes, tmp_path: Path) -> None:
    taskforce.run("a", "submit", str(write_csv(tmp_path / "rows.csv", *accounts(101))))
    verified = taskforce.run("a", "log", "verify")
    assert verified.status == 0, verified.document
    assert verified.document["verified"] is True
    assert verified.document["receipts"] > 0
    listed = taskforce.run("a", "log", "entries", "--proofs", str(tmp_path / "proofs")).document["entries"]
    assert [entry["number"] for entry in listed] == list(range(1, len(listed) + 1))
    assert len(list((tmp_path / "proofs").glob("*.tlog-proof"))) == len(listed)
    sizes = [taskforce.run("a", "log", "witness").document["tree_size"] for _ in range(2)]
    assert sizes == sorted(sizes)


def test_an_exchange_that_alters_an_entry_is_caught_and_the_entry_named(taskforce: MemberHomes) -> None:
    def change(document: dict[str, Any]) -> None:
        for entry in document["entries"]:
            if entry["number"] == 1:
                entry["salt"] = "A" * 43 + "="

    assert taskforce.run("b", "log", "verify").status == 0
    original = taskforce.applications[EXCHANGE_URL]
    with replaced(taskforce, EXCHANGE_URL, answering(change, "/log/entries", original)):
        done = taskforce.run("b", "log", "verify")
    assert (done.status, done.document["error"]["type"]) == (1, "log_fault")
    assert done.document["error"]["entry"]["number"] == 1


def test_nothing_of_ones_own_stands_in_the_clear_in_the_home(taskforce: MemberHomes, tmp_path: Path) -> None:
    row = "email,canary-mule@canary.example.com,canary-reason,2026-01-31,canary-reference"
    taskforce.run("a", "submit", str(write_csv(tmp_path / "rows.csv", row)))
    token = taskforce.run("a", "token", "--type", "email", "canary-mule@canary.example.com").document["token"]
    files = [path for path in taskforce.home("a").rglob("*") if path.is_file() and path.parent.name != "rejected"]
    content = b"".join(path.read_bytes() for path in files)
    assert len(files) >= 5
    for needle in (b"canary", b"canary-reason", bytes.fromhex(token), token.encode(), b"passphrase of"):
        assert needle not in content
    # By another process: closing a database's file here would drop the locks that SQLite holds on it in this one.
    servers = subprocess.check_output(["cat", *taskforce.folder.glob("exchange.db*")])
    assert len(servers) > 10_000
    assert b"canary" not in servers


def test_a_refused_submission_leaves_no_row_in_the_vault(taskforce: MemberHomes, tmp_path: Path) -> None:
    path = str(write_csv(tmp_path / "refused.csv", *accounts(901, 902)))
    before = taskforce.run("a", "status").document["indicators"]
    refused = taskforce.run("a", "submit", path, "--group", "nowhere")
    assert (refused.status, refused.document["error"]["type"]) == (1, "refused"), refused.document
    assert taskforce.run("a", "status").document["indicators"] == before
    budgets = [each["budget"]["remaining"] for each in taskforce.run("a", "status").document["holders"]]
    assert taskforce.run("a", "submit", path).document["accepted"] == 2
    assert taskforce.run("a", "status").document["indicators"] == before + 2
    after = [each["budget"]["remaining"] for each in taskforce.run("a", "status").document["holders"]]
    assert after == budgets, "what was paid for is kept"
