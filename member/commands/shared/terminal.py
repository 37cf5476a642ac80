"""Tables that fit a terminal: nothing is broken that is copied from them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from member.plain import printable, to_second

_MAX_LINES = 5
"""A cell folded over more lines than that is read better as a line of its own."""
_FRAME, _BETWEEN = 1, 3
"""What a table takes beside its cells: its left edge, and for each column two blanks and a line."""


class AnswerConsole(Console):
    """Standard output for what is laid out: whoever stops reading it is dealt with by the program."""

    def on_broken_pipe(self) -> None:
        """Rich would exit at once, with another status."""
        raise BrokenPipeError


class PlainTable(Table):
    """A table whose cells are shown as they are: printable, and never read as markup. The columns `spare` are left out,
    the last first, where there is no room for them.
    """

    spare: Sequence[str] = ()

    def add_row(self, *cells: object, **options: object) -> None:
        """One row; a cell is a text, or None for an empty one."""
        plain = [Text("" if cell is None else printable(to_second(str(cell)))) for cell in cells]
        super().add_row(*plain, **options)  # type: ignore[arg-type]


def fitted(table: Table, width: int) -> RenderableType:
    """The table at a width in which nothing is broken that is copied from it: no word of any cell, no cell of a column
    that is not to be wrapped. Without spare columns where that is too wide, and whole, as blocks, one for each row,
    where it cannot be had. Of a table without rows the title alone, which counts them.
    """
    if not table.rows:
        return Text(str(table.title or ""))
    spare = list(table.spare) if isinstance(table, PlainTable) else []
    for left_out in range(len(spare) + 1):
        gone = spare[len(spare) - left_out :]
        kept = [column for column in table.columns if str(column.header) not in gone]
        if _fits(kept, width):
            table.columns[:] = kept
            return table
    return as_blocks(table)


def _fits(columns: Sequence[Column], width: int) -> bool:
    """Whether columns fit a width; those that do are given their share of it."""
    least, most = zip(*(_measure(column) for column in columns), strict=True)
    room = width - _FRAME - sum(least) - _BETWEEN * len(least)
    lacking = [full - narrow for narrow, full in zip(least, most, strict=True)]
    if room < 0 or (sum(lacking) and room < sum(lacking) / _MAX_LINES):
        return False
    share = min(1.0, room / max(sum(lacking), 1))
    for column, narrow, lack in zip(columns, least, lacking, strict=True):
        column.width = narrow + int(lack * share)
    return True


def _measure(column: Column) -> tuple[int, int]:
    """The least and the whole width of a column, in cells of the terminal."""
    texts = [str(column.header), *map(str, column.cells)]
    whole = max(cell_len(line) for text in texts for line in (text.split("\n") or [""]))
    words = max((cell_len(word) for text in texts for word in text.split()), default=0)
    return (whole if column.no_wrap else words), whole


def as_blocks(table: Table) -> Group:
    """The same with one block for each row: a line for each cell that says something."""
    blocks: list[RenderableType] = [Text(str(table.title or ""), style="table.title")]
    for row in zip(*(list(column.cells) for column in table.columns), strict=True):
        block = Table.grid(padding=(0, 2))
        block.add_column(no_wrap=True, style="table.header")
        block.add_column(overflow="fold")
        for column, cell in zip(table.columns, row, strict=True):
            if str(cell):
                block.add_row(str(column.header), cell)
        blocks += [Text(""), block]
    return Group(*blocks)
