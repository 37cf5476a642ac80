"""An alert of a feed as a page for a browser, where an entry of the Atom feed leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alerts.domain.alert import Alert
from alerts.feeds.reading import Heading
from alerts.rendering.page import render_page


@dataclass(frozen=True, slots=True)
class PageForm:
    """One member's copies."""

    member_id: str
    channel = "html"
    name = "page"
    media_type = "text/html; charset=utf-8"
    limit = 1

    def path(self, group_id: str) -> str:
        """Where a group's pages are."""
        return f"/feeds/{group_id}/"

    def entry(self, alert: Alert) -> bytes:
        """A whole document."""
        return render_page(alert, self.member_id).encode()

    def join(self, heading: Heading, entries: Sequence[bytes]) -> bytes:
        """Each page is a document of its own."""
        del heading
        return b"".join(entries)
