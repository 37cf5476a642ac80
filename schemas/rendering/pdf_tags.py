"""The logical structure of a PDF (ISO 32000-1, section 14.7): headings, paragraphs and tables in reading order, so that
it can be read aloud and reflowed. What is only drawn, and the caveats repeated at every page's edges, are artifacts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Frame, LongTable, Paragraph, Table


@dataclass(slots=True)
class Element:
    """An element of the structure: marked content (a page from 1, and the number of the content in it) or others."""

    role: str
    content: tuple[int, int] | None = None
    inner: list[Element] = field(default_factory=list)


@dataclass(slots=True)
class Structure:
    """The elements of one document in the order in which they are drawn, and how much of each page is marked."""

    elements: list[Element] = field(default_factory=list)
    marked: dict[int, int] = field(default_factory=dict)

    def mark(self, role: str, page: int, into: list[Element]) -> None:
        """A new element with the next content of a page."""
        number = self.marked.get(page, 0)
        self.marked[page] = number + 1
        into.append(Element(role, (page, number)))

    def write(self, canvas: Canvas) -> None:
        """Put the structure into the document whose pages have all been made."""
        document = canvas._doc
        root = PDFDictionary({"Type": PDFName("StructTreeRoot")})
        root_reference = document.Reference(root)
        parents: dict[int, list[Any]] = {}

        def make(element: Element, parent: Any) -> Any:
            made = PDFDictionary({"Type": PDFName("StructElem"), "S": PDFName(element.role), "P": parent})
            reference = document.Reference(made)
            if element.content is not None:
                page, number = element.content
                made["Pg"], made["K"] = document.Reference(document.idToObject[f"Page{page}"], f"Page{page}"), number
                parents.setdefault(page, []).append(reference)
            else:
                made["K"] = PDFArray([make(one, reference) for one in element.inner])
            return reference

        top = make(Element("Document", None, self.elements), root_reference)
        numbers: list[Any] = []
        for page, held in sorted(parents.items()):
            numbers += [page - 1, document.Reference(PDFArray(held))]
            shown = document.idToObject[f"Page{page}"]
            shown.__NoDefault__ = [*shown.__NoDefault__, "StructParents", "Tabs"]
            shown.StructParents, shown.Tabs = page - 1, PDFName("S")
        root["K"] = PDFArray([top])
        root["ParentTree"] = document.Reference(PDFDictionary({"Nums": PDFArray(numbers)}))
        document.Catalog.StructTreeRoot = root_reference
        document.Catalog.MarkInfo = PDFDictionary({"Marked": "true"})


@contextmanager
def artifact(canvas: Canvas) -> Iterator[None]:
    """What is drawn here says nothing that the text does not."""
    canvas._code.append("/Artifact BMC")
    yield
    canvas._code.append("EMC")


class TaggedCanvas(Canvas):  # type: ignore[misc] # ReportLab has no types
    """Writes the structure of its pages when all are made."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.structure = Structure()

    def save(self) -> None:
        """As Canvas does."""
        if self._code:
            self.showPage()
        self.structure.write(self)
        super().save()


class TaggedFrame(Frame):  # type: ignore[misc] # ReportLab has no types
    """A frame that marks what is put into it."""

    def add(self, flowable: Flowable, canvas: Canvas, trySplit: int = 0) -> Any:  # noqa: N803 - ReportLab's name
        """As Frame does."""
        if isinstance(flowable, _Tagged):  # its cells are marked one by one
            return super().add(flowable, canvas, trySplit)
        role = getattr(flowable, "role", "P" if isinstance(flowable, Paragraph) else None)
        with _marked(canvas, role, canvas.structure.elements):
            return super().add(flowable, canvas, trySplit)


class _Tagged(Table):  # type: ignore[misc] # ReportLab has no types
    """Rows and cells, in the order in which they are drawn."""

    def draw(self) -> None:
        """As Table does."""
        self._rows: dict[float, Element] = {}
        self._element = Element("Table")
        self.canv.structure.elements.append(self._element)
        super().draw()

    def _drawBkgrnd(self) -> None:  # noqa: N802 - ReportLab's name
        with artifact(self.canv):
            super()._drawBkgrnd()

    def _drawLines(self) -> None:  # noqa: N802 - ReportLab's name
        with artifact(self.canv):
            super()._drawLines()

    def _drawCell(self, cell: Any, style: Any, pos: tuple[float, float], size: Any) -> None:  # noqa: N802 - likewise
        if pos[1] not in self._rows:
            self._rows[pos[1]] = Element("TR")
            self._element.inner.append(self._rows[pos[1]])
        is_head = bool(self.repeatRows) and len(self._rows) == 1
        with _marked(self.canv, "TH" if is_head else "TD", self._rows[pos[1]].inner):
            super()._drawCell(cell, style, pos, size)


class TaggedTable(_Tagged):
    """A table on one page."""


class TaggedLongTable(_Tagged, LongTable):  # type: ignore[misc] # ReportLab has no types
    """A table that may go on over pages: its parts are tables of their own."""


@contextmanager
def _marked(canvas: Any, role: str | None, into: list[Element]) -> Iterator[None]:
    """Mark what is drawn here, if anything is; as an artifact without a role. Nothing is put in later: ReportLab comes
    back to places in the code that it noted.
    """
    code, page, start = canvas._code, canvas.getPageNumber(), len(canvas._code)
    number = canvas.structure.marked.get(page, 0)
    code.append("/Artifact BMC" if role is None else f"/{role} <</MCID {number}>> BDC")
    yield
    if len(code) == start + 1:
        code.pop()
        return
    code.append("EMC")
    if role is not None:
        canvas.structure.mark(role, page, into)


def date_document(canvas: Canvas, moment: datetime) -> None:
    """Let the document say that it was made then (UTC), and not when this ran: the same alert gives the same bytes."""
    stamp = canvas._doc._timeStamp
    stamp.t = moment.timestamp()
    stamp.lt = tuple(time.gmtime(stamp.t))
    stamp.YMDhms = stamp.lt[:6]
