"""Generated files of valid indicators, as large as wanted, and each row written in a second way too."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

HEADER = ("indicator_type", "value", "reason", "first_seen", "source_ref")


@dataclass(frozen=True, slots=True)
class Indicator:
    """An indicator: its canonical form (normalisation n1), worked out here and not by the program under test."""

    indicator_type: str
    canonical: str

    def written(self) -> str:
        """As a bank prints it."""
        text = self.canonical
        if self.indicator_type == "bank_account":
            return f"{text[:2]}-{text[2:4]}-{text[4:6]} {text[6:]}"
        if self.indicator_type == "phone":
            return f"{text[:3]} {text[3:7]} {text[7:]}"
        return text.upper() if self.indicator_type == "email" else text


def make_indicator(number: int) -> Indicator:
    """The indicator with that number: every number gives another one. Types alternate as in real lists. No account
    number is 00000000, which is a placeholder, below number 99,911,605.
    """
    if number % 10 < 7:
        return Indicator("bank_account", f"{10_000_000_000_005 + number * 7919 % 80_000_000_000_000:014d}")
    if number % 10 == 7:
        return Indicator("phone", f"+447{number % 1_000_000_000:09d}")
    if number % 10 == 8:
        return Indicator("email", f"payee.{number}@mail.example")
    return Indicator("wallet", f"0x{random.Random(number).getrandbits(160):040x}")


def write_file(path: Path, indicators: Iterable[Indicator]) -> Path:
    """A CSV of them with references and dates, written row by row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(
            (one.indicator_type, one.written(), "mule account", "2026-10-05", f"case-{position}")
            for position, one in enumerate(indicators)
        )
    return path


def with_repeats(indicators: Iterator[Indicator], every: int) -> Iterator[Indicator]:
    """The same with every so-manieth row standing twice."""
    for position, one in enumerate(indicators):
        yield one
        if position % every == every - 1:
            yield one
