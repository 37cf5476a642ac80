"""Who asks: a value that authentication makes and every use case takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated representative. `signature` is the Signature header of the request that it made."""

    representative_id: str
    member_id: str
    roles: frozenset[str]
    signature: str = ""
