"""Listing again rows that were taken back, each for the reason that its own row of the file gives (docs/adr/0040).

The reasons of the rows concerned, and of no others, go to the exchange: the log keeps them in this member's own entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from member.errors import MemberError
from member.indicators.intake import Accepted, Read
from member.indicators.parts import PART_ROWS, Part, cut_parts
from member.next_steps import Act, Next
from member.vault.rows import VaultRows
from member.vault.store import Vault
from member.vault.taken_back import TakenBackRows
from schemas.submissions import MAX_REASON

OWN_REASON = ""
"""In place of one reason for all: each row's own."""
_MORE = "; …"


def check_reasons(vault: Vault, items: Iterable[Read], group: str) -> None:
    """MemberError, naming the line, unless each row of a file that was taken back in the group says why it is listed
    again. Nothing has left by then.
    """
    rows, taken = VaultRows(vault), TakenBackRows(vault)
    for part in cut_parts(items, rows.lookup, lambda _: None, lambda _: None, PART_ROWS):
        marked = taken.reasons(part.lookups, group)
        for found, item in zip(part.lookups, part.rows, strict=True):
            if found in marked and not item.row.reason.strip():
                raise _without_reason(item, marked[found])


def _without_reason(item: Accepted, taken_back_as: str) -> MemberError:
    line = item.row.line
    return MemberError(
        f"line {line} was taken back as {taken_back_as}, and its reason column is empty",
        f"give line {line} a reason, or give one for all",
        slug="reason_missing",
        then=Next(Act.RELIST_ROWS),
        line=line,
    )


def reasons_of(part: Part, positions: Sequence[int]) -> str:
    """The different reasons of those rows of a part in the order of its lines, at most 2000 characters."""
    text = "; ".join(dict.fromkeys(" ".join(part.rows[at].row.reason.split()) for at in positions))
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - len(_MORE)] + _MORE
