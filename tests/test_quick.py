"""`pytest --quick` leaves out what its module says, and no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.quick import HERE, KEPT, LONG, PROCESSES

SAMPLE = ("tests/alerts/test_feed_tokens.py", "tests/exchange/requests", "tests/torture", "tests/tlog/test_proofs.py")
SUBJECTS = sorted(
    folder
    for side in ("alerts", "exchange", "keys", "member")
    for folder in (HERE / side).iterdir()
    if any(folder.glob("test_*.py"))
)


def collect(*options: str) -> tuple[set[str], str]:
    """The tests that pytest would run, and all that it says."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "--collect-only", *options, *SAMPLE]
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True)
    return {line for line in done.stdout.splitlines() if "::" in line}, done.stdout


def test_a_quick_run_leaves_out_postgresql_and_long_tests() -> None:
    whole, _ = collect()
    quick, said = collect("--quick")
    assert quick < whole
    assert any("[sqlite" in test for test in quick)
    assert not [test for test in quick if "postgresql" in test or "torture" in test]
    named = tuple(f"tests/{place}" for place in PROCESSES | LONG)
    on_postgresql_alone = "requests/test_concurrency.py"
    for test in whole - quick:
        assert "postgresql" in test or test.startswith(named) or on_postgresql_alone in test
    assert f"--quick left out {len(whole) - len(quick)} tests: PostgreSQL, and what takes long" in said


@pytest.mark.parametrize("place", sorted(PROCESSES | LONG | KEPT))
def test_what_a_quick_run_names_is_there(place: str) -> None:
    path, _, name = place.partition("::")
    assert (HERE / path).exists()
    if name:
        assert f"def {name}(" in (HERE / path).read_text()


@pytest.mark.parametrize("folder", SUBJECTS, ids=lambda folder: str(folder.relative_to(HERE)))
def test_a_quick_run_has_tests_of_each_subject(folder: Path) -> None:
    places = {path.relative_to(HERE).as_posix() for path in (folder, *folder.glob("test_*.py"))}
    kept = {name.partition("::")[0] for name in KEPT}
    assert folder.relative_to(HERE).as_posix() not in PROCESSES | LONG
    assert places - {folder.relative_to(HERE).as_posix()} - (PROCESSES | LONG - kept)
