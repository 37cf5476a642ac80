"""What is hashed or signed is closed: a reader refuses a field that it does not know."""

from __future__ import annotations

import msgspec
import pytest

from schemas.enrolments import EnrolmentCode
from schemas.holders import SignedSnapshot
from schemas.requests.messages import NewRequest, RequestTerms
from schemas.statements import EnvelopeSignature, StatementEnvelope
from schemas.values.message import Message

_TERMS: dict[str, object] = {
    **dict.fromkeys(("hit_id", "mode", "legal_gateway", "purpose", "necessity", "proportionality", "urgency"), "text"),
    **dict.fromkeys(("condition", "nca_notice")),
    "fields": [],
    "confirmations": [],
    "request_id": "id",
}
_CODE: dict[str, object] = {"exchange_url": "https://x.example", "member_id": "a", "secret": "canary", "registrars": {}}


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (RequestTerms, _TERMS),
        (NewRequest, _TERMS | {"proof": ""}),
        (StatementEnvelope, {"payloadType": "text", "payload": "", "signatures": []}),
        (EnvelopeSignature, {"keyid": "registrar/r1", "sig": ""}),
        (SignedSnapshot, {"payload": "", "signature": ""}),
        (EnrolmentCode, _CODE),
    ],
)
def test_a_field_more_is_refused(message: type[Message], fields: dict[str, object]) -> None:
    assert isinstance(msgspec.convert(fields, message), message)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert(fields | {"more": 1}, message)


def test_what_prints_a_message_does_not_print_its_secret() -> None:
    assert "canary" not in repr(msgspec.convert(_CODE, EnrolmentCode))
