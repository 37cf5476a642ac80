"""Names in the product use the words of the field: docs/glossary.md lists those that were replaced."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("alerts", "demo", "edge", "exchange", "keys", "member", "schemas", "tlog")
AVOIDED = frozenset(
    {
        "believed",
        "borne",
        "courier",
        "desk",
        "doublet",
        "doublets",
        "heed",
        "hindrance",
        "liar",
        "liars",
        "mistrust",
        "most",
        "newcomer",
        "novelty",
        "paperwork",
        "parcel",
        "parcels",
        "postman",
        "setback",
        "surroundings",
        "tell",
        "telling",
        "tells",
        "told",
        "trouble",
        "troubles",
        "untold",
        "usual",
        "want",
        "wanted",
        "wrongly",
    }
)
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").partition("## Words we use")[2]


def words_of(name: str) -> list[str]:
    """The words of an identifier in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def named_in(tree: ast.Module) -> Iterator[str]:
    """The classes and functions that a module defines, and the constants at its top."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        yield from (target.id for target in targets if isinstance(target, ast.Name) and target.id.isupper())


@pytest.mark.parametrize("package", PACKAGES)
def test_names_use_the_words_of_the_field(package: str) -> None:
    named = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in named_in(ast.parse(path.read_text(encoding="utf-8")))
        if AVOIDED & set(words_of(name))
    ]
    assert not named


def test_the_names_of_a_module_are_found() -> None:
    code = "MISTRUST = 1\n_LIMIT: int = 2\nclass ToldLog:\n    def keep_told(self): ...\nasync def _HTTPWanted(): ...\n"
    found = [words_of(name) for name in named_in(ast.parse(code))]
    assert sorted(found) == [["http", "wanted"], ["keep", "told"], ["limit"], ["mistrust"], ["told", "log"]]


def test_the_glossary_says_what_to_use_instead() -> None:
    replaced = set(re.findall(r"[a-z]+", GLOSSARY))
    stems = {word.removesuffix("s") if word not in replaced else word for word in AVOIDED}
    assert stems <= replaced
