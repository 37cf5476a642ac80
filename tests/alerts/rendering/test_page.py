"""The page of an alert: everything is there, marked and escaped, and nothing runs or is loaded."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from alerts.rendering.page import CONTENT_SECURITY_POLICY, render_page
from schemas.terms import AlertState
from tests.alerts.rendering.samples import ALERT, alert_in, alert_with

ATTACK = "\"><script>alert('x')</script><img src=x onerror=alert(1)>{{ 7*7 }}</style></title>"


class Outline(HTMLParser):
    """The elements of a page, its headings and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[int] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


def test_a_page_says_all_that_a_reader_is_to_know() -> None:
    text = Outline(render_page(ALERT, "alphabank")).text
    for wanted in (
        "4711-NECC",
        "Student accounts used to move the proceeds of purchase fraud",
        "Red alert: a specific or immediate threat",
        "receive and forward payments",
        "Device or IP address shared",
        "The flat deposit",
        "What we would like you to do",
        "GB33 BUKB 2020 1555 5555 55",
        "20-20-15  55555555",
        "1 March 2027",
        "1 September 2027",
        "Crime and Courts Act 2013, section 7",
        "need-to-know basis within their own organisation only",
    ):
        assert wanted in text
    assert "jmlit" not in text.replace("XXJMLXX", "")


def test_the_caveats_stand_at_the_top_and_at_the_bottom() -> None:
    page = render_page(ALERT, "alphabank")
    header, footer = re.findall(r"<(?:header|footer)>(.*?)</(?:header|footer)>", page, re.DOTALL)
    for edge in (header, footer):
        for wanted in ("OFFICIAL-SENSITIVE", "TLP:AMBER+STRICT", "4711-NECC", "Issued to alphabank", "Not to be used"):
            assert wanted in edge


def test_a_page_is_made_for_everyone() -> None:
    outline = Outline(render_page(ALERT, "alphabank"))
    assert outline.elements[0] == ("html", {"lang": "en-GB"})
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False))
    assert all(one.get("scope") == "col" for tag, one in outline.elements if tag == "th")


def test_nothing_is_run_or_loaded() -> None:
    page = render_page(ALERT, "alphabank")
    elements = Outline(page).elements
    assert not {tag for tag, _ in elements} & {"script", "link", "img", "iframe", "object", "form", "base", "svg"}
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on") or name == "style"]
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    assert not re.search(r"url\(|@import", style[1])
    # The policy lets this very style through, and nothing else.
    known = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{known}'" in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")


def test_text_of_an_attacker_stays_text() -> None:
    names = ("title", "conditions", "overview", "requested_action", "body", "purpose")
    usual = {tag for tag, _ in Outline(render_page(alert_with(body="x"), "alphabank")).elements}
    for changes in ({name: ATTACK} for name in names):
        page = render_page(alert_with(**changes), "alphabank")
        assert {tag for tag, _ in Outline(page).elements} <= usual
        assert "49" not in Outline(page).text.replace("1 September 2027", "").replace("4711", "")
    page = render_page(alert_with(red_flags=[ATTACK]), "alphabank")
    assert "<script" not in page


@pytest.mark.parametrize(
    ("state", "changes", "wanted"),
    [
        (AlertState.SUPERSEDED, {"superseded_by": "0815-NECC"}, "replaced by alert 0815-NECC"),
        (AlertState.EXPIRED, {}, "past its last day"),
        (AlertState.DRAFT, {}, "not for circulation"),
    ],
)
def test_what_is_not_in_force_says_so_first(state: AlertState, changes: dict[str, str], wanted: str) -> None:
    text = Outline(render_page(alert_in(state, **changes), "alphabank")).text
    assert wanted in text
    assert text.index(wanted) < text.index("Student accounts", text.index("Issued to"))


def test_nothing_of_a_withdrawn_alert_is_left_but_why() -> None:
    page = render_page(alert_in(AlertState.WITHDRAWN, reason="A victim's account <x>"), "alphabank")
    text = Outline(page).text
    assert "WITHDRAWN" in text
    assert "A victim's account <x>" in text
    for gone in ("Student", "GB33", "flat deposit", "NECC-2026-0412", "recruited"):
        assert gone not in page
