"""Alerts with real programs: one bank warns the others, people and feed readers read it, a withdrawal reaches them."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.conftest import ALERTS, Taskforce
from tests.sandbox_process import Done

pytestmark = pytest.mark.timeout(600)

TAXII = "application/taxii+json;version=2.1"


def objects_of(taskforce: Taskforce, member: str, **query: str) -> list[dict[str, object]]:
    """Every object of the group's collection, as a feed reader of the member walks it."""
    description = taskforce.sandbox.description
    headers = {
        "Authorization": f"Bearer {description['members'][member]['feed_token']}",
        "Accept": TAXII,
    }
    with httpx.Client(headers=headers, trust_env=False, timeout=60) as client:
        root = client.get(description["taxii"]["discovery_url"]).json()["default"]
        url = f"{root}collections/{description['taxii']['collections']['taskforce']}/objects/"
        found: list[dict[str, object]] = []
        while True:
            answer = client.get(url, params=query)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += page.get("objects", [])
            if not page.get("more"):
                return found
            query = {**query, "next": page["next"]}


def done_by(taskforce: Taskforce, member: str, *arguments: str) -> Done:
    done = taskforce.sandbox.member(member, *arguments)
    assert done.status == 0, (done.document, done.said)
    return done


def test_generated_alerts_are_there_for_people_and_for_feed_readers(taskforce: Taskforce) -> None:
    listed = done_by(taskforce, "b", "alert", "list", "--state", "published").document["alerts"]
    generated = [alert for alert in listed if alert["member_id"] == "necc"]
    assert len(generated) == ALERTS
    assert {alert["colour"] for alert in generated} == {"red", "amber", "green"}
    reports = objects_of(taskforce, "b", **{"match[type]": "report"})
    names = {str(report["name"]) for report in reports}
    assert all(any(alert["title"] in name for name in names) for alert in generated)


def test_one_bank_warns_the_others_and_takes_it_back(taskforce: Taskforce, tmp_path: Path) -> None:
    path, pdf, page = (tmp_path / name for name in ("alert.json", "alert.pdf", "alert.html"))
    done_by(taskforce, "a", "alert", "template", str(path))
    reference = done_by(taskforce, "a", "alert", "draft", str(path)).document["reference"]
    assert taskforce.sandbox.member("a", "alert", "release", reference).status == 1
    for step in ("review", "release"):
        done_by(taskforce, "a", "--as", "authoriser", "alert", step, reference)
    read = done_by(taskforce, "b", "alert", "read", reference, "--pdf", str(pdf), "--html", str(page)).document
    assert read["reference"] == reference
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert reference in page.read_text()
    assert stat.S_IMODE(pdf.stat().st_mode) == 0o600
    done_by(taskforce, "b", "alert", "ack", reference, "--implemented")
    (answer,) = done_by(taskforce, "a", "alert", "responses", reference).document["responses"]
    assert answer["member_id"] == "b"
    done_by(taskforce, "a", "alert", "withdraw", reference, "--reason", "one of the accounts is a victim's")
    (report,) = [one for one in objects_of(taskforce, "c") if reference in str(one.get("external_references"))]
    assert report["revoked"] is True
    for bank in ("a", "b", "c"):
        assert done_by(taskforce, bank, "log", "verify").document["verified"] is True


def test_a_feed_token_that_is_revoked_reads_nothing_more(taskforce: Taskforce) -> None:
    made = done_by(taskforce, "c", "feed", "token", "--name", "platform").document
    url = taskforce.sandbox.description["taxii"]["discovery_url"]
    headers = {"Authorization": f"Bearer {made['token']}", "Accept": TAXII}
    assert httpx.get(url, headers=headers, trust_env=False).status_code == 200
    listed = done_by(taskforce, "c", "feed", "list").document["feed_tokens"]
    assert [one["name"] for one in listed if one["token_id"] == made["token_id"]] == ["platform"]
    assert made["token"] not in str(listed)
    done_by(taskforce, "c", "feed", "revoke", made["token_id"])
    assert httpx.get(url, headers=headers, trust_env=False).status_code == 401
