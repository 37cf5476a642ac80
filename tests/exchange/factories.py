"""Values for tests of the exchange: as small as they can be, and right unless a test changes them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

import msgspec

from schemas.submissions import SubmissionEnvelope
from schemas.values.encoding import to_base64


def make_envelope(**changes: Any) -> dict[str, Any]:
    """A submission's envelope on the wire."""
    return {
        "group": "taskforce",
        "epoch": 1,
        "normalisation": "n1",
        "theme": "money_mules",
        "case_type": "money_mule",
        "subject_role": "suspect",
        "red_flags": ["rapid movement of funds"],
        "evidence_standard": "reasonable_grounds",
        "source_evaluation": "1",
        "intelligence_assessment": "A",
        "handling": "P",
        "conditions": "",
        "classification": "OFFICIAL",
        "tlp": "AMBER",
        "legal_gateway": "CCA2013_s7",
        "purpose": "finding mule accounts",
        "review_by": "2027-05-01",
        "expires_on": "2027-11-01",
        **changes,
    }


def stated_envelope(**changes: Any) -> SubmissionEnvelope:
    """The same as a member states it."""
    return msgspec.convert(make_envelope(**changes), SubmissionEnvelope)


def make_token() -> bytes:
    """A token as random as real ones, 32 bytes."""
    return secrets.token_bytes(32)


def make_rows(tokens: Iterable[bytes], first_seen: str | None = "2026-10-05") -> list[list[Any]]:
    """Rows on the wire."""
    return [[to_base64(token), "bank_account", first_seen, None] for token in tokens]
