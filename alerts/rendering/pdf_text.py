"""Text for the PDF: its typefaces, its styles, and Markdown as what ReportLab sets on pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from markdown_it.token import Token
from reportlab.lib.colors import HexColor
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, HRFlowable, Paragraph, Spacer, XPreformatted

from alerts.rendering.markdown import parse

_FONTS = Path(__file__).parent / "fonts"
SANS, BOLD, MONO = "NotoSans", "NotoSans-Bold", "NotoSansMono"
INK, GREY, LINK = HexColor("#14171a"), HexColor("#4a545e"), HexColor("#0b4f8a")
_STEP = 18
_CODE_COLUMNS = 84
_LONGEST = 2000
_MARKUP = {
    "softbreak": " ",
    "hardbreak": "<br/>",
    "strong_open": "<b>",
    "strong_close": "</b>",
    "em_open": "<i>",
    "em_close": "</i>",
    "link_close": "</a>",
}


@cache
def load_fonts() -> None:
    """Register the typefaces: Latin, Greek and Cyrillic, embedded in every PDF as far as it uses them."""
    files = {
        SANS: "NotoSans-Regular.ttf",
        BOLD: "NotoSans-Bold.ttf",
        "NotoSans-Italic": "NotoSans-Italic.ttf",
        "NotoSans-BoldItalic": "NotoSans-BoldItalic.ttf",
        MONO: "NotoSansMono-Regular.ttf",
    }
    for name, file in files.items():
        pdfmetrics.registerFont(TTFont(name, _FONTS / file))
    pdfmetrics.registerFontFamily(SANS, SANS, BOLD, "NotoSans-Italic", "NotoSans-BoldItalic")
    pdfmetrics.registerFontFamily(MONO, MONO, MONO, MONO, MONO)


def style(**changes: object) -> ParagraphStyle:
    """The running text's style, changed."""
    usual: dict[str, object] = {
        "fontName": SANS,
        "fontSize": 9.5,
        "leading": 13.3,
        "textColor": INK,
        "spaceAfter": 4,
        "allowWidows": 0,
        "allowOrphans": 0,
    }
    return ParagraphStyle("text", **(usual | changes))


def heading(level: int) -> ParagraphStyle:
    """The style of a heading within a text, from 1."""
    size = max(9.5, 12 - level)
    return style(fontName=BOLD, fontSize=size, leading=size * 1.35, spaceBefore=6, spaceAfter=3, keepWithNext=1)


@cache
def _signs() -> frozenset[int]:
    load_fonts()
    faces = (pdfmetrics.getFont(name).face for name in (SANS, MONO))
    return frozenset.intersection(*(frozenset(face.charToGlyph) for face in faces))


@dataclass
class Typesetter:
    """Turns text into what ReportLab takes. `lacks` says whether there was a sign that the typefaces do not have: it is
    set as its number in Unicode, `[U+4E2D]`, rather than left out.
    """

    lacks: bool = False
    _known: frozenset[int] = field(default_factory=_signs)

    def plain(self, text: str) -> str:
        """Plain text as a paragraph's markup; its line breaks stay."""
        return "<br/>".join(self._escaped(line) for line in text.split("\n"))

    def markdown(self, text: str, indent: float = 0) -> Iterator[Flowable]:
        """Markdown as flowables, `indent` points from both sides."""
        yield from _Blocks(self, indent).set(parse(text))

    def code(self, text: str) -> str:
        """Text in lines that the page is wide enough for, as markup."""
        lines = (line.expandtabs(4) for line in text.rstrip("\n").split("\n"))
        cut = (line[at : at + _CODE_COLUMNS] for line in lines for at in range(0, max(1, len(line)), _CODE_COLUMNS))
        return "\n".join(self._escaped(line) for line in cut)

    def inline(self, tokens: Sequence[Token]) -> Iterator[str]:
        """The inside of a paragraph of Markdown as markup; a very long one in parts, because the time that ReportLab
        takes for a paragraph grows with the square of its length.
        """
        made, length = "", 0
        opened: list[str] = []
        for token in tokens:
            for part in self._inline(token):
                made, length = made + part, length + len(part)
                if length >= _LONGEST and token.nesting == 0:
                    yield made + "".join(f"</{_name_of(one)}>" for one in reversed(opened))
                    made, length = "".join(opened), 0
            if token.nesting > 0:
                opened.append(next(self._inline(token)))
            elif token.nesting < 0:
                opened.pop()
        yield made

    def _inline(self, token: Token) -> Iterator[str]:
        if token.type == "link_open":
            yield f'<a href={quoteattr(str(token.attrGet("href")))} color="#{LINK.hexval()[2:]}">'
        elif token.type in _MARKUP:
            yield _MARKUP[token.type]
        else:
            face = (f'<font name="{MONO}">', "</font>") if token.type == "code_inline" else ("", "")
            for part in _cut(token.content):
                yield face[0] + self._escaped(part) + face[1]

    def _escaped(self, text: str) -> str:
        if missing := {sign for sign in set(text) if ord(sign) not in self._known}:
            self.lacks = True
            text = text.translate({ord(sign): f"[U+{ord(sign):04X}]" for sign in missing})
        return escape(text)


class _Blocks:
    """The blocks of one text, with the lists and quotations that the present one is in."""

    def __init__(self, typesetter: Typesetter, indent: float) -> None:
        self._typesetter = typesetter
        self._indent = self._right = indent
        self._counters: list[int | None] = []
        self._bullet: str | None = None
        self._quoted = 0

    def set(self, tokens: Sequence[Token]) -> Iterator[Flowable]:
        """Each block as a flowable."""
        level = 0
        for token in tokens:
            match token.type:
                case "bullet_list_open" | "ordered_list_open":
                    self._open_list(token)
                case "bullet_list_close" | "ordered_list_close":
                    self._counters.pop()
                    self._indent -= _STEP
                    yield Spacer(0, 3)
                case "list_item_open":
                    self._number_item()
                case "blockquote_open" | "blockquote_close":
                    self._quoted += token.nesting
                    self._indent += _STEP * token.nesting
                case "heading_open":
                    level = int(token.tag[1:])
                case "heading_close":
                    level = 0
                case "inline":
                    for part in self._typesetter.inline(token.children or ()):
                        yield self._paragraph(part, level)
                case "fence" | "code_block":
                    yield self._preformatted(token.content)
                case "hr":
                    yield HRFlowable(width="100%", thickness=0.5, color=GREY, spaceBefore=4, spaceAfter=6)

    def _open_list(self, token: Token) -> None:
        start = token.attrGet("start")
        self._counters.append(None if token.type == "bullet_list_open" else int(1 if start is None else start))
        self._indent += _STEP

    def _number_item(self) -> None:
        number = self._counters[-1]
        self._bullet = "•" if number is None else f"{number}."
        if number is not None:
            self._counters[-1] = number + 1

    def _paragraph(self, markup: str, level: int) -> Flowable:
        bullet, self._bullet = self._bullet, None
        base = heading(level) if level else style()
        changes: dict[str, object] = {"leftIndent": self._indent, "rightIndent": self._right}
        changes |= {"bulletIndent": max(0, self._indent - _STEP + 3)}
        changes |= {"bulletFontName": SANS, "bulletFontSize": base.fontSize}
        if self._counters:
            changes["spaceAfter"] = 2
        if self._quoted:
            changes["textColor"] = GREY
        return Paragraph(markup, base.clone("block", **changes), bulletText=bullet)

    def _preformatted(self, content: str) -> Flowable:
        shown = style(
            fontName=MONO,
            fontSize=8,
            leading=11,
            leftIndent=self._indent + 4,
            rightIndent=4,
            spaceBefore=4,
            spaceAfter=8,
        )
        shown.backColor, shown.borderPadding = HexColor("#f3f4f6"), 4
        return XPreformatted(self._typesetter.code(content), shown)


def _cut(text: str) -> Iterator[str]:
    """The text in parts that are not much longer than what a paragraph may be, between words where there are any."""
    while len(text) > _LONGEST:
        end = text.rfind(" ", 1, _LONGEST) + 1 or _LONGEST
        yield text[:end]
        text = text[end:]
    yield text


def _name_of(tag: str) -> str:
    return tag[1:].partition(" ")[0].rstrip(">")
