"""Problem details (RFC 9457): every error on the wire, with a stable type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from schemas.values.message import Message

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:exchange:problem:"


class ProblemDocument(Message, frozen=True):
    """The fields that every problem has on the wire."""

    type: str
    title: str
    status: int
    detail: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One error. `slug` ends its type; `extra` are further members of the object."""

    slug: str
    title: str
    status: int
    detail: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)

    def to_wire(self) -> dict[str, object]:
        """The JSON object."""
        known = ProblemDocument(
            type=TYPE_PREFIX + self.slug, title=self.title, status=self.status, detail=self.detail or self.title
        )
        return {**self.extra, **msgspec.to_builtins(known)}
