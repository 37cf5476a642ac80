"""Who said it: HTTP messages signed with Ed25519 keys (RFC 9421, RFC 9530).

A request is believed by these rules, in order; the first one broken is the reason given.
1. It has the headers `Signature-Input` and `Signature`, of bounded length and printable ASCII.
2. `keyid` names a key that the caller knows.
3. `@target-uri` is made of the server's own configured address, never of the Host header: a request signed for one
   server is worth nothing at another. With that, the one signature there is right, and it is Ed25519.
4. Its label is `sig1`; its parameters are `created`, `keyid`, `nonce`, and optionally `alg` and `expires`; no others.
5. It covers `@method`, `@target-uri`, `content-digest`, and on a POST `idempotency-key`; it may cover more.
6. `Content-Digest` is the SHA-256 of the body, also of an empty one. A body that was refused unread is not looked at.
7. `created` is at most 60 seconds away from now, before or after; `expires`, if there, is not past.
The nonce is returned: the caller must refuse one that it has seen (RFC 9421 section 7.2.2), and decide what the key may
do.

A response is signed over `@status`, `content-digest`, `evaluation-commitment` and `evaluation-proof` if they are there,
and the signature of the request it answers (RFC 9421 section 2.4): it cannot stand as the answer to another request.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import http_sf
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
)
from http_message_signatures.algorithms import ED25519
from http_message_signatures.digests import ContentDigest
from http_message_signatures.exceptions import HTTPMessageSignaturesException

from keys.signatures.ed25519 import SignatureError, SigningKey, check_public_key, verify_signature
from keys.signatures.urls import canonical_url

__all__ = [
    "HeaderFields",
    "RequestSignatureError",
    "ResponseSignatureError",
    "SignatureError",
    "SignedRequest",
    "SigningKey",
    "VerifiedRequest",
    "canonical_url",
    "check_public_key",
    "content_digest",
    "new_nonce",
    "sign_request",
    "sign_response",
    "verify_request",
    "verify_response",
    "verify_signature",
]

LABEL = "sig1"
WINDOW = timedelta(seconds=60)
MAX_FIELD_CHARS = 2048
_REQUEST_COMPONENTS = ("@method", "@target-uri", "content-digest")
_PARAMETERS = frozenset({"created", "keyid", "nonce"})
_OPTIONAL_PARAMETERS = frozenset({"alg", "expires"})
_OWN_FIELDS = frozenset({"content-digest", "signature-input", "signature"})
_ANSWER_FIELDS = ("evaluation-commitment", "evaluation-proof")
_BOUNDED_FIELDS = (*sorted(_OWN_FIELDS), "idempotency-key")


class RequestSignatureError(SignatureError):
    """A request cannot be believed; `reason` is a slug.

    One of: missing, malformed, unknown_key, invalid, coverage, digest, window.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"request signature: {reason}")
        self.reason = reason


class ResponseSignatureError(SignatureError):
    """A response cannot be believed; `reason` is a slug as in RequestSignatureError."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"response signature: {reason}")
        self.reason = reason


class HeaderFields(Protocol):
    """Header lines in order: a dict, or the headers of werkzeug or httpx."""

    def items(self) -> Iterable[tuple[str, str]]: ...


@dataclass(frozen=True, slots=True)
class VerifiedRequest:
    """What a verified signature says of its request. The nonce is still to be checked against those seen."""

    key_id: str
    nonce: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it was signed: `url` is absolute, `headers` hold its `Signature`."""

    method: str
    url: str
    headers: HeaderFields


def new_nonce() -> str:
    """A fresh nonce, 32 hexadecimal digits."""
    return secrets.token_hex(16)


def content_digest(body: bytes) -> str:
    """The `Content-Digest` value of a body: `sha-256=:…:` (RFC 9530 section 2)."""
    return str(ContentDigest.create(body))


def sign_request(  # noqa: PLR0917 - a message has these parts
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    key_id: str,
    key: SigningKey,
    clock: Callable[[], datetime],
    nonce: str,
) -> dict[str, str]:
    """All headers to send: those given, `Content-Digest`, `Signature-Input` and `Signature`.

    `url` is the absolute URL as sent. A POST needs an `Idempotency-Key` among the headers. Raises ValueError.
    """
    message = _Message(headers=_without_own_fields(headers), method=method, url=canonical_url(url))
    message.headers["Content-Digest"] = content_digest(body)
    components = _REQUEST_COMPONENTS + (("idempotency-key",) if method == "POST" else ())
    _sign(message, key_id=key_id, key=key, created_at=clock(), components=components, nonce=nonce)
    return message.headers


def verify_request(  # noqa: PLR0917 - a message has these parts
    method: str,
    public_url_of_server: str,
    path_and_query: str,
    headers: HeaderFields,
    body: bytes | None,
    resolve_key: Callable[[str], bytes],
    now: datetime,
) -> VerifiedRequest:
    """Apply the module's rules to one request.

    `path_and_query` is the request target as received, still encoded, from `/` on. `resolve_key` gives the 32-byte
    public key of a keyid and raises LookupError for an unknown one. `body` is None for one that was refused unread: who
    sent the request is known then, not what. Raises RequestSignatureError.
    """
    try:
        message = _Message(headers=_lines(headers), method=method, url=_join(public_url_of_server, path_and_query))
        components = _REQUEST_COMPONENTS + (("idempotency-key",) if method == "POST" else ())
        found = _verify(message, body, resolve=resolve_key, now=now, components=components, parameters=_PARAMETERS)
    except _RefusedError as refusal:
        raise RequestSignatureError(refusal.reason) from None
    nonce = str(found["nonce"])
    if not 16 <= len(nonce) <= 128:
        raise RequestSignatureError("malformed")
    return VerifiedRequest(str(found["keyid"]), nonce, datetime.fromtimestamp(int(found["created"]), UTC))


def sign_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    request: SignedRequest,
    key_id: str,
    key: SigningKey,
    clock: Callable[[], datetime],
) -> dict[str, str]:
    """All headers to send with the answer to `request`: those given, `Content-Digest`, `Signature-Input`, `Signature`.

    Raises ValueError if the request carries no signature labelled `sig1`.
    """
    asked = _Message(headers=_lines(request.headers), method=request.method, url=canonical_url(request.url))
    message = _Answer(headers=_without_own_fields(headers), status_code=status, request=asked)
    message.headers["Content-Digest"] = content_digest(body)
    components = _response_components(message.headers)
    _sign(message, key_id=key_id, key=key, created_at=clock(), components=components, nonce=None)
    return message.headers


def verify_response(
    status: int,
    headers: HeaderFields,
    body: bytes,
    *,
    request: SignedRequest,
    key_id: str,
    public_key: bytes,
    now: datetime,
) -> None:
    """Raise ResponseSignatureError unless `key_id`, whose key is `public_key`, answered `request` so, and just now."""

    def resolve(named: str) -> bytes:
        if named != key_id:
            raise LookupError
        return public_key

    try:
        asked = _Message(headers=_lines(request.headers), method=request.method, url=canonical_url(request.url))
        message = _Answer(headers=_lines(headers), status_code=status, request=asked)
        components = _response_components(message.headers)
        _verify(message, body, resolve=resolve, now=now, components=components, parameters=_PARAMETERS - {"nonce"})
    except _RefusedError as refusal:
        raise ResponseSignatureError(refusal.reason) from None


def signed_at(headers: HeaderFields) -> datetime:
    """When a message says that it was signed, read as its verifier reads it. Raises SignatureError."""
    try:
        stated: Any = http_sf.parse(_lines(headers).get("signature-input", "").encode(), tltype="dictionary")
        return datetime.fromtimestamp(stated[LABEL][1]["created"], UTC)
    except (ValueError, TypeError, LookupError, OverflowError, OSError):
        raise SignatureError("a signature does not say when it was made") from None


class _RefusedError(Exception):
    """Which rule was broken, before it is raised as the error of a request or of a response."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class _Message:
    """A request as the library reads it."""

    headers: dict[str, str]
    method: str
    url: str


@dataclass(frozen=True)
class _Answer:
    """A response as the library reads it."""

    headers: dict[str, str]
    status_code: int
    request: _Message


class _SigningResolver(HTTPSignatureKeyResolver):
    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey:
        return self._key


class _VerifyingResolver(HTTPSignatureKeyResolver):
    """Asks the caller for a key and keeps what it raised, which the library would fold into its own error."""

    def __init__(self, resolve: Callable[[str], bytes]) -> None:
        self._resolve = resolve
        self.failure: Exception | None = None

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey | None:
        try:
            public = self._resolve(key_id)
            check_public_key(public)
            return Ed25519PublicKey.from_public_bytes(public)
        except (LookupError, ValueError):
            self.failure = _RefusedError("unknown_key")
        except Exception as error:
            self.failure = error
            raise
        return None


class _Verifier(HTTPMessageVerifier):
    """The library's verifier with the caller's clock: `created` within the window, both ways (rule 7)."""

    def __init__(self, resolver: _VerifyingResolver, now: datetime) -> None:
        super().__init__(signature_algorithm=ED25519, key_resolver=resolver)
        self._now = now.timestamp()

    def validate_created_and_expires(self, sig_input: Any, max_age: timedelta | None = None) -> None:
        """Only the shape here; the times are judged once the signature is known to be right."""
        for name in ("created", "expires"):
            if name in sig_input.params and type(sig_input.params[name]) is not int:
                raise InvalidSignature(f"{name} is not an integer")

    def verify_times(self, parameters: Mapping[str, int | str]) -> None:
        """Raise _RefusedError unless the signature is of now."""
        if abs(self._now - int(parameters["created"])) > WINDOW.total_seconds():
            raise _RefusedError("window")
        if "expires" in parameters and int(parameters["expires"]) < self._now:
            raise _RefusedError("window")


def _sign(
    message: _Message | _Answer,
    *,
    key_id: str,
    key: SigningKey,
    created_at: datetime,
    components: tuple[str, ...],
    nonce: str | None,
) -> None:
    signer = HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=_SigningResolver(key.private_key))
    try:
        signer.sign(
            message,
            key_id=key_id,
            created=created_at,
            nonce=nonce,
            label=LABEL,
            use_existing_digest=True,
            covered_component_ids=components,
        )
    except HTTPMessageSignaturesException as error:
        raise ValueError(f"the message cannot be signed: {error}") from None


def _verify(
    message: _Message | _Answer,
    body: bytes | None,
    *,
    resolve: Callable[[str], bytes],
    now: datetime,
    components: tuple[str, ...],
    parameters: frozenset[str],
) -> Mapping[str, int | str]:
    _check_fields(message.headers)
    resolver = _VerifyingResolver(resolve)
    verifier = _Verifier(resolver, now)
    try:
        (result,) = verifier.verify(message, max_age=None)
    except (HTTPMessageSignaturesException, ValueError, TypeError, RecursionError):
        if resolver.failure is not None:
            raise resolver.failure from None
        raise _RefusedError("invalid") from None
    if result.label != LABEL:
        raise _RefusedError("missing")
    names = set(result.parameters)
    if not parameters <= names or names - parameters - _OPTIONAL_PARAMETERS:
        raise _RefusedError("malformed")
    if not set(_identifiers(components)) <= set(result.covered_components):
        raise _RefusedError("coverage")
    if body is not None and message.headers["content-digest"] != content_digest(body):
        raise _RefusedError("digest")
    verifier.verify_times(result.parameters)
    return dict(result.parameters)


def _check_fields(headers: Mapping[str, str]) -> None:
    if "signature" not in headers or "signature-input" not in headers:
        raise _RefusedError("missing")
    for name in _BOUNDED_FIELDS:
        value = headers.get(name, "")
        if len(value) > MAX_FIELD_CHARS or not (value.isascii() and value.isprintable()):
            raise _RefusedError("malformed")


def _response_components(headers: Mapping[str, str]) -> tuple[str, ...]:
    names = {name.lower() for name in headers}
    return (
        "@status",
        "content-digest",
        *(name for name in _ANSWER_FIELDS if name in names),
        f'"signature";req;key="{LABEL}"',
    )


def _identifiers(components: tuple[str, ...]) -> Iterable[str]:
    """Component identifiers as they stand in a signature base: quoted."""
    return (component if component.startswith('"') else f'"{component}"' for component in components)


def _without_own_fields(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _OWN_FIELDS}


def _lines(headers: HeaderFields) -> dict[str, str]:
    """Fields by lower-case name, the lines of one joined as RFC 9421 section 2.1 says."""
    fields: dict[str, str] = {}
    for given, value in headers.items():
        name = given.lower()
        fields[name] = f"{fields[name]}, {value.strip()}" if name in fields else value.strip()
    return fields


def _join(public_url: str, path_and_query: str) -> str:
    """The target URI of a request received at a server whose address is `public_url` (maybe with a path of its own)."""
    if not path_and_query.startswith("/"):
        raise _RefusedError("malformed")
    try:
        return canonical_url(public_url.rstrip("/") + path_and_query)
    except ValueError:
        raise _RefusedError("malformed") from None
