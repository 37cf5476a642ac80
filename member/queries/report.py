"""A query and what it found, on paper or in a spreadsheet: made at the agency's own home, from what was read and shown.

Each page says how it may be handled, in whose name it was read, and which entry of the agency's own log states it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from member.plain import printable, to_second
from member.queries.client import OpenedQuery
from member.queries.shown import FoundValue, ShownQuery
from schemas.queries.messages import QueryResult
from schemas.rendering.words import in_words, label
from schemas.terms import Classification, TrafficLight
from schemas.values.encoding import from_rfc3339

COLUMNS = (
    *("value", "type", "held", "institutions", "themes", "first_seen", "protected", "marking", "conditions", "hit_id"),
    *("query_id", "case", "read_at", "event_id", "log_entry", "terms_sha256", "results_sha256"),
)
_STRICTEST = tuple(reversed(Classification)), tuple(TrafficLight)


@dataclass(frozen=True)
class LogProof:
    """What ties a paper to the log: the event of the reading, the number of the agency's own entry of it (None while it
    waits for its place), and the digests (base64) that the entry states.
    """

    event_id: str
    number: int | None
    terms_sha256: str
    results_sha256: str
    origin: str

    def lines(self) -> list[tuple[str, str]]:
        """As facts of the paper."""
        entry = "waits for its place in the log" if self.number is None else f"{self.number:,}"
        return [
            ("Log", self.origin),
            ("Event of this reading", self.event_id),
            ("Own entry", entry),
            ("Digest of the terms (SHA-256)", self.terms_sha256),
            ("Digest of the results (SHA-256)", self.results_sha256),
        ]


def marking_of(results: Sequence[FoundValue]) -> str:
    """The strictest marking of all results, as it stands at the head of a page."""
    held = [one.result.handling for one in results if one.result.handling is not None]
    if not held:
        return f"{Classification.OFFICIAL_SENSITIVE} TLP:{TrafficLight.AMBER_STRICT}"
    classification = next(one for one in _STRICTEST[0] if any(each.classification == one for each in held))
    light = next(one for one in _STRICTEST[1] if any(each.tlp == one for each in held))
    return f"{classification} TLP:{light}"


def rows_of(shown: ShownQuery, proof: LogProof, read_at: str) -> Iterator[list[object]]:
    """One row for each value that was asked about, in the order of COLUMNS."""
    stated = (shown.read.query.query_id, shown.read.grounds.case, read_at, proof.event_id, proof.number)
    for one in shown.results:
        result = one.result
        found = (_institutions(shown, result), [label(each) for each in result.themes], result.first_seen)
        conditions = None if result.handling is None else result.handling.conditions
        marked = (result.protected, one.marking, conditions, result.hit_id)
        about = (one.value, label(result.indicator_type), result.hit)
        yield [*about, *found, *marked, *stated, proof.terms_sha256, proof.results_sha256]


def render_pdf(shown: ShownQuery, proof: LogProof, *, reader: str, read_at: str) -> bytes:
    """The paper, A4: head, grounds, results, proof."""
    from reportlab.lib.pagesizes import A4  # noqa: PLC0415 - slow to import, needed here only
    from reportlab.lib.styles import ParagraphStyle  # noqa: PLC0415 - likewise
    from reportlab.lib.units import mm  # noqa: PLC0415 - likewise
    from reportlab.platypus import BaseDocTemplate, PageTemplate, Paragraph, Spacer, TableStyle  # noqa: PLC0415 - likewise

    from schemas.rendering.pdf_tags import (  # noqa: PLC0415 - likewise
        TaggedCanvas,
        TaggedFrame,
        TaggedTable,
        artifact,
        date_document,
    )

    marking, margin = marking_of(shown.results), 18 * mm
    usual = ParagraphStyle("usual", fontName="Helvetica", fontSize=9, leading=12, splitLongWords=1)
    head = ParagraphStyle("head", parent=usual, fontName="Helvetica-Bold", fontSize=15, leading=19, spaceAfter=8)
    part = ParagraphStyle("part", parent=head, fontSize=11, leading=14, spaceBefore=10, spaceAfter=4)
    width = A4[0] - 2 * margin

    def facts(pairs: Sequence[tuple[str, str]]) -> Any:
        cells = [[Paragraph(_text(name), usual), Paragraph(_text(value), usual)] for name, value in pairs if value]
        table = TaggedTable(cells, [width * 0.3, width * 0.7])
        table.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]))
        return table

    def heading(text: str, style: Any, role: str) -> Any:
        made = Paragraph(_text(text), style)
        made.role = role
        return made

    def edges(canvas: Any, _: Any) -> None:
        with artifact(canvas):
            canvas.saveState()
            canvas.setFont("Helvetica-Bold", 9)
            for y in (A4[1] - 10 * mm, 9 * mm):
                canvas.drawCentredString(A4[0] / 2, y, marking)
            canvas.setFont("Helvetica", 8)
            canvas.drawString(margin, 9 * mm, f"Read by {reader}, {to_second(read_at)}")
            canvas.drawRightString(A4[0] - margin, 9 * mm, f"Page {canvas.getPageNumber()}")
            canvas.restoreState()

    def canvas(*args: Any, **options: Any) -> Any:
        made = TaggedCanvas(*args, **options)
        made.setViewerPreference("DisplayDocTitle", "true")
        date_document(made, from_rfc3339(read_at))
        return made

    results = _results_table(shown, width, usual)
    title = f"Query {shown.read.query.query_id}"
    made = BytesIO()
    template = BaseDocTemplate(
        made,
        pagesize=A4,
        title=f"{title}, case {printable(shown.read.grounds.case)}",
        author=reader,
        subject=marking,
        lang="en-GB",
        invariant=1,
    )
    frame = TaggedFrame(margin, margin, width, A4[1] - 2 * margin, leftPadding=0, rightPadding=0)
    template.addPageTemplates(PageTemplate("page", [frame], onPage=edges))
    conditions = list(_conditions(shown.results))
    story = [heading(title, head, "H1"), facts(_grounds(shown.read)), heading("Results", part, "H2"), results]
    if conditions:
        story += [heading("Conditions", part, "H2"), *(Paragraph(_text(one), usual) for one in conditions)]
    story += [heading("Proof", part, "H2"), facts(proof.lines()), Spacer(0, 4)]
    said = "The member's program writes the proof of that entry; who holds it can check this paper against it."
    template.build([*story, Paragraph(_text(said), usual)], canvasmaker=canvas)
    return made.getvalue()


def _results_table(shown: ShownQuery, width: float, usual: Any) -> Any:
    """What was found, a row for each value."""
    from reportlab.lib.colors import HexColor  # noqa: PLC0415 - slow to import, needed here only
    from reportlab.lib.styles import ParagraphStyle  # noqa: PLC0415 - likewise
    from reportlab.platypus import Paragraph, TableStyle  # noqa: PLC0415 - likewise

    from schemas.rendering.pdf_tags import TaggedLongTable  # noqa: PLC0415 - likewise

    small = ParagraphStyle("small", parent=usual, fontSize=8, leading=10)
    columns = ("Value", "Type", "Held by", "Themes", "First seen", "Marking")
    cells = [[Paragraph(f"<b>{column}</b>", usual) for column in columns]]
    for one in shown.results:
        cells.append([Paragraph(_text(cell), small) for cell in _cells(shown, one)])
    made = TaggedLongTable(cells, [width * share for share in (0.22, 0.12, 0.19, 0.14, 0.12, 0.21)], repeatRows=1)
    grid = [("GRID", (0, 0), (-1, -1), 0.5, HexColor("#c3c9d0")), ("VALIGN", (0, 0), (-1, -1), "TOP")]
    made.setStyle(TableStyle([*grid, ("BACKGROUND", (0, 0), (-1, 0), HexColor("#f6f7f9"))]))
    return made


def _grounds(read: OpenedQuery) -> list[tuple[str, str]]:
    query, grounds = read.query, read.grounds
    cover = ("Covert" if query.covert else "Overt") + (", silent" if query.silent else "")
    return [
        ("Case", grounds.case),
        ("Agency", query.agency),
        ("State", label(query.state)),
        ("Legal gateway", in_words(query.legal_gateway)),
        ("Purpose", grounds.purpose),
        ("Necessity", grounds.necessity),
        ("Proportionality", grounds.proportionality),
        ("Asked by", query.asked_by),
        ("Authorised by", query.authorised_by),
        ("Cover", cover),
        ("Until", query.until),
        ("Watch until", query.watch_until or ""),
    ]


def _cells(shown: ShownQuery, found: FoundValue) -> list[str]:
    result = found.result
    value, kind = found.value or "not asked from this home", label(result.indicator_type)
    if not result.hit:
        return [value, kind, "nobody", "", "", ""]
    protected = "; victim or unwitting mule" if result.protected else ""
    themes, first_seen = ", ".join(map(label, result.themes)), result.first_seen or ""
    held_by = ", ".join(_institutions(shown, result)) + protected
    return [value, kind, held_by, themes, first_seen, found.marking or ""]


def _institutions(shown: ShownQuery, result: QueryResult) -> list[str]:
    return [shown.names.get(one, one) for one in result.institutions] or ([result.band] if result.band else [])


def _conditions(results: Sequence[FoundValue]) -> Iterator[str]:
    found = (one.result.handling.conditions for one in results if one.result.handling is not None)
    yield from dict.fromkeys(line for conditions in found for line in conditions.splitlines() if line.strip())


def _text(text: str) -> str:
    """Printable text for a paragraph, where `<` and `&` are markup; what the typeface lacks by its code point."""
    shown = "".join(one if _is_set(one) else f"[U+{ord(one):04X}]" for one in printable(text))
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "<br/>")


def _is_set(sign: str) -> bool:
    """Whether Helvetica, which every reader has, sets it (Windows-1252)."""
    try:
        sign.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True
