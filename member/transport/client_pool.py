"""Connections to one server, each used by one call at a time, so that a call can be ended from outside.

A server that sends a byte every few seconds never lets the time-out of a single reading pass. A call is cut
when its own time is up, whatever the server has sent: its socket is shut down, which wakes whoever reads from it. So it
is behind a proxy, too. What cannot be cut, the system's look-up of a name, is not waited for: every call has a thread
of its own, which is left behind then and ends when the system answers.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import httpx

_CONNECTED = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
"""How httpcore's traces end that bring a socket; they begin with `connection`, `http_proxy`, `socks`."""

_GRACE = 1.0
"""Seconds in which a call that was cut gives way."""

T = TypeVar("T")


class PooledClient:
    """A client of httpx with at most one connection at work."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self._socket: socket.socket | None = None
        self._is_cut = False
        self._lock = threading.Lock()

    @contextmanager
    def call(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Iterator[httpx.Response]:
        """The answer to one request, its body to be read within the block. Raises httpx.RequestError, which
        httpx.ReadTimeout is once so many seconds have passed since the call began.
        """
        self._is_cut = False
        alarm = threading.Timer(seconds, self._cut)
        alarm.daemon = True
        alarm.start()
        try:
            extensions = {"trace": self._note}
            with self.client.stream(
                method, url, headers=dict(headers), content=body, extensions=extensions
            ) as response:
                yield response
        except httpx.HTTPError as error:
            if self._is_cut:
                raise _too_late(seconds) from error
            raise
        finally:
            alarm.cancel()
        if self._is_cut:
            raise _too_late(seconds)

    @property
    def is_whole(self) -> bool:
        """Whether it can be used again."""
        return not self._is_cut

    def _note(self, event: str, details: Mapping[str, Any]) -> None:
        """Called by httpx while it connects: remembers the socket."""
        if not event.endswith(_CONNECTED):
            return
        with self._lock:
            self._socket = details["return_value"].get_extra_info("socket")
            is_late = self._is_cut
        if is_late:
            self._shut_down()

    def _cut(self) -> None:
        with self._lock:
            self._is_cut = True
        self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is None or self._socket.fileno() < 0:
            # Not known to us: whoever reads gets no further than what comes next.
            self.client.close()
            return
        # Not the method of a TLS socket, which would have what still comes read in the clear.
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class ClientPool:
    """As many connections to a server as there are calls at once. Safe to use from several threads."""

    def __init__(self, make: Callable[[], httpx.Client]) -> None:
        self._make = make
        self._idle: list[PooledClient] = []
        self._is_closed = False
        self._lock = threading.Lock()

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        seconds: float,
        read: Callable[[httpx.Response], T],
    ) -> tuple[httpx.Response, T]:
        """The answer to one request and what `read` makes of it before it is closed. Raises httpx.RequestError, which
        httpx.ReadTimeout is once so many seconds have passed, whatever the call is at; and what `read` raises.
        """
        outcome: SimpleQueue[tuple[httpx.Response, T] | BaseException] = SimpleQueue()

        def call() -> None:
            try:
                with self.client() as client, client.call(method, url, headers, body, seconds) as response:
                    answered = response, read(response)
                outcome.put(answered)
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                outcome.put(error)

        threading.Thread(target=call, daemon=True, name="call").start()
        try:
            found = outcome.get(timeout=seconds + _GRACE)
        except Empty:
            raise _too_late(seconds) from None
        if isinstance(found, BaseException):
            raise found
        return found

    @contextmanager
    def client(self) -> Iterator[PooledClient]:
        """A client for one call."""
        with self._lock:
            client = self._idle.pop() if self._idle else None
        client = client or PooledClient(self._make())
        try:
            yield client
        finally:
            with self._lock:
                is_kept = client.is_whole and not self._is_closed
                if is_kept:
                    self._idle.append(client)
            if not is_kept:
                client.client.close()

    def close(self) -> None:
        """Close those that are idle; the others when their calls end."""
        with self._lock:
            self._is_closed, idle, self._idle = True, self._idle, []
        for client in idle:
            client.client.close()


def _too_late(seconds: float) -> httpx.ReadTimeout:
    return httpx.ReadTimeout(f"no whole answer within {seconds:.0f} seconds")
