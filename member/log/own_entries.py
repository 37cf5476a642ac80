"""Reading on in this member's own entries of the log, from where a reader of them was last time, and waiting for those
that have no place in it yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from member.log.chain import OwnEntry, open_entry, read_place
from member.log.verify import LogSource
from member.transport.pages import ListBound
from member.vault.store import Vault

_PAGE = 500
_WAIT_SECONDS = 0.5
"""How long each time an entry is waited for that has no place in the log yet."""
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


@dataclass(frozen=True)
class OwnLog:
    """This member's own entries in the log of `origin`."""

    vault: Vault
    source: LogSource
    member_id: str
    origin: str
    sleep: Callable[[float], None]

    def catch_up(
        self, cursor: str, take_in: Callable[[OwnEntry], None], *, waits: int, is_there: Callable[[], bool]
    ) -> None:
        """Give `take_in` the entries since the last time, until what is looked for is there, no entry waits for its
        place, or they were waited for so often; `cursor` is the kind of record that says how far. Raises LogFault,
        AnswerError.
        """
        for _ in range(waits):
            if is_there():
                return
            if not read_on(self.vault, self.source, self.member_id, (cursor, self.origin.encode()), take_in):
                return
            self.sleep(_WAIT_SECONDS)

    def name(self, text: str) -> bytes:
        """The name of a record of the vault about something in this log."""
        return f"{self.origin}|{text}".encode()
