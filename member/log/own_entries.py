"""Reading on in this member's own entries of the log, from where a reader of them was last time."""

from __future__ import annotations

from collections.abc import Callable

from member.log.chain import OwnEntry, open_entry, read_place
from member.log.verify import LogSource
from member.transport.pages import ListBound
from member.vault.store import Vault

_PAGE = 500
Cursor = tuple[str, bytes]
"""Kind and name of the record of the vault that says how far a reader has read."""


def read_on(
    vault: Vault, source: LogSource, member_id: str, cursor: Cursor, take_in: Callable[[OwnEntry], None]
) -> bool:
    """Give `take_in` every entry that got its place since the last time, each opened, page by page in a transaction of
    the vault; whether others still wait for their place. Raises LogFault, AnswerError.
    """
    kept = vault.get(*cursor)
    number = 0 if kept is None else int(kept)
    bound = ListBound("log entries")
    while True:
        with bound.page():
            page = source.log_page(number, _PAGE)
        with vault.transaction():
            for row in page.entries:
                take_in(open_entry(row, member_id, read_place(row, number + 1)))
                number += 1
            vault.put(*cursor, str(number).encode())
        if page.next is None or not page.entries:
            return bool(page.pending)
