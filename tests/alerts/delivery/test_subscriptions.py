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


def refusal(world: DeliveryScenario, member_id: str, form: dict[str, Any]) -> str:
    """The rule by which a subscription is refused."""
    answer = world.member(member_id).send("POST", "/v1/subscriptions", form)
    assert answer.status_code == 403, answer.text
    return str(answer.get_json()["reasons"][0]["code"])


def test_a_secret_is_shown_once_and_never_stored_or_logged(
    small_world: DeliveryScenario, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiver(in_turn(receivers.ok, answering(500), receivers.hang, receivers.ok)) as to:
        made = small_world.subscribe("b", to)
        changed = small_world.act("b", made, "secret")
        release(small_world.member("a"))
        for _ in range(3):
            small_world.post()
            small_world.advance(hours=1)
        assert len(to.received) == 3
        code = small_world.dispatcher.secrets.code(made["subscription_id"])
    assert "secret" not in small_world.show("b")[0]
    canaries = Canaries(
        {
            **{"first": made["secret"].encode(), "second": changed["secret"].encode(), "code": code.encode()},
            "key": small_world.taskforce.webhook_key,
        }
    )
    path = str(small_world.taskforce.database.engine.url.database)
    small_world.taskforce.close()
    with sqlite3.connect(path) as connection:
        stored = "\n".join(connection.iterdump()).encode()
    assert made["subscription_id"].encode() in stored
    assert canaries.found_in(stored) == set()
    said = capsys.readouterr()
    logged = (said.out + said.err).encode()
    assert canaries.found_in(logged) == set()
    assert to.url.encode() not in logged


def test_a_repeated_request_makes_one_subscription(world: DeliveryScenario) -> None:
    form = {"channel": "webhook", "target": HOOK}
    answers = [
        world.member("b").send("POST", "/v1/subscriptions", form, idempotency_key="a-key-of-b").get_json()
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert answers[0]["secret"].startswith("whsec_")
    assert len(world.show("b")) == 1
    path = f"/v1/subscriptions/{answers[0]['subscription_id']}/secret"
    changed = [world.member("b").send("POST", path, {}, idempotency_key="other-key-of-b").get_json() for _ in range(2)]
    assert changed[0] == changed[1]
    assert changed[0]["secret"] != answers[0]["secret"]


def test_another_members_subscription_looks_like_an_unknown_one(small_world: DeliveryScenario) -> None:
    made = small_world.begin("b", HOOK)
    bodies: dict[str, Any] = {
        **{"end": {}, "test": {}, "secret": {}, "confirm": {"code": "A" * 16}},
        "replay": {"since": "2026-01-01"},
    }
    paths = [made["subscription_id"], uuid7(), "no-id", "%C3%A9"]
    for name, body in bodies.items():
        answers = [small_world.member("c").send("POST", f"/v1/subscriptions/{path}/{name}", body) for path in paths]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.text for answer in answers}) == 1
    answers = [small_world.member("c").send("GET", f"/v1/subscriptions/{path}/deliveries") for path in paths]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    assert small_world.show("c") == []
    assert small_world.show("b")[0]["state"] == "unconfirmed"


def test_nobody_confirms_with_another_code_than_the_one_that_was_sent(small_world: DeliveryScenario) -> None:
    one, other = small_world.begin("b", HOOK), small_world.begin("b", HOOK)
    secrets = small_world.dispatcher.secrets
    path = f"/v1/subscriptions/{one['subscription_id']}/confirm"
    for code in (secrets.code(other["subscription_id"]), "A" * 16, "ſ", one["secret"]):
        answer = small_world.member("b").send("POST", path, {"code": code})
        assert answer.get_json()["reasons"][0]["code"] == "code"
    code = secrets.code(one["subscription_id"])
    assert small_world.act("b", one, "confirm", {"code": code.lower()})["state"] == "active"
    assert small_world.act("b", one, "confirm", {"code": code})["state"] == "active"


def test_what_is_refused_is_refused_by_the_rules_name(small_world: DeliveryScenario) -> None:
    world = small_world
    world.taskforce.state_group(["a", "c"], "cell")
    hook = {"channel": "webhook", "target": HOOK}
    assert refusal(world, "b", {**hook, "target": "http://169.254.169.254/"}) == "webhook-target"
    assert refusal(world, "b", {**hook, "target": "analyst@bank.example"}) == "webhook-target"
    assert refusal(world, "b", {"channel": "mail", "target": "analyst@bank.example"}) == "no-mail"
    # A group of others and one that does not exist are refused alike.
    answers = [
        world.member("b").send("POST", "/v1/subscriptions", {**hook, "groups": [name]}) for name in ("cell", "x")
    ]
    assert len({answer.text for answer in answers}) == 1
    assert refusal(world, "b", {**hook, "groups": ["cell"]}) == "groups"
    for wrong in ({"themes": ["x"]}, {"colours": ["blue"]}, {"kinds": ["bank"]}, {"channel": "fax"}, {"secret": "x"}):
        assert world.member("b").send("POST", "/v1/subscriptions", {**hook, **wrong}).status_code == 422
    path = f"/v1/subscriptions/{world.begin('b', HOOK)['subscription_id']}/replay"
    unclear: list[dict[str, Any]] = [{}, {"delivery_ids": []}, {"delivery_ids": [uuid7()], "since": "2026-01-01"}]
    for wrong_replay in [*unclear, {"since": "yesterday"}]:
        assert world.member("b").send("POST", path, wrong_replay).status_code == 422


def test_a_member_has_so_many_and_ending_one_makes_room(small_world: DeliveryScenario) -> None:
    for _ in range(MAX_LIVE - 1):
        plant_subscription(small_world.taskforce, "b", HOOK)
    made = small_world.begin("b", HOOK)
    assert refusal(small_world, "b", {"channel": "webhook", "target": HOOK}) == "too-many-subscriptions"
    assert small_world.act("b", made, "end")["state"] == "ended"
    assert small_world.act("b", made, "end")["state"] == "ended"
    small_world.begin("b", HOOK)
    small_world.begin("c", HOOK)


def test_a_stranger_is_not_sent_codes_without_end(small_world: DeliveryScenario) -> None:
    world = small_world

    def ask(made: dict[str, Any]) -> str:
        answer = world.member("b").send("POST", f"/v1/subscriptions/{made['subscription_id']}/test", {})
        return "" if answer.status_code == 200 else str(answer.get_json()["reasons"][0]["code"])

    with receiver(receivers.ok) as to:
        made = world.begin("b", to.url)
        assert ask(made) == "too-soon"
        for _ in range(MAX_CODES - 1):
            world.advance(minutes=11)
            assert ask(made) == ""
        world.advance(minutes=11)
        assert ask(made) == "too-many-codes"
        while world.post():
            pass
        assert len(to.received) == MAX_CODES
        confirm = world.member("b").send("GET", f"/v1/subscriptions/{made['subscription_id']}/deliveries").get_json()
        wanted = {"delivery_ids": [row["delivery_id"] for row in confirm["deliveries"]]}
        assert world.act("b", made, "replay", wanted) == {"replayed": 0}
        for _ in range(MAX_PER_DAY):
            plant_subscription(world.taskforce, "b", HOOK)
        with world.taskforce.database.transaction() as session:
            session.execute(update(Subscription).values(ended_at=world.taskforce.clock()))
        assert refusal(world, "b", {"channel": "webhook", "target": HOOK}) == "too-many-today"
        world.advance(days=1)
        world.begin("b", HOOK)


def test_subscriptions_and_deliveries_come_page_by_page(small_world: DeliveryScenario) -> None:
    made = {small_world.begin("b", HOOK)["subscription_id"] for _ in range(3)}
    seen, cursor = [], ""
    for _ in range(4):
        page = small_world.member("b").send("GET", f"/v1/subscriptions?limit=1{cursor}").get_json()
        seen += [one["subscription_id"] for one in page["subscriptions"]]
        cursor = f"&cursor={page['next']}"
        if page["next"] is None:
            break
    assert len(seen) == 3
    assert set(seen) == made
    path = f"/v1/subscriptions/{seen[0]}/deliveries?limit=1"
    first = small_world.member("b").send("GET", path).get_json()
    assert [row["kind"] for row in first["deliveries"]] == ["confirm"]
    rest = small_world.member("b").send("GET", f"{path}&cursor={first['next']}").get_json()
    assert rest == {"deliveries": [], "next": None}


def test_beginning_changing_and_ending_stand_in_the_members_log(small_world: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        made = small_world.subscribe("b", to)
    small_world.act("b", made, "secret")
    small_world.act("b", made, "end")
    kinds = [
        *("subscription_begun", "subscription_confirmed", "subscription_secret_changed", "subscription_ended"),
    ]
    assert [kind for kind in small_world.logged("b") if kind.startswith("subscription")] == kinds
    assert not [kind for kind in small_world.logged("c") if kind.startswith("subscription")]


def test_what_is_old_is_forgotten_and_what_still_counts_is_not(world: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        kept, ended = world.subscribe("b", to), world.subscribe("b", to)
        world.begin("b", HOOK)
        release(world.member("a"))
        world.post()
        world.act("b", ended, "end")
        assert world.forget() == 0
        world.advance(days=8)
        assert world.forget() == 2  # what nobody confirmed, and its code on the way
        world.advance(days=90)
        world.forget()
        assert [one["subscription_id"] for one in world.show("b")] == [kept["subscription_id"]]
        assert world.rows() == []
        release(world.member("a"), review_by="2027-10-01")
        world.post()
        assert len(world.rows()) == 1
