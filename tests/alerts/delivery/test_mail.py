"""E-mail against a real mail server on loopback: what is sent, to whom, once an interval, and what cannot be put in."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import AuthResult, LoginPassword

from alerts.delivery.mail import Addressed, Mailer, MailSettings, write_digest
from alerts.delivery.sending import DELIVERED
from schemas.alerts.subscriptions import PushedAlert
from schemas.values.identifiers import uuid7
from tests.alerts.delivery.certificates import tls_for
from tests.alerts.delivery.receivers import Mailbox, mail_server
from tests.alerts.delivery.scenario import SENDER, DeliveryScenario, MailScenario, mail_at
from tests.alerts.factories import release, step
from tests.taskforce.clock import NOW

ADDRESS = "analyst@bank.example"
TO = Addressed("s-1", ADDRESS)


def test_all_that_waits_comes_in_one_digest_once_an_interval(mail_scenario: MailScenario) -> None:
    made = mail_scenario.subscribe_by_mail("b", ADDRESS)
    references = []
    for _ in range(3):
        alert_id = release(mail_scenario.member("a"), tlp="GREEN", sources=[])
        references.append(mail_scenario.member("b").send("GET", f"/v1/alerts/{alert_id}").get_json()["reference"])
    assert mail_scenario.send() == 0
    assert mail_scenario.told("b") == []
    mail_scenario.advance(hours=1)
    assert mail_scenario.send() == 1
    (message,) = mail_scenario.mailbox.messages
    assert (message["From"], message["To"], message["Subject"]) == (SENDER, ADDRESS, "3 alerts to read")
    assert message["Auto-Submitted"] == "auto-generated"
    for part in ("plain", "html"):
        body = message.get_body((part,))
        assert body is not None
        for reference in references:
            assert f"{reference} (TLP:GREEN)" in body.get_content()
        assert "Traffic Light Protocol" in body.get_content()
        assert "Mule accounts opened with forged payslips" in body.get_content()
        assert f"member subscription end {made['subscription_id']}" in body.get_content()
    (told,) = mail_scenario.told("b")
    assert (told["channel"], len(told["alerts"])) == ("mail", 3)
    assert [row["state"] for row in mail_scenario.deliveries("b", made)] == ["delivered"] * 3
    mail_scenario.advance(hours=1)
    assert mail_scenario.send() == 0


def test_mail_gives_amber_by_reference_alone_and_red_not_at_all(mail_scenario: MailScenario) -> None:
    mail_scenario.subscribe_by_mail("b", ADDRESS)
    for tlp in ("AMBER", "AMBER+STRICT", "RED"):
        release(mail_scenario.member("a"), tlp=tlp, sources=[])
    mail_scenario.advance(hours=1)
    mail_scenario.send()
    text = mail_scenario.text_of_last()
    assert "(TLP:AMBER), published\n" in text
    assert "(TLP:AMBER+STRICT), published\n" in text
    assert "TLP:RED" not in text
    assert b"Mule" not in mail_scenario.mailbox.raw[0]


def test_a_digest_shows_the_state_of_its_alerts_when_it_is_sent(mail_scenario: MailScenario) -> None:
    """A withdrawn alert is listed as withdrawn; one whose audience no longer has the reader is dropped."""
    mail_scenario.subscribe_by_mail("b", ADDRESS)
    alert_id = release(mail_scenario.member("a"))
    step(mail_scenario.member("a"), alert_id, "withdraw", {"reason": "wrong"})
    mail_scenario.taskforce.state_group(["a", "b", "c"], "cell")
    release(mail_scenario.member("a"), audience={"groups": ["cell"], "kinds": []})
    mail_scenario.taskforce.state_group(["a", "c"], "cell")
    mail_scenario.advance(hours=1)
    assert mail_scenario.send() == 1
    assert mail_scenario.mailbox.messages[0]["Subject"] == "1 alert to read"
    assert "withdrawn" in mail_scenario.text_of_last()
    assert sorted(row.state for row in mail_scenario.rows()) == ["delivered", "dropped", "dropped"]


def test_a_refused_digest_is_sent_again_as_the_same_message(
    mail_scenario: MailScenario,
) -> None:
    """What was published meanwhile waits for the next digest."""
    made = mail_scenario.subscribe_by_mail("b", ADDRESS)
    release(mail_scenario.member("a"))
    mail_scenario.advance(hours=1)
    mail_scenario.mailbox.refuse = "451 later"
    assert mail_scenario.send() == 1
    assert mail_scenario.deliveries("b", made)[0]["error"] == "the address was refused (451)"
    release(mail_scenario.member("a"))
    mail_scenario.mailbox.refuse = ""
    mail_scenario.advance(seconds=6)
    assert mail_scenario.send() == 1
    mail_scenario.advance(hours=1)
    assert mail_scenario.send() == 1
    first, second = mail_scenario.mailbox.messages
    waited = mail_scenario.deliveries("b", made)
    assert first["Message-ID"] == f"<{waited[0]['message_id']}@exchange.example>"
    assert second["Message-ID"] == f"<{waited[1]['message_id']}@exchange.example>"
    assert first["Message-ID"] != second["Message-ID"]
    assert [message["Subject"] for message in (first, second)] == ["1 alert to read"] * 2


def test_a_permanently_refused_address_is_dead_until_a_replay(
    mail_scenario: MailScenario,
) -> None:
    made = mail_scenario.subscribe_by_mail("b", ADDRESS)
    release(mail_scenario.member("a"))
    mail_scenario.advance(hours=1)
    mail_scenario.mailbox.refuse = "550 nobody of that name"
    assert mail_scenario.send() == 1
    assert [row["error"] for row in mail_scenario.deliveries("b", made, "dead")] == ["the address was refused (550)"]
    mail_scenario.mailbox.refuse = ""
    assert mail_scenario.act("b", made, "replay", {"since": "2026-01-01"}) == {"replayed": 1}
    mail_scenario.advance(hours=1)
    assert mail_scenario.send() == 1
    assert len(mail_scenario.mailbox.raw) == 1
    assert len(mail_scenario.told("b")) == 1


def test_a_mail_server_that_is_away_loses_nothing(mail_scenario: MailScenario) -> None:
    mail_scenario.subscribe_by_mail("b", ADDRESS)
    release(mail_scenario.member("a"))
    mail_scenario.advance(hours=1)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = mail_scenario.make_dispatcher(
            mail_scenario.taskforce.database, mailer=Mailer(mail_at(unused.getsockname()[1]))
        )
        assert away.deliver_mail() == 1
    assert [row.last_error for row in mail_scenario.rows()] == ["the mail server cannot be reached"]
    mail_scenario.advance(seconds=6)
    assert mail_scenario.send() == 1
    assert len(mail_scenario.mailbox.raw) == 1


def test_nobody_subscribes_a_stranger_or_writes_a_header(mail_scenario: MailScenario) -> None:
    for address in (
        *("analyst@bank.example\nBcc: x@evil.example", "a@b.example,c@d.example", "Analyst <a@b.example>", "a@b"),
        *(
            "a@@b.example",
            ".a@b.example",
            "a..b@b.example",
            '"a b"@b.example',
            "a@b.example>",
            "é@b.example",
            "a@[10.0.0.1]",
        ),
        *("a" * 65 + "@b.example", "a@" + "b" * 64 + ".example", "a b@c.example", "@b.example", "a@-b.example"),
    ):
        answer = mail_scenario.member("b").send("POST", "/v1/subscriptions", {"channel": "mail", "target": address})
        assert answer.status_code in (403, 422), address
    assert mail_scenario.show("b") == []
    mail_scenario.begin("b", ADDRESS, "mail")
    release(mail_scenario.member("a"))
    mail_scenario.advance(hours=2)
    mail_scenario.send()
    assert [message["Subject"] for message in mail_scenario.mailbox.messages] == ["Confirm a subscription to alerts"]
    assert mail_scenario.mailbox.recipients == [[ADDRESS]]


def test_author_text_is_never_markup_or_a_header_of_the_mail() -> None:
    shown = PushedAlert(
        alert_id=uuid7(),
        reference="4711-NECC",
        version=1,
        state="published",
        tlp="GREEN",
        title="<script>alert(1)</script>\r\nBcc: evil@evil.example &amp;",
        colour="red",
        theme="tax_evasion",
    )
    message = write_digest(SENDER, TO, "m-1", [shown], NOW)
    html = message.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()
    assert "&lt;script&gt;" in html.get_content()
    assert message["Bcc"] is None
    assert {name.lower() for name in message.keys()} == {  # noqa: SIM118 - a message is no mapping
        *("from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type"),
    }


def test_a_login_and_a_message_go_through_tls_only(tmp_path: Path) -> None:
    server, trusting = tls_for("localhost", tmp_path)
    mailbox, seen = Mailbox(), []

    def check(_server: object, _session: object, _envelope: object, _mechanism: str, data: LoginPassword) -> AuthResult:
        seen.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)

    options = {"tls_context": server, "require_starttls": True, "authenticator": check, "auth_required": True}
    with mail_server(mailbox, **options) as port:
        message = write_digest(SENDER, TO, "m-1", [], NOW)

        def send(password: str, security: str = "starttls", tls: Any = trusting) -> str:
            settings = MailSettings("localhost", port, security, "exchange", SENDER, password)
            return Mailer(settings, tls).send(message, ADDRESS).error

        assert send("right") == DELIVERED.error
        assert send("wrong") == "the mail server refused (535)"
        assert send("right", tls=None) == "the mail server cannot be reached"
        assert set(seen) == {(b"exchange", b"right"), (b"exchange", b"wrong")}
        assert len(mailbox.raw) == 1
    assert "right" not in repr(MailSettings("h", 1, "tls", "u", SENDER, "right"))


def test_without_a_mail_server_no_mail_leaves(small_scenario: DeliveryScenario) -> None:
    assert small_scenario.dispatcher.deliver_mail() == 0
