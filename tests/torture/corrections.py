"""The part of a member that takes in what others took back."""

from __future__ import annotations

from tests.torture.drivers import Driver
from tests.torture.journal import Act
from tests.torture.member_process import Ended


class Correcting(Driver):
    """A member that is told of corrections."""

    def acknowledge_corrections(self) -> int:
        """Say of each that waits that it was taken in; how many."""
        ended = self._look("corrections", "list")
        listed = (ended.document or {}).get("corrections", ())
        for one in listed:
            self._act("acknowledge", "corrections", "ack", one["correction_id"])
        return len(listed)

    def acknowledged(self, _: Act, ended: Ended, __: int) -> Act | None:
        """An act of acknowledging has ended."""
        if ended.status != 0:
            self._is_wrong(("corrections", "ack"), ended)
            return None
        self._records.count(corrections=1)
        return {}
