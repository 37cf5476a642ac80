"""Sending one webhook: to an address that was checked, within a time and a number of bytes that the receiver cannot
stretch.

Rules, in order:
1. The host is resolved within RESOLVE_SECONDS; every address is checked (alerts.delivery.targets), and the connection
   goes to one that was. No proxy of the environment is asked.
2. One attempt takes at most `seconds`, however slowly bytes drip, and reads at most MAX_BYTES, however many there are.
3. The status decides: 2xx is delivered, 410 ends the subscription, anything else failed, a redirect too. The rest of
   the answer is not read.
4. A failure is reported in words of ours, never in the receiver's.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from alerts.delivery.targets import TargetRefusedError, check_address
from exchange.configuration.allowed_targets import AllowedTargets

ATTEMPT_SECONDS = 15.0
CONNECT_SECONDS = 5.0
RESOLVE_SECONDS = 5.0
MAX_BYTES = 64 * 1024
_MAX_ADDRESSES = 16
_GONE = 410
_OK, _REDIRECT, _CLIENT_ERROR = 200, 300, 400

Resolve = Callable[[str, int], list[str]]


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How an attempt went; `error` is empty once it was delivered. `is_final`: trying again will not help."""

    error: str = ""
    is_final: bool = False
    is_gone: bool = False


DELIVERED = AttemptOutcome()


class WebhookClient:
    """Posts webhooks; safe to use from several threads."""

    def __init__(
        self,
        allowed: AllowedTargets,
        *,
        seconds: float = ATTEMPT_SECONDS,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._resolve = resolve or resolve_name
        self._tls = tls or httpx.create_ssl_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> AttemptOutcome:
        """Send one message. Never raises for anything that a receiver or a network does."""
        parts = urlsplit(url)
        sent = [("Host", parts.netloc), ("Connection", "close"), *headers.items()]
        backend = _CheckedBackend(parts.scheme, self._allowed, self._resolve, time.monotonic() + self._seconds)
        timeouts = {"connect": CONNECT_SECONDS, **dict.fromkeys(("read", "write", "pool"), self._seconds)}
        try:
            with (
                httpcore.ConnectionPool(ssl_context=self._tls, network_backend=backend, max_connections=1) as pool,
                pool.stream("POST", url, headers=sent, content=body, extensions={"timeout": timeouts}) as answer,
            ):
                return _judge(answer.status)
        except TargetRefusedError as error:
            return AttemptOutcome(str(error))
        except httpcore.TimeoutException:
            return AttemptOutcome("no answer in time")
        except httpcore.ConnectError:
            return AttemptOutcome("no connection, or TLS refused")
        except (httpcore.NetworkError, httpcore.ProtocolError):
            return AttemptOutcome("the connection broke, or the answer is not HTTP")


def _judge(status: int) -> AttemptOutcome:
    if _OK <= status < _REDIRECT:
        return DELIVERED
    if _REDIRECT <= status < _CLIENT_ERROR:
        return AttemptOutcome(f"answered {status}: redirects are not followed")
    return AttemptOutcome(f"answered {status}", is_gone=status == _GONE)


def resolve_name(host: str, port: int) -> list[str]:
    """The addresses of a host, none if it has none or the resolver takes too long: its thread is then left to itself,
    since there is no way to stop it.
    """
    answer: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.put([str(address[0]) for *_, address in found])
        except (OSError, UnicodeError):
            answer.put([])

    threading.Thread(target=look_up, daemon=True).start()
    try:
        return answer.get(timeout=RESOLVE_SECONDS)
    except queue.Empty:
        return []


class _CheckedBackend(httpcore.NetworkBackend):
    """Rules 1 and 2 for one attempt."""

    def __init__(self, scheme: str, allowed: AllowedTargets, resolve: Resolve, deadline: float) -> None:
        self._scheme = scheme
        self._allowed = allowed
        self._resolve = resolve
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to one of the host's addresses, all of which were found good."""
        addresses = list(dict.fromkeys(self._resolve(host, port)))[:_MAX_ADDRESSES]
        if not addresses:
            raise httpcore.ConnectError("the name has no address")
        for address in addresses:
            check_address(self._scheme, host, address, self._allowed)
        for address in addresses[:-1]:
            try:
                return self._connect(address, port, timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._connect(addresses[-1], port, timeout)

    def _connect(self, address: str, port: int, timeout: float | None) -> httpcore.NetworkStream:
        left = _left(self._deadline, timeout, httpcore.ConnectTimeout)
        return _BoundedStream(self._inner.connect_tcp(address, port, left), self._deadline)


class _BoundedStream(httpcore.NetworkStream):
    """A connection that ends at its deadline and after MAX_BYTES read. Each call of the inner stream keeps to the
    timeout that it is given, the TLS handshake as a whole.
    """

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline
        self._read = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Up to `max_bytes`."""
        data = self._inner.read(max_bytes, _left(self._deadline, timeout, httpcore.ReadTimeout))
        self._read += len(data)
        if self._read > MAX_BYTES:
            raise httpcore.ReadError("the answer is too long")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All of the buffer."""
        self._inner.write(buffer, _left(self._deadline, timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same under TLS: the certificate is that of the host's name, not of the address."""
        left = _left(self._deadline, timeout, httpcore.ConnectTimeout)
        return _BoundedStream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """As the inner stream's."""
        return self._inner.get_extra_info(info)


def _left(deadline: float, timeout: float | None, late: type[Exception]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise late("the attempt takes too long")
    return left if timeout is None else min(left, timeout)
