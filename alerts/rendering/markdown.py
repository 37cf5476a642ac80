"""Markdown as alerts use it: CommonMark 0.31 without raw HTML and images, with links to https and mailto only.

What is outside that is refused at drafting (`find_forbidden`), because other programs render the same text by their own
rules, and is shown as plain text all the same should it ever come here. So are characters that show nothing or turn the
direction of reading, which a reference such as `&#x202E;` brings in: they are shown as `[U+202E]`. A link whose words
name another host than it leads to says where it leads.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

_DEEPEST = 16
# Past this depth the parser passes over what it reads, so that nothing may come near it unseen.
_PARSED_DEPTH = 100
# What reading costs follows these figures, of all texts of an alert together: each line may open and close as many
# blocks as may be nested, each mark looks for its partner, and each opening bracket for the end of its block.
_LIMITS = (
    ("\n", 2000, "lines"),
    ("[*_", 5000, "square brackets, stars and underscores"),
    ("<&`!", 5000, "angle brackets, ampersands, back quotes and exclamation marks"),
)
_MAX_BRACKETS_IN_BLOCK = 100
_MAX_OPENED = 5_000
_OPENS = re.compile(r"[ \t]*(?:>|(?:[-+*]|[0-9]{1,9}[.)])(?=[ \t]))")
"""What opens a quotation or an item of a list, at the beginning of a line or behind another."""
_HOST = re.compile(r"(?:https?://|\bwww\.)([^\s/?#]+)|\b((?:[a-z0-9-]+\.)+[a-z]{2,24})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Something that a text may not hold: the rule's name, the line (from 1) of the block that holds it, what to do."""

    rule: str
    line: int
    cure: str


def find_excess(texts: Sequence[str]) -> Forbidden | None:
    """Why some texts are together too much to be read at a bounded cost; None if they are not. Looking costs next to
    nothing: do it before `find_forbidden`.
    """
    for marks, most, name in _LIMITS:
        if sum(text.count(mark) for text in texts for mark in marks) > most:
            return Forbidden("size-in-markdown", 1, f"Keep all texts of the alert together to {most:,} {name}.")
    if sum(_count_opened(line) for text in texts for line in text.split("\n")) > _MAX_OPENED:
        cure = f"Keep all texts of the alert together to {_MAX_OPENED:,} quotations and items of lists."
        return Forbidden("size-in-markdown", 1, cure)
    for text in texts:
        for block in _block_parser().parse(text):
            if block.type == "inline" and block.content.count("[") > _MAX_BRACKETS_IN_BLOCK:
                cure = f"Keep each paragraph to {_MAX_BRACKETS_IN_BLOCK} opening square brackets."
                return Forbidden("size-in-markdown", block.map[0] + 1 if block.map else 1, cure)
    return None


def _count_opened(line: str) -> int:
    """How many quotations and items of lists a line opens, or goes on with, one within the other."""
    count, found = 0, _OPENS.match(line)
    while found:
        count, found = count + 1, _OPENS.match(line, found.end())
    return count


def find_forbidden(text: str) -> list[Forbidden]:
    """What an alert's Markdown may not hold, in the order of the text; none if all is well.

    Rules: `html-in-markdown`, `image-in-markdown`, `link-in-markdown`, `hidden-in-markdown`, `nesting-in-markdown` and
    `size-in-markdown`.
    """
    excess = find_excess([text])
    if excess is not None:
        return [excess]
    environment: dict[str, Any] = {}
    tokens = _checking_parser().parse(text, environment)
    found = [one for token in tokens for one in _judge_block(token)]
    for reference in environment.get("references", {}).values():
        found += _judge_link(reference["href"], reference["map"][0] + 1)
    return sorted(set(found), key=lambda one: (one.line, one.rule))


def parse(text: str) -> Sequence[Token]:
    """The blocks of a text, for rendering in another form than HTML."""
    tokens = _rendering_parser().parse(text)
    for token in tokens:
        token.content = _show_hidden(token.content)
        if token.children is not None:
            token.children = list(_honest(token.children))
    return tokens


def to_html(text: str, heading: int = 3) -> str:
    """A text as HTML in which everything is escaped but what CommonMark makes; its first level of headings becomes
    `heading`, those below follow, to h6.
    """
    parser = _rendering_parser()
    return str(parser.renderer.render(parse(text), parser.options, {"heading": heading}))


def _show_hidden(text: str) -> str:
    """The text with each character that shows nothing or turns the direction of reading as `[U+202E]`."""
    if text.replace("\n", " ").replace("\t", " ").isprintable():
        return text
    hidden = {sign for sign in set(text) if unicodedata.category(sign)[0] == "C" and sign not in "\n\t"}
    return text.translate({ord(sign): f"[U+{ord(sign):04X}]" for sign in hidden})


def _honest(children: Sequence[Token]) -> Iterator[Token]:
    """The inside of a block with nothing hidden, and behind each link that names another host where it leads."""
    href, words = "", ""
    for token in children:
        token.content = _show_hidden(token.content)
        if token.type == "link_open":
            href, words = str(token.attrGet("href") or ""), ""
            if token.attrGet("title"):
                token.attrSet("title", _show_hidden(str(token.attrGet("title"))))
        words += token.content
        yield token
        if token.type == "link_close" and (leads_to := _other_host(words, href)):
            annotation = Token("text", "", 0)
            annotation.content = f" [leads to {leads_to}]"
            yield annotation


def _other_host(words: str, href: str) -> str:
    """Where a link leads, if its words name a host and none of them is that; else empty."""
    named = {(found[1] or found[2]).lower().removeprefix("www.") for found in _HOST.finditer(words)}
    parts = urlsplit(href)
    host = (parts.hostname or parts.path.rpartition("@")[2]).lower()
    return "" if not named or named <= {host.removeprefix("www.")} else host


def is_allowed_link(href: str) -> bool:
    """Whether a link may be made of it: an https address with a host, or mailto."""
    try:
        parts = urlsplit(href)
    except ValueError:
        return False
    return (parts.scheme == "https" and bool(parts.hostname)) or (parts.scheme == "mailto" and bool(parts.path))


def _judge_block(token: Token) -> Iterator[Forbidden]:
    line = token.map[0] + 1 if token.map else 1
    if token.level > _DEEPEST:
        yield Forbidden("nesting-in-markdown", line, f"Nest lists and quotations no deeper than {_DEEPEST // 2}.")
    for one in (token, *(token.children or ())):
        yield from _judge_token(one, line)


def _judge_token(token: Token, line: int) -> Iterator[Forbidden]:
    if token.type in ("html_block", "html_inline"):
        yield Forbidden("html-in-markdown", line, "Take the HTML out, or write it as code between back quotes.")
    elif token.type == "image":
        yield Forbidden("image-in-markdown", line, "Take the image out: alerts are text.")
    elif token.type == "text" and _show_hidden(token.content) != token.content:
        cure = "Take out what shows nothing or turns the direction of reading."
        yield Forbidden("hidden-in-markdown", line, cure)
    elif token.type == "link_open":
        yield from _judge_link(str(token.attrGet("href") or ""), line)


def _judge_link(href: str, line: int) -> Iterator[Forbidden]:
    if not is_allowed_link(href):
        yield Forbidden("link-in-markdown", line, "Link to a whole https:// address or a mailto: address only.")


class _CheckingParser(MarkdownIt):
    """Makes a link of every address, so that each is seen."""

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        return True


class _RenderingParser(MarkdownIt):
    """Leaves what is no allowed link as the text that it is."""

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        return is_allowed_link(url)


@cache
def _block_parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True, "maxNesting": _PARSED_DEPTH}).disable("inline")


@cache
def _checking_parser() -> MarkdownIt:
    return _CheckingParser("commonmark", {"html": True, "maxNesting": _PARSED_DEPTH})


@cache
def _rendering_parser() -> MarkdownIt:
    parser = _RenderingParser("commonmark", {"html": False, "maxNesting": _PARSED_DEPTH}).disable("image")
    parser.add_render_rule("heading_open", _render_heading)
    parser.add_render_rule("heading_close", _render_heading)
    parser.add_render_rule("link_open", _render_link)
    return parser


def _render_heading(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    token = tokens[index]
    level = min(6, int(token.tag[1:]) - 1 + int(env["heading"]))
    return f"<h{level}>" if token.nesting > 0 else f"</h{level}>\n"


def _render_link(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer")
    return self.renderToken(tokens, index, options, env)
