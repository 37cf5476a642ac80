"""Two people are two: each with a home, a key and a passphrase of their own, over one vault.

The attackers here are one of the two people, somebody who was one of them, and a thief of the folder that they share.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from keys.custody.files import write_private_file
from keys.sealing.hybrid import EncryptionKey
from keys.signatures.ed25519 import SigningKey
from member.commands.shared.passphrases import unlock_representative
from member.errors import HomeError, VaultError
from member.identity.access import open_vault
from member.identity.home import Home
from member.identity.people import Person, people_of, put_under_new_key
from member.identity.vault_folder import JoiningRequest, VaultFolder
from member.membership import representatives
from member.vault.cipher import KEY_BYTES
from member.vault.rekey import change_key
from member.vault.rows import OwnRow, Source, VaultRows
from member.vault.store import Vault
from schemas.values.encoding import from_base64, to_base64
from tests.taskforce.homes import MemberHomes
from tests.taskforce.member_program import Ran, run_member, write_secret_file
from tests.typed import run_typed

AUTHORISER = "her own twelve words"


class Bank:
    """A bank with a shared vault folder and a home for each of its people; `anna` and `bob` read files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vault = folder / "shared"
        for name in ("anna", "bob", "carol"):
            write_secret_file(folder / "words" / name, f"words of {name} alone")

    def home(self, name: str) -> Path:
        return self.folder / "homes" / name

    def run(self, name: str, *arguments: str) -> Ran:
        return run_member(self.home(name), *arguments)

    def init(self, name: str, *more: str, member: str = "north", vault: Path | None = None) -> Ran:
        files = ("--passphrase-dir", str(self.folder / "words"))
        options = ("--vault", str(vault or self.vault), "--role", f"{name}=investigator", *files, *more)
        return self.run(name, "--as", name, "init", "--member-id", member, *options)

    def let_in(self, name: str, by: str = "anna") -> None:
        asked = self.init(name)
        assert asked.status == 0, asked.document
        added = self.run(by, "representative", "add", name, "--fingerprint", asked.document["fingerprint"])
        assert added.status == 0, added.document

    def opens_for(self, name: str, home: Path | None = None) -> Ran:
        file = self.folder / f"rows-{len(list(self.folder.glob('rows-*')))}.csv"
        return run_member(home or self.home(name), "vault", "export", str(file))


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    """Anna has made the vault, and let Bob in."""
    made = Bank(tmp_path)
    assert made.init("anna").status == 0
    made.let_in("bob")
    return made


def refused(ran: Ran) -> str:
    assert ran.status != 0, ran.document
    return str(ran.document["error"]["type"])


def test_each_person_opens_the_one_vault_from_a_home_of_their_own(bank: Bank) -> None:
    for name in ("anna", "bob"):
        assert bank.opens_for(name).status == 0
        assert list(Home.open(bank.home(name)).config.representatives) == [name]
        assert not (bank.home(name) / "vault.sqlite").exists()
    assert not [path for path in bank.folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]


def test_a_newcomer_opens_nothing_until_somebody_lets_it_in(bank: Bank) -> None:
    assert bank.init("carol").status == 0
    assert refused(bank.opens_for("carol")) == "not_admitted"
    assert refused(bank.run("carol", "representative", "add", "carol", "--yes")) == "not_admitted"


def test_nobody_is_let_in_unseen(bank: Bank) -> None:
    asked = bank.init("carol").document
    uncompared = bank.run("anna", "representative", "add", "carol")
    assert refused(uncompared) == "usage"
    assert asked["fingerprint"][:4] in uncompared.said
    assert refused(bank.run("anna", "representative", "add", "carol", "--fingerprint", "0" * 64)) == "other_key"
    assert refused(bank.opens_for("carol")) == "not_admitted"


def test_a_request_that_was_changed_on_its_way_lets_nobody_in(bank: Bank) -> None:
    assert bank.init("carol").status == 0
    path = bank.vault / "joining" / "carol.json"
    request = json.loads(path.read_text())
    path.write_text(json.dumps({**request, "roles": ["authoriser"]}))
    assert refused(bank.run("anna", "representative", "add", "carol", "--yes")) == "home"
    mallory = JoiningRequest.make(
        "north", "carol", ["investigator"], SigningKey.generate(), EncryptionKey.generate().public_bytes
    )
    VaultFolder(bank.vault, "north").ask(mallory)
    told = JoiningRequest(**{**request}).fingerprint
    assert refused(bank.run("anna", "representative", "add", "carol", "--fingerprint", told)) == "other_key"


@pytest.mark.parametrize("of", ["public_key", "wrap_key"])
def test_an_attacker_cannot_be_two_with_one_key_under_two_names(bank: Bank, of: str) -> None:
    key = unlock_representative(Home.open(bank.home("bob")), "bob")
    signing = key.identity.key if of == "public_key" else SigningKey.generate()
    wrapping = key.wrap_key if of == "wrap_key" else EncryptionKey.generate()
    request = JoiningRequest.make("north", "robert", ["authoriser"], signing, wrapping.public_bytes)
    VaultFolder(bank.vault, "north").ask(request)
    assert refused(bank.run("anna", "representative", "add", "robert", "--yes")) == "same_key"


def test_a_thief_of_the_vault_folder_has_no_passphrase_to_try(bank: Bank, tmp_path: Path) -> None:
    stolen = tmp_path / "stolen"
    shutil.copytree(bank.vault, stolen)
    files = sorted(str(path.relative_to(stolen)) for path in stolen.rglob("*") if path.is_file())
    assert [name for name in files if not name.startswith("vault.sqlite")] == ["people/anna.wrap", "people/bob.wrap"]
    assert not [path for path in stolen.rglob("*") if path.is_file() and b"scrypt" in path.read_bytes()]
    mallory = tmp_path / "mallory"
    options = ("--passphrase-dir", str(bank.folder / "words"), "--vault", str(stolen), "--role", "anna=investigator")
    assert run_member(mallory, "--as", "anna", "init", "--member-id", "north", *options).status == 0
    assert refused(bank.opens_for("anna", mallory)) == "not_admitted"
    (stolen / "people" / "anna.wrap").write_bytes((stolen / "people" / "bob.wrap").read_bytes())
    assert refused(bank.opens_for("anna", mallory)) == "not_admitted"


def test_a_wrap_opens_for_the_person_whom_it_names_alone(bank: Bank) -> None:
    wraps = bank.vault / "people"
    (wraps / "bob.wrap").write_bytes((wraps / "anna.wrap").read_bytes())
    assert refused(bank.opens_for("bob")) == "not_admitted"


def test_another_vault_put_in_the_place_is_noticed(bank: Bank, tmp_path: Path) -> None:
    assert bank.opens_for("bob").status == 0
    bob = unlock_representative(Home.open(bank.home("bob")), "bob")
    key = os.urandom(KEY_BYTES)
    bank.vault.joinpath("vault.sqlite").unlink()
    Vault.create(bank.vault / "vault.sqlite", key, "north").close()
    VaultFolder(bank.vault, "north").wrap("bob", bob.wrap_key.public_bytes, key)
    done = bank.opens_for("bob")
    assert refused(done) == "home"
    assert "another vault" in done.document["error"]["detail"]


def test_a_removed_person_opens_nothing_with_the_home_still_there(bank: Bank) -> None:
    kept = (bank.vault / "people" / "bob.wrap").read_bytes()
    assert bank.run("anna", "representative", "remove", "bob", "--change-vault-key").document["old_key_cleared"]
    assert refused(bank.opens_for("bob")) == "not_admitted"
    write_private_file(bank.vault / "people" / "bob.wrap", kept)
    assert refused(bank.opens_for("bob")) == "vault", "a copy of the old key opens nothing"
    assert bank.opens_for("anna").status == 0
    assert [each.name for each in people_in(bank)] == ["anna"]


def people_in(bank: Bank) -> list[Person]:
    home = Home.open(bank.home("anna"))
    with open_vault(home, unlock_representative(home, "anna")) as vault:
        return list(people_of(vault))


def test_nobody_removes_themselves_or_makes_anothers_key(bank: Bank) -> None:
    assert refused(bank.run("anna", "representative", "remove", "anna")) == "usage"
    assert refused(bank.run("anna", "representative", "rotate", "bob", "--out", str(bank.folder / "x"))) == "usage"


def test_the_same_rows_stand_under_a_new_vault_key(bank: Bank) -> None:
    home = Home.open(bank.home("anna"))
    unlocked = unlock_representative(home, "anna")
    rows = [
        OwnRow("phone", f"+44770090{number:04}", Source("v", "r", "", f"ref-{number}", {"desk": "x"}, number, "s-1"))
        for number in range(1, 2101)
    ]
    with open_vault(home, unlocked) as vault:
        VaultRows(vault).store(rows, "open", 1)
        before = [msgspec.json.encode(one) for one in VaultRows(vault).every_indicator()]
        old = vault.cipher
        lookups = {
            row[0] for row in vault.connection.execute("SELECT lookup FROM indicators UNION SELECT lookup FROM records")
        }
        put_under_new_key(vault, home.vault_folder, unlocked.vault_key)
    for name in ("anna", "bob"):
        its = Home.open(bank.home(name))
        with open_vault(its, unlock_representative(its, name)) as vault:
            stored = VaultRows(vault)
            assert [msgspec.json.encode(one) for one in stored.every_indicator()] == before
            assert len(stored.store(rows[:50], "open", 1)) == 50, "what is there already is known again"
            now = {
                row[0]
                for row in vault.connection.execute("SELECT lookup FROM indicators UNION SELECT lookup FROM records")
            }
    assert not lookups & now
    guess = old.lookup("indicator", b"phone", b"+447700900001")
    assert guess in lookups
    assert guess not in now, "whoever kept the old key cannot test a guess against what is stored now"
    for path in bank.vault.glob("vault.sqlite*"):
        assert guess not in path.read_bytes()


def test_a_change_of_the_key_that_stops_half_way_leaves_a_vault_that_opens(bank: Bank) -> None:
    home = Home.open(bank.home("anna"))
    unlocked = unlock_representative(home, "anna")
    key = unlocked.vault_key
    with open_vault(home, unlocked) as vault:
        for each in people_of(vault):
            wrap_key = unlock_representative(Home.open(bank.home(each.name)), each.name).wrap_key
            home.vault_folder.wrap(each.name, wrap_key.public_bytes, key + bytes(KEY_BYTES), ahead=True)
    assert bank.opens_for("bob").status == 0, "wraps ahead, vault as it was"
    leave_half_changed(bank)
    assert bank.opens_for("bob").status == 0, "vault changed, wraps not put in their place"


@pytest.mark.parametrize("later", [b"", os.urandom(KEY_BYTES)], ids=["old-key", "old-key-and-more"])
def test_an_attacker_cannot_put_the_old_key_back_once_removed(bank: Bank, later: bytes, tmp_path: Path) -> None:
    bob, folder = unlock_representative(Home.open(bank.home("bob")), "bob"), VaultFolder(bank.vault, "north")
    key, copy = bob.vault_key, tmp_path / "copy.sqlite"
    with open_vault(bob.home, bob) as vault:
        (anna,) = [each for each in people_of(vault) if each.name == "anna"]
        vault.copy_to(copy)
    assert bank.run("anna", "representative", "remove", "bob", "--change-vault-key").status == 0
    with Vault.open(copy, key, "north") as old:
        if later:
            with old.transaction():
                change_key(old, key + later)
        for path in bank.vault.glob("vault.sqlite*"):
            path.unlink()
        old.copy_to(folder.vault_path)
    folder.wrap("anna", from_base64(anna.wrap_key), key + later)
    done = bank.opens_for("anna")
    assert refused(done) == ("home" if later else "older_key"), done.document


def test_who_removes_somebody_is_told_of_the_folders_group(bank: Bank) -> None:
    bank.vault.chmod(0o2770)
    done = bank.run("anna", "representative", "remove", "bob")
    assert (done.status, done.document["leave_group_of"]) == (0, str(bank.vault))


def leave_half_changed(bank: Bank) -> None:
    """Stop a change of the vault's key after it has happened, and before the wraps took their place."""
    home = Home.open(bank.home("anna"))
    unlocked, folder = unlock_representative(home, "anna"), home.vault_folder
    with open_vault(home, unlocked) as vault:
        put_under_new_key(vault, folder, unlocked.vault_key)
    for name in ("anna", "bob"):
        path = folder.wrap_path(name)
        fresh = path.read_bytes()
        wrap_key = unlock_representative(Home.open(bank.home(name)), name).wrap_key
        folder.wrap(name, wrap_key.public_bytes, unlocked.vault_key)
        write_private_file(path.with_suffix(".next"), fresh)


def test_a_second_change_after_one_that_stopped_locks_nobody_out(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home.open(bank.home("anna"))
    leave_half_changed(bank)
    unlocked = unlock_representative(home, "anna")
    assert len(unlocked.vault_key) == 2 * KEY_BYTES, "the vault was changed, the wraps lie beside"
    with open_vault(home, unlocked) as vault, open_vault(home, unlocked) as colleague:
        vault.connection.execute("PRAGMA busy_timeout=1")
        with colleague.transaction(), pytest.raises(VaultError, match="another process is writing"):
            put_under_new_key(vault, home.vault_folder, unlocked.vault_key)
    for name in ("anna", "bob"):
        assert bank.opens_for(name).status == 0
    with open_vault(home, unlocked) as vault:
        put_under_new_key(vault, home.vault_folder, unlocked.vault_key)
    assert not list(home.vault_folder.path.rglob("*.next"))
    for name in ("anna", "bob"):
        assert bank.opens_for(name).status == 0


def test_a_backup_after_a_change_that_stopped_half_way_opens(bank: Bank, tmp_path: Path) -> None:
    leave_half_changed(bank)
    assert bank.run("anna", "vault", "backup", str(tmp_path / "copy")).status == 0
    assert bank.opens_for("anna", tmp_path / "copy").status == 0
    folder = VaultFolder(tmp_path / "copy", "north")
    bob = unlock_representative(Home.open(bank.home("bob")), "bob")
    (key,) = folder.unwrap("bob", bob.wrap_key)
    Vault.open(folder.vault_path, key, "north").close()


def test_a_backup_that_a_change_of_the_key_came_into_is_said_to_be_none(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_to = Vault.copy_to

    def change_first(vault: Vault, path: Path) -> None:
        home = Home.open(bank.home("bob"))
        bob = unlock_representative(home, "bob")
        with open_vault(home, bob) as opened:
            put_under_new_key(opened, home.vault_folder, bob.vault_key)
        copy_to(vault, path)

    monkeypatch.setattr(Vault, "copy_to", change_first)
    done = bank.run("anna", "vault", "backup", str(tmp_path / "copy"))
    assert refused(done) == "vault"
    assert "changed meanwhile" in done.document["error"]["detail"]
    assert not (tmp_path / "copy" / "config.json").exists()


def test_a_vault_that_is_busy_is_not_taken_for_a_wrong_key(bank: Bank) -> None:
    home = Home.open(bank.home("anna"))
    unlocked = unlock_representative(home, "anna")
    with open_vault(home, unlocked) as busy:
        busy.connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        with busy.transaction():
            busy.put("note", b"", b"")
        with pytest.raises(VaultError, match="busy with this vault"):
            Vault.open(home.vault_path, unlocked.vault_key, "north")


def test_a_change_says_if_a_reader_keeps_the_old_key_in_the_journal(bank: Bank) -> None:
    home = Home.open(bank.home("anna"))
    with open_vault(home, unlock_representative(home, "anna")) as reader:
        reader.connection.execute("BEGIN")
        assert reader.get("person", b"bob") is not None
        done = bank.run("anna", "representative", "remove", "bob", "--change-vault-key")
    assert (done.status, done.document["vault_key_changed"], done.document["old_key_cleared"]) == (0, True, False)


def test_a_program_with_the_old_key_writes_nothing_after_a_change(bank: Bank) -> None:
    home = Home.open(bank.home("anna"))
    unlocked = unlock_representative(home, "anna")
    with open_vault(home, unlocked) as slow, open_vault(home, unlocked) as vault:
        put_under_new_key(vault, home.vault_folder, unlocked.vault_key)
        row = OwnRow("phone", "+447700900001", Source("v", "r", "", "ref", {}, 2, "s-1"))
        with pytest.raises(Exception, match="key was changed meanwhile"):
            VaultRows(slow).store([row], "open", 1)


def test_an_attacker_cannot_leave_a_second_self_behind_unseen(joined: tuple[MemberHomes, Bank], tmp_path: Path) -> None:
    taskforce, bank = joined
    around = taskforce.around()
    assert bank.init("anna", member="ghostly").status == 0
    bob = bank.init("bob", member="ghostly")
    add = ("representative", "add", "bob", "--fingerprint", bob.document["fingerprint"])
    assert bank.run("anna", *add).status == 0
    code = taskforce.invite("ghostly")
    for name in ("anna", "bob"):
        assert run_member(bank.home(name), "join", code, "--yes", around=around).status == 0
    assert taskforce.approve_waiting().status == 0
    ghost = bank.init("carol", member="ghostly")
    add = ("representative", "add", "carol", "--fingerprint", ghost.document["fingerprint"])
    assert run_member(bank.home("bob"), *add, "--out", str(tmp_path / "never-sent.json"), around=around).status == 0
    shown = run_member(bank.home("anna"), "representative", "list", around=around).document["representatives"]
    seen = {one["representative_id"]: (one["state"], one["vault_opens"]) for one in shown}
    assert seen["ghostly/carol"] == ("awaiting_registrars", True)
    remove = ("representative", "remove", "bob", "--change-vault-key", "--out", str(tmp_path / "draft.json"))
    done = run_member(bank.home("anna"), *remove, around=around).document
    assert (done["vault_opens_for"], done["unsigned"]) == (["anna", "carol"], ["carol"])
    again = ("representative", "remove", "carol", "--change-vault-key")
    nothing = run_member(bank.home("anna"), *again, "--out", str(tmp_path / "none.json"), around=around)
    assert refused(nothing) == "usage"
    done = run_member(bank.home("anna"), *again, around=around).document
    assert (done["vault_opens_for"], done["unsigned"]) == (["anna"], [])
    assert refused(bank.opens_for("carol")) == "not_admitted"
    assert bank.opens_for("anna").status == 0


def test_a_new_vault_key_is_sealed_to_the_own_key_of_who_asks_for_it(bank: Bank) -> None:
    home = Home.open(bank.home("bob"))
    bob, wrong = unlock_representative(home, "bob"), EncryptionKey.generate()
    with open_vault(home, bob) as vault, vault.transaction():
        (anna,) = [each for each in people_of(vault) if each.name == "anna"]
        forged = msgspec.structs.replace(anna, wrap_key=to_base64(wrong.public_bytes))
        vault.put("person", b"anna", msgspec.json.encode(forged))
    assert bank.run("anna", "representative", "remove", "bob", "--change-vault-key").status == 0
    assert bank.opens_for("anna").status == 0
    assert [each.wrap_key for each in people_in(bank)] == [anna.wrap_key]


@pytest.mark.parametrize("at", ["let_in", "lock_representative"])
def test_a_new_key_of_ones_own_that_stops_half_way_locks_nobody_out(
    joined: tuple[MemberHomes, Bank], at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taskforce, bank = joined
    around, member = taskforce.around(), f"stopped-{at.replace('_', '-')}"
    assert bank.init("anna", member=member).status == 0
    assert run_member(bank.home("anna"), "join", taskforce.invite(member), "--yes", around=around).status == 0
    assert taskforce.approve_waiting().status == 0
    rotate = ("representative", "rotate", "anna", "--out")
    done_before = getattr(representatives, at)

    for number, is_done in enumerate((False, True)):

        def stop(*arguments: Any, is_done: bool = is_done, **options: Any) -> None:
            if is_done:
                done_before(*arguments, **options)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(representatives, at, stop)
            out = str(tmp_path / f"{number}.json")
            assert run_member(bank.home("anna"), *rotate, out, around=around).status == 1
        assert bank.opens_for("anna").status == 0, (at, is_done)
    last = run_member(bank.home("anna"), *rotate, str(tmp_path / "last.json"), around=around)
    assert last.status == 0, last.document
    assert bank.opens_for("anna").status == 0
    assert not list(bank.vault.rglob("*.next"))


def test_the_vault_folder_is_shared_with_its_group_of_system_users(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    bank.vault.mkdir()
    bank.vault.chmod(0o2770)
    assert bank.init("anna").status == 0
    bank.let_in("bob")
    assert bank.opens_for("bob").status == 0
    for path in [bank.vault, *bank.vault.rglob("*")]:
        assert path.stat().st_mode & 0o077 == (0o070 if path.is_dir() else 0o060), path
    for path in (tmp_path / "homes").rglob("*"):
        assert not path.stat().st_mode & 0o077, path
    bank.vault.chmod(0o2775)
    assert refused(bank.init("carol")) == "home"


@pytest.mark.parametrize("words", ["x", "elevenchars", "aaaaaaaaaaaaaaaa", "north-north-north"])
def test_a_weak_passphrase_makes_no_person(tmp_path: Path, words: str) -> None:
    bank = Bank(tmp_path)
    (tmp_path / "words" / "anna").write_text(words)
    done = bank.init("anna")
    assert refused(done) == "passphrase"
    assert "at least 12 characters" in done.document["error"]["detail"]
    assert not (bank.home("anna") / "config.json").exists()


def test_two_people_of_a_sandbox_do_not_have_one_passphrase(tmp_path: Path) -> None:
    for name in ("analyst", "authoriser"):
        write_secret_file(tmp_path / "words" / name, "the same words")
    sandbox = ("--sandbox", "--passphrase-dir", str(tmp_path / "words"))
    done = run_member(tmp_path / "home", "init", "--member-id", "north", *sandbox)
    assert refused(done) == "passphrase"
    assert not (tmp_path / "home" / "config.json").exists()


def test_a_further_person_of_a_sandbox_takes_no_passphrase_of_who_adds_it(
    taskforce: MemberHomes, tmp_path: Path
) -> None:
    same = write_secret_file(tmp_path / "carol", "passphrase of analyst")
    options = ("--roles", "submitter", "--out", str(tmp_path / "draft.json"), "--passphrase-file", str(same))
    assert refused(taskforce.run("a", "representative", "add", "mirror", *options)) == "passphrase"
    assert not (taskforce.home("a") / "keys" / "mirror.key").exists()


def test_nobody_of_a_sandbox_takes_the_passphrase_of_another_later(taskforce: MemberHomes, tmp_path: Path) -> None:
    same = ("passphrase of authoriser", str(tmp_path / "draft.json"))
    file = str(write_secret_file(tmp_path / "same", same[0]))
    new = ("representative", "add", "mirror", "--roles", "submitter", "--out", same[1], "--passphrase-file", file)
    assert refused(taskforce.run("a", *new)) == "passphrase"
    assert refused(taskforce.run("a", "vault", "change-passphrase", "--new-passphrase-file", file)) == "passphrase"
    rotate = ("representative", "rotate", "analyst", "--out", same[1], "--passphrase-file", file)
    assert refused(taskforce.run("a", *rotate)) == "passphrase"
    assert taskforce.run("a", "status").status == 0


def test_a_passphrase_file_serves_no_authoriser_outside_a_sandbox(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    assert bank.init("anna").status == 0
    write_secret_file(tmp_path / "words" / "authoriser", AUTHORISER)
    home, options = tmp_path / "homes" / "authoriser", ("--vault", str(bank.vault), "--member-id", "north")
    start = ["--home", str(home), "--as", "authoriser"]
    by_file = run_member(home, "--as", "authoriser", "init", *options, "--passphrase-dir", str(tmp_path / "words"))
    assert refused(by_file) == "passphrase"
    environment = {"MEMBER_PASSPHRASE_FILE": str(tmp_path / "words" / "authoriser")}
    typed = run_typed("member", [*start, "init", *options, "--json"], AUTHORISER, AUTHORISER, environment=environment)
    assert typed.status == 0, typed.screen
    fingerprint = json.loads(typed.printed)["fingerprint"]
    assert bank.run("anna", "representative", "add", "authoriser", "--fingerprint", fingerprint).status == 0
    config = json.loads((home / "config.json").read_text())
    (home / "config.json").write_text(json.dumps({**config, "passphrase_dir": str(tmp_path / "words")}))
    by_file = bank.opens_for("authoriser")
    assert refused(by_file) == "passphrase"
    assert "terminal" in by_file.document["error"]["hint"]
    people = {name: {**one, "roles": ["submitter"]} for name, one in config["representatives"].items()}
    for changed in ({"representatives": people}, {"sandbox": True}):
        forged = {**config, "passphrase_dir": str(tmp_path / "words"), **changed}
        (home / "config.json").write_text(json.dumps(forged))
        assert refused(bank.opens_for("authoriser")) == "passphrase", "the key file says what it is for"
    (home / "config.json").write_text(json.dumps({**config, "passphrase_dir": str(tmp_path / "words")}))
    rows = str(tmp_path / "typed.csv")
    assert (
        run_typed("member", ["--home", str(home), "vault", "export", rows], AUTHORISER, environment=environment).status
        == 0
    )


def test_one_process_asks_and_authorises_in_a_sandbox_only(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    assert bank.init("anna").status == 0
    asking = ("query", "--type", "phone", "+447700900123", "--case", "OP-7", "--legal-gateway", "CCA2013_s7")
    texts = (
        "--purpose",
        "p",
        "--necessity",
        "n",
        "--proportionality",
        "p",
        "--authorised-by",
        "authoriser",
        "--approve",
    )
    done = bank.run("anna", *asking, *texts)
    assert refused(done) == "same_person"
    assert "query approve" in done.document["error"]["hint"]


@pytest.mark.parametrize("url", ["https://exchange.example", "http://10.0.0.1:8443", "http://localhost.example"])
def test_a_sandboxs_home_joins_no_exchange_elsewhere(taskforce: MemberHomes, tmp_path: Path, url: str) -> None:
    home = tmp_path / "home"
    shutil.copytree(taskforce.home("a"), home)
    config = json.loads((home / "config.json").read_text())
    (home / "config.json").write_text(json.dumps({**config, "exchange_url": url}))
    assert refused(run_member(home, "hits", around=taskforce.around())) == "sandbox_home"


@pytest.fixture
def joined(taskforce: MemberHomes) -> Iterator[tuple[MemberHomes, Bank]]:
    """A bank whose two people join an exchange."""
    folder = taskforce.folder / "banks"
    folder.mkdir(exist_ok=True)
    yield taskforce, Bank(folder / str(len(list(folder.iterdir()))))


def test_both_people_answer_the_code_each_in_their_own_home(joined: tuple[MemberHomes, Bank]) -> None:
    taskforce, bank = joined
    assert bank.init("anna").status == 0
    bank.let_in("bob")
    code, around = taskforce.invite("north"), taskforce.around()
    first = run_member(bank.home("anna"), "join", code, "--yes", around=around)
    assert (first.status, first.document["state"], first.document["waiting_for"]) == (0, "awaiting_people", ["bob"])
    second = run_member(bank.home("bob"), "join", code, "--yes", around=around)
    assert (second.status, second.document["state"]) == (0, "awaiting_registrars")
    waiting = taskforce.run("registrar", "registrar", "pending").document["proposals"]
    (proposal,) = [each for each in waiting if each["subject"] == "north"]
    assert [one["representative_id"] for one in proposal["statement"]["representatives"]] == ["north/anna", "north/bob"]


def test_no_file_serves_who_is_stated_to_authorise_later(joined: tuple[MemberHomes, Bank], tmp_path: Path) -> None:
    taskforce, bank = joined
    around, draft = taskforce.around(), tmp_path / "draft.json"
    assert bank.init("anna", member="west").status == 0
    assert run_member(bank.home("anna"), "join", taskforce.invite("west"), "--yes", around=around).status == 0
    assert taskforce.approve_waiting().status == 0
    four_eyes = ("representative", "four-eyes", "--answers", "--out", str(draft))
    assert run_member(bank.home("anna"), *four_eyes, around=around).status == 0
    statement = json.loads(draft.read_text())
    statement["representatives"][0]["roles"] = ["authoriser", "investigator"]
    draft.write_text(json.dumps(statement))
    taskforce.sign_file(draft)
    for _ in ("takes the statement in", "has it"):
        stopped = run_member(bank.home("anna"), "hits", around=around)
        assert refused(stopped) == "passphrase"
        assert "terminal" in stopped.document["error"]["hint"]


def test_a_further_person_joins_where_the_others_have(joined: tuple[MemberHomes, Bank], tmp_path: Path) -> None:
    taskforce, bank = joined
    around = taskforce.around()
    assert bank.init("anna", member="south").status == 0
    code = taskforce.invite("south")
    assert (
        run_member(bank.home("anna"), "join", code, "--yes", around=around).document["state"] == "awaiting_registrars"
    )
    assert taskforce.approve_waiting().status == 0
    asked = bank.init("bob", member="south")
    assert asked.status == 0, asked.document
    draft = tmp_path / "draft.json"
    add = ("representative", "add", "bob", "--fingerprint", asked.document["fingerprint"])
    assert refused(run_member(bank.home("anna"), *add, around=around)) == "usage", "the draft goes nowhere"
    assert run_member(bank.home("anna"), *add, "--out", str(draft), around=around).status == 0
    assert run_member(bank.home("bob"), "join", "--yes", around=around).document["state"] == "joined"
    assert refused(run_member(bank.home("bob"), "hits", around=around)) == "unauthenticated"
    taskforce.sign_file(draft)
    assert run_member(bank.home("bob"), "status", around=around).status == 0
    comes_back_after_a_loss(taskforce, bank, tmp_path)


def comes_back_after_a_loss(taskforce: MemberHomes, bank: Bank, tmp_path: Path) -> None:
    """Bob loses home and key, and makes a new one; nothing is drafted that is signed already."""
    around, request = taskforce.around(), tmp_path / "new-key.json"
    shutil.rmtree(bank.home("bob"))
    asked = bank.init("bob", member="south")
    add = ("representative", "add", "bob", "--fingerprint", asked.document["fingerprint"])
    assert refused(run_member(bank.home("anna"), *add, "--out", str(tmp_path / "no.json"), around=around)) == "usage"
    added = run_member(bank.home("anna"), *add, around=around)
    assert (added.status, added.document.get("draft")) == (0, None), added.document
    assert run_member(bank.home("bob"), "join", "--yes", around=around).document["state"] == "joined"
    asked = run_member(bank.home("bob"), "representative", "rotate", "bob", "--out", str(request), around=around)
    assert asked.status == 0, asked.document
    assert json.loads(request.read_text())["representative_id"] == "south/bob"
    opened = run_member(bank.home("bob"), "vault", "export", str(tmp_path / "rows.csv"), around=around)
    assert opened.status == 0, opened.document


@pytest.mark.parametrize("name", ["../../anna", "/elsewhere/anna", "a/b", "", "..", "."])
def test_a_name_in_the_vault_leads_to_no_file_outside_the_folder(tmp_path: Path, name: str) -> None:
    folder = VaultFolder(tmp_path / "shared", "north")
    for reach in (folder.wrap_path, folder.joining_path, folder.drop):
        with pytest.raises(HomeError, match="not a valid name"):
            reach(name)
    with pytest.raises(HomeError, match="not a valid name"):
        folder.wrap(name, EncryptionKey.generate().public_bytes, bytes(KEY_BYTES), ahead=True)
    assert not list(tmp_path.iterdir())
