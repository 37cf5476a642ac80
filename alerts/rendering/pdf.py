"""An alert as a PDF for circulation on A4: the handling caveats stand at the top and the bottom of every page.

The same alert for the same reader gives the same bytes, at any time and on any machine.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

from reportlab.lib.colors import HexColor, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    FrameBG,
    HRFlowable,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from alerts.domain.alert import Alert
from alerts.rendering import document as parts
from alerts.rendering.document import Document, compose
from alerts.rendering.pdf_edges import SIDE, PageEdges
from alerts.rendering.pdf_text import BOLD, GREY, INK, Typesetter, heading, load_fonts, style
from schemas.rendering.pdf_tags import TaggedFrame, TaggedLongTable, TaggedTable, date_document

_WIDTH = A4[0] - 2 * SIDE
_BANDS = {
    "red": (HexColor("#a8071a"), white),
    "amber": (HexColor("#ffbf00"), INK),
    "green": (HexColor("#00663a"), white),
}
_WARNING, _WARNING_PALE = HexColor("#a8071a"), HexColor("#fff1f0")
_LINE = HexColor("#c3c9d0")
_PALE = HexColor("#f6f7f9")
_NAMES = 36 * mm
_LACKING = (
    "Signs in square brackets, such as [U+4E2D], stand for letters that the typeface of this PDF does not have; "
    "the page of the alert shows them."
)
# ReportLab keeps typefaces and settings for the process, not for the document.
_one_at_a_time = threading.Lock()


def render_pdf(alert: Alert, reader_member_id: str) -> bytes:
    """That member's copy of the alert."""
    with _one_at_a_time:
        load_fonts()
        return _render(compose(alert, reader_member_id), alert)


def _render(document: Document, alert: Alert) -> bytes:
    typesetter = Typesetter()
    story = list(_story(document, typesetter))
    if typesetter.lacks:
        story.append(Paragraph(_LACKING, style(fontSize=8, leading=11, textColor=GREY, spaceBefore=8)))
    made = io.BytesIO()
    template = BaseDocTemplate(
        made,
        pagesize=A4,
        title=f"{document.reference} {document.title}",
        author=alert.issuer,
        subject=f"{document.classification} TLP:{document.tlp}",
        lang="en-GB",
        invariant=1,
    )
    edges = PageEdges(document, typesetter)
    frame = TaggedFrame(
        SIDE,
        edges.bottom,
        _WIDTH,
        edges.top - edges.bottom,
        leftPadding=0,
        rightPadding=0,
        topPadding=4,
        bottomPadding=4,
    )
    template.addPageTemplates(PageTemplate("page", [frame], onPage=edges.draw))

    def canvas(*args: Any, **options: Any) -> Canvas:
        made = edges.canvas(*args, **options)
        date_document(made, alert.modified_at)
        return made

    template.build(story, canvasmaker=canvas)
    return made.getvalue()


def _story(document: Document, typesetter: Typesetter) -> Iterator[Flowable]:
    if document.colour_text:
        fill, ink = _BANDS[document.colour]
        yield _box(document.colour_text, style(fontName=BOLD, textColor=ink, spaceAfter=0), fill)
        yield Spacer(0, 4 * mm)
    if document.caution:
        yield from _caution(document.caution, typesetter)
    label = style(fontName=BOLD, fontSize=9.5, textColor=GREY, spaceAfter=0)
    yield Paragraph(f"JMLIT Alert {document.reference}", label)
    title = Paragraph(typesetter.plain(document.title), style(fontName=BOLD, fontSize=19, leading=23.5, spaceAfter=8))
    title.role = "H1"
    yield title
    yield _facts(document.facts, typesetter)
    for number, section in enumerate(document.sections, 1):
        yield from _section(section, number, typesetter)


def _box(text: str, shown: Any, fill: Any) -> Flowable:
    table = Table([[Paragraph(text, shown)]], [_WIDTH])
    table.role = "P"
    table.setStyle(TableStyle([("BACKGROUND", (0, 0), (-1, -1), fill), ("LEFTPADDING", (0, 0), (-1, -1), 9)]))
    return table


def _caution(caution: parts.Caution, typesetter: Typesetter) -> Iterator[Flowable]:
    """Not a table, which could not go on over pages as a long reason may."""
    yield FrameBG(color=_WARNING_PALE, strokeColor=_WARNING, strokeWidth=2, start=True)
    inside = {"leftIndent": 10, "rightIndent": 10}
    word = style(fontName=BOLD, fontSize=17, leading=22, textColor=_WARNING, spaceBefore=6, spaceAfter=2, **inside)
    yield Spacer(0, 5)
    yield Paragraph(caution.word.upper(), word)
    yield Paragraph(typesetter.plain(caution.detail), style(**inside))
    yield Spacer(0, 4)
    yield FrameBG(start=False)
    yield Spacer(0, 4 * mm)


def _facts(facts: parts.Facts, typesetter: Typesetter) -> Flowable:
    """Three to a row, each name above its value."""
    name = style(fontSize=7.5, leading=9.5, textColor=GREY, spaceAfter=0)
    value = style(fontName=BOLD, spaceAfter=0)
    cells = [[Paragraph(one, name), Paragraph(typesetter.plain(other), value)] for one, other in facts.pairs]
    rows = [[*cells[start : start + 3], "", ""][:3] for start in range(0, len(cells), 3)]
    table = TaggedTable(rows, [_WIDTH / 3] * 3)
    lines = [("LINEABOVE", (0, 0), (-1, 0), 0.5, _LINE), ("LINEBELOW", (0, -1), (-1, -1), 0.5, _LINE)]
    edges = [("LEFTPADDING", (0, 0), (-1, -1), 0), ("VALIGN", (0, 0), (-1, -1), "TOP")]
    table.setStyle(TableStyle([*lines, *edges]))
    return table


def _section(section: parts.Section, number: int, typesetter: Typesetter) -> Iterator[Flowable]:
    yield CondPageBreak(24 * mm)
    yield _Heading(section.heading, f"section-{number}")
    yield HRFlowable(width="100%", thickness=1.2, color=INK, spaceBefore=0, spaceAfter=5)
    match section.block:
        case parts.MarkdownText(text):
            yield from typesetter.markdown(text)
        case parts.Numbered(points):
            yield from _points(points, typesetter)
        case parts.Cases(cases):
            for case in cases:
                yield from _case(case.title, case.text, typesetter)
        case parts.Table(head, rows):
            yield _table(head, rows, typesetter)
        case parts.Facts(pairs):
            yield from _pairs(pairs, typesetter)


def _points(points: tuple[str, ...], typesetter: Typesetter) -> Iterator[Flowable]:
    shown = style(leftIndent=20, bulletIndent=2, bulletFontName=BOLD, bulletFontSize=9.5)
    for number, point in enumerate(points, 1):
        yield Paragraph(typesetter.plain(point), shown, bulletText=str(number))


def _case(title: str, text: str, typesetter: Typesetter) -> Iterator[Flowable]:
    yield CondPageBreak(18 * mm)
    yield FrameBG(color=_PALE, start=True)
    yield Spacer(0, 3)
    yield Paragraph(typesetter.plain(title), heading(1).clone("case", leftIndent=10, spaceBefore=3))
    yield from typesetter.markdown(text, indent=10)
    yield Spacer(0, 2)
    yield FrameBG(start=False)
    yield Spacer(0, 6)


def _table(head: tuple[str, ...], rows: tuple[tuple[str, ...], ...], typesetter: Typesetter) -> Flowable:
    bold, usual = style(fontName=BOLD, spaceAfter=0), style(spaceAfter=0)
    cells = [[Paragraph(name, bold) for name in head]]
    cells += [[Paragraph(typesetter.plain(cell), usual) for cell in row] for row in rows]
    table = TaggedLongTable(cells, [_WIDTH * 0.46, _WIDTH * 0.32, _WIDTH * 0.22], repeatRows=1)
    table.setStyle(TableStyle([("GRID", (0, 0), (-1, -1), 0.5, _LINE), ("BACKGROUND", (0, 0), (-1, 0), _PALE)]))
    return table


def _pairs(pairs: tuple[tuple[str, str], ...], typesetter: Typesetter) -> Iterator[Flowable]:
    shown = style(leftIndent=_NAMES, bulletFontName=BOLD, bulletFontSize=8.5, bulletColor=GREY)
    for name, value in pairs:
        yield Paragraph(typesetter.plain(value), shown, bulletText=name)


class _Heading(Paragraph):  # type: ignore[misc] # ReportLab has no types
    """A section's heading, which the document's outline leads to."""

    role = "H2"

    def __init__(self, text: str, key: str) -> None:
        super().__init__(
            text, style(fontName=BOLD, fontSize=12.5, leading=16, spaceBefore=9, spaceAfter=1, keepWithNext=1)
        )
        self._text, self._key = text, key

    def draw(self) -> None:
        """Draw it, and note where it is."""
        canvas: Canvas = self.canv
        canvas.bookmarkHorizontal(self._key, 0, self.height)
        canvas.addOutlineEntry(self._text, self._key)
        super().draw()
