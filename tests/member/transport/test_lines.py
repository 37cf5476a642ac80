"""A server that drips bytes for ever holds no call beyond its time."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest

from member.errors import AnswerError, UnreachableError
from member.transport.channel import Channel, RuntimeEnvironment
from tests.alerts.delivery.certificates import tls_for

_HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Dripping:
    """Answers with `start` at once, then one byte every tenth of a second, for ever; `whole` answers come first. With
    `tls` it is a proxy too, which has every tunnel end at itself.
    """

    def __init__(self, start: bytes, drip: bytes, whole: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.start, self.drip, self.whole, self.tls = start, drip, whole, tls
        self.asked = b""
        self.ended = threading.Event()
        self.hung_up = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.tls is not None:
                assert connection.recv(65_536).startswith(b"CONNECT exchange.test:443 ")
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                connection = self.tls.wrap_socket(connection, server_side=True)
            while (asked := connection.recv(65_536)) and self.whole > 0:
                self.whole -= 1
                connection.sendall(_HEADERS + b"Content-Length: 2\r\n\r\n{}")
            self.asked = asked
            connection.sendall(self.start)
            while not self.ended.wait(0.1):
                connection.sendall(self.drip)
        except OSError:
            self.hung_up.set()


@contextmanager
def dripping(start: bytes, drip: bytes, whole: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Dripping]:
    server = Dripping(start, drip, whole, tls)
    try:
        yield server
    finally:
        server.ended.set()
        server.listener.close()


def channel(url: str) -> Channel:
    around = RuntimeEnvironment(lambda: datetime.now(UTC), time.sleep, lambda url: None, patience=0.0, timeout=0.5)
    return Channel(url, None, around)


@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (b"", b"H"),
        (_HEADERS + b"X-Slow: ", b"x"),
        (_HEADERS + b"Content-Length: 1000000\r\n\r\n", b" "),
        (_HEADERS + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["first line", "header", "body", "chunks", "interim answers"],
)
def test_a_call_ends_though_bytes_keep_coming(start: bytes, drip: bytes) -> None:
    with dripping(start, drip) as server:
        one = channel(server.url)
        with pytest.raises(UnreachableError, match="ReadTimeout"):
            one.get("/v1/x")
        assert server.hung_up.wait(30)
        one.close()


def test_a_call_ends_though_the_name_is_looked_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, is_over, has_given_up = threading.Event(), threading.Event(), threading.Event()

    def look_up(*_args: object, **_named: object) -> NoReturn:
        asked.set()
        if not is_over.wait(20):
            has_given_up.set()
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    one = channel("https://exchange.test")
    try:
        with pytest.raises(UnreachableError, match="ReadTimeout"):
            one.get("/v1/x")
        assert asked.is_set()
        assert not has_given_up.is_set()
    finally:
        is_over.set()
        one.close()


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_an_answer_is_never_unpacked(layers: int) -> None:
    """Some kilobytes packed twice become gigabytes within one reading."""
    packed = bytes(1_000_000)
    for _ in range(layers):
        packed = gzip.compress(packed)
    named = b", ".join([b"gzip"] * layers)
    head = _HEADERS + b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (named, len(packed))
    with dripping(head + packed, b"") as server:
        one = channel(server.url)
        with pytest.raises(AnswerError, match="compressed"):
            one.get("/v1/x")
        assert b"accept-encoding: identity" in server.asked.lower()
        one.close()


def test_a_call_through_a_proxy_ends_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served, trusted = tls_for("exchange.test", tmp_path)
    monkeypatch.setattr("member.transport.channel._trust", lambda: trusted)
    with dripping(_HEADERS + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", whole=1, tls=served) as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        monkeypatch.setenv("NO_PROXY", "")
        one = channel("https://exchange.test")
        assert one.get("/v1/x").body == b"{}"
        with pytest.raises(UnreachableError, match="ReadTimeout"):
            one.get("/v1/x")
        assert server.hung_up.wait(30)
        one.close()


def test_a_call_whose_socket_is_not_known_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a proxy of a kind that httpx tells by other names."""
    monkeypatch.setattr("member.transport.client_pool._CONNECTED", ())
    with dripping(_HEADERS + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n") as server:
        one = channel(server.url)
        with pytest.raises(UnreachableError, match="ReadTimeout"):
            one.get("/v1/x")
        assert server.hung_up.wait(30)
        one.close()


def test_a_call_on_a_used_connection_ends_too() -> None:
    with dripping(_HEADERS, b"X", whole=3) as server:
        one = channel(server.url)
        for _ in range(3):
            assert one.get("/v1/x").body == b"{}"
        with pytest.raises(UnreachableError, match="ReadTimeout"):
            one.get("/v1/x")
        one.close()


def test_one_call_that_is_cut_leaves_those_beside_it_alone() -> None:
    with dripping(_HEADERS, b"X", whole=1) as server:
        one = channel(server.url)
        first = one.get("/v1/x")
        with pytest.raises(UnreachableError):
            one.get("/v1/x")
        server.whole = 1
        assert one.get("/v1/x").body == first.body
        one.close()
