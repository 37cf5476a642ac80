"""Notices from the command line: what is new, what it is about by the member's own log, and how to go on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from alerts.jobs import drain_outbox
from member.commands.shared.next_steps import command_of
from member.log.chain import LogFault
from member.log.own_entries import OwnLog
from member.standing.notices import NoticeLog
from member.vault.store import Vault
from schemas.status import ListedNotice
from schemas.values.identifiers import uuid7
from tests.member.alerts.test_alerts import Pages, entry_of
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes, start_nothing
from tests.taskforce.member_program import Ran, accounts, write_csv

ASKING = ("--legal-gateway", "ECCTA2023_s188", "--purpose", "finding who is paid")
STATED = ("--necessity", "nobody else can say", "--proportionality", "one account")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberHomes]:
    """Two banks that hold one account; a has asked b about it."""
    folder = tmp_path_factory.mktemp("noticed")
    founded = MemberHomes.found(folder)
    file = write_csv(folder / "rows.csv", *accounts(1))
    for bank in ("b", "a"):
        assert founded.run(bank, "submit", str(file)).status == 0
    (hit,) = founded.run("a", "hits").document["hits"]
    assert founded.run("a", "request", "create", hit["hit_id"], *ASKING, *STATED).status == 0
    yield founded
    founded.close()


def notices(taskforce: MemberHomes, *arguments: str, bank: str = "b") -> Ran:
    """What a bank is told once the worker has been round."""
    drain_outbox(taskforce.database)
    done = taskforce.run(bank, *arguments)
    assert done.status == 0, done.document
    return done


def test_a_holder_reads_what_happened_what_it_is_about_and_how_to_go_on(asked: MemberHomes) -> None:
    request_id = asked.run("a", "request", "list").document["requests"][0]["request_id"]
    counted = notices(asked, "status").document["new_notices"]
    assert (counted["match"], counted["request_received"]) == (1, 1)
    found = notices(asked, "notices").document
    assert found["new"] == len(found["notices"]) == sum(counted.values())
    received = next(one for one in found["notices"] if one["kind"] == "request_received")
    assert received["about"] == {"request_id": request_id}
    assert received["go_on"] == f"member request show {request_id}"
    assert asked.run("b", *received["go_on"].split()[1:]).status == 0
    assert all(one["about"] is not None for one in found["notices"])
    assert notices(asked, "notices").document == {"notices": [], "new": 0}
    assert notices(asked, "status").document["new_notices"] == {}
    authoriser = notices(asked, "--as", "authoriser", "notices").document
    assert authoriser == found, "what one person has read is new to another"
    again = notices(asked, "notices", "--all").document
    assert (again["notices"], again["new"]) == (found["notices"], 0)
    last = notices(asked, "notices", "--since", found["notices"][0]["notice_id"]).document["notices"]
    assert last == found["notices"][1:]
    assert asked.run("b", "notices", "--since", "soon").status == 2
    assert asked.run("b", "notices", "--since", uuid7(), "--all").status == 2


def test_each_new_answer_is_told_once(asked: MemberHomes) -> None:
    notices(asked, "notices", bank="a")
    request_id = asked.run("a", "request", "list").document["requests"][0]["request_id"]
    assert asked.run("b", "--as", "authoriser", "request", "answer", request_id, "--full").status == 0
    fresh = notices(asked, "notices", bank="a").document["notices"]
    assert [one["kind"] for one in fresh] == ["request_taken_up", "request_answered"]
    assert {one["about"]["request_id"] for one in fresh} == {request_id}
    assert notices(asked, "notices", bank="a").document["new"] == 0


def test_a_notice_that_the_log_knows_nothing_of_is_shown_as_that(asked: MemberHomes) -> None:
    honest, invented = asked.applications[EXCHANGE_URL], uuid7()

    def lying(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/v1/notices":
            return honest(environ, start_response)
        list(honest(environ, start_nothing))
        notice = {
            "notice_id": uuid7(),
            "kind": "correction",
            "event_id": invented,
            "created_at": "2026-11-22T10:00:00Z",
        }
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"notices": [notice], "next": None}).encode()]

    asked.applications[EXCHANGE_URL] = lying
    try:
        done = asked.run("b", "notices")
    finally:
        asked.applications[EXCHANGE_URL] = honest
    (shown,) = done.document["notices"]
    assert (shown["event_id"], shown["about"]) == (invented, None)
    assert "no entry in our log" in done.said


def test_an_entry_enters_a_command_only_as_an_id_or_a_reference(tmp_path: Path) -> None:
    request_id = uuid7()
    wrong: list[Any] = ["x; rm -rf ~", "$(id)", "-h", [request_id], 7, {}]
    stated: list[dict[str, Any]] = [
        {"kind": "request_made", "request_id": request_id},
        {"kind": "alert_published", "reference": "0042-NECC", "alert_id": uuid7()},
        *({"kind": "request_made", "request_id": said} for said in wrong),
        {"kind": "alert_published", "reference": "0042-NECC\n", "alert_id": uuid7()},
        {"kind": "alert_published", "reference": "`id`", "alert_id": uuid7()},
    ]
    entries = [entry_of(number, **view) for number, view in enumerate(stated, 1)]
    told = [
        ListedNotice(uuid7(), entry.view["kind"], entry.event_id, "t") for _, entry in entries if entry.view is not None
    ]
    with Vault.create(tmp_path / "vault.sqlite", bytes(32), "b") as vault:
        pages = Pages([row for row, _ in entries])
        log = NoticeLog(OwnLog(vault, pages, "b", "log", lambda _: None))  # type: ignore[arg-type]
        told = [ListedNotice(one.notice_id, one.kind.replace("made", "received"), one.event_id, "t") for one in told]
        commands = [command_of(one.then) for one in log.describe(told)]
    honest = [f"member request show {request_id}", "member alert read 0042-NECC"]
    assert commands == honest + ["member log entries"] * (len(stated) - 2)


@pytest.mark.parametrize("said", [10**30, -(2**70)])
def test_an_entry_about_what_cannot_be_kept_is_a_fault_of_the_log(tmp_path: Path, said: Any) -> None:
    row, entry = entry_of(1, kind="request_made", request_id=said)
    with Vault.create(tmp_path / "vault.sqlite", bytes(32), "b") as vault:
        log = NoticeLog(OwnLog(vault, Pages([row]), "b", "log", lambda _: None))  # type: ignore[arg-type]
        with pytest.raises(LogFault, match=entry.event_id):
            log.describe([ListedNotice(uuid7(), "request_received", entry.event_id, "t")])
