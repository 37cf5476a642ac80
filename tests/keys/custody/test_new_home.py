"""Homes are made whole or not at all; a ceremony deals to all homes or to none."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import pytest

from demo.commands import run_program
from keys.custody.files import CustodyError, write_private_file
from keys.custody.making import about_to_make, about_to_make_database, did_not_make
from keys.custody.new_home import is_unfinished, whole_home, whole_shared_folder
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
    (home / "keys").chmod(0o700)
    write_private_file(home / "settings", b"earlier")
    with pytest.raises(ZeroDivisionError), whole_home(home):
        write_private_file(home / "keys" / "ours", b"x")
        write_private_file(home / "deep" / "er" / "file", b"x")
        write_private_file(home / "settings", b"later")
        about_to_make_database(home / "data.db")
        (home / "data.db").touch()
        (home / "data.db-wal").touch()
        (home / "deep" / "of-another").write_text("came meanwhile")
        raise ZeroDivisionError
    names = sorted(str(path.relative_to(home)) for path in home.rglob("*"))
    assert names == ["deep", "deep/of-another", "keys", "keys/of-another", "settings"]
    assert (home / "settings").read_bytes() == b"earlier"


def test_what_was_killed_is_cleared_by_the_next(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with whole_home(home):
        write_private_file(home / "key", b"x")
        mark = (home / ".unfinished").read_bytes()
        assert is_unfinished(home)
    assert not is_unfinished(home)
    (home / ".unfinished").write_bytes(mark)  # as if it had been killed before the end
    (home / ".key.0123456789abcdef").touch()
    (home / "my-notes.txt").write_text("put there by its user")
    (home / "key.pem").touch()
    with whole_home(home):
        assert not (home / "key").exists()
    assert sorted(path.name for path in home.iterdir()) == ["key.pem", "my-notes.txt"]


def test_each_thing_is_written_down_before_it_is_made(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with whole_home(home):
        for name in ("one", "keys/two"):
            with pytest.raises(CustodyError), patch("keys.custody.files.os.open", side_effect=OSError):
                write_private_file(home / name, b"x")
            assert f'"{name}"'.encode() in (home / ".unfinished").read_bytes()


def test_a_second_init_beside_the_first_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with whole_home(home):
        write_private_file(home / "key", b"x")
        with pytest.raises(CustodyError, match=r"another init is at work"), whole_home(home):
            pass
    assert (home / "key").exists()


def test_what_somebody_else_made_first_is_theirs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with pytest.raises(FileExistsError), whole_home(home):
        about_to_make(home / "data.db")
        (home / "data.db").write_text("theirs")
        did_not_make(home / "data.db")
        raise FileExistsError
    assert (home / "data.db").read_text() == "theirs"


@pytest.mark.parametrize("name", ["../kept", "/etc/kept", "out/kept", "a/../../kept", ".", ".unfinished"])
def test_a_mark_that_leads_out_of_its_folder_removes_nothing(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (tmp_path / "kept").write_text("kept")
    (home / "out").symlink_to(tmp_path)
    lines = ({"home": None}, {"path": name, "held": None})
    (home / ".unfinished").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(CustodyError, match=r"empty it"), whole_home(home):
        pass
    assert (tmp_path / "kept").exists()


def test_a_shared_folder_is_cleared_for_the_home_it_was_made_for_alone(tmp_path: Path) -> None:
    home, other, folder = tmp_path / "home", tmp_path / "other", tmp_path / "shared"
    with whole_shared_folder(folder, home):
        write_private_file(folder / "ours", b"x")
        mark = (folder / ".unfinished").read_bytes()
    (folder / ".unfinished").write_bytes(mark)
    for attempt in (whole_shared_folder(folder, other), whole_home(folder)):
        with pytest.raises(CustodyError, match=f"left half made by the init of {home}: give that init again"), attempt:
            pass
    assert ((folder / "ours").exists(), other.exists()) == (True, False)
    with whole_shared_folder(folder, home):
        assert not (folder / "ours").exists()


@pytest.mark.parametrize("mark", ["?", "?\n", "[]\n", '{"home": null}\n{"path": "file", "held": "?"}\n'])
def test_a_mark_that_cannot_be_read_removes_nothing(tmp_path: Path, mark: str) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "file").write_text("kept")
    (home / ".unfinished").write_text(mark)
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
