"""An alert as one HTML page, made for reading on a screen and for printing on A4. It runs and loads nothing."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from alerts.domain.alert import Alert
from alerts.rendering.document import Cases, MarkdownText, Numbered, Table, compose
from alerts.rendering.markdown import to_html

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "alert.css").read_text("utf-8")
_STYLE_SHA256 = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_SHA256}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
"""What the page is to be served under: its own style and nothing else (Content Security Policy Level 3)."""

PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The headers of every answer that holds a page."""


def render_page(alert: Alert, reader_member_id: str) -> str:
    """A whole HTML document: that member's copy of the alert."""
    document = compose(alert, reader_member_id)
    return _environment().get_template("alert.html").render(document=document, style=Markup(_STYLE))  # noqa: S704


def render_entry(alert: Alert) -> str:
    """The alert as HTML for inside a feed reader: the same text, without a reader's name and without a look."""
    return _environment().get_template("entry.html").render(document=compose(alert, ""))


@cache
def _environment() -> Environment:
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters["markdown"] = lambda text, heading: Markup(to_html(text, heading))  # noqa: S704 - it escapes
    kinds = {"prose": MarkdownText, "numbered": Numbered, "cases": Cases, "grid": Table}
    for name, kind in kinds.items():
        environment.tests[name] = lambda block, kind=kind: isinstance(block, kind)
    return environment
