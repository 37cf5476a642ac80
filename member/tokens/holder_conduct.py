"""How each key holder of an epoch has behaved towards this member, kept across runs: starting anew forgives none.

1. A fault (a wrong proof, a wrong answer, a malformed one) that it signed leaves the holder out. What came in its name
   without its signature may be another's doing: it is left out until the program ends, and an answer counts as lost.
2. A signed word, once its answers to a batch are in, that the check is not paid for, has spoiled the batch. It gained
   nothing by that, but made others work for nothing: MAX_REFUSALS of them leave the holder out. An honest holder has
   no reason for one, since the check is paid for with the batch.
3. An answer that is lost on the way, every time that it was asked for again, may be the network's doing; and an honest
   holder refuses a check too: of a member suspended, an epoch retired, a key or clock that is wrong, a limit of
   requests a minute that outlasts our patience. It is written down before the check is asked, and struck out when the
   answer is in: a program that was ended while it waited has met a loss. The holder rests, and MAX_LOSSES of them
   leave it out; CHECKS_FOR_A_LOSS checks answered make up for one, so that at most one batch in so many is spoiled for
   long.
What was counted (2 and 3) ends when the registrars state the epoch anew, and so does a fault without evidence. A fault
that can be shown leaves the holder out in every epoch in force that names it with the same key (fault_spread.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

MAX_REFUSALS = 3
MAX_LOSSES = 20
CHECKS_FOR_A_LOSS = 20


@dataclass(frozen=True, slots=True)
class Conduct:
    """What is held against a holder: its fault if it had one, and how many batches it has spoiled in the other ways."""

    fault: str | None = None
    refusals: int = 0
    losses: int = 0
    answered: int = 0
    """Checks answered since a loss was last made up for."""

    def after_check(self) -> Conduct:
        """What is held against it once it has answered a check more."""
        if self.answered + 1 < CHECKS_FOR_A_LOSS:
            return replace(self, answered=self.answered + 1)
        return replace(self, losses=max(0, self.losses - 1), answered=0)

    @property
    def objection(self) -> str | None:
        """Why the holder is left out, or None."""
        if self.fault is not None:
            return self.fault
        if self.refusals >= MAX_REFUSALS:
            return f"it refused {self.refusals} checks of batches that it had answered"
        if self.losses >= MAX_LOSSES:
            return f"{self.losses} checks of batches that it had answered were lost"
        return None


class ConductStore(Protocol):
    """Where the conduct of an epoch's holders is kept, by holder's id. Called from several threads at once."""

    def read(self) -> Mapping[str, Conduct]:
        """What is known of each."""
        ...

    def keep(self, holder_id: str, conduct: Conduct) -> None:
        """Keep what is now known of one."""
        ...


class NoConductStore:
    """Keeps nothing beyond the tokeniser's life."""

    def read(self) -> Mapping[str, Conduct]:
        """Nothing is known."""
        return {}

    def keep(self, holder_id: str, conduct: Conduct) -> None:
        """It is forgotten."""
