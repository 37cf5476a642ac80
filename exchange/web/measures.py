"""Counting requests for the operator: by route, status class and rule, never by who asked or for what.

1. A label is a route's template, a method, a status class, or the slug of a problem and its reason: closed sets, so
   that no identifier, token or path parameter can become one.
2. Nothing of it is served by the web application, which anyone may ask: what members do between two ticks of the log
   would show. `exchange metrics` serves it to the operator, on a listener of its own.
3. With several processes each counts in files of its own (prometheus_client's multiprocess mode, when
   PROMETHEUS_MULTIPROC_DIR is set before this module is imported), and the reader adds up.
"""

from __future__ import annotations

import re
import time

import msgspec
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram

from schemas.problems import MEDIA_TYPE

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SLUG = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_OTHER = "other"
# Of feed readers some speak TAXII, whose refusals have the fields of a problem too.
_REFUSALS = frozenset({MEDIA_TYPE, "application/taxii+json"})


class Measures:
    """The counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "exchange_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "exchange_request_seconds", "How long answers took.", ("route",), buckets=_BUCKETS, registry=self.registry
        )
        self._refusals = Counter(
            "exchange_refusals", "Requests refused, by rule.", ("problem", "reason"), registry=self.registry
        )

    def note(self, response: Response, seconds: float) -> None:
        """Count one answer."""
        # A method is the client's own word where no route has it.
        known = request.url_rule is not None
        route = request.url_rule.rule if request.url_rule is not None else "none"
        self._requests.labels(request.method if known else _OTHER, route, f"{response.status_code // 100}xx").inc()
        self._seconds.labels(route).observe(seconds)
        if response.status_code >= 400 and response.mimetype in _REFUSALS:
            self._refusals.labels(*_rule_of(response.get_data())).inc()


def _rule_of(body: bytes) -> tuple[str, str]:
    """The slug of a problem document, and the reason in it."""
    problem = msgspec.json.decode(body)
    reasons = [reason.get("code") for reason in problem.get("reasons", ()) if isinstance(reason, dict)]
    return _slug(problem["type"].rpartition(":")[2]), _slug(next(iter(reasons), problem.get("reason", "none")))


def _slug(value: object) -> str:
    return value if isinstance(value, str) and _SLUG.fullmatch(value) else _OTHER


def start_measuring(app: Flask) -> Measures:
    """Count every answer of an application from now on."""
    measures = Measures()

    def start() -> None:
        g.measured_from = time.perf_counter()

    def note(response: Response) -> Response:
        now = time.perf_counter()
        measures.note(response, now - g.get("measured_from", now))
        return response

    app.before_request(start)
    app.after_request(note)
    return measures
