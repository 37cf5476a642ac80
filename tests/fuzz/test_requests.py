"""Any request to either service gets an answer that its API description declares: never a crash, never silence."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from edge.description import path_of
from exchange.web.access import RULES
from keys.holder.access import RULES as HOLDER_RULES
from tests.fuzz.judging import Answer, Judge
from tests.fuzz.making import Request, RequestMaker
from tests.fuzz.running import Summary, run, send_one
from tests.fuzz.sending import Connection
from tests.fuzz.services import Service, running_exchange, running_holder

_POOL = 15
# The tables that the applications refuse to differ from: a new route is tried without a word here.
ROUTES = [("exchange", path_of(route)) for route in RULES] + [("holder", path_of(route)) for route in HOLDER_RULES]


@dataclass(frozen=True)
class Running:
    """A running service, and those who make and judge requests to it."""

    service: Service
    maker: RequestMaker
    judge: Judge


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """An exchange and a key holder."""
    folder: Path = tmp_path_factory.mktemp("services")
    with (
        running_exchange(folder, f"sqlite:///{folder / 'exchange.db'}") as exchange,
        running_holder(folder, f"sqlite:///{folder / 'holder.db'}") as holder,
    ):
        yield {
            one.name: Running(one, RequestMaker(one, number=1, size=_POOL), Judge(one.document))
            for one in (exchange, holder)
        }


@pytest.mark.parametrize(("name", "route"), ROUTES)
def test_every_hostile_request_gets_a_declared_answer(running: dict[str, Running], name: str, route: str) -> None:
    one = running[name]
    (operation,) = [each for each in one.maker.operations if each.route == route]
    summary, connection = Summary(), Connection(one.service.port)
    signer = next(key for key in one.service.signers if key.endswith("/analyst"))
    signer = (
        "registrar/necc" if route in {"GET /v1/proposals", "POST /v1/statements"} and name == "exchange" else signer
    )
    try:
        for request in one.maker.hostile(operation):
            # Signed as it should be, so that it is not refused for want of a signature alone.
            # So too with a feed token.
            asked = one.maker.show_token(request) if operation.shows_token else request
            asked = one.maker.sign(request, signer) if operation.is_signed else asked
            send_one(connection, one.judge, one.maker, asked, summary)
    finally:
        connection.close()
    assert summary.shown == []
    assert summary.requests > 30
    statuses = {int(status) for status in summary.by_status[name]}
    assert statuses & {400, 422}
    assert {414, 417, 431} <= statuses


def test_generated_requests_get_declared_answers(running: dict[str, Running]) -> None:
    services = [one.service for one in running.values()]
    summary = run(services, requests=1_500, number=3, pool=_POOL)
    assert summary.shown == []
    assert summary.requests == 1_500
    told = {name: set(found) for name, found in summary.by_status.items()}
    assert {"200", "201", "202", "400", "401", "403", "404", "405", "415", "422"} <= told["exchange"]
    assert {"200", "400", "401", "404", "405", "409", "415", "422"} <= told["holder"]


@pytest.mark.parametrize("name", ["exchange", "holder"])
def test_the_description_is_openapi_and_names_every_route(running: dict[str, Running], name: str) -> None:
    document = running[name].service.document
    OpenAPIV31SpecValidator(cast(Mapping[Hashable, Any], document)).validate()
    assert document["openapi"].startswith("3.1")
    assert {one.route for one in running[name].maker.operations} == {route for each, route in ROUTES if each == name}


@pytest.mark.parametrize(("name", "route"), ROUTES)
def test_every_route_declares_its_refusals(running: dict[str, Running], name: str, route: str) -> None:
    one = running[name]
    (operation,) = [each for each in one.maker.operations if each.route == route]
    declared = {int(status) for status in operation.described["responses"]}
    assert {400, 405, 408, 414, 417, 422, 431} <= declared
    if operation.is_signed:
        assert {401, 403, 429, 503} <= declared
        headers = {each["name"] for each in operation.described["parameters"] if each["in"] == "header"}
        assert {"Signature-Input", "Content-Digest"} <= headers
    if operation.content_type is not None:
        assert {413, 415} <= declared


def _judged(running: dict[str, Running], status: int, kind: str, body: bytes) -> list[str]:
    request = Request("GET", "/v1/hits")
    return running["exchange"].judge.faults(request, Answer(status, {"content-type": kind}, body, will_close=False))


def test_the_judge_sees_what_is_wrong_with_an_answer(running: dict[str, Running]) -> None:
    """The run is worth what its judge is worth."""
    problem = "application/problem+json"
    good = b'{"type":"urn:exchange:problem:x","title":"X","status":401,"detail":"x"}'
    assert _judged(running, 401, problem, good) == []
    cases: list[tuple[int, str, Any, str]] = [
        (500, problem, good, "server error"),
        (503, problem, good, "server error"),
        (404, problem, good, "undeclared status"),
        (201, "application/json", b"{}", "undeclared status"),
        (401, "text/html", good, "undeclared content type"),
        (403, problem, good, "malformed"),
        (401, problem, b"", "not JSON"),
        (401, problem, b'{"status":401}', "another form"),
        (200, "application/json", b'{"hits":1}', "another form"),
        (429, problem, good.replace(b"401", b"429"), "without Retry-After"),
    ]
    for status, kind, body, fault in cases:
        assert any(fault in found for found in _judged(running, status, kind, body)), (status, kind)
