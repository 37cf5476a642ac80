"""One attempt against receivers that misbehave: it ends, and says what was wrong in words of ours."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.delivery.sending import DELIVERED, AttemptOutcome, Resolve, WebhookClient, resolve_name
from exchange.configuration.allowed_targets import AllowedTargets
from tests.alerts.delivery import receivers
from tests.alerts.delivery.certificates import tls_for
from tests.alerts.delivery.receivers import Behaviour, answering, receiver
from tests.alerts.delivery.scenario import LOOPBACK, SHORT

BROKE = "the connection broke, or the answer is not HTTP"
LATE = "no answer in time"
REFUSED = "the host resolves to an address that is not a public one"


def post(url: str, client: WebhookClient | None = None) -> AttemptOutcome:
    return (client or WebhookClient(LOOPBACK, seconds=SHORT)).post(url, {"webhook-id": "1"}, b"{}")


@pytest.mark.parametrize(
    ("behave", "outcome"),
    [
        (answering(200), DELIVERED),
        (answering(204), DELIVERED),
        (answering(299), DELIVERED),
        (answering(304), AttemptOutcome("answered 304: redirects are not followed")),
        (answering(400), AttemptOutcome("answered 400")),
        (answering(410), AttemptOutcome("answered 410", is_gone=True)),
        (answering(503, "Retry-After: 1"), AttemptOutcome("answered 503")),
        (receivers.hang, AttemptOutcome(LATE)),
        (receivers.drip, AttemptOutcome(LATE)),
        (receivers.flood, AttemptOutcome(BROKE)),
        (receivers.close_early, AttemptOutcome(BROKE)),
        (receivers.no_http, AttemptOutcome(BROKE)),
        (receivers.endless_body, DELIVERED),
    ],
)
def test_every_receiver_gets_one_attempt_that_ends(behave: Behaviour, outcome: AttemptOutcome) -> None:
    with receiver(behave) as to:
        assert post(to.url) == outcome
        assert [(one.target, one.body) for one in to.received] == [("/hook", b"{}")]
        assert to.received[0].headers["host"] == f"127.0.0.1:{to.port}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere(status: int) -> None:
    with receiver(receivers.ok) as inside, receiver(answering(status, f"Location: {inside.url}")) as to:
        assert post(to.url).error == f"answered {status}: redirects are not followed"
        assert (to.connections, inside.connections) == (1, 0)


def test_nobody_there_is_told_as_no_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert post(f"http://127.0.0.1:{unused.getsockname()[1]}/").error == "no connection, or TLS refused"


def test_the_certificate_must_be_for_the_name_not_the_address(tmp_path: Path) -> None:
    server, trusting = tls_for("hooks.bank.example", tmp_path)
    client = WebhookClient(LOOPBACK, seconds=5, resolve=lambda *_: ["127.0.0.1"], tls=trusting)
    with receiver(receivers.ok, server) as to:
        assert post(f"https://hooks.bank.example:{to.port}/hook", client) == DELIVERED
        assert len(to.received) == 1
        for url in (f"https://other.bank.example:{to.port}/", f"https://127.0.0.1:{to.port}/"):
            assert post(url, client).error == "no connection, or TLS refused"
        stranger = WebhookClient(LOOPBACK, seconds=5, resolve=lambda *_: ["127.0.0.1"])
        assert post(f"https://hooks.bank.example:{to.port}/", stranger).error == "no connection, or TLS refused"
        assert len(to.received) == 1


def test_a_receiver_that_speaks_no_tls_gets_nothing() -> None:
    with receiver(receivers.ok) as to:
        assert post(to.url.replace("http:", "https:")).error
        assert to.received == []


def resolving_to(addresses: list[str]) -> Resolve:
    return lambda host, port: addresses


def test_a_name_that_resolves_inside_is_not_connected_to() -> None:
    with receiver(receivers.ok) as to:
        for inside in (["127.0.0.1"], ["9.9.9.9", "127.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254"]):
            client = WebhookClient(AllowedTargets(), seconds=SHORT, resolve=resolving_to(inside))
            assert post(f"https://hooks.bank.example:{to.port}/", client).error == REFUSED
        assert to.connections == 0


def test_a_name_is_resolved_once_for_each_attempt() -> None:
    """What the name resolves to a moment later (DNS rebinding) cannot reach the connection."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    client = WebhookClient(LOOPBACK, seconds=SHORT, resolve=resolve)
    with receiver(receivers.ok) as to:
        url = f"http://hooks.bank.example:{to.port}/"
        assert post(url, client) == DELIVERED
        assert to.received[0].headers["host"] == f"hooks.bank.example:{to.port}"
        assert asked == ["hooks.bank.example"]
        assert post(url, client).error == REFUSED
        assert to.connections == 1


def test_an_address_that_does_not_answer_gives_way_to_the_next() -> None:
    allowed = AllowedTargets.parse("127.0.0.0/8")
    with receiver(receivers.ok) as to:
        client = WebhookClient(allowed, seconds=SHORT, resolve=lambda *_: ["127.0.0.2", "127.0.0.1"])
        assert post(f"http://hooks.bank.example:{to.port}/", client) == DELIVERED


def test_a_name_without_an_address_is_no_connection() -> None:
    assert post("http://hooks.invalid:8443/", WebhookClient(LOOPBACK, resolve=lambda *_: [])).error.startswith(
        "no conn"
    )
    assert resolve_name("127.0.0.1", 80) == ["127.0.0.1"]
    assert resolve_name("a" * 70 + ".example", 80) == []


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A proxy that the environment names; what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{listener.getsockname()[1]}")
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    asked.append(connection.recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        ended.set()
        thread.join()


def test_a_proxy_of_the_environment_does_not_come_between(proxy: list[bytes]) -> None:
    with receiver(receivers.ok) as to:
        assert post(to.url) == DELIVERED
    assert proxy == []
