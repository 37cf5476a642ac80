"""Who sits at the keyboard: passphrases, and what each unlocks.

Rules, in order:
1. Each representative has its own passphrase. It unlocks that representative's signing key and, beside it, the one
   vault key: both work on the same rows, and neither can sign as the other.
2. A passphrase comes from the file that the home's settings name, else from the one that MEMBER_PASSPHRASE_FILE names,
   else from the terminal; a new one is typed twice. It is never an argument or an environment value itself.
3. There is no default passphrase, and no second way in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from getpass import getpass
from pathlib import Path

from keys.custody import CustodyError, read_passphrase, read_secret, write_secret
from keys.ed25519 import SEED_BYTES, SigningKey
from member.channel import Identity
from member.errors import HomeError, PassphraseError, UsedWronglyError
from member.home import Home
from member.vault.cipher import KEY_BYTES
from member.vault.store import Vault

PASSPHRASE_VARIABLE = "MEMBER_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
REGISTRAR = "registrar"
_REGISTRAR_PURPOSE = "registrar-signing-key"


@dataclass(frozen=True)
class Unlocked:
    """What a representative's passphrase opens."""

    identity: Identity
    vault_key: bytes = field(repr=False)


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


def passphrase_of(name: str, path: Path | None, *, confirm: bool = False, from_environment: bool = True) -> bytes:
    """The passphrase of `analyst`, `registrar` …, 1..1024 bytes, from `path` if given. Raises PassphraseError."""
    environ = os.environ if from_environment else {}
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


def lock_representative(home: Home, name: str, key: SigningKey, vault_key: bytes, passphrase: bytes) -> None:
    """Write a representative's key file."""
    _write(home.key_path(name), key.to_seed() + vault_key, passphrase, _purpose(home, name))


def unlock_representative(home: Home, name: str) -> Unlocked:
    """Open a representative's key file with its passphrase."""
    known_representative(home, name)
    secret = _read(home.key_path(name), passphrase_of(name, remembered_file(home, name)), _purpose(home, name))
    if len(secret) != SEED_BYTES + KEY_BYTES:
        raise HomeError(f"{home.key_path(name)} is damaged", "restore it from a backup")
    key = SigningKey.from_seed(secret[:SEED_BYTES])
    return Unlocked(Identity(f"{home.member_id}/{name}", key), secret[SEED_BYTES:])


def known_representative(home: Home, name: str) -> None:
    """UsedWronglyError unless this home holds the representative's key."""
    if name not in home.config.representatives:
        known = ", ".join(sorted(home.config.representatives)) or "none"
        raise UsedWronglyError(f"no representative {name} has a key in this home", f"it holds: {known}")


def lock_registrar(home: Home, key: SigningKey, passphrase: bytes) -> None:
    """Write the registrar's key file."""
    _write(home.key_path(REGISTRAR), key.to_seed(), passphrase, _REGISTRAR_PURPOSE)


def unlock_registrar(home: Home) -> Identity:
    """Open the registrar's key file with its passphrase."""
    if home.config.registrar is None:
        raise HomeError("no registrar's key lies in this home", "member --home DIR registrar init ID")
    passphrase = passphrase_of(REGISTRAR, remembered_file(home, REGISTRAR))
    seed = _read(home.key_path(REGISTRAR), passphrase, _REGISTRAR_PURPOSE)
    return Identity(f"registrar/{home.config.registrar.registrar_id}", SigningKey.from_seed(seed))


def open_vault(home: Home, unlocked: Unlocked) -> Vault:
    """The member's vault."""
    return Vault.open(home.vault_path, unlocked.vault_key, home.member_id)


def _purpose(home: Home, name: str) -> str:
    return f"representative {home.member_id}/{name}"


def _write(path: Path, secret: bytes, passphrase: bytes, purpose: str) -> None:
    try:
        write_secret(path, secret, passphrase, purpose)
    except CustodyError as error:
        raise HomeError(str(error)) from error


def _read(path: Path, passphrase: bytes, purpose: str) -> bytes:
    try:
        return read_secret(path, passphrase, purpose)
    except CustodyError as error:
        hint = f"is it this person's? it comes from the home's settings, {PASSPHRASE_VARIABLE} or the keyboard"
        raise PassphraseError(str(error), hint) from error
