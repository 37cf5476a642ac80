"""What the feeds of alerts take; what they give has forms of others (Atom, JSON Feed, MISP, STIX)."""

from __future__ import annotations

from typing import Annotated

from schemas.values.message import Form, Message

CURSOR = r"[0-9]{1,14}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""What a cursor looks like, as a pattern."""


class FeedQuery(Message, frozen=True):
    """Where to go on: as a page's link to the next one has it."""

    cursor: Annotated[str, Form("QueryText", CURSOR)] | None = None
