"""What the members were shown, and what was found wrong: the two sides of every check."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.torture.shown import Shown
from tests.torture.tap import Note, read_tap

LOST, DOUBLED, UNLOGGED, UNEXPECTED = "lost", "doubled", "unlogged", "unexpected"
FAULTS = (LOST, DOUBLED, UNLOGGED, UNEXPECTED)


class Records:
    """All that was shown and found. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: dict[str, Shown] = {}
        self._faults: dict[str, list[str]] = {name: [] for name in FAULTS}
        self._figures: Counter[str] = Counter()

    def show(self, member: str, tapped: Iterable[Note]) -> None:
        """A member was shown some answers."""
        with self._lock:
            self._shown.setdefault(member, Shown()).take_in(tapped)

    def shown(self) -> dict[str, Shown]:
        """What every member was shown until now."""
        with self._lock:
            return {member: shown.copy() for member, shown in self._shown.items()}

    def read_taps(self, member: str, folder: Path) -> None:
        """Take in what earlier commands of a run that is resumed were shown."""
        for path in sorted(folder.glob("*.tap")):
            self.show(member, read_tap(path))

    def fault(self, kind: str, what: str, count: int = 1) -> None:
        """Something is not as it must be, `count` times."""
        if count:
            with self._lock:
                self._faults[kind] += [what] * count

    def count(self, **figures: int) -> None:
        """Add to the figures."""
        with self._lock:
            self._figures.update(figures)

    def figures(self) -> dict[str, int]:
        """The figures as they stand."""
        with self._lock:
            return dict(sorted(self._figures.items()))

    def faults(self) -> dict[str, int]:
        """How many faults of each kind."""
        with self._lock:
            return {kind: len(found) for kind, found in self._faults.items()}

    def has_faults(self) -> bool:
        """Whether anything was found wrong."""
        return any(self.faults().values())

    def described(self, most: int = 5) -> list[str]:
        """The first faults of each kind, in words."""
        with self._lock:
            return [
                f"{kind}: {what}" for kind, found in self._faults.items() for what in list(dict.fromkeys(found))[:most]
            ]
