"""A rule's tests notice a wrong change of it, and nothing where there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutants.mutating import Mutant, mutants_of
from tests.mutants.running import place_of, put_in, run_apart
from tests.mutants.subjects import EQUIVALENT, SUBJECTS

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = '''"""A module."""

LIMIT = 3


def is_few(count: int, most: int = LIMIT) -> bool:
    """Whether that is few."""
    if count < 0:
        raise ValueError("less than none")
    return count <= most and not count == 2
'''


def load(folder: Path, source: str) -> ModuleType:
    """A new module of that source."""
    path = folder / "few_of_the_tests.py"
    path.write_text(source)
    module = ModuleType("few_of_the_tests")
    module.__file__ = str(path)
    exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - the source above
    return module


def test_a_module_is_changed_in_every_way() -> None:
    changes = {(mutant.line, mutant.kind, mutant.diff(SOURCE).splitlines()[-1]) for mutant in mutants_of(SOURCE)}
    assert {
        (3, "constant + 1", "+LIMIT = 4"),
        (8, "boundary", "+    if (count <= 0):"),
        (8, "opposite", "+    if (count >= 0):"),
        (8, "constant - 1", "+    if count < (-1):"),
        (9, "removed", "+        pass"),
        (10, "removed", "+    pass"),
        (10, "boundary", "+    return (count < most) and not count == 2"),
        (10, "and/or", "+    return (count <= most or not count == 2)"),
        (10, "not", "+    return count <= most and (count == 2)"),
    } <= changes
    assert not [line for line, _, changed in changes if "A module" in changed or "int" in changed.partition("(")[2]]


@pytest.mark.parametrize(
    ("line", "kind", "count"),
    [
        (3, "constant + 1", 4),
        (8, "boundary", 0),
        (9, "removed", -1),
        (10, "boundary", 3),
        (10, "and/or", 9),
        (10, "not", 1),
    ],
)
def test_a_mutant_behaves_otherwise_where_it_is_put(tmp_path: Path, line: int, kind: str, count: int) -> None:
    module = load(tmp_path, SOURCE)
    is_few = module.is_few  # as whoever imported it before holds it

    def answer() -> object:
        try:
            return is_few(count)
        except ValueError:
            return "refused"

    before = answer()
    (mutant, *_) = [one for one in mutants_of(SOURCE) if (one.line, one.kind) == (line, kind)]
    sys.modules[module.__name__] = module
    try:
        put_in(module, SOURCE, mutant)
    finally:
        del sys.modules[module.__name__]
    assert answer() != before


def test_only_what_can_be_put_in_a_loaded_module_is_chosen() -> None:
    assert [place_of(SOURCE, line) for line in (3, 6, 8, 10)] == ["LIMIT", None, "is_few", "is_few"]
    with_class = SOURCE + "\n\nclass Few:\n    most = LIMIT\n\n    def count(self):\n        return 1\n"
    assert [place_of(with_class, line) for line in (3, 14, 17)] == [None, None, "Few.count"]


def test_what_dies_in_a_process_of_its_own_is_noticed() -> None:
    assert run_apart(lambda: "") == ""
    assert run_apart(lambda: "a failure") == "a failure"
    assert "ZeroDivisionError" in run_apart(lambda: str(1 // 0))
    assert run_apart(lambda: sys.exit(3)) != ""


def test_modules_tests_and_equivalent_changes_are_there() -> None:
    named = [path.partition("::")[0] for paths in SUBJECTS.values() for path in paths]
    assert [path for path in (*SUBJECTS, *named) if not (ROOT / path).exists()] == []
    for module, diff in EQUIVALENT:
        source = (ROOT / module).read_text(encoding="utf-8")
        assert diff in {mutant.diff(source) for mutant in mutants_of(source)}, diff
    assert Mutant(1, "none", SOURCE).diff(SOURCE) == ""
