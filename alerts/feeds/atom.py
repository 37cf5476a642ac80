"""The feed as Atom (RFC 4287), in pages (RFC 5005 section 3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from alerts.domain.alert import Alert
from alerts.feeds.reading import Heading
from alerts.feeds.wording import marking_of, tags_of, title_of
from alerts.rendering.page import render_entry
from schemas.values.encoding import to_rfc3339

_NAMESPACE = "http://www.w3.org/2005/Atom"
_DECLARATION = b'<?xml version="1.0" encoding="utf-8"?>\n'
_END = b"</feed>"
_EMPTY = datetime(1970, 1, 1, tzinfo=UTC)
# What XML 1.0 cannot hold, however it is written (section 2.2).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class AtomForm:
    """Alerts as entries, marked by categories and by `rights`."""

    channel = "atom"
    name = "atom"
    media_type = "application/atom+xml; charset=utf-8"
    limit = 100

    def path(self, group_id: str) -> str:
        """Where a group's feed is."""
        return f"/feeds/{group_id}.atom"

    def entry(self, alert: Alert) -> bytes:
        """One `entry` element."""
        entry = Element("entry")
        _text(entry, "id", f"urn:uuid:{alert.stix_id}")
        _text(entry, "title", title_of(alert))
        _text(entry, "updated", to_rfc3339(alert.modified_at))
        if alert.published_at is not None:
            _text(entry, "published", to_rfc3339(alert.published_at))
        _text(SubElement(entry, "author"), "name", alert.issuer)
        # Relative to the feed's xml:base: an entry is made once, and stands in the feeds of several groups.
        SubElement(entry, "link", rel="alternate", type="text/html", href=f"{alert.stix_id}.html")
        for scheme, term in tags_of(alert):
            SubElement(entry, "category", scheme=f"urn:x-alert:{scheme}", term=term)
        _text(entry, "rights", marking_of(alert))
        _text(entry, "content", render_entry(alert)).set("type", "html")
        return _bytes(entry)

    def join(self, heading: Heading, entries: Sequence[bytes]) -> bytes:
        """A whole `feed` document."""
        pages = f"{heading.first_url.removesuffix('.atom')}/"
        feed = Element("feed", {"xmlns": _NAMESPACE, "xml:lang": "en-GB", "xml:base": pages})
        _text(feed, "id", heading.first_url)
        _text(feed, "title", heading.title)
        _text(feed, "updated", to_rfc3339(heading.changed_at or _EMPTY))
        links = {"self": heading.url, "first": heading.first_url, "next": heading.next_url}
        for relation, url in links.items():
            if url is not None:
                SubElement(feed, "link", rel=relation, type="application/atom+xml", href=url)
        # The entries are ready-made: they go in before the end tag.
        return _DECLARATION + _bytes(feed).removesuffix(_END) + b"\n" + b"\n".join([*entries, _END])


def _text(parent: Element, name: str, text: str) -> Element:
    child = SubElement(parent, name)
    child.text = _NOT_XML.sub("\ufffd", text)
    return child


def _bytes(element: Element) -> bytes:
    made: bytes = tostring(element, encoding="utf-8", xml_declaration=False)
    return made
