"""Which key holders are asked: a quorum, exactly t of them, is drawn among those that live.

Those asked for least so far come first, at random where they are equal, so that all budgets are spent alike and a
budget of rows * t / n at each reaches. A holder at fault, or that spoils batch after batch, is left out
(member.tokens.holder_conduct). One that was down or refused rests, each
further time twice as long, unless there is no quorum without it: one that hangs costs a long upload a few time-outs,
not one a minute. Nobody is asked for more than it last said is left.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from keys.oprf.tokens import Token
from member.tokens.evaluation import EpochInfo
from member.tokens.holder_conduct import Conduct, ConductStore
from schemas.holder_faults import Evidence

_log = logging.getLogger(__name__)

_LONGEST_REST_DOUBLINGS = 4


class NoQuorumError(Exception):
    """Too few holders are left to answer a batch. `reasons` says why, by holder's id, of every holder.

    `lacks_budget` tells that a larger budget would give a quorum. `tokens` are those of the batch's first inputs, which
    were answered before: paid for, and checked.
    """

    def __init__(self, threshold_wanted: int, reasons: Mapping[str, str], *, lacks_budget: bool = False) -> None:
        self.reasons = dict(reasons)
        self.lacks_budget = lacks_budget
        self.tokens: list[Token] = []
        listed = "; ".join(f"{holder_id}: {reason}" for holder_id, reason in self.reasons.items())
        super().__init__(f"{threshold_wanted} key holders are needed to tokenise ({listed})")


@dataclass(frozen=True, slots=True)
class HolderFault:
    """What a holder did that an honest one does not."""

    holder_index: int
    holder_id: str
    reason: str
    evidence: Evidence | None = field(default=None, repr=False)


class Quorums:
    """Draws quorums of one epoch's holders. Safe to use from several threads.

    `reachable` are the indices of the holders that can be asked at all; a holder rests for `rest_seconds` at first.
    """

    def __init__(
        self,
        epoch: EpochInfo,
        reachable: Collection[int],
        *,
        rng: random.Random,
        clock: Callable[[], float],
        rest_seconds: float,
        book: ConductStore,
    ) -> None:
        self._holders = {holder.index: holder for holder in epoch.holders}
        self._threshold = epoch.threshold
        self._reachable = tuple(reachable)
        self._rng = rng
        self._clock = clock
        self._rest_seconds = rest_seconds
        self._lock = threading.Lock()
        self._book = book
        known = book.read()
        self._conduct = {index: known.get(holder.holder_id, Conduct()) for index, holder in self._holders.items()}
        self._unbelieved: dict[int, str] = {}
        self._left: dict[int, int] = {}
        self._open: dict[int, int] = {}
        self._resting: dict[int, float] = {}
        self._absences: dict[int, int] = {}
        self._asked = dict.fromkeys(self._holders, 0)
        self.faults: list[HolderFault] = []

    def draw(self, failed: Mapping[int, str], evaluations: int) -> tuple[int, ...]:
        """t holders that were asked for least, those at rest only if there is no quorum without them.

        Raises NoQuorumError.
        """
        wanted = self._threshold
        with self._lock:
            out = failed.keys() | self._excluded().keys() | self._lacks_budget(evaluations).keys()
            able = [index for index in self._reachable if index not in out]
            if len(able) < wanted:
                raise self.no_quorum(failed, evaluations)
            mixed = self._rng.sample(able, len(able))
            mixed.sort(key=lambda index: (self._rests(index), self._asked[index]))
            quorum = tuple(sorted(mixed[:wanted]))
            for index in quorum:
                self._asked[index] += evaluations
                if index in self._left:
                    self._left[index] -= evaluations
            return quorum

    def _excluded(self) -> dict[int, str]:
        """Who is left out, and why."""
        objections = ((index, conduct.objection) for index, conduct in self._conduct.items())
        return self._unbelieved | {index: objection for index, objection in objections if objection is not None}

    def _lacks_budget(self, evaluations: int) -> dict[int, str]:
        """Who has said that its budget does not reach so far."""
        return {
            index: f"refused: the budget has {left:,} evaluations left, {evaluations:,} are required"
            for index, left in self._left.items()
            if left < evaluations
        }

    def _rests(self, index: int) -> bool:
        now = self._clock()
        return self._resting.get(index, now) > now

    def note_answer(self, index: int) -> None:
        """The holder answered: its next rest is a short one again."""
        with self._lock:
            self._absences.pop(index, None)

    def note_budget(self, index: int, left: int) -> None:
        """The holder said how many evaluations are left."""
        with self._lock:
            self._left[index] = left

    def note_absences(self, absent: Mapping[int, str]) -> None:
        """Let those that gave no answer rest."""
        with self._lock:
            for index, reason in absent.items():
                times = self._absences[index] = self._absences.get(index, 0) + 1
                self._resting[index] = self._clock() + self._rest_seconds * 2 ** min(times - 1, _LONGEST_REST_DOUBLINGS)
                holder_id = self._holders[index].holder_id
                _log.info("key holder gave no answer", extra={"holder_id": holder_id, "reason": reason})

    def note_refusals(self, refused: Mapping[int, str]) -> None:
        """Hold it against these that they refused a check once their answers to the batch were in."""
        with self._lock:
            for index, reason in refused.items():
                conduct = self._conduct[index]
                self._keep(index, replace(conduct, refusals=conduct.refusals + 1))
                holder_id = self._holders[index].holder_id
                _log.warning("key holder refused a check", extra={"holder_id": holder_id, "reason": reason})

    def note_asking(self, asked: Collection[int]) -> None:
        """Write down a loss of each before it is asked about a batch: whoever has our program ended while it waits
        has spoiled the batch as well. It counts once a later run reads it.
        """
        with self._lock:
            for index in asked:
                self._open[index] = self._open.get(index, 0) + 1
                self._write(index)

    def note_asked(self, asked: Collection[int]) -> None:
        """The asking has ended, and what came of it is noted next."""
        with self._lock:
            for index in asked:
                self._open[index] -= 1
                self._write(index)

    def note_checks(self, answered: Collection[int]) -> None:
        """Count in favour of these, where something counts against them, that they answered a check."""
        with self._lock:
            for index in answered:
                if self._conduct[index].losses:
                    self._keep(index, self._conduct[index].after_check())

    def note_losses(self, lost: Mapping[int, str]) -> None:
        """Hold it against these, more lightly, that no answer to a check has come; they rest."""
        with self._lock:
            for index in lost:
                conduct = self._conduct[index]
                self._keep(index, replace(conduct, losses=conduct.losses + 1))
        self.note_absences(lost)

    def note_faults(self, wrong: Mapping[int, str], evidence: Mapping[int, Evidence] | None = None) -> None:
        """Leave those out from now on that signed what no honest holder signs, and say so."""
        with self._lock:
            for index, reason in wrong.items():
                if self._conduct[index].fault is None:  # the other batch in flight may have met it first
                    self._keep(index, replace(self._conduct[index], fault=reason))
                    self._record_fault(index, reason, (evidence or {}).get(index))

    def note_unbelieved(self, wrong: Mapping[int, str]) -> None:
        """Leave those out until the program ends in whose name came what they did not sign: it may be another's doing.
        Kept is that an answer was lost.
        """
        with self._lock:
            for index, reason in wrong.items():
                if index not in self._unbelieved:
                    self._unbelieved[index] = reason
                    self._keep(index, replace(self._conduct[index], losses=self._conduct[index].losses + 1))
                    self._record_fault(index, reason, None)

    def _record_fault(self, index: int, reason: str, evidence: Evidence | None) -> None:
        fault = HolderFault(index, self._holders[index].holder_id, reason, evidence)
        self.faults.append(fault)
        _log.error("key holder at fault", extra={"holder_id": fault.holder_id, "reason": fault.reason})

    def _keep(self, index: int, conduct: Conduct) -> None:
        self._conduct[index] = conduct
        self._write(index)

    def _write(self, index: int) -> None:
        conduct = self._conduct[index]
        written = replace(conduct, losses=conduct.losses + self._open.get(index, 0))
        self._book.keep(self._holders[index].holder_id, written)

    def no_quorum(self, failed: Mapping[int, str], evaluations: int) -> NoQuorumError:
        """Why there is none for a batch of which those failed."""
        poor = self._lacks_budget(evaluations)
        excluded = self._excluded()
        known = {**poor, **failed, **excluded}
        reasons = {}
        for index, holder in self._holders.items():
            fallback = "ready" if index in self._reachable else "not configured"
            reasons[holder.holder_id] = known.get(index, fallback)
        lacking = poor.keys() - excluded.keys()
        others = [index for index in self._reachable if index not in known and not self._rests(index)]
        lacks_budget = bool(lacking) and len(lacking) + len(others) >= self._threshold
        return NoQuorumError(self._threshold, reasons, lacks_budget=lacks_budget)
