"""The locked requirements are those of pyproject.toml: complete, pinned, hashed, and naming no place to come from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = {"run.txt": [], "test.txt": ["test"], "develop.txt": ["test", "develop"]}


def _blocks(name: str) -> list[str]:
    """Each entry of a lock: the line of the package, and its hashes below it."""
    return re.split(r"\n(?=\S)", (ROOT / "requirements" / name).read_text().strip())


def _pinned(name: str) -> dict[str, str]:
    """Version by package, of the entries that hold for this Python: one package may be pinned once for each."""
    entries = [Requirement(block.splitlines()[0].rstrip("\\ ")) for block in _blocks(name)]
    here = [entry for entry in entries if entry.marker is None or entry.marker.evaluate()]
    return {canonicalize_name(entry.name): str(entry.specifier).removeprefix("==") for entry in here}


@pytest.mark.parametrize("name", LOCKS)
def test_every_dependency_is_pinned_to_a_version_that_the_project_allows(name: str) -> None:
    wanted = list(PROJECT["dependencies"])
    for extra in LOCKS[name]:
        wanted += PROJECT["optional-dependencies"][extra]
    pinned = _pinned(name)
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)], prereleases=True)


@pytest.mark.parametrize("name", LOCKS)
def test_every_pinned_package_carries_a_hash(name: str) -> None:
    for block in _blocks(name):
        package, *hashes = block.splitlines()
        assert re.match(r"[A-Za-z0-9_.-]+(\[[^\]]*\])?==[^\s;]+", package)
        assert hashes and all(line.strip().startswith("--hash=sha256:") for line in hashes)


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_names_a_place_to_install_from(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert "://" not in text
    assert "--index" not in text


def test_a_larger_lock_pins_what_a_smaller_one_pins() -> None:
    run, test, develop = (_pinned(name) for name in LOCKS)
    assert run.items() <= test.items() <= develop.items()
