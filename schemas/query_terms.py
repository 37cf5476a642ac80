"""What a law-enforcement query stands on, as one digest: the authorising officer's program sends the digest of what it
read, the exchange approves nothing else, and the log keeps the digest alone, so that no text of a case outlives it.

Texts are in it by digests of their own (keys/sealing/query_papers.py), for the exchange keeps them sealed to their
readers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.values.canonical import digest
from schemas.values.encoding import to_base64

TERMS = (
    *("query_id", "agency", "legal_gateway", "paperwork_sha256", "asked_by", "authorised_by", "covert", "silent"),
    *("until", "watch_until", "subjects", "subjects_sha256"),
)
"""The fields of a query, as it is read on the wire, that are its terms, beside its extensions."""
EXTENSION_TERMS = ("by", "former_until", "until", "watch_until", "reason_sha256")
"""Those of each extension."""


def subjects_digest(tokens: Sequence[str], types: Sequence[str]) -> str:
    """SHA-256, base64, of what is asked about: the canonical list of pairs of type and token (base64), in order."""
    return to_base64(digest([list(pair) for pair in zip(types, tokens, strict=True)]))


def terms_digest(query: Mapping[str, Any]) -> str:
    """SHA-256, base64, of the canonical terms of a query as it stands. KeyError if one is missing."""
    extensions = [{name: one[name] for name in EXTENSION_TERMS} for one in query["extensions"]]
    return to_base64(digest({**{name: query[name] for name in TERMS}, "extensions": extensions}))
