"""docs/normalisation.md tells what the rules do: every line of its tables is run, and no type is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from member.normalise.company_registers import LENGTHS, WITHOUT_ZEROS
from member.normalise.national_checks import CHECKS
from member.normalise.outcome import NormalisationError
from member.normalise.rules import RULES, normalise

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "normalisation.md").read_text(encoding="utf-8")
_TABLE = re.compile(r"^\| type \| (written|refused) \|.*\n\| --- .*\n((?:\|.*\n?)+)", re.MULTILINE)


def lines(kind: str) -> list[tuple[str, ...]]:
    """The cells of every line of the tables of that kind, back quotes taken off."""
    rows = [row for found in _TABLE.finditer(PAGE) if found[1] == kind for row in found[2].splitlines()]
    cells = [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    return [tuple(cell.strip("`") for cell in row) for row in cells]


@pytest.mark.parametrize(("kind", "written", "canonical"), lines("written"))
def test_what_the_page_says_is_read_is_read_so(kind: str, written: str, canonical: str) -> None:
    assert normalise(kind, written).canonical == canonical


@pytest.mark.parametrize(("kind", "refused", "because"), lines("refused"))
def test_what_the_page_says_is_refused_is_refused_with_a_cure(kind: str, refused: str, because: str) -> None:
    with pytest.raises(NormalisationError) as error:
        normalise(kind, refused)
    assert because in str(error.value)
    assert error.value.hint


def test_every_type_has_examples_of_both_kinds() -> None:
    for kind in ("written", "refused"):
        assert {row[0] for row in lines(kind)} == set(RULES)


def test_the_countries_whose_own_check_is_made_are_named() -> None:
    (named,) = re.findall(r"puts inside \(([A-Z, ]+)\)", PAGE)
    assert named.split(", ") == sorted(CHECKS)


def test_the_countries_whose_registers_have_lengths_are_named() -> None:
    (named,) = re.findall(r"register\ngives \(([A-Z, ]+)\)", PAGE)
    assert named.split(", ") == sorted(LENGTHS)
    (named,) = re.findall(r"counts without them \(([A-Z, ]+), and", PAGE)
    assert named.split(", ") == sorted(WITHOUT_ZEROS)
