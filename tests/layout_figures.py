"""How the code is laid out, in figures: `python -m tests.layout_figures [--before REV] [--json] [--packages]`.

A package is one folder of code; an edge leads from the package that imports to the imported one. Modules are read,
not imported. Imports of the type checker alone count too: they bind the reader as much. With --before the figures of
an earlier commit stand beside those of now; `--before 863bd49` is the code before it was laid out by subject.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import subprocess
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "keys", "tlog", "exchange", "alerts", "member", "demo", "edge")
LONGEST_TEST_NAME = 70
SMALLEST_FIELD_LIST = 5
"""Below this, two lists of the same field names are likely to be chance."""


@dataclass
class Module:
    """One file of code. `fields` holds the annotated or assigned names of each class, `imports` modules of the
    project alone.
    """

    name: str
    package: str
    lines: int
    untyped: int
    imports: set[str] = field(default_factory=set)
    fields: dict[str, frozenset[str]] = field(default_factory=dict)


def read_modules(root: Path = ROOT) -> dict[str, Module]:
    """Every module of the packages, by its dotted name, but `__main__`: there a program begins."""
    files = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py")) if path.stem != "__main__"]
    names = {_dotted(path, root) for path in files}
    return {_dotted(path, root): _read(path, root, names) for path in files if path.stat().st_size}


def _dotted(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _read(path: Path, root: Path, known: set[str]) -> Module:
    text = path.read_text()
    tree = ast.parse(text)
    package = path.parent.relative_to(root).as_posix()
    module = Module(_dotted(path, root), package, len(text.splitlines()), text.count("dict[str, Any]"))
    for node in ast.walk(tree):
        module.imports |= {name for name in _imported(node) if name in known and name != module.name}
        if isinstance(node, ast.ClassDef):
            module.fields[node.name] = frozenset(_fields(node))
    return module


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _fields(node: ast.ClassDef) -> Iterator[str]:
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            yield line.target.id
        elif isinstance(line, ast.Assign) and isinstance(line.value, ast.Call):
            yield from (target.id for target in line.targets if isinstance(target, ast.Name))


def cycles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach one another (strongly connected components of more than one node)."""
    reach = {node: _reached(node, edges) for node in edges}
    found: list[list[str]] = []
    seen: set[str] = set()
    for node in sorted(edges):
        if node not in seen and node in reach[node]:
            group = sorted({node} | {other for other in reach[node] if node in reach.get(other, set())})
            seen |= set(group)
            found.append(group)
    return found


def _reached(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = edges.get(waiting.pop(), set()) - reached
        reached |= new
        waiting += new
    return reached


def package_edges(modules: Mapping[str, Module]) -> dict[str, set[str]]:
    """For each package the packages that it imports from."""
    edges: dict[str, set[str]] = defaultdict(set)
    for module in modules.values():
        edges[module.package] |= {modules[name].package for name in module.imports if name in modules} - {
            module.package
        }
    return dict(edges)


def copied_field_lists(modules: Mapping[str, Module]) -> list[tuple[str, str, int]]:
    """Pairs of classes in different files of which one has all but at most one field of the other, with the number of
    fields they share.
    """
    lists = [(f"{m.name}.{cls}", m.name, names) for m in modules.values() for cls, names in m.fields.items()]
    lists = [one for one in lists if len(one[2]) >= SMALLEST_FIELD_LIST]
    found = []
    for (one, home, ours), (other, elsewhere, theirs) in combinations(lists, 2):
        shared = len(ours & theirs)
        if home != elsewhere and shared >= max(len(ours), len(theirs)) - 1:
            found.append((one, other, shared))
    return sorted(found)


def twice_defined(modules: Mapping[str, Module]) -> dict[str, list[str]]:
    """Class names that more than one module defines, with those modules. Private classes count too."""
    where: dict[str, list[str]] = defaultdict(list)
    for module in modules.values():
        for name in module.fields:
            where[name].append(module.name)
    return {name: homes for name, homes in sorted(where.items()) if len(homes) > 1}


def untyped_in_tests(root: Path = ROOT) -> int:
    """How many lines of the tests have a `dict[str, Any]`."""
    files = (path.read_text() for path in sorted((root / "tests").rglob("*.py")) if path.stem != "layout_figures")
    return sum(line.count("dict[str, Any]") > 0 for text in files for line in text.splitlines())


def test_names(root: Path = ROOT) -> list[str]:
    """The names of every test function."""
    trees = (ast.parse(path.read_text()) for path in sorted((root / "tests").rglob("test_*.py")))
    functions = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return [node.name for node in functions if node.name.startswith("test_")]


def figures(root: Path = ROOT) -> dict[str, int | float | str]:
    """The figures by which a layout is judged."""
    modules = read_modules(root)
    edges = package_edges(modules)
    sizes = Counter(module.package for module in modules.values())
    largest = max(modules.values(), key=lambda module: module.lines)
    names = test_names(root)
    long = sum(len(name) > LONGEST_TEST_NAME for name in names)
    return {
        "modules": len(modules),
        "packages": len({module.package for module in modules.values()}),
        "edges between packages": sum(len(ends) for ends in edges.values()),
        "cycles of modules": len(cycles({name: module.imports for name, module in modules.items()})),
        "cycles of packages": len(cycles(edges)),
        "most modules in a package": max(sizes.values()),
        "the package with the most": max(sizes, key=lambda package: sizes[package]),
        "largest file, lines": largest.lines,
        "the largest file": largest.name,
        "class names defined twice": len(twice_defined(modules)),
        "dict[str, Any]": sum(module.untyped for module in modules.values()),
        "dict[str, Any] in tests, lines": untyped_in_tests(root),
        "copied field lists": len(copied_field_lists(modules)),
        "tests": len(names),
        f"test names over {LONGEST_TEST_NAME} characters": long,
        f"test names over {LONGEST_TEST_NAME} characters, per cent": round(100 * long / len(names), 1),
    }


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """The files of a commit in a folder that is deleted afterwards."""
    done = subprocess.run(["git", "archive", revision], check=True, capture_output=True, cwd=ROOT)
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(done.stdout)) as files:
        files.extractall(folder, filter="data")
        yield Path(folder)


def main() -> None:
    """Print the figures, and with --packages every package with its edges, cycles, doubles and copies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", metavar="REV", help="a commit whose figures stand beside those of now")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--packages", action="store_true", help="every package with its edges")
    arguments = parser.parse_args()
    columns = {"now": figures()}
    if arguments.before:
        with checked_out(arguments.before) as folder:
            columns = {"before": figures(folder), **columns}
    if arguments.json:
        click.echo(json.dumps(columns if arguments.before else columns["now"], indent=2))
    else:
        click.echo(f"{'':44}" + "".join(f"{name:>34}" for name in columns))
        for name in columns["now"]:
            click.echo(f"{name:44}" + "".join(f"{column[name]!s:>34}" for column in columns.values()))
    if arguments.packages:
        _print_packages(read_modules())


def _print_packages(modules: Mapping[str, Module]) -> None:
    sizes = Counter(module.package for module in modules.values())
    edges = package_edges(modules)
    for package in sorted(sizes):
        click.echo(f"{package} ({sizes[package]}) -> {', '.join(sorted(edges.get(package, set()))) or 'nothing'}")
    for group in cycles(edges):
        click.echo(f"cycle: {', '.join(group)}")
    for name, homes in twice_defined(modules).items():
        click.echo(f"defined twice: {name}: {', '.join(homes)}")
    for one, other, shared in copied_field_lists(modules):
        click.echo(f"same fields: {one}, {other} ({shared})")


if __name__ == "__main__":
    main()
