"""A bank that tries to tell from the log whether there is covert work, or how many others hold what it uploads.

In each round the bank does one open act, to which covert work may or may not answer; it fills the queue with readings
of its own, up to the point at which one entry more would have made the log of decision 7 grow by the next size class;
and then it looks at the tree's size after each of three ticks, and at when, where and in which order its own entries
appear. It learns from rounds of which it knows the answer, and guesses in others.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import func, select

from exchange.corrections.notify import notify_corrections
from exchange.log.entries import View, record_event
from exchange.log.sequencer import CARRIED_TICKS
from exchange.log.tables import LogNumber, LogPending
from tests.exchange.corrections.taking_back import make_withdrawal
from tests.exchange.queries.scenario import QueryScenario

SUBJECT, OTHERS = "a", ("b", "c", "d", "e", "f", "g", "h")
TICKS = 3
TICK = timedelta(minutes=5)
FILLED = 64
"""A size class of decision 7."""

Seen = tuple[float, ...]
"""Of each tick: how much the tree grew, how many own entries appeared, and the places of the first and last of them."""


class Guesser:
    """Learns the one figure, and the bound on it, that tells the two kinds of rounds apart best; flips a coin where
    none does.
    """

    def __init__(self, known: Sequence[tuple[Seen, bool]], coin: Random) -> None:
        self._coin, self._rule = coin, self._learn(known)

    @staticmethod
    def _learn(known: Sequence[tuple[Seen, bool]]) -> tuple[int, float, bool] | None:
        best, rule = len(known) * 0.5, None
        for figure in range(len(known[0][0])):
            values = sorted({seen[figure] for seen, _ in known})
            for low, high in itertools.pairwise(values):
                bound = (low + high) / 2
                for above in (True, False):
                    right = sum(((seen[figure] > bound) is above) is label for seen, label in known)
                    if right > best:
                        best, rule = right, (figure, bound, above)
        return rule

    def guess(self, seen: Seen) -> bool:
        """Whether there was something to hide."""
        if self._rule is None:
            return self._coin.random() < 0.5
        figure, bound, above = self._rule
        return (seen[figure] > bound) is above


def chance_of(right: int, of: int) -> float:
    """Two-sided exact binomial test: how likely coins are right so often, or as far from half."""
    away = abs(2 * right - of)
    return float(sum(math.comb(of, number) for number in range(of + 1) if abs(2 * number - of) >= away) / 2**of)


class FormerLog:
    """The log of decision 7, which this test's attacker saw through: one queue, random places within a tick, and each
    tick padded to 16, 64, 256 … leaves. Of each tick's entries only whose they are is given.
    """

    def __init__(self, seed: int) -> None:
        self._random, self.size = Random(seed), 0

    def tick(self, entries: Sequence[tuple[str, str]]) -> dict[str, int]:
        """The place of each entry, of which id and member are given in the order of their recording."""
        width = 16
        while width < len(entries):
            width *= 4
        queues: dict[str, deque[str]] = defaultdict(deque)
        for entry_id, member_id in entries:
            queues[member_id].append(entry_id)
        order: list[str | None] = [member_id for _, member_id in entries]
        order += [None] * (width - len(entries))
        self._random.shuffle(order)
        places = {queues[one].popleft(): self.size + place for place, one in enumerate(order) if one is not None}
        self.size += width
        return places


@dataclass
class _View:
    """What the bank makes of one log in a round."""

    start: float
    figures: list[float]

    def take(self, size: int, own: Sequence[int]) -> None:
        before = self.start + sum(self.figures[::4])
        places = [index - before for index in own]
        first, last = (float(places[0]), float(places[-1])) if places else (-1.0, -1.0)
        self.figures += [size - before, float(len(own)), first, last]


class Game:
    """The taskforce, and both logs over the same entries."""

    def __init__(self, database_url: str, folder: Path, seed: int, rounds: int) -> None:
        self.scenario = QueryScenario(database_url, folder, banks=(SUBJECT, *OTHERS))
        self.random, self.rounds = Random(seed), rounds
        self._former = FormerLog(seed)
        self._taken: set[str] = set()
        self._until = date(2027, 2, 21)
        self._acts: dict[str, Callable[[bool], int]] = {
            "watch": self._submit_under_watch,
            "query": self._submit_and_be_asked_about,
            "extension": self._submit_while_a_query_is_extended,
            "withdrawal": self._withdraw,
            "holders": self._submit_what_others_hold,
        }
        self._prepare()

    def play(self) -> Iterator[tuple[str, bool, Seen, Seen]]:
        """Each round's act, whether it had something to hide, what the bank saw of the log, and of the former one."""
        for number in range(self.rounds):
            name = list(self._acts)[number % len(self._acts)]
            hides = self.random.random() < 0.5
            expected = self._acts[name](hides)
            self._fill(FILLED - expected)
            views = [_View(self._size(), []), _View(self._former.size, [])]
            for _ in range(TICKS):
                self._tick(views)
            for _ in range(CARRIED_TICKS):
                self._tick([])
            yield name, hides, tuple(views[0].figures), tuple(views[1].figures)

    def close(self) -> None:
        """Close the taskforce."""
        self.scenario.taskforce.close()

    def _prepare(self) -> None:
        """An agency watches, has asked about what the bank holds, and has a query that goes on; others hold rows."""
        count, banks = self.rounds // len(self._acts) + 1, self.scenario.banks
        make = self.random.randbytes
        self._watched = [make(32) for _ in range(count)]
        self._found, self._unfound = [make(32) for _ in range(count)], [make(32) for _ in range(count)]
        self._held_by_one, self._held_by_all = [make(32) for _ in range(count)], [make(32) for _ in range(count)]
        self.scenario.query(self._watched, watch_until="2027-02-20")
        banks[SUBJECT].submit([*self._found, *self._unfound])
        self.scenario.query(self._found)
        banks[OTHERS[0]].submit(self._held_by_one)
        for other in OTHERS:
            banks[other].submit(self._held_by_all)
        self._going_on = self.scenario.query([make(32)])["query_id"]
        for _ in range(CARRIED_TICKS + 1):
            self._tick([])

    # Each act does what the bank does, and what it must not learn of. It tells how many entries there are without that.

    def _submit_under_watch(self, hides: bool) -> int:
        self._submit(self._watched.pop() if hides else self.random.randbytes(32))
        assert self.scenario.watch() == hides
        return 1

    def _submit_and_be_asked_about(self, hides: bool) -> int:
        token = self.random.randbytes(32)
        self._submit(token)
        if hides:
            self.scenario.query([token])
        return 1

    def _submit_while_a_query_is_extended(self, hides: bool) -> int:
        self._submit(self.random.randbytes(32))
        if hides:
            self._until += timedelta(days=1)
            asked = {"until": self._until.isoformat(), "reason": "the network is still at work"}
            assert self.scenario.step(self._going_on, "extend", asked, as_name="colleague").status_code == 200
        return 1

    def _withdraw(self, hides: bool) -> int:
        token = (self._found if hides else self._unfound).pop()
        answer = self.scenario.banks[SUBJECT].send("POST", "/v1/withdrawals", make_withdrawal([token]))
        assert answer.status_code == 201, answer.text
        assert notify_corrections(self.scenario.taskforce.database, self.scenario.clock()) == hides
        return 1

    def _submit_what_others_hold(self, hides: bool) -> int:
        """Under a theme that is new to the seven, so that each of them is told."""
        self._submit((self._held_by_all if hides else self._held_by_one).pop(), theme="drugs")
        return 2

    def _submit(self, token: bytes, **envelope: str) -> None:
        answer = self.scenario.banks[SUBJECT].submit([token], envelope=envelope)
        assert answer.status_code == 201, answer.text

    def _fill(self, count: int) -> None:
        """The bank reads its hits so often."""
        with self.scenario.taskforce.database.transaction() as session:
            for _ in range(count):
                record_event(session, "hits_read", [View(SUBJECT, {})], self.scenario.clock())

    def _tick(self, views: Sequence[_View]) -> None:
        """A tick of both logs, as the bank sees it."""
        database, clock = self.scenario.taskforce.database, self.scenario.clock
        with database.reading() as session:
            listed = select(LogPending.entry_id, LogPending.member_id).order_by(LogPending.ticket)
            fresh = [(one, member) for one, member in session.execute(listed) if one not in self._taken]
            last = session.scalar(self._own(func.max(LogNumber.number))) or 0
        self._taken |= {entry_id for entry_id, _ in fresh}
        places = self._former.tick(fresh)
        size = self.scenario.taskforce.tick().size
        with database.reading() as session:
            found = session.scalars(self._own(LogNumber.idx).where(LogNumber.number > last).order_by(LogNumber.number))
            own = list(found)
        for view, (now, indices) in zip(
            views,
            [(size, own), (self._former.size, [places[one] for one, member in fresh if member == SUBJECT])],
            strict=False,
        ):
            view.take(now, indices)
        clock.advance(seconds=TICK.total_seconds())

    def _size(self) -> int:
        head = self.scenario.taskforce.head_file().read()
        return 0 if head is None else head.size

    @staticmethod
    def _own(column: Any) -> Any:
        return select(column).where(LogNumber.member_id == SUBJECT)
