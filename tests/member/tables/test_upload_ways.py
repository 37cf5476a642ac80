"""The ways to hand a file to `submit`: standard input, a workbook, a map kept as a default; `country` set."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from openpyxl import Workbook

from member.commands.cli import cli
from member.tables.reading import Row, check_file, read_indicators
from member.tables.streams import as_file
from tests.taskforce.member_program import run_member, write_secret_file

FILE = "indicator_type,value\nphone,84951234567\nbank_account,20-00-00 12345678\n"
OWN = "Kind,Identifier\nphone,+442079460123\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("analyst", "authoriser"):
        write_secret_file(tmp_path / "pp" / name, f"secret of {name}\n")
    folder = tmp_path / "a"
    made = run_member(folder, "init", "--member-id", "a", "--sandbox", "--passphrase-dir", str(tmp_path / "pp"))
    assert made.status == 0, made.document
    return folder


def tried(home: Path, *said: str, standard_input: str | None = None) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(cli, ["--home", str(home), "submit", *said, "--dry-run", "--json"], input=standard_input)
    return done.exit_code, json.loads(done.stdout)


def test_rows_come_on_standard_input_and_nothing_of_them_stays(home: Path) -> None:
    before = set(home.rglob("*"))
    status, document = tried(home, "-", standard_input=FILE)
    assert (status, document["accepted"]) == (0, 2)
    assert set(home.rglob("*")) - before <= {home / "rejected"}
    status, document = tried(home, "-", standard_input="not a header\n")
    assert (status, document["error"]["type"]) == (1, "file_refused")
    assert "standard input: the first line is not a header" in document["error"]["detail"]


def test_streams_that_are_read_at_once_do_not_remove_each_others_files(tmp_path: Path) -> None:
    with as_file(io.BytesIO(b"one"), tmp_path) as one, as_file(io.BytesIO(b"two"), tmp_path) as two:
        assert (one.read_bytes(), two.read_bytes()) == (b"one", b"two")
        assert stat.S_IMODE(one.stat().st_mode) == 0o600
    assert not list(tmp_path.iterdir())


def test_a_workbook_that_comes_as_a_stream_is_read_like_a_file(home: Path) -> None:
    book = Workbook()
    for row in ("indicator_type", "value", "reason"), ("bank_account", "20000012345678", "seen twice"):
        book.active.append(row)
    data = io.BytesIO()
    book.save(data)
    data.seek(0)
    with as_file(data, home) as path:
        assert [one.value for one in read_indicators(check_file(path)) if isinstance(one, Row)] == ["20000012345678"]


def test_what_a_killed_run_left_of_standard_input_is_removed(home: Path) -> None:
    left = home / ".standard-input-killed"
    left.write_text("a secret", encoding="utf-8")
    assert tried(home, "-", standard_input=FILE)[0] == 0
    assert not left.exists()


def test_a_workbook_is_submitted_like_a_file(home: Path, tmp_path: Path) -> None:
    book = Workbook()
    book.create_sheet("mules").append(["Indicator Type", "Value"])
    book["mules"].append(["bank_account", "20000012345678"])
    book["mules"].append(["bank_account", 20000012345678])
    book.save(tmp_path / "in.xlsx")
    status, document = tried(home, str(tmp_path / "in.xlsx"), "--sheet", "mules")
    assert (status, document["accepted"]) == (0, 1)
    assert [(row["line"], row["column"]) for row in document["rejected"]] == [(3, "Value")]
    assert tried(home, str(tmp_path / "in.xlsx"), "--sheet", "none")[0] == 1


def test_a_given_or_default_map_yields_to_our_own_column_names(home: Path, tmp_path: Path) -> None:
    mapped, own, ours = tmp_path / "map.toml", tmp_path / "own.csv", tmp_path / "ours.csv"
    mapped.write_text('[columns]\nindicator_type = "kind"\nvalue = "IDENTIFIER"\n', encoding="utf-8")
    own.write_text(OWN, encoding="utf-8")
    ours.write_text(FILE, encoding="utf-8")
    assert tried(home, str(own))[0] == 1
    assert tried(home, str(own), "--map", str(mapped))[1]["accepted"] == 1
    assert run_member(home, "config", "set", "map", str(mapped)).document["defaults"]["map"] == str(mapped)
    assert tried(home, str(own))[1]["accepted"] == 1
    assert tried(home, str(ours))[1]["accepted"] == 2
    assert tried(home, str(ours), "--map", str(mapped))[0] == 1
    assert run_member(home, "config", "set", "map", str(own)).status == 2


def test_the_country_is_set_and_widens_what_is_refused(home: Path) -> None:
    assert tried(home, "-", standard_input=FILE)[1]["accepted"] == 2
    assert run_member(home, "config", "set", "country", "ru").document["defaults"]["country"] == "RU"
    refused = tried(home, "-", standard_input=FILE)[1]["rejected"]
    assert [(row["line"], "a number of RU as well" in row["reason"]) for row in refused] == [(2, True)]
    assert run_member(home, "config", "set", "country", "Russia").status == 2


def test_common_values_are_left_out_and_named_unless_said(home: Path) -> None:
    rows = "indicator_type,value\ndomain,gmail.com\n"
    status, document = tried(home, "-", standard_input=rows)
    assert (status, document["accepted"], document["left_out"]) == (0, 0, 1)
    assert "--include-common" in document["left_out_rows"][0]["reason"]
    assert tried(home, "-", "--include-common", standard_input=rows)[1]["accepted"] == 1
