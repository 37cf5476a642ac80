"""What a long run tells while it is under way, and what of it held."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime


def tell(text: str) -> None:
    """A line of progress."""
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")
    sys.stderr.flush()


@dataclass
class Checks:
    """What held and what did not."""

    failed: list[str] = field(default_factory=list)

    def check(self, name: str, holds: bool, found: object = None) -> None:
        """Note a check."""
        tell(f"{'holds' if holds else 'FAILS'}: {name}{'' if found is None else f' ({found})'}")
        if not holds:
            self.failed.append(f"{name}: {found}")
