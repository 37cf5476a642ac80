"""What an alert's Markdown may hold, and what becomes of it."""

from __future__ import annotations

import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.rendering.markdown import find_excess, find_forbidden, is_allowed_link, to_html

_TAGS = {"p", "em", "strong", "code", "pre", "a", "ul", "ol", "li", "blockquote", "hr", "br", "h3", "h4", "h5", "h6"}

FORBIDDEN = [
    ("<script>alert(1)</script>", "html-in-markdown"),
    ("a <b>bold</b> word", "html-in-markdown"),
    ("<script src=x", "html-in-markdown"),
    ("<!-- hidden -->", "html-in-markdown"),
    ("- item\n\n  <div>\n", "html-in-markdown"),
    ("> > <iframe src='//x'></iframe>", "html-in-markdown"),
    ("![picture](https://example.org/x.png)", "image-in-markdown"),
    ("![picture][ref]\n\n[ref]: https://example.org/x.png", "image-in-markdown"),
    ("[here](javascript:alert(1))", "link-in-markdown"),
    ("[here](JaVaScRiPt:alert(1))", "link-in-markdown"),
    ("[here](&#106;avascript:alert(1))", "link-in-markdown"),
    ("[here](data:text/html;base64,PHNjcmlwdD4=)", "link-in-markdown"),
    ("[here](http://example.org)", "link-in-markdown"),
    ("[here](//example.org)", "link-in-markdown"),
    ("[here](/v1/alerts)", "link-in-markdown"),
    ("[here](https:///path)", "link-in-markdown"),
    ("<file:///etc/passwd>", "link-in-markdown"),
    ("[ref]: vbscript:x", "link-in-markdown"),
    (">" * 20 + " <script>", "nesting-in-markdown"),
    (">" * 200 + " <script>", "nesting-in-markdown"),
    ("[" * 19_000, "size-in-markdown"),
    ("![" * 19_000, "size-in-markdown"),
    ("[" * 150, "size-in-markdown"),
    ("- fine\n\n  " + "[a](b " * 150, "size-in-markdown"),
    ("&" * 19_000, "size-in-markdown"),
    ("<" * 19_000, "size-in-markdown"),
    ("a&#x202E;b", "hidden-in-markdown"),
    ("a&#8203;b", "hidden-in-markdown"),
    ("*_" * 50_000, "size-in-markdown"),
    ("word\n" * 6_000, "size-in-markdown"),
]


@pytest.mark.parametrize(("text", "rule"), FORBIDDEN)
def test_what_other_programs_might_run_or_load_is_found(text: str, rule: str) -> None:
    assert rule in {one.rule for one in find_forbidden(text)}


@pytest.mark.parametrize(
    "text",
    [
        "# Head\n\nA *word*, a **word**, `<script>` as code.\n\n1. one\n2. two\n\n> said\n\n---",
        "    <script>an indented block of code</script>",
        "```html\n<b>x</b>\n```",
        "1 < 2 and 3 > 2, AT&T, &lt;b&gt;",
        "[here](https://example.org/a?b=c#d) <https://example.org> [us](mailto:desk@example.org)",
        "",
    ],
)
def test_plain_commonmark_is_let_be(text: str) -> None:
    assert find_forbidden(text) == []


def test_a_fault_is_told_with_its_line() -> None:
    found = find_forbidden("fine\n\nalso fine\n\n<div>\n\n![x](https://x.test/y)\n")
    assert [(one.rule, one.line) for one in found] == [("html-in-markdown", 5), ("image-in-markdown", 7)]


@pytest.mark.parametrize(("text", "_"), FORBIDDEN[:20])
def test_what_is_forbidden_is_harmless_all_the_same(text: str, _: str) -> None:
    check_harmless(to_html(text))


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from("<>[]()!`*_#-&;:/\\\"' \n\tascript:h=onerror1."), max_size=120))
def test_whatever_the_text_only_known_elements_come_of_it(text: str) -> None:
    check_harmless(to_html(text))


def test_headings_begin_where_they_are_told_to() -> None:
    assert to_html("# a\n\n## b\n\n###### c", 4) == "<h4>a</h4>\n<h5>b</h5>\n<h6>c</h6>\n"


@pytest.mark.parametrize("href", ["https://[::1", "https://", "mailto:", "HTTP://x", "ftp://x", "https:x"])
def test_addresses_that_are_none_are_no_links(href: str) -> None:
    assert not is_allowed_link(href)


def _calls(text: str) -> int:
    """How many functions are called to check a text: what it costs, on any machine."""
    made = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal made
        made += event == "call"

    sys.setprofile(note)
    try:
        find_forbidden(text)
    finally:
        sys.setprofile(None)
    return made


_MARKS = ["[", "![", "[a](", "[a](<b", "*", "*a ", "*a_ ", "a**b_c*", "_a", "<", "<a ", "`", "&", "> "]


@pytest.mark.parametrize("mark", _MARKS)
def test_no_mark_makes_checking_dear(mark: str) -> None:
    # 19,000 opening brackets were a million calls and a second.
    for count in (50, 100, 101, 700, 1250, 2500, 5000, 19_000):
        assert _calls(mark * count) < 200_000


@pytest.mark.parametrize("line", ["> " * 50 + "x\n", "> - " * 25 + "x\n", "1. " * 30 + "x\n", "\t>" * 90 + "\n"])
def test_no_nesting_makes_checking_dear(line: str) -> None:
    # 2,000 lines of 50 quotations and lists each took seven seconds.
    for count in (20, 99, 166, 500, 2_000):
        assert _calls(line * count) < 800_000


def test_a_long_list_within_a_quotation_is_no_excess() -> None:
    assert find_forbidden("> - a\n" * 1_900) == []


def test_the_texts_of_an_alert_count_together() -> None:
    texts = ["*a* " * 500] * 6
    assert all(find_forbidden(text) == [] for text in texts)
    excess = find_excess(texts)
    assert excess is not None
    assert excess.cure == "Keep all texts of the alert together to 5,000 square brackets, stars and underscores."


def test_what_hides_or_turns_is_shown_as_what_it_is() -> None:
    assert to_html("a&#x202E;b `c`") == "<p>a[U+202E]b <code>c</code></p>\n"
    assert "[U+2066]" in to_html('[x](https://a.example "&#x2066;")')


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[https://bank.example](https://evil.example/x)", "evil.example"),
        ("[www.bank.example/login](https://evil.example)", "evil.example"),
        ("[bank.example](https://bank.example.evil.test)", "bank.example.evil.test"),
        ("[https://bank.example@evil.example](https://bank.example@evil.example)", "evil.example"),
        ("[*bank*.example](https://evil.example)", "evil.example"),
        ("[desk@bank.example](mailto:desk@evil.example)", "evil.example"),
        ("[www.bank.example](https://bank.example)", ""),
        ("[here](https://bank.example)", ""),
        ("<https://bank.example/a>", ""),
    ],
)
def test_a_link_that_names_another_host_says_where_it_leads(text: str, told: str) -> None:
    assert (f"[leads to {told}]" in to_html(text)) == bool(told)
    assert ("leads to" in to_html(text)) == bool(told)


class _Checker(HTMLParser):
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _TAGS
        for name, value in attrs:
            assert (tag, name) in {("a", "href"), ("a", "rel"), ("a", "title"), ("ol", "start"), ("code", "class")}
            assert name != "href" or is_allowed_link(value or "")


def check_harmless(made: str) -> None:
    """AssertionError if there is anything in it but known elements."""
    checker = _Checker()
    checker.feed(made)
    checker.close()
