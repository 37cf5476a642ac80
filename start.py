"""Set up and start, on a machine that has only Python >= 3.11 and pip.

    python3 start.py demo     set up the programs and run the demonstration
    python3 start.py test     set up the programs and pass the tests, PostgreSQL included; with --quick a part of
                              them, on SQLite, in under two minutes
    python3 start.py install  set up the programs and stop

Everything goes into the folder .venv beside this file: the locked dependencies, checked by hash, and the programs.
Further arguments are handed on (`python3 start.py test -k matching`).
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE / ".venv"
SCRIPTS = ENVIRONMENT / ("Scripts" if sys.platform == "win32" else "bin")
LOCKS = {"demo": "run.txt", "install": "run.txt", "test": "test.txt", "develop": "develop.txt"}


def set_up(lock: str) -> None:
    """Make the environment if it is not there, and install the locked packages and the project into it."""
    if not (SCRIPTS / "python").exists() and not (SCRIPTS / "python.exe").exists():
        venv.create(ENVIRONMENT, with_pip=False, symlinks=sys.platform != "win32")
    pip = [sys.executable, "-m", "pip", "--python", str(SCRIPTS / "python"), "--quiet", "--disable-pip-version-check"]
    install = [*pip, "install", "--no-warn-script-location"]
    subprocess.run([*install, "--require-hashes", "-r", str(HERE / "requirements" / lock)], check=True)
    editable = ["--editable"] if lock == "develop.txt" else []
    own = [*install, "--no-deps", "--no-build-isolation", "--force-reinstall", *editable, str(HERE)]
    subprocess.run(own, check=True)


def main(arguments: list[str]) -> int:
    """Exit status: that of what was started, or 2 when used wrongly."""
    if sys.version_info < (3, 11):
        sys.stderr.write(f"Python 3.11 or later is required, this is {sys.version.split()[0]}\n")
        return 2
    if not arguments or arguments[0] not in LOCKS:
        sys.stderr.write(__doc__ or "")
        return 2
    what, *further = arguments
    try:
        set_up(LOCKS[what])
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"the set-up failed (see above): {error.cmd[0]} ended with {error.returncode}\n")
        return 1
    commands = {
        "demo": [str(SCRIPTS / "exchange"), "demo", *further],
        "test": [str(SCRIPTS / "python"), "-m", "pytest", *further],
    }
    if what not in commands:
        return 0
    return subprocess.run(commands[what], cwd=HERE, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
