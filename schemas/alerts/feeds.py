"""What the feeds of alerts take, and the resources of TAXII 2.1; what else they give has forms of others (Atom, JSON
Feed, MISP, STIX).
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from schemas.values.message import Form, Message

CURSOR = r"[0-9]{1,14}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""What a cursor looks like, as a pattern."""


class FeedQuery(Message, frozen=True):
    """Where to go on: as a page's link to the next one has it."""

    cursor: Annotated[str, Form("QueryText", CURSOR)] | None = None


class TaxiiDiscovery(Message, frozen=True):
    """The API roots that there are (section 4.1)."""

    title: str
    description: str
    default: str
    api_roots: list[str]


class TaxiiRoot(Message, frozen=True):
    """What an API root speaks (section 4.2)."""

    title: str
    versions: list[str]
    max_content_length: int


class TaxiiCollection(Message, frozen=True):
    """A collection (section 5.2): the alerts to one sharing group."""

    id: str
    title: str
    description: str
    can_read: bool
    can_write: bool
    media_types: list[str]


class TaxiiCollections(Message, frozen=True):
    """The collections that the reader may see (section 5.1), left out if there are none."""

    collections: list[TaxiiCollection] | msgspec.UnsetType = msgspec.UNSET
