"""Where a passphrase comes from: the file that the home's settings name, else the one that MEMBER_PASSPHRASE_FILE
names, else the terminal; a new one is typed twice. It is never an argument or an environment value itself. Whoever
authorises or releases types it (member.identity.access, rule 3).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path

from keys.custody.files import CustodyError, read_passphrase
from member.errors import PassphraseError
from member.identity.access import (
    REGISTRAR,
    TYPED,
    Unlocked,
    is_typed,
    known_representative,
    open_registrar,
    open_representative,
    registrar_of,
)
from member.identity.home import Home
from member.transport.channel import Identity

PASSPHRASE_VARIABLE = "MEMBER_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable


def _ask(name: str, confirm: bool) -> Callable[[], str] | None:
    """How to ask for a passphrase at the terminal, if there is one."""
    if not sys.stdin.isatty():
        return None

    def ask() -> str:
        first = getpass(f"passphrase of {name}: ", stream=sys.stderr)
        if confirm and getpass("once more: ", stream=sys.stderr) != first:
            raise CustodyError("the two passphrases differ")
        return first

    return ask


def passphrase_of(
    name: str, path: Path | None, *, confirm: bool = False, from_environment: bool = True, typed: bool = False
) -> bytes:
    """The passphrase of `analyst`, `registrar` …, 1..1024 bytes, from `path` if given; `typed`: from the terminal
    alone. Raises PassphraseError.
    """
    if typed and (path is not None or _ask(name, confirm) is None):
        beside = "" if path is None else f", without {path}"
        raise PassphraseError(f"passphrase of {name}: {TYPED}", f"give the command at a terminal{beside}")
    environ = os.environ if from_environment and not typed else {}
    try:
        return read_passphrase(path, variable=PASSPHRASE_VARIABLE, environ=environ, prompt=_ask(name, confirm))
    except CustodyError as error:
        hint = f"put it into a file (chmod 600) and name that file in {PASSPHRASE_VARIABLE}"
        raise PassphraseError(f"passphrase of {name}: {error}", hint) from error


def remembered_file(home: Home, name: str) -> Path | None:
    """The passphrase file that the home's settings name, if it is there."""
    folder, registrar = home.config.passphrase_dir, home.config.registrar
    named = registrar.passphrase_file if name == REGISTRAR and registrar else None
    path = Path(named) if named else Path(folder) / name if folder else None
    return path if path is not None and path.exists() else None


def unlock_representative(home: Home, name: str) -> Unlocked:
    """Open a representative's key file with its passphrase."""
    known_representative(home, name)
    typed = is_typed(home, home.config.representatives[name].roles)
    file = None if typed else remembered_file(home, name)
    passphrase = passphrase_of(name, file, typed=typed)
    was_typed = typed or (file is None and PASSPHRASE_VARIABLE not in os.environ)
    with _naming_sources():
        return open_representative(home, name, passphrase, was_typed=was_typed)


def unlock_registrar(home: Home) -> Identity:
    """Open the registrar's key file with its passphrase."""
    registrar_of(home)
    passphrase = passphrase_of(REGISTRAR, remembered_file(home, REGISTRAR))
    with _naming_sources():
        return open_registrar(home, passphrase)


@contextmanager
def _naming_sources() -> Iterator[None]:
    """Where a wrong passphrase may have come from."""
    try:
        yield
    except PassphraseError as error:
        error.hint = f"is it this person's? it comes from the home's settings, {PASSPHRASE_VARIABLE} or the keyboard"
        raise
