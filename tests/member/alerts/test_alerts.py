"""Alerts from the command line, against the real exchange in this process: written, released, read, answered, and held
against the member's own log.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
import pytest
from rich.console import Console
from werkzeug.test import EnvironBuilder, run_wsgi_app

from alerts.store.alerts import StoredAlert
from member.alerts.client import ReadAlert
from member.alerts.log import AlertLog, LoggedDigest, ReadingsCheck
from member.alerts.page import page_of
from member.commands.alert_page import render_alert
from member.commands.shared.terminal import PlainTable
from member.errors import AnswerError
from member.log.chain import LogFault, OwnEntry
from member.plain import printable
from member.transport.exchange_client import LogPage
from member.vault.store import Vault
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes
from tests.taskforce.member_program import now
from tlog.entries import entry_commitment

UNKNOWN = "00000000-0000-7000-8000-000000000000"


def write_alert(folder: Path, **said: Any) -> str:
    """A file with the least that an author says."""
    least = {"title": "Mules", "colour": "amber", "tlp": "AMBER", "overview": "They move.", "audience": "taskforce"}
    path = folder / "alert.json"
    path.write_text(json.dumps({**least, **said}))
    return str(path)


def publish(taskforce: MemberHomes, folder: Path, **said: Any) -> dict[str, Any]:
    """A published alert of bank a, as its release answered."""
    reference = taskforce.run("a", "alert", "draft", write_alert(folder, **said)).document["reference"]
    for step in ("review", "release"):
        done = taskforce.run("a", "--as", "authoriser", "alert", step, reference)
        assert done.status == 0, done.document
    return done.document


@contextmanager
def answers_changed(taskforce: MemberHomes, old: bytes, new: bytes) -> Iterator[None]:
    """While it lasts, the exchange answers something else than it keeps."""
    honest = taskforce.applications[EXCHANGE_URL]

    def changed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return [b"".join(honest(environ, start_response)).replace(old, new)]

    taskforce.applications[EXCHANGE_URL] = changed
    try:
        yield
    finally:
        taskforce.applications[EXCHANGE_URL] = honest


def test_an_alert_runs_from_draft_through_release_to_withdrawal(taskforce: MemberHomes, tmp_path: Path) -> None:
    path = str(tmp_path / "template.json")
    assert taskforce.run("a", "alert", "template", path).status == 0
    drafted = taskforce.run("a", "alert", "draft", path).document
    assert (set(drafted), drafted["state"]) == ({"alert_id", "reference", "state"}, "draft")
    reference = drafted["reference"]
    assert taskforce.run("a", "alert", "review", reference).rules == ["review-by-author"]
    hidden = taskforce.run("b", "alert", "read", drafted["alert_id"])
    assert hidden.document == taskforce.run("b", "alert", "read", UNKNOWN).document
    assert taskforce.run("b", "alert", "read", reference).document["error"]["type"] == "unknown-alert"
    for step, state in (("review", "reviewed"), ("release", "published")):
        done = taskforce.run("a", "--as", "authoriser", "alert", step, reference).document
        assert done == {"alert_id": drafted["alert_id"], "reference": reference, "state": state}
    taskforce.tick()
    read = taskforce.run("b", "alert", "read", reference).document
    assert read["content"]["title"] == json.loads(Path(path).read_text())["title"]
    assert isinstance(read["logged"], int)
    feedback = tmp_path / "feedback.txt"
    feedback.write_text("nine accounts found\r\n")
    said = taskforce.run("b", "alert", "ack", reference.lower(), "--implemented", "--feedback", str(feedback))
    assert said.status == 0, said.document
    (answer,) = taskforce.run("a", "alert", "responses", reference).document["responses"]
    assert (answer["member_id"], answer["feedback"]) == ("b", "nine accounts found")
    entries = taskforce.run("a", "log", "entries", as_json=False).document["text"]
    assert re.search(r"\b1 alert\b", entries)
    assert not re.search(r"\b1 alerts\b", entries)
    assert answer["implemented_at"]
    withdrawn = taskforce.run("a", "alert", "withdraw", drafted["alert_id"], "--reason", "a customer was a victim")
    assert withdrawn.document["state"] == "withdrawn"
    page = taskforce.run("b", "alert", "read", reference, as_json=False).document["text"]
    assert "Withdrawn: act on it no longer. a customer was a victim" in page
    assert page.count("TLP:AMBER") >= 2
    listed = taskforce.run("b", "alert", "list", "--state", "withdrawn").document["alerts"]
    assert [one["acknowledged"] for one in listed if one["reference"] == reference] == [True]
    verified = taskforce.run("b", "log", "verify")
    assert verified.status == 0, verified.document


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[MemberHomes]:
    """A taskforce whose log may be spoiled for good."""
    made = MemberHomes.found(tmp_path / "apart")
    yield made
    made.close()


def test_an_exchange_that_shows_another_content_than_it_logged_is_caught(apart: MemberHomes, tmp_path: Path) -> None:
    published = publish(apart, tmp_path, overview="Look at the second account.")
    apart.tick()
    with answers_changed(apart, b"the second account", b"the third! account"):
        done = apart.run("b", "alert", "read", published["reference"])
    assert (done.status, done.document["error"]["type"]) == (1, "bad_answer")
    with apart.database.transaction() as session:
        stored = session.get_one(StoredAlert, published["alert_id"])
        honest = stored.content_json
        stored.content_json = honest.replace("the second account", "the third account")
    done = apart.run("b", "alert", "read", published["reference"])
    assert (done.status, done.document["error"]["type"]) == (1, "log_fault")
    assert done.document["error"]["event_id"]
    with apart.database.transaction() as session:
        session.get_one(StoredAlert, published["alert_id"]).content_json = honest
    assert apart.run("b", "alert", "read", published["reference"]).status == 0


def test_what_the_exchange_alone_can_judge_it_refuses_by_the_rules_name(taskforce: MemberHomes, tmp_path: Path) -> None:
    path = write_alert(
        tmp_path,
        audience="others",
        tlp="CLEAR",
        sources=[{"reference": "r", "tlp": "RED"}],
        body="<script>alert(1)</script>",
    )
    rules = taskforce.run("a", "alert", "draft", path).rules
    assert {"group", "tlp-wider-than-source", "html-in-markdown"} <= set(rules)
    said = taskforce.run("a", "alert", "draft", path, as_json=False).said
    assert "(tlp-wider-than-source)" in said
    reference = taskforce.run("a", "alert", "draft", write_alert(tmp_path)).document["reference"]
    boss = ("a", "--as", "authoriser", "alert")
    assert taskforce.run(*boss, "release", reference).rules == ["not-reviewed"]
    taskforce.run(*boss, "review", reference)
    past = taskforce.run(*boss, "release", reference, "--at", "2026-01-01T10:00:00+01:00")
    assert past.rules == ["release-in-the-past"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("alert", "read", "the last one"),
        ("alert", "read", "123-NECC"),
        ("alert", "release", UNKNOWN, "--at", "tomorrow"),
        ("alert", "release", UNKNOWN, "--at", "2026-11-23T09:00:00"),
        ("alert", "withdraw", UNKNOWN),
        ("alert", "withdraw", UNKNOWN, "--reason", "a\x1b[2Jb"),
        ("alert", "read", UNKNOWN, "--pdf", __file__),
        ("alert", "template", __file__),
    ],
)
def test_what_is_asked_wrongly_is_told_before_anybody_is_contacted(
    taskforce: MemberHomes, arguments: tuple[str, ...]
) -> None:
    with answers_changed(taskforce, b"{", b"never read"):
        done = taskforce.run("a", *arguments)
    assert (done.status, done.document["error"]["type"]) == (2, "usage"), done.document


def test_a_draft_that_cannot_be_right_leaves_the_machine_never(taskforce: MemberHomes, tmp_path: Path) -> None:
    asked: list[str] = []
    honest = taskforce.applications[EXCHANGE_URL]

    def noting(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked.append(environ["PATH_INFO"])
        return honest(environ, start_response)

    taskforce.applications[EXCHANGE_URL] = noting
    try:
        done = taskforce.run("a", "alert", "draft", write_alert(tmp_path, colour="mauve"))
    finally:
        taskforce.applications[EXCHANGE_URL] = honest
    assert (done.rules, asked) == (["unknown-code"], [])


def published(taskforce: MemberHomes, folder: Path, **content: Any) -> str:
    """The reference of an alert of bank a's that is out."""
    reference: str = taskforce.run("a", "alert", "draft", write_alert(folder, **content)).document["reference"]
    for step in ("review", "release"):
        done = taskforce.run("a", "--as", "authoriser", "alert", step, reference)
        assert done.status == 0, done.document
    return reference


def test_a_reference_names_the_issuer_and_its_beginning_will_do(taskforce: MemberHomes, tmp_path: Path) -> None:
    reference = published(taskforce, tmp_path)
    assert reference.endswith("-A")
    read = taskforce.run("b", "alert", "read", reference.lower())
    assert (read.document["issuer"], read.document["member_id"]) == ("Bank a", "a")
    assert taskforce.run("b", "alert", "read", reference.split("-")[0]).document["reference"] == reference
    assert "Bank a" in taskforce.run("b", "alert", "read", reference, as_json=False).document["text"]
    assert taskforce.run("b", "alert", "read", "00").status == 2


def test_a_list_is_chosen_by_theme_day_and_whether_it_is_answered(taskforce: MemberHomes, tmp_path: Path) -> None:
    one, other = (published(taskforce, tmp_path, theme=theme) for theme in ("ransomware", "tax_evasion"))
    today = now().date()

    def listed(*options: str) -> set[str]:
        done = taskforce.run("b", "alert", "list", *options)
        assert done.status == 0, done.document
        return {alert["reference"] for alert in done.document["alerts"]} & {one, other}

    assert listed("--theme", "ransomware") == {one}
    assert listed("--theme", "ransomware", "--theme", "tax_evasion") == {one, other}
    assert listed("--from", today.isoformat(), "--to", today.isoformat()) == {one, other}
    assert listed("--to", (today - timedelta(days=1)).isoformat()) == set()
    assert listed("--from", (today + timedelta(days=1)).isoformat()) == set()
    assert taskforce.run("b", "alert", "list", "--from", "yesterday").status == 2
    assert taskforce.run("b", "alert", "ack", one).status == 0
    assert listed("--unanswered") == {other}


def test_several_alerts_are_acknowledged_at_once(taskforce: MemberHomes, tmp_path: Path) -> None:
    references = [published(taskforce, tmp_path) for _ in range(4)]
    done = taskforce.run("b", "alert", "ack", *references[:2], "--implemented")
    assert done.status == 0, done.document
    assert [alert["reference"] for alert in done.document["alerts"]] == references[:2]
    assert taskforce.run("b", "alert", "read", references[2]).status == 0
    read = {alert["reference"] for alert in taskforce.run("b", "alert", "ack", "--all-read").document["alerts"]}
    assert references[2] in read
    assert references[3] not in read, "what was not read is not acknowledged"
    assert taskforce.run("b", "alert", "ack", "--all-read").document == {"alerts": []}
    assert taskforce.run("b", "alert", "ack").status == 2
    assert taskforce.run("b", "alert", "ack", references[0], "--all-read").status == 2


def test_a_feed_token_comes_with_the_address_of_every_feed(taskforce: MemberHomes) -> None:
    made = taskforce.run("b", "feed", "token").document
    forms = dict.fromkeys(one["form"] for one in made["feeds"])  # each but TAXII for each group that b is in by now
    assert list(forms) == ["TAXII 2.1", "Atom", "JSON Feed", "MISP"]
    again = taskforce.run("b", "feed", "token")
    assert again.status == 2, "two of one name could not be told apart"
    assert made["token_id"] in again.document["error"]["hint"]
    text = taskforce.run("b", "feed", "token", "--name", "other", as_json=False).document["text"]
    for one in made["feeds"]:
        assert one["url"].startswith(EXCHANGE_URL)
        assert one["url"] in text
    assert taskforce.run("b", "feed", "addresses").document["feeds"] == made["feeds"]
    application = taskforce.applications[EXCHANGE_URL]
    for one in made["feeds"][:3]:
        path = one["url"].removeprefix(EXCHANGE_URL)
        environ = EnvironBuilder(path, headers=[("Authorization", f"Bearer {made['token']}")]).get_environ()
        _, status, _ = run_wsgi_app(application, environ)
        assert status == "200 OK", path
    assert taskforce.run("b", "feed", "revoke", made["token_id"]).status == 0
    assert taskforce.run("b", "feed", "token").status == 0, "a revoked one's name is free"


# what comes from outside and the terminal

HOSTILE = "\x1b]0;owned\x07\x9b2J\u202eCCEN\r\x08[red]x[/red]&#x202E;&#x200B;"


def hostile_alert() -> ReadAlert:
    content = {
        **dict.fromkeys(("title", "colour", "classification", "tlp", "conditions", "theme"), HOSTILE),
        **dict.fromkeys(("overview", "requested_action", "body"), f"# {HOSTILE}\n\n[{HOSTILE}](https://e.org)"),
        **dict.fromkeys(("legal_gateway", "purpose", "supersedes"), HOSTILE),
        **dict.fromkeys(("review_by", "expires_on"), "2027-01-01"),
        "audience": {"groups": [HOSTILE], "kinds": [HOSTILE]},
        "red_flags": [HOSTILE],
        "case_studies": [{"title": HOSTILE, "text": HOSTILE}],
        "sources": [{"reference": HOSTILE, "tlp": HOSTILE}],
        "accounts": [{"iban": HOSTILE, "sort_code": HOSTILE, "account_number": HOSTILE, "bic": HOSTILE}],
    }
    names = (
        "alert_id",
        "reference",
        "member_id",
        "issuer",
        "content_sha256",
        "created_at",
        "modified_at",
        "superseded_by",
        "event_id",
    )
    fields = {**dict.fromkeys((*names, "event_id"), HOSTILE), "published_at": HOSTILE, "reason": HOSTILE, "version": 1}
    fields |= {"response": None, "steps": None}
    return msgspec.convert({**fields, "state": "withdrawn", "content": content}, ReadAlert)


def test_no_control_character_of_an_alert_reaches_the_terminal() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=False)
    console.print(render_alert(page_of(hostile_alert())))
    table = PlainTable("a")
    table.add_row(HOSTILE)
    console.print(table)
    shown = out.getvalue()
    assert shown.replace("\n", "").isprintable()
    assert "[red]x[/red]" in shown
    assert "<U+001B>" in shown


def test_a_text_that_is_dear_to_read_as_markdown_is_shown_as_it_is() -> None:
    alert = msgspec.structs.replace(hostile_alert(), state="published")
    content = msgspec.structs.replace(alert.content, overview="a&#x202E;b", body="[" * 19_000)
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=False)
    console.print(render_alert(page_of(msgspec.structs.replace(alert, content=content))))
    assert out.getvalue().count("[") > 19_000
    assert "a<U+202E>b" in out.getvalue()


def test_printable_text_is_left_as_it_is() -> None:
    assert printable("Łódź\n£5 – fine") == "Łódź\n£5 – fine"
    assert printable("a\tb\u00a0c\r\nd") == "a b c\nd"


# readings and the log

ALERT_ID = uuid7()


def entry_of(number: int, **view: Any) -> tuple[dict[str, Any], OwnEntry]:
    """An entry as the exchange hands it out, and as it is opened."""
    event_id, salt = uuid7(), bytes(32)
    body = canonical_json({"kind": "alert_read", **view, "event_id": event_id, "member_id": "b"})
    entry = entry_commitment(salt, body)
    where = {"number": number, "index": number, "event_id": event_id, "entry_id": uuid7()}
    row = {**where, "entry": to_base64(entry), "chain_head": to_base64(bytes(32))}
    opened = OwnEntry(**where, entry=entry, chain_head=bytes(32), view=json.loads(body))  # type: ignore[arg-type]
    return {**row, "view": to_base64(body), "salt": to_base64(salt)}, opened


class Pages:
    """A log that hands out these rows, two at once."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.asked: list[int] = []

    def log_page(self, after: int, limit: int = 2) -> LogPage:
        self.asked.append(after)
        rows = [row for row in self.rows if row["number"] > after][:2]
        return LogPage(rows, [], rows[-1]["number"] if len(rows) == 2 else None)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with Vault.create(tmp_path / "vault.sqlite", bytes(32), "b") as made:
        yield made


def stated(digest: str, version: int = 1) -> dict[str, Any]:
    return {"alert_id": ALERT_ID, "version": version, "content_sha256": digest}


def test_each_entry_is_read_once_and_what_it_states_is_kept(vault: Vault) -> None:
    log = AlertLog(vault, "log", "b")
    rows = [entry_of(1, other="thing")[0], entry_of(2, **stated("one"))[0], entry_of(3, alerts=[stated("two", 2)])[0]]
    pages = Pages(rows)
    log.catch_up(pages)  # type: ignore[arg-type]
    assert log.check(ALERT_ID, 1, "one") == LoggedDigest("one", 2, rows[1]["event_id"], 2)
    found = log.check(ALERT_ID, 2, "two")
    assert found is not None
    assert found.number == 3
    assert log.check(ALERT_ID, 3, "three") is None
    log.catch_up(pages)  # type: ignore[arg-type]
    assert pages.asked == [0, 2, 3]
    with pytest.raises(LogFault, match="another content"):
        log.check(ALERT_ID, 1, "other")


def test_a_log_that_states_two_contents_of_one_version_is_caught(vault: Vault) -> None:
    pages = Pages([entry_of(1, **stated("one"))[0], entry_of(2, **stated("other"))[0]])
    with pytest.raises(LogFault, match="another content"):
        AlertLog(vault, "log", "b").catch_up(pages)  # type: ignore[arg-type]


def test_an_entry_that_does_not_open_or_is_left_out_is_caught(vault: Vault) -> None:
    changed = entry_of(1, **stated("one"))[0] | {"view": to_base64(canonical_json(stated("two")))}
    for rows in ([changed], [entry_of(2, **stated("one"))[0]]):
        with pytest.raises(LogFault):
            AlertLog(vault, "log", "b").catch_up(Pages(rows))  # type: ignore[arg-type]


def test_a_reading_that_the_log_lacks_or_states_otherwise_is_a_fault(vault: Vault) -> None:
    log = AlertLog(vault, "log", "b")
    _, honest = entry_of(1, **stated("one"))
    log.keep(honest.event_id, ALERT_ID, 1, "one")
    log.keep(lost := uuid7(), ALERT_ID, 1, "one")
    check = ReadingsCheck(log.readings())
    check.look_at(honest)
    (found,) = check.finish(is_complete=False)
    assert found.event_id == honest.event_id
    with pytest.raises(LogFault, match=lost):
        check.finish(is_complete=True)
    log.forget([found])
    assert [one.event_id for one in log.readings()] == [lost]
    assert AlertLog(vault, "another log", "b").readings() == []
    _, other = entry_of(1, **stated("two"))
    log.keep(other.event_id, ALERT_ID, 1, "one")
    with pytest.raises(LogFault, match="does not state what was read"):
        ReadingsCheck(log.readings()).look_at(other)


def test_an_honest_reading_does_not_hide_a_forged_one_of_its_event(vault: Vault) -> None:
    log = AlertLog(vault, "log", "b")
    _, honest = entry_of(1, **stated("one"))
    for shown in ("forged", "one"):
        log.keep(honest.event_id, ALERT_ID, 1, shown)
    with pytest.raises(LogFault, match="does not state what was read"):
        ReadingsCheck(log.readings()).look_at(honest)


def test_a_content_without_a_canonical_form_is_refused() -> None:
    alert = msgspec.structs.replace(hostile_alert(), document={"content": {"title": 1.5}})
    with pytest.raises(AnswerError):
        alert.computed_sha256()
