"""Webhooks from end to end: what members are told, when, and what misbehaving receivers cannot bring about."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import update
from standardwebhooks import Webhook

from alerts.acts.publication import apply_due_changes
from alerts.delivery.sending import WebhookClient
from alerts.domain.subscription import RETRIES
from alerts.store.subscriptions import Subscription
from exchange.registrars.stop_member import stop_member
from schemas.terms import AlertState
from tests.alerts.delivery import receivers
from tests.alerts.delivery.receivers import answering, in_turn, receiver
from tests.alerts.delivery.scenario import LOOPBACK, DeliveryScenario
from tests.alerts.factories import release, step

TITLE = "Mule accounts opened with forged payslips"


def withdraw(world: DeliveryScenario, alert_id: str) -> None:
    assert step(world.member("a"), alert_id, "withdraw", {"reason": "wrong"}) == "withdrawn"


def test_a_subscriber_gets_a_signed_message_and_a_log_entry(world: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        made = world.subscribe("b", to)
        alert_id = release(world.member("a"))
        assert world.post() == 1
        (message,) = to.received
        timestamp = datetime.fromtimestamp(int(message.headers["webhook-timestamp"]), UTC)
        signed = Webhook(made["secret"]).sign(message.message_id, timestamp, message.body.decode())
        assert message.headers["webhook-signature"] == signed
        reference = message.value["data"].pop("reference")
        assert message.value["type"] == "alert.published"
        assert message.value["data"] | {"reference": reference} == {
            **{"alert_id": alert_id, "reference": reference, "version": 1, "state": "published", "tlp": "AMBER"},
            **{"title": TITLE, "colour": "amber", "theme": "money_mules"},
            "url": f"{world.taskforce.settings.url}/v1/alerts/{alert_id}",
        }
        (told,) = world.told("b")
        assert (told["channel"], told["alerts"][0]["alert_id"], told["alerts"][0]["version"]) == (
            "webhook",
            alert_id,
            1,
        )
        (row,) = world.deliveries("b", made)
        assert (row["state"], row["delivery_id"], row["alert_id"]) == ("delivered", message.message_id, alert_id)
        assert world.post() == 0


def test_how_much_is_said_depends_on_the_tlp(small_world: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        small_world.subscribe("b", to)
        for tlp, says_more in (("CLEAR", True), ("GREEN", True), ("AMBER", True), ("AMBER+STRICT", False)):
            release(small_world.member("a"), tlp=tlp, sources=[])
            small_world.post()
            data = to.received[-1].value["data"]
            assert data["tlp"] == tlp
            assert (data.keys() >= {"title", "colour", "theme"}) == says_more
            assert (TITLE.encode() in to.received[-1].body) == says_more
            assert not data.keys() & {"overview", "body", "red_flags", "accounts"}


def test_a_red_alert_is_never_pushed_and_neither_is_its_withdrawal(small_world: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        small_world.subscribe("b", to)
        withdraw(small_world, release(small_world.member("a"), tlp="RED"))
        assert small_world.post() == 0
        assert (to.received, small_world.rows(), small_world.told("b")) == ([], [], [])


def test_filters_choose_by_theme_colour_issuer_and_group(small_world: DeliveryScenario) -> None:
    small_world.taskforce.state_group(["a", "b"], "cell")
    with receiver(receivers.ok) as to:
        chosen = [
            small_world.subscribe("b", to, **filters)["subscription_id"]
            for filters in (
                {"themes": ["fraud", "money_mules"], "colours": ["amber"]},
                {"kinds": ["financial_institution"]},
                {"groups": ["cell"]},
            )
        ]
        for filters in ({"themes": ["fraud"]}, {"colours": ["red"]}, {"kinds": ["telecom"]}, {"groups": ["taskforce"]}):
            small_world.subscribe("b", to, **filters)
        release(small_world.member("a"), audience={"groups": ["cell"], "kinds": []})
        assert small_world.post() == 3
        assert {row.subscription_id for row in small_world.rows()} == set(chosen)
        assert len(small_world.told("b")) == 1  # a disclosure is one, to however many receivers of the member


def test_a_filter_does_not_find_out_about_groups_that_the_member_is_not_in(small_world: DeliveryScenario) -> None:
    small_world.taskforce.state_group(["a", "b", "c"], "cell")
    with receiver(receivers.ok) as to:
        small_world.subscribe("b", to, groups=["cell"])
        small_world.taskforce.state_group(["a", "c"], "cell")
        release(small_world.member("a"), audience={"groups": ["cell", "taskforce"], "kinds": []})
        assert small_world.post() == 0


def test_who_is_not_addressed_gets_nothing(small_world: DeliveryScenario) -> None:
    small_world.taskforce.state_group(["a", "c"], "cell")
    with receiver(receivers.ok) as to:
        small_world.subscribe("b", to)
        release(small_world.member("a"), audience={"groups": ["cell"], "kinds": []})
        release(small_world.member("a"), audience={"groups": ["taskforce"], "kinds": ["law_enforcement"]})
        assert small_world.post() == 0
        assert small_world.rows() == []


def test_who_left_the_group_or_was_stopped_meanwhile_gets_nothing(small_world: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        left = small_world.subscribe("b", to)
        stopped = small_world.subscribe("c", to)
        release(small_world.member("a"))
        small_world.taskforce.state_group(["a", "c"])
        stop_member(small_world.taskforce.database, "c", small_world.taskforce.clock())
        assert small_world.post() == 0
        assert to.received == []
        assert {row.subscription_id: (row.state, row.last_error) for row in small_world.rows()} == {
            left["subscription_id"]: ("dropped", "the member may no longer read it"),
            stopped["subscription_id"]: ("dropped", "the member is not active"),
        }
        assert (small_world.told("b"), small_world.told("c")) == ([], [])
        (row,) = small_world.deliveries("b", left)
        assert row["alert_id"] is None


def test_an_alert_withdrawn_before_delivery_is_sent_as_withdrawn_alone(small_world: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        small_world.subscribe("b", to)
        alert_id = release(small_world.member("a"))
        withdraw(small_world, alert_id)
        assert small_world.post() == 1
        (message,) = to.received
        assert (message.value["type"], message.value["data"]["version"]) == ("alert.withdrawn", 2)
        assert [row.state for row in small_world.rows()] == ["dropped", "delivered"]


def test_who_was_away_when_a_version_was_queued_gets_the_present_one(small_world: DeliveryScenario) -> None:
    with receiver(in_turn(receivers.ok, answering(500), receivers.ok)) as to:
        small_world.subscribe("b", to)
        alert_id = release(small_world.member("a"))
        small_world.post()
        small_world.taskforce.state_group(["a", "c"])
        withdraw(small_world, alert_id)
        small_world.taskforce.state_group(["a", "b", "c"])
        small_world.advance(seconds=10)
        small_world.post()
        assert [message.value["type"] for message in to.received] == ["alert.published", "alert.withdrawn"]


def test_every_change_that_readers_see_is_told(small_world: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        small_world.subscribe("b", to)
        first = release(small_world.member("a"))
        small_world.post()
        reference = to.received[0].value["data"]["reference"]
        second = release(small_world.member("a"), supersedes=reference)
        small_world.post()
        withdraw(small_world, second)
        small_world.post()
        told = [(one.value["type"], one.value["data"]["alert_id"]) for one in to.received]
        assert told[0] == ("alert.published", first)
        assert sorted(told[1:3]) == sorted([("alert.superseded", first), ("alert.published", second)])
        assert told[3] == ("alert.withdrawn", second)


MISBEHAVIOUR = [
    *(answering(500), answering(302, "Location: http://127.0.0.1/"), receivers.hang, receivers.drip, receivers.flood),
    *(receivers.close_early, receivers.no_http),
]


def test_a_misbehaving_receiver_gets_the_message_again_until_it_accepts(
    small_world: DeliveryScenario,
) -> None:
    """Each attempt carries the same id and body, with a timestamp of its own."""
    with receiver(in_turn(receivers.ok, *MISBEHAVIOUR, receivers.ok)) as to:
        made = small_world.subscribe("b", to)
        release(small_world.member("a"))
        for pause in RETRIES[: len(MISBEHAVIOUR)]:
            assert small_world.post() == 1
            assert small_world.post() == 0  # not before its time
            small_world.advance(seconds=pause.total_seconds() * 1.2)
        assert small_world.post() == 1
        assert small_world.deliveries("b", made)[0]["state"] == "delivered"
        assert len(to.received) == len(MISBEHAVIOUR) + 1
        assert len({(message.message_id, message.body) for message in to.received}) == 1
        assert len({message.headers["webhook-timestamp"] for message in to.received}) == len(to.received)
        assert len(small_world.told("b")) == 1
        assert small_world.stored(made).failures == 0


def test_a_delivery_is_dead_after_its_last_attempt_until_a_replay(world: DeliveryScenario) -> None:
    """The replay carries the same message id."""
    with receiver(in_turn(receivers.ok, *[answering(500)] * 10, receivers.ok)) as to:
        made = world.subscribe("b", to)
        release(world.member("a"))
        world.post()
        for pause in RETRIES:
            world.advance(seconds=pause.total_seconds() * 1.2)
            world.post()
        world.advance(days=7)
        assert world.post() == 0
        (dead,) = world.deliveries("b", made, "dead")
        assert (dead["attempts"], dead["error"], len(to.received)) == (10, "answered 500", 10)
        assert world.show("b")[0]["dead"] == 1
        assert world.act("b", made, "replay", {"delivery_ids": [dead["delivery_id"]]}) == {"replayed": 1}
        assert world.post() == 1
        assert world.deliveries("b", made, "dead") == []
        assert {message.message_id for message in to.received} == {dead["delivery_id"]}
        assert len(world.told("b")) == 1


def test_a_replay_of_what_the_member_may_no_longer_read_brings_nothing(small_world: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        made = small_world.subscribe("b", to)
        release(small_world.member("a"))
        small_world.post()
        (row,) = small_world.deliveries("b", made)
        small_world.taskforce.state_group(["a", "c"])
        assert small_world.act("b", made, "replay", {"delivery_ids": [row["delivery_id"]]}) == {"replayed": 1}
        assert small_world.post() == 0
        assert [one["state"] for one in small_world.deliveries("b", made)] == ["dropped"]
        assert len(to.received) == 1


def test_410_ends_the_subscription_drops_what_waits_and_tells_the_member(small_world: DeliveryScenario) -> None:
    with receiver(in_turn(receivers.ok, answering(410))) as to:
        made = small_world.subscribe("b", to)
        release(small_world.member("a"))
        release(small_world.member("a"))
        assert small_world.post() == 1
        assert small_world.post() == 0
        assert small_world.show("b")[0]["state"] == "ended"
        assert sorted(row.state for row in small_world.rows()) == ["dead", "dropped"]
        release(small_world.member("a"))
        assert len(small_world.rows()) == 2
        answer = small_world.member("b").send("POST", f"/v1/subscriptions/{made['subscription_id']}/test", {})
        assert answer.get_json()["reasons"][0]["code"] == "subscription-ended"


def test_a_hanging_receiver_gets_one_message_and_delays_no_other(
    small_world: DeliveryScenario,
) -> None:
    with receiver(in_turn(receivers.ok, receivers.hang)) as slow, receiver(receivers.ok) as good:
        small_world.subscribe("b", slow)
        small_world.subscribe("c", good)
        for _ in range(3):
            release(small_world.member("a"))
        assert small_world.dispatcher.deliver_webhooks(failing=False) == 4
        assert (len(slow.received), len(good.received)) == (1, 3)
        # From now on it is served apart from those that work.
        release(small_world.member("a"))
        assert small_world.dispatcher.deliver_webhooks(failing=False) == 1
        assert (len(slow.received), len(good.received)) == (1, 4)
        assert {row.state for row in small_world.rows() if row.member_id == "c"} == {"delivered"}


def test_an_alert_published_while_a_receiver_hangs_reaches_others(
    small_world: DeliveryScenario,
) -> None:
    """It does so in the same round."""

    def publish_then_hang(made: receivers.Receiver, connection: object) -> None:
        release(small_world.member("a"), audience={"groups": ["cell"], "kinds": []})
        good.arrived.wait(30)
        made.ended.wait(30)

    small_world.taskforce.state_group(["a", "c"], "cell")
    with receiver(receivers.ok) as good:
        small_world.subscribe("c", good, groups=["cell"])
        with receiver(in_turn(receivers.ok, publish_then_hang)) as slow:
            small_world.subscribe("b", slow)
            release(small_world.member("a"))
            patient = small_world.make_dispatcher(small_world.taskforce.database)
            assert patient.deliver_webhooks(failing=False) == 2
            assert len(good.received) == 1


def test_a_member_with_many_hanging_receivers_leaves_threads_to_others(small_world: DeliveryScenario) -> None:
    def hang_until_others_are_served(made: receivers.Receiver, _: object) -> None:
        assert good.arrived.wait(30)

    with receiver(receivers.ok) as good, receiver(receivers.ok) as bad:
        small_world.subscribe("c", good)
        for _ in range(4):
            small_world.subscribe("b", bad)
        bad.behave = hang_until_others_are_served
        patient = WebhookClient(LOOPBACK, seconds=30)
        dispatcher = small_world.make_dispatcher(small_world.taskforce.database, threads=3, webhooks=patient)
        # The one that was served last comes last: all of b's are taken up before it.
        small_world.advance(seconds=1)
        release(small_world.member("a"))
        with small_world.taskforce.database.transaction() as session:
            later = Subscription.member_id == "c"
            session.execute(update(Subscription).where(later).values(tried_at=small_world.taskforce.clock()))
        assert dispatcher.deliver_webhooks(failing=False) == 5
        assert (len(bad.received), len(good.received)) == (4, 1)


def test_unconfirmed_and_failing_receivers_have_a_round_of_their_own(
    small_world: DeliveryScenario,
) -> None:
    with receiver(in_turn(receivers.ok, answering(500), receivers.ok)) as to:
        small_world.begin("c", to.url)
        assert small_world.dispatcher.deliver_webhooks(failing=False) == 0
        assert small_world.dispatcher.deliver_webhooks(failing=True) == 1
        made = small_world.begin("b", to.url)
        assert small_world.dispatcher.deliver_webhooks(failing=True) == 1
        small_world.advance(seconds=10)
        assert small_world.dispatcher.deliver_webhooks(failing=True) == 1
        code = to.received[-1].value["data"]["code"]
        small_world.act("b", made, "confirm", {"code": code})
        release(small_world.member("a"))
        # It answered meanwhile, but failed a moment ago.
        assert small_world.dispatcher.deliver_webhooks(failing=False) == 0
        assert small_world.dispatcher.deliver_webhooks(failing=True) == 1
        small_world.advance(minutes=11)
        release(small_world.member("a"))
        assert small_world.dispatcher.deliver_webhooks(failing=False) == 1


def test_a_subscription_that_nobody_confirmed_gets_its_code_and_no_alert(small_world: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        made = small_world.begin("b", to.url)
        release(small_world.member("a"))
        assert small_world.post() == 1
        (message,) = to.received
        assert message.value["type"] == "subscription.confirm"
        assert message.value["data"].keys() == {"subscription_id", "code"}
        assert message.value["data"]["subscription_id"] == made["subscription_id"]
        assert small_world.rows() == []
        assert small_world.told("b") == []


def test_a_changed_secret_signs_beside_the_old_one_for_a_day(small_world: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        old = small_world.subscribe("b", to)
        new = small_world.act("b", old, "secret")
        assert new["secret"] != old["secret"]
        for hours, count in ((1, 2), (24, 1)):
            small_world.advance(hours=hours)
            release(small_world.member("a"))
            small_world.post()
            message = to.received[-1]
            timestamp = datetime.fromtimestamp(int(message.headers["webhook-timestamp"]), UTC)
            signed = [
                Webhook(one["secret"]).sign(message.message_id, timestamp, message.body.decode()) for one in (new, old)
            ]
            assert message.headers["webhook-signature"].split(" ") == signed[:count]


def test_a_test_says_nothing_of_alerts_and_is_no_disclosure(small_world: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        made = small_world.subscribe("b", to)
        small_world.act("b", made, "test")
        assert small_world.post() == 1
        assert to.received[0].value["type"] == "subscription.test"
        assert to.received[0].value["data"] == {"subscription_id": made["subscription_id"]}
        assert small_world.told("b") == []


def test_an_expired_alert_is_told_as_expired(small_world: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        small_world.subscribe("b", to)
        release(small_world.member("a"))
        small_world.post()
        small_world.advance(days=400)
        apply_due_changes(small_world.taskforce.database, small_world.taskforce.clock())
        small_world.post()
        assert to.received[-1].value["type"] == f"alert.{AlertState.EXPIRED}"
