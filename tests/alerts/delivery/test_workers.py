"""Several workers, workers that die, a log that is down: each message once, none lost, none without its entry."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from alerts.delivery import outbound
from alerts.delivery.outbound import CLAIM, Lane
from alerts.delivery.sending import DELIVERED
from exchange.kernel.session import create_database
from schemas.terms import PushChannel
from tests.alerts.delivery import receivers
from tests.alerts.delivery.receivers import answering, in_turn, receiver
from tests.alerts.delivery.scenario import DeliveryScenario
from tests.alerts.factories import release

ALERTS = 3


def lane(scenario: DeliveryScenario) -> Lane:
    return Lane(PushChannel.WEBHOOK, failing=False, digest_before=scenario.taskforce.clock())


def test_two_workers_deliver_and_record_each_message_once(scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as one, receiver(receivers.ok) as other:
        for to in (one, other):
            scenario.subscribe("b", to)
            scenario.subscribe("c", to)
        for _ in range(ALERTS):
            release(scenario.member("a"))
        databases = [create_database(scenario.taskforce.database.url) for _ in range(2)]
        dispatchers = [scenario.make_dispatcher(database) for database in databases]
        with ThreadPoolExecutor(2) as pool:
            tried = list(pool.map(lambda dispatcher: dispatcher.deliver_webhooks(failing=False), dispatchers))
        for database in databases:
            database.dispose()
        assert sum(tried) == 4 * ALERTS
        ids = [message.message_id for to in (one, other) for message in to.received]
        assert len(ids) == len(set(ids)) == 4 * ALERTS
        assert {row.state for row in scenario.rows()} == {"delivered"}
        for member_id in ("b", "c"):
            told = [line["alert_id"] for event in scenario.told(member_id) for line in event["alerts"]]
            assert len(told) == len(set(told)) == ALERTS


def test_a_message_of_a_killed_worker_is_sent_again_under_its_id(scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        scenario.subscribe("b", to)
        release(scenario.member("a"))
        database, now = scenario.taskforce.database, scenario.taskforce.clock()
        claim = database.run_in_transaction(lambda session: outbound.claim_next(session, lane(scenario), now))
        assert claim is not None
        message = database.run_in_transaction(lambda session: outbound.prepare(session, claim, lane(scenario), now))
        assert message is not None
        assert scenario.post() == 0  # it is claimed
        scenario.advance(seconds=CLAIM.total_seconds())
        assert scenario.post() == 1
        assert [message.message_id for message in to.received] == [message.message_id]
        assert len(scenario.told("b")) == 1
        # It was not dead after all: what it says of the outcome no longer counts.
        later = scenario.taskforce.clock()
        database.run_in_transaction(lambda session: outbound.finish(session, message, DELIVERED, later, 0.0))
        assert [row.attempts for row in scenario.rows()] == [1]


KILLED = """
import sys, threading
from datetime import datetime
from alerts.delivery.mail import Mailer, MailSettings
from alerts.delivery.rounds import Dispatcher
from alerts.delivery.sending import WebhookClient
from alerts.delivery.webhook import WebhookSecrets
from exchange.configuration.allowed_targets import AllowedTargets
from exchange.kernel.session import create_database
url, now = sys.argv[1], datetime.fromisoformat(sys.argv[2])
dispatcher = Dispatcher(create_database(url, log_stale_seconds=10**9), lambda: now, "https://exchange.test",
    WebhookSecrets(bytes(32)), WebhookClient(AllowedTargets.parse("127.0.0.1"), seconds=60),
    Mailer(MailSettings("", 25, "none", "", "")), 60)
dispatcher.deliver_webhooks(failing=False)
"""


def test_a_worker_process_killed_in_the_middle_of_an_attempt_loses_nothing(small_scenario: DeliveryScenario) -> None:
    with receiver(in_turn(receivers.ok, receivers.hang, receivers.ok)) as to:
        small_scenario.subscribe("b", to)
        release(small_scenario.member("a"))
        moment = small_scenario.taskforce.clock().isoformat()
        command = [sys.executable, "-c", KILLED, small_scenario.taskforce.database.url, moment]
        with subprocess.Popen(command, env={**os.environ, "EXCHANGE_HOME": ""}) as process:
            assert to.arrived.wait(60)
            process.kill()
        assert len(small_scenario.told("b")) == 1  # on record before the first byte left
        assert small_scenario.post() == 0
        small_scenario.advance(seconds=CLAIM.total_seconds())
        assert small_scenario.post() == 1
        assert len({message.message_id for message in to.received}) == 1
        assert len(to.received) == 2
        assert [row.state for row in small_scenario.rows()] == ["delivered"]
        assert len(small_scenario.told("b")) == 1


def test_while_the_log_stands_still_nothing_leaves_and_nothing_is_lost(small_scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        small_scenario.subscribe("b", to)
        release(small_scenario.member("a"))
        careful = create_database(small_scenario.taskforce.database.url, log_stale_seconds=60)
        small_scenario.advance(seconds=120)
        dispatcher = small_scenario.make_dispatcher(careful)
        with capture_logs() as said:
            assert [dispatcher.deliver_webhooks(failing=False) for _ in range(3)] == [0, 0, 0]
        assert [line for line in said if "wait" in line["event"]] == [
            {"event": "deliveries wait for the log", "job": "webhook", "log_level": "warning"}
        ]
        assert (to.received, small_scenario.told("b")) == ([], [])
        assert [(row.state, row.attempts) for row in small_scenario.rows()] == [("waiting", 0)]
        careful.dispose()
        with capture_logs() as said:
            assert small_scenario.post() == 1
        assert [(line["event"], line["times"]) for line in said] == [("deliveries wait for the log: over", 3)]
        assert len(to.received) == 1


def test_a_log_that_takes_no_entries_keeps_every_message_back(small_scenario: DeliveryScenario) -> None:
    with receiver(receivers.ok) as to:
        small_scenario.subscribe("b", to)
        release(small_scenario.member("a"))
        trigger = "CREATE TRIGGER no BEFORE INSERT ON log_entries BEGIN SELECT RAISE(ABORT, 'full'); END"
        with small_scenario.taskforce.database.transaction() as session:
            session.execute(text(trigger))
        assert small_scenario.post() == 0
        assert to.received == []
        with small_scenario.taskforce.database.transaction() as session:
            session.execute(text("DROP TRIGGER no"))
        assert small_scenario.post() == 1


def test_the_entry_is_committed_before_the_receiver_sees_a_byte(small_scenario: DeliveryScenario) -> None:
    seen: list[int] = []

    def look(made: receivers.Receiver, connection: socket.socket) -> None:
        seen.append(len(small_scenario.told("b")))
        receivers.ok(made, connection)

    with receiver(in_turn(receivers.ok, look)) as to:
        small_scenario.subscribe("b", to)
        release(small_scenario.member("a"))
        small_scenario.post()
        assert seen == [1]


def test_an_internal_error_counts_as_an_attempt_and_delays_no_other(
    small_scenario: DeliveryScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver(receivers.ok) as to, receiver(receivers.ok) as good:
        made = small_scenario.subscribe("b", to)
        small_scenario.subscribe("c", good)
        release(small_scenario.member("a"))
        post = type(small_scenario.dispatcher.webhooks).post

        def fail(client: object, url: str, headers: dict[str, str], body: bytes) -> object:
            if url == to.url:
                raise RuntimeError(body)
            return post(client, url, headers, body)  # type: ignore[arg-type]

        monkeypatch.setattr(type(small_scenario.dispatcher.webhooks), "post", fail)
        assert small_scenario.dispatcher.deliver_webhooks(failing=False) == 2
        assert len(good.received) == 1
        assert small_scenario.deliveries("b", made)[0]["error"] == "something is wrong at the exchange"


def test_a_subscription_ended_while_its_message_was_on_the_way_stays_ended(small_scenario: DeliveryScenario) -> None:
    def end_then_answer(made: receivers.Receiver, connection: socket.socket) -> None:
        small_scenario.act("b", subscription, "end")
        answering(500)(made, connection)

    with receiver(in_turn(receivers.ok, end_then_answer)) as to:
        subscription = small_scenario.subscribe("b", to)
        release(small_scenario.member("a"))
        assert small_scenario.post() == 1
        assert [row.state for row in small_scenario.rows()] == ["dropped"]
        small_scenario.advance(days=1)
        assert small_scenario.post() == 0
