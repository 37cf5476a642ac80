"""The texts of a law-enforcement query, sealed to each that may read them: its agency and the independent reviewers.

1. A paper is case, purpose, necessity and proportionality of a query, or the reason of one of its extensions, with a
   random salt of 32 bytes, all as canonical JSON. Its digest (SHA-256) is part of the query's terms; the salt keeps the
   texts from being guessed from it.
2. HPKE base mode (RFC 9180) to the reader's enrolled key, as of answers to requests (keys/sealing/hybrid.py), padded to
   its SIZE_CLASSES: what is stored shows neither texts nor how long they are.
3. The seal authenticates query, which paper of it, reader and digest: one paper cannot be served as another.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from keys.sealing.hybrid import SIZE_CLASSES, EncryptionKey, SealingError, overhead, pad, seal_to, unpad
from schemas.queries.messages import ExtensionGrounds, QueryGrounds
from schemas.values.canonical import NotCanonicalError, canonical_json, parse_canonical_json
from schemas.values.encoding import to_base64

_DOMAIN = b"exchange-query-paper-v1"
_Paper = TypeVar("_Paper", QueryGrounds, ExtensionGrounds)


@dataclass(frozen=True, slots=True)
class PaperPlace:
    """Where a paper belongs: `position` 0 has a query's grounds, n its n-th extension; `reader` is a member's id."""

    query_id: str
    position: int
    reader: str
    sha256: bytes

    def to_bytes(self) -> bytes:
        """What the seal authenticates."""
        bound = {"query_id": self.query_id, "position": self.position, "reader": self.reader}
        return _DOMAIN + b"\0" + canonical_json({**bound, "sha256": to_base64(self.sha256)})


def paper_bytes(paper: QueryGrounds | ExtensionGrounds) -> bytes:
    """What is sealed, and what the digest is of."""
    return canonical_json(msgspec.to_builtins(paper))


def seal_paper(paper: QueryGrounds | ExtensionGrounds, public_key: bytes, place: PaperPlace) -> bytes:
    """A paper for one reader. Raises SealingError for a key that is none."""
    return seal_to(public_key, pad(paper_bytes(paper), overhead(public_key)), place.to_bytes())


def open_paper(sealed: bytes, key: EncryptionKey, place: PaperPlace, form: type[_Paper]) -> _Paper:
    """What was sealed so for this place. Raises SealingError, also for a paper that is not the one of the digest."""
    if len(sealed) not in SIZE_CLASSES:
        raise SealingError("a sealed paper has another size")
    content = unpad(key.open(sealed, place.to_bytes()))
    if hashlib.sha256(content).digest() != place.sha256:
        raise SealingError("it is another paper than the terms name")
    try:
        paper = parse_canonical_json(content)
        if isinstance(paper, dict) and paper.keys() == set(form.__struct_fields__):
            return msgspec.convert(paper, form)
    except (NotCanonicalError, msgspec.ValidationError):
        pass
    raise SealingError("it is not a paper of a query")
