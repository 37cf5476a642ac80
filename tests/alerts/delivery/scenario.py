"""A taskforce that pushes: its members subscribe through the API, and a dispatcher delivers when a test says so."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from alerts.delivery.jobs import forget_deliveries
from alerts.delivery.mail import Mailer, MailSettings
from alerts.delivery.rounds import Dispatcher
from alerts.delivery.sending import WebhookClient
from alerts.delivery.webhook import WebhookSecrets
from alerts.store.subscriptions import Delivery, Subscription
from exchange.configuration.allowed_targets import AllowedTargets
from exchange.kernel.session import Database
from exchange.log.tables import LogEntry
from exchange.web.context import attach_context
from tests.alerts.delivery.receivers import Mailbox, Receiver
from tests.taskforce.founding import Taskforce
from tests.taskforce.members import MemberSimulator

LOOPBACK = AllowedTargets.parse("127.0.0.1")
SHORT = 1.0
"""An attempt's seconds, since tests wait for its end."""
PATIENT = 20.0
"""The same where a test waits for success: a busy machine has time."""
SENDER = "alerts@exchange.example"


def mail_at(port: int) -> MailSettings:
    """The operator's mail server on this machine."""
    return MailSettings("127.0.0.1", port, "none", "", SENDER)


class DeliveryScenario:
    """`a` issues alerts; every member may subscribe. `post` delivers all that is due now."""

    def __init__(self, taskforce: Taskforce, mail: MailSettings | None = None) -> None:
        self.taskforce = taskforce
        self.mail = mail or MailSettings("", 25, "none", "", "")
        taskforce.settings = dataclasses.replace(
            taskforce.settings,
            allowed_private_targets=LOOPBACK,
            smtp_host=self.mail.host,
            smtp_port=self.mail.port,
            smtp_security="none",
            mail_sender=self.mail.sender,
        )
        # The same application, told other settings: making one anew takes longer than most of these tests.
        extensions = taskforce.app.extensions
        attach_context(extensions, dataclasses.replace(extensions["exchange"], settings=taskforce.settings))
        self.dispatcher = self.make_dispatcher(taskforce.database)

    def make_dispatcher(self, database: Database, **changes: Any) -> Dispatcher:
        """A worker's dispatcher."""
        made = Dispatcher(
            database=database,
            clock=self.taskforce.clock,
            url=self.taskforce.settings.url,
            secrets=WebhookSecrets(self.taskforce.webhook_key),
            webhooks=WebhookClient(LOOPBACK, seconds=SHORT),
            mailer=Mailer(self.mail, seconds=5),
            digest_minutes=60,
        )
        return dataclasses.replace(made, **changes)

    def member(self, member_id: str) -> MemberSimulator:
        return self.taskforce.members[member_id]

    def post(self, dispatcher: Dispatcher | None = None) -> int:
        """Deliver all webhooks that are due; how many attempts."""
        by = dispatcher or self.dispatcher
        return by.deliver_webhooks(failing=False) + by.deliver_webhooks(failing=True)

    def advance(self, **by: float) -> None:
        self.taskforce.clock.advance(**by)  # type: ignore[attr-defined]

    def begin(self, member_id: str, target: str, channel: str = "webhook", **filters: Any) -> dict[str, Any]:
        """A new subscription, unconfirmed."""
        form = {"channel": channel, "target": target, **filters}
        answer = self.member(member_id).send("POST", "/v1/subscriptions", form)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.get_json()
        return made

    def subscribe(self, member_id: str, to: Receiver, **filters: Any) -> dict[str, Any]:
        """A webhook subscription, confirmed with the code that its receiver got; the receiver then forgets it."""
        made = self.begin(member_id, to.url, **filters)
        patient = WebhookClient(LOOPBACK, seconds=PATIENT)
        self.post(self.make_dispatcher(self.taskforce.database, webhooks=patient))
        self.act(member_id, made, "confirm", {"code": to.received[-1].value["data"]["code"]})
        to.received.clear()
        to.arrived.clear()
        return made

    def act(self, member_id: str, subscription: dict[str, Any], name: str, value: Any = None) -> dict[str, Any]:
        """A step that is allowed."""
        path = f"/v1/subscriptions/{subscription['subscription_id']}/{name}"
        answer = self.member(member_id).send("POST", path, {} if value is None else value)
        assert answer.status_code == 200, answer.text
        done: dict[str, Any] = answer.get_json()
        return done

    def show(self, member_id: str) -> list[dict[str, Any]]:
        """A member's subscriptions as it is shown them."""
        answer = self.member(member_id).send("GET", "/v1/subscriptions")
        assert answer.status_code == 200, answer.text
        shown: list[dict[str, Any]] = answer.get_json()["subscriptions"]
        return shown

    def deliveries(self, member_id: str, subscription: dict[str, Any], state: str = "") -> list[dict[str, Any]]:
        """A subscription's deliveries of alerts as its member is shown them."""
        path = f"/v1/subscriptions/{subscription['subscription_id']}/deliveries"
        answer = self.member(member_id).send("GET", path + (f"?state={state}" if state else ""))
        assert answer.status_code == 200, answer.text
        return [row for row in answer.get_json()["deliveries"] if row["kind"] == "alert"]

    def rows(self) -> Sequence[Delivery]:
        """Every delivery of an alert, as stored."""
        with self.taskforce.database.reading() as session:
            rows = select(Delivery).where(Delivery.kind == "alert").order_by(Delivery.delivery_id)
            return session.scalars(rows).all()

    def stored(self, subscription: dict[str, Any]) -> Subscription:
        with self.taskforce.database.reading() as session:
            return session.get_one(Subscription, subscription["subscription_id"])

    def told(self, member_id: str) -> list[dict[str, Any]]:
        """What a member's log says of alerts that were pushed to it."""
        views = self.member(member_id).views("alert_told")
        return [view for view in views if view["channel"] in ("webhook", "mail")]

    def logged(self, member_id: str) -> list[str]:
        """The kinds of the events in a member's log, in order."""
        with self.taskforce.database.reading() as session:
            found = select(LogEntry.kind).where(LogEntry.member_id == member_id).order_by(LogEntry.entry_id)
            return list(session.scalars(found))

    def forget(self) -> int:
        """The job that deletes what need not be kept; how many rows."""
        return forget_deliveries(self.taskforce.database, self.taskforce.clock())


class MailScenario(DeliveryScenario):
    """With a mail server at `port`, which puts what it takes into the mailbox."""

    def __init__(self, taskforce: Taskforce, mailbox: Mailbox, port: int) -> None:
        super().__init__(taskforce, mail_at(port))
        self.mailbox = mailbox

    def send(self) -> int:
        """Send the mail that is due now; how many messages were tried."""
        return self.dispatcher.deliver_mail()

    def subscribe_by_mail(self, member_id: str, address: str, **filters: Any) -> dict[str, Any]:
        """A mail subscription, confirmed with the code in the mail; the mailbox is empty then."""
        made = self.begin(member_id, address, "mail", **filters)
        self.send()
        code = re.search(r"subscription confirm \S+ (\S+)", self.text_of_last())
        assert code is not None
        self.act(member_id, made, "confirm", {"code": code[1]})
        self.mailbox.raw.clear()
        return made

    def text_of_last(self) -> str:
        """The plain text of the last message."""
        body = self.mailbox.messages[-1].get_body(("plain",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")
