"""What crosses a wire, read from any bytes: a value that is written back alike, or the documented error."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import RAISE, ValidationError

from exchange.submissions.reading import RowsError, read_head, read_rows
from schemas.enrolments import NewEnrolment
from schemas.statements import StatementEnvelope
from schemas.submissions import MAX_ROWS, SubmissionEnvelope
from schemas.values.canonical import NotCanonicalError, canonical_json, digest, parse_canonical_json
from schemas.values.derived import schema_of
from schemas.values.encoding import from_base64, from_rfc3339, to_base64, to_rfc3339
from schemas.values.identifiers import is_uuid7, uuid7
from tests.any_input import JSON, changed_bytes, changed_fields
from tests.exchange.factories import make_envelope

TODAY = date(2026, 11, 22)
TOKENS = [to_base64(bytes([number]) * 32) for number in range(4)]
ROW = [TOKENS[0], "bank_account", "2026-10-05", None]
BODY = {
    "submission_id": uuid7(),
    "part": 0,
    "envelope": make_envelope(),
    "rows": [ROW, [TOKENS[1], "phone", None, None]],
}
WHOLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8).filter(str.isprintable), inner),
    max_leaves=10,
)
fields: st.SearchStrategy[Any] = st.sampled_from(
    [
        *TOKENS,
        TOKENS[0][:-1],
        TOKENS[0][:-2] + "B=",
        "",
        "bank_account",
        "phone",
        "2026-10-05",
        "2026-02-30",
        "2026-11-23",
        "2026-11-24",
        "1899-12-31",
        "1900-01-01",
        "2026-W47-7",
        "２０２６-10-05",
        None,
        0,
        True,
        [],
        {},
        "phone\x00",
    ]
)
rows = st.lists(
    st.lists(fields, min_size=4, max_size=4) | st.just(ROW) | st.lists(fields, max_size=6) | JSON, max_size=6
)


# canonical JSON


@given(WHOLE)
def test_what_has_a_canonical_form_is_read_back(value: Any) -> None:
    try:
        data = canonical_json(value)
    except NotCanonicalError:
        return
    assert parse_canonical_json(data) == value
    assert len(digest(value)) == 32


@given(
    st.binary(max_size=60) | changed_bytes(canonical_json(BODY)) | JSON.map(lambda value: json.dumps(value).encode())
)
def test_bytes_are_refused_or_are_the_one_form_of_their_value(data: bytes) -> None:
    try:
        value = parse_canonical_json(data)
    except NotCanonicalError:
        return
    assert canonical_json(value) == data


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5_000, b'"\\ud800"', b"\xff\xfe1\x00"])
def test_depth_length_and_other_encodings_are_refused_too(data: bytes) -> None:
    with pytest.raises(NotCanonicalError):
        parse_canonical_json(data)


# encodings and identifiers


@given(
    st.text(max_size=60)
    | st.sampled_from(TOKENS)
    .flatmap(lambda text: changed_bytes(text.encode()))
    .map(lambda data: data.decode("latin-1"))
)
def test_base64_is_refused_or_written_back_letter_for_letter(text: str) -> None:
    try:
        data = from_base64(text)
    except ValueError:
        return
    assert to_base64(data) == text


@given(st.binary(max_size=80))
def test_any_bytes_survive_base64(data: bytes) -> None:
    assert from_base64(to_base64(data), len(data)) == data


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_survives_the_wire_to_the_millisecond(moment: datetime) -> None:
    assert from_rfc3339(to_rfc3339(moment)) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@given(st.text(max_size=40) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z"))
def test_a_time_is_refused_or_is_in_utc(text: str) -> None:
    try:
        moment = from_rfc3339(text)
    except ValueError:
        return
    assert moment.utcoffset() == datetime.now(UTC).utcoffset()
    assert from_rfc3339(to_rfc3339(moment)) <= moment


@given(st.text(max_size=40) | st.uuids().map(str) | st.uuids(version=4).map(str))
def test_an_identifier_is_told_from_any_other_text(text: str) -> None:
    assert is_uuid7(uuid7())
    if is_uuid7(text):
        assert (len(text), text[14], text) == (36, "7", text.lower())


# submissions


@given(
    st.binary(max_size=120)
    | changed_bytes(json.dumps(BODY).encode())
    | changed_fields(BODY).map(json.dumps).map(str.encode)
)
def test_a_submission_of_any_bytes_is_refused_or_read(body: bytes) -> None:
    try:
        head = read_head(body)
        found = read_rows(head.rows, TODAY)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, RowsError):
        return
    sent = msgspec.json.decode(head.rows)
    places = [row[4] for row in found.good] + [row.row for row in found.rejected] + found.duplicates
    assert sorted(places) == list(range(len(sent)))


@given(rows)
def test_each_row_is_judged_as_if_it_were_alone(listed: list[Any]) -> None:
    """Every row is good, rejected or a duplicate. The fast reader, for whole good files, and the careful one agree."""
    try:
        found = read_rows(msgspec.Raw(json.dumps(listed).encode()), TODAY)
    except RowsError:
        assert not listed
        return
    alone = [read_rows(msgspec.Raw(json.dumps([row]).encode()), TODAY) for row in listed]
    assert {row.row for row in found.rejected} == {place for place, one in enumerate(alone) if one.rejected}
    assert sorted([row[4] for row in found.good] + found.duplicates) == [
        place for place, one in enumerate(alone) if one.good
    ]
    assert len({row[0] for row in found.good}) == len(found.good)
    for token, kind, first_seen, last_seen, place in found.good:
        assert [to_base64(token), kind, first_seen, last_seen] == listed[place]
        assert len(token) == 32
    for row in found.rejected:
        assert not any(isinstance(value, str) and len(value) > 20 and value in row.reason for value in [*TOKENS])


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"{}",
        b"null",
        b'"rows"',
        b"[" * 200_000,
        b"[" + b"[]," * MAX_ROWS + b"[]]",
        b"\xff",
        b"[1e999]",
        b'["\\ud800"]',
    ],
)
def test_rows_that_are_no_list_of_rows_are_refused(raw: bytes) -> None:
    with pytest.raises(RowsError):
        read_rows(msgspec.Raw(raw), TODAY)


@given(changed_fields(make_envelope()) | JSON)
def test_an_envelope_with_any_field_changed_is_refused_or_read(value: Any) -> None:
    try:
        found = schema_of(SubmissionEnvelope)().load(value, unknown=RAISE)
    except ValidationError:
        return
    assert found.review_by == date.fromisoformat(value["review_by"])
    assert found.purpose.replace("\n", "").isprintable()


@given(JSON)
def test_no_json_crashes_the_other_readers(value: Any) -> None:
    for schema in (schema_of(NewEnrolment)(), schema_of(StatementEnvelope)()):
        with pytest.raises(ValidationError):
            schema.load(value, unknown=RAISE)
