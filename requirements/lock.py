"""Make the locked requirements from pyproject.toml: `make lock`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = {"run.txt": [], "test.txt": ["test"], "develop.txt": ["test", "develop"]}


def compile_lock(name: str, output: Path, *, upgrade: bool = False) -> None:
    """Write one lock file: every package with its hashes, for all platforms, no index named."""
    extras = [part for extra in EXTRAS[name] for part in ("--extra", extra)]
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet", "--universal"]
    command += ["--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate"]
    command += [*extras, *(["--upgrade"] if upgrade else []), "--output-file", str(output)]
    subprocess.run([*command, "pyproject.toml", "requirements/build.in"], check=True, cwd=ROOT)


if __name__ == "__main__":
    for lock in EXTRAS:
        compile_lock(lock, ROOT / "requirements" / lock, upgrade="--upgrade" in sys.argv)
