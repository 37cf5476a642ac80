"""Running a program as a person does who types at a terminal: it has one, and what is typed waits for the question."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.sandbox_process import SCRIPTS

_QUESTION = re.compile(rb"(passphrase of [^:]*: |once more: |\[y/N\]: )\Z")
_PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Typed:
    """How it ended: what came on standard output, and what stood on the screen besides."""

    status: int
    printed: str
    screen: str


def run_typed(
    program: str, arguments: Sequence[str], *answers: str, environment: Mapping[str, str] | None = None
) -> Typed:
    """Run a program of ours at a terminal of its own, and answer its questions one after the other."""
    terminal, its_end = pty.openpty()

    def settle() -> None:
        os.setsid()
        fcntl.ioctl(its_end, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [str(SCRIPTS / program), *arguments],
        stdin=its_end,
        stdout=subprocess.PIPE,
        stderr=its_end,
        env={**os.environ, **(environment or {})},
        preexec_fn=settle,  # noqa: PLW1509 - the only way to give it a controlling terminal
    )
    os.close(its_end)
    assert process.stdout is not None
    screen, printed, left = b"", b"", list(answers)
    open_ends, ends_at = {terminal, process.stdout.fileno()}, time.monotonic() + _PATIENCE_SECONDS
    while open_ends and time.monotonic() < ends_at:
        for end in select.select(list(open_ends), [], [], 1.0)[0]:
            try:
                data = os.read(end, 65_536)
            except OSError:  # nobody has the terminal any more
                data = b""
            if not data:
                open_ends.discard(end)
            elif end == terminal:
                screen += data
                if _QUESTION.search(screen):
                    assert left, f"asked once more: {screen.decode()}"
                    os.write(terminal, left.pop(0).encode() + b"\n")
            else:
                printed += data
    status = process.wait(10)
    os.close(terminal)
    return Typed(status, printed.decode(), screen.decode())
