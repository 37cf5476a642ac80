"""Markdown as alerts use it: CommonMark 0.31 without raw HTML and images, with links to https and mailto only.

What is outside that is refused at drafting (`find_forbidden`), because other programs render the same text by their own
rules, and is shown as plain text all the same should it ever come here.
"""

from __future__ import annotations

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
# Each opening bracket and each mark of emphasis costs a look ahead for its partner; each line may become one in print.
_LIMITS = (("\n", 5000, "lines"), ("[", 2000, "opening square brackets"), ("*_", 20_000, "marks of emphasis"))


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Something that a text may not hold: the rule's name, the line (from 1) of the block that holds it, what to do."""

    rule: str
    line: int
    cure: str


def find_forbidden(text: str) -> list[Forbidden]:
    """What an alert's Markdown may not hold, in the order of the text; none if all is well.

    Rules: `html-in-markdown`, `image-in-markdown`, `link-in-markdown`, `nesting-in-markdown` and `size-in-markdown`.
    Check the length of the text before: the cost of reading it follows that.
    """
    for marks, most, name in _LIMITS:
        if sum(map(text.count, marks)) > most:
            return [Forbidden("size-in-markdown", 1, f"Keep the text to {most} {name}.")]
    environment: dict[str, Any] = {}
    tokens = _checking_parser().parse(text, environment)
    found = [one for token in tokens for one in _judge_block(token)]
    for reference in environment.get("references", {}).values():
        found += _judge_link(reference["href"], reference["map"][0] + 1)
    return sorted(set(found), key=lambda one: (one.line, one.rule))


def parse(text: str) -> Sequence[Token]:
    """The blocks of a text, for rendering in another form than HTML."""
    return _rendering_parser().parse(text)


def to_html(text: str, heading: int = 3) -> str:
    """A text as HTML in which everything is escaped but what CommonMark makes; its first level of headings becomes
    `heading`, those below follow, to h6.
    """
    return str(_rendering_parser().render(text, {"heading": heading}))


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
