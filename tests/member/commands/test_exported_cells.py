"""What a list's structure becomes in the cells of `--output`."""

from __future__ import annotations

import csv
from pathlib import Path

from member.commands.shared.exports import exported


def test_structure_reads_as_words_and_not_as_code(tmp_path: Path) -> None:
    other = {"agency": "met", "values": ["20000012345678", "+442079460123"], "officer": None, "cases": []}
    path = tmp_path / "queries.csv"
    exported(path, {"queries": [{"query_id": "1", "others": other}]}, "queries")
    with path.open(encoding="utf-8-sig", newline="") as file:
        _, row = csv.reader(file)
    assert row[1] == "agency: met; values: 20000012345678, +442079460123"
