"""Who sits at the keyboard: passphrases, and what each unlocks.

Rules, in order:
1. Each representative has its own passphrase, and outside a sandbox its own home. It unlocks that representative's
   signing key and, beside it, the key to which the vault key is wrapped for it: all work on the same rows, and nobody
   can sign as another.
2. A passphrase comes from the file that the home's settings name, else from the one that MEMBER_PASSPHRASE_FILE names,
   else from the terminal; a new one is typed twice. It is never an argument or an environment value itself.
3. Who authorises or releases is a person: outside a sandbox its passphrase is typed, whatever files there are. The key
   file fixes the roles, and whether it is a sandbox's, under the passphrase: settings changed by hand open nothing. Who
   is given such a role later acts with a typed passphrase too, by the member's statement.
4. There is no default passphrase, no weak one (keys.custody.files), and no second way in.
5. A home opens one vault: the one that it opened first, under the key that it knows or one that follows it. An older
   key is refused: somebody who was let out may have it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from getpass import getpass
from pathlib import Path

from keys.custody.files import CustodyError, check_new_passphrase, read_passphrase, read_secret, write_secret
from keys.sealing.hybrid import EncryptionKey
from keys.signatures.ed25519 import SEED_BYTES, SigningKey
from member.errors import HomeError, PassphraseError, UsageError, WrongKeyError
from member.identity.home import Home
from member.transport.channel import Identity
from member.vault.cipher import KEY_BYTES, VaultCipher
from member.vault.store import Vault
from schemas.terms import Role

PASSPHRASE_VARIABLE = "MEMBER_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
REGISTRAR = "registrar"
TYPED_ROLES = frozenset({Role.AUTHORISER, Role.RELEASER})
"""Roles of a second person."""
_REGISTRAR_PURPOSE = "registrar-signing-key"
_TYPED = "who authorises or releases types it; outside a sandbox no file stands for a person"


@dataclass(frozen=True)
class Unlocked:
    """What a representative's passphrase opens. Who was not let into the vault has a signing key all the same."""

    home: Home
    name: str
    identity: Identity
    wrap_key: EncryptionKey = field(repr=False)
    passphrase: bytes = field(repr=False)
    was_typed: bool = False
    """Whether the passphrase came from the terminal, and from no file."""

    @cached_property
    def vault_key(self) -> bytes:
        """The key of the member's vault. HomeError for whoever was not let in, and for another vault than before."""
        vault_key = self._fitting(self.home.vault_folder.unwrap(self.name, self.wrap_key))
        check_vault_key(self.home, vault_key)
        return vault_key

    def _fitting(self, keys: list[bytes]) -> bytes:
        """The key that the vault is under, if a change of it stopped half way."""
        for key in keys[:-1]:
            try:
                Vault.open(self.home.vault_path, key, self.home.member_id).close()
            except WrongKeyError:
                continue
            return key
        return keys[-1]


def vault_id(vault_key: bytes) -> str:
    """What tells one vault key from another, in hexadecimal; says nothing of the key."""
    later = [vault_key[start : start + KEY_BYTES] for start in range(KEY_BYTES, len(vault_key), KEY_BYTES)]
    return VaultCipher(vault_key).mac("vault-id", *later).hex()


def check_vault_key(home: Home, vault_key: bytes) -> None:
    """Rule 5; the home keeps what it has opened. HomeError for another vault, and for an older key of the same."""
    known, parts = home.config.vault_id, home.config.vault_key_parts
    found, place = len(vault_key) // KEY_BYTES, home.vault_folder.path
    if known is not None and found < parts:
        hint = "somebody put back an older copy: find out who; restore a backup made since the key was changed"
        raise HomeError(f"{place} is under an older key than this home has opened it with", hint, slug="older_key")
    if known is not None and vault_id(vault_key[: parts * KEY_BYTES]) != known:
        hint = "find out who put it there; restore the right one from a backup"
        raise HomeError(f"{place} holds another vault than this home has opened", hint)
    if known is None or found > parts:
        home.save(vault_id=vault_id(vault_key), vault_key_parts=found)


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
        raise PassphraseError(f"passphrase of {name}: {_TYPED}", f"give the command at a terminal{beside}")
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


def is_typed(home: Home, roles: Collection[str]) -> bool:
    """Whether the passphrase of a representative with these roles may come from no file."""
    return not home.config.sandbox and bool(TYPED_ROLES & set(roles))


def check_passphrase(home: Home, name: str, passphrase: bytes, others: Collection[bytes] = ()) -> None:
    """PassphraseError for a weak one, and for one that another person of this home has: whose key lies here already, or
    (`others`) is being made with it.
    """
    try:
        check_new_passphrase(passphrase, home.member_id, name)
    except CustodyError as error:
        raise PassphraseError(f"passphrase of {name}: {error}", "choose another one") from error
    beside = home.config.representatives.keys() - {name}
    if passphrase in others or any(_opens(home, other, passphrase) for other in beside):
        raise PassphraseError(f"passphrase of {name}: another representative has it", "two people have two passphrases")


def lock_representative(
    home: Home, name: str, roles: Collection[str], key: SigningKey, wrap_key: EncryptionKey, *, passphrase: bytes
) -> None:
    """Write the key file of a representative with these roles. PassphraseError for a weak passphrase."""
    check_passphrase(home, name, passphrase)
    _write(home.key_path(name), key.to_seed() + wrap_key.to_bytes(), passphrase, _purpose(home, name, roles))


def unlock_representative(home: Home, name: str) -> Unlocked:
    """Open a representative's key file with its passphrase."""
    known_representative(home, name)
    roles = home.config.representatives[name].roles
    typed = is_typed(home, roles)
    file = None if typed else remembered_file(home, name)
    passphrase = passphrase_of(name, file, typed=typed)
    secret = _read(home.key_path(name), passphrase, _purpose(home, name, roles))
    try:
        key, wrap_key = SigningKey.from_seed(secret[:SEED_BYTES]), EncryptionKey(secret[SEED_BYTES:])
    except ValueError:
        raise HomeError(f"{home.key_path(name)} is damaged", "restore it from a backup") from None
    was_typed = typed or (file is None and PASSPHRASE_VARIABLE not in os.environ)
    return Unlocked(home, name, Identity(f"{home.member_id}/{name}", key), wrap_key, passphrase, was_typed)


def check_typed(unlocked: Unlocked, stated_roles: Collection[str]) -> None:
    """Rule 3, of the roles that the registrars have stated. PassphraseError if a file served one who authorises."""
    if is_typed(unlocked.home, stated_roles) and not unlocked.was_typed:
        cure = "give the command at a terminal, without the file that its settings or the environment name"
        raise PassphraseError(f"passphrase of {unlocked.name}: {_TYPED}", cure)


def known_representative(home: Home, name: str) -> None:
    """UsageError unless this home holds the representative's key."""
    if name not in home.config.representatives:
        known = ", ".join(sorted(home.config.representatives)) or "none"
        raise UsageError(f"no representative {name} has a key in this home", f"it holds: {known}")


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


def _opens(home: Home, name: str, passphrase: bytes) -> bool:
    """Whether a representative's key file in this home opens with the passphrase."""
    purpose = _purpose(home, name, home.config.representatives[name].roles)
    try:
        read_secret(home.key_path(name), passphrase, purpose)
    except CustodyError:
        return False
    return True


def _purpose(home: Home, name: str, roles: Collection[str]) -> str:
    """What a key file is for; authenticated under its passphrase (keys.custody.files)."""
    kind = "sandbox's representative" if home.config.sandbox else "representative"
    return f"{kind} {home.member_id}/{name} with the roles {', '.join(sorted(set(roles))) or 'none'}"


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
