"""Signature headers, addresses, elements and custody files of any bytes: the documented error, or what was meant."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.custody import files as custody
from keys.custody.files import CustodyError, read_secret, write_secret
from keys.oprf import group
from keys.oprf.group import ELEMENT_BYTES, IDENTITY, InvalidElementError
from keys.signatures.messages import (
    RequestSignatureError,
    ResponseSignatureError,
    SignatureError,
    SignedRequest,
    SigningKey,
    VerifiedRequest,
    canonical_url,
    content_digest,
    sign_request,
    sign_response,
    verify_request,
    verify_response,
    verify_signature,
)
from schemas.values.canonical import canonical_json
from tests.any_input import JSON, changed_bytes, changed_fields, changed_text
from tests.keys.oprf.ristretto_reference import is_element

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
KEY = SigningKey.from_seed(b"a" * 32)
HOLDER_KEY = SigningKey.from_seed(b"h" * 32)
URL = "https://holder-1.example"
TARGET = "/v1/evaluations?epoch=1&quorum=1,3&proof=yes"
BODY = b"element" * 9
NONCE = "0123456789abcdef0123456789abcdef"
GIVEN = {"Content-Type": "application/octet-stream", "Idempotency-Key": "key-1"}
SIGNED = sign_request("POST", URL + TARGET, GIVEN, BODY, "a/analyst", KEY, lambda: NOW, NONCE)
HONEST = VerifiedRequest("a/analyst", NONCE, NOW)
ASKED = SignedRequest("POST", URL + TARGET, SIGNED)
BESIDE = {
    "Evaluation-Commitment": base64.b64encode(b"c" * 32).decode(),
    "Evaluation-Proof": base64.b64encode(b"p" * 64).decode(),
}
ANSWERED = sign_response(200, BESIDE, b"out", request=ASKED, key_id="holder-1", key=HOLDER_KEY, clock=lambda: NOW)


def resolve(key_id: str) -> bytes:
    """As the services do: the member's name stands before the stroke."""
    if key_id.partition("/") != ("a", "/", "analyst"):
        raise LookupError
    return KEY.public_bytes


def verify(headers: dict[str, str], body: bytes = BODY) -> VerifiedRequest:
    return verify_request("POST", URL, TARGET, headers, body, resolve, NOW)


# signature headers

bare_items = st.one_of(
    st.integers(-(10**16), 10**16).map(str),
    st.sampled_from(
        ["1.5", "?1", "?0", ":AAAA:", ":====:", "token", "@1793700000", '%"caf%c3%a9"', '"', "()", "-", "1e9"]
    ),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20).map(json.dumps),
)
parameters = st.tuples(
    st.sampled_from(
        ["created", "expires", "keyid", "nonce", "alg", "tag", "sf", "bs", "key", "req", "tr", "name", "x"]
    ),
    bare_items,
).map(lambda pair: f";{pair[0]}={pair[1]}")
components = st.tuples(
    st.sampled_from(
        [
            "@method",
            "@target-uri",
            "content-digest",
            "idempotency-key",
            "@authority",
            "@path",
            "@query",
            "@query-param",
            "@status",
            "@signature-params",
            "signature",
            "signature-input",
            "content-type",
            "set-cookie",
            "X",
            "",
            "@x",
        ]
    ),
    st.lists(
        st.sampled_from([";sf", ";bs", ";req", ";tr", ';key="sig1"', ';name="epoch"', ";name=1", ";key=:AA:"]),
        max_size=2,
    ),
).map(lambda pair: f'"{pair[0]}"' + "".join(pair[1]))
inputs = st.tuples(
    st.sampled_from(["sig1", "sig2", "sig1=1, sig1", "*"]),
    st.lists(components, max_size=6).map(" ".join),
    st.lists(parameters, max_size=6).map("".join),
).map(lambda parts: f"{parts[0]}=({parts[1]}){parts[2]}")
signatures = bare_items.map("sig1={}".format) | st.just(SIGNED["Signature"]) | changed_text(SIGNED["Signature"])


@given(inputs | changed_text(SIGNED["Signature-Input"]), signatures)
def test_an_attacker_who_writes_any_signature_header_is_refused(signature_input: str, signature: str) -> None:
    headers = SIGNED | {"Signature-Input": signature_input, "Signature": signature}
    try:
        found = verify(headers)
    except RequestSignatureError:
        return
    assert found == HONEST


@given(st.lists(parameters, max_size=5).map("".join), st.booleans())
def test_a_member_who_signs_odd_parameters_is_refused_or_said_who_it_is(odd: str, first: bool) -> None:
    """The signature is right here: only what the parameters say is strange."""
    usual = f';created={int(NOW.timestamp())};keyid="a/analyst";nonce="{NONCE}"'
    covered = ("@method", "@target-uri", "content-digest", "idempotency-key")
    names = " ".join(f'"{name}"' for name in covered)
    signed = f"({names}){odd + usual if first else usual + odd}"
    values = ("POST", URL + TARGET, content_digest(BODY), "key-1")
    base = "".join(f'"{name}": {value}\n' for name, value in zip(covered, values, strict=True))
    signature = KEY.sign(f'{base}"@signature-params": {signed}'.encode())
    headers = SIGNED | {
        "Signature-Input": f"sig1={signed}",
        "Signature": f"sig1=:{base64.b64encode(signature).decode()}:",
    }
    try:
        found = verify(headers)
    except RequestSignatureError:
        return
    assert found.key_id == "a/analyst"
    assert 16 <= len(found.nonce) <= 128
    assert abs((found.created_at - NOW).total_seconds()) <= 60


@given(st.sampled_from(sorted(SIGNED)), st.data())
def test_a_changed_byte_in_a_request_header_is_refused_or_harmless(name: str, data: st.DataObject) -> None:
    changed = data.draw(changed_text(SIGNED[name]))
    try:
        found = verify(SIGNED | {name: changed})
    except RequestSignatureError:
        return
    assert found == HONEST
    assert name == "Content-Type" or changed.strip() == SIGNED[name] or "Signature" in name


@given(st.sampled_from(sorted(ANSWERED)), st.data())
def test_a_changed_byte_in_an_answer_header_is_refused_or_harmless(name: str, data: st.DataObject) -> None:
    changed = data.draw(changed_text(ANSWERED[name]) | inputs)
    try:
        verify_response(
            200,
            ANSWERED | {name: changed},
            b"out",
            request=ASKED,
            key_id="holder-1",
            public_key=HOLDER_KEY.public_bytes,
            now=NOW,
        )
    except ResponseSignatureError:
        return
    assert changed.strip() == ANSWERED[name] or "Signature" in name


@given(st.binary(max_size=70), st.binary(max_size=70))
def test_no_key_and_no_signature_of_any_bytes_is_right(public: bytes, signature: bytes) -> None:
    with pytest.raises(SignatureError):
        verify_signature(public, b"message", signature)


# addresses

urls = st.one_of(
    st.text(max_size=60),
    st.text(max_size=40).map(lambda text: f"https://{text}"),
    st.text(max_size=40).map(lambda text: f"https://h.example/{text}"),
    changed_text("https://H.example:443/a/b?c=d,e&f=%20"),
    changed_text("http://[::1]:8443/a?b"),
    changed_text("http://127.0.0.1:80/"),
    st.from_regex(r"https?://[a-z0-9.]{1,4}(:[0-9]{1,5})?/[!-~]{0,10}(\?[!-~]{0,10})?", fullmatch=True),
)


@given(urls)
def test_an_address_is_refused_or_has_one_form_that_clients_send_as_it_is(url: str) -> None:
    try:
        canonical = canonical_url(url)
    except ValueError:
        return
    assert canonical_url(canonical) == canonical
    assert canonical.isascii()
    assert canonical.isprintable()
    sent = httpx.URL(canonical)
    host, port = sent.raw_host.decode(), "" if sent.port is None else f":{sent.port}"
    shown = f"[{host}]" if ":" in host else host
    assert f"{sent.scheme}://{shown}{port}{sent.raw_path.decode()}" == canonical


# elements


@given(st.binary(min_size=32, max_size=32))
def test_any_32_bytes_are_an_element_exactly_if_the_rfc_decodes_them(encoding: bytes) -> None:
    wanted = is_element(encoding) and encoding != IDENTITY
    for call in (
        group.check_element,
        group.check_elements,
        lambda one: group.multiply((2).to_bytes(32, "little"), one),
    ):
        if wanted:
            call(encoding)
            continue
        with pytest.raises(InvalidElementError):
            call(encoding)


@given(st.binary(max_size=200))
def test_a_batch_of_any_bytes_is_taken_only_if_each_element_is_one(batch: bytes) -> None:
    parts = [batch[start : start + ELEMENT_BYTES] for start in range(0, len(batch), ELEMENT_BYTES)]
    wanted = all(len(part) == ELEMENT_BYTES and is_element(part) and part != IDENTITY for part in parts)
    if wanted:
        group.check_elements(batch)
        return
    with pytest.raises(InvalidElementError):
        group.check_elements(batch)
    with pytest.raises(InvalidElementError):
        group.multiply_each((2).to_bytes(32, "little"), batch)


# custody


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A secret in custody, and its file as it was written."""
    folder = tmp_path_factory.mktemp("custody")
    folder.chmod(0o700)
    write_secret(folder / "right.key", b"secret", b"a passphrase", "test")
    yield folder / "right.key"


def _write(sealed: Path, content: bytes) -> Path:
    path = sealed.with_name("odd.key")
    path.write_bytes(content)
    path.chmod(0o600)
    return path


@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_a_custody_file_of_any_bytes_is_refused(sealed: Path, content: bytes) -> None:
    with pytest.raises(CustodyError):
        read_secret(_write(sealed, content), b"a passphrase", "test")


@settings(max_examples=20)  # those with their form intact cost a full derivation each
@given(st.data())
def test_a_custody_file_with_a_changed_byte_opens_nothing(sealed: Path, data: st.DataObject) -> None:
    right = sealed.read_bytes()
    content = data.draw(changed_bytes(right))
    if content == right:
        return
    with pytest.raises(CustodyError):
        read_secret(_write(sealed, content), b"a passphrase", "test")


@given(st.data())
def test_a_custody_file_chooses_neither_its_cost_nor_its_form(sealed: Path, data: st.DataObject) -> None:
    """Work and memory are those of our own figures or none: what asks for others is refused before any derivation."""
    document = json.loads(sealed.read_bytes())
    document["scrypt"] = data.draw(changed_fields(document["scrypt"]).filter(lambda other: other != document["scrypt"]))
    try:
        content = canonical_json(document)
    except ValueError:
        content = json.dumps(document).encode()
    derived: list[bytes] = []

    def derive(passphrase: bytes, salt: bytes) -> bytes:
        derived.append(salt)
        return bytes(32)

    path = _write(sealed, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(custody, "_derive_key", derive)
        with pytest.raises(CustodyError):
            read_secret(path, b"a passphrase", "test")
    if derived:
        figures = document["scrypt"]
        assert {name: figures[name] for name in ("n", "r", "p")} == {"n": 32768, "r": 8, "p": 3}
