"""Rounds of the worker: everything that is due, several subscriptions at a time.

A round ends when nothing is due and nothing on its way; it takes up nothing new after ROUND_SECONDS, so that a worker
that is asked to stop does. While one receiver keeps its thread waiting, the round goes on looking for others.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import msgspec

from alerts.delivery import mail, outbound
from alerts.delivery.mail import Addressed, Mailer
from alerts.delivery.outbound import Claim, Lane, OutboundMessage
from alerts.delivery.sending import AttemptOutcome, WebhookClient
from alerts.delivery.webhook import WebhookSecrets, message_body, sign_message, valid_numbers
from alerts.store.subscriptions import ALERT, CONFIRM
from exchange.kernel.lasting_failures import LastingFailures
from exchange.kernel.session import Database
from exchange.log.events import LogUnavailableError
from schemas.alerts.subscriptions import AlertPush, PushedWord, SubscriptionPush
from schemas.terms import PushChannel
from schemas.values.encoding import to_rfc3339

_WAITING, _FAILED = "deliveries wait for the log", "a delivery failed in the exchange itself"
_failures = LastingFailures()
"""By channel; rounds come every second, and a failure of theirs is logged once."""
ROUND_SECONDS = 20.0
THREADS = 8
MAX_PER_MEMBER = 2
"""Of the threads of a round, so many wait for receivers of one member at most."""
_LOOK_AGAIN_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Sends what is due. `url` is the exchange's public address, `digest_minutes` how often one address gets mail."""

    database: Database
    clock: Callable[[], datetime]
    url: str
    secrets: WebhookSecrets
    webhooks: WebhookClient
    mailer: Mailer
    digest_minutes: int
    threads: int = THREADS
    round_seconds: float = ROUND_SECONDS

    def deliver_webhooks(self, *, failing: bool) -> int:
        """Webhooks to the receivers that are known to work, or to all others; how many attempts."""
        return self._round(lambda now: Lane(PushChannel.WEBHOOK, failing, now))

    def deliver_mail(self) -> int:
        """Codes and tests at once, digests once an interval; how many messages were tried."""
        if not self.mailer.settings.host:
            return 0
        return self._round(lambda now: Lane(PushChannel.MAIL, None, start_of_interval(now, self.digest_minutes)))

    def _round(self, lane_at: Callable[[datetime], Lane]) -> int:
        tried, ends_at = 0, time.monotonic() + self.round_seconds
        running: dict[Future[None], str] = {}
        with ThreadPoolExecutor(self.threads) as pool:
            while True:
                while len(running) < self.threads and time.monotonic() < ends_at:
                    message = self._take(lane_at, running.values())
                    if message is None:
                        break
                    running[pool.submit(self._send, message)] = message.claim.member_id
                    tried += 1
                if not running:
                    return tried
                for attempt in wait(running, _LOOK_AGAIN_SECONDS, FIRST_COMPLETED).done:
                    del running[attempt]
                    attempt.result()

    def _take(self, lane_at: Callable[[datetime], Lane], on_the_way: Iterable[str]) -> OutboundMessage | None:
        """The next message that may leave, None if there is none, or while the log is down."""
        counted = Counter(on_the_way)
        busy = frozenset(member_id for member_id, count in counted.items() if count >= MAX_PER_MEMBER)
        now = self.clock()
        lane = replace(lane_at(now), busy=busy)
        while (claim := self._claim(lane, now)) is not None:
            try:
                message = self._prepare(claim, lane, now)
            except LogUnavailableError:
                self._give_back(claim)
                _failures.failed(_WAITING, lane.channel.value)
                return None
            _failures.recovered(_WAITING, lane.channel.value)
            if message is not None:
                return message
        return None

    def _claim(self, lane: Lane, now: datetime) -> Claim | None:
        return self.database.run_in_transaction(lambda session: outbound.claim_next(session, lane, now))

    def _prepare(self, claim: Claim, lane: Lane, now: datetime) -> OutboundMessage | None:
        return self.database.run_in_transaction(lambda session: outbound.prepare(session, claim, lane, now))

    def _give_back(self, claim: Claim) -> None:
        self.database.run_in_transaction(lambda session: outbound.give_back(session, claim))

    def _send(self, message: OutboundMessage) -> None:
        by_mail = message.subscription.channel == PushChannel.MAIL
        try:
            outcome = self._mail(message) if by_mail else self._post(message)
        except Exception as error:  # noqa: BLE001 - tried again later like any other failure; its message may quote
            _failures.failed(_FAILED, message.subscription.channel, error=type(error).__name__)
            outcome = AttemptOutcome("something is wrong at the exchange")
        else:
            _failures.recovered(_FAILED, message.subscription.channel)
        now, chance = self.clock(), random.random()  # noqa: S311 - spreads attempts
        self.database.run_in_transaction(lambda session: outbound.finish(session, message, outcome, now, chance))

    def _post(self, message: OutboundMessage) -> AttemptOutcome:
        subscription, now = message.subscription, self.clock()
        numbers = valid_numbers(subscription.secret_number, subscription.secret_at, now)
        keys = [self.secrets.secret(subscription.subscription_id, number) for number in numbers]
        body = self._body(message)
        return self.webhooks.post(subscription.target, sign_message(keys, message.message_id, body, now), body)

    def _body(self, message: OutboundMessage) -> bytes:
        subscription_id, timestamp = message.subscription.subscription_id, to_rfc3339(message.happened_at)
        if message.kind == ALERT:
            (alert,) = message.alerts
            at_url = msgspec.structs.replace(alert, url=f"{self.url}/v1/alerts/{alert.alert_id}")
            return message_body(AlertPush(type=f"alert.{alert.state}", timestamp=timestamp, data=at_url))
        code = self.secrets.code(subscription_id) if message.kind == CONFIRM else msgspec.UNSET
        word = PushedWord(subscription_id=subscription_id, code=code)
        return message_body(SubscriptionPush(type=f"subscription.{message.kind}", timestamp=timestamp, data=word))

    def _mail(self, message: OutboundMessage) -> AttemptOutcome:
        return self.mailer.send(self._email(message), message.subscription.target)

    def _email(self, message: OutboundMessage) -> EmailMessage:
        sender, now = self.mailer.settings.sender, self.clock()
        to = Addressed(message.subscription.subscription_id, message.subscription.target)
        if message.kind == ALERT:
            return mail.write_digest(sender, to, message.message_id, message.alerts, now)
        if message.kind == CONFIRM:
            return mail.write_code(sender, to, message.message_id, self.secrets.code(to.subscription_id), now)
        return mail.write_test(sender, to, message.message_id, now)


def start_of_interval(now: datetime, minutes: int) -> datetime:
    """When the interval began that a moment falls into; the same for every worker."""
    seconds = timedelta(minutes=minutes) // timedelta(seconds=1)
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)
