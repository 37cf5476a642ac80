"""Queries from the command line, against the real exchange and key holders in this process: asked, authorised, answered
with the values that were given, and held against the agency's own log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from exchange.membership.store import find_member
from exchange.queries.decide import DEFAULT_LIMITS
from exchange.queries.watch import end_queries, watch_queries
from keys.sealing.query_papers import PaperPlace, seal_paper
from member.commands.shared.passphrases import unlock_representative
from member.errors import RefusedError
from member.identity.access import open_vault
from member.identity.home import Home
from member.log.chain import LogFault, OwnEntry
from member.log.receipts import promised_by
from member.log.waiting_entries import WaitingEntries
from member.queries.context import COVER_DAYS, is_decided
from member.queries.cover import CoverCheck
from schemas.queries.messages import QueryGrounds
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.member.altered_answers import answers_changed
from tests.taskforce.founding import ORIGIN
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes
from tests.taskforce.member_program import Ran, accounts, now, write_csv

HELD, MISSED = "20000012345678", "20000098765432"
ALONE = "20000012345670"
"""Held too, and asked about by one agency alone."""
GROUNDS = ("--case", "OP-7", "--legal-gateway", "CCA2013_s7", "--purpose", "finding a network")
STATED = ("--necessity", "nothing else says it", "--proportionality", "suspects alone")

TO_MET = ("--legal-gateway", "DPA2018_Sch2")


@pytest.fixture(scope="module")
def police(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberHomes]:
    """A bank that holds HELD and ALONE, two agencies and a reviewer."""
    folder = tmp_path_factory.mktemp("police")
    founded = MemberHomes.found(folder, ("a",), agencies=("nca", "met"), reviewers=("ico",))
    rows = (f"bank_account,{held},test,2026-10-05,ref-1" for held in (HELD, ALONE))
    file = write_csv(folder / "rows.csv", *rows)
    assert founded.run("a", "submit", str(file)).status == 0
    yield founded
    founded.close()


def ask(police: MemberHomes, *said: str, agency: str = "nca", authorised_by: str = "authoriser") -> Ran:
    """A query as the contract writes it."""
    gateway = () if agency == "nca" else TO_MET
    return police.run(agency, "query", *said, *GROUNDS, *gateway, *STATED, "--authorised-by", authorised_by)


def other_texts(police: MemberHomes, query_id: str, reader: str, **changes: str) -> dict[str, str]:
    """What the operator can: other texts than were given, sealed to their reader as the true ones are."""
    with police.database.reading() as session:
        member = find_member(session, reader)
    assert member is not None
    texts = {**dict.fromkeys(QueryGrounds.__struct_fields__, "x"), "salt": to_base64(bytes(32)), **changes}
    paper = QueryGrounds(**texts)
    place = PaperPlace(query_id, 0, reader, digest(texts))
    sealed = seal_paper(paper, member.encryption_key, place)
    return {"paperwork_sha256": to_base64(place.sha256), "sealed": to_base64(sealed)}


def test_a_query_is_authorised_by_another_and_shows_its_values(police: MemberHomes) -> None:
    asked = ask(police, "--type", "bank_account", "20-00-00 12345670", MISSED)
    assert asked.status == 0, asked.document
    assert (asked.document["state"], asked.document["results"]) == ("pending", [])
    assert asked.document["until"] == (now().date() + timedelta(days=COVER_DAYS)).isoformat()
    query_id = asked.document["query_id"]
    analysts = police.run("nca", "query", "approve", query_id, typed="y\n").document["error"]
    assert (analysts["type"], analysts["hint"]) == ("forbidden", "member --as authoriser …")
    done = police.run("nca", "--as", "authoriser", "query", "approve", query_id)
    assert done.status == 0, done.document
    first, second = done.document["results"]
    assert {name: first[name] for name in ("value", "hit", "institutions", "themes", "first_seen")} == {
        **{"value": "20-00-00 12345670", "hit": True, "institutions": ["a"]},
        **{"themes": ["money_mules"], "first_seen": "2026-10"},
    }
    assert (second["value"], second["hit"], second["hit_id"]) == (MISSED, False, None)
    assert done.document["deconfliction"] is False
    assert done.document["names"] == {"a": "Bank a"}
    shown = police.run("nca", "query", "show", query_id).document
    assert shown["results"] == done.document["results"]
    verified = police.run("nca", "log", "verify")
    assert verified.status == 0, verified.document
    assert ALONE not in json.dumps(police.run("ico", "log", "entries").document)
    kinds = [entry["view"]["kind"] for entry in police.run("ico", "log", "entries").document["entries"]]
    assert kinds.count("le_query_approved") >= 1
    assert police.run("a", "hits").document["hits"] == []


def test_a_file_is_queried_row_by_row_and_approved_at_once(police: MemberHomes, tmp_path: Path) -> None:
    twice = [f"bank_account,{HELD},,,", "iban,GB33BUKB20201555555555,,,", f"bank_account,{HELD},,,"]
    file = write_csv(tmp_path / "file.csv", *twice)
    done = ask(police, "--file", str(file), "--approve", "--watch", "2099-01-01")
    assert set(done.rules) == {"end-too-late"}
    watch = (now().date() + timedelta(days=30)).isoformat()
    done = ask(police, "--file", str(file), "--approve", "--watch", watch, authorised_by="nca/authoriser")
    assert done.status == 0, done.document
    assert [result["hit"] for result in done.document["results"]] == [True, False, True]
    assert (done.document["until"], done.document["watch_until"], done.document["covert"]) == (watch, watch, True)
    ended = police.run("nca", "query", "end-watch", done.document["query_id"])
    assert ended.document["watch_until"] is None


def test_tokens_that_were_paid_for_are_not_asked_for_again(police: MemberHomes) -> None:
    assert ask(police, "--type", "phone", "+447700900123").status == 0
    holders = {url: police.applications.pop(url) for url in list(police.applications) if "holder" in url}
    try:
        assert ask(police, "--type", "phone", "+44 7700 900123").status == 0
        assert ask(police, "--type", "phone", "+447700900124").document["error"]["type"] == "no_quorum"
    finally:
        police.applications |= holders


def test_what_is_missing_or_wrong_is_told_before_anything_is_sent(police: MemberHomes, tmp_path: Path) -> None:
    wrong: list[tuple[tuple[str, ...], str]] = [
        ((), "usage"),
        (("+447700900123",), "usage"),
        (("--type", "phone", "1", "2"), "not_normalisable"),
        (("--type", "phone", "+447700900123", "--until", "soon"), "usage"),
        (("--file", str(write_csv(tmp_path / "bad.csv", "phone,none,,,", "iban,x,,,"))), "not_normalisable"),
        (("--file", str(write_csv(tmp_path / "long.csv", *accounts(*range(1, 502))))), "usage"),
    ]
    before = len(police.run("nca", "query", "list").document["queries"])
    for said, slug in wrong:
        done = ask(police, *said)
        assert done.document["error"]["type"] == slug, (said, done.document)
    assert len(police.run("nca", "query", "list").document["queries"]) == before
    missing = police.run("nca", "query", "--type", "phone", "+447700900123", "--case", "x")
    assert (missing.status, missing.document["error"]["type"]) == (2, "usage")


def test_statements_come_from_defaults_or_the_missing_rule_is_named(police: MemberHomes) -> None:
    said = ("query", "--type", "phone", "+447700900123", *GROUNDS, *TO_MET, "--authorised-by", "authoriser")
    assert {"no-necessity", "no-proportionality"} <= set(police.run("met", *said).rules)
    assert (
        police.run("met", "config", "set", "necessity", "none but they know", "proportionality", "one number").status
        == 0
    )
    assert police.run("met", *said).status == 0


def test_a_query_is_extended_refused_and_listed(police: MemberHomes) -> None:
    asked = [ask(police, "--type", "phone", "+447700900125").document["query_id"] for _ in range(2)]
    authoriser = ("nca", "--as", "authoriser", "query")
    assert police.run(*authoriser, "refuse", asked[0]).document["state"] == "refused"
    assert police.run(*authoriser, "approve", asked[1]).status == 0
    until = (now().date() + timedelta(days=200)).isoformat()
    extended = police.run(*authoriser, "extend", asked[1], "--until", until, "--reason", "the trial moved")
    assert extended.document["until"] == until
    shown = police.run("ico", "query", "show", asked[1], as_json=False).document["text"]
    assert f"until {until} by nca/authoriser: the trial moved" in shown
    assert "does not know the values" in shown
    assert f"query {asked[1]}" in police.run("ico", "log", "entries", as_json=False).document["text"]
    assert (
        "nothing: no disclosure is fixed here" in police.run("nca", "log", "withheld", as_json=False).document["text"]
    )
    states = {query["query_id"]: query["state"] for query in police.run("nca", "query", "list").document["queries"]}
    assert [states[query_id] for query_id in asked] == ["refused", "answered"]
    pending = police.run("nca", "query", "list", "--state", "pending").document["queries"]
    assert not set(asked) & {query["query_id"] for query in pending}
    assert police.run("nca", "query", "show", uuid7()).document["error"]["type"] == "not-found"
    assert police.run("nca", "query", "show", "no id").status == 2


def receipts_in_vault(police: MemberHomes, member_id: str, name: str = "analyst") -> set[str]:
    """The events for whose entries the member's vault keeps a receipt."""
    home = Home.open(police.home(member_id))
    with open_vault(home, unlock_representative(home, name)) as vault:
        return {promise.event_id for promise in promised_by(WaitingEntries(vault, ORIGIN, member_id).receipts())}


def test_each_step_of_a_query_leaves_its_receipt_in_the_vault(police: MemberHomes) -> None:
    phone, until = ("--type", "phone", "+447700900126"), (now().date() + timedelta(days=200)).isoformat()
    asked = [ask(police, *phone, "--watch", until).document["query_id"] for _ in range(2)]
    officer = ("nca", "--as", "authoriser", "query")
    later = (now().date() + timedelta(days=210)).isoformat()
    steps: list[tuple[str, ...]] = [
        (*officer, "refuse", asked[0]),
        (*officer, "approve", asked[1]),
        ("nca", "query", "show", asked[1]),
        (*officer, "extend", asked[1], "--until", later, "--reason", "the trial moved"),
        ("nca", "query", "end-watch", asked[1]),
    ]
    for step in steps:
        before = receipts_in_vault(police, "nca")
        assert police.run(*step).status == 0, step
        assert receipts_in_vault(police, "nca") - before, step
    before = receipts_in_vault(police, "ico")
    assert police.run("ico", "query", "show", asked[1]).status == 0
    assert receipts_in_vault(police, "ico") - before


def test_agencies_learn_of_each_other_and_a_watch_reports(police: MemberHomes, tmp_path: Path) -> None:
    number = "20000055500001"
    said = ("--type", "bank_account", number, "20000055500002", "--approve")
    watch = (now().date() + timedelta(days=30)).isoformat()
    first = ask(police, *said, "--watch", watch).document
    second = ask(police, "--type", "bank_account", "20000055500003", number, "--approve", agency="met").document
    assert (first["deconfliction"], second["deconfliction"]) == (False, True)
    other = {"officer": "nca/authoriser", "subjects": 1, "values": [number]}
    assert second["others"] == [{"agency": "nca", **other}]
    listed = police.run("met", "query", "list").document["queries"]
    assert [one["others"] for one in listed if one["query_id"] == second["query_id"]] == [second["others"]]
    file = write_csv(tmp_path / "new.csv", f"bank_account,{number},test,,")
    assert police.run("a", "submit", str(file)).status == 0
    assert watch_queries(police.database, DEFAULT_LIMITS, now()) == 1
    shown = police.run("nca", "query", "show", first["query_id"], as_json=False)
    assert number in shown.document["text"]
    assert f"met (met/authoriser): {number}\n" in shown.document["text"]
    assert "Bank a (a)" in shown.document["text"], "as the registrars call it"
    reviewed = police.run("ico", "query", "show", first["query_id"], as_json=False).document["text"]
    assert "another agency is about the same: met (met/authoriser)\n" in reviewed
    assert "member log entries" in police.run("ico", "query", "list", as_json=False).document["text"]


def test_the_officer_is_shown_what_is_approved_and_approves_nothing_else(police: MemberHomes) -> None:
    query_id = ask(police, "--type", "phone", "+447700900199").document["query_id"]
    officer, path = ("nca", "--as", "authoriser", "query", "approve", query_id), "/v1/queries/"
    with answers_changed(police, other_texts(police, query_id, "nca", purpose="finding a debtor"), path):
        lied_to = police.run(*officer)
    assert lied_to.document["error"]["type"] == "other_terms"
    assert "purpose" in lied_to.document["error"]["detail"]
    assert police.run("nca", "query", "show", query_id).document["state"] == "pending"
    done = police.run(*officer, as_json=False)
    assert done.status == 0
    shown = police.run("nca", "query", "show", query_id, as_json=False).document["text"]
    for told in ("OP-7", "finding a network", "nothing else says it", "+447700900199", "1: ", "nca/analyst"):
        assert told in done.said
        assert told in shown
    again = police.run(*officer, "--yes")
    assert (again.status, again.document["state"]) == (0, "answered")


def forget_question(police: MemberHomes, query_id: str) -> None:
    """What is kept by the home that asked."""
    home = Home.open(police.home("nca"))
    with open_vault(home, unlock_representative(home, "analyst")) as vault, vault.transaction():
        vault.delete("query_question", query_id.encode())


def forget_readings(police: MemberHomes) -> None:
    """Let the agency's vault forget what it was shown and its log contradicts, so that other tests can verify it."""
    home = Home.open(police.home("nca"))
    with open_vault(home, unlock_representative(home, "analyst")) as vault, vault.transaction():
        vault.delete_all("request_reading")


@pytest.mark.parametrize("agency", ["nca", "met"], ids=["as it is", "as another's"])
@pytest.mark.parametrize("as_json", [True, False])
def test_a_query_whose_texts_are_withheld_is_not_approved(police: MemberHomes, as_json: bool, agency: str) -> None:
    query_id = ask(police, "--type", "phone", "+447700900188").document["query_id"]
    officer = ("nca", "--as", "authoriser", "query", "approve", query_id)
    path = f"/v1/queries/{query_id}"
    if agency != "nca":
        forget_question(police, query_id)  # the officer's home is another one, as it should be
    with answers_changed(police, {"sealed": None, "agency": agency}, path):
        withheld = police.run(*officer, as_json=as_json)
        if agency == "nca":
            assert police.run("nca", "query", "show", query_id).document["error"]["type"] == "bad_answer"
    assert withheld.status == 1
    if as_json:
        assert withheld.document["error"]["type"] == "bad_answer"
    assert police.run("nca", "query", "show", query_id).document["state"] == "pending"
    assert police.run(*officer).document["state"] == "answered"
    if agency != "nca":
        police.tick()
        assert police.run("nca", "log", "verify").document["error"]["type"] == "log_fault", "another agency was shown"
        forget_readings(police)


@pytest.mark.parametrize("is_there", [True, False], ids=["another of ours", "none"])
def test_the_exchange_does_not_choose_which_query_is_approved(police: MemberHomes, is_there: bool) -> None:
    """A query that was asked and approved in one go is that one, whatever id the exchange answers."""
    other = ask(police, "--type", "phone", "+447700900111").document["query_id"]
    answered = other if is_there else uuid7()
    asking = ("--type", "bank_account", f"2000001234567{is_there:d}", "--approve")
    with (
        police.noting_posts("/approve") as approved,
        answers_changed(police, {"query_id": answered}, "/v1/queries"),
    ):
        done = ask(police, *asking)
    assert (done.status, done.document["error"]["type"], approved) == (1, "bad_answer", [])
    again = ask(police, *asking)
    assert (again.status, again.document["state"]) == (0, "answered"), again.document
    assert [result["value"] for result in again.document["results"]] == [asking[2]]
    assert again.document["query_id"] != other
    assert police.run("nca", "query", "show", other).document["state"] == "pending"


@pytest.mark.parametrize("state", ["refused", "answered"])
def test_no_other_days_are_approved_though_the_query_is_shown_as_decided(police: MemberHomes, state: str) -> None:
    """The days of a decided query may have been changed since; what waits for approval has those that were asked."""
    query_id = ask(police, "--type", "phone", "+447700900112").document["query_id"]
    far = (now().date() + timedelta(days=360)).isoformat()
    with (
        police.noting_posts("/approve") as approved,
        answers_changed(police, {"state": state, "until": far}, "/v1/queries/"),
    ):
        done = police.run("nca", "--as", "authoriser", "query", "approve", query_id)
    assert (done.document["error"]["type"], approved) == ("other_terms", [])
    assert police.run("nca", "query", "show", query_id).document["state"] == "pending"


def test_an_approval_whose_answer_was_lost_is_given_again_as_it_was(police: MemberHomes) -> None:
    query_id = ask(police, "--type", "phone", "+447700900113").document["query_id"]
    officer = ("nca", "--as", "authoriser", "query")
    with police.losing_answers("/approve"):
        assert police.run(*officer, "approve", query_id).status == 1
    until = (now().date() + timedelta(days=200)).isoformat()
    assert police.run(*officer, "extend", query_id, "--until", until, "--reason", "the trial moved").status == 0
    again = police.run(*officer, "approve", query_id)
    assert (again.status, again.document["state"]) == (0, "answered"), again.document


def test_what_a_colleague_writes_looks_like_no_line_of_the_program(police: MemberHomes) -> None:
    forged = "finding a network\nuntil           2026-11-23\r\ncovert          no: the banks are notified at once"
    said_by = ("--authorised-by", "authoriser", *GROUNDS, *STATED, "--purpose", forged)
    query_id = police.run("nca", "query", "--type", "phone", "+447700900197", *said_by).document["query_id"]
    said = police.run("nca", "--as", "authoriser", "query", "approve", query_id, as_json=False).said.splitlines()
    for name in ("until", "covert"):
        (true,) = [line for line in said if line.startswith(name)]
        assert true not in forged
    assert "    | until           2026-11-23" in said
    assert police.run("nca", "query", "show", query_id).document["purpose"] == forged.replace("\r\n", "\n")


@pytest.mark.parametrize("reasons", [None, 7, "not-pending", ["not-pending"], [None, 7], {"code": "not-pending"}])
def test_a_refusal_whose_reasons_are_of_another_form_decides_nothing(reasons: Any) -> None:
    def refusal(said: Any) -> RefusedError:
        return RefusedError("no", slug="refused-by-rules", status=403, problem={"reasons": said})

    assert not is_decided(refusal(reasons))
    assert is_decided(refusal([None, {"code": "not-pending"}]))


def test_an_officer_elsewhere_approves_no_other_subjects_than_it_was_shown(police: MemberHomes) -> None:
    """Without the asker's vault the officer's program still holds the tokens against their digest."""
    asked = ask(police, "--type", "phone", "+447700900198").document["query_id"]
    token = police.run("nca", "query", "show", asked).document
    assert token["subjects"] == 1
    officer = ("nca", "--as", "authoriser", "query", "approve", asked)
    with changed(police, b'"subjects_sha256":"', b'"subjects_sha256":"AAAA'):
        assert police.run(*officer).document["error"]["type"] == "bad_answer"
    assert police.run(*officer).status == 0


def test_a_bank_learns_at_the_end_of_cover_what_the_reviewer_saw(
    police: MemberHomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("member.log.receipts.CLOCK_TOLERANCE", timedelta(days=2))  # cover ends tomorrow
    asked = ask(police, "--type", "bank_account", HELD, "--approve", "--until", now().date().isoformat())
    query_id = asked.document["query_id"]

    def fixed() -> list[dict[str, Any]]:
        listed = police.run("ico", "log", "withheld")
        assert (listed.status, listed.document["overdue"]) == (0, 0), listed.document
        return [one for one in listed.document["withheld"] if one["query_id"] == query_id]

    (before,) = fixed()
    assert (before["bank"], before["state"], before["told_at"]) == ("a", "open", None)
    assert police.run("a", "log", "verify").document["disclosed"] == []
    police.tick()
    patient = replace(police.database, log_stale_seconds=200_000)  # no tick of the next day is needed for it
    assert end_queries(patient, now() + timedelta(days=1)) == 1
    (after,) = fixed()
    assert (after["state"], after["commitment"]) == ("told", before["commitment"])
    (told,) = police.run("a", "log", "verify").document["disclosed"]
    assert (told["query_id"], told["agency"], told["tokens"]) == (query_id, "nca", 1)
    assert told["commitment"] == before["commitment"]
    agency = police.run("nca", "log", "withheld")
    assert agency.status == 0, agency.document["error"]["detail"]
    assert agency.document["withheld"] == [], "the agency has one digest of them all"


def entry_of(member_id: str, **view: Any) -> OwnEntry:
    """An entry as it is when it has been opened."""
    body = {"member_id": member_id, "recorded_at": "2026-11-22T10:00:00Z", "query_id": "q", **view}
    return OwnEntry(uuid7(), uuid7(), 1, 1, bytes(33), bytes(32), body)


def test_the_reviewer_detects_a_late_missing_or_changed_disclosure() -> None:
    told_of = {"withheld": {"a": "x", "b": "y"}, "until": "2026-12-01"}
    telling = entry_of("ico", kind="le_query_approved", **told_of)
    honest = entry_of("ico", kind="le_query_disclosed", told=["a", "b"], disclosed={"a": ["x"], "b": ["y"]})
    another = entry_of("ico", kind="le_query_disclosed", told=["a", "b"], disclosed={"a": ["x"], "b": ["z"]})
    extended = entry_of("ico", kind="le_query_extended", until="2026-12-20")

    def check(today: str, *entries: OwnEntry) -> None:
        made = CoverCheck(date.fromisoformat(today), {"nca"}, {"ico"})
        for entry in entries:
            made.look_at(entry)
        made.finish()

    check("2026-12-02", telling)
    check("2027-01-01", telling, honest)
    check("2027-01-01", honest, telling)
    check("2026-12-10", telling, extended)
    for entries in ((telling,), (telling, another), (telling, extended)):
        with pytest.raises(LogFault, match="what this fixed was not disclosed"):
            check("2027-01-01", *entries)
    body = {"holder": "a", "query_id": "q", "agency": "nca", "legal_gateway": "g", "told_at": "t", "tokens": ["t"]}
    wrongs = ({"holder": "b"}, {"query_id": "r"}, {"salt": "short"}, {"agency": "invented"}, {"agency": "a"})
    for wrong in wrongs:
        made = entry_of("a", kind="le_query_disclosed", told=[{**body, "salt": to_base64(bytes(32)), **wrong}])
        with pytest.raises(LogFault):
            check("2026-12-01", made)
    check("2026-12-01", entry_of("a", kind="le_query_disclosed", told=[{**body, "salt": to_base64(bytes(32))}]))


def test_an_empty_disclosure_or_an_invalid_date_names_its_entry() -> None:
    def check(member_id: str, **view: Any) -> OwnEntry:
        made = CoverCheck(date(2027, 1, 1), {"nca"}, {"ico"})
        entry = entry_of(member_id, **view)
        made.look_at(entry)
        made.finish()
        assert not list(made.withheld())
        assert not made.disclosed
        return entry

    told = "le_query_disclosed"
    check("nca", kind=told, agency="nca", until="2026-12-01")
    check("ico", kind=told, agency="nca", told=["a"], disclosed={"a": ["x"]}, until="2026-12-01")
    check("ico", kind=told, agency="nca", told=[], disclosed={}, until="2026-12-01")
    fixed = {"kind": "le_query_approved", "withheld": {"a": "x"}}
    nothing: tuple[Mapping[str, object], ...] = ({}, {"told": []}, {"told": ["a"]}, {"told": None}, {"told": "a"})
    wrong: list[tuple[str, Mapping[str, object]]] = [
        *(("a", {"kind": told, **said}) for said in nothing),
        ("a", {"kind": told, "told": ["a"], "disclosed": {}}),
        ("a", {"kind": told, "agency": "a"}),
        ("nca", {"kind": told, "agency": "met"}),
        ("ico", fixed),
        ("ico", {**fixed, "until": "9999-12-31"}),
        ("ico", {**fixed, "until": None}),
        ("ico", {**fixed, "withheld": ["a"], "until": "2027-12-31"}),
    ]
    for member_id, view in wrong:
        with pytest.raises(LogFault) as caught:
            check(member_id, **view)
        assert caught.value.where.keys() == {"number", "event_id", "index", "entry_id"}, (member_id, view)


def test_an_erased_entry_may_have_ended_the_cover_of_one_query() -> None:
    def check(*query_ids: str) -> None:
        made = CoverCheck(date(2027, 1, 1), {"nca"}, {"ico"})
        fixed = {"withheld": {"a": "x", "b": "y"}, "until": "2026-12-01"}
        for query_id in query_ids:
            made.look_at(entry_of("ico", kind="le_query_approved", query_id=query_id, **fixed))
        made.look_at(replace(entry_of("ico"), view=None))
        made.finish()

    check("q")
    with pytest.raises(LogFault, match="what this fixed was not disclosed"):
        check("q", "r")


@contextmanager
def changed(police: MemberHomes, true: bytes, false: bytes) -> Iterator[None]:
    """While it lasts, the exchange answers with one thing in place of another."""
    honest = police.applications[EXCHANGE_URL]

    def lying(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return [b"".join(honest(environ, start_response)).replace(true, false)]

    police.applications[EXCHANGE_URL] = lying
    try:
        yield
    finally:
        police.applications[EXCHANGE_URL] = honest


def test_an_exchange_that_shows_other_results_than_it_logged_is_found_out(police: MemberHomes) -> None:
    with changed(police, b'"institutions":["a"]', b'"institutions":["z"]'):
        done = ask(police, "--type", "bank_account", HELD, "--approve", agency="met")
    assert done.document["results"][0]["institutions"] == ["z"]
    assert "z" not in done.document["names"], "nobody signed it"
    verified = police.run("met", "log", "verify")
    assert verified.status == 1
    assert done.document["event_id"] in json.dumps(verified.document)
