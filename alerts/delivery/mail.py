"""E-mail: one digest for each subscription and interval, and the code that confirms an address.

A header is made of nothing that a person wrote: the subject counts, the addresses were checked when they were stored,
and the library refuses line ends. What an alert says goes into the body alone, escaped where it is HTML. How much that
is depends on the TLP (alerts.domain.subscription).
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

import msgspec

from alerts.delivery.sending import DELIVERED, AttemptOutcome
from schemas.alerts.subscriptions import PushedAlert
from schemas.rendering.words import in_words

_SECONDS = 20.0
_PERMANENT = 500
_CAVEAT = (
    "Handle each alert by its Traffic Light Protocol (TLP 2.0) label. Do not forward this message: it is for the "
    "subscribing member alone. It tells that there is something to read; the alerts themselves are at the exchange."
)


@dataclass(frozen=True, slots=True)
class MailSettings:
    """How mail leaves: the operator's own server, and the address it comes from. An empty host means none does."""

    host: str
    port: int
    security: str
    user: str
    sender: str
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Addressed:
    """Whom a message goes to: the subscription and its address."""

    subscription_id: str
    address: str


class Mailer:
    """Hands messages to the operator's server; a new connection for each, so that one cannot spoil another."""

    def __init__(self, settings: MailSettings, tls: ssl.SSLContext | None = None, seconds: float = _SECONDS) -> None:
        self.settings = settings
        self._tls = tls or ssl.create_default_context()
        self._seconds = seconds

    def send(self, message: EmailMessage, address: str) -> AttemptOutcome:
        """Hand over one message. Never raises for anything that the server or the network does."""
        try:
            with self._connect() as server:
                if self.settings.user:
                    server.login(self.settings.user, self.settings.password)
                server.send_message(message, self.settings.sender, [address])
        except smtplib.SMTPRecipientsRefused as error:
            code = next((code for code, _ in error.recipients.values()), 0)
            return AttemptOutcome(f"the address was refused ({code})", is_final=code >= _PERMANENT)
        except smtplib.SMTPResponseException as error:
            return AttemptOutcome(f"the mail server refused ({error.smtp_code})")
        except (smtplib.SMTPException, OSError):
            return AttemptOutcome("the mail server cannot be reached")
        return DELIVERED

    def _connect(self) -> smtplib.SMTP:
        known = self.settings
        if known.security == "tls":
            return smtplib.SMTP_SSL(known.host, known.port, timeout=self._seconds, context=self._tls)
        server = smtplib.SMTP(known.host, known.port, timeout=self._seconds)
        if known.security == "starttls":
            try:
                server.starttls(context=self._tls)
            except BaseException:
                server.close()
                raise
        return server


def write_digest(
    sender: str, to: Addressed, message_id: str, alerts: Sequence[PushedAlert], now: datetime
) -> EmailMessage:
    """One message about all that waits. `alerts` are in the order of the references."""
    count = len(alerts)
    subject = f"{count} alert to read" if count == 1 else f"{count} alerts to read"
    lines = [_line(alert) for alert in alerts]
    text = "\n".join(
        [
            _CAVEAT,
            "",
            *(f"- {line}" for line in lines),
            "",
            "Read one: member alert read REFERENCE",
            f"End these messages: member subscription end {to.subscription_id}",
            "",
        ]
    )
    rows = "".join(f"<li>{escape(line)}</li>" for line in lines)
    html = (
        f'<!DOCTYPE html><html lang="en"><body><p><strong>{escape(_CAVEAT)}</strong></p><ul>{rows}</ul>'
        "<p>Read one: <code>member alert read REFERENCE</code><br>"
        f"End these messages: <code>member subscription end {escape(to.subscription_id)}</code></p></body></html>"
    )
    message = _message(sender, to, message_id, subject, now)
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message


def write_code(sender: str, to: Addressed, message_id: str, code: str, now: datetime) -> EmailMessage:
    """The message that lets a subscriber show that the address wants alerts."""
    message = _message(sender, to, message_id, "Confirm a subscription to alerts", now)
    message.set_content(
        "A member of the intelligence-sharing exchange asked for alerts to be sent to this address. If it was you:\n\n"
        f"    member subscription confirm {to.subscription_id} {code}\n\n"
        "If not, do nothing: nothing else will be sent here.\n"
    )
    return message


def write_test(sender: str, to: Addressed, message_id: str, now: datetime) -> EmailMessage:
    """A message that says nothing."""
    message = _message(sender, to, message_id, "A test of a subscription to alerts", now)
    message.set_content(f"The subscription {to.subscription_id} works.\n")
    return message


def _message(sender: str, to: Addressed, message_id: str, subject: str, now: datetime) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(addr_spec=sender)
    message["To"] = Address(addr_spec=to.address)
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{message_id}@{sender.partition('@')[2]}>"
    # RFC 3834: no answering machine answers.
    message["Auto-Submitted"] = "auto-generated"
    return message


def _line(alert: PushedAlert) -> str:
    """`4711-NECC (TLP:GREEN), published, amber, fraud: title`, as far as the TLP lets it."""
    head = f"{alert.reference} (TLP:{alert.tlp}), {alert.state}"
    if alert.title is msgspec.UNSET or alert.theme is msgspec.UNSET:
        return head
    return f"{head}, colour {alert.colour}, theme {in_words(alert.theme)}: {alert.title}"
