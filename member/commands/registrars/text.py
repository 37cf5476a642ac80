"""A proposal on a terminal, for the registrar who is to sign it.

What it says is written by others, and must not look like a line of ours:
1. The digest, and the command that signs it, come first: the only lines without a margin.
2. Every other line, also the rest of one that is too long for the terminal, starts with a margin mark.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len, chop_cells

from member.statements.proposals import ProposalView
from member.statements.text import review_lines

_MARGIN = "| "
_INDENT = 4
"""How far the rest of a long line stands in."""
_LEAST_WIDTH = 20


def review_text(proposal: ProposalView, width: int) -> str:
    """A proposal for people, at a terminal of so many columns."""
    digest = proposal.digest
    ours = f"digest: {digest}\nsign with: member registrar approve {proposal.proposal_id} --digest {digest}"
    lines = (
        part for line in review_lines(proposal) for part in _wrapped(line, max(_LEAST_WIDTH, width - len(_MARGIN)))
    )
    return "\n".join([ours, *(f"{_MARGIN}{line}" for line in lines)])


def _wrapped(line: str, width: int) -> Iterator[str]:
    """The line in parts of at most `width` cells, broken at blanks where there are any."""
    part = ""
    for word in line.split(" "):
        longer = f"{part} {word}" if part.strip() else f"{part}{word}" if word else f"{part} "
        if cell_len(longer) <= width:
            part = longer
            continue
        if part.strip():
            yield part
        *whole, part = chop_cells(word, width - _INDENT)
        yield from (f"{' ' * _INDENT}{chunk}" for chunk in whole)
        part = f"{' ' * _INDENT}{part}"
    yield part
