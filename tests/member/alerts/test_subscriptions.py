"""Subscriptions from the command line, against the real exchange in this process."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from alerts.delivery.webhook import WebhookSecrets
from alerts.store.subscriptions import ALERT, Delivery
from schemas.values.identifiers import uuid7
from tests.taskforce.homes import MemberHomes

HOOK = "https://hooks.bank.example/alerts"


def give_up(taskforce: MemberHomes, subscription_id: str) -> str:
    """The id of its first delivery, which is now one of an alert, and dead."""
    with taskforce.database.transaction() as session:
        row = session.scalars(select(Delivery).where(Delivery.subscription_id == subscription_id)).one()
        row.kind, row.alert_id = ALERT, row.alert_id or uuid7()
        row.state, row.attempts, row.last_error = "dead", 10, "answered 500"
        row.finished_at = datetime.now(UTC)
        return row.delivery_id


def test_a_webhook_is_added_confirmed_listed_and_ended(taskforce: MemberHomes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")  # room for the ids too
    added = taskforce.run("a", "subscription", "add", "--webhook", HOOK, "--theme", "fraud", "--theme", "money_mules")
    assert added.status == 0, added.document
    assert added.document["secret"].startswith("whsec_")
    made = added.document["subscription_id"]
    assert taskforce.run("a", "subscription", "confirm", made, "A" * 16).rules == ["code"]
    secrets = WebhookSecrets(taskforce.exchange.webhook_key)
    confirmed = taskforce.run("a", "subscription", "confirm", made, secrets.code(made))
    assert confirmed.document == {"subscription_id": made, "state": "active"}
    changed = taskforce.run("a", "subscription", "secret", made).document
    assert changed["secret"] not in {None, added.document["secret"]}
    assert taskforce.run("a", "subscription", "test", made).status == 0
    shown = taskforce.run("a", "subscription", "list", as_json=False).document["text"]
    (number,) = [line.split()[1] for line in shown.splitlines() if made in line]
    for short in (number, made[:13]):
        assert taskforce.run("a", "subscription", "dead", short).status == 0, shown
    assert taskforce.run("a", "subscription", "dead", "99999").status == 2
    (listed,) = [one for one in taskforce.run("a", "subscription", "list").document["subscriptions"]
                 if one["subscription_id"] == made]  # fmt: skip
    assert (listed["state"], listed["target"], listed["themes"]) == ("active", HOOK, ["fraud", "money_mules"])
    assert "secret" not in listed
    assert taskforce.run("a", "subscription", "end", made).document["state"] == "ended"
    assert taskforce.run("a", "subscription", "test", made).rules == ["subscription-ended"]


def test_what_was_given_up_is_listed_and_replayed(taskforce: MemberHomes) -> None:
    made = taskforce.run("a", "subscription", "add", "--webhook", HOOK).document["subscription_id"]
    assert taskforce.run("a", "subscription", "dead", made).document == {"deliveries": []}
    delivery_id = give_up(taskforce, made)
    (dead,) = taskforce.run("a", "subscription", "dead", made).document["deliveries"]
    assert (dead["delivery_id"], dead["attempts"], dead["error"]) == (delivery_id, 10, "answered 500")
    for options in (["--since", "2099-01-01"], ["--delivery", uuid7()]):
        assert taskforce.run("a", "subscription", "replay", made, *options).document["replayed"] == 0
    assert taskforce.run("a", "subscription", "replay", made, "--delivery", delivery_id).document["replayed"] == 1
    give_up(taskforce, made)
    assert taskforce.run("a", "subscription", "replay", made).document["replayed"] == 1
    assert taskforce.run("a", "subscription", "dead", made).document == {"deliveries": []}
    assert taskforce.run("b", "subscription", "replay", made).status == 1


@pytest.mark.parametrize(
    ("arguments", "status", "slug"),
    [
        (["add"], 2, "usage"),
        (["add", "--webhook", HOOK, "--mail", "a@b.example"], 2, "usage"),
        (["add", "--webhook", HOOK, "--theme", "weather"], 2, "usage"),
        (["add", "--webhook", "https://127.0.0.1/"], 1, "refused"),
        (["add", "--webhook", HOOK, "--group", "nowhere"], 1, "refused"),
        (["add", "--mail", "analyst@bank.example"], 1, "refused"),
        (["end", "../alerts"], 2, "usage"),
        (["end", uuid7()], 1, "not-found"),
        (["replay", uuid7(), "--since", "yesterday"], 2, "usage"),
        (["replay", uuid7(), "--since", "2026-01-01", "--delivery", uuid7()], 2, "usage"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    taskforce: MemberHomes, arguments: list[str], status: int, slug: str
) -> None:
    done = taskforce.run("a", "subscription", *arguments)
    assert (done.status, done.document["error"]["type"]) == (status, slug), done.document


def test_the_secret_is_shown_once_and_kept_nowhere_in_the_home(taskforce: MemberHomes) -> None:
    added = taskforce.run("a", "subscription", "add", "--webhook", HOOK, as_json=False)
    secret = next(line for line in added.document["text"].splitlines() if line.startswith("whsec_"))
    shown = taskforce.run("a", "subscription", "list", as_json=False)
    assert secret not in shown.document["text"]
    home: Path = taskforce.home("a")
    assert not [path for path in home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
