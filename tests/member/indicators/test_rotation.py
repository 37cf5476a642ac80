"""A representative's key is rotated, from the member's home to the exchange and the key holders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exchange.registrars.rotate_key import rotate_key
from keys.statements.replacement import verify_replacement
from tests.taskforce.homes import MemberHomes
from tests.taskforce.member_program import accounts, write_csv


@pytest.fixture(scope="module")
def taskforce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberHomes]:
    founded = MemberHomes.found(tmp_path_factory.mktemp("rotation"), banks=("a",))
    yield founded
    founded.close()


def test_a_new_key_replaces_the_old_at_the_exchange_and_the_holders(taskforce: MemberHomes, tmp_path: Path) -> None:
    stolen = taskforce.home("a") / "keys"
    thief = {path.name: path.read_bytes() for path in stolen.iterdir()}
    config = taskforce.home("a") / "config.json"
    thief_config = config.read_bytes()
    out = tmp_path / "replacement.json"

    asked = taskforce.run("a", "--as", "authoriser", "representative", "rotate", "analyst", "--out", str(out))
    assert asked.status == 0, asked.document
    replacement = verify_replacement(json.loads(out.read_text()))
    proposal_id = rotate_key(taskforce.database, "a/analyst", replacement, datetime.now(UTC))

    assert taskforce.run("a", "hits").document["error"]["type"] == "unauthenticated"  # the new key is not signed yet
    refused = taskforce.run("a", "--as", "authoriser", "hits")
    assert refused.status == 0  # another's key goes on working
    approved = taskforce.run("registrar", "registrar", "approve", proposal_id, "--digest", proposal_id)
    assert approved.status == 0, approved.document
    assert approved.document["approved"][0]["state"] == "effective"

    done = taskforce.run("a", "submit", str(write_csv(tmp_path / "rows.csv", *accounts(1, 2))))
    assert (done.status, done.document["accepted"]) == (0, 2), done.document
    again = taskforce.run("registrar", "registrar", "deliver")
    assert again.status == 0, again.document  # holders that have the newer statement lack nothing

    new = {path.name: path.read_bytes() for path in stolen.iterdir()}, config.read_bytes()
    for name, data in thief.items():
        (stolen / name).write_bytes(data)
    config.write_bytes(thief_config)
    for command in (("hits",), ("submit", str(write_csv(tmp_path / "theft.csv", *accounts(3)))), ("status",)):
        assert taskforce.run("a", *command).status == 1
    for name, data in new[0].items():
        (stolen / name).write_bytes(data)
    config.write_bytes(new[1])
    assert taskforce.run("a", "log", "verify").status == 0


def test_a_name_that_the_registrars_did_not_sign_is_refused(taskforce: MemberHomes, tmp_path: Path) -> None:
    out = tmp_path / "new.json"
    done = taskforce.run("a", "representative", "rotate", "nobody", "--out", str(out))
    assert (done.status, done.document["error"]["type"], out.exists()) == (2, "usage", False)


def test_an_existing_file_is_not_overwritten_and_the_key_stays(taskforce: MemberHomes, tmp_path: Path) -> None:
    out = tmp_path / "new.json"
    out.write_text("mine")
    before = (taskforce.home("a") / "config.json").read_bytes()
    assert taskforce.run("a", "representative", "rotate", "analyst", "--out", str(out)).status == 2
    assert (out.read_text(), (taskforce.home("a") / "config.json").read_bytes()) == ("mine", before)
