"""The strict reader of a message, derived from its struct."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from marshmallow import RAISE, ValidationError

from schemas.alerts.messages import Release
from schemas.alerts.subscriptions import ReplayForm, SubscriptionForm
from schemas.holder_faults import FaultReport, ListedReport
from schemas.holders import EvaluationHeaders, EvaluationQuery
from schemas.values.derived import schema_of
from schemas.values.identifiers import uuid7
from schemas.values.message import Message


def faults_of(message: type[Message], value: dict[str, Any]) -> set[str]:
    """The fields that are refused."""
    with pytest.raises(ValidationError) as refused:
        schema_of(message)().load(value, unknown=RAISE)
    return set(refused.value.messages_dict)


def test_a_field_that_may_be_left_out_is_unset_then_and_never_null() -> None:
    read = schema_of(EvaluationQuery)().load({"epoch": "1", "quorum": "1,3"})
    assert (read.batch, read.proof, read.quorum) == (msgspec.UNSET, "no", (1, 3))
    assert faults_of(EvaluationQuery, {"epoch": "1", "quorum": "1,3", "batch": None}) == {"batch"}
    assert "batch" not in msgspec.to_builtins(read)


def test_a_field_that_may_be_null_is_not_left_out() -> None:
    assert schema_of(Release)().load({"at": None}).at is None
    assert schema_of(Release)().load({"at": "2026-11-22"}).at == datetime(2026, 11, 22, tzinfo=UTC)
    assert faults_of(Release, {}) == {"at"}


def test_every_fault_is_named_at_once_those_across_fields_last() -> None:
    assert faults_of(SubscriptionForm, {"themes": ["x"], "more": 1}) == {"themes", "channel", "target", "more"}
    assert faults_of(ReplayForm, {}) == {"delivery_ids"}
    assert faults_of(ReplayForm, {"delivery_ids": [uuid7()], "since": "2026-11-22"}) == {"delivery_ids"}
    assert faults_of(ReplayForm, {"delivery_ids": ["x"], "since": "x"}) == {"delivery_ids", "since"}


def test_a_field_is_read_under_its_name_on_the_wire() -> None:
    read = schema_of(EvaluationHeaders)().load({"Idempotency-Key": "key-1"})
    assert read.idempotency_key == "key-1"
    assert faults_of(EvaluationHeaders, {"idempotency_key": "key-1"}) == {"Idempotency-Key", "idempotency_key"}


def test_a_type_without_a_form_is_named() -> None:
    class Untold(Message, frozen=True):
        plain: str
        raw: bytes

    with pytest.raises(TypeError, match=r"raw: .* has no form"):
        schema_of(Untold)


def test_a_message_that_is_passed_on_unread_is_described_as_itself() -> None:
    (report,) = (field for name, field in schema_of(ListedReport)().fields.items() if name == "report")
    assert isinstance(report.schema, schema_of(FaultReport))  # type: ignore[attr-defined]
    shown = ListedReport(report_id="0" * 64, received_at="2026-11-22T10:00:00.000Z", report=msgspec.Raw(b'{"x":1}'))
    assert msgspec.json.decode(msgspec.json.encode(shown))["report"] == {"x": 1}
