"""Shell completion: the three programs complete their commands and options, and touch no network and no vault."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.sandbox_process import SCRIPTS


def complete(program: str, words: str, home: Path) -> list[str]:
    """What bash offers for the last of `words` (the program's name first), by the script that the README names."""
    listed = words.split(" ")
    quoted = " ".join(f"'{word}'" for word in listed)
    ask = "\n".join(
        [
            f'eval "$(_{program.upper()}_COMPLETE=bash_source {program})"',
            f"COMP_WORDS=({quoted}); COMP_CWORD={len(listed) - 1}",
            f"_{program}_completion {program}",
            "printf '%s\\n' \"${COMPREPLY[@]}\"",
        ]
    )
    environment = {"PATH": f"{SCRIPTS}:{os.environ['PATH']}", "HOME": str(home)}
    done = subprocess.run(
        ["bash", "-c", ask],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("program", "words", "offered"),
    [
        ("member", "member su", ["submit", "subscription"]),
        ("member", "member no", ["notices"]),
        ("member", "member submit --tlp AMBER+", ["AMBER+STRICT"]),
        ("member", "member alert re", ["read", "release", "responses", "review"]),
        ("member", "member request refuse x --reason not_", ["not_necessary", "not_proportionate"]),
        ("exchange", "exchange member su", ["suspend"]),
        ("keyholder", "keyholder --home h grant --un", ["--until"]),
    ],
)
def test_bash_completes_commands_options_and_codes(
    program: str, words: str, offered: list[str], tmp_path: Path
) -> None:
    assert complete(program, words, tmp_path) == offered
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("program", "shell"), [("member", "zsh"), ("exchange", "fish")])
def test_the_other_shells_have_a_script_too(program: str, shell: str) -> None:
    environment = os.environ | {f"_{program.upper()}_COMPLETE": f"{shell}_source"}
    done = subprocess.run([str(SCRIPTS / program)], env=environment, capture_output=True, text=True, check=True)
    assert f"_{program.upper()}_COMPLETE={shell}_complete" in done.stdout
    if checker := shutil.which(shell):
        subprocess.run([checker, "-n"], input=done.stdout, text=True, check=True)


def test_completing_opens_no_vault_and_asks_no_server(tmp_path: Path) -> None:
    """The home holds what could not be read: whatever looked into it would say so."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.json").write_text("no settings")
    (home / "vault.sqlite").write_text("no vault")
    assert complete("member", f"member --home {home} hi", tmp_path) == ["hits"]
    assert sorted(path.name for path in home.iterdir()) == ["config.json", "vault.sqlite"]
