"""Statements in their envelopes: the quorum decides, and only over the bytes it signed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.statements.envelopes import (
    MAX_PAYLOAD_BYTES,
    MAX_SEQUENCE,
    PAYLOAD_TYPE,
    Envelope,
    Root,
    StatementError,
    merge,
    pre_authentication_encoding,
    read_payload,
    sign_statement,
    valid_signers,
)
from keys.statements.keyring import to_payload
from keys.statements.roots import Roots
from schemas.statements import EnvelopeSignature
from schemas.values.encoding import to_base64
from tests.keys.factories import make_member, make_root, registrar_key, sign

ROOT = make_root(quorum=2)
MEMBER = make_member().statement
PAYLOAD = to_payload(MEMBER)


def _reason(envelope: object, root: Root = ROOT) -> str:
    with pytest.raises(StatementError) as caught:
        Roots(root).verify(envelope)
    return caught.value.reason


def test_what_the_quorum_signed_is_believed() -> None:
    statement = Roots(ROOT).verify(sign(MEMBER))
    assert (statement.type, statement.subject, statement.sequence) == ("member", "a", 1)
    assert statement.signers == {"necc", "reviewer"}
    assert statement.payload == PAYLOAD


def test_the_signed_bytes_are_those_of_dsse() -> None:
    assert pre_authentication_encoding(b"hello") == b"DSSEv1 39 application/vnd.exchange.statement+json 5 hello"


def test_one_registrar_is_no_quorum_of_two() -> None:
    assert _reason(sign(MEMBER, by=("necc",))) == "quorum"


def test_one_registrar_who_signs_twice_counts_once() -> None:
    envelope = sign(MEMBER, by=("necc",))
    envelope = msgspec.structs.replace(envelope, signatures=envelope.signatures * 2)
    assert valid_signers(envelope, ROOT) == {"necc"}
    assert _reason(envelope) == "quorum"


def test_nobody_is_made_to_verify_dozens_of_signatures_of_one_key() -> None:
    """A wrong signature in a registrar's name does not spoil its right one, and more are not looked at."""
    envelope = sign(MEMBER)
    wrong = EnvelopeSignature(keyid="registrar/necc", sig=to_base64(bytes(64)))
    envelope.signatures.insert(0, wrong)
    assert valid_signers(envelope, ROOT) == {"necc", "reviewer"}
    envelope.signatures.insert(0, wrong)
    with pytest.raises(StatementError, match="more than 2 signatures of one key"):
        valid_signers(envelope, ROOT)


def test_a_stranger_counts_for_nothing() -> None:
    assert _reason(sign(MEMBER, by=("necc", "stranger"))) == "quorum"


def test_a_stranger_cannot_sign_in_a_registrars_name() -> None:
    envelope = sign(MEMBER, by=("necc",))
    forged = sign_statement(PAYLOAD, "reviewer", registrar_key("stranger"))
    assert _reason(merge(envelope, forged)) == "quorum"


def test_a_registrar_cannot_sign_in_anothers_name() -> None:
    forged = sign_statement(PAYLOAD, "reviewer", registrar_key("necc"))
    assert _reason(merge(sign(MEMBER, by=("necc",)), forged)) == "quorum"


def test_signatures_of_one_statement_do_not_carry_over_to_another() -> None:
    envelope = sign(MEMBER)
    other = to_payload(make_member("b").statement)
    assert _reason(msgspec.structs.replace(envelope, payload=to_base64(other))) == "quorum"
    with pytest.raises(StatementError, match="different statements"):
        merge(envelope, sign(other))


def test_every_changed_bit_of_the_payload_is_noticed() -> None:
    envelope = sign(MEMBER)
    for position in range(0, len(PAYLOAD), 37):
        changed = bytearray(PAYLOAD)
        changed[position] ^= 1
        assert _reason(msgspec.structs.replace(envelope, payload=to_base64(bytes(changed)))) == "quorum"


def test_a_wrong_signature_beside_the_quorum_does_no_harm() -> None:
    envelope = sign(MEMBER)
    for name in ("bank", "nobody"):
        envelope.signatures.append(EnvelopeSignature(keyid=f"registrar/{name}", sig=to_base64(bytes(64))))
    assert Roots(ROOT).verify(envelope).signers == {"necc", "reviewer"}


def test_merging_is_idempotent() -> None:
    envelope = sign(MEMBER)
    assert merge(envelope, envelope) == envelope


@pytest.mark.parametrize(
    "change",
    [
        {"payloadType": "application/vnd.in-toto+json"},
        {"payload": "not base64"},
        {"payload": to_base64(PAYLOAD).rstrip("=") + "\n"},
        {"payload": 7},
        {"signatures": {}},
        {"signatures": [{"keyid": "registrar/necc"}]},
        {"signatures": [{"keyid": "registrar/necc", "sig": to_base64(bytes(63))}]},
        {"signatures": [{"keyid": "registrar/necc", "sig": to_base64(bytes(64)), "cert": "x"}]},
        {"signatures": [{"keyid": "registrar/necc", "sig": to_base64(bytes(64))}] * 65},
        {"extra": 1},
    ],
)
def test_a_malformed_envelope_is_refused(change: dict[str, Any]) -> None:
    assert _reason(msgspec.to_builtins(sign(MEMBER)) | change) == "malformed"


@pytest.mark.parametrize("value", [None, [], "x", 1, {}, {"payload": ""}])
def test_what_is_no_envelope_is_refused(value: object) -> None:
    assert _reason(value) == "malformed"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        PAYLOAD + b" ",
        PAYLOAD.replace(b'"type"', b'"typo"'),
        PAYLOAD.replace(b'"type":"member"', b'"type":"king"'),
        PAYLOAD.replace(b'"sequence":1', b'"sequence":0'),
        PAYLOAD.replace(b'"sequence":1', b'"sequence":true'),
        PAYLOAD.replace(b'"sequence":1', b'"sequence":' + b"9" * 5000),
        PAYLOAD.replace(b".000Z", b"+01:00"),
        PAYLOAD.replace(b'"member_id":"a"', b'"member_id":"../a"'),
        b"[" * 100_000,
        b'{"a":1,"a":2}',
        b" " * (MAX_PAYLOAD_BYTES + 1),
    ],
)
def test_a_quorum_cannot_make_a_malformed_payload_count(payload: bytes) -> None:
    """Signed by hand: sign_statement refuses to sign what nobody could read."""
    with pytest.raises(StatementError):
        sign_statement(payload, "necc", registrar_key("necc"))
    if len(payload) > MAX_PAYLOAD_BYTES:
        return
    message = pre_authentication_encoding(payload)
    signatures = tuple((f"registrar/{name}", registrar_key(name).sign(message)) for name in ("necc", "bank"))
    assert _reason(Envelope(payload, signatures).to_wire()) == "malformed"


# -- the root


def test_the_root_has_one_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "registrars.json"
    path.write_text(json.dumps(ROOT.to_wire(), indent=4))
    loaded = Root.load(path)
    assert loaded == ROOT
    assert loaded.fingerprint == ROOT.fingerprint
    assert len(loaded.fingerprint) == 64
    assert make_root(quorum=1).fingerprint != ROOT.fingerprint


@pytest.mark.parametrize("quorum", [0, -1, 4, True, "2", 1.0, None])
def test_a_quorum_that_cannot_be_is_refused(quorum: object) -> None:
    with pytest.raises(StatementError):
        Root.parse(ROOT.to_wire() | {"quorum": quorum})


@pytest.mark.parametrize("name", ["registrar_id", "public_key"])
def test_a_registrar_twice_is_refused(name: str) -> None:
    """Else one person would be two of the quorum."""
    wire = ROOT.to_wire()
    wire["registrars"][1][name] = wire["registrars"][0][name]
    with pytest.raises(StatementError, match="twice"):
        Root.parse(wire)


def test_a_registrar_with_a_key_of_small_order_is_refused() -> None:
    wire = ROOT.to_wire()
    wire["registrars"][0]["public_key"] = to_base64(b"\x01" + bytes(31))
    with pytest.raises(StatementError, match="small order"):
        Root.parse(wire)


def test_a_root_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StatementError, match="cannot be read"):
        Root.load(tmp_path / "missing.json")
    for content in ("", "[" * 100_000, "{}", "\x00"):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(StatementError):
            Root.load(tmp_path / "bad.json")


# -- hostile bytes

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(_JSON)
def test_no_json_crashes_the_envelope_parser(value: object) -> None:
    with pytest.raises(StatementError):
        Roots(ROOT).verify(value)


@given(_JSON, _JSON, _JSON)
def test_no_field_crashes_the_envelope_parser(payload: object, key_id: object, signature: object) -> None:
    signatures = [{"keyid": key_id, "sig": signature}]
    with pytest.raises(StatementError):
        Roots(ROOT).verify({"payloadType": PAYLOAD_TYPE, "payload": payload, "signatures": signatures})


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_payload_parser(payload: bytes) -> None:
    with pytest.raises(StatementError):
        read_payload(payload)


@given(st.binary(max_size=200))
def test_envelopes_survive_the_wire(payload: bytes) -> None:
    envelope = Envelope(payload, (("registrar/necc", bytes(64)),))
    if payload:
        assert Envelope.parse(msgspec.json.decode(msgspec.json.encode(envelope.to_wire()))) == envelope


def test_a_sequence_ends_long_before_the_number_of_a_snapshot() -> None:
    """A snapshot's number is the sum of all sequences: one statement must not carry it past what is readable."""
    assert read_payload(to_payload(replace(MEMBER, sequence=MAX_SEQUENCE))).sequence == 2**31 - 1
    for wrong in (MAX_SEQUENCE + 1, 2**53 - 1):
        payload = PAYLOAD.replace(b'"sequence":1,', b'"sequence":%d,' % wrong)
        with pytest.raises(StatementError, match="from 1 to 2147483647"):
            read_payload(payload)
