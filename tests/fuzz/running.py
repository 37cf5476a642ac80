"""A run: so many requests to both services at once, every answer judged, and a summary of what was found."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.judging import Judge
from tests.fuzz.making import Request, RequestMaker
from tests.fuzz.sending import Connection, NoAnswerError
from tests.fuzz.services import Service

_SHOWN = 20
_THREADS_A_SERVICE = 2
_TELL_SECONDS = 10.0
# Lines of a server's log that tell of what nobody foresaw.
_ALARMS = ("Traceback", "unexpected error", "request failed", "Socket error", "Error handling request")


@dataclass
class Summary:
    """What a run found."""

    requests: int = 0
    by_status: dict[str, Counter[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, service: str, status: str) -> int:
        """Count an answer; how many there are."""
        with self.lock:
            self.requests += 1
            self.by_status.setdefault(service, Counter())[status] += 1
            return self.requests

    def blame(self, service: str, request: Request, faults: Sequence[str]) -> None:
        """Keep what is wrong with an answer."""
        with self.lock:
            for fault in faults:
                self.counts[_kind_of(fault)] += 1
                if len(self.shown) < _SHOWN:
                    sent = (
                        f"{request.method} {request.target[:200]} {str(request.headers)[:300]} {request.body[:200]!r}"
                    )
                    self.shown.append(f"{service}: {fault} ({request.made}): {sent}")

    def to_document(self, **more: Any) -> dict[str, Any]:
        """As it is printed."""
        kinds = ("undeclared", "server_errors", "hangs", "dropped", "malformed", "alarms")
        return {
            "requests": self.requests,
            "by_status": {name: dict(sorted(found.items())) for name, found in self.by_status.items()},
            **{kind: self.counts[kind] for kind in kinds},
            **more,
            "violations": self.shown,
        }


def _kind_of(fault: str) -> str:
    for start, kind in (("undeclared", "undeclared"), ("server error", "server_errors"), ("no answer in", "hangs")):
        if fault.startswith(start):
            return kind
    return {"no answer": "dropped", "alarm": "alarms"}.get(fault.partition(":")[0], "malformed")


def run(
    services: Sequence[Service],
    *,
    requests: int,
    number: int,
    pool: int,
    tell: Callable[[str], None] = lambda text: None,
) -> Summary:
    """Send `requests` in all to the services, and judge every answer. The same for one `number`, but for the threads'
    turns, the time, and what is secret.
    """
    summary = Summary()
    makers = [RequestMaker(service, number=number, size=pool) for service in services]
    started_at = time.monotonic()
    with ExitStack() as stack:
        threads = [
            threading.Thread(
                target=_send_many, args=(maker, random.Random(f"{number}/{maker.service.name}/{turn}"), summary, share)
            )
            for maker in makers
            for turn, share in enumerate(_shares(requests // len(makers), _THREADS_A_SERVICE))
        ]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        while any(thread.is_alive() for thread in threads):
            _wait(threads)
            seconds = time.monotonic() - started_at
            found = sum(summary.counts.values())
            tell(f"{summary.requests} of {requests} requests, {summary.requests / seconds:.0f}/s, violations: {found}")
    for service in services:
        _read_log(service, summary)
    return summary


def _shares(total: int, count: int) -> list[int]:
    return [total // count + (1 if turn < total % count else 0) for turn in range(count)]


def _wait(threads: Sequence[threading.Thread]) -> None:
    give_up_at = time.monotonic() + _TELL_SECONDS
    for thread in threads:
        thread.join(max(0.0, give_up_at - time.monotonic()))


def _send_many(maker: RequestMaker, chance: random.Random, summary: Summary, count: int) -> None:
    connection, judge = Connection(maker.service.port), Judge(maker.service.document)
    try:
        for _ in range(count):
            send_one(connection, judge, maker, maker.make(chance), summary)
    finally:
        connection.close()


def send_one(connection: Connection, judge: Judge, maker: RequestMaker, request: Request, summary: Summary) -> None:
    """Send one request and keep what is wrong with its answer."""
    name = maker.service.name
    try:
        answer = connection.send(request)
    except NoAnswerError as error:
        summary.note(name, "none")
        summary.blame(name, request, [f"{error}{': on a kept connection' if error.is_reused else ''}"])
        return
    summary.note(name, str(answer.status))
    faults = judge.faults(request, answer)
    if faults:
        summary.blame(name, request, faults)


def _read_log(service: Service, summary: Summary) -> None:
    with Path(service.log_file).open(errors="replace") as log:
        for line in log:
            if any(alarm in line for alarm in _ALARMS):
                summary.blame(service.name, Request("", ""), [f"alarm: {line.strip()[:300]}"])


def tell_on_standard_error(text: str) -> None:
    """Progress, a line at a time."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - a program's output
