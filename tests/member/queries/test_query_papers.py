"""A query for the case file: by case, on paper, in a spreadsheet, waiting for its officer, watched for longer."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from tests.taskforce.homes import MemberHomes
from tests.taskforce.member_program import Ran, now, write_csv

HELD, MISSED = "20000012345678", "20000098765432"
STATED = ("--purpose", "finding <a> network", "--necessity", "nothing else", "--proportionality", "suspects alone")


@pytest.fixture(scope="module")
def police(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberHomes]:
    """A bank that holds HELD, an agency and a reviewer."""
    folder = tmp_path_factory.mktemp("papers")
    founded = MemberHomes.found(folder, ("a",), agencies=("nca",), reviewers=("ico",))
    file = write_csv(folder / "rows.csv", f"bank_account,{HELD},test,2026-10-05,ref-1")
    assert founded.run("a", "submit", str(file)).status == 0
    yield founded
    founded.close()


def ask(police: MemberHomes, case: str, *more: str) -> str:
    """The id of a query that waits for its officer."""
    grounds = ("--case", case, "--legal-gateway", "CCA2013_s7", *STATED, "--authorised-by", "authoriser")
    done = police.run("nca", "query", "--type", "bank_account", HELD, MISSED, *grounds, *more)
    assert done.status == 0, done.document
    query_id: str = done.document["query_id"]
    return query_id


def officer(police: MemberHomes, *arguments: str) -> Ran:
    """What the authorising officer gives, which succeeds."""
    done = police.run("nca", "--as", "authoriser", *arguments)
    assert done.status == 0, done.document
    return done


def test_the_officer_is_told_what_waits_until_it_is_decided(police: MemberHomes) -> None:
    query_id = ask(police, "OP-1")
    assert officer(police, "status").document["queries_to_authorise"] == [query_id]
    assert police.run("nca", "status").document["queries_to_authorise"] == [], "it waits for another"
    said = police.run("nca", "--as", "authoriser", "status", as_json=False).document["text"]
    assert f"member --as authoriser query approve {query_id}" in said
    officer(police, "query", "approve", query_id)
    assert officer(police, "status").document["queries_to_authorise"] == []
    assert police.run("a", "status").document["queries_to_authorise"] == []


def test_queries_are_listed_by_case_and_go_to_a_spreadsheet(police: MemberHomes, tmp_path: Path) -> None:
    wanted = {ask(police, "OP-2"), ask(police, "OP-2")}
    other = ask(police, "OP-20")
    found = police.run("nca", "query", "list", "--case", " OP-2 ").document["queries"]
    assert {one["query_id"] for one in found} == wanted
    assert other not in wanted
    done = police.run("nca", "query", "list", "--case", "OP-2", "--output", str(tmp_path / "op-2.csv"))
    assert done.status == 0, done.document
    with (tmp_path / "op-2.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert {row["query_id"] for row in csv.DictReader(stream)} == wanted


def roles_under(element: Any) -> set[str]:
    """The roles of a structure element and of all within it."""
    found = element.get_object()
    inner = found.get("/K", [])
    below = [roles_under(one) for one in inner] if not isinstance(inner, int) else []
    return {str(found["/S"])}.union(*below)


def test_a_result_is_written_with_its_marking_case_and_entry_of_the_log(police: MemberHomes, tmp_path: Path) -> None:
    query_id = ask(police, "=OP-3")
    officer(police, "query", "approve", query_id)
    paper, sheet = tmp_path / "op-3.pdf", tmp_path / "op-3.csv"
    done = police.run("nca", "query", "show", query_id, "--pdf", str(paper), "--csv", str(sheet))
    assert done.status == 0, done.document
    police.tick()
    entries = police.run("nca", "log", "entries").document["entries"]
    stated = next(one for one in entries if one["number"] == done.document["log_entry"])
    reader = PdfReader(paper)
    text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    for wanted in (
        "=OP-3",
        HELD,
        "Bank a",
        "OFFICIAL-SENSITIVE",
        "TLP:AMBER",
        "finding <a> network",
        stated["event_id"],
    ):
        assert wanted in text, wanted
    assert "Crime and Courts Act 2013, section 7" in text
    assert stated["view"]["results_sha256"] in text.replace(" ", "")
    assert reader.metadata is not None
    assert query_id in str(reader.metadata.title)
    assert str(reader.root_object["/Lang"]) == "en-GB"
    assert reader.metadata.creation_date is not None
    root: Any = reader.root_object
    assert root["/MarkInfo"]["/Marked"]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert {"/H1", "/H2", "/P", "/TH", "/TD", "/TR", "/Table"} <= roles_under(root["/StructTreeRoot"]["/K"][0])
    contents = reader.pages[0].get_contents()
    assert contents is not None
    outside = re.sub(r"(?s)(BMC|BDC).*?EMC", "", contents.get_data().decode("latin-1"))
    assert "Tj" not in outside, "no text is outside of the structure"
    with sheet.open(encoding="utf-8-sig", newline="") as stream:
        held, missed = csv.DictReader(stream)
    assert (held["value"], held["held"], held["institutions"]) == (HELD, "yes", "Bank a")
    assert (missed["value"], missed["held"]) == (MISSED, "no")
    assert held["case"] == "'=OP-3", "no formula"
    assert (held["event_id"], held["log_entry"]) == (stated["event_id"], str(stated["number"]))
    assert {path.stat().st_mode & 0o777 for path in (paper, sheet)} == {0o600}
    before = sum(one["view"]["kind"] == "le_query_read" for one in entries)
    again = police.run("nca", "query", "show", query_id, "--pdf", str(paper))
    assert (again.status, again.document["error"]["type"]) == (2, "usage")
    police.tick()
    after = police.run("nca", "log", "entries").document["entries"]
    assert sum(one["view"]["kind"] == "le_query_read" for one in after) == before, "refused before anything is read"


def test_a_watch_is_let_go_on_by_the_officer_and_by_nobody_else(police: MemberHomes) -> None:
    days = [(now().date() + timedelta(days=number)).isoformat() for number in (20, 30, 60)]
    query_id = ask(police, "OP-4", "--watch", days[0], "--until", days[2])
    officer(police, "query", "approve", query_id)
    longer = ("query", "extend", query_id, "--watch", days[1], "--reason", "the handler is still at work")
    assert police.run("nca", *longer).status == 1, "not by the one who asked"
    done = officer(police, *longer).document
    assert (done["until"], done["watch_until"]) == (days[2], days[1])
    (made,) = police.run("nca", "query", "show", query_id).document["extensions"]
    assert (made["by"], made["watch_until"]) == ("nca/authoriser", days[1])
    assert police.run("nca", "--as", "authoriser", "query", "extend", query_id, "--reason", "x").status == 2
