"""What stands at the top and the bottom of every page of a PDF, and behind it."""

from __future__ import annotations

from typing import Any

from reportlab.lib.colors import HexColor, black
from reportlab.lib.enums import TA_CENTER, TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

from alerts.rendering.document import Document
from alerts.rendering.pdf_text import BOLD, INK, SANS, Typesetter, style
from schemas.rendering.pdf_tags import Structure, artifact

SIDE = 16 * mm

# The colours of FIRST's standard, each on black.
_LIGHTS = {"RED": "#ff2b2b", "AMBER+STRICT": "#ffc000", "AMBER": "#ffc000", "GREEN": "#33ff00", "CLEAR": "#ffffff"}
_SIZE = 8
_LEADING = 10
_WIDTH = A4[0] - 2 * SIDE
_MORE = " … (in full under Handling)"


class PageEdges:
    """The caveats of one document. What stands on its pages goes between `bottom` and `top`, in points."""

    def __init__(self, document: Document, typesetter: Typesetter) -> None:
        self._document = document
        self._light = f"TLP:{document.tlp}"
        self._marking = sum(stringWidth(text, BOLD, _SIZE + 1) for text in (document.classification, self._light)) + 14
        self._side = (_WIDTH - self._marking) / 2 - 6
        place = document.reference
        if document.caution:
            place += f"  <b>{document.caution.word.upper()}</b>"
        self._place = _paragraph(place, TA_LEFT)
        self._copy = _paragraph(document.copy, TA_RIGHT)
        conditions = _two_lines(f"Conditions: {document.conditions}" if document.conditions else "")
        self._conditions = _paragraph("<br/>".join(typesetter.plain(line) for line in conditions), TA_CENTER)
        sides = (self._place, self._copy)
        self._first_rows = max(one.wrap(self._side, A4[1])[1] for one in sides) + 3
        self._height = self._first_rows + self._conditions.wrap(_WIDTH, A4[1])[1] + 4
        self.top = A4[1] - 8 * mm - self._height - 4
        self.bottom = 12 * mm + self._height + 2

    def draw(self, canvas: Canvas, template: Any) -> None:
        """Draw a page's edges, before what stands on the page."""
        with artifact(canvas):
            self._draw(canvas)

    def _draw(self, canvas: Canvas) -> None:
        canvas.saveState()
        if canvas.getPageNumber() == 1:
            canvas.setViewerPreference("DisplayDocTitle", "true")
        if self._document.caution:
            _draw_behind(canvas, self._document.caution.word.upper())
        self._draw_caveats(canvas, A4[1] - 8 * mm)
        self._draw_caveats(canvas, self.bottom - 6)
        canvas.setStrokeColor(INK)
        canvas.setLineWidth(1.2)
        for line in (self.top + 2, self.bottom):
            canvas.line(SIDE, line, A4[0] - SIDE, line)
        canvas.restoreState()

    def canvas(self, *args: Any, **options: Any) -> Canvas:
        """The canvas to build on: one that writes `Page 1 of 2` when the number of pages is known."""
        return _CountingCanvas(*args, **options)

    def _draw_caveats(self, canvas: Canvas, top: float) -> None:
        self._draw_marking(canvas, top - _SIZE - 1)
        _draw_below(canvas, self._place, SIDE, top, self._side)
        _draw_below(canvas, self._copy, A4[0] - SIDE - self._side, top, self._side)
        _draw_below(canvas, self._conditions, SIDE, top - self._first_rows, _WIDTH)

    def _draw_marking(self, canvas: Canvas, base: float) -> None:
        """Classification and traffic light, in the middle."""
        x = (A4[0] - self._marking) / 2
        first = stringWidth(self._document.classification, BOLD, _SIZE + 1)
        canvas.setFont(BOLD, _SIZE + 1)
        canvas.setFillColor(INK)
        canvas.drawString(x, base, self._document.classification)
        canvas.setFillColor(black)
        canvas.rect(x + first + 6, base - 3, self._marking - first - 6, _SIZE + 5, stroke=0, fill=1)
        canvas.setFillColor(HexColor(_LIGHTS[self._document.tlp]))
        canvas.drawString(x + first + 10, base, self._light)


class _CountingCanvas(Canvas):  # type: ignore[misc] # ReportLab has no types
    """Keeps its pages until the last is made, and then writes on each which it is and how many there are."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.structure = Structure()
        self._kept: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - ReportLab's name
        """Keep the page."""
        self._kept.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Write all pages."""
        for number, page in enumerate(self._kept, 1):
            self.__dict__.update(page)
            with artifact(self):
                self.setFont(SANS, _SIZE)
                self.setFillColor(INK)
                self.drawRightString(A4[0] - SIDE, 7 * mm, f"Page {number} of {len(self._kept)}")
            super().showPage()
        self.structure.write(self)
        super().save()


def _paragraph(markup: str, alignment: int) -> Paragraph:
    return Paragraph(markup, style(fontSize=_SIZE, leading=_LEADING, alignment=alignment, spaceAfter=0))


def _draw_below(canvas: Canvas, paragraph: Paragraph, x: float, top: float, width: float) -> None:
    height = paragraph.wrap(width, A4[1])[1]
    paragraph.drawOn(canvas, x, top - height)


def _draw_behind(canvas: Canvas, word: str) -> None:
    canvas.saveState()
    canvas.translate(A4[0] / 2, A4[1] / 2)
    canvas.rotate(52)
    canvas.setFillColor(HexColor("#fbe9e7"))
    size = 90 if len(word) < 12 else 70
    canvas.setFont(BOLD, size)
    canvas.drawCentredString(0, -size / 3, word)
    canvas.restoreState()


def _two_lines(text: str) -> list[str]:
    """The text in at most two lines of the page's width."""
    lines: list[str] = simpleSplit(" ".join(text.split()), SANS, _SIZE, _WIDTH)
    if len(lines) <= 2:
        return lines
    second = lines[1]
    while stringWidth(second + _MORE, SANS, _SIZE) > _WIDTH:
        second = second[:-1]
    return [lines[0], second.rstrip() + _MORE]
