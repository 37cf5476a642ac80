"""The server itself, on a socket: slow clients, kept connections, and what is no HTTP."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.fuzz.judging import Answer
from tests.fuzz.services import Service, running_exchange, running_holder

HOST = b"Host: exchange.test\r\n"
FORM = HOST + b"Content-Type: application/json\r\nIdempotency-Key: some-key-1\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
THREADS = 4


@pytest.fixture(scope="module", params=["exchange", "holder"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Each of the two, in its own process, with four threads."""
    folder: Path = tmp_path_factory.mktemp("service")
    start = {"exchange": running_exchange, "holder": running_holder}[request.param]
    with start(folder, f"sqlite:///{folder / 'test.db'}") as running:
        yield running


def connect(service: Service) -> socket.socket:
    """A new connection."""
    return socket.create_connection(("127.0.0.1", service.port), timeout=60)


def receive(connection: socket.socket) -> Answer:
    """One answer."""
    response = HTTPResponse(connection)
    try:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read(), response.will_close)
    finally:
        response.close()


def ask(connection: socket.socket, message: bytes) -> Answer:
    """The answer to a message."""
    connection.sendall(message)
    return receive(connection)


def check_problem(answer: Answer, status: int) -> None:
    """It is a problem document of that status."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    document = json.loads(answer.body)
    assert (document["status"], document["type"][:21]) == (status, "urn:exchange:problem:")


UNREAD = {
    "a body too long": (b"POST /v1/statements HTTP/1.1\r\n" + FORM + b"Content-Length: 99999999\r\n\r\n", 413),
    "a route that is not there": (b"POST /v1/nothing HTTP/1.1\r\n" + FORM + b"Content-Length: 300000\r\n\r\n", 404),
    "another method": (b"PUT /v1/statements HTTP/1.1\r\n" + FORM + b"Content-Length: 300000\r\n\r\n", 405),
    "another type": (
        b"POST /v1/statements HTTP/1.1\r\n" + HOST + b"Content-Type: text/plain\r\nContent-Length: 300000\r\n\r\n",
        415,
    ),
    "a body where none is wanted": (b"GET /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 300000\r\n\r\n", 400),
    "chunks where none are wanted": (
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n",
        400,
    ),
}


@pytest.mark.parametrize("what", sorted(UNREAD))
def test_a_connection_whose_request_was_left_unread_is_said_to_be_closed(service: Service, what: str) -> None:
    head, status = UNREAD[what]
    with connect(service) as connection:
        assert not ask(connection, HEALTH).will_close
        connection.sendall(head + b"x" * 300_000)
        answer = receive(connection)
        check_problem(answer, status)
        assert answer.will_close
        assert answer.headers["connection"] == "close"
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_a_connection_whose_refused_request_was_read_is_kept(service: Service) -> None:
    with connect(service) as connection:
        for _ in range(3):
            answer = ask(connection, b"POST /v1/statements HTTP/1.1\r\n" + FORM + b"Content-Length: 3\r\n\r\n[[[")
            assert 400 <= answer.status < 500
            assert not answer.will_close
            assert ask(connection, HEALTH).status == 200


def test_a_body_in_chunks_without_length_is_read_and_bounded(service: Service) -> None:
    head = b"POST /v1/statements HTTP/1.1\r\n" + FORM + b"Transfer-Encoding: chunked\r\n\r\n"
    with connect(service) as connection:
        answer = ask(connection, head + b"2\r\n[]\r\n0\r\n\r\n")
        assert answer.status in {401, 422}
        assert ask(connection, HEALTH).status == 200
    with connect(service) as connection:
        endless = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before its end
            connection.sendall(head)
            for _ in range(6):
                connection.sendall(endless)
        check_problem(receive(connection), 413)
    for garbled in (b"zz\r\n", b"-1\r\n", b"2\r\n[]xx", b"fffffffffffffffff\r\n"):
        with connect(service) as connection:
            connection.sendall(head + garbled)
            connection.shutdown(socket.SHUT_WR)
            answer = receive(connection)
            check_problem(answer, 400)
            assert answer.will_close


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /healthz HTTP/9.9\r\n" + HOST + b"\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"A\0B: 1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 500 + b"\r\n", 431),
        (b"GET /healthz?" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"POST /v1/statements HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST /v1/statements HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
        (b"POST /v1/statements HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (
            b"POST /v1/statements HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"Expect: wonders\r\n\r\n", 417),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ],
)
def test_what_is_no_http_gets_a_problem_document_too(service: Service, message: bytes, status: int) -> None:
    with connect(service) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before its end
            connection.sendall(message)
        answer = receive(connection)
        check_problem(answer, status)
        assert answer.will_close


def test_what_a_stranger_sends_is_not_quoted_in_the_log(service: Service) -> None:
    canary = b"60161331926819"
    for line in (
        b"X\0" + canary + b": 1\r\n",
        b"Expect: " + canary + b"\r\n",
        b"Transfer-Encoding: " + canary + b"\r\n",
    ):
        with connect(service) as connection:
            assert ask(connection, b"GET /" + canary + b" HTTP/1.1\r\n" + HOST + line + b"\r\n").status >= 400
    told = service.log_file.read_bytes()
    assert b"request refused before the application" in told
    assert canary not in told


def trickle(connection: socket.socket, stop: threading.Event) -> None:
    """Send a byte a second until told to stop, or refused."""
    while not stop.wait(1.0):
        try:
            connection.sendall(b"x")
        except OSError:
            return


def test_a_slow_client_holds_no_thread_for_ever_and_idle_ones_hold_none(service: Service) -> None:
    """As many slow clients as there are threads: they are given up, and everyone else is then served."""
    beginnings = [
        b"GET /heal",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-Slow: ",
        b"POST /v1/statements HTTP/1.1\r\n" + FORM + b"Content-Length: 9999\r\n\r\n",
        b"POST /v1/statements HTTP/1.1\r\n" + FORM + b"Transfer-Encoding: chunked\r\n\r\n270f\r\n",
    ]
    stop = threading.Event()
    idle = [connect(service) for _ in range(3 * THREADS)]
    with connect(service) as connection:
        # Idle connections alone leave all threads free.
        assert ask(connection, HEALTH).status == 200
    slow = [connect(service) for _ in beginnings]
    try:
        with ThreadPoolExecutor(len(slow)) as pool:
            for connection, beginning in zip(slow, beginnings, strict=True):
                connection.sendall(beginning)
                pool.submit(trickle, connection, stop)
            answers = list(pool.map(receive, slow))
            stop.set()
        for answer in answers:
            check_problem(answer, 408)
            assert answer.will_close
        with connect(service) as connection:
            assert ask(connection, HEALTH).status == 200
        assert ask(idle[0], HEALTH).status == 200
    finally:
        stop.set()
        for connection in (*idle, *slow):
            connection.close()


def test_a_client_that_does_not_close_does_not_stop_the_others(service: Service) -> None:
    """Each answer is the last on its connection, and the client keeps that open all the same."""
    message = b"POST /v1/nothing HTTP/1.1\r\n" + FORM + b"Content-Length: 300000\r\n\r\n"
    lingering = [connect(service) for _ in range(THREADS - 1)]
    try:
        for connection in lingering:
            assert ask(connection, message).status == 404
        with connect(service) as connection:
            assert ask(connection, HEALTH).status == 200
    finally:
        for connection in lingering:
            connection.close()
