"""Files and modules that pages, comments and docstrings name are there."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("alerts", "bench", "demo", "edge", "exchange", "keys", "member", "migrations", "schemas", "tests", "tlog")
FOLDERS = (*PACKAGES, "deploy", "docs", ".ci")
CODE = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml"])
KNOWN = {path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*")}
PLACES = {str(path) for path in KNOWN}
ENDS = {str(Path(*path.parts[first:])) for path in KNOWN for first in range(len(path.parts))}
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
_PATH = re.compile(r"(?<![\w./-])((?:[\w.-]+/)+[\w-]+\.py)\b")
_MODULE = re.compile(rf"(?<![\w./@-])(?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+(?![\w(]*://)")
_NO_MODULE = re.compile(r"\.(?:example|test|db|json|log|service)\b")


def remarks_in(path: Path) -> Iterator[str]:
    """The comments and docstrings of a module."""
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def is_there(name: str) -> bool:
    """Whether a dotted name is a package, a module, or something that a module defines."""
    parts = name.split(".")
    if "/".join(parts) in PLACES:
        return True
    for count in range(len(parts), 0, -1):
        module = "/".join(parts[:count]) + ".py"
        if module in PLACES:
            rest = parts[count : count + 1]
            source = (ROOT / module).read_text(encoding="utf-8")
            return not rest or re.search(rf"^(?:class |def |async def )?{rest[0]}\b", source, re.MULTILINE) is not None
    return False


def missing_in(text: str) -> list[str]:
    """The modules, and the paths of modules from the top or a folder below, that a text names and are not there."""
    modules = [name for name in _MODULE.findall(text) if not _NO_MODULE.search(name) and not is_there(name)]
    return modules + [path for path in _PATH.findall(text) if path not in ENDS]


@pytest.mark.parametrize("package", PACKAGES)
def test_what_comments_and_docstrings_name_is_there(package: str) -> None:
    found = {
        str(path.relative_to(ROOT)): missing
        for path in CODE
        if path.relative_to(ROOT).parts[0] == package
        and (missing := [m for text in remarks_in(path) for m in missing_in(text)])
    }
    assert found == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_and_links_to_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in _LINK.findall(text) if not (page.parent / link).exists()]
    assert links + missing_in(_LINK.sub("]", text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "exchange.services.acting",
        "`keys/edge/guard.py`",
        "see services/accept_statement.py",
        "keys.oprf.tokens.Nothing",
    ],
)
def test_what_is_gone_is_found(text: str) -> None:
    assert len(missing_in(text)) == 1
