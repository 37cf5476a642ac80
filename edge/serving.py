"""Serving a web application with gunicorn: threads in each worker, no control socket, a clean stop on SIGTERM.

A client cannot hold a thread, by these rules:
1. A connection on which nothing came yet waits in the poller, not in a thread.
2. A request, head and body, is there 10 seconds after its first byte, and a second later for each 64 KiB received; else
   it is answered 408 and the connection closed. An answer is taken within 60 seconds.
3. An answer that leaves a part of the request unread says `Connection: close`, so that no client sends its next
   request on a connection that is being closed. What the client still sends is taken for 2 seconds, by the thread
   that answered.
4. What is no HTTP is answered with a problem document too, and quoted neither there nor in the log.
In front of the open internet stands a buffering proxy all the same: threads are few.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import msgspec
from gunicorn.app.base import BaseApplication
from gunicorn.http import errors
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.workers import gthread

from schemas.problems import MEDIA_TYPE, Problem

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Of <malloc.h>."""
_LARGE_BYTES = 128 * 1024
_TRIM_SECONDS = 30
REQUEST_SECONDS = 10
BYTES_A_SECOND = 64 * 1024
_ANSWER_SECONDS = 60
_LINGER_SECONDS, _LINGER_BYTES = 2, 16 * 1024 * 1024
_GRACEFUL_SECONDS = 30
# Longer than a client's pool keeps a connection, so that the client closes first and no request meets a closed one.
_KEEPALIVE_SECONDS = 75
_STATUSES: Mapping[type[Exception], HTTPStatus] = {
    TimeoutError: HTTPStatus.REQUEST_TIMEOUT,
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}


class Server(BaseApplication):  # type: ignore[misc] # the library has no types
    """A gunicorn master. Each worker process makes its application after the fork."""

    def __init__(
        self, make_application: Callable[[], Any], *, host: str, port: int, workers: int, threads: int, **options: Any
    ) -> None:
        self._make_application = make_application
        self._options: dict[str, Any] = {
            "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "workers": workers,
            "threads": threads,
            "worker_class": PacedWorker,
            "timeout": 120,
            "graceful_timeout": _GRACEFUL_SECONDS,
            "keepalive": _KEEPALIVE_SECONDS,
            "control_socket_disable": True,
            # Nobody is believed who says that he forwards for another.
            "forwarded_allow_ips": "",
            "accesslog": None,
            "loglevel": "warning",
            **options,
        }
        super().__init__()

    def load_config(self) -> None:
        """Our options and nothing from files, the environment or the command line."""
        for name, value in self._options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        """The application of this worker process. What it is made of stays for good, so the collector of garbage need
        not look at it again with every few requests.
        """
        _keep_small()
        application = self._make_application()
        gc.collect()
        gc.freeze()
        return application


def _keep_small() -> None:
    """Let all threads allocate from one arena, and large bodies from the system. By itself glibc gives each thread an
    arena of its own, takes larger and larger bodies from them and returns little, so that a process of many threads
    grows for hours; elsewhere there is nothing to set.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        for name, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _LARGE_BYTES), (_M_TRIM_THRESHOLD, _LARGE_BYTES)):
            library.mallopt(name, value)


def _give_back() -> None:
    """Return to the system what is free between what is in use; glibc alone does so."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class PacedSocket(socket.socket):
    """A client's connection that reads and writes within the time of the module's rules."""

    _started_at = 0.0
    _received = 0
    _is_ended = False

    def start_request(self) -> None:
        """From now on the next request's time runs."""
        self._started_at, self._received = time.monotonic(), 0

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """As socket's; empty once ended. Raises TimeoutError when the request's time is over."""
        if self._is_ended:
            return b""
        ends_at = self._started_at + REQUEST_SECONDS + self._received / BYTES_A_SECOND
        data: bytes = self._within(ends_at - time.monotonic(), lambda: super(PacedSocket, self).recv(size, flags))
        self._received += len(data)
        return data

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """As socket's. Raises BrokenPipeError for a client that does not take the answer."""
        try:
            self._within(_ANSWER_SECONDS, lambda: super(PacedSocket, self).sendall(data, flags))
        except TimeoutError:
            raise BrokenPipeError(errno.EPIPE, "the answer was not taken in time") from None

    def end(self) -> None:
        """Send no more, and take what the client still sends, so that it reads the answer before the end."""
        ends_at, taken = time.monotonic() + _LINGER_SECONDS, 0
        try:
            self.shutdown(socket.SHUT_WR)
            while taken < _LINGER_BYTES:
                more = self._within(ends_at - time.monotonic(), lambda: super(PacedSocket, self).recv(65_536))
                if not more:
                    break
                taken += len(more)
        except OSError:
            pass
        self._is_ended = True

    def _within(self, seconds: float, work: Callable[[], Any]) -> Any:
        if seconds <= 0:
            raise TimeoutError
        before = self.gettimeout()
        self.settimeout(seconds)
        try:
            return work()
        finally:
            self.settimeout(before)


class _Request(Request):  # type: ignore[misc]
    def should_close(self) -> bool:
        """Also when a part of the body is unread: where the next request begins is then unknown."""
        return bool(super().should_close()) or self._has_unread_body()

    def _has_unread_body(self) -> bool:
        body = getattr(self, "body", None)
        if body is None:
            return False
        if body.failed or body.buf.tell():
            return True
        reader = body.reader
        return bool(getattr(reader, "length", 0)) or getattr(reader, "parser", None) is not None


class _SlowRequestError(Exception):
    """The head of a request did not come in time. No OSError: those get no answer."""


class _Parser(RequestParser):  # type: ignore[misc]
    mesg_class = _Request

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except TimeoutError:
            raise _SlowRequestError from None


class PacedWorker(gthread.ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker of threads under the module's rules."""

    _trimmed_at = 0.0

    def notify(self) -> None:
        """Tell the master that this worker lives; now and then return memory."""
        super().notify()
        now = time.monotonic()
        if now - self._trimmed_at > _TRIM_SECONDS:
            self._trimmed_at = now
            _give_back()

    def handle(self, conn: Any) -> Any:
        """Handle a request on a connection, in a thread of the pool; whether the connection is kept."""
        if conn.parser is None:
            if not conn.data_ready and not conn.wait_for_data(0):
                return gthread._DEFER  # the one way to hand a connection back to the poller
            conn.sock = PacedSocket(fileno=conn.sock.detach())
            conn.parser = _Parser(self.cfg, conn.sock, conn.client)
        conn.sock.start_request()
        kept = super().handle(conn)
        if kept is False:
            # Here rather than in the main loop, which would stand still for as long.
            conn.sock.end()
        return kept

    def murder_pending(self) -> None:
        """Close connections on which nothing came for long; when stopping, at once."""
        if not self.alive:
            for conn in self.pending_conns:
                conn.timeout = 0.0
        super().murder_pending()

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer what never came to the application; the message may quote the request and is disclosed to nobody."""
        status = _status_of(exc)
        self.log.warning("request refused before the application: %s (%d)", type(exc).__name__, status)
        problem = Problem(status.phrase.lower().replace(" ", "-"), status.phrase, status)
        body = msgspec.json.encode(problem.to_wire())
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        try:
            client.sendall(f"{head}Cache-Control: no-store\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        except OSError:
            self.log.debug("the client is gone")


def _status_of(error: Exception) -> HTTPStatus:
    if isinstance(error, _SlowRequestError):
        return HTTPStatus.REQUEST_TIMEOUT
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return status
    is_ours = isinstance(error, errors.InvalidResponseHeader | errors.InvalidResponseHeaderName)
    known = isinstance(error, errors.ParseException) and not is_ours
    return HTTPStatus.BAD_REQUEST if known else HTTPStatus.INTERNAL_SERVER_ERROR
