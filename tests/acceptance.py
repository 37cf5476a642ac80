"""Six banks on real lists: `python -m tests.acceptance --data FOLDER [--database-url URL]`.

FOLDER holds members/member_X_….csv and truth/ (overlaps.csv, rejected_rows.csv). Each bank submits its file; its
hits must be what the truth says, none missing, none extra; the listed rows are rejected, more only with a reason; a
second submission changes nothing; the log verifies, and no longer does after one byte is changed; no identifier lies
outside the members.
`--database-url postgresql` brings a PostgreSQL of its own. Prints one line for each check; exit status 1 if any fails.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy

from member.normalise.rules import normalise
from tests.postgresql import postgresql_server
from tests.sandbox_process import RunningSandbox, sandbox_process

BANDS = {1: "1", 2: "2-4", 3: "2-4", 4: "2-4"}
_SHORTEST_NEEDLE = 9  # a shorter value turns up by chance among random bytes

Found = dict[tuple[str, str], str]


class Report:
    """Collects the checks and prints each as it is made."""

    def __init__(self) -> None:
        self.failed = 0

    def check(self, name: str, holds: bool, **figures: object) -> None:
        self.failed += not holds
        print(json.dumps({"check": name, "holds": holds, **figures}), flush=True)  # noqa: T201


def _files(data: Path) -> dict[str, Path]:
    return {path.name.split("_")[1]: path for path in sorted((data / "members").glob("member_*.csv"))}


def _truth(data: Path) -> dict[str, Found]:
    """For each member: the band of other institutions by (type, canonical).

    The truth was made by the rules before n1 was amended: each of its forms is brought to the present one, by which two
    of its overlaps may be one (a name with and without a title).
    """
    holders: dict[tuple[str, str], set[str]] = defaultdict(set)
    with (data / "truth" / "overlaps.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found = normalise(row["indicator_type"], row["canonical"])
            holders[found.indicator_type, found.canonical].update(row["members"].split("|"))
    expected: dict[str, Found] = defaultdict(dict)
    for form, members in holders.items():
        for member in members:
            expected[member][form] = BANDS.get(len(members) - 1, "5+")
    return expected


def _rejected_lines(data: Path) -> dict[str, list[int]]:
    lines: dict[str, list[int]] = defaultdict(list)
    with (data / "truth" / "rejected_rows.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            lines[row["member"]].append(int(row["line"]))
    return lines


def submit_all(sandbox: RunningSandbox, files: dict[str, Path], rejected: dict[str, list[int]], report: Report) -> None:
    """Each bank submits its file; the counts add up and the listed lines are rejected. What the amended rules reject
    beyond them is shown, with the reason; compare_hits shows that no overlap went with it.
    """
    for member, path in files.items():
        started = time.monotonic()
        done = sandbox.member(member, "submit", str(path))
        found = done.document
        lines = sorted(row["line"] for row in found.get("rejected", []))
        adds_up = found.get("rows") == found.get("accepted", 0) + found.get("duplicates", 0) + found.get(
            "left_out", 0
        ) + len(lines)
        report.check(
            f"{member} submits",
            done.status == 0 and adds_up and set(rejected[member]) <= set(lines),
            rows=found.get("rows"),
            accepted=found.get("accepted"),
            duplicates=found.get("duplicates"),
            rejected_lines=lines,
            beyond_the_truth={
                row["line"]: row["reason"] for row in found.get("rejected", []) if row["line"] not in rejected[member]
            },
            seconds=round(time.monotonic() - started, 1),
            error=found.get("error"),
        )


def found_by(sandbox: RunningSandbox, member: str) -> Found:
    """What the member is told: the band of other institutions by (type, canonical)."""
    hits = sandbox.member(member, "hits").document["hits"]
    return {(hit["indicator_type"], value): hit["institutions"] for hit in hits for value in hit["values"]}


def compare_hits(sandbox: RunningSandbox, expected: dict[str, Found], report: Report, when: str) -> None:
    """Each bank's hits are what the truth says, bands included."""
    overlaps: set[tuple[str, str]] = set()
    for member, wanted in sorted(expected.items()):
        found = found_by(sandbox, member)
        overlaps |= found.keys()
        missing, extra = wanted.keys() - found.keys(), found.keys() - wanted.keys()
        bands = sum(found[key] != wanted[key] for key in wanted.keys() & found.keys())
        report.check(
            f"{member}'s hits {when}",
            found == wanted,
            hits=len(found),
            missing=len(missing),
            extra=len(extra),
            wrong_band=bands,
        )
    total = {key for wanted in expected.values() for key in wanted}
    report.check(f"overlaps {when}", overlaps == total, found=len(overlaps), expected=len(total))


def submit_again(sandbox: RunningSandbox, files: dict[str, Path], report: Report) -> None:
    """The same files again: every good row is a duplicate."""
    for member, path in files.items():
        found = sandbox.member(member, "submit", str(path)).document
        report.check(
            f"{member} submits again",
            found["accepted"] == 0
            and found["duplicates"] == found["rows"] - found["left_out"] - len(found["rejected"]),
            duplicates=found["duplicates"],
        )


def verify_all(sandbox: RunningSandbox, members: list[str], report: Report) -> None:
    """The log verifies for every member."""
    for member in members:
        done = sandbox.member(member, "log", "verify")
        document = done.document
        report.check(
            f"{member} verifies the log", done.status == 0, **{k: document.get(k) for k in ("entries", "error")}
        )


@contextmanager
def flipped(engine: sqlalchemy.Engine, table: str, column: str, key: str, value: object) -> Iterator[None]:
    """One bit of one stored value is changed for the time of the block."""
    where = f"FROM {table} WHERE {key} = :value"
    update = sqlalchemy.text(f"UPDATE {table} SET {column} = :new WHERE {key} = :value")
    with engine.begin() as connection:
        old = bytes(connection.execute(sqlalchemy.text(f"SELECT {column} {where}"), {"value": value}).scalar_one())
        changed = bytearray(old)
        changed[len(changed) // 2] ^= 1
        connection.execute(update, {"new": bytes(changed), "value": value})
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(update, {"new": old, "value": value})


def tamper(sandbox: RunningSandbox, url: str, member: str, report: Report) -> None:
    """After one byte of a disclosure or a leaf is changed in the database, verification fails and names the entry."""
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        entry, index = connection.execute(
            sqlalchemy.text(
                "SELECT e.entry_id, n.idx FROM log_entries e JOIN log_numbers n ON n.entry_id = e.entry_id "
                "WHERE e.member_id = :member ORDER BY n.number LIMIT 1 OFFSET 1"
            ),
            {"member": member},
        ).one()
    for table, column, key, value in (
        ("log_entries", "view", "entry_id", entry),
        ("log_entries", "salt", "entry_id", entry),
        ("log_entries", "entry", "entry_id", entry),
        ("log_leaves", "entry", "idx", index),
    ):
        with flipped(engine, table, column, key, value):
            done = sandbox.member(member, "log", "verify")
        error = done.document.get("error", {})
        named = error.get("entry", {})
        report.check(
            f"one byte of {table}.{column} changed", done.status == 1 and named.get("index") == index, error=error
        )
    done = sandbox.member(member, "log", "verify")
    report.check("put right, it verifies again", done.status == 0)
    engine.dispose()


def search_for_identifiers(
    folders: list[Path], files: dict[str, Path], truth: dict[str, Found], report: Report
) -> None:
    """No value of any upload, raw or canonical, is in any file of the exchange, its database, its logs, or a holder."""
    needles = {canonical for found in truth.values() for _, canonical in found}
    for path in files.values():
        with path.open(encoding="utf-8", newline="") as file:
            needles |= {row["value"] for row in csv.DictReader(file)}
    needles = {needle for needle in needles if len(needle.encode()) >= _SHORTEST_NEEDLE}
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as patterns:
        patterns.write("\n".join(sorted(needles)) + "\n")
        patterns.flush()
        command = ["grep", "-rlaF", "-f", patterns.name, *map(str, folders)]
        done = subprocess.run(command, check=False, capture_output=True)
        planted = subprocess.run(["grep", "-qaF", "-f", patterns.name, *map(str, files.values())], check=False)
    count = sum(path.is_file() for folder in folders for path in folder.rglob("*"))
    report.check(
        "no identifier outside the members",
        done.returncode == 1 and planted.returncode == 0,
        needles=len(needles),
        files=count,
        found_in=done.stdout.decode().splitlines(),
    )


def run_checks(data: Path, folder: Path, url: str | None, data_folders: list[Path]) -> int:
    """All checks on one database; the number that failed."""
    report = Report()
    files, expected = _files(data), _truth(data)
    options = ["--banks", ",".join(files), *(["--database-url", url] if url else [])]
    with sandbox_process(folder / "sandbox", *options) as sandbox:
        submit_all(sandbox, files, _rejected_lines(data), report)
        compare_hits(sandbox, expected, report, "after the uploads")
        submit_again(sandbox, files, report)
        compare_hits(sandbox, expected, report, "after the second upload")
        verify_all(sandbox, list(files), report)
        tamper(sandbox, url or f"sqlite:///{sandbox.folder / 'exchange' / 'exchange.db'}", "a", report)
    outside = [sandbox.folder / name for name in ("exchange", "holders", "logs")]
    search_for_identifiers([*outside, *data_folders], files, expected, report)
    print(f"{report.failed} checks failed" if report.failed else "every check holds")  # noqa: T201
    return report.failed


def main() -> int:
    """Exit status 0 when every check holds."""
    parser = argparse.ArgumentParser(description="Six banks on real lists.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--database-url", default=None, help="a PostgreSQL URL, or the word postgresql")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="acceptance-") as folder:
        if arguments.database_url != "postgresql":
            return int(run_checks(arguments.data, Path(folder), arguments.database_url, []) > 0)
        with postgresql_server() as server:
            failed = run_checks(arguments.data, Path(folder), server.url(), [server.socket_folder])
        return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
