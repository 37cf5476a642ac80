"""Signed requests and answers: the honest one passes; every change of it and every replay elsewhere is refused."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.signatures.messages import (
    RequestSignatureError,
    ResponseSignatureError,
    SignatureError,
    SignedRequest,
    SigningKey,
    VerifiedRequest,
    canonical_url,
    check_public_key,
    content_digest,
    sign_request,
    sign_response,
    verify_request,
    verify_response,
    verify_signature,
)

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
KEY = SigningKey.from_seed(b"a" * 32)
HOLDER_KEY = SigningKey.from_seed(b"h" * 32)
URL = "https://holder-1.example"
TARGET = "/v1/evaluations?epoch=1&quorum=1,3&proof=yes"
BODY = b"element" * 9
NONCE = "0123456789abcdef0123456789abcdef"


def _signed(
    method: str = "POST", *, url: str = URL + TARGET, body: bytes = BODY, nonce: str = NONCE, at: datetime = NOW
) -> dict[str, str]:
    headers = {"Content-Type": "application/octet-stream", "Idempotency-Key": "key-1"}
    return sign_request(method, url, headers, body, "a/analyst", KEY, lambda: at, nonce)


def _verify(
    headers: dict[str, str],
    *,
    method: str = "POST",
    url: str = URL,
    target: str = TARGET,
    body: bytes = BODY,
    now: datetime = NOW,
) -> VerifiedRequest:
    return verify_request(method, url, target, headers, body, {"a/analyst": KEY.public_bytes}.__getitem__, now)


def _reason(call: Callable[[], object]) -> str:
    with pytest.raises(RequestSignatureError) as caught:
        call()
    return caught.value.reason


def test_an_honest_request_is_believed() -> None:
    assert _verify(_signed()) == VerifiedRequest("a/analyst", NONCE, NOW)


def test_a_get_is_signed_over_the_digest_of_its_empty_body() -> None:
    headers = _signed("GET", url=URL + "/v1/budget", body=b"")
    assert headers["Content-Digest"] == "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
    assert _verify(headers, method="GET", target="/v1/budget", body=b"").key_id == "a/analyst"


def test_the_signature_base_is_that_of_the_rfc() -> None:
    """The base is built by hand here (RFC 9421 section 2.5), so that the library is not checked by itself."""
    headers = _signed()
    parameters = headers["Signature-Input"].removeprefix("sig1=")
    base = "\n".join(
        [
            '"@method": POST',
            f'"@target-uri": {URL}{TARGET}',
            f'"content-digest": {content_digest(BODY)}',
            '"idempotency-key": key-1',
            f'"@signature-params": {parameters}',
        ]
    )
    signature = KEY.sign(base.encode())

    assert headers["Signature"] == f"sig1=:{base64.b64encode(signature).decode()}:"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"method": "PUT"}, "invalid"),
        ({"url": "https://holder-2.example"}, "invalid"),
        ({"url": "http://holder-1.example"}, "invalid"),
        ({"url": "https://holder-1.example:8443"}, "invalid"),
        ({"target": TARGET.replace("epoch=1", "epoch=2")}, "invalid"),
        ({"target": TARGET.replace("1,3", "1%2C3")}, "invalid"),
        ({"target": TARGET + "&"}, "invalid"),
        ({"target": "https://holder-1.example" + TARGET}, "malformed"),
        ({"target": ""}, "malformed"),
        ({"target": TARGET + "#x"}, "malformed"),
        ({"body": BODY + b"x"}, "digest"),
        ({"body": b""}, "digest"),
        ({"now": NOW + timedelta(seconds=61)}, "window"),
        ({"now": NOW - timedelta(seconds=61)}, "window"),
    ],
)
def test_a_request_that_is_not_the_one_signed_is_refused(changed: dict[str, object], reason: str) -> None:
    assert _reason(lambda: _verify(_signed(), **changed)) == reason  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [-60, 0, 60])
def test_the_window_is_sixty_seconds_both_ways(seconds: int) -> None:
    assert _verify(_signed(), now=NOW + timedelta(seconds=seconds)).created_at == NOW


@pytest.mark.parametrize("name", ["Content-Digest", "Idempotency-Key", "Signature", "Signature-Input"])
def test_a_signed_header_taken_away_is_missed(name: str) -> None:
    headers = _signed()
    del headers[name]
    assert _reason(lambda: _verify(headers)) in {"missing", "invalid"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Idempotency-Key", "key-2"),
        ("Content-Digest", content_digest(BODY + b"x")),
        ("Content-Digest", "sha-512=:" + "A" * 86 + "==:"),
        ("Signature", "sig1=:" + "A" * 86 + "==:"),
        ("Signature", "sig1=::"),
        ("Signature", "sig1"),
        ("Signature-Input", "sig1"),
        ("Signature-Input", 'sig1=("@method");created=1795341600;keyid="a/analyst";nonce="0123456789abcdef"'),
    ],
)
def test_a_signed_header_changed_is_refused(name: str, value: str) -> None:
    headers = _signed() | {name: value}
    assert _reason(lambda: _verify(headers)) == "invalid"


def test_a_truncated_signature_is_refused() -> None:
    headers = _signed()
    headers["Signature"] = headers["Signature"][:-9] + "=:"
    assert _reason(lambda: _verify(headers)) == "invalid"


@pytest.mark.parametrize(("parameter", "value"), [("created", "1795341659"), ("nonce", '"' + "f" * 32 + '"')])
def test_a_signed_parameter_changed_is_refused(parameter: str, value: str) -> None:
    headers = _signed()
    before = headers["Signature-Input"]
    parts = [f"{parameter}={value}" if part.startswith(parameter) else part for part in before.split(";")]
    headers["Signature-Input"] = ";".join(parts)
    assert headers["Signature-Input"] != before
    assert _reason(lambda: _verify(headers)) == "invalid"


def test_another_algorithm_is_refused() -> None:
    headers = _signed()
    headers["Signature-Input"] = headers["Signature-Input"].replace('"ed25519"', '"hmac-sha256"')
    assert _reason(lambda: _verify(headers)) == "invalid"


def _sign_by_hand(components: list[str], parameters: str, body: bytes = BODY, label: str = "sig1") -> dict[str, str]:
    """A right signature over whatever its maker chose to cover."""

    values = {
        '"@method"': "POST",
        '"@target-uri"': URL + TARGET,
        '"content-digest"': content_digest(body),
        '"idempotency-key"': "key-1",
    }
    signed = f"({' '.join(components)}){parameters}"
    lines = [f"{component}: {values[component]}" for component in components]
    base = "\n".join([*lines, f'"@signature-params": {signed}'])
    signature = base64.b64encode(KEY.sign(base.encode())).decode()
    return {
        "Idempotency-Key": "key-1",
        "Content-Digest": content_digest(body),
        "Signature-Input": f"{label}={signed}",
        "Signature": f"{label}=:{signature}:",
    }


ALL = ['"@method"', '"@target-uri"', '"content-digest"', '"idempotency-key"']
PARAMETERS = f';created={int(NOW.timestamp())};keyid="a/analyst";nonce="{NONCE}"'


def test_a_signature_by_hand_without_alg_is_believed() -> None:
    assert _verify(_sign_by_hand(ALL, PARAMETERS)).nonce == NONCE


@pytest.mark.parametrize("left_out", ALL)
def test_a_right_signature_that_covers_too_little_is_refused(left_out: str) -> None:
    headers = _sign_by_hand([name for name in ALL if name != left_out], PARAMETERS)
    assert _reason(lambda: _verify(headers)) == "coverage"


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (f';created={int(NOW.timestamp())};keyid="a/analyst"', "malformed"),
        (f';keyid="a/analyst";nonce="{NONCE}"', "malformed"),
        (f';created={int(NOW.timestamp())};nonce="{NONCE}"', "invalid"),
        (f'{PARAMETERS};tag="another-application"', "malformed"),
        (f"{PARAMETERS};expires={int(NOW.timestamp()) - 1}", "window"),
        (f';created={int(NOW.timestamp())};keyid="a/analyst";nonce="short"', "malformed"),
        (f';created={int(NOW.timestamp())};keyid="a/analyst";nonce="{"n" * 129}"', "malformed"),
        (f';created={int(NOW.timestamp())};keyid="b/analyst";nonce="{NONCE}"', "unknown_key"),
        (f';created="{int(NOW.timestamp())}";keyid="a/analyst";nonce="{NONCE}"', "invalid"),
        (f';created=999999999999999;keyid="a/analyst";nonce="{NONCE}"', "window"),
    ],
)
def test_a_right_signature_with_wrong_parameters_is_refused(parameters: str, reason: str) -> None:
    assert _reason(lambda: _verify(_sign_by_hand(ALL, parameters))) == reason


def test_another_label_is_refused() -> None:
    assert _reason(lambda: _verify(_sign_by_hand(ALL, PARAMETERS, label="other"))) == "missing"


def test_two_signatures_are_refused() -> None:
    one, other = _sign_by_hand(ALL, PARAMETERS), _sign_by_hand(ALL, PARAMETERS, label="sig2")
    both = one | {name: f"{one[name]}, {other[name]}" for name in ("Signature", "Signature-Input")}
    assert _reason(lambda: _verify(both)) == "invalid"


def test_a_key_of_small_order_verifies_nothing() -> None:
    """Under the neutral element as key, R = B * s passes for any message."""
    for encoded in (
        bytes(32),
        b"\x01" + bytes(31),
        b"\x01" + bytes(30) + b"\x80",
        (2**255 - 20).to_bytes(32, "little"),
    ):
        with pytest.raises(SignatureError, match="small order"):
            check_public_key(encoded)
        headers = _signed()
        with pytest.raises(RequestSignatureError, match="unknown_key"):
            verify_request("POST", URL, TARGET, headers, BODY, lambda _, key=encoded: key, NOW)  # type: ignore[misc]


def test_the_points_of_order_eight_are_among_those_refused() -> None:
    """Checked by the curve's own equation: 8 * P is the neutral element only for these y."""
    for text in (
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    ):
        with pytest.raises(SignatureError, match="small order"):
            check_public_key(bytes.fromhex(text))
    check_public_key(KEY.public_bytes)


@pytest.mark.parametrize("public", [b"", b"x" * 31, b"x" * 33])
def test_public_keys_have_thirty_two_bytes(public: bytes) -> None:
    with pytest.raises(SignatureError, match="32 bytes"):
        verify_signature(public, b"m", KEY.sign(b"m"))


def test_what_the_callers_resolver_raises_is_not_hidden() -> None:
    class StoreDownError(Exception):
        pass

    def resolve(_: str) -> bytes:
        raise StoreDownError

    with pytest.raises(StoreDownError):
        verify_request("POST", URL, TARGET, _signed(), BODY, resolve, NOW)


def test_a_signing_key_does_not_show_itself() -> None:
    assert KEY.to_seed().hex() not in repr(KEY)
    assert "aaaa" not in repr(KEY)
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey.from_seed(b"a" * 31)


# -- answers

ASKED = SignedRequest("POST", URL + TARGET, _signed())
BESIDE = {"Evaluation-Commitment": "c2hhcmU=", "Evaluation-Proof": "cHJvb2Y="}


def _answered(status: int = 200, headers: dict[str, str] | None = None) -> dict[str, str]:
    given = BESIDE if headers is None else headers
    return sign_response(status, given, b"out", request=ASKED, key_id="holder-1", key=HOLDER_KEY, clock=lambda: NOW)


def _check(headers: dict[str, str], **changed: object) -> None:
    arguments: dict[str, object] = {
        "status": 200,
        "body": b"out",
        "request": ASKED,
        "key_id": "holder-1",
        "public_key": HOLDER_KEY.public_bytes,
        "now": NOW,
    } | changed
    verify_response(headers=headers, **arguments)  # type: ignore[arg-type]


def test_an_honest_answer_is_believed() -> None:
    _check(_answered())
    _check(_answered(429, {}), status=429)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"status": 201}, "invalid"),
        ({"body": b"tuo"}, "digest"),
        ({"key_id": "holder-2"}, "unknown_key"),
        ({"public_key": KEY.public_bytes}, "invalid"),
        ({"now": NOW + timedelta(seconds=61)}, "window"),
        ({"request": SignedRequest("POST", URL + TARGET, _signed(nonce="f" * 32))}, "invalid"),
        ({"request": SignedRequest("POST", URL + TARGET, {})}, "invalid"),
    ],
)
def test_an_answer_to_something_else_is_refused(changed: dict[str, object], reason: str) -> None:
    with pytest.raises(ResponseSignatureError) as caught:
        _check(_answered(), **changed)
    assert caught.value.reason == reason


@pytest.mark.parametrize("name", sorted(BESIDE))
def test_what_stands_beside_an_answer_cannot_be_added_taken_or_changed(name: str) -> None:
    without = {header: value for header, value in _answered().items() if header != name}
    for headers in (without, _answered() | {name: "AAAA"}):
        with pytest.raises(ResponseSignatureError, match="invalid"):
            _check(headers)
    others = {header: value for header, value in BESIDE.items() if header != name}
    with pytest.raises(ResponseSignatureError, match="coverage"):
        _check(_answered(headers=others) | {name: BESIDE[name]})


def test_a_request_without_a_signature_cannot_be_answered_with_one() -> None:
    bare = SignedRequest("GET", URL + "/v1/epochs", {})
    with pytest.raises(ValueError, match="cannot be signed"):
        sign_response(200, {}, b"", request=bare, key_id="holder-1", key=HOLDER_KEY, clock=lambda: NOW)


# -- hostile bytes

_HEADER = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=300)


@given(_HEADER, _HEADER)
def test_no_signature_header_crashes_the_parser(signature_input: str, signature: str) -> None:
    headers = _signed() | {"Signature-Input": signature_input, "Signature": signature}
    with pytest.raises(RequestSignatureError):
        _verify(headers)


@given(st.text(max_size=100), st.text(max_size=100), st.text(max_size=60))
def test_no_text_crashes_the_verifier(signature_input: str, target: str, digest: str) -> None:
    headers = _signed() | {"Signature-Input": "sig1=" + signature_input, "Content-Digest": digest}
    with pytest.raises(RequestSignatureError):
        _verify(headers, target="/" + target)


@given(st.integers(0, 60), st.characters(min_codepoint=0x21, max_codepoint=0x7E))
def test_no_single_character_of_the_signature_can_change(position: int, character: str) -> None:
    headers = _signed()
    value = headers["Signature"]
    at = len("sig1=:") + position
    changed = value[:at] + character + value[at + 1 :]
    if changed == value:
        return
    with pytest.raises(RequestSignatureError):
        _verify(headers | {"Signature": changed})


# -- addresses


@pytest.mark.parametrize(
    ("given_url", "canonical"),
    [
        ("https://H.example:443/x?q", "https://h.example/x?q"),
        ("http://h.example:80", "http://h.example/"),
        ("http://127.0.0.1:8001/a?b=1,2", "http://127.0.0.1:8001/a?b=1,2"),
        ("https://[::1]:8443/", "https://[::1]:8443/"),
        ("https://h.example/a?", "https://h.example/a?"),
    ],
)
def test_an_address_has_one_form(given_url: str, canonical: str) -> None:
    assert canonical_url(given_url) == canonical


@pytest.mark.parametrize(
    "url", ["", "/x", "ftp://h/", "https://u@h/", "https://h/#f", "https://h:99999/", "https:///x"]
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical_url(url)
