"""Custody: what opens a secret, and what must not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from keys.custody.files import (
    CustodyError,
    _new_salt,
    check_new_passphrase,
    make_private_folder,
    read_passphrase,
    read_private_file,
    read_secret,
    write_private_file,
    write_secret,
)

SECRET = b"canary-7f3a-share-scalar-of-32-b"


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One custody file, made once: its key derivation is slow on purpose."""
    path = tmp_path_factory.mktemp("custody") / "secret"
    write_secret(path, SECRET, b"correct horse", "a test")
    return path.read_bytes()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A private folder."""
    make_private_folder(tmp_path / "home")
    return tmp_path / "home"


def _place(home: Path, content: bytes) -> Path:
    write_private_file(home / "secret", content)
    return home / "secret"


def test_a_secret_comes_back_under_its_passphrase_and_purpose(home: Path, sealed: bytes) -> None:
    path = _place(home, sealed)
    assert read_secret(path, b"correct horse", "a test") == SECRET
    assert SECRET not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_each_file_has_a_salt_of_its_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keys.custody.files._new_salt", _new_salt)  # the real one: other tests share a salt
    salts = set()
    for name in ("one", "two"):
        write_secret(home / name, SECRET, b"correct horse", "a test")
        salts.add(json.loads((home / name).read_bytes())["scrypt"]["salt"])
    assert len(salts) == 2


@pytest.mark.parametrize("passphrase", [b"correct horsf", b"Correct horse", b"x"])
def test_a_wrong_passphrase_opens_nothing(home: Path, sealed: bytes, passphrase: bytes) -> None:
    with pytest.raises(CustodyError, match="wrong passphrase") as caught:
        read_secret(_place(home, sealed), passphrase, "a test")
    assert passphrase.decode() not in str(caught.value).replace("passphrase", "")


def test_a_file_for_one_purpose_cannot_stand_in_for_another(home: Path, sealed: bytes) -> None:
    with pytest.raises(CustodyError, match="does not hold"):
        read_secret(_place(home, sealed), b"correct horse", "another")
    renamed = sealed.replace(b'"a test"', b'"b test"')
    with pytest.raises(CustodyError, match="does not open"):
        read_secret(_place(home, renamed), b"correct horse", "b test")


@pytest.mark.parametrize("name", ["nonce", "ciphertext"])
def test_a_changed_file_opens_nothing(home: Path, sealed: bytes, name: str) -> None:
    document = json.loads(sealed)
    first = document[name][0]
    document[name] = ("A" if first != "A" else "B") + document[name][1:]
    changed = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(CustodyError, match="does not open"):
        read_secret(_place(home, changed), b"correct horse", "a test")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[" * 5000, b'{"format":"exchange-custody-v1"}', b"\xff\xfe", b"1" * 9]
)
def test_damaged_files_are_named_as_damaged(home: Path, content: bytes) -> None:
    with pytest.raises(CustodyError, match="damaged"):
        read_secret(_place(home, content), b"correct horse", "a test")


@pytest.mark.parametrize(("figure", "value"), [("n", 2), ("n", 1 << 30), ("p", 1), ("r", 1 << 20), ("n", True)])
def test_an_attacker_cannot_choose_the_cost_of_the_passphrase(
    home: Path, sealed: bytes, figure: str, value: int
) -> None:
    document = json.loads(sealed)
    document["scrypt"][figure] = value
    changed = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(CustodyError, match="damaged"):
        read_secret(_place(home, changed), b"correct horse", "a test")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_may_open_is_refused_with_the_cure(home: Path, sealed: bytes, mode: int) -> None:
    path = _place(home, sealed)
    path.chmod(mode)
    with pytest.raises(CustodyError, match="chmod 600"):
        read_secret(path, b"correct horse", "a test")


def test_a_folder_that_others_may_enter_is_refused_with_the_cure(home: Path, sealed: bytes) -> None:
    path = _place(home, sealed)
    home.chmod(0o755)
    with pytest.raises(CustodyError, match="chmod 700"):
        read_secret(path, b"correct horse", "a test")
    with pytest.raises(CustodyError, match="chmod 700"):
        write_private_file(home / "other", b"x")


def test_a_symbolic_link_is_not_followed(home: Path, sealed: bytes) -> None:
    path = _place(home, sealed)
    (home / "link").symlink_to(path)
    with pytest.raises(CustodyError, match="cannot be read"):
        read_secret(home / "link", b"correct horse", "a test")


def test_a_pipe_is_no_secret(home: Path) -> None:
    os.mkfifo(home / "pipe", 0o600)
    reader = os.open(home / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(home / "pipe", os.O_WRONLY)
    try:
        with pytest.raises(CustodyError, match="not a regular file"):
            read_private_file(home / "pipe", 10)
    finally:
        os.close(reader)
        os.close(writer)


def test_writing_replaces_in_one_step_and_leaves_no_draft(home: Path) -> None:
    write_private_file(home / "file", b"old")
    write_private_file(home / "file", b"new")
    assert (home / "file").read_bytes() == b"new"
    assert [path.name for path in home.iterdir()] == ["file"]


def test_a_file_longer_than_wanted_is_refused(home: Path) -> None:
    write_private_file(home / "file", b"12345")
    with pytest.raises(CustodyError, match="longer"):
        read_private_file(home / "file", 4)


def test_a_passphrase_is_read_from_file_environment_then_prompt(home: Path) -> None:
    write_private_file(home / "one", b"first\r\n")
    write_private_file(home / "two", b"second")
    environ = {"PASS_FILE": str(home / "two")}
    assert read_passphrase(home / "one", variable="PASS_FILE", environ=environ) == b"first"
    assert read_passphrase(None, variable="PASS_FILE", environ=environ, prompt=lambda: "third") == b"second"
    assert read_passphrase(None, variable="PASS_FILE", environ={}, prompt=lambda: "third") == b"third"


def test_a_passphrase_is_the_same_however_it_is_composed() -> None:
    composed = read_passphrase(None, variable="X", environ={}, prompt=lambda: "caf\u00e9")
    assert composed == read_passphrase(None, variable="X", environ={}, prompt=lambda: "cafe\u0301")


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xff", b"x" * 1025])
def test_an_unfit_passphrase_file_is_refused_without_being_quoted(home: Path, content: bytes) -> None:
    write_private_file(home / "pass", content)
    with pytest.raises(CustodyError) as caught:
        read_passphrase(home / "pass", variable="X", environ={})
    assert "xxx" not in str(caught.value)


def test_a_passphrase_file_that_others_may_read_is_refused(home: Path) -> None:
    write_private_file(home / "pass", b"secret words")
    (home / "pass").chmod(0o644)
    with pytest.raises(CustodyError, match="chmod 600"):
        read_passphrase(home / "pass", variable="X", environ={})


def test_no_passphrase_at_all_names_the_variable() -> None:
    with pytest.raises(CustodyError, match="HOLDER_PASS"):
        read_passphrase(None, variable="HOLDER_PASS", environ={})


@pytest.mark.parametrize(
    ("secret", "passphrase"),
    [(b"", b"twelve words"), (b"x" * 65_537, b"twelve words"), (b"x", b""), (b"x", b"ab" * 513)],
)
def test_secrets_and_passphrases_have_bounds(home: Path, secret: bytes, passphrase: bytes) -> None:
    with pytest.raises(CustodyError):
        write_secret(home / "secret", secret, passphrase, "a test")
    assert not (home / "secret").exists()


@pytest.mark.parametrize(
    "passphrase",
    [b"x", b"elevenchars", b"aaaaaaaaaaaaaaaaaaaa", b"bank-a-north", b"BANK-A-NORTH", b"bank-a-north bank-a-north!"],
)
def test_nothing_new_is_put_under_a_weak_passphrase(home: Path, passphrase: bytes) -> None:
    with pytest.raises(CustodyError, match="at least 12 characters"):
        check_new_passphrase(passphrase, "bank-a-north")
    if len(set(passphrase)) == 1 or len(passphrase) < 12:
        with pytest.raises(CustodyError, match="at least 12 characters"):
            write_secret(home / "secret", SECRET, passphrase, "a test")
    assert not (home / "secret").exists()


@pytest.mark.parametrize(
    "passphrase", ["twelve words", "caf\u00e9 caf\u00e9 12", "!?!?!?!?!?!?", "bank-a-north at four"]
)
def test_a_passphrase_of_twelve_characters_is_long_enough(passphrase: str) -> None:
    check_new_passphrase(passphrase.encode(), "bank-a-north")
