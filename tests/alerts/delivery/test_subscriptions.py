"""Subscriptions through the API: whose they are, what is refused, and that no secret is kept."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from sqlalchemy import update

from alerts.acts.subscribing import MAX_CODES, MAX_LIVE, MAX_PER_DAY
from alerts.store.subscriptions import Subscription
from schemas.values.identifiers import uuid7
from tests.alerts.delivery import receivers
from tests.alerts.delivery.receivers import answering, in_turn, receiver
from tests.alerts.delivery.scenario import DeliveryScenario
from tests.alerts.factories import plant_subscription, release
from tests.canaries import Canaries

HOOK = "https://hooks.bank.example/in"


def refusal(scenario: DeliveryScenario, member_id: str, form: dict[str, Any]) -> str:
    """The rule by which a subscription is refused."""
    answer = scenario.member(member_id).send("POST", "/v1/subscriptions", form)
    assert answer.status_code == 403, answer.text
    return str(answer.get_json()["reasons"][0]["code"])


def test_a_secret_is_shown_once_and_never_stored_or_logged(
    small_scenario: DeliveryScenario, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiver(in_turn(receivers.ok, answering(500), receivers.hang, receivers.ok)) as to:
        made = small_scenario.subscribe("b", to)
        changed = small_scenario.act("b", made, "secret")
        release(small_scenario.member("a"))
        for _ in range(3):
            small_scenario.post()
            small_scenario.advance(hours=1)
        assert len(to.received) == 3
        code = small_scenario.dispatcher.secrets.code(made["subscription_id"])
    assert "secret" not in small_scenario.show("b")[0]
    canaries = Canaries(
        {
            **{"first": made["secret"].encode(), "second": changed["secret"].encode(), "code": code.encode()},
            "key": small_scenario.taskforce.webhook_key,
        }
    )
    path = str(small_scenario.taskforce.database.engine.url.database)
    small_scenario.taskforce.close()
    with sqlite3.connect(path) as connection:
        stored = "\n".join(connection.iterdump()).encode()
    assert made["subscription_id"].encode() in stored
    assert canaries.found_in(stored) == set()
    said = capsys.readouterr()
    logged = (said.out + said.err).encode()
    assert canaries.found_in(logged) == set()
    assert to.url.encode() not in logged


def test_a_repeated_request_makes_one_subscription(scenario: DeliveryScenario) -> None:
    form = {"channel": "webhook", "target": HOOK}
    answers = [
        scenario.member("b").send("POST", "/v1/subscriptions", form, idempotency_key="a-key-of-b").get_json()
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert answers[0]["secret"].startswith("whsec_")
    assert len(scenario.show("b")) == 1
    path = f"/v1/subscriptions/{answers[0]['subscription_id']}/secret"
    changed = [
        scenario.member("b").send("POST", path, {}, idempotency_key="other-key-of-b").get_json() for _ in range(2)
    ]
    assert changed[0] == changed[1]
    assert changed[0]["secret"] != answers[0]["secret"]


def test_another_members_subscription_looks_like_an_unknown_one(small_scenario: DeliveryScenario) -> None:
    made = small_scenario.begin("b", HOOK)
    bodies: dict[str, Any] = {
        **{"end": {}, "test": {}, "secret": {}, "confirm": {"code": "A" * 16}},
        "replay": {"since": "2026-01-01"},
    }
    paths = [made["subscription_id"], uuid7(), "no-id", "%C3%A9"]
    for name, body in bodies.items():
        answers = [small_scenario.member("c").send("POST", f"/v1/subscriptions/{path}/{name}", body) for path in paths]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.text for answer in answers}) == 1
    answers = [small_scenario.member("c").send("GET", f"/v1/subscriptions/{path}/deliveries") for path in paths]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    assert small_scenario.show("c") == []
    assert small_scenario.show("b")[0]["state"] == "unconfirmed"


def test_nobody_confirms_with_another_code_than_the_one_that_was_sent(small_scenario: DeliveryScenario) -> None:
    one, other = small_scenario.begin("b", HOOK), small_scenario.begin("b", HOOK)
    secrets = small_scenario.dispatcher.secrets
    path = f"/v1/subscriptions/{one['subscription_id']}/confirm"
    for code in (secrets.code(other["subscription_id"]), "A" * 16, "ſ", one["secret"]):
        answer = small_scenario.member("b").send("POST", path, {"code": code})
        assert answer.get_json()["reasons"][0]["code"] == "code"
    code = secrets.code(one["subscription_id"])
    assert small_scenario.act("b", one, "confirm", {"code": code.lower()})["state"] == "active"
    assert small_scenario.act("b", one, "confirm", {"code": code})["state"] == "active"


def test_what_is_refused_is_refused_by_the_rules_name(small_scenario: DeliveryScenario) -> None:
    scenario = small_scenario
    scenario.taskforce.state_group(["a", "c"], "cell")
    hook = {"channel": "webhook", "target": HOOK}
    assert refusal(scenario, "b", {**hook, "target": "http://169.254.169.254/"}) == "webhook-target"
    assert refusal(scenario, "b", {**hook, "target": "analyst@bank.example"}) == "webhook-target"
    assert refusal(scenario, "b", {"channel": "mail", "target": "analyst@bank.example"}) == "no-mail"
    # A group of others and one that does not exist are refused alike.
    answers = [
        scenario.member("b").send("POST", "/v1/subscriptions", {**hook, "groups": [name]}) for name in ("cell", "x")
    ]
    assert len({answer.text for answer in answers}) == 1
    assert refusal(scenario, "b", {**hook, "groups": ["cell"]}) == "groups"
    for wrong in ({"themes": ["x"]}, {"colours": ["blue"]}, {"kinds": ["bank"]}, {"channel": "fax"}, {"secret": "x"}):
        assert scenario.member("b").send("POST", "/v1/subscriptions", {**hook, **wrong}).status_code == 422
    path = f"/v1/subscriptions/{scenario.begin('b', HOOK)['subscription_id']}/replay"
    unclear: list[dict[str, Any]] = [{}, {"delivery_ids": []}, {"delivery_ids": [uuid7()], "since": "2026-01-01"}]
    for wrong_replay in [*unclear, {"since": "yesterday"}]:
        assert scenario.member("b").send("POST", path, wrong_replay).status_code == 422


def test_a_member_has_so_many_and_ending_one_makes_room(small_scenario: DeliveryScenario) -> None:
    for _ in range(MAX_LIVE - 1):
        plant_subscription(small_scenario.taskforce, "b", HOOK)
    made = small_scenario.begin("b", HOOK)
    assert refusal(small_scenario, "b", {"channel": "webhook", "target": HOOK}) == "too-many-subscriptions"
    assert small_scenario.act("b", made, "end")["state"] == "ended"
    assert small_scenario.act("b", made, "end")["state"] == "ended"
    small_scenario.begin("b", HOOK)
    small_scenario.begin("c", HOOK)


def test_a_stranger_is_not_sent_codes_without_end(small_scenario: DeliveryScenario) -> None:
    scenario = small_scenario

    def ask(made: dict[str, Any]) -> str:
        answer = scenario.member("b").send("POST", f"/v1/subscriptions/{made['subscription_id']}/test", {})
        return "" if answer.status_code == 200 else str(answer.get_json()["reasons"][0]["code"])

    with receiver(receivers.ok) as to:
        made = scenario.begin("b", to.url)
        assert ask(made) == "too-soon"
        for _ in range(MAX_CODES - 1):
            scenario.advance(minutes=11)
            assert ask(made) == ""
        scenario.advance(minutes=11)
        assert ask(made) == "too-many-codes"
        while scenario.post():
            pass
        assert len(to.received) == MAX_CODES
        confirm = scenario.member("b").send("GET", f"/v1/subscriptions/{made['subscription_id']}/deliveries").get_json()
        wanted = {"delivery_ids": [row["delivery_id"] for row in confirm["deliveries"]]}
        assert scenario.act("b", made, "replay", wanted) == {"replayed": 0}
        for _ in range(MAX_PER_DAY):
            plant_subscription(scenario.taskforce, "b", HOOK)
        with scenario.taskforce.database.transaction() as session:
            session.execute(update(Subscription).values(ended_at=scenario.taskforce.clock()))
        assert refusal(scenario, "b", {"channel": "webhook", "target": HOOK}) == "too-many-today"
        scenario.advance(days=1)
        scenario.begin("b", HOOK)


def test_subscriptions_and_deliveries_come_page_by_page(small_scenario: DeliveryScenario) -> None:
    made = {small_scenario.begin("b", HOOK)["subscription_id"] for _ in range(3)}
    seen, cursor = [], ""
    for _ in range(4):
        page = small_scenario.member("b").send("GET", f"/v1/subscriptions?limit=1{cursor}").get_json()
        seen += [one["subscription_id"] for one in page["subscriptions"]]
        cursor = f"&cursor={page['next']}"
        if page["next"] is None:
            break
    assert len(seen) == 3
    assert set(seen) == made
    path = f"/v1/subscriptions/{seen[0]}/deliveries?limit=1"
    first = small_scenario.member("b").send("GET", path).get_json()
    assert [row["kind"] for row in first["deliveries"]] == ["confirm"]
    rest = small_scenario.member("b").send("GET", f"{path}&cursor={first['next']}").get_json()
    assert rest == {"deliveries": [], "next": None}


def test_beginning_changing_and_ending_stand_in_the_members_log(small_scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        made = small_scenario.subscribe("b", to)
    small_scenario.act("b", made, "secret")
    small_scenario.act("b", made, "end")
    kinds = [
        *("subscription_begun", "subscription_confirmed", "subscription_secret_changed", "subscription_ended"),
    ]
    assert [kind for kind in small_scenario.logged("b") if kind.startswith("subscription")] == kinds
    assert not [kind for kind in small_scenario.logged("c") if kind.startswith("subscription")]


def test_what_is_old_is_forgotten_and_what_still_counts_is_not(scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        kept, ended = scenario.subscribe("b", to), scenario.subscribe("b", to)
        scenario.begin("b", HOOK)
        release(scenario.member("a"))
        scenario.post()
        scenario.act("b", ended, "end")
        assert scenario.forget() == 0
        scenario.advance(days=8)
        assert scenario.forget() == 2  # what nobody confirmed, and its code on the way
        scenario.advance(days=90)
        scenario.forget()
        assert [one["subscription_id"] for one in scenario.show("b")] == [kept["subscription_id"]]
        assert scenario.rows() == []
        release(scenario.member("a"), review_by="2027-10-01")
        scenario.post()
        assert len(scenario.rows()) == 1
