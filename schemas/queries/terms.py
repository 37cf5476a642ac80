"""What a law-enforcement query stands on, as one digest: the authorising officer's program sends the digest of what it
read, the exchange approves nothing else, and the log keeps the digest alone, so that no text of a case outlives it.

Texts are in it by digests of their own (keys/sealing/query_papers.py), for the exchange keeps them sealed to their
readers.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.queries.messages import ExtensionTerms, WholeQuery
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64
from schemas.values.message import narrowed

TERMS = (
    *("query_id", "agency", "legal_gateway", "paperwork_sha256", "asked_by", "authorised_by", "covert", "silent"),
    *("until", "watch_until", "subjects", "subjects_sha256"),
)
"""The fields of a query that are its terms, beside its extensions."""


def subjects_digest(tokens: Sequence[str], types: Sequence[str]) -> str:
    """SHA-256, base64, of what is asked about: the canonical list of pairs of type and token (base64), in order."""
    return to_base64(digest([list(pair) for pair in zip(types, tokens, strict=True)]))


def terms_digest(query: WholeQuery) -> str:
    """SHA-256, base64, of the canonical terms of a query as it stands."""
    extensions = [msgspec.to_builtins(narrowed(one, ExtensionTerms)) for one in query.extensions]
    return to_base64(digest({**{name: getattr(query, name) for name in TERMS}, "extensions": extensions}))
