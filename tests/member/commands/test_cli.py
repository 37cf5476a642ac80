"""The member program as it is called: exit codes, one JSON document, errors with a hint, and no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from member.commands.cli import cli
from member.errors import MemberError
from tests.taskforce.member_program import Ran, run_member, write_csv, write_secret_file

ROOT = Path(__file__).resolve().parents[3]


def passphrases(folder: Path) -> Path:
    """A folder with a passphrase for each first representative."""
    for name in ("analyst", "authoriser"):
        write_secret_file(folder / name, f"secret of {name}\n")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of member a, which has joined nothing."""
    folder = tmp_path_factory.mktemp("cli")
    done = run_member(
        folder / "a", "init", "--member-id", "a", "--sandbox", "--passphrase-dir", str(passphrases(folder / "pp"))
    )
    assert done.status == 0
    return folder / "a"


def error_of(done: Ran) -> tuple[int, str]:
    """Exit status and type of a failure."""
    return done.status, done.document["error"]["type"]


def every_command(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all commands that do something."""
    paths = []
    for name, command in group.commands.items():
        inner = (*path, name)
        paths += every_command(command, inner) if isinstance(command, click.Group) else [inner]
    return paths


@pytest.mark.parametrize("path", every_command(cli), ids=" ".join)
def test_every_command_has_help_with_an_example_and_takes_json(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, [*path, "--help"])
    assert done.exit_code == 0
    assert "Example: member" in done.stdout
    assert "--json" in done.stdout


def test_init_makes_two_representatives_with_private_key_files(home: Path) -> None:
    config = json.loads((home / "config.json").read_text())
    assert set(config["representatives"]) == {"analyst", "authoriser"}
    assert config["representatives"]["analyst"]["roles"] == ["submitter", "investigator", "author"]
    assert config["representatives"]["authoriser"]["roles"] == ["authoriser", "releaser"]
    assert not [path for path in home.rglob("*") if path.stat().st_mode & 0o077]


def test_init_does_not_overwrite_a_member(home: Path) -> None:
    folder = str(home.parent / "pp")
    assert error_of(run_member(home, "init", "--member-id", "b", "--sandbox", "--passphrase-dir", folder)) == (
        1,
        "home",
    )


def test_init_refuses_an_id_that_the_registrars_could_not_sign(tmp_path: Path) -> None:
    folder = str(passphrases(tmp_path / "pp"))
    assert error_of(
        run_member(tmp_path / "x", "init", "--member-id", "A B", "--sandbox", "--passphrase-dir", folder)
    ) == (
        2,
        "usage",
    )


def test_there_is_no_default_passphrase(tmp_path: Path) -> None:
    done = run_member(tmp_path / "x", "init", "--member-id", "x")
    assert error_of(done) == (1, "passphrase")
    assert "MEMBER_PASSPHRASE_FILE" in done.document["error"]["hint"]


def test_a_passphrase_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    folder = passphrases(tmp_path / "pp")
    (folder / "analyst").chmod(0o644)
    done = run_member(tmp_path / "x", "init", "--member-id", "x", "--sandbox", "--passphrase-dir", str(folder))
    assert error_of(done) == (1, "passphrase")


def test_a_thief_with_the_home_but_not_the_passphrase_gets_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stolen = tmp_path / "stolen"
    assert run_member(home, "vault", "backup", str(stolen)).status == 0
    config = json.loads((stolen / "config.json").read_text())
    (stolen / "config.json").write_text(json.dumps({**config, "passphrase_dir": None}))
    monkeypatch.setenv("MEMBER_PASSPHRASE_FILE", str(write_secret_file(tmp_path / "guess" / "file", "guess")))
    done = run_member(stolen, "vault", "export", str(tmp_path / "rows.csv"))
    assert error_of(done) == (1, "passphrase")
    monkeypatch.setenv("MEMBER_PASSPHRASE_FILE", str(home.parent / "pp" / "analyst"))
    assert run_member(stolen, "vault", "export", str(tmp_path / "rows.csv")).status == 0


def test_one_representatives_passphrase_does_not_open_anothers_key(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    assert run_member(home, "vault", "backup", str(copy)).status == 0
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "passphrase_dir": None}))
    monkeypatch.setenv("MEMBER_PASSPHRASE_FILE", str(home.parent / "pp" / "analyst"))
    done = run_member(copy, "--as", "authoriser", "vault", "export", str(tmp_path / "rows.csv"))
    assert error_of(done) == (1, "passphrase")
    (copy / "keys" / "authoriser.key").write_bytes((copy / "keys" / "analyst.key").read_bytes())
    done = run_member(copy, "--as", "authoriser", "vault", "export", str(tmp_path / "rows.csv"))
    assert error_of(done) == (1, "passphrase")


def test_a_changed_passphrase_is_the_only_one_that_opens(home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert run_member(home, "vault", "backup", str(copy)).status == 0
    new = write_secret_file(tmp_path / "new" / "analyst", "another secret")
    assert run_member(copy, "vault", "change-passphrase", "--new-passphrase-file", str(new)).status == 0
    assert error_of(run_member(copy, "vault", "export", str(tmp_path / "1.csv"))) == (1, "passphrase")
    assert run_member(copy, "--as", "authoriser", "vault", "export", str(tmp_path / "2.csv")).status == 0


def test_a_representative_without_a_key_here_cannot_act(home: Path) -> None:
    assert error_of(run_member(home, "--as", "nobody", "hits")) in {(2, "usage"), (1, "home")}


@pytest.mark.parametrize(
    "arguments",
    [
        ("bogus",),
        ("submit",),
        ("token", "--type", "passport", "x"),
        ("submit", "x.csv", "--theme", "nonsense"),
        ("registrar", "approve", "--all"),
        ("registrar", "approve", "id"),
        ("registrar", "approve", "id", "--digest", "a", "--digest", "b"),
        ("config", "set", "group"),
        ("config", "set", "colour", "blue"),
        ("config", "set", "legal_gateway", "because"),
        ("join", "not-a-code"),
        ("--nonsense", "status"),
    ],
    ids=" ".join,
)
def test_a_wrong_call_exits_2_with_one_document(home: Path, arguments: tuple[str, ...]) -> None:
    assert run_member(home, *arguments).status == 2


def test_errors_for_people_go_to_standard_error_with_a_hint(tmp_path: Path) -> None:
    done = run_member(tmp_path / "nowhere", "status", as_json=False)
    assert done.status == 1
    assert done.document["text"] == ""
    assert done.said.startswith("Error: there is no member's home")
    assert "\nHint: " in done.said


def test_a_missing_default_is_named_by_its_option(home: Path, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", "phone,+447700900123,,,")
    done = run_member(home, "submit", str(path), "--group", "g", "--purpose", "p")
    assert error_of(done) == (2, "missing_setting")
    assert "--legal-gateway" in done.document["error"]["detail"]
    assert "--group" not in done.document["error"]["detail"]


def test_defaults_are_set_and_shown(home: Path) -> None:
    assert run_member(home, "config", "set", "theme", "fraud", "expires_days", "30").status == 0
    assert run_member(home, "config", "show").document["defaults"] == {"theme": "fraud", "expires_days": "30"}
    assert run_member(home, "config", "unset", "theme", "map").document["defaults"] == {"expires_days": "30"}
    assert run_member(home, "config", "show").document["defaults"] == {"expires_days": "30"}
    wrong = run_member(home, "config", "unset", "colour")
    assert (wrong.status, "theme" in wrong.document["error"]["hint"]) == (2, True)
    assert run_member(home, "config", "set", "theme", "fraud").status == 0


def test_before_joining_a_member_is_told_to_join(home: Path) -> None:
    done = run_member(home, "hits")
    assert done.status == 1
    assert "join" in done.document["error"]["hint"]
    assert run_member(home, "status").document["state"] == "not_joined"


def test_json_may_stand_before_the_command(home: Path) -> None:
    done = CliRunner().invoke(cli, ["--home", str(home), "--json", "config", "show"])
    assert json.loads(done.stdout)["defaults"] is not None


def test_an_unexpected_fault_shows_no_traceback_and_logs_no_message(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The debug file has the type and the place of the fault, without the exception's text."""

    def fail(*_: object) -> None:
        raise RuntimeError("canary-secret")

    monkeypatch.setattr("member.commands.settings._show", fail)
    monkeypatch.setenv("MEMBER_DEBUG", str(tmp_path / "debug"))
    done = run_member(home, "config", "show")
    assert error_of(done) == (1, "internal")
    noted = (tmp_path / "debug").read_text()
    assert "RuntimeError" in noted
    assert "test_cli.py" in noted
    assert "canary" not in noted + json.dumps(done.document) + done.said


def test_an_export_is_for_its_owner_alone_and_never_overwrites(home: Path, tmp_path: Path) -> None:
    assert run_member(home, "vault", "export", str(tmp_path / "rows.csv")).status == 0
    assert (tmp_path / "rows.csv").stat().st_mode & 0o077 == 0
    assert error_of(run_member(home, "vault", "export", str(tmp_path / "rows.csv"))) == (1, "vault")


def test_an_error_document_names_its_type_and_hint() -> None:
    error = MemberError("what", "do this", slug="kind", entry={"number": 3})
    wanted = {"type": "kind", "detail": "what", "entry": {"number": 3}, "hint": "do this"}
    assert error.document() == {"error": wanted}


def test_the_program_prints_one_document_and_nothing_else(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", "phone,+44 7700 900123,,,", "phone,call me,,,")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MEMBER_")}
    folder = passphrases(tmp_path / "pp")
    call = [sys.executable, "-m", "member", "--home", str(tmp_path / "a")]
    init = [*call, "init", "--member-id", "a", "--sandbox", "--passphrase-dir", str(folder), "--json"]
    for command, keys in (
        (init, {"member_id", "home", "representatives"}),
        ([*call, "submit", str(path), "--dry-run", "--json"], {"rows", "normalised"}),
    ):
        done = subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environment)
        assert keys <= set(json.loads(done.stdout))
        assert done.stdout.count(b"\n") == 1


def test_who_stops_reading_gets_no_traceback(home: Path) -> None:
    """As in `member status --json | head -c 1`: what is left to say has nowhere to go."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "member", "--home", str(home), "status", "--json"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False, cwd=ROOT)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
