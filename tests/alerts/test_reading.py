"""Reading through the signed API: what is hidden looks like what does not exist, and every reading is in the log."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from alerts.domain.alert import READABLE, Alert
from alerts.rendering.pdf import render_pdf
from exchange.web.costly_work import BusyError, CostlyWork
from keys.statements.types import MemberState
from schemas.terms import AlertState, MemberKind
from schemas.values.identifiers import uuid7
from tests.alerts.factories import draft, logged, make_content, plant_alert, read, release, step
from tests.taskforce.founding import Taskforce
from tests.taskforce.members import MemberSimulator

NewTaskforce = Callable[..., Taskforce]
CELL = {"groups": ["cell"], "kinds": []}
STEPS: list[tuple[str, Any]] = [
    ("review", {}),
    ("release", {"at": None}),
    ("withdraw", {"reason": "x"}),
    ("acknowledgement", {"implemented": True, "feedback": ""}),
]

# Not made anew: each of the test processes must collect the same tests.
_UUID = "01a202c5-1fa0-7b28-abb9-d9688b33acb8"


def listed(member: MemberSimulator, query: str = "") -> list[dict[str, Any]]:
    """Every alert of the list, page by page."""
    found, cursor = [], ""
    while True:
        answer = member.send("GET", f"/v1/alerts?{query}{cursor}")
        assert answer.status_code == 200, answer.text
        found += answer.get_json()["alerts"]
        if answer.get_json()["next"] is None:
            return found
        cursor = f"&cursor={answer.get_json()['next']}"


def told_of(answer: TestResponse) -> tuple[Any, ...]:
    """All that an answer tells, but for the random name of its request."""
    headers = sorted(pair for pair in answer.headers.items() if pair[0] != "X-Request-Id")
    return answer.status_code, headers, answer.data


def test_a_hidden_alert_is_answered_as_one_that_does_not_exist(shared: Taskforce) -> None:
    """By every route, for one that is published to others, for a draft, and for an id that nobody has."""
    b, hidden = shared.members["b"], release(shared.members["a"], audience=CELL)
    ids = (hidden, draft(shared.members["a"]), uuid7())
    for form in ("", "/page", "/pdf", "/responses"):
        answers = [told_of(b.send("GET", f"/v1/alerts/{alert_id}{form}")) for alert_id in ids]
        assert answers[0] == answers[1] == answers[2]
        assert answers[0][0] == 404
    for name, value in STEPS:
        answers = [told_of(b.send("POST", f"/v1/alerts/{one}/{name}", value, as_name="authoriser")) for one in ids]
        assert answers[0] == answers[1] == answers[2]
        assert answers[0][0] == 404
    entries = [
        [(view["asked"], view["reasons"]) for view in logged(shared, "b", "refusal", alert_id)] for alert_id in ids
    ]
    assert entries[0] == entries[1] == entries[2]
    assert len(entries[0]) == 8, "each attempt is on record"
    assert {reason["code"] for _, reasons in entries[0] for reason in reasons} == {"unknown-alert"}


@pytest.mark.parametrize("name", ["x", "..", "%00", "%27", _UUID.upper(), _UUID + "x", "1" * 3000])
def test_what_is_no_id_is_not_found_either(shared: Taskforce, name: str) -> None:
    answer = shared.send_unsigned("GET", f"/v1/alerts/{name}")
    assert answer.status_code in (400, 401, 404)
    if name not in ("..", "%00"):
        assert shared.members["a"].send("GET", f"/v1/alerts/{name}").status_code in (404, 414)


@pytest.mark.parametrize("cursor", ["x", "%00", "01a2026e", "-1", "%27--", _UUID.upper()])
def test_a_broken_cursor_is_refused_by_its_name(shared: Taskforce, cursor: str) -> None:
    answer = shared.members["a"].send("GET", f"/v1/alerts?cursor={cursor}")
    assert answer.status_code in (400, 422)
    assert answer.status_code == 400 or "cursor" in answer.get_json()["errors"]["query"]


def test_a_list_does_not_change_by_what_is_hidden(shared: Taskforce) -> None:
    """Pages, cursors and sizes are the same whatever lies between."""
    b, a = shared.members["b"], shared.members["a"]
    seen = [release(a), release(a), release(a)]

    def pages() -> list[tuple[int, list[str], str | None]]:
        found, cursor = [], f"cursor={seen[0]}&"
        for _ in range(2):
            answer = b.send("GET", f"/v1/alerts?{cursor}limit=1")
            page = answer.get_json()
            found.append((len(answer.data), [one["alert_id"] for one in page["alerts"]], page["next"]))
            cursor = f"cursor={page['next']}&"
        return found

    before = pages()
    assert [ids for _, ids, _ in before] == [[seen[1]], [seen[2]]]
    hidden = plant_alert(shared, "a", AlertState.PUBLISHED, audience=CELL)
    between = f"{seen[1][:-1]}{'0' if seen[1][-1] != '0' else '1'}"
    with shared.database.transaction() as session:
        session.connection().exec_driver_sql(f"UPDATE alerts SET alert_id = '{between}' WHERE alert_id = '{hidden}'")
    assert pages() == before


def test_whoever_is_outside_an_audience_learns_nothing(new_taskforce: NewTaskforce) -> None:
    """Generated members, groups, kinds and alerts: each member lists and reads exactly what the rule lets it."""
    chance = random.Random(2026)
    taskforce = new_taskforce("issuer")
    kinds = {f"m{number}": kind for number, kind in enumerate(MemberKind)}
    for member_id, kind in kinds.items():
        taskforce.add_member(member_id, kind=kind)
    groups = {f"g{number}": {name for name in kinds if chance.random() < 0.5} for number in range(3)}
    for group_id, inside in groups.items():
        taskforce.state_group({"issuer", *inside}, group_id)
    may_read: dict[str, set[str]] = {name: set() for name in kinds}
    ids = set()
    for state in (*AlertState, AlertState.PUBLISHED, AlertState.PUBLISHED):
        named = sorted(chance.sample(sorted(groups), chance.randint(1, 2)))
        wanted = sorted(chance.sample([*MemberKind], chance.choice((0, 1, 3))))
        audience = {"groups": named, "kinds": wanted}
        alert_id = plant_alert(taskforce, "issuer", state, tlp="AMBER+STRICT", audience=audience)
        ids.add(alert_id)
        for name, kind in kinds.items():
            is_inside = any(name in groups[group_id] for group_id in named)
            if state in READABLE and is_inside and (not wanted or kind in wanted):
                may_read[name].add(alert_id)
    assert {len(found) for found in may_read.values()} - {0, len(ids)}, "not all or nothing"
    for name in kinds:
        member = taskforce.members[name]
        assert {one["alert_id"] for one in listed(member, "limit=4")} == may_read[name]
        for alert_id in ids:
            status = member.send("GET", f"/v1/alerts/{alert_id}").status_code
            assert status == (200 if alert_id in may_read[name] else 404), (name, alert_id)
    assert {one["alert_id"] for one in listed(taskforce.members["issuer"])} == ids


def test_a_member_that_left_the_group_or_is_suspended_reads_nothing_more(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b", "c")
    b, c = taskforce.members["b"], taskforce.members["c"]
    alert_id = release(taskforce.members["a"])
    assert read(b, alert_id)["state"] == "published"
    taskforce.state_group(("a", "c"))
    taskforce.state_member(c, MemberState.SUSPENDED)
    assert b.send("GET", f"/v1/alerts/{alert_id}").status_code == 404
    assert listed(b) == []
    for target in ("/v1/alerts", f"/v1/alerts/{alert_id}", f"/v1/alerts/{alert_id}/pdf"):
        assert c.send("GET", target).status_code == 403


def test_a_suspended_member_is_not_told_of_a_publication(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b", "c")
    taskforce.state_member(taskforce.members["b"], MemberState.SUSPENDED)
    alert_id = release(taskforce.members["a"])
    assert logged(taskforce, "b", "alert_published", alert_id) == []
    assert len(logged(taskforce, "c", "alert_published", alert_id)) == 1


def test_every_reading_is_in_the_readers_log_with_its_form(shared: Taskforce) -> None:
    b, alert_id = shared.members["b"], release(shared.members["a"])
    events = [read(b, alert_id)["event_id"], read(b, alert_id)["event_id"]]
    page, pdf = (b.send("GET", f"/v1/alerts/{alert_id}/{form}") for form in ("page", "pdf"))
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert (pdf.status_code, pdf.mimetype, pdf.data[:5]) == (200, "application/pdf", b"%PDF-")
    assert "script" not in page.headers["Content-Security-Policy"]
    views = logged(shared, "b", "alert_read", alert_id)
    assert [view["form"] for view in views] == ["json", "json", "html", "pdf"]
    assert [view["event_id"] for view in views[:2]] == events
    assert logged(shared, "a", "alert_read", alert_id) == []
    answer = b.send("GET", "/v1/alerts").get_json()
    entry = logged(shared, "b", "alerts_listed")[-1]
    assert entry["event_id"] == answer["event_id"]
    assert entry["alerts"] == [{"alert_id": one["alert_id"], "version": one["version"]} for one in answer["alerts"]]


def test_a_reader_sees_of_the_groups_its_own_and_the_same_digest(shared: Taskforce) -> None:
    a, b, d = (shared.members[name] for name in "abd")
    alert_id = release(a, audience={"groups": ["taskforce", "cell"], "kinds": []})
    found = [read(member, alert_id) for member in (a, b, d)]
    groups = [one["content"]["audience"]["groups"] for one in found]
    assert groups == [["cell", "taskforce"], ["taskforce"], ["cell"]]
    assert len({one["content_sha256"] for one in found}) == 1
    page = b.send("GET", f"/v1/alerts/{alert_id}/page").text
    assert not re.search(r"\bcell\b", page)


def test_the_list_can_be_of_one_state(shared: Taskforce) -> None:
    a, b = shared.members["a"], shared.members["b"]
    kept, gone = release(a), release(a)
    step(a, gone, "withdraw", {"reason": "wrong"})
    assert gone in {one["alert_id"] for one in listed(b, "state=withdrawn")}
    assert kept not in {one["alert_id"] for one in listed(b, "state=withdrawn")}
    assert listed(b, "state=draft") == []
    assert b.send("GET", "/v1/alerts?state=secret").status_code == 422


def test_an_alert_of_tlp_red_is_read_through_the_signed_api(shared: Taskforce) -> None:
    alert_id = release(shared.members["a"], tlp="RED")
    assert read(shared.members["b"], alert_id)["content"]["tlp"] == "RED"


def test_what_members_say_reaches_the_issuer_and_nobody_else(shared: Taskforce) -> None:
    a, b, c = (shared.members[name] for name in "abc")
    alert_id = release(a)
    said = {"implemented": False, "feedback": ""}
    assert step(b, alert_id, "acknowledgement", said, "analyst") == "published"
    assert step(b, alert_id, "acknowledgement", {"implemented": True, "feedback": "Found **four**."}, "analyst")
    assert step(c, alert_id, "acknowledgement", said, "authoriser") == "published"
    found = a.send("GET", f"/v1/alerts/{alert_id}/responses").get_json()
    told = [(one["member_id"], one["version"], one["implemented_at"] is not None) for one in found["responses"]]
    assert told == [("b", 1, True), ("c", 1, False)]
    assert found["responses"][0]["feedback"] == "Found **four**."
    assert read(b, alert_id)["response"]["feedback"] == "Found **four**."
    assert read(a, alert_id)["response"] is None
    assert c.send("GET", f"/v1/alerts/{alert_id}/responses").status_code == 404
    for member_id, count in (("a", 3), ("b", 2), ("c", 1)):
        views = logged(shared, member_id, "alert_acknowledged", alert_id)
        assert len(views) == count
        assert "four" not in json.dumps(views), "the log outlives what was said"
    assert [view["acknowledged_by"] for view in logged(shared, "a", "alert_acknowledged", alert_id)] == ["b", "b", "c"]
    assert {one["alert_id"]: one["acknowledged"] for one in listed(b)}[alert_id] is True


def test_an_issuer_does_not_acknowledge_its_own_alert(shared: Taskforce) -> None:
    alert_id = release(shared.members["a"])
    value = {"implemented": True, "feedback": "splendid"}
    answer = shared.members["a"].send("POST", f"/v1/alerts/{alert_id}/acknowledgement", value)
    assert (answer.status_code, answer.get_json()["reasons"][0]["code"]) == (403, "own-alert")
    for wrong in ({"implemented": "yes", "feedback": ""}, {"implemented": 1, "feedback": ""}, {"feedback": ""}):
        assert shared.members["b"].send("POST", f"/v1/alerts/{alert_id}/acknowledgement", wrong).status_code == 422


def test_a_withdrawal_is_acknowledged_as_the_version_that_it_is(shared: Taskforce) -> None:
    a, b = shared.members["a"], shared.members["b"]
    alert_id = release(a)
    said = {"implemented": True, "feedback": ""}
    step(b, alert_id, "acknowledgement", said, "analyst")
    step(a, alert_id, "withdraw", {"reason": "wrong"})
    step(b, alert_id, "acknowledgement", {**said, "implemented": False}, "analyst")
    (one,) = a.send("GET", f"/v1/alerts/{alert_id}/responses").get_json()["responses"]
    assert (one["version"], one["implemented_at"]) == (2, None)


def test_of_a_withdrawn_alert_nobody_is_shown_what_it_said(shared: Taskforce) -> None:
    a, b = shared.members["a"], shared.members["b"]
    words = {"title": "Kestrel title", "overview": "Kestrel overview", "purpose": "Kestrel purpose"}
    alert_id = release(a, **words)
    before = read(b, alert_id)
    assert before["content"]["title"] == "Kestrel title"
    step(a, alert_id, "withdraw", {"reason": "The employer is genuine."})
    for member in (a, b):
        told = json.dumps([read(member, alert_id), listed(member)])
        assert "Kestrel" not in told
        assert "The employer is genuine." in told
        assert read(member, alert_id)["content"]["accounts"] == []
        assert member.send("GET", f"/v1/alerts/{alert_id}/page").status_code == 200
    after = read(b, alert_id)
    assert after["content"]["tlp"] == before["content"]["tlp"]
    assert after["content_sha256"] != before["content_sha256"]
    logged_as = [view["content_sha256"] for view in logged(shared, "b", "alert_withdrawn", alert_id)]
    assert logged_as == [after["content_sha256"]]


def test_markdown_in_a_stored_alert_is_shown_as_plain_text(shared: Taskforce) -> None:
    """Drafting refuses it; a page must not trust that."""
    alert_id = plant_alert(
        shared,
        "a",
        AlertState.PUBLISHED,
        title="<script>alert(1)</script>",
        body="<script>alert(2)</script>\n\n[x](javascript:alert(3)) ![y](https://example.org/y.png)",
        red_flags=["<img src=x onerror=alert(4)>"],
    )
    page = shared.members["b"].send("GET", f"/v1/alerts/{alert_id}/page").text
    assert "<script" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page
    assert "alert(2)" in page
    assert shared.members["b"].send("GET", f"/v1/alerts/{alert_id}/pdf").status_code == 200


def test_a_planted_alert_is_as_an_author_writes_it(shared: Taskforce) -> None:
    assert read(shared.members["b"], plant_alert(shared, "a", AlertState.PUBLISHED))["content"] == make_content()


def test_a_document_is_set_once_and_one_at_a_time_for_a_member(
    shared: Taskforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long alert takes seconds of a core: asked for again and again it would keep every thread."""
    b, alert_id = shared.members["b"], release(shared.members["a"])
    target, made = f"/v1/alerts/{alert_id}/pdf", list[TestResponse]()

    def render(alert: Alert, reader: str) -> bytes:
        made.append(b.send("GET", target))
        return render_pdf(alert, reader)

    monkeypatch.setattr("alerts.rendering.pdf.render_pdf", render)
    first = b.send("GET", target)
    assert (first.status_code, len(made)) == (200, 1)
    assert (made[0].status_code, made[0].headers["Retry-After"]) == (503, "5")
    assert made[0].get_json()["type"].endswith("busy")
    assert b.send("GET", target).data == first.data
    assert len(made) == 1, "kept"
    assert len(logged(shared, "b", "alert_read", alert_id)) == 2, "what was refused read nothing"


def test_only_so_many_members_have_documents_set_at_once() -> None:
    work = CostlyWork(at_once=2, most_bytes=10)
    with work.turn("a"), work.turn("b"):
        for member in "abc":
            with pytest.raises(BusyError), work.turn(member):
                pass
    with work.turn("c"):
        assert [work.made(name, lambda: bytes(6)) for name in (b"1", b"2")] == [bytes(6)] * 2
        assert work.made(b"2", lambda: b"anew") == bytes(6)
        assert work.made(b"1", lambda: b"anew") == b"anew", "the least used went first"
        assert work.made(b"3", lambda: bytes(11)) == bytes(11), "too long to be kept"
