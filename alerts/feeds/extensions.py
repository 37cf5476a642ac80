"""What the feeds add to STIX, described to readers: two property extensions and their JSON Schemas.

docs/stix/ holds the same schemas as files; a test compares them with these and with stored objects.
"""

from __future__ import annotations

import json
from typing import Any

from schemas.terms import AlertColour, AlertState, Classification, LegalGateway, Theme
from schemas.values.identifiers import REFERENCE

ALERT = "extension-definition--17eb491f-4589-405b-961a-8db307862f7d"
ACCOUNT = "extension-definition--944db8bb-1710-4c04-8b41-b6a2de9e0a0a"
BANK_ACCOUNT = "extension-definition--f19f3291-6a84-5674-b311-d75a925d5bd9"
"""Published with the STIX extensions of the DOGESEC community: the type `bank-account`."""
TLP_2 = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
"""Published by OASIS: TLP 2.0 markings."""

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_READABLE = (AlertState.PUBLISHED, AlertState.SUPERSEDED, AlertState.WITHDRAWN, AlertState.EXPIRED)


def _codes(codes: Any, description: str) -> dict[str, Any]:
    return {"enum": [code.value for code in codes], "description": description}


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "description": description, **more}


_REFERENCE = f"^{REFERENCE}$"

ALERT_SCHEMA: dict[str, Any] = {
    "$schema": _DRAFT,
    "title": "alert",
    "description": "Properties that an alert of the taskforce has beyond those of a report",
    "type": "object",
    "properties": {
        "extension_type": {"const": "property-extension"},
        "reference": _text("Number of the alert", pattern=_REFERENCE),
        "issuer": _text("The name of the member that issues it"),
        "state": _codes(_READABLE, "How the alert stands; a withdrawn one is also revoked"),
        "colour": _codes(AlertColour, "How pressing it is"),
        "theme": _codes(Theme, "The threat that it is about"),
        "classification": _codes(Classification, "UK Government Security Classification"),
        "legal_gateway": _codes(LegalGateway, "The statutory ground on which it is disclosed"),
        "purpose": _text("What it is disclosed for"),
        "review_by": _text("The day by which its issuer looks at it again", format="date"),
        "expires_on": _text("The last day on which it holds", format="date"),
        "conditions": _text("What a reader must observe when handling it"),
        "supersedes": _text("Number of the alert whose place it takes", pattern=_REFERENCE),
        "superseded_by": _text("Number of the alert that took its place", pattern=_REFERENCE),
        "withdrawal_reason": _text("Why it was withdrawn"),
    },
    "required": [
        *("extension_type", "reference", "issuer", "state", "colour", "theme", "classification"),
        *("legal_gateway", "purpose", "review_by", "expires_on"),
    ],
    "additionalProperties": False,
}

ACCOUNT_SCHEMA: dict[str, Any] = {
    "$schema": _DRAFT,
    "title": "account of an alert",
    "description": "Properties that an account named by an alert has beyond those of bank-account",
    "type": "object",
    "properties": {
        "extension_type": {"const": "property-extension"},
        "sort_code": _text("Sort code of a UK account, six digits", pattern="^[0-9]{6}$"),
        "withdrawn": {
            "const": True,
            "description": "The alert was withdrawn: hold the account no longer",
        },
    },
    "required": ["extension_type"],
    "additionalProperties": False,
}


def as_text(schema: dict[str, Any]) -> str:
    """A schema as it is written in an extension definition."""
    return json.dumps(schema, separators=(",", ":"))
