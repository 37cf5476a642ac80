"""What is disclosed to a bank of a query when its cover ends. A commitment fixes it when the agency learns: a reviewer
has that one from then on, and the bank makes it anew of what it receives and its salt (docs/wire-format.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from schemas.values.canonical import canonical_json
from schemas.values.message import Message

_DOMAIN = b"exchange-withheld-v1\x00"


class QueryDisclosure(Message, frozen=True):
    """What a bank learns of one disclosure: who asked, under which gateway, when it was made, and about which tokens of
    the bank's (base64, sorted). The case is not disclosed.
    """

    query_id: str
    agency: str
    legal_gateway: str
    holder: str
    told_at: str
    tokens: list[str]


def commit_to_disclosure(salt: bytes, body: Mapping[str, object]) -> bytes:
    """The commitment, 32 bytes: SHA-256 over domain, salt (32 bytes) and the canonical form of a QueryDisclosure."""
    return hashlib.sha256(_DOMAIN + salt + canonical_json(dict(body))).digest()
