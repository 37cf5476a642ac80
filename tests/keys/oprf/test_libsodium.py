"""Either library serves: the system's, or the one in the rbcl wheel, which leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from keys.oprf import libsodium
from tests.keys.oprf.ristretto_reference import GENERATOR_MULTIPLES

ROOT = Path(__file__).parents[3]
MULTIPLY = """
import ctypes.util
ctypes.util.find_library = lambda name: {found!r}
from keys.oprf import group
from keys.oprf import libsodium
print(group.multiply_base(group.scalar_from_int(2)).hex(), libsodium.load_system())
"""


def run_with_system_library(found: str | None, temporary: Path) -> str:
    """Two times the generator and the system's library, as a process sees them that finds `found`."""
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", MULTIPLY.format(found=found)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=temporary)
    assert done.stderr == ""
    return done.stdout.strip()


def test_the_bundled_library_is_used_if_the_system_has_none(tmp_path: Path) -> None:
    """It leaves no file behind."""
    assert run_with_system_library(None, tmp_path) == f"{GENERATOR_MULTIPLES[1]} None"
    assert list(tmp_path.iterdir()) == []


def test_a_system_library_without_the_group_is_passed_over(tmp_path: Path) -> None:
    unrelated = "libc.so.6"
    assert run_with_system_library(unrelated, tmp_path) == f"{GENERATOR_MULTIPLES[1]} None"


def test_a_system_library_that_does_not_load_is_passed_over(tmp_path: Path) -> None:
    assert run_with_system_library("libnowhere.so.1", tmp_path) == f"{GENERATOR_MULTIPLES[1]} None"


def test_whatever_is_loaded_has_the_functions_of_the_group() -> None:
    for library in (libsodium.load(), libsodium.load_carried()):
        assert library.crypto_core_ristretto255_is_valid_point(bytes.fromhex(GENERATOR_MULTIPLES[0])) == 1
