"""The feed as JSON Feed 1.1 (jsonfeed.org). `_alert` is an extension of ours: the alert's fields, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from alerts.domain.alert import Alert, content_fields
from alerts.feeds.reading import Heading
from alerts.feeds.wording import is_withdrawn, marking_of, tags_of, title_of
from alerts.rendering.page import render_entry
from schemas.values.encoding import to_rfc3339

_VERSION = "https://jsonfeed.org/version/1.1"
_SHOWN = (
    "title",
    "colour",
    "theme",
    "overview",
    "red_flags",
    "case_studies",
    "requested_action",
    "body",
    "legal_gateway",
    "purpose",
    "sources",
    "accounts",
    "supersedes",
    "review_by",
    "expires_on",
)
_ID_FIRST, _UUID_CHARS = b'{"id":"urn:uuid:', 36
_MARKING = ("classification", "tlp", "conditions")


class JsonForm:
    """Alerts as items."""

    channel = "json"
    name = "json"
    media_type = "application/feed+json"
    limit = 100

    def path(self, group_id: str) -> str:
        """Where a group's feed is."""
        return f"/feeds/{group_id}.json"

    def entry(self, alert: Alert) -> bytes:
        """One item."""
        item: dict[str, Any] = {
            "id": f"urn:uuid:{alert.stix_id}",
            "title": title_of(alert),
            "summary": marking_of(alert),
            "content_html": render_entry(alert),
            "date_modified": to_rfc3339(alert.modified_at),
            "authors": [{"name": alert.issuer}],
            "tags": [f"{kind}:{code}" for kind, code in tags_of(alert)],
            "language": "en-GB",
            "_alert": _fields_of(alert),
        }
        if alert.published_at is not None:
            item["date_published"] = to_rfc3339(alert.published_at)
        return msgspec.json.encode(item)

    def join(self, heading: Heading, entries: Sequence[bytes]) -> bytes:
        """A whole feed."""
        head = {"version": _VERSION, "title": heading.title, "language": "en-GB", "feed_url": heading.url}
        if heading.next_url is not None:
            head["next_url"] = heading.next_url
        place = heading.url.partition("?")[0].removesuffix(".json")
        items = b",".join(_with_page(entry, place) for entry in entries)
        return msgspec.json.encode(head)[:-1] + b',"items":[' + items + b"]}"


def _with_page(entry: bytes, place: str) -> bytes:
    """The item with the address of its page, whole as JSON Feed has it: an entry is made once, and stands in the feeds
    of several groups.
    """
    stix_id = entry[len(_ID_FIRST) : len(_ID_FIRST) + _UUID_CHARS].decode("ascii")
    return b'{"url":' + msgspec.json.encode(f"{place}/{stix_id}.html") + b"," + entry[1:]


def _fields_of(alert: Alert) -> dict[str, Any]:
    content = content_fields(alert.content)
    shown = _MARKING if is_withdrawn(alert) else (*_MARKING, *_SHOWN)
    return {
        "alert_id": alert.alert_id,
        "reference": alert.reference,
        "version": alert.version,
        "state": alert.state.value,
        "reason": alert.reason,
        "superseded_by": alert.superseded_by,
        **{name: content[name] for name in shown},
    }
