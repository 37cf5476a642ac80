"""Lists of members: those of a folder (members/member_X_….csv, truth/overlaps.csv), or small generated ones; and what
of them the story is about.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.story import generate_story

ASKER, HOLDER = "a", "b"
Key = tuple[str, str]
"""Type and canonical form."""


@dataclass(frozen=True)
class Lists:
    """Each bank's file, and the (type, canonical) that several members of the folder hold, with who does."""

    files: dict[str, Path]
    overlaps: dict[Key, frozenset[str]]

    @property
    def third(self) -> str:
        """The bank that is neither asker nor holder, and submits once more while an agency watches."""
        return next(bank for bank in self.files if bank not in (ASKER, HOLDER))

    def shared_by_two(self) -> list[Key]:
        """What the asker and the holder hold, and no other of these banks."""
        banks = self.files.keys()
        return sorted(key for key, members in self.overlaps.items() if members & banks == {ASKER, HOLDER})


@dataclass(frozen=True)
class OwnRow:
    """A row as its member's file has it."""

    indicator_type: str
    value: str
    reason: str
    first_seen: str


def read_lists(data: Path, banks: Sequence[str]) -> Lists:
    """The lists of the named banks in a folder."""
    found = {path.name.split("_")[1]: path for path in sorted((data / "members").glob("member_*.csv"))}
    with (data / "truth" / "overlaps.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        overlaps = {(row["indicator_type"], row["canonical"]): frozenset(row["members"].split("|")) for row in rows}
    return Lists({bank: found[bank] for bank in banks}, overlaps)


def write_lists(folder: Path, seed: int = 20261122) -> Path:
    """Three banks' generated lists in the same form; the folder."""
    (folder / "members").mkdir(parents=True)
    (folder / "truth").mkdir()
    story = generate_story(random.Random(seed), private=25)
    for bank, rows in story.rows.items():
        with (folder / "members" / f"member_{bank}_generated.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("indicator_type", "value", "reason", "first_seen", "source_ref"))
            for number, (kind, value, reason) in enumerate(rows):
                writer.writerow((kind, value, reason, f"2026-09-{number % 28 + 1:02}", f"{bank}-{number}"))
    account = min(story.expected["a"] & story.expected["b"] - story.expected["c"])
    (folder / "truth" / "overlaps.csv").write_text(f"indicator_type,canonical,members\nbank_account,{account},a|b\n")
    return folder


def rows_by_key(path: Path, normalised: Sequence[dict[str, str | int]]) -> dict[Key, list[OwnRow]]:
    """The rows of a file by what they are, as `member submit --dry-run` says of each line."""
    kinds = {int(one["line"]): (str(one["indicator_type"]), str(one["canonical"])) for one in normalised}
    found: dict[Key, list[OwnRow]] = {}
    for line, row in _numbered(path):
        if line in kinds:
            told = (row[name].strip() for name in ("indicator_type", "value", "reason", "first_seen"))
            found.setdefault(kinds[line], []).append(OwnRow(*told))
    return found


def _numbered(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each record with the physical line on which it starts, the header being 1."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        names = next(rows)
        line = rows.line_num + 1
        for row in rows:
            yield line, dict(zip(names, row, strict=False))
            line = rows.line_num + 1


def write_values(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    """A CSV of types and values, as an agency's batch or a bank's late row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("indicator_type", "value", "reason", "first_seen", "source_ref"))
        writer.writerows((kind, value, "", "", "") for kind, value in rows)
    return path


def needles_of(lists: Lists, *texts: str) -> dict[str, dict[Key, str]]:
    """What must lie nowhere outside the members: what is shared, and texts that were told."""
    keys = [key for key, members in lists.overlaps.items() if members & lists.files.keys()]
    return {"shared": dict.fromkeys(keys, ""), "told": {("text", json.dumps(text)[1:-1]): "" for text in texts}}
