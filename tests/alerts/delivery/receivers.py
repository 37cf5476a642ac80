"""Receivers of webhooks on loopback that behave as a test tells them, and a mail server: real sockets, real bytes."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope

from tests.ports import free_port

Behaviour = Callable[["Receiver", socket.socket], None]


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def value(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


@dataclass
class Receiver:
    """Answers each connection as `behave` does; what came is in `received`."""

    port: int
    behave: Behaviour
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def serve(self, plain: socket.socket, tls: ssl.SSLContext | None) -> None:
        with plain, contextlib.suppress(OSError, ValueError):
            self.connections += 1
            plain.settimeout(30)
            connection = plain if tls is None else tls.wrap_socket(plain, server_side=True)
            self.received.append(_read_request(connection))
            self.arrived.set()
            self.behave(self, connection)


@contextmanager
def receiver(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver that runs during the block, under `tls` if given."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Receiver(listener.getsockname()[1], behave)
        threads: list[threading.Thread] = []

        def accept() -> None:
            while not made.ended.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=made.serve, args=(connection, tls)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield made
        finally:
            made.ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *threads):
                thread.join()


def _read_request(connection: socket.socket) -> Received:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65_536)
        if not part:
            raise ValueError("no request")
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65_536)
    return Received(first.split(" ")[1], headers, body)


def answering(status: int, *headers: str) -> Behaviour:
    """Answers with a status."""
    head = "\r\n".join([f"HTTP/1.1 {status} Said", *headers, "Content-Length: 2", "", ""]).encode()
    return lambda _, connection: connection.sendall(head + b"ok")


ok = answering(204)


def hang(made: Receiver, _: socket.socket) -> None:
    """Says nothing until the test is over."""
    made.ended.wait(30)


def drip(made: Receiver, connection: socket.socket) -> None:
    """Begins an answer, and goes on with a byte every few milliseconds for as long as anyone listens."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not made.ended.wait(0.01):
        connection.sendall(b"a")


def flood(made: Receiver, connection: socket.socket) -> None:
    """Sends interim answers without end, as fast as it can."""
    while not made.ended.is_set():
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def close_early(_: Receiver, connection: socket.socket) -> None:
    """Ends in the middle of the head."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")


def endless_body(made: Receiver, connection: socket.socket) -> None:
    """Says 200, and sends a body that never ends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not made.ended.is_set():
        connection.sendall(b"1\r\na\r\n" * 1000)


def no_http(_: Receiver, connection: socket.socket) -> None:
    """Speaks another protocol."""
    connection.sendall(b"220 mail.example ESMTP\r\n")


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One after the other, the last one from then on."""
    left = list(behaviours)

    def behave(made: Receiver, connection: socket.socket) -> None:
        now = left.pop(0) if len(left) > 1 else left[0]
        now(made, connection)

    return behave


class Mailbox:
    """What a mail server took; `refuse` answers RCPT in place of taking it."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.recipients: list[list[str]] = []
        self.refuse = ""

    async def handle_RCPT(  # noqa: N802 - its name at aiosmtpd
        self, server: SMTP, session: object, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: object, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.raw.append(envelope.content)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"

    @property
    def messages(self) -> list[EmailMessage]:
        """As a mail program reads them."""
        return [message_from_bytes(raw, policy=default) for raw in self.raw]


@contextmanager
def mail_server(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    """A mail server that runs during the block; its port."""
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
