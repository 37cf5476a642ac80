"""Signed requests to one server, with patience.

Rules, in order:
1. Every attempt is signed anew (a nonce is good once), with the same Idempotency-Key: trying again never acts twice.
2. What may pass is tried again with growing pauses, and the user is notified: no connection, and 503. A 429 that names
   a short time is given it, beside our patience: a limit of requests a minute says nothing against the server, and a
   long upload goes on. No wait that a server names is shorter than our own pause, and a time of 0 names none; all waits
   end, counted by the clock as well, and where there is no patience nothing is waited for.
3. One attempt has `timeout` seconds for everything, the look-up of the name, headers and body, however slowly bytes
   drip in (lines.py). Redirects are not followed: the signature names the target. An answer longer than 64 MiB, or less
   where less is plenty, is not read to its end: JSON takes twenty times its length in memory. Nothing is unpacked: some
   kilobytes could become gigabytes.
4. Where answers are signed, every answer is given to `believe` before anything of it is used, a refusal too.
5. A problem document (RFC 9457) becomes a RefusedError with its own type and detail; nothing else of it is shown.
"""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec

from keys.signatures.ed25519 import SigningKey
from keys.signatures.messages import SignedRequest, new_nonce, sign_request
from keys.signatures.urls import canonical_url
from member.errors import AnswerError, MemberError, RefusedError, UnreachableError
from member.next_steps import Act, Next
from member.transport import wire
from member.transport.client_pool import ClientPool
from schemas.problems import TYPE_PREFIX
from schemas.values.canonical import NotCanonicalError, digest
from schemas.values.encoding import from_base64, to_base64

MAX_ANSWER_BYTES = 64 * 1024 * 1024
_IDENTITY = "identity"
_TOO_MANY, _UNAVAILABLE = 429, 503
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_SILENT = 1.0
"""Seconds of trying again before the user is notified."""
_LONGEST_WAIT = 60.0
"""Of a 429 for requests a minute: the next minute is never further away."""
_WAITS = 5
"""How many times our patience all such waits of one request take: others of the member may come before it."""
_SHOWN_CHARS = 1000

T = TypeVar("T")

_FORBIDDEN, _NOT_FOUND = 403, 404
_HINTS = {
    401: "check this machine's clock, and that the registrars have signed this representative's key",
    _FORBIDDEN: "look at roles, groups and state",
    429: "wait for as long as it says, then do the same again: it goes on where it stopped",
}
_SUSPENDED = "suspended"
_HINT_TO_SUSPENDED = "ask the operator why; your own rows can still be read here"

_LISTS: Mapping[str, tuple[Act, ...]] = {
    wire.REQUESTS + "/": (Act.LIST_REQUESTS,),
    wire.REQUESTS: (Act.LIST_HITS,),
    wire.QUERIES: (Act.LIST_QUERIES,),
    wire.CORRECTIONS: (Act.LIST_CORRECTIONS,),
    wire.OUTCOMES: (Act.LIST_HITS, Act.LIST_REQUESTS, Act.LIST_QUERIES),
    wire.ASSESSMENTS: (Act.LIST_HITS,),
    wire.ALERTS: (Act.LIST_ALERTS,),
    wire.SUBSCRIPTIONS: (Act.LIST_SUBSCRIPTIONS,),
    wire.FEED_TOKENS: (Act.LIST_FEED_TOKENS,),
}
"""What shows the ids that there are, by the path that none was found under."""


@dataclass(frozen=True)
class Identity:
    """Who signs: a representative's id (`a/analyst`, `registrar/necc`) and its key."""

    key_id: str
    key: SigningKey = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """An answer, and the request it belongs to (a holder's signature covers both)."""

    status: int
    headers: httpx.Headers
    body: bytes = field(repr=False)
    request: SignedRequest = field(repr=False)


@dataclass(frozen=True)
class RuntimeEnvironment:
    """What the program takes from outside: the clock, sleeping, the way to a server (None: the network), how many
    seconds to keep trying and to wait for one whole answer, and how to tell the user why it takes long.
    """

    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    transport: Callable[[str], httpx.BaseTransport | None]
    patience: float = 60.0
    timeout: float = 60.0
    tell: Callable[[str], None] = lambda text: None


class Channel:
    """Requests to the server at `base_url`, signed by `identity` if there is one. Safe to use from several threads.

    `believe` raises AnswerError or UnreachableError for an answer that cannot be believed. An answer has at most
    `most_bytes`, MAX_ANSWER_BYTES if not given.
    """

    def __init__(
        self,
        base_url: str,
        identity: Identity | None,
        surroundings: RuntimeEnvironment,
        believe: Callable[[Answer], None] = lambda answer: None,
        *,
        most_bytes: int | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._identity = identity
        self._around = surroundings
        self._believe = believe
        self._most_bytes = MAX_ANSWER_BYTES if most_bytes is None else most_bytes
        self._lines = ClientPool(self._open_line)

    def _open_line(self) -> httpx.Client:
        return httpx.Client(
            transport=self._around.transport(self.base_url),
            verify=_trust(),
            timeout=httpx.Timeout(self._around.timeout, connect=min(5.0, self._around.timeout)),
            follow_redirects=False,
            headers={"User-Agent": "exchange-member", "Accept-Encoding": _IDENTITY},
        )

    @property
    def signer(self) -> str | None:
        """The id of the representative who signs, if there is one."""
        return None if self._identity is None else self._identity.key_id

    def close(self) -> None:
        """Close the connections."""
        self._lines.close()

    def get(self, path: str, parameters: Mapping[str, str | int] | None = None) -> Answer:
        """GET; the answer of a 200. Raises RefusedError, UnreachableError, AnswerError."""
        return self._send("GET", path, parameters, b"", {})

    def post(
        self,
        path: str,
        body: bytes,
        *,
        parameters: Mapping[str, str | int] | None = None,
        content_type: str = "application/json",
        idempotency_key: str | None = None,
    ) -> Answer:
        """POST; the answer of a 2xx. A random Idempotency-Key serves this call's own retries if none is given."""
        key = idempotency_key or secrets.token_hex(32)
        headers = {"Content-Type": content_type, "Idempotency-Key": key}
        return self._send("POST", path, parameters, body, headers)

    def _send(
        self, method: str, path: str, parameters: Mapping[str, str | int] | None, body: bytes, headers: dict[str, str]
    ) -> Answer:
        url = canonical_url(self.base_url + path + (f"?{urlencode(parameters, safe=',')}" if parameters else ""))
        pause, slept, waited, is_lost = _FIRST_PAUSE, 0.0, 0.0, False
        started_at, began = self._around.clock(), time.monotonic()
        while True:
            outcome = self._attempt(method, url, body, headers)
            if isinstance(outcome, Answer):
                return outcome
            if isinstance(outcome.error, RefusedError):
                outcome.error.follows_loss = is_lost
            is_lost |= outcome.may_have_arrived
            wait = pause if outcome.after is None else max(pause, outcome.after)
            passed = max((self._around.clock() - started_at).total_seconds(), time.monotonic() - began)
            waited_out = max(waited, passed - slept) + wait > _WAITS * self._around.patience
            if outcome.is_limit and wait <= _LONGEST_WAIT and not waited_out:
                self._around.tell(f"{self.base_url} asks to wait {wait:.0f} seconds: {outcome.error.detail}")
                self._around.sleep(wait)
                waited, pause = waited + wait, min(pause * 2, _LONGEST_PAUSE)
                continue
            spent = max(slept, passed - waited)
            if not outcome.may_pass or spent + wait > self._around.patience:
                raise outcome.error
            if slept < _SILENT <= slept + wait:
                self._around.tell(f"{outcome.error.detail}; trying again for {self._around.patience:.0f} seconds")
            self._around.sleep(wait)
            slept, pause = slept + wait, min(pause * 2, _LONGEST_PAUSE)

    def _attempt(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> Answer | _Failure:
        signed = self._sign(method, url, body, headers)
        try:
            response, answered = self._lines.ask(
                method, url, signed, body, seconds=self._around.timeout, read=self._read
            )
        except httpx.RequestError as error:
            detail = f"{self.base_url} cannot be reached ({type(error).__name__})"
            hint = "is it running? check the address and the network, then try again"
            return _Failure(UnreachableError(detail, hint), may_have_arrived=not isinstance(error, httpx.ConnectError))
        answer = Answer(response.status_code, response.headers, answered, SignedRequest(method, url, signed))
        self._believe(answer)
        return answer if response.is_success else self._failure(response, answered)

    def _sign(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> dict[str, str]:
        if self._identity is None:
            return headers
        identity = self._identity
        return sign_request(method, url, headers, body, identity.key_id, identity.key, self._around.clock, new_nonce())

    def _read(self, response: httpx.Response) -> bytes:
        if response.headers.get("Content-Encoding", _IDENTITY).strip().lower() != _IDENTITY:
            raise AnswerError(f"{self.base_url} answered in a compressed form, which was not asked for")
        parts, size = [], 0
        for part in response.iter_bytes():
            size += len(part)
            if size > self._most_bytes:
                raise AnswerError(f"{self.base_url} answered more than {self._most_bytes} bytes")
            parts.append(part)
        return b"".join(parts)

    def _failure(self, response: httpx.Response, body: bytes) -> _Failure:
        status = response.status_code
        after = _retry_after(response)
        error = read_problem(self.base_url, status, body)
        if status == _NOT_FOUND and error.hint is None:
            error.then = tuple(map(Next, _lists_of(response.request.url.path)))
            error.hint = "what there is for you" if error.then else None
        if status == _UNAVAILABLE:
            return _Failure(UnreachableError(error.detail, error.hint, slug=error.slug), after=after)
        return _Failure(error, after, may_pass=False, is_limit=status == _TOO_MANY and after is not None)


@cache
def _trust() -> ssl.SSLContext:
    """Made once: reading all certificates for each line would take longer than the call."""
    return httpx.create_ssl_context()


@dataclass(frozen=True)
class _Failure:
    error: MemberError
    after: float | None = None
    may_pass: bool = True
    is_limit: bool = False
    may_have_arrived: bool = False


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, or None when absent, 0 or given as a date."""
    text = response.headers.get("Retry-After", "")
    return (float(text) or None) if text.isascii() and text.isdigit() and len(text) < 6 else None


def read_problem(server: str, status: int, body: bytes) -> RefusedError:
    """The refusal of a problem document; its own fields travel along."""
    try:
        document: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    if not isinstance(document, dict):
        said = f"{server} answered {status}"
        hint, then = _what_to_do(status, is_suspended=False, has_reasons=False)
        return RefusedError(said, hint, slug="refused", status=status, is_foreign=True, then=then)
    kind = str(document.get("type", ""))
    slug = kind.removeprefix(TYPE_PREFIX)[:100] or "refused"
    detail = str(document.get("detail") or document.get("title") or f"{server} answered {status}")[:_SHOWN_CHARS]
    known = {"type", "title", "status", "detail", "instance", "hint"}
    fields = {name: value for name, value in document.items() if name not in known}
    reasons = "; ".join(_reason_texts(fields.get("reasons")))[:_SHOWN_CHARS]
    hint, then = _what_to_do(status, is_suspended=fields.get("reason") == _SUSPENDED, has_reasons=bool(reasons))
    is_foreign = not kind.startswith(TYPE_PREFIX)
    said = reasons or detail
    return RefusedError(said, hint, slug=slug, status=status, is_foreign=is_foreign, then=then, problem=fields)


def _what_to_do(status: int, *, is_suspended: bool, has_reasons: bool) -> tuple[str | None, tuple[Next, ...]]:
    if is_suspended:
        return _HINT_TO_SUSPENDED, (Next(Act.LIST_ROWS),)
    if status == _FORBIDDEN:
        return (None, ()) if has_reasons else (_HINTS[status], (Next(Act.SHOW_STATUS),))
    return _HINTS.get(status), ()


def _lists_of(path: str) -> tuple[Act, ...]:
    """What shows the ids that there are, where none was found under the path."""
    return next((lists for start, lists in _LISTS.items() if start in path), ())


def _reason_texts(reasons: Any) -> Iterator[str]:
    """The reasons of a refusal by rules, each with the rule's name."""
    for reason in reasons if isinstance(reasons, list) else ():
        if isinstance(reason, dict):
            yield f"{reason.get('field')}: {reason.get('detail')} ({reason.get('code')})"


def decode(body: bytes, form: type[T], server: str) -> T:
    """A JSON answer of the given form; AnswerError when it is anything else. Fields we do not know are passed over."""
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AnswerError(f"{server} answered something else than was asked for: {error}") from error


def shown_token(text: str) -> bytes:
    """A token that a server showed (base64), 32 bytes; AnswerError if it is none."""
    try:
        return from_base64(text, 32)
    except ValueError as error:
        raise AnswerError("the exchange showed a token of an invalid format") from error


def shown_digest(shown: Any) -> str:
    """SHA-256 (base64) of something that a server showed, as it came; AnswerError if it has no canonical form."""
    try:
        return to_base64(digest(shown))
    except NotCanonicalError as error:
        raise AnswerError("the exchange showed something without a canonical form") from error
