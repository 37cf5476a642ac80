"""What a law-enforcement query stands on, as one digest: the authorising officer's program sends the digest of what it
read, the exchange approves nothing else, and the log keeps the digest alone, so that no text of a case outlives it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.canonical import digest
from schemas.encoding import to_base64

TERMS = (
    *("query_id", "agency", "case", "legal_gateway", "purpose", "necessity", "proportionality"),
    *("asked_by", "authorised_by", "covert", "silent", "until", "watch_until", "extensions"),
    *("subjects", "subjects_sha256", "salt"),
)
"""The fields of a query, as it is read on the wire, that are its terms. The salt keeps texts from being guessed."""


def subjects_digest(tokens: Sequence[str], types: Sequence[str]) -> str:
    """SHA-256, base64, of what is asked about: the canonical list of pairs of type and token (base64), in order."""
    return to_base64(digest([list(pair) for pair in zip(types, tokens, strict=True)]))


def terms_digest(query: Mapping[str, Any]) -> str:
    """SHA-256, base64, of the canonical terms of a query as it stands. KeyError if one is missing."""
    return to_base64(digest({name: query[name] for name in TERMS}))
