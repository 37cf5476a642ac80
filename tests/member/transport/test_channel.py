"""Requests: signed anew each time, tried again with the same key, and refusals told as they are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from keys.signatures.ed25519 import SigningKey
from keys.signatures.messages import verify_request
from member.alerts.client import AlertClient
from member.alerts.subscriptions import SubscriptionClient
from member.errors import AnswerError, RefusedError, UnreachableError
from member.transport import pages
from member.transport.channel import Channel, Identity, RuntimeEnvironment, decode
from member.transport.exchange_client import ExchangeClient
from schemas.hits import HitsPage

URL = "https://exchange.test"
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
KEY = SigningKey.from_seed(bytes(32))


class Server:
    """Answers as it is told, one answer after the other, the last one for ever; keeps what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.pauses: list[float] = []
        self.told: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def channel(
        self,
        identity: Identity | None = Identity("a/analyst", KEY),  # noqa: B008 - frozen
        *,
        patience: float = 10.0,
        clock: Callable[[], datetime] = lambda: NOW,
    ) -> Channel:
        around = RuntimeEnvironment(
            clock,
            self.pauses.append,
            lambda url: httpx.MockTransport(self),
            patience=patience,
            tell=self.told.append,
        )
        return Channel(URL, identity, around)


def problem(status: int, slug: str, **fields: Any) -> httpx.Response:
    return httpx.Response(
        status, json={"type": f"urn:exchange:problem:{slug}", "title": "t", "detail": "why", **fields}
    )


def test_a_request_is_signed_for_its_target_and_body() -> None:
    server = Server(httpx.Response(200, json={}))
    server.channel().post("/v1/submissions", b"body", parameters={"quorum": "1,3"}, idempotency_key="k" * 16)
    (asked,) = server.asked
    target = "/v1/submissions?quorum=1,3"
    verified = verify_request("POST", URL, target, asked.headers, b"body", lambda name: KEY.public_bytes, NOW)
    assert verified.key_id == "a/analyst"


@pytest.mark.parametrize(
    "passing", [httpx.ConnectError("refused"), httpx.ReadError("cut"), httpx.Response(503), httpx.Response(502)]
)
def test_what_may_pass_is_tried_again_with_the_same_key_and_a_new_nonce(passing: httpx.Response | Exception) -> None:
    server = Server(passing, passing, httpx.Response(200, json={}))
    if isinstance(passing, httpx.Response) and passing.status_code == 502:
        with pytest.raises(RefusedError):
            server.channel().post("/v1/x", b"", idempotency_key="k" * 16)
        return
    server.channel().post("/v1/x", b"", idempotency_key="k" * 16)
    assert {asked.headers["idempotency-key"] for asked in server.asked} == {"k" * 16}
    assert len({asked.headers["signature-input"] for asked in server.asked}) == 3
    assert server.pauses == [0.2, 0.4]


def test_a_server_that_names_a_time_is_given_it_and_the_user_told_why() -> None:
    refusal = problem(429, "request-limit")
    refusal.headers["Retry-After"] = "20"
    server = Server(refusal, refusal, httpx.Response(200, json={}))
    server.channel().get("/v1/x")
    assert server.pauses == [20.0, 20.0]
    assert server.told == [f"{URL} asks to wait 20 seconds: why"] * 2


def test_a_server_that_keeps_us_waiting_is_not_waited_for_ever() -> None:
    refusal = problem(429, "request-limit")
    refusal.headers["Retry-After"] = "10"
    server = Server(refusal)
    with pytest.raises(RefusedError, match="why") as caught:
        server.channel().get("/v1/x")
    assert (caught.value.slug, sum(server.pauses)) == ("request-limit", 50.0)
    assert caught.value.hint is not None


def test_waiting_for_a_limit_leaves_patience_for_what_else_happens() -> None:
    refusal = problem(429, "request-limit")
    refusal.headers["Retry-After"] = "30"
    server = Server(refusal, httpx.ConnectError("refused"), httpx.Response(503), httpx.Response(200, json={}))
    server.channel().get("/v1/x")
    assert server.pauses == [30.0, 0.4, 0.8]


def test_a_repeated_short_retry_after_is_met_with_growing_pauses() -> None:
    refusal = problem(429, "request-limit")
    refusal.headers["Retry-After"] = "1"
    server = Server(refusal)
    with pytest.raises(RefusedError, match="why"):
        server.channel().get("/v1/x")
    assert server.pauses[:5] == [1.0, 1.0, 1.0, 1.6, 3.2]
    assert set(server.pauses[5:]) == {5.0}
    assert sum(server.pauses) <= 50.0


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("after", ["0", "1", ""])
def test_without_patience_nothing_is_waited_for(status: int, after: str) -> None:
    refusal = problem(status, "request-limit")
    refusal.headers["Retry-After"] = after
    server = Server(*[refusal] * 50, httpx.Response(200, json={}))
    with pytest.raises((RefusedError, UnreachableError), match="why"):
        server.channel(patience=0.0).get("/v1/x")
    assert (len(server.asked), server.pauses) == (1, [])


def test_a_503_that_names_no_time_to_wait_is_not_asked_without_pause() -> None:
    refusal = problem(503, "under-way")
    refusal.headers["Retry-After"] = "0"
    server = Server(*[refusal] * 50, httpx.Response(200, json={}))
    with pytest.raises(UnreachableError, match="why"):
        server.channel().get("/v1/x")
    assert server.pauses[:3] == [0.2, 0.4, 0.8]


def test_a_limit_is_waited_for_by_the_clock_too() -> None:
    """Answers that take long count, however short the waits that they name."""
    refusal = problem(429, "request-limit")
    refusal.headers["Retry-After"] = "1"
    server = Server(refusal)
    moments = (NOW + timedelta(seconds=20 * number) for number in itertools.count())
    with pytest.raises(RefusedError, match="why"):
        server.channel(None, clock=lambda: next(moments)).get("/v1/x")
    assert len(server.asked) <= 4


@pytest.mark.parametrize("after", ["0", "00000", "3600", "Wed, 21 Oct 2027 07:28:00 GMT", ""])
def test_a_budget_that_is_spent_for_long_is_not_waited_for(after: str) -> None:
    refusal = problem(429, "budget-exhausted", remaining=3)
    refusal.headers["Retry-After"] = after
    server = Server(refusal)
    with pytest.raises(RefusedError) as caught:
        server.channel().get("/v1/x")
    assert caught.value.slug == "budget-exhausted"
    assert caught.value.fields["problem"] == {"remaining": 3}
    assert server.pauses == []


def test_patience_ends() -> None:
    server = Server(httpx.ConnectError("refused"))
    with pytest.raises(UnreachableError, match=r"exchange\.test cannot be reached"):
        server.channel().get("/v1/x")
    assert 5.0 < sum(server.pauses) <= 10.0


def test_a_refusal_is_not_tried_again_and_told_by_its_type() -> None:
    server = Server(problem(422, "envelope", field="purpose"))
    with pytest.raises(RefusedError, match="why") as caught:
        server.channel().get("/v1/x")
    assert (caught.value.slug, caught.value.status) == ("envelope", 422)
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"<html>secret</html>", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_refusal_that_is_no_problem_document_shows_nothing_of_its_body(body: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        Server(httpx.Response(400, content=body)).channel().get("/v1/x")
    assert caught.value.detail == f"{URL} answered 400"


def test_a_redirect_is_not_followed() -> None:
    server = Server(httpx.Response(302, headers={"Location": "https://elsewhere.test/"}))
    with pytest.raises(RefusedError):
        server.channel().get("/v1/x")
    assert len(server.asked) == 1


def test_an_attacker_cannot_exhaust_our_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("member.transport.channel.MAX_ANSWER_BYTES", 1000)
    with pytest.raises(AnswerError, match="more than"):
        Server(httpx.Response(200, content=b"x" * 1001)).channel().get("/v1/x")


@pytest.mark.parametrize("body", [b"", b"nonsense", b'{"hits":3,"next":null}', b"[" * 100_000])
def test_an_answer_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(AnswerError):
        decode(body, HitsPage, URL)


def test_where_less_is_plenty_less_is_read() -> None:
    server = Server(httpx.Response(200, content=bytes(1001)))
    around = RuntimeEnvironment(
        lambda: NOW, lambda seconds: None, lambda url: httpx.MockTransport(server), patience=0.0
    )
    with pytest.raises(AnswerError, match="more than 1000 bytes"):
        Channel(URL, None, around, most_bytes=1000).get("/v1/snapshot")


def test_a_server_that_repeats_a_cursor_does_not_keep_us_for_ever() -> None:
    server = Server(httpx.Response(200, json={"hits": [], "next": "again", "event_id": "e"}))
    with pytest.raises(AnswerError, match="cursor"):
        list(ExchangeClient(server.channel()).hits())


class Endless(Server):
    """Shows an empty page of every kind, each with the cursor of another."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        number = len(self.asked)
        assert number < 5_000, "it is asked for ever"
        waiting = [{"entry_id": f"{number:09d}"}]
        entries = {"entries": [{}], "pending": [], "waiting": waiting}
        lists = ("hits", "notices", "statements", "requests", "queries", "feed_tokens", "subscriptions", "deliveries")
        ids = {"next": number if "/log/" in request.url.path else str(number), "event_id": "e"}
        return httpx.Response(200, json={**{key: [] for key in lists}, **entries, **ids})


@pytest.mark.parametrize(
    "read",
    [
        lambda channel: ExchangeClient(channel).hits(),
        lambda channel: ExchangeClient(channel).notices(),
        lambda channel: ExchangeClient(channel).statements(),
        lambda channel: ExchangeClient(channel).waiting_entries(),
        lambda channel: AlertClient(channel).tokens(),
        lambda channel: SubscriptionClient(channel).subscriptions(),
    ],
    ids=["hits", "notices", "statements", "waiting entries", "feed tokens", "subscriptions"],
)
def test_a_list_without_end_keeps_nobody_for_ever(
    read: Callable[[Channel], Iterable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LONGEST_SECONDS", 0.05)
    with pytest.raises(AnswerError, match="without end"):
        list(read(Endless().channel()))


@pytest.mark.parametrize("bound", [{"most_pages": 2}, {"most_bytes": 20}], ids=["pages", "bytes"])
def test_a_list_is_bounded_in_pages_and_bytes(bound: dict[str, int]) -> None:
    list_bound = pages.ListBound("hits", **bound)
    for _ in range(2):
        with list_bound.page():
            list_bound.count_bytes(10)
    with pytest.raises(AnswerError, match="hits without end"), list_bound.page():
        pytest.fail("one more page is asked for")


def test_cursors_that_go_round_are_noticed() -> None:
    around = [
        httpx.Response(200, json={"hits": [], "next": cursor, "event_id": "e"}) for cursor in ("a", "b", "a", "b")
    ]
    server = Server(*around)
    with pytest.raises(AnswerError, match="cursor"):
        list(ExchangeClient(server.channel()).hits())
    assert len(server.asked) == 3


def test_enrolling_is_not_signed_but_has_an_idempotency_key() -> None:
    server = Server(httpx.Response(202, json={"state": "awaiting_registrars"}))
    assert ExchangeClient(server.channel(None)).enrol(b"{}") == "awaiting_registrars"
    assert "signature" not in server.asked[0].headers
    assert len(server.asked[0].headers["idempotency-key"]) == 64


def test_a_key_does_not_show_itself() -> None:
    shown: Callable[[object], str] = repr
    assert KEY.to_seed().hex() not in shown(Identity("a/analyst", KEY))


def test_the_user_learns_once_of_an_unreachable_server_and_the_retries() -> None:
    server = Server(httpx.ConnectError("refused"))
    with pytest.raises(UnreachableError):
        server.channel().get("/v1/status")
    assert server.told == [f"{URL} cannot be reached (ConnectError); trying again for 10 seconds"]


def test_the_user_is_not_told_of_a_server_that_answers_after_a_moment() -> None:
    server = Server(httpx.ConnectError("refused"), httpx.Response(200, json={}))
    server.channel().get("/v1/status")
    assert server.told == []
