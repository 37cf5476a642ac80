"""Statements, envelopes and roots from anywhere: a value or StatementError, and what is read is written back alike."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.oprf.group import multiply_base, scalar_from_int
from keys.signatures.messages import SigningKey
from keys.statements.envelopes import MAX_SEQUENCE, Envelope, merge, read_payload, sign_statement, valid_signers
from keys.statements.keyring import (
    AnyStatement,
    EpochState,
    EpochStatement,
    ExchangeStatement,
    GroupState,
    GroupStatement,
    Keyring,
    MemberState,
    MemberStatement,
    RepresentativeState,
    Root,
    RootStatement,
    StatedRepresentative,
    StatementError,
    UnknownStatementError,
    parse_statement,
    to_payload,
)
from keys.statements.roots import Roots
from schemas.holders import Holder
from schemas.terms import GroupKind, MemberKind, Role, Sector
from schemas.values.canonical import canonical_json
from tests.any_input import JSON, changed_bytes, changed_fields
from tests.keys.factories import (
    ISSUED,
    make_dealing,
    make_epoch,
    make_member,
    make_root,
    registrar,
    registrar_key,
    sign,
)

ROOT = make_root()
identifiers = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True)
names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
public_keys = st.binary(min_size=32, max_size=32).map(lambda seed: SigningKey.from_seed(seed).public_bytes)
elements = st.integers(1, 2**40).map(lambda scalar: multiply_base(scalar_from_int(scalar)))
sequences = st.integers(1, MAX_SEQUENCE)


@st.composite
def members(draw: st.DrawFn) -> MemberStatement:
    member_id = draw(identifiers.filter(lambda name: name != "registrar"))
    names_of_people = draw(st.lists(identifiers, max_size=3, unique=True))
    keys = draw(st.lists(public_keys, min_size=3, max_size=3, unique=True))
    people = tuple(
        StatedRepresentative(
            f"{member_id}/{name}",
            key,
            draw(st.frozensets(st.sampled_from(Role))),
            draw(st.sampled_from(RepresentativeState)),
        )
        for name, key in zip(names_of_people, keys, strict=False)
    )
    return MemberStatement(
        sequence=draw(sequences),
        issued_at=draw(moments),
        member_id=member_id,
        name=draw(names),
        kind=draw(st.sampled_from(MemberKind)),
        sector=draw(st.sampled_from(Sector)),
        state=draw(st.sampled_from(MemberState)),
        declared_book=draw(st.integers(0, 10**10)),
        encryption_key=draw(st.sampled_from([32, 1216]).flatmap(lambda size: st.binary(min_size=size, max_size=size))),
        representatives=people,
    )


groups = st.builds(
    GroupStatement,
    sequence=sequences,
    issued_at=moments,
    group_id=identifiers,
    name=names,
    kind=st.sampled_from(GroupKind),
    objective=names,
    sunset=st.none() | moments,
    state=st.sampled_from(GroupState),
    members=st.frozensets(identifiers, max_size=4),
)
exchanges = st.builds(
    ExchangeStatement,
    sequence=sequences,
    issued_at=moments,
    exchange_id=identifiers,
    url=st.sampled_from(["https://exchange.example", "http://127.0.0.1:8000/base"]),
    log_origin=names,
    log_vkey=names,
    receipt_key=public_keys,
)


@st.composite
def epochs(draw: st.DrawFn) -> EpochStatement:
    count = draw(st.integers(2, 4))
    points = draw(st.lists(elements, min_size=count, max_size=count, unique=True))
    keys = draw(st.lists(public_keys, min_size=count, max_size=count, unique=True))
    holders = tuple(
        Holder(index + 1, f"holder-{index}", f"https://holder-{index}.example", points[index], keys[index])
        for index in range(count)
    )
    return EpochStatement(
        sequence=draw(sequences),
        issued_at=draw(moments),
        epoch=draw(st.integers(1, 65_535)),
        state=draw(st.sampled_from(EpochState)),
        threshold=draw(st.integers(2, count)),
        public_key=draw(elements),
        normalisation=draw(identifiers),
        holders=holders,
    )


SAMPLES: list[AnyStatement] = [
    make_member("a").statement,
    GroupStatement(3, ISSUED, "mules", "Mules", GroupKind.CELL, "find them", ISSUED, GroupState.OPEN, frozenset("ab")),
    make_epoch(make_dealing()),
    ExchangeStatement(
        1,
        ISSUED,
        "exchange",
        "https://exchange.example",
        "exchange.example/log",
        "vkey",
        SigningKey.from_seed(b"r" * 32).public_bytes,
    ),
    RootStatement(2, ISSUED, "0" * 64, 1, (registrar("bank"), registrar("regulator")), frozenset({b"d" * 32})),
]
samples = st.sampled_from(SAMPLES)


def assert_refused_or_read(payload: bytes) -> None:
    """Either StatementError, or a statement that is the same after it was written and read again."""
    try:
        statement = parse_statement(payload)
    except StatementError:
        return
    assert parse_statement(to_payload(statement)) == statement


@given(members() | groups | epochs() | exchanges)
def test_every_statement_survives_the_wire(statement: AnyStatement) -> None:
    assert parse_statement(to_payload(statement)) == statement


@given(samples.flatmap(lambda sample: changed_fields(sample.to_wire())))
def test_a_statement_with_any_field_changed_is_refused_or_read(value: Any) -> None:
    try:
        payload = canonical_json(value)
    except ValueError:
        return  # a float or a lone surrogate has no canonical bytes
    assert_refused_or_read(payload)


@given(samples.flatmap(lambda sample: changed_bytes(to_payload(sample))) | st.binary(max_size=300))
def test_a_statement_with_any_byte_changed_is_refused_or_read(payload: bytes) -> None:
    assert_refused_or_read(payload)


@given(st.integers(0, 999_999))
def test_a_time_that_would_not_be_written_back_is_refused(microseconds: int) -> None:
    """Signed bytes and their typed form say the same, to the last digit."""
    wire = make_member("a").statement.to_wire() | {"issued_at": f"2026-11-22T10:00:00.{microseconds:06d}Z"}
    payload = canonical_json(wire)
    if microseconds % 1000:
        with pytest.raises(StatementError):
            read_payload(payload)
    else:
        assert parse_statement(to_payload(parse_statement(payload))) == parse_statement(payload)


@given(st.data())
def test_one_changed_byte_of_a_signed_envelope_is_refused_or_harmless(
    data: st.DataObject,
) -> None:
    statement = data.draw(samples)
    envelope = sign(statement)
    changed = data.draw(changed_bytes(msgspec.json.encode(envelope)))
    try:
        value = json.loads(changed)
    except ValueError:
        return
    try:
        verified = Roots(ROOT).verify(value)
    except StatementError:
        return
    assert verified.payload == to_payload(statement)


@given(changed_fields(msgspec.to_builtins(sign(make_member("a").statement))) | JSON)
def test_a_changed_field_of_an_envelope_is_refused_or_harmless(value: Any) -> None:
    """Every reader of envelopes either refuses it or reads the same statement."""
    keyring = Keyring(ROOT)
    for read in (Envelope.parse, lambda given: valid_signers(given, ROOT), lambda given: merge(given, given)):
        try:
            read(value)
        except StatementError:
            continue
    try:
        assert keyring.add(value) == make_member("a").statement
    except StatementError:
        assert list(keyring.members()) == []


@given(JSON | changed_fields(ROOT.to_wire()))
def test_a_root_is_refused_or_survives_the_wire(value: Any) -> None:
    try:
        root = Root.parse(value)
    except StatementError:
        return
    assert Root.parse(root.to_wire()) == root
    assert 1 <= root.quorum <= len(root.registrars)


@given(st.binary(max_size=200) | changed_bytes(json.dumps(ROOT.to_wire()).encode()))
def test_a_file_of_any_bytes_is_a_root_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "registrars.json"
    path.write_bytes(data)
    try:
        root = Root.load(path)
    except StatementError:
        return
    assert len(root.fingerprint) == 64


@given(st.text(max_size=80))
def test_nobody_is_known_by_a_name_that_no_statement_holds(name: str) -> None:
    keyring = Keyring(ROOT)
    keyring.add(sign(make_member("a").statement))
    assert ROOT.public_key(name) is None or name.startswith("registrar/")
    if name == "a/analyst":
        return
    with pytest.raises(UnknownStatementError):
        keyring.representative(name)


@given(st.binary(max_size=100) | changed_bytes(to_payload(SAMPLES[0])))
def test_nobody_signs_what_nobody_could_read(payload: bytes) -> None:
    try:
        envelope = sign_statement(payload, "necc", registrar_key("necc"))
    except StatementError:
        return
    assert read_payload(payload).payload == Envelope.parse(envelope).payload
