"""A refusal by rules before anything is sent, in the form in which the exchange tells its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from member.errors import MemberError


@dataclass(frozen=True)
class Broken:
    """A rule that is not kept: its name, the field at fault, and what would be right."""

    code: str
    field: str
    detail: str


class RuleRefusedError(MemberError):
    """What was asked for breaks one or more rules; all of them are reported at once."""

    slug = "refused"

    def __init__(self, what: str, broken: Sequence[Broken], hint: str | None = None) -> None:
        listed = "; ".join(f"{one.field}: {one.detail} ({one.code})" for one in broken)
        reasons = [{"code": one.code, "field": one.field, "detail": one.detail} for one in broken]
        super().__init__(f"{what}: {listed}", hint, problem={"reasons": reasons})
