"""What a member has done that lasts, as a list of acts in a file: a run that is resumed knows it all from there.

An act is written before it begins and again when it has come to its end, so that at most the last one is open.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Act = dict[str, Any]
"""`do` names it, `arguments` are the command's; the rest is what the driver must know of it."""


class Journal:
    """The acts in a file, which is made when the first begins."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, act: Act) -> None:
        """Before the act's first command."""
        self._write({"begin": act})

    def end(self, known: Act) -> None:
        """The open act has come to its end; `known` is what came of it."""
        self._write({"end": known})

    def read(self) -> tuple[list[Act], Act | None]:
        """The acts that ended, each with what came of it, in their order; and the one that did not."""
        done: list[Act] = []
        begun: Act | None = None
        for line in self._path.read_text().splitlines() if self._path.exists() else ():
            written = json.loads(line)
            if "begin" in written:
                begun = written["begin"]
            elif begun is not None:
                done.append({**begun, **written["end"]})
                begun = None
        return done, begun

    def _write(self, line: dict[str, Act]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
