"""Homes are made whole or not at all; a ceremony deals to all homes or to none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.commands import run_program
from keys.custody.files import CustodyError
from keys.custody.new_home import is_unfinished, whole_home
from keys.signatures.messages import SigningKey
from schemas.values.encoding import to_base64


def run(*command: str | Path) -> tuple[int, str]:
    """A command of a program: its exit code, and what it said."""
    ended = run_program(*map(str, command))
    return ended.status, (ended.printed + ended.said).decode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A registrars' root; beside it a passphrase's file."""
    registrar = {"registrar_id": "necc", "public_key": to_base64(SigningKey.generate().public_bytes)}
    (tmp_path / "root.json").write_text(json.dumps({"quorum": 1, "registrars": [registrar]}))
    (tmp_path / "passphrase").write_text("words of the tests for a home\n")
    (tmp_path / "passphrase").chmod(0o600)
    return tmp_path / "root.json"


def test_what_fails_leaves_a_folder_as_it_was(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "keys").mkdir()
    (home / "keys" / "of-another").write_text("kept")
    with pytest.raises(ZeroDivisionError), whole_home(home):
        (home / "keys" / "ours").write_text("x")
        (home / "deep" / "er").mkdir(parents=True)
        (home / "deep" / "er" / "file").write_text("x")
        raise ZeroDivisionError
    assert sorted(str(path.relative_to(home)) for path in home.rglob("*")) == ["keys", "keys/of-another"]


def test_what_was_killed_is_cleared_by_the_next(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with whole_home(home):
        (home / "key").write_text("x")
        mark = (home / ".unfinished").read_bytes()
        assert is_unfinished(home)
    assert not is_unfinished(home)
    (home / ".unfinished").write_bytes(mark)  # as if it had been killed before the end
    with whole_home(home):
        assert not (home / "key").exists()
    assert list(home.iterdir()) == []


def test_a_mark_that_cannot_be_read_removes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "file").write_text("kept")
    (home / ".unfinished").write_text("?")
    with pytest.raises(CustodyError, match=r"empty it"), whole_home(home):
        pass
    assert (home / "file").exists()


def test_a_holder_without_its_database_is_not_set_up(root: Path, tmp_path: Path) -> None:
    command = ("keyholder", "--home", tmp_path / "h", "init", "--holder-id", "h", "--url", "https://h.example")
    more = ("--registrars", root, "--passphrase-file", tmp_path / "passphrase")
    code, said = run(*command, *more, "--database-url", "postgresql://holder:sesame@127.0.0.1:1/holder")
    assert code == 1
    assert "no server answers at 127.0.0.1:1" in said
    assert "sesame" not in said
    assert not (tmp_path / "h").exists()
    assert run(*command, *more)[0] == 0


def test_a_ceremony_whose_draft_cannot_be_written_deals_nothing(root: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        place = ("--home", tmp_path / name, "init", "--holder-id", name, "--url", f"https://{name}.example")
        assert run("keyholder", *place, "--registrars", root, "--passphrase-file", tmp_path / "passphrase")[0] == 0
    homes = ("--home", tmp_path / "one", "--home", tmp_path / "two")
    deal = ("keyholder", "ceremony", "--epoch", "1", "--threshold", "2", *homes, "--out")
    assert run(*deal, tmp_path / "absent" / "epoch.json")[0] == 1
    assert not [path for path in tmp_path.rglob("*") if "share" in path.name and path.is_file()]
    assert run(*deal, tmp_path / "epoch.json")[0] == 0


def test_a_members_home_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.mkdir(mode=0o700)
    (words / "analyst").write_text("words of the analyst's, many\n")
    (words / "analyst").chmod(0o600)
    command = (
        "member",
        "--home",
        tmp_path / "m",
        "init",
        "--member-id",
        "bank-a",
        "--sandbox",
        "--passphrase-dir",
        words,
    )
    assert run(*command)[0] != 0  # the authoriser's file is missing
    assert not (tmp_path / "m").exists()


def test_a_vault_in_a_shared_folder_is_made_there_or_leaves_nothing(tmp_path: Path) -> None:
    words, vault = tmp_path / "words", tmp_path / "vault"
    words.mkdir(mode=0o700)
    vault.mkdir()
    vault.chmod(0o2770)
    command = ("member", "--home", tmp_path / "m", "init", "--member-id", "bank-a", "--vault", vault)
    assert run(*command, "--passphrase-dir", words)[0] != 0  # the analyst's file is missing
    assert (list(vault.iterdir()), (tmp_path / "m").exists()) == ([], False)
    (words / "analyst").write_text("words of the analyst's, many\n")
    (words / "analyst").chmod(0o600)
    code, said = run(*command, "--passphrase-dir", words)
    assert code == 0, said
    assert (vault / "vault.sqlite").exists()


def test_a_registrar_without_a_passphrase_leaves_no_home(tmp_path: Path) -> None:
    assert run("member", "--home", tmp_path / "r", "registrar", "init", "necc")[0] != 0
    assert not (tmp_path / "r").exists()
