"""Sending requests as they are, byte by byte: a client's library would mend or refuse the odd ones."""

from __future__ import annotations

import socket
from contextlib import suppress
from http.client import HTTPException, HTTPResponse

from tests.fuzz.judging import Answer
from tests.fuzz.making import Request

# Longer than the server takes to give up a client, so that silence means that it hangs.
SECONDS = 30.0


class NoAnswerError(Exception):
    """The server closed the connection without an answer, or said nothing in time (`is_hang`)."""

    def __init__(self, *, is_hang: bool, is_reused: bool) -> None:
        super().__init__("no answer in time" if is_hang else "no answer")
        self.is_hang = is_hang
        self.is_reused = is_reused


class Connection:
    """A kept-alive connection to a server on loopback; opened anew only when the server said that it closes it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._used = False

    def close(self) -> None:
        """Close it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, request: Request) -> Answer:
        """The answer to a request. Raises NoAnswerError."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=SECONDS)
            self._used = False
        try:
            answer = _exchange(self._socket, request)
        except TimeoutError:
            self.close()
            raise NoAnswerError(is_hang=True, is_reused=self._used) from None
        except (OSError, HTTPException):
            self.close()
            raise NoAnswerError(is_hang=False, is_reused=self._used) from None
        self._used = True
        if answer.will_close:
            self.close()
        return answer


def _exchange(connection: socket.socket, request: Request) -> Answer:
    # Refused before it was read, perhaps: the answer is there all the same.
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(to_bytes(request))
    response = HTTPResponse(connection, method=request.method)
    try:
        response.begin()
        body = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, body, response.will_close)
    finally:
        response.close()


def to_bytes(request: Request) -> bytes:
    """The request on the wire (HTTP/1.1)."""
    headers = {"Host": "exchange.test", **request.headers}
    if request.body or "Content-Type" in request.headers:
        headers.setdefault("Content-Length", str(len(request.body)))
    lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + request.body
