"""Drafting and reviewing: what a draft may not hold, and who may not review it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import func, select, text

from alerts.acts.authoring import draw_reference
from alerts.store.alerts import StoredAlert
from tests.alerts.factories import draft, logged, make_content, read, release, step
from tests.taskforce.founding import Taskforce
from tests.taskforce.members import reasons_of

ACCOUNT = {"iban": "GB33BUKB20201555555555", "sort_code": "202015", "account_number": "55555555", "bic": "BUKBGB22"}
REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("no-audience", "audience.groups", {"audience": {"groups": [], "kinds": []}}),
    ("group", "audience.groups", {"audience": {"groups": ["nowhere"], "kinds": []}}),
    ("group", "audience.groups", {"audience": {"groups": ["taskforce", "others"], "kinds": []}}),
    ("tlp-wider-than-source", "tlp", {"tlp": "GREEN"}),
    ("tlp-wider-than-source", "tlp", {"sources": [{"reference": "r", "tlp": "AMBER+STRICT"}]}),
    ("html-in-markdown", "overview", {"overview": "<b>pay</b>"}),
    ("html-in-markdown", "body", {"body": "x\n\n<script>alert(1)</script>"}),
    ("html-in-markdown", "requested_action", {"requested_action": "a <img src=x onerror=alert(1)> b"}),
    ("html-in-markdown", "case_studies.0.text", {"case_studies": [{"title": "t", "text": "<!-- hidden -->"}]}),
    ("image-in-markdown", "body", {"body": "![x](https://example.org/x.png)"}),
    ("link-in-markdown", "body", {"body": "[x](javascript:alert(1))"}),
    ("link-in-markdown", "body", {"body": "[x](JaVa&#x73;cript:alert(1))"}),
    ("link-in-markdown", "body", {"body": "<http://example.org/>"}),
    ("no-gateway", "legal_gateway", {"legal_gateway": ""}),
    ("gateway-evidence", "legal_gateway", {"legal_gateway": "ECCTA2023_s189"}),
    ("gateway-theme", "theme", {"legal_gateway": "TACT2000_s21CA"}),
    ("no-purpose", "purpose", {"purpose": " "}),
    ("classification", "classification", {"classification": "SECRET"}),
    ("expired", "expires_on", {"review_by": "2026-11-21", "expires_on": "2026-11-21"}),
    ("expiry-too-late", "expires_on", {"expires_on": "2032-11-23"}),
    ("review-too-late", "review_by", {"review_by": "2027-11-02"}),
    ("account", "accounts", {"accounts": [{**ACCOUNT, "iban": "GB33BUKB20201555555556"}]}),
    ("account", "accounts", {"accounts": [{**ACCOUNT, "account_number": "55555556"}]}),
    ("account", "accounts", {"accounts": [{**ACCOUNT, "sort_code": "", "account_number": ""}]}),
    ("supersedes", "supersedes", {"supersedes": "0000-NECC"}),
    ("too-long", "content", {"body": "a" * 150_000, "overview": "b" * 60_000}),
]
MALFORMED: list[tuple[str, dict[str, Any]]] = [
    ("colour", {"colour": "purple"}),
    ("colour", {"colour": "Amber"}),
    ("tlp", {"tlp": "WHITE"}),
    ("theme", {"theme": ""}),
    ("audience", {"audience": {"groups": ["taskforce"]}}),
    ("audience", {"audience": {"groups": ["Task Force"], "kinds": []}}),
    ("audience", {"audience": {"groups": ["taskforce"], "kinds": ["bank"]}}),
    ("title", {"title": "two\nlines"}),
    ("title", {"title": ""}),
    ("overview", {"overview": "a\u0007b"}),
    ("body", {"body": "right \u202e to left"}),
    ("body", {"body": "a" * (200 * 1024 + 1)}),
    ("red_flags", {"red_flags": ["x"] * 101}),
    ("red_flags", {"red_flags": "x"}),
    ("accounts", {"accounts": [{**ACCOUNT, "iban": "gb33 BUKB"}]}),
    ("expires_on", {"expires_on": "2027-02-30"}),
    ("supersedes", {"supersedes": "12-NECC"}),
    ("unknown", {"state": "published"}),
]


def test_a_draft_is_known_to_its_member_alone(shared: Taskforce) -> None:
    a, b = shared.members["a"], shared.members["b"]
    alert_id = draft(a, accounts=[ACCOUNT])
    found = read(a, alert_id)
    assert (found["state"], found["version"], found["published_at"]) == ("draft", 0, None)
    assert found["content"] == make_content(accounts=[ACCOUNT])
    assert found["steps"] == {"author": "a/analyst", "reviewer": None, "releaser": None, "publish_at": None}
    assert b.send("GET", f"/v1/alerts/{alert_id}").status_code == 404
    (entry,) = logged(shared, "a", "alert_drafted", alert_id)
    assert entry["content_sha256"] == found["content_sha256"]
    assert entry["representative_id"] == "a/analyst"
    assert logged(shared, "b", "alert_drafted") == []


@pytest.mark.parametrize(("rule", "field", "changes"), REFUSED)
def test_a_draft_that_a_rule_refuses_is_refused_by_its_name_and_recorded(
    shared: Taskforce, rule: str, field: str, changes: dict[str, Any]
) -> None:
    before, refusals = _count(shared), len(logged(shared, "a", "refusal"))
    answer = shared.members["a"].send("POST", "/v1/alerts", make_content(**changes))
    assert rule in reasons_of(answer)
    entries = logged(shared, "a", "refusal")
    assert len(entries) == refusals + 1
    assert {"code": rule, "field": field} in entries[-1]["reasons"]
    assert entries[-1]["asked"] == "alert_draft"
    assert _count(shared) == before


@pytest.mark.parametrize(("field", "changes"), MALFORMED)
def test_a_draft_of_another_form_is_refused_with_the_field_that_is_wrong(
    shared: Taskforce, field: str, changes: dict[str, Any]
) -> None:
    before = _count(shared)
    answer = shared.members["a"].send("POST", "/v1/alerts", make_content(**changes))
    assert answer.status_code == 422, answer.text
    assert set(answer.get_json()["errors"]["json"]) == {field}
    assert "purple" not in answer.text, "what was sent is not quoted"
    assert _count(shared) == before


def test_ten_megabytes_are_refused_for_their_length(shared: Taskforce) -> None:
    answer = shared.members["a"].send("POST", "/v1/alerts", make_content(body="a" * 10_000_000))
    assert (answer.status_code, answer.get_json()["type"]) == (413, "urn:exchange:problem:request-entity-too-large")


def test_a_repeated_draft_gets_the_same_receipt_and_makes_no_second_alert(shared: Taskforce) -> None:
    a = shared.members["a"]
    first = a.send("POST", "/v1/alerts", make_content(), idempotency_key="draft-once")
    count = _count(shared)
    again = a.send("POST", "/v1/alerts", make_content(), idempotency_key="draft-once")
    assert (again.status_code, again.data) == (first.status_code, first.data)
    other = a.send("POST", "/v1/alerts", make_content(title="Another"), idempotency_key="draft-once")
    assert other.status_code == 422
    assert _count(shared) == count


def test_another_member_under_the_same_key_makes_its_own_alert(shared: Taskforce) -> None:
    answers = [
        shared.members[name].send("POST", "/v1/alerts", make_content(), idempotency_key="same-key-for-two")
        for name in ("a", "b")
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].get_json()["alert_id"] != answers[1].get_json()["alert_id"]


def test_a_peer_reviews_and_the_author_does_not(shared: Taskforce) -> None:
    a = shared.members["a"]
    alert_id = draft(a)
    assert reasons_of(a.send("POST", f"/v1/alerts/{alert_id}/review", {})) == {"review-by-author"}
    assert read(a, alert_id)["state"] == "draft"
    assert step(a, alert_id, "review", {}) == "reviewed"
    assert reasons_of(a.send("POST", f"/v1/alerts/{alert_id}/review", {}, as_name="authoriser")) == {"not-a-draft"}
    assert [view["representative_id"] for view in logged(shared, "a", "alert_reviewed", alert_id)] == ["a/authoriser"]
    refused = logged(shared, "a", "refusal", alert_id)[0]
    assert refused["reasons"] == [{"code": "review-by-author", "field": "representative"}]


def test_an_alert_takes_the_place_of_ones_own_to_the_same_audience_only(shared: Taskforce) -> None:
    a, b = shared.members["a"], shared.members["b"]
    reference = read(b, release(b))["reference"]
    others = a.send("POST", "/v1/alerts", make_content(supersedes=reference))
    unknown = a.send("POST", "/v1/alerts", make_content(supersedes="999999-NECC"))
    assert reasons_of(others) == {"supersedes"}
    assert others.data == unknown.data, "another's reference looks like one that is free"
    own = read(a, release(a))["reference"]
    wider = make_content(supersedes=own, audience={"groups": ["cell", "taskforce"], "kinds": []})
    assert reasons_of(a.send("POST", "/v1/alerts", wider)) == {"supersedes-audience"}


def test_references_are_drawn_at_random_and_grow_when_short_ones_are_taken(shared: Taskforce) -> None:
    """A number that counted up would tell each reader how many alerts it does not see."""
    drawn = [read(shared.members["a"], draft(shared.members["a"]))["reference"] for _ in range(4)]
    assert len({int(one[:4]) - int(two[:4]) for one, two in pairwise(drawn)}) > 1
    with shared.database.transaction() as session:
        row = dict(session.execute(text("SELECT * FROM alerts LIMIT 1")).mappings().one())
        taken = set(session.scalars(select(StoredAlert.reference)))
        rows = [
            row | {"alert_id": f"taken-{number}", "stix_id": f"taken-{number}", "reference": f"{number:04}-A"}
            for number in range(10_000)
            if f"{number:04}-A" not in taken
        ]
        session.execute(text(f"INSERT INTO alerts ({', '.join(row)}) VALUES (:{', :'.join(row)})"), rows)
        reference = draw_reference(session, "a")
        others = draw_reference(session, "b")
        session.rollback()
    assert len(reference) == len("00000-A")
    assert reference.removesuffix("-A").isdigit()
    assert len(others) == len("0000-B"), "another member's numbers are its own"


def test_a_reference_and_an_issuer_say_whose_alert_it_is(shared: Taskforce) -> None:
    for member_id in ("a", "b"):
        member = shared.members[member_id]
        shown = read(member, release(member))
        assert shown["reference"].endswith(f"-{member_id.upper()}")
        assert (shown["member_id"], shown["issuer"]) == (member_id, f"Member {member_id}")
    assert "NECC" not in shown["reference"]


def _count(taskforce: Taskforce) -> int:
    with taskforce.database.reading() as session:
        return session.scalar(select(func.count()).select_from(StoredAlert)) or 0
