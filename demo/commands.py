"""Commands of the three programs, each in a process of its own, as a person would give them.

The processes are forked from one that has imported the programs: to import a program takes longer than most commands.
"""

from __future__ import annotations

import importlib
import io
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryFile

_MODULES = {"exchange": "exchange.programs.cli", "keyholder": "keys.holder.cli", "member": "member.commands.cli"}
"""Where the `main` of each program is."""
PRELOADED = (__name__, *_MODULES.values(), "exchange.operations.set_up")
"""What the process that is forked imports first."""
_context = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status, 1 if it was killed, and what it wrote."""

    status: int
    printed: bytes
    said: bytes


def run_program(program: str, *arguments: str) -> Ended:
    """Run a command of `exchange`, `keyholder` or `member`, in this process's folder and environment. It has nothing to
    read.
    """
    _context.set_forkserver_preload(list(PRELOADED))
    receiving, sending = _context.Pipe(duplex=False)
    given = (program, arguments, Path.cwd(), dict(os.environ), sending)
    process = _context.Process(target=_run, args=given, daemon=True)
    process.start()
    sending.close()
    try:
        ended: Ended = receiving.recv()
    except EOFError:
        ended = Ended(1, b"", b"killed")
    finally:
        receiving.close()
        process.join()
    return ended


def _run(
    program: str, arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str], sending: Connection
) -> None:
    """In the forked process: the program's own `main`, writing into files."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [program, *arguments]
    with TemporaryFile() as printed, TemporaryFile() as said:
        for stream, file in ((sys.stdout, printed), (sys.stderr, said)):
            os.dup2(file.fileno(), stream.fileno())
        status = _status_of(importlib.import_module(_MODULES[program]).main)
        sys.stdout.flush()
        sys.stderr.flush()
        sending.send(Ended(status, _content(printed), _content(said)))


def _status_of(main: Callable[[], None]) -> int:
    try:
        main()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    return 0


def _content(file: io.BufferedRandom) -> bytes:
    file.seek(0)
    return file.read()
