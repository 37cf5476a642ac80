"""What the members upload, and what must come of it: worked out here in the clear, from nothing but the files.

Files are made from a seed: the same seed, member and number give the same file. A file holds a few values that other
members hold too, values of its own, some rows twice, and now and then a row that nobody can read.
"""

from __future__ import annotations

import csv
import random
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = ("indicator_type", "value", "reason", "first_seen", "source_ref")
SHARED = 240
"""Values that anyone may upload: few, so that hits stay few however long the work goes on."""

Holders = dict[str, frozenset[str]]
"""By canonical value, the members that hold it."""


@dataclass(frozen=True)
class Upload:
    """One file: its rows as printed, the canonical forms in them, and how many rows cannot be read."""

    number: int
    rows: list[tuple[str, str]]
    values: frozenset[str]
    unreadable: int

    def write(self, folder: Path) -> Path:
        """The file; written again, it is the same."""
        path = folder / f"{self.number:06}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(
                (kind, value, "torture", "", f"case-{line}") for line, (kind, value) in enumerate(self.rows)
            )
        return path


def _account(rng: random.Random) -> tuple[str, str, str]:
    digits = f"{rng.randrange(10**14):014d}"
    return "bank_account", f"{digits[:2]}-{digits[2:4]}-{digits[4:6]} {digits[6:]}", digits


def _value(rng: random.Random) -> tuple[str, str, str]:
    """(type, as printed, canonical)."""
    if rng.random() < 0.6:
        return _account(rng)
    wallet = f"0x{rng.getrandbits(160):040x}"
    return "wallet", wallet, wallet


def shared_value(seed: int, number: int) -> tuple[str, str, str]:
    """(type, as printed, canonical) of one of the values that anyone may upload."""
    return _value(random.Random(f"{seed}/shared/{number}"))


def type_of(canonical: str) -> str:
    """The type of a canonical value."""
    return "wallet" if canonical.startswith("0x") else "bank_account"


def make_upload(seed: int, member: str, number: int) -> Upload:
    """The member's file of that number."""
    rng = random.Random(f"{seed}/{member}/{number}")
    shared = [shared_value(seed, rng.randrange(SHARED)) for _ in range(rng.randrange(3, 9))]
    own = [_value(rng) for _ in range(rng.randrange(6, 18))]
    found = [*shared, *own]
    found += rng.choices(found, k=rng.randrange(3))
    rng.shuffle(found)
    rows = [(kind, printed) for kind, printed, _ in found]
    unreadable = int(rng.random() < 0.2)
    rows += [("phone", "call me")] * unreadable
    return Upload(number, rows, frozenset(canonical for _, _, canonical in found), unreadable)


@dataclass
class Truth:
    """Who holds what: for certain (acknowledged), and at most (begun). Safe to use from several threads.

    A value that is taken back is certain no more from when that begins, and possible until it has come to its end.
    What was looked at while that went on may tell either: a look takes a `moment` before it, and passes over values
    that somebody took back since.
    """

    _acknowledged: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    _begun: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _taken_back: dict[str, int] = field(default_factory=dict)
    _moment: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, member: str, upload: Upload) -> int:
        """Before the upload's first request; how many of its values the member does not hold yet."""
        with self._lock:
            for value in upload.values:
                self._begun[value].add(member)
            return sum(member not in self._acknowledged[value] for value in upload.values)

    def acknowledge(self, member: str, upload: Upload) -> None:
        """After the member was told that all its rows were taken; those that it held before stay of their upload."""
        with self._lock:
            for value in upload.values:
                self._acknowledged[value].setdefault(member, upload.number)

    def begin_withdrawal(self, member: str, values: Iterable[str]) -> None:
        """Before the first request that takes the values back."""
        with self._lock:
            self._moment += 1
            for value in values:
                self._acknowledged[value].pop(member, None)
                self._taken_back[value] = self._moment

    def end_withdrawal(self, member: str, values: Iterable[str]) -> None:
        """After the member was told that they are taken back."""
        with self._lock:
            self._moment += 1
            for value in values:
                self._begun[value].discard(member)
                self._taken_back[value] = self._moment

    def moment(self) -> int:
        """Now, for taken_back_since."""
        with self._lock:
            return self._moment

    def taken_back_since(self, moment: int) -> set[str]:
        """The values that anyone began, or ended, to take back since."""
        with self._lock:
            return {value for value, at in self._taken_back.items() if at > moment}

    def held_by(self, member: str) -> dict[str, int]:
        """The values that the member holds for certain, each with the number of the upload that it is of."""
        with self._lock:
            return {value: members[member] for value, members in self._acknowledged.items() if member in members}

    def certain(self, member: str) -> Holders:
        """The values that must be hits of the member, and by whom they are held."""
        with self._lock:
            return _hits_of(member, self._acknowledged)

    def possible(self, member: str) -> Holders:
        """The values that may be hits of the member."""
        with self._lock:
            return _hits_of(member, self._begun)

    def certain_holders(self, value: str) -> frozenset[str]:
        """Who holds the value for certain."""
        with self._lock:
            return frozenset(self._acknowledged.get(value, ()))

    def possible_holders(self, value: str) -> frozenset[str]:
        """Who holds the value at most."""
        with self._lock:
            return frozenset(self._begun.get(value, ()))


def _hits_of(member: str, holders: Mapping[str, Collection[str]]) -> Holders:
    return {value: frozenset(members) for value, members in holders.items() if member in members and len(members) > 1}


def band(holders: frozenset[str]) -> str:
    """How a hit on a value that these members hold tells one of them how many others there are."""
    others = len(holders) - 1
    return "1" if others == 1 else "2-4" if others < 5 else "5+"
