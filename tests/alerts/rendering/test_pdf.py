"""The PDF of an alert, read back: caveats on every page, the whole text, and always the same bytes."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from alerts.rendering.pdf import render_pdf
from schemas.terms import AlertState
from tests.alerts.rendering.samples import ALERT, OVERVIEW, alert_in, alert_with

SHORT: dict[str, Any] = {"case_studies": (), "accounts": (), "red_flags": (), "requested_action": "", "overview": "x"}


def read(made: bytes) -> PdfReader:
    """The document."""
    return PdfReader(io.BytesIO(made), strict=True)


def text_of(made: bytes) -> str:
    """All its text, in one line."""
    return " ".join(" ".join(page.extract_text() for page in read(made).pages).split())


def test_the_caveats_and_the_number_stand_on_every_page() -> None:
    pages = read(render_pdf(alert_with(body=(OVERVIEW + "\n\n") * 12), "alphabank")).pages
    assert len(pages) > 3
    for number, page in enumerate(pages, 1):
        text = page.extract_text()
        for wanted in (
            "OFFICIAL-SENSITIVE",
            "TLP:AMBER+STRICT",
            "4711-NECC",
            "Issued to alphabank",
            "Conditions: Not to be",
        ):
            assert text.count(wanted) >= 2
        assert f"Page {number} of {len(pages)}" in text


def test_an_ordinary_alert_takes_two_pages_and_a_short_one_takes_one() -> None:
    assert len(read(render_pdf(ALERT, "alphabank")).pages) == 2
    assert len(read(render_pdf(alert_with(**SHORT), "alphabank")).pages) == 1


def test_the_whole_text_is_there() -> None:
    text = text_of(render_pdf(alert_with(title="Łódź, Αθήνα, Київ: €5–10"), "alphabank"))
    for wanted in (
        "Łódź, Αθήνα, Київ: €5–10",
        "Red alert: a specific or immediate threat",
        "receive and forward payments",
        "Device or IP address shared",
        "The flat deposit",
        "GB33 BUKB 2020 1555 5555 55",
        "Crime and Courts Act 2013, section 7",
        "1 September 2027",
    ):
        assert wanted in text


def test_the_document_is_titled_outlined_and_carries_its_typefaces() -> None:
    made = read(render_pdf(ALERT, "alphabank"))
    assert made.metadata is not None
    assert made.metadata.title == f"4711-NECC {ALERT.content.title}"
    assert str(made.root_object["/Lang"]) == "en-GB"
    assert [str(one["/Title"]) for one in made.outline if isinstance(one, dict)][:2] == ["Overview", "Red flags"]
    resources: list[Any] = [page["/Resources"] for page in made.pages]
    fonts = [font.get_object() for one in resources for font in one["/Font"].values()]
    used = {str(font["/BaseFont"]) for font in fonts}
    assert all("+NotoSans" in name for name in used - {"/Helvetica"})
    assert all("/FontFile2" in font["/FontDescriptor"] for font in fonts if font["/BaseFont"] != "/Helvetica")


def elements_of(element: Any) -> list[tuple[str, int, int]]:
    """Role, page (from 0) and number of all marked content below an element of the structure, in order."""
    found, held = element.get_object(), element.get_object()["/K"]
    if isinstance(held, int):
        return [(str(found["/S"]), found["/Pg"]["/StructParents"], held)]
    return [one for inner in held for one in elements_of(inner)]


def test_the_document_is_tagged_in_reading_order_and_dated() -> None:
    made = read(render_pdf(alert_with(body=(OVERVIEW + "\n\n") * 8), "alphabank"))
    root: Any = made.root_object
    assert root["/MarkInfo"]["/Marked"]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    (top,) = root["/StructTreeRoot"]["/K"]
    found = elements_of(top)
    roles = [role for role, _, _ in found]
    assert roles.count("/H1") == 1
    assert roles.index("/H1") < roles.index("/H2")
    assert {"/P", "/TH", "/TD"} <= set(roles)
    pages: list[Any] = list(made.pages)
    for number, page in enumerate(pages):
        assert (page["/StructParents"], page["/Tabs"]) == (number, "/S")
        contents = page.get_contents()
        assert contents is not None
        code = contents.get_data().decode("latin-1")
        begun = [int(one) for one in re.findall(r"<<\s*/MCID (\d+)\s*>> BDC", code)]
        assert begun == sorted(set(begun))
        assert begun == sorted(mcid for _, at, mcid in found if at == number)
        assert code.count(" BMC") + code.count(" BDC") == code.count("EMC")
        outside = re.sub(r"(?s)(BMC|BDC).*?EMC", "", code)
        assert "Tj" not in outside, "no text is outside of the structure"
    assert len(root["/StructTreeRoot"]["/ParentTree"]["/Nums"]) == 2 * len(made.pages)
    assert made.metadata is not None
    assert made.metadata.creation_date == ALERT.modified_at


def test_the_same_copy_has_the_same_bytes_in_any_process() -> None:
    here = render_pdf(ALERT, "alphabank")
    assert here == render_pdf(ALERT, "alphabank")
    assert here != render_pdf(ALERT, "betabank")
    code = (
        "import sys; from alerts.rendering.pdf import render_pdf; from tests.alerts.rendering.samples import ALERT;"
        "sys.stdout.buffer.write(render_pdf(ALERT, 'alphabank'))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout == here


def test_signs_that_the_typeface_lacks_are_told_by_their_number() -> None:
    text = text_of(render_pdf(alert_with(overview="中 and 😀", title="中"), "alphabank"))
    assert "[U+4E2D] and [U+1F600]" in text
    assert "stand for letters that the typeface of this PDF does not have" in text
    assert "lacks" not in text_of(render_pdf(ALERT, "alphabank"))


@pytest.mark.parametrize(
    "body",
    ["word " * 20_000, "x" * 200_000, (OVERVIEW + "\n\n") * 30, "    " + "y" * 50_000, "**bold** " * 1_500],
    ids=["one paragraph", "one word", "prose", "code", "marks"],
)
def test_very_long_texts_are_set(body: str) -> None:
    pages = read(render_pdf(alert_with(body=body), "alphabank")).pages
    assert len(pages) > 2
    assert "About this alert" in pages[-1].extract_text() + pages[-2].extract_text()


def test_long_lists_and_conditions_go_on_over_pages() -> None:
    alert = alert_with(
        red_flags=tuple("flag " * 30 for _ in range(100)),
        accounts=ALERT.content.accounts * 30,
        conditions="One condition more.\n" * 100,
        purpose="Purpose.\n" * 220,
    )
    made = render_pdf(alert, "a-member-identifier-that-takes-all-of-the-sixty-four-signs-of-it")
    assert "(in full under Handling)" in text_of(made)
    assert text_of(made).count("One condition more.") >= 100


@pytest.mark.parametrize(
    ("state", "changes", "wanted"),
    [
        (AlertState.SUPERSEDED, {"superseded_by": "0815-NECC"}, "replaced by alert 0815-NECC"),
        (AlertState.EXPIRED, {}, "past its last day"),
        (AlertState.WITHDRAWN, {"reason": "A victim's account " * 90}, "undo what was done because of it"),
    ],
)
def test_what_is_not_in_force_says_so_on_every_page(state: AlertState, changes: dict[str, str], wanted: str) -> None:
    made = render_pdf(alert_in(state, **changes), "alphabank")
    pages = [page.extract_text() for page in read(made).pages]
    assert wanted in " ".join(pages[0].split())
    # At the top, at the bottom, and across the page.
    assert all(page.count(state.upper()) >= 3 for page in pages)


def test_nothing_of_a_withdrawn_alert_is_left() -> None:
    text = text_of(render_pdf(alert_in(AlertState.WITHDRAWN, reason="a mistaken identity"), "alphabank"))
    assert "a mistaken identity" in text
    for gone in ("Student", "GB33", "flat deposit", "NECC-2026-0412", "recruited"):
        assert gone not in text


_MARKUP = st.text(alphabet=st.sampled_from("<>&\"'/=[](){}*_`#-+>1. \n\tabпара</font>"), max_size=200)


@settings(max_examples=25, deadline=None)
@given(_MARKUP)
def test_markup_of_an_attacker_stays_text(text: str) -> None:
    changes: dict[str, Any] = {
        "title": text,
        "overview": text,
        "conditions": text,
        "red_flags": (text,),
        "purpose": text,
    }
    made = text_of(render_pdf(alert_with(**{**SHORT, **changes}), "alphabank"))
    assert "".join(text.split()) in "".join(made.split())


def test_what_turns_the_direction_and_where_links_lead_is_printed() -> None:
    overview = "a&#x202E;b [https://bank.example](https://evil.example/x)"
    text = text_of(render_pdf(alert_with(**{**SHORT, "overview": overview}), "alphabank"))
    assert "a[U+202E]b https://bank.example [leads to evil.example]" in text


def test_tags_of_the_library_are_shown_not_obeyed() -> None:
    attack = '<font color="[__import__(chr(111)+chr(115)).abort()]">x</font><img src="/etc/passwd"/><para>&amp;'
    text = text_of(render_pdf(alert_with(**{**SHORT, "title": attack, "overview": f"`{attack}`"}), "alphabank"))
    assert text.replace(" ", "").count(attack.replace(" ", "")) >= 2
