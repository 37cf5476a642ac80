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


def withdraw(scenario: DeliveryScenario, alert_id: str) -> None:
    assert step(scenario.member("a"), alert_id, "withdraw", {"reason": "wrong"}) == "withdrawn"


def test_a_subscriber_gets_a_signed_message_and_a_log_entry(scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        made = scenario.subscribe("b", to)
        alert_id = release(scenario.member("a"))
        assert scenario.post() == 1
        (message,) = to.received
        timestamp = datetime.fromtimestamp(int(message.headers["webhook-timestamp"]), UTC)
        signed = Webhook(made["secret"]).sign(message.message_id, timestamp, message.body.decode())
        assert message.headers["webhook-signature"] == signed
        reference = message.value["data"].pop("reference")
        assert message.value["type"] == "alert.published"
        assert message.value["data"] | {"reference": reference} == {
            **{"alert_id": alert_id, "reference": reference, "version": 1, "state": "published", "tlp": "AMBER"},
            **{"title": TITLE, "colour": "amber", "theme": "money_mules"},
            "url": f"{scenario.taskforce.settings.url}/v1/alerts/{alert_id}",
        }
        (told,) = scenario.told("b")
        assert (told["channel"], told["alerts"][0]["alert_id"], told["alerts"][0]["version"]) == (
            "webhook",
            alert_id,
            1,
        )
        (row,) = scenario.deliveries("b", made)
        assert (row["state"], row["delivery_id"], row["alert_id"]) == ("delivered", message.message_id, alert_id)
        assert scenario.post() == 0


def test_how_much_is_said_depends_on_the_tlp(small_scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        small_scenario.subscribe("b", to)
        for tlp, says_more in (("CLEAR", True), ("GREEN", True), ("AMBER", True), ("AMBER+STRICT", False)):
            release(small_scenario.member("a"), tlp=tlp, sources=[])
            small_scenario.post()
            data = to.received[-1].value["data"]
            assert data["tlp"] == tlp
            assert (data.keys() >= {"title", "colour", "theme"}) == says_more
            assert (TITLE.encode() in to.received[-1].body) == says_more
            assert not data.keys() & {"overview", "body", "red_flags", "accounts"}


def test_a_red_alert_is_never_pushed_and_neither_is_its_withdrawal(small_scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        small_scenario.subscribe("b", to)
        withdraw(small_scenario, release(small_scenario.member("a"), tlp="RED"))
        assert small_scenario.post() == 0
        assert (to.received, small_scenario.rows(), small_scenario.told("b")) == ([], [], [])


def test_filters_choose_by_theme_colour_issuer_and_group(small_scenario: DeliveryScenario) -> None:
    small_scenario.taskforce.state_group(["a", "b"], "cell")
    with receiver(receivers.ok) as to:
        chosen = [
            small_scenario.subscribe("b", to, **filters)["subscription_id"]
            for filters in (
                {"themes": ["fraud", "money_mules"], "colours": ["amber"]},
                {"kinds": ["financial_institution"]},
                {"groups": ["cell"]},
            )
        ]
        for filters in ({"themes": ["fraud"]}, {"colours": ["red"]}, {"kinds": ["telecom"]}, {"groups": ["taskforce"]}):
            small_scenario.subscribe("b", to, **filters)
        release(small_scenario.member("a"), audience={"groups": ["cell"], "kinds": []})
        assert small_scenario.post() == 3
        assert {row.subscription_id for row in small_scenario.rows()} == set(chosen)
        assert len(small_scenario.told("b")) == 1  # a disclosure is one, to however many receivers of the member


def test_a_filter_does_not_find_out_about_groups_that_the_member_is_not_in(small_scenario: DeliveryScenario) -> None:
    small_scenario.taskforce.state_group(["a", "b", "c"], "cell")
    with receiver(receivers.ok) as to:
        small_scenario.subscribe("b", to, groups=["cell"])
        small_scenario.taskforce.state_group(["a", "c"], "cell")
        release(small_scenario.member("a"), audience={"groups": ["cell", "taskforce"], "kinds": []})
        assert small_scenario.post() == 0


def test_who_is_not_addressed_gets_nothing(small_scenario: DeliveryScenario) -> None:
    small_scenario.taskforce.state_group(["a", "c"], "cell")
    with receiver(receivers.ok) as to:
        small_scenario.subscribe("b", to)
        release(small_scenario.member("a"), audience={"groups": ["cell"], "kinds": []})
        release(small_scenario.member("a"), audience={"groups": ["taskforce"], "kinds": ["law_enforcement"]})
        assert small_scenario.post() == 0
        assert small_scenario.rows() == []


def test_who_left_the_group_or_was_stopped_meanwhile_gets_nothing(small_scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        left = small_scenario.subscribe("b", to)
        stopped = small_scenario.subscribe("c", to)
        release(small_scenario.member("a"))
        small_scenario.taskforce.state_group(["a", "c"])
        stop_member(small_scenario.taskforce.database, "c", small_scenario.taskforce.clock())
        assert small_scenario.post() == 0
        assert to.received == []
        assert {row.subscription_id: (row.state, row.last_error) for row in small_scenario.rows()} == {
            left["subscription_id"]: ("dropped", "the member may no longer read it"),
            stopped["subscription_id"]: ("dropped", "the member is not active"),
        }
        assert (small_scenario.told("b"), small_scenario.told("c")) == ([], [])
        (row,) = small_scenario.deliveries("b", left)
        assert row["alert_id"] is None


def test_an_alert_withdrawn_before_delivery_is_sent_as_withdrawn_alone(small_scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        small_scenario.subscribe("b", to)
        alert_id = release(small_scenario.member("a"))
        withdraw(small_scenario, alert_id)
        assert small_scenario.post() == 1
        (message,) = to.received
        assert (message.value["type"], message.value["data"]["version"]) == ("alert.withdrawn", 2)
        assert [row.state for row in small_scenario.rows()] == ["dropped", "delivered"]


def test_who_was_away_when_a_version_was_queued_gets_the_present_one(small_scenario: DeliveryScenario) -> None:
    with receiver(in_turn(receivers.ok, answering(500), receivers.ok)) as to:
        small_scenario.subscribe("b", to)
        alert_id = release(small_scenario.member("a"))
        small_scenario.post()
        small_scenario.taskforce.state_group(["a", "c"])
        withdraw(small_scenario, alert_id)
        small_scenario.taskforce.state_group(["a", "b", "c"])
        small_scenario.advance(seconds=10)
        small_scenario.post()
        assert [message.value["type"] for message in to.received] == ["alert.published", "alert.withdrawn"]


def test_every_change_that_readers_see_is_told(small_scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        small_scenario.subscribe("b", to)
        first = release(small_scenario.member("a"))
        small_scenario.post()
        reference = to.received[0].value["data"]["reference"]
        second = release(small_scenario.member("a"), supersedes=reference)
        small_scenario.post()
        withdraw(small_scenario, second)
        small_scenario.post()
        told = [(one.value["type"], one.value["data"]["alert_id"]) for one in to.received]
        assert told[0] == ("alert.published", first)
        assert sorted(told[1:3]) == sorted([("alert.superseded", first), ("alert.published", second)])
        assert told[3] == ("alert.withdrawn", second)


MISBEHAVIOUR = [
    *(answering(500), answering(302, "Location: http://127.0.0.1/"), receivers.hang, receivers.drip, receivers.flood),
    *(receivers.close_early, receivers.no_http),
]


def test_a_misbehaving_receiver_gets_the_message_again_until_it_accepts(
    small_scenario: DeliveryScenario,
) -> None:
    """Each attempt carries the same id and body, with a timestamp of its own."""
    with receiver(in_turn(receivers.ok, *MISBEHAVIOUR, receivers.ok)) as to:
        made = small_scenario.subscribe("b", to)
        release(small_scenario.member("a"))
        for pause in RETRIES[: len(MISBEHAVIOUR)]:
            assert small_scenario.post() == 1
            assert small_scenario.post() == 0  # not before its time
            small_scenario.advance(seconds=pause.total_seconds() * 1.2)
        assert small_scenario.post() == 1
        assert small_scenario.deliveries("b", made)[0]["state"] == "delivered"
        assert len(to.received) == len(MISBEHAVIOUR) + 1
        assert len({(message.message_id, message.body) for message in to.received}) == 1
        assert len({message.headers["webhook-timestamp"] for message in to.received}) == len(to.received)
        assert len(small_scenario.told("b")) == 1
        assert small_scenario.stored(made).failures == 0


def test_a_delivery_is_dead_after_its_last_attempt_until_a_replay(scenario: DeliveryScenario) -> None:
    """The replay carries the same message id."""
    with receiver(in_turn(receivers.ok, *[answering(500)] * 10, receivers.ok)) as to:
        made = scenario.subscribe("b", to)
        release(scenario.member("a"))
        scenario.post()
        for pause in RETRIES:
            scenario.advance(seconds=pause.total_seconds() * 1.2)
            scenario.post()
        scenario.advance(days=7)
        assert scenario.post() == 0
        (dead,) = scenario.deliveries("b", made, "dead")
        assert (dead["attempts"], dead["error"], len(to.received)) == (10, "answered 500", 10)
        assert scenario.show("b")[0]["dead"] == 1
        assert scenario.act("b", made, "replay", {"delivery_ids": [dead["delivery_id"]]}) == {"replayed": 1}
        assert scenario.post() == 1
        assert scenario.deliveries("b", made, "dead") == []
        assert {message.message_id for message in to.received} == {dead["delivery_id"]}
        assert len(scenario.told("b")) == 1


def test_a_replay_of_what_the_member_may_no_longer_read_brings_nothing(small_scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        made = small_scenario.subscribe("b", to)
        release(small_scenario.member("a"))
        small_scenario.post()
        (row,) = small_scenario.deliveries("b", made)
        small_scenario.taskforce.state_group(["a", "c"])
        assert small_scenario.act("b", made, "replay", {"delivery_ids": [row["delivery_id"]]}) == {"replayed": 1}
        assert small_scenario.post() == 0
        assert [one["state"] for one in small_scenario.deliveries("b", made)] == ["dropped"]
        assert len(to.received) == 1


def test_410_ends_the_subscription_drops_what_waits_and_tells_the_member(small_scenario: DeliveryScenario) -> None:
    with receiver(in_turn(receivers.ok, answering(410))) as to:
        made = small_scenario.subscribe("b", to)
        release(small_scenario.member("a"))
        release(small_scenario.member("a"))
        assert small_scenario.post() == 1
        assert small_scenario.post() == 0
        assert small_scenario.show("b")[0]["state"] == "ended"
        assert sorted(row.state for row in small_scenario.rows()) == ["dead", "dropped"]
        release(small_scenario.member("a"))
        assert len(small_scenario.rows()) == 2
        answer = small_scenario.member("b").send("POST", f"/v1/subscriptions/{made['subscription_id']}/test", {})
        assert answer.get_json()["reasons"][0]["code"] == "subscription-ended"


def test_a_hanging_receiver_gets_one_message_and_delays_no_other(
    small_scenario: DeliveryScenario,
) -> None:
    with receiver(in_turn(receivers.ok, receivers.hang)) as slow, receiver(receivers.ok) as good:
        small_scenario.subscribe("b", slow)
        small_scenario.subscribe("c", good)
        for _ in range(3):
            release(small_scenario.member("a"))
        assert small_scenario.dispatcher.deliver_webhooks(failing=False) == 4
        assert (len(slow.received), len(good.received)) == (1, 3)
        # From now on it is served apart from those that work.
        release(small_scenario.member("a"))
        assert small_scenario.dispatcher.deliver_webhooks(failing=False) == 1
        assert (len(slow.received), len(good.received)) == (1, 4)
        assert {row.state for row in small_scenario.rows() if row.member_id == "c"} == {"delivered"}


def test_an_alert_published_while_a_receiver_hangs_reaches_others(
    small_scenario: DeliveryScenario,
) -> None:
    """It does so in the same round."""

    def publish_then_hang(made: receivers.Receiver, connection: object) -> None:
        release(small_scenario.member("a"), audience={"groups": ["cell"], "kinds": []})
        good.arrived.wait(30)
        made.ended.wait(30)

    small_scenario.taskforce.state_group(["a", "c"], "cell")
    with receiver(receivers.ok) as good:
        small_scenario.subscribe("c", good, groups=["cell"])
        with receiver(in_turn(receivers.ok, publish_then_hang)) as slow:
            small_scenario.subscribe("b", slow)
            release(small_scenario.member("a"))
            patient = small_scenario.make_dispatcher(small_scenario.taskforce.database)
            assert patient.deliver_webhooks(failing=False) == 2
            assert len(good.received) == 1


def test_a_member_with_many_hanging_receivers_leaves_threads_to_others(small_scenario: DeliveryScenario) -> None:
    def hang_until_others_are_served(made: receivers.Receiver, _: object) -> None:
        assert good.arrived.wait(30)

    with receiver(receivers.ok) as good, receiver(receivers.ok) as bad:
        small_scenario.subscribe("c", good)
        for _ in range(4):
            small_scenario.subscribe("b", bad)
        bad.behave = hang_until_others_are_served
        patient = WebhookClient(LOOPBACK, seconds=30)
        dispatcher = small_scenario.make_dispatcher(small_scenario.taskforce.database, threads=3, webhooks=patient)
        # The one that was served last comes last: all of b's are taken up before it.
        small_scenario.advance(seconds=1)
        release(small_scenario.member("a"))
        with small_scenario.taskforce.database.transaction() as session:
            later = Subscription.member_id == "c"
            session.execute(update(Subscription).where(later).values(tried_at=small_scenario.taskforce.clock()))
        assert dispatcher.deliver_webhooks(failing=False) == 5
        assert (len(bad.received), len(good.received)) == (4, 1)


def test_unconfirmed_and_failing_receivers_have_a_round_of_their_own(
    small_scenario: DeliveryScenario,
) -> None:
    with receiver(in_turn(receivers.ok, answering(500), receivers.ok)) as to:
        small_scenario.begin("c", to.url)
        assert small_scenario.dispatcher.deliver_webhooks(failing=False) == 0
        assert small_scenario.dispatcher.deliver_webhooks(failing=True) == 1
        made = small_scenario.begin("b", to.url)
        assert small_scenario.dispatcher.deliver_webhooks(failing=True) == 1
        small_scenario.advance(seconds=10)
        assert small_scenario.dispatcher.deliver_webhooks(failing=True) == 1
        code = to.received[-1].value["data"]["code"]
        small_scenario.act("b", made, "confirm", {"code": code})
        release(small_scenario.member("a"))
        # It answered meanwhile, but failed a moment ago.
        assert small_scenario.dispatcher.deliver_webhooks(failing=False) == 0
        assert small_scenario.dispatcher.deliver_webhooks(failing=True) == 1
        small_scenario.advance(minutes=11)
        release(small_scenario.member("a"))
        assert small_scenario.dispatcher.deliver_webhooks(failing=False) == 1


def test_a_subscription_that_nobody_confirmed_gets_its_code_and_no_alert(small_scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        made = small_scenario.begin("b", to.url)
        release(small_scenario.member("a"))
        assert small_scenario.post() == 1
        (message,) = to.received
        assert message.value["type"] == "subscription.confirm"
        assert message.value["data"].keys() == {"subscription_id", "code"}
        assert message.value["data"]["subscription_id"] == made["subscription_id"]
        assert small_scenario.rows() == []
        assert small_scenario.told("b") == []


def test_a_changed_secret_signs_beside_the_old_one_for_a_day(small_scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        old = small_scenario.subscribe("b", to)
        new = small_scenario.act("b", old, "secret")
        assert new["secret"] != old["secret"]
        for hours, count in ((1, 2), (24, 1)):
            small_scenario.advance(hours=hours)
            release(small_scenario.member("a"))
            small_scenario.post()
            message = to.received[-1]
            timestamp = datetime.fromtimestamp(int(message.headers["webhook-timestamp"]), UTC)
            signed = [
                Webhook(one["secret"]).sign(message.message_id, timestamp, message.body.decode()) for one in (new, old)
            ]
            assert message.headers["webhook-signature"].split(" ") == signed[:count]


def test_a_test_says_nothing_of_alerts_and_is_no_disclosure(small_scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        made = small_scenario.subscribe("b", to)
        small_scenario.act("b", made, "test")
        assert small_scenario.post() == 1
        assert to.received[0].value["type"] == "subscription.test"
        assert to.received[0].value["data"] == {"subscription_id": made["subscription_id"]}
        assert small_scenario.told("b") == []


def test_an_expired_alert_is_told_as_expired(small_scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        small_scenario.subscribe("b", to)
        release(small_scenario.member("a"))
        small_scenario.post()
        small_scenario.advance(days=400)
        apply_due_changes(small_scenario.taskforce.database, small_scenario.taskforce.clock())
        small_scenario.post()
        assert to.received[-1].value["type"] == f"alert.{AlertState.EXPIRED}"
