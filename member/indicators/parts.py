"""Cutting a file's rows into parts: always the same parts for the same file, whatever was cached or confirmed before.

An indicator stands in a part once, where it first comes in the file; each later row of the same indicator is an echo: a
duplicate that is kept in the vault for its references and never sent. Memory: one part, and 16 bytes an indicator seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from member.indicators.intake import Accepted, Read
from member.indicators.left_out import LeftOut
from member.tables.reading import Rejected

PART_ROWS = 10_000
_ECHOES_A_ROW = 4


@dataclass
class Part:
    """Rows to send together, their vault look-ups, and the echoes that came between them. `number` counts from 0."""

    number: int
    rows: list[Accepted] = field(default_factory=list)
    lookups: list[bytes] = field(default_factory=list)
    echoes: list[Accepted] = field(default_factory=list)


def cut_parts(
    items: Iterable[Read],
    lookup: Callable[[str, str], bytes],
    reject: Callable[[Rejected], None],
    leave_out: Callable[[LeftOut], None],
    part_rows: int = PART_ROWS,
) -> Iterator[Part]:
    """The parts of a file in order; rejected rows go to `reject` and those left out to `leave_out` as they come. A part
    of echoes alone has no rows.
    """
    seen: set[bytes] = set()
    part = Part(0)
    for item in items:
        if isinstance(item, Rejected):
            reject(item)
            continue
        if isinstance(item, LeftOut):
            leave_out(item)
            continue
        found = lookup(item.canonical.indicator_type, item.canonical.canonical)
        if found in seen:
            part.echoes.append(item)
        else:
            seen.add(found)
            part.rows.append(item)
            part.lookups.append(found)
        if len(part.rows) >= part_rows or len(part.echoes) >= _ECHOES_A_ROW * part_rows:
            yield part
            part = Part(part.number + 1 if part.rows else part.number)
    if part.rows or part.echoes:
        yield part
