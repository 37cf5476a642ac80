"""The part of a member that takes in what others took back, and of a bank that takes back."""

from __future__ import annotations

from collections.abc import Iterable

from tests.torture.drivers import Driver
from tests.torture.journal import Act
from tests.torture.member_process import Ended
from tests.torture.records import DOUBLED, LOST
from tests.torture.work import type_of

_REASONS = ("false_positive", "cleared", "error", "court_order")


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


class Withdrawing(Correcting):
    """A bank that takes rows back."""

    def withdraw_some(self) -> None:
        """A few values, rather such as others were told of."""
        held = self._truth.held_by(self.member)
        shared = sorted(held.keys() & self._truth.certain(self.member).keys())
        first = self._rng.choice(shared or sorted(held))
        alike = [value for value in shared or sorted(held) if type_of(value) == type_of(first)]
        values = sorted({first, *self._rng.sample(alike, k=min(len(alike), self._rng.randrange(3)))})
        self._withdraw(values, "--type", type_of(first), *values)

    def withdraw_submission(self, uploaded: Act) -> None:
        """All rows that a submission brought."""
        held = self._truth.held_by(self.member)
        values = sorted(value for value, number in held.items() if number == uploaded["number"])
        if values:
            self._withdraw(values, "--submission", uploaded["submission_id"])

    def _withdraw(self, values: Iterable[str], *what: str) -> None:
        self._truth.begin_withdrawal(self.member, values)
        self._act("withdraw", "withdraw", "--reason", self._rng.choice(_REASONS), *what, values=list(values))

    def withdrawn(self, act: Act, ended: Ended, _: int) -> Act | None:
        if ended.status != 0 or ended.document is None:
            self._is_wrong(act["arguments"], ended)
            return None
        wrong = len(act["values"]) - ended.document["withdrawn"]
        self._records.fault(LOST, f"{self.member} held rows that were not there to be taken back", max(0, wrong))
        self._records.fault(DOUBLED, f"{self.member} took back more rows than it held", max(0, -wrong))
        self._records.count(withdrawals=1)
        return {"withdrawal_id": ended.document["withdrawal_id"]}
