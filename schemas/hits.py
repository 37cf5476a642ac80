"""A hit on the wire and in the log: an overlap without names, and how far its reader has asked about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from schemas.terms import HitStage, IndicatorType, InstitutionBand
from schemas.values.message import DigestText, Form, IdCursor, Message, Time, Uuid, one_of

LARGEST_PAGE = 1000


class Overlap(Message, frozen=True):
    """What one member may see of a token that others hold too. `first_seen` is `YYYY-MM` or `other`."""

    indicator_type: Annotated[str, one_of(IndicatorType)]
    institutions: Annotated[str, one_of(InstitutionBand)]
    sectors: list[str]
    themes: list[str]
    first_seen: Annotated[str, Meta(description="YYYY-MM or other")]


class DisclosedHit(Overlap, frozen=True):
    """A hit as its member was shown it at `disclosed_at`, the last time that it was another."""

    hit_id: Uuid
    token: DigestText
    stage: Annotated[str, one_of(HitStage)]
    disclosed_at: Time


class HitsPage(Message, frozen=True):
    """One page of hits, and the log's event of this reading."""

    hits: list[DisclosedHit]
    next: str | None
    event_id: Uuid


class HitsQuery(Message, frozen=True):
    """Which hits, and where to go on."""

    since: Annotated[datetime, Form("Moment")] | None = None
    cursor: IdCursor | None = None
    limit: Annotated[int, Form("QueryInteger", 1, LARGEST_PAGE)] = 200
