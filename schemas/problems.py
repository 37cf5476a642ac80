"""Problem details (RFC 9457): every error on the wire, with a stable type."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, fields

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:exchange:problem:"


@dataclass(frozen=True, slots=True)
class Problem:
    """One error. `slug` ends its type; `extra` are further members of the object."""

    slug: str
    title: str
    status: int
    detail: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        """The JSON object."""
        known = {
            "type": TYPE_PREFIX + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail or self.title,
        }
        return {**self.extra, **known}


class ProblemSchema(Schema):
    """The form of a problem, for the API description."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
