"""Who calls, and whether it may: applied to every request before its route, and after the guard (edge.guard).

Rules, in order:
1. The route is in the table of exchange.web.access, and a POST carries an Idempotency-Key. For anyone nothing more is
   asked, but each address may call without authenticating only so often (edge.source_limits): calls to open
   routes count, and calls refused with 401 or for a suspended member or revoked key. Beyond that a call is refused
   before its body is read. Answers to enrolment codes are counted over all workers too.
2. The request is signed (RFC 9421, see keys.signatures.messages) for this server's public address by a key that is
   known now.
3. The representative, its key and its member are active at this moment: suspension and revocation work at once.
4. The nonce is new, and the member has not asked too often within this minute. Both are kept in one transaction,
   committed before the request is served, so that they hold across all workers; a repetition is not counted, since
   anyone could send it.
5. The representative has a role that the route wants.
A feed reader shows a feed token instead of a signature (exchange.web.feed_reading); it reads feeds and nothing else,
so that none of its requests, not even one that would write, needs a key.
"""

from __future__ import annotations

import re
from datetime import timedelta
from http import HTTPStatus
from typing import cast

from flask import g, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import MethodNotAllowed, NotFound

from edge.caller_address import caller_address
from edge.request_limits import RequestLimit, minute_of
from edge.source_limits import CallSource, source_of
from exchange.kernel.actor import Actor
from exchange.kernel.nonces import use_nonce
from exchange.kernel.request_counts import count_request
from exchange.membership.roots import read_roots
from exchange.membership.store import KnownRepresentative, find_representative
from exchange.web.access import COUNTED, RULES, Caller, Rule
from exchange.web.context import Context, current_context
from exchange.web.feed_reading import FeedReading, open_feed_reading, shown_token
from exchange.web.forms import MAX_OPEN_BODY_BYTES
from exchange.web.problems import SUSPENDED, AccessRefusedError
from keys.signatures.messages import WINDOW, RequestSignatureError, VerifiedRequest, verify_request

_REGISTRAR = "registrar/"
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{8,128}", re.ASCII)
_NONCE_KEPT = 2 * WINDOW + timedelta(seconds=1)


def authenticate(*, is_read: bool = True) -> None:
    """Apply the rules to the present request; `is_read` says whether its body counts, or was refused unread.

    Raises AccessRefusedError, LimitExceededError, NotFound, MethodNotAllowed.
    """
    route, rule = _rule_of()
    keyed = request.method == "POST" and Caller.FEED_READER not in rule.callers
    if keyed and not _IDEMPOTENCY_KEY.fullmatch(idempotency_key()):
        raise AccessRefusedError(400, "idempotency-key", "A POST requires an Idempotency-Key of 8 to 128 characters.")
    context = current_context()
    now, source = context.clock(), _source(context)
    if Caller.ANYONE in rule.callers:
        context.sources.count(source, now)
        if route in COUNTED:
            _count_source(context, route, source.address)
        return
    try:
        _authenticate_caller(context, rule, is_read=is_read)
    except AccessRefusedError as refusal:
        if refusal.status == HTTPStatus.UNAUTHORIZED or refusal.reason == SUSPENDED:
            context.sources.count(source, now)
        raise
    context.sources.note_known(source, now)


def check_source() -> None:
    """Before anything is read or looked up: refuse a source that keeps calling without authenticating, and let nobody
    send much to a route that is open to anyone.

    Raises LimitExceededError.
    """
    context = current_context()
    context.sources.check(_source(context), context.clock())
    if _is_open():
        request.max_content_length = MAX_OPEN_BODY_BYTES


def _authenticate_caller(context: Context, rule: Rule, *, is_read: bool) -> None:
    """Rules 2 to 5, or a feed token. Raises AccessRefusedError, LimitExceededError."""
    if Caller.FEED_READER in rule.callers:
        g.feed_reading = open_feed_reading(context)
        return
    known: dict[str, KnownRepresentative] = {}
    verified = _verify(context, rule, known, request.get_data(cache=True) if is_read else None)
    person = known.get(verified.key_id)
    if person is not None and not person.is_active:
        context.sources.count_barred(verified.key_id, context.clock())
        raise AccessRefusedError(403, SUSPENDED, "This member is suspended, or this key is revoked.")
    _spend_nonce(context, verified, verified.key_id if person is None else f"member/{person.member_id}")
    if person is None:
        g.registrar_id = verified.key_id.removeprefix(_REGISTRAR)
        return
    if rule.roles and not rule.roles & person.roles:
        raise AccessRefusedError(403, "role", f"This requires a role of: {', '.join(sorted(rule.roles))}.", rule.roles)
    g.actor = Actor(
        representative_id=person.representative_id,
        member_id=person.member_id,
        roles=person.roles,
        signature=request.headers.get("Signature", ""),
    )


def current_actor() -> Actor:
    """The representative that made the present request."""
    return cast(Actor, g.actor)


def current_member_id() -> str:
    """The member whose representative made the present request."""
    return current_actor().member_id


def current_feed_member_id() -> str:
    """The member whose feed token the present request shows. Its reading ends: the page opens transactions itself."""
    reading = current_feed_reading()
    reading.end()
    return reading.member_id


def current_feed_reading() -> FeedReading:
    """The reading in which the present feed request was authenticated."""
    return cast(FeedReading, g.feed_reading)


def end_feed_reading(_error: BaseException | None = None) -> None:
    """At the end of every request."""
    if "feed_reading" in g:
        current_feed_reading().end()


def idempotency_key() -> str:
    """The present request's Idempotency-Key, empty if it has none."""
    return request.headers.get("Idempotency-Key", "")


def _rule_of() -> tuple[str, Rule]:
    if request.url_rule is None:
        raise NotFound
    route = _route_of(request.url_rule.rule)
    rule = RULES.get(route)
    if rule is None:
        raise MethodNotAllowed
    return route, rule


def _route_of(path: str) -> str:
    return f"{'GET' if request.method == 'HEAD' else request.method} {path}"


def _verify(context: Context, rule: Rule, known: dict[str, KnownRepresentative], body: bytes | None) -> VerifiedRequest:
    """The verified signature; the representative behind it, if it is one, is put into `known`."""

    def resolve(key_id: str) -> bytes:
        if key_id.startswith(_REGISTRAR):
            public_key = _registrar_key(context, key_id) if Caller.REGISTRAR in rule.callers else None
            if public_key is None:
                raise LookupError
            return public_key
        with context.database.reading() as session:
            person = find_representative(session, key_id) if Caller.MEMBER in rule.callers else None
        if person is None:
            raise LookupError
        known[key_id] = person
        return person.public_key

    try:
        return verify_request(
            request.method,
            context.settings.url,
            request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path,
            request.headers,
            body,
            resolve,
            context.clock(),
        )
    except RequestSignatureError as error:
        detail = f"Sign the request per RFC 9421 with an enrolled key, for {context.settings.url} ({error.reason})."
        raise AccessRefusedError(401, error.reason, detail) from None


def _registrar_key(context: Context, key_id: str) -> bytes | None:
    return read_roots(context.database, context.settings.root).newest.public_key(key_id)


def _spend_nonce(context: Context, verified: VerifiedRequest, caller: str) -> None:
    """Rule 4."""
    now, expires_at = context.clock(), verified.created_at + _NONCE_KEPT

    def spend(session: Session) -> int | None:
        is_new = use_nonce(session, verified.key_id, verified.nonce, expires_at)
        return count_request(session, caller, minute_of(now)) if is_new else None

    made = context.database.run_in_transaction(spend)
    if made is None:
        raise AccessRefusedError(401, "replayed", "This nonce was used before; sign every request anew.")
    RequestLimit(context.settings.requests_per_minute).check(made, now)


def _source(context: Context) -> CallSource:
    forwarded_for = request.headers.get("X-Forwarded-For")
    address = caller_address(request.remote_addr, forwarded_for, context.settings.trusted_proxies)
    return source_of(address, request.headers.get("Signature-Input", ""), shown_token(), is_open=_is_open())


def _is_open() -> bool:
    """Whether anyone may call, as far as the route is known."""
    rule = None if request.url_rule is None else RULES.get(_route_of(request.url_rule.rule))
    return rule is None or Caller.ANYONE in rule.callers


def _count_source(context: Context, route: str, address: str) -> None:
    """Count an unsigned request of an address over all workers. Raises LimitExceededError."""
    now, caller = context.clock(), f"{route} {address}"
    made = context.database.run_in_transaction(lambda session: count_request(session, caller, minute_of(now)))
    RequestLimit(context.settings.enrolments_per_minute).check(made, now)
