"""Requests made from a service's OpenAPI document: good ones, altered ones, hostile ones, signed in every way."""

from __future__ import annotations

import copy
import json
import random
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from keys.signatures.messages import new_nonce, sign_request
from tests.fuzz.services import Service
from tests.fuzz.values import ANY_TEXTS, ANY_VALUES, SchemaValues, draw
from tests.taskforce.clock import utc_now

JSON, OCTETS = "application/json", "application/octet-stream"
METHODS = ("get", "post", "put", "patch", "delete")
_ODD_METHODS = ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "POST", "GET", "BREW")
_REGISTRARS = ("registrar/necc", "registrar/reviewer")
_PRIME = 2**255 - 19
BAD_ELEMENTS = {
    "identity": bytes(32),
    "bit 255 set": bytes(31) + b"\x80",
    "p": _PRIME.to_bytes(32, "little"),
    "above p": (_PRIME + 2).to_bytes(32, "little"),
    "all ones": b"\xff" * 32,
    "negative": (1).to_bytes(32, "little"),
}


@dataclass(frozen=True)
class Request:
    """One request as it is sent. `made` says how it was made, for the report of a violation."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    made: str = ""


@dataclass(frozen=True)
class Operation:
    """A route of the document."""

    route: str
    method: str
    path: str
    described: Mapping[str, Any]

    @property
    def query(self) -> dict[str, Mapping[str, Any]]:
        """The schema of each query field."""
        return {one["name"]: one["schema"] for one in self._parameters if one["in"] == "query"}

    @property
    def needs(self) -> list[str]:
        """The query fields that it cannot do without."""
        return [one["name"] for one in self._parameters if one["in"] == "query" and one.get("required")]

    @property
    def _parameters(self) -> list[Mapping[str, Any]]:
        return list(self.described.get("parameters", ()))

    @property
    def content_type(self) -> str | None:
        """Of its body, if it takes one."""
        return next(iter(self.described.get("requestBody", {}).get("content", {})), None)

    @property
    def takes_json(self) -> bool:
        """Whether its body is JSON, under whatever name."""
        return str(self.content_type).endswith("json")

    @property
    def body_schema(self) -> Mapping[str, Any]:
        """Of its body."""
        schema: Mapping[str, Any] = self.described["requestBody"]["content"][self.content_type].get("schema", {})
        return schema

    @property
    def is_signed(self) -> bool:
        """Whether its requests are signed."""
        return any("HTTPMessageSignature" in one for one in self.described.get("security", ()))

    @property
    def shows_token(self) -> bool:
        """Whether its requests show a feed token."""
        return any("FeedTokenBearer" in one for one in self.described.get("security", ()))


def operations_of(document: Mapping[str, Any]) -> list[Operation]:
    """All routes of a document."""
    return [
        Operation(f"{method.upper()} {path}", method.upper(), path, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]


class RequestMaker:
    """Makes requests to one service out of pools drawn for it; `size` values a pool, the same for one `number`."""

    def __init__(self, service: Service, *, number: int, size: int) -> None:
        self.service = service
        self.operations = operations_of(service.document)
        values = SchemaValues(service.document)
        self._any = draw(ANY_VALUES, size, number)
        self._texts = draw(ANY_TEXTS, size, number)
        self._fields = {
            (one.route, name): draw(values.of(schema), size, number)
            for one in self.operations
            for name, schema in one.query.items()
        }
        self._bodies = {
            one.route: draw(values.of(one.body_schema), size, number) for one in self.operations if one.takes_json
        }

        self._hostile = {one.route: list(self.hostile(one)) for one in self.operations}

    def make(self, chance: random.Random) -> Request:
        """The next request."""
        # Forms have most to get wrong.
        weights = [3 if one.content_type else 1 for one in self.operations]
        operation = chance.choices(self.operations, weights)[0]
        match chance.choices(("good", "altered", "hostile", "stray"), (40, 40, 16, 4))[0]:
            case "good":
                return self._signed(self.good(operation, chance), operation, chance)
            case "altered":
                return self._signed(self._altered(operation, chance), operation, chance)
            case "hostile":
                return self._signed(chance.choice(self._hostile[operation.route]), operation, chance)
        target = "/" + quote(chance.choice(self._texts).lstrip("/"), safe="/")
        return Request(chance.choice(("GET", "POST")), target, {}, b"", "a stray path")

    def good(self, operation: Operation, chance: random.Random) -> Request:
        """A request as the document wants it, most often one that is served."""
        target, headers, body = operation.path, {}, b""
        for variable in _VARIABLE.findall(target):
            known = self.service.samples.get(variable)
            found = str(known() if known and chance.random() < 0.7 else chance.choice(self._texts))
            found = found if variable == "{path}" else found.replace("/", "")
            target = target.replace(variable, quote(found, safe="/.") or "x")
        fields = {
            name: self._good_field(operation, name, chance)
            for name in operation.query
            if name in operation.needs or chance.random() < 0.5
        }
        if fields:
            target += "?" + urlencode(fields, safe=",")
        if operation.content_type is not None:
            headers["Content-Type"] = operation.content_type
            body = self._good_body(operation, chance)
        if operation.method == "POST":
            headers["Idempotency-Key"] = chance.choice((secrets.token_hex(16), "the-same-key"))
        return Request(operation.method, target, headers, body, "good")

    def _good_field(self, operation: Operation, name: str, chance: random.Random) -> Any:
        likely = {"epoch": 1, "quorum": "1,2"}
        if name in likely and chance.random() < 0.8:
            return likely[name]
        return chance.choice(self._fields[operation.route, name])

    def _good_body(self, operation: Operation, chance: random.Random) -> bytes:
        sample = self.service.samples.get(operation.route)
        if operation.content_type == OCTETS:
            return sample() if sample else b""
        value = sample() if sample and chance.random() < 0.6 else chance.choice(self._bodies[operation.route])
        return encode(value)

    # -- altered

    def _altered(self, operation: Operation, chance: random.Random) -> Request:
        request = replace(self.good(operation, chance), made="altered")
        for _ in range(chance.randint(1, 2)):
            request = self._alter(request, operation, chance)
        return request

    def _alter(self, request: Request, operation: Operation, chance: random.Random) -> Request:
        where = chance.choice(("query", "query", "body", "body", "body", "header", "header", "method", "path"))
        if where == "body" and request.body:
            return self._alter_body(request, operation, chance)
        if where == "header":
            headers = dict(request.headers)
            name = chance.choice(("Content-Type", "Idempotency-Key", "Accept", "Expect", "X-Odd"))
            headers[name] = chance.choice(("text/plain", "", "a b", "x" * 3000, "\xff\xfe", "application/json; a=b"))
            return replace(request, headers=headers)
        if where == "method":
            return replace(request, method=chance.choice(_ODD_METHODS))
        if where == "path":
            path, mark, query = request.target.partition("?")
            return replace(request, target=path + chance.choice(("/", "/x", "%2f", ".json", ";a=b")) + mark + query)
        names = [*operation.query, "unknown"]
        pair = (chance.choice(names), str(chance.choice((*self._texts, *self._any)))[:1000])
        odd = urlencode([pair] * chance.choice((1, 1, 2)), errors="surrogatepass")
        return replace(request, target=f"{request.target}{'&' if '?' in request.target else '?'}{odd}")

    def _alter_body(self, request: Request, operation: Operation, chance: random.Random) -> Request:
        if operation.content_type == OCTETS:
            body = bytearray(request.body)
            at = 32 * chance.randrange(max(1, len(body) // 32))
            match chance.randrange(3):
                case 0:
                    body[at : at + 32] = chance.choice(list(BAD_ELEMENTS.values()))
                case 1:
                    body[at : at + 32] = chance.randbytes(32)
                case 2:
                    del body[chance.randrange(len(body)) :]
            return replace(request, body=bytes(body))
        try:
            value = json.loads(request.body)
        except ValueError:
            return replace(request, body=request.body[: chance.randrange(len(request.body))])
        if chance.random() < 0.1:
            return replace(request, body=request.body[: chance.randrange(len(request.body))])
        return replace(request, body=encode(self._alter_value(copy.deepcopy(value), chance)))

    def _alter_value(self, value: Any, chance: random.Random) -> Any:
        """The value with one place of it changed, at any depth."""
        if isinstance(value, dict) and value and chance.random() < 0.9:
            name = chance.choice(sorted(value))
            match chance.randrange(8):
                case 0:
                    del value[name]
                case 1:
                    value[chance.choice(self._texts)[:20] or "unknown"] = chance.choice(self._any)
                case _:
                    value[name] = self._alter_value(value[name], chance)
            return value
        if isinstance(value, list) and value and chance.random() < 0.8:
            at = chance.randrange(len(value))
            value[at] = self._alter_value(value[at], chance)
            return value
        return chance.choice(self._any)

    # -- hostile

    def hostile(self, operation: Operation) -> Iterator[Request]:
        """Every hostile request, by name, to a route."""
        chance = random.Random(operation.route)
        good = self.good(operation, chance)
        plain = good.target.partition("?")[0]
        for name, query in _HOSTILE_QUERIES.items():
            yield replace(good, target=f"{plain}?{query}", made=name)
        for name in operation.query:
            for what, value in _HOSTILE_FIELDS.items():
                yield replace(good, target=f"{plain}?{name}={value}", made=f"{what} in {name}")
            yield replace(good, target=f"{plain}?{name}=1&{name}=1", made=f"{name} twice")
        for name, headers in _HOSTILE_HEADERS.items():
            yield replace(good, headers=good.headers | headers, made=name)
        for name, suffix in _HOSTILE_PATHS.items():
            yield replace(good, target=plain + suffix, made=name)
        if operation.content_type is None:
            yield replace(good, body=b"{}", headers={"Content-Type": JSON}, made="a body where none is wanted")
            return
        for name, content_type in (("no content type", ""), ("another content type", "text/plain")):
            yield replace(good, headers=good.headers | {"Content-Type": content_type}, made=name)
        if operation.takes_json:
            for name, body in HOSTILE_BODIES.items():
                yield replace(good, body=body, made=name)
        else:
            for name, element in BAD_ELEMENTS.items():
                yield replace(good, body=good.body[:32] + element, made=f"an element that is {name}")
            yield replace(good, body=good.body + b"x", made="a length that is no multiple of 32")
            yield replace(good, body=b"", made="no element")

    # -- signed

    def _signed(self, request: Request, operation: Operation, chance: random.Random) -> Request:
        if operation.shows_token:
            return self._with_any_token(request, chance)
        if not operation.is_signed and chance.random() < 0.9:
            return request
        how = chance.choices(("rightly", "by another", "not", "garbled"), (70, 8, 8, 14))[0]
        if how == "not":
            return request
        key_ids = list(self.service.signers)
        fit = [one for one in key_ids if one in _REGISTRARS] if operation.path in _REGISTRARS_ROUTES else []
        fit = fit if self.service.name == "exchange" and fit else [one for one in key_ids if one.endswith("/analyst")]
        signed = self.sign(request, chance.choice(key_ids if how == "by another" else fit))
        return self._garble(signed, chance) if how == "garbled" else signed

    def _with_any_token(self, request: Request, chance: random.Random) -> Request:
        shown = chance.choice(_TOKENS) if chance.random() < 0.25 else f"Bearer {self.service.feed_token}"
        return replace(request, headers=request.headers | {"Authorization": shown})

    def show_token(self, request: Request) -> Request:
        """The request with the service's feed token, which is known."""
        return replace(request, headers={"Authorization": f"Bearer {self.service.feed_token}"} | request.headers)

    def sign(self, request: Request, key_id: str, *, seconds: int = 0) -> Request:
        """The request signed by one of the service's signers, so many seconds from now; unsigned if it cannot be."""
        signer = self.service.signers[key_id]
        try:
            headers = sign_request(
                request.method,
                self.service.url + request.target,
                request.headers,
                request.body,
                signer.key_id,
                signer.key,
                lambda: utc_now() + timedelta(seconds=seconds),
                new_nonce(),
            )
        except ValueError:
            return request
        return replace(request, headers=headers)

    def _garble(self, request: Request, chance: random.Random) -> Request:
        headers = dict(request.headers)
        name = chance.choice(("Signature", "Signature-Input", "Content-Digest"))
        value = headers.get(name, "")
        at = chance.randrange(len(value) + 1)
        match chance.randrange(5):
            case 0:
                headers.pop(name, None)
            case 1:
                headers[name] = value[:at]
            case 2:
                headers[name] = value[:at] + chance.choice(';,"=:()\\ \xff?%') + value[at + 1 :]
            case 3:
                headers[name] = chance.choice(GARBLED_SIGNATURES)
            case 4:
                headers[name] = f"{value}, {value}"
        return replace(request, headers=headers, made=f"{request.made}, {name} garbled")


_TOKENS = (
    "",
    "Bearer",
    "Bearer ",
    "Bearer x y",
    "Basic",
    "Basic !",
    "Basic OmE=",
    "Basic /w==",
    "Token \xff",
    "B" * 9000,
)
_VARIABLE = re.compile(r"\{[a-z_]+\}")
_REGISTRARS_ROUTES = ("/v1/proposals", "/v1/statements")
GARBLED_SIGNATURES = (
    "",
    "sig1=",
    "sig1=()",
    "sig1=:AAAA:",
    'sig1=("@method" "@target-uri";created=1',
    'sig1=("@method");created=99999999999999999999;keyid="a/analyst";nonce="' + "n" * 20 + '"',
    'sig1=("@method");created=-1;keyid="";nonce=""',
    'sig1=("@method");created=1.5;keyid=1;nonce=?1',
    "(" * 1500,
    'sig1=("' + "a" * 1900 + '")',
    "sig1=:" + "A" * 3000 + ":",
    "sha-256=:AAAA:",
    "sha-256=:" + "A" * 44 + ":",
    "\xc3\xa9\xff",
)
_HOSTILE_FIELDS = {
    "NUL": "%00",
    "a lone surrogate": "%ED%A0%80",
    "bytes that are no UTF-8": "%FF%FE",
    "2^63": str(2**63),
    "2^64": str(2**64),
    "-2^63-1": str(-(2**63) - 1),
    "5,000 digits": "9" * 3900,
    "a fraction": "1.5",
    "an exponent": "1e9",
    "digits of another script": "%D9%A1",
    "an underscore": "1_0",
    "nothing": "",
    "a quote": "%27%3B--",
    "white space": "%20%091",
    "2,000 brackets": "%5B" * 1000,
}
_HOSTILE_QUERIES = {
    "an unknown query field": "unknown=1",
    "a NUL as a query field": "%00=%00",
    "a query field without name": "=1",
    "a thousand query fields": "&".join(f"a{number}=1" for number in range(500)),
    "a query that is no UTF-8": "%80=1",
    "a request line that is too long": "a=" + "b" * 9000,
}
_HOSTILE_HEADERS = {
    "huge headers": {"X-Large": "x" * 100_000},
    "a header of bytes that are no ASCII": {"X-Odd": "\xff\xfe\xc3\x28"},
    "two hundred headers": {f"X-{number}": "1" for number in range(200)},
    "an expectation": {"Expect": "a-miracle"},
    "an idempotency key that is not ASCII": {"Idempotency-Key": "\xe9" * 20},
    "an idempotency key of 4,000": {"Idempotency-Key": "k" * 4000},
    "a range": {"Range": "bytes=0-1"},
    "a condition": {"If-None-Match": "*", "If-Modified-Since": "no date"},
    "another host": {"Host": "elsewhere.example"},
    "a host that is none": {"Host": "[::1"},
    "a path for a proxy": {"SCRIPT_NAME": "/x", "X-Forwarded-Prefix": "/x", "X-Forwarded-Proto": "https"},
    "an upgrade": {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAAA"},
    **{
        f"signature fields that are {value[:12]!r}": {"Signature": value, "Signature-Input": value}
        for value in GARBLED_SIGNATURES
    },
}
_HOSTILE_PATHS = {
    "NUL in the path": "%00",
    "a lone surrogate in the path": "%ED%A0%80",
    "an integer beyond 64 bits in the path": "/" + "9" * 30,
    "5,000 digits in the path": "/" + "9" * 3900,
    "dots in the path": "/../../etc/passwd",
    "encoded dots in the path": "/%2e%2e/%2e%2e",
}
HOSTILE_BODIES = {
    "no body": b"",
    "100,000 brackets": b"[" * 100_000,
    "50,000 objects": b'{"a":' * 50_000,
    "100,000 brackets closed": b"[" * 100_000 + b"]" * 100_000,
    "a NUL": b'{"code":"\\u0000","payload":"\\u0000","submission_id":"\\u0000"}',
    "a bare NUL": b"\0",
    "a lone surrogate": b'{"code":"\\ud800","payload":"\\ud800","submission_id":"\\ud800"}',
    "integers beyond 64 bits": b'{"part":18446744073709551616,"code":-9223372036854775809,"payload":1e999}',
    "5,000 digits": b'{"part":' + b"9" * 5000 + b',"payload":' + b"9" * 5000 + b"}",
    "an exponent": b'{"part":1e400}',
    "bytes that are no UTF-8": b'{"code":"\xff\xfe"}',
    "UTF-16": '{"code":1}'.encode("utf-16"),
    "null": b"null",
    "an array": b"[]",
    "a text": b'"text"',
    "a number": b"0",
    "not a number": b"NaN",
    "two documents": b"{}{}",
    "a key twice": b'{"code":"a","code":"b"}',
    "an unknown field": b'{"unknown":1}',
    "a byte order mark": b"\xef\xbb\xbf{}",
}


def encode(value: Any) -> bytes:
    """JSON of any value, lone surrogates as escapes."""
    return json.dumps(value).encode()
