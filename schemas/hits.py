"""A hit on the wire and in the log: an overlap without names, and how far its reader has asked about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from marshmallow import Schema, fields, validate

from schemas.terms import HitStage, IndicatorType, InstitutionBand
from schemas.values.encoding import to_base64, to_rfc3339
from schemas.values.fields import Moment, QueryInteger, QueryText


def hit_to_wire(
    hit_id: str, token: bytes, view: dict[str, Any], disclosed_at: datetime, stage: HitStage = HitStage.HIT
) -> dict[str, Any]:
    """The JSON object of a hit; `view` has type, institutions, sectors, themes and first_seen."""
    return {
        **view,
        "hit_id": hit_id,
        "token": to_base64(token),
        "stage": stage.value,
        "disclosed_at": to_rfc3339(disclosed_at),
    }


class HitSchema(Schema):
    """The form of a hit, for the API description."""

    hit_id = fields.UUID(required=True)
    token = fields.String(required=True, metadata={"description": "base64, 32 bytes"})
    indicator_type = fields.String(required=True, validate=validate.OneOf([code.value for code in IndicatorType]))
    institutions = fields.String(required=True, validate=validate.OneOf([band.value for band in InstitutionBand]))
    sectors = fields.List(fields.String(), required=True)
    themes = fields.List(fields.String(), required=True)
    first_seen = fields.String(required=True, metadata={"description": "YYYY-MM or other"})
    stage = fields.String(required=True, validate=validate.OneOf([stage.value for stage in HitStage]))
    disclosed_at = fields.DateTime(required=True)


class HitsPageSchema(Schema):
    """One page of hits."""

    hits = fields.List(fields.Nested(HitSchema), required=True)
    next = fields.String(required=True, allow_none=True)
    event_id = fields.UUID(required=True)


LARGEST_PAGE = 1000


class HitsQuery(Schema):
    """Which hits, and where to go on."""

    since = Moment(load_default=None)
    cursor = QueryText(r"[0-9a-f-]{36}", load_default=None)
    limit = QueryInteger(1, LARGEST_PAGE, load_default=200)
