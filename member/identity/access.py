"""Who works in a home: what each passphrase unlocks.

Rules, in order:
1. Each representative has its own passphrase, and outside a sandbox its own home. It unlocks that representative's
   signing key and, beside it, the key to which the vault key is wrapped for it: all work on the same rows, and nobody
   can sign as another.
2. Where a passphrase comes from is the face's affair (member.commands.shared.passphrases for a terminal); here it is
   bytes, and whether a person typed them.
3. Who authorises or releases is a person: outside a sandbox its passphrase is typed, whatever files there are. The key
   file fixes the roles, and whether it is a sandbox's, under the passphrase: settings changed by hand open nothing. Who
   is given such a role later acts with a typed passphrase too, by the member's statement.
4. There is no default passphrase, no weak one (keys.custody.files), and no second way in.
5. A home opens one vault: the one that it opened first, under the key that it knows or one that follows it. An older
   key is refused: somebody who was let out may have it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from keys.custody.files import CustodyError, check_new_passphrase, read_secret, write_secret
from keys.sealing.hybrid import EncryptionKey
from keys.signatures.ed25519 import SEED_BYTES, SigningKey
from member.errors import HomeError, PassphraseError, UsageError, WrongKeyError
from member.identity.home import Home, LocalRegistrar
from member.next_steps import Act, Next
from member.transport.channel import Identity
from member.vault.cipher import KEY_BYTES, VaultCipher
from member.vault.store import Vault
from schemas.terms import Role

REGISTRAR = "registrar"
TYPED_ROLES = frozenset({Role.AUTHORISER, Role.RELEASER})
"""Roles of a second person."""
_REGISTRAR_PURPOSE = "registrar-signing-key"
TYPED = "who authorises or releases types it; outside a sandbox no file stands for a person"


@dataclass(frozen=True)
class Unlocked:
    """What a representative's passphrase opens. Who was not let into the vault has a signing key all the same."""

    home: Home
    name: str
    identity: Identity
    wrap_key: EncryptionKey = field(repr=False)
    passphrase: bytes = field(repr=False)
    was_typed: bool = False
    """Whether a person typed the passphrase, and no file held it."""

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


def open_representative(home: Home, name: str, passphrase: bytes, *, was_typed: bool) -> Unlocked:
    """Open a representative's key file. PassphraseError for a wrong passphrase, and for one that was not typed though
    rule 3 asks for that.
    """
    known_representative(home, name)
    roles = home.config.representatives[name].roles
    if is_typed(home, roles) and not was_typed:
        raise PassphraseError(f"passphrase of {name}: {TYPED}")
    secret = _read(home.key_path(name), passphrase, _purpose(home, name, roles))
    try:
        key, wrap_key = SigningKey.from_seed(secret[:SEED_BYTES]), EncryptionKey(secret[SEED_BYTES:])
    except ValueError:
        raise HomeError(f"{home.key_path(name)} is damaged", "restore it from a backup") from None
    return Unlocked(home, name, Identity(f"{home.member_id}/{name}", key), wrap_key, passphrase, was_typed)


def check_typed(unlocked: Unlocked, stated_roles: Collection[str]) -> None:
    """Rule 3, of the roles that the registrars have stated. PassphraseError if a file served one who authorises."""
    if is_typed(unlocked.home, stated_roles) and not unlocked.was_typed:
        cure = "type it at a terminal, without the file that its settings or the environment name"
        raise PassphraseError(f"passphrase of {unlocked.name}: {TYPED}", cure)


def known_representative(home: Home, name: str) -> None:
    """UsageError unless this home holds the representative's key."""
    if name not in home.config.representatives:
        known = ", ".join(sorted(home.config.representatives)) or "none"
        raise UsageError(f"no representative {name} has a key in this home", f"it holds: {known}")


def lock_registrar(home: Home, key: SigningKey, passphrase: bytes) -> None:
    """Write the registrar's key file."""
    _write(home.key_path(REGISTRAR), key.to_seed(), passphrase, _REGISTRAR_PURPOSE)


def open_registrar(home: Home, passphrase: bytes) -> Identity:
    """Open the registrar's key file."""
    seed = _read(home.key_path(REGISTRAR), passphrase, _REGISTRAR_PURPOSE)
    return Identity(f"registrar/{registrar_of(home).registrar_id}", SigningKey.from_seed(seed))


def registrar_of(home: Home) -> LocalRegistrar:
    """The registrar whose key lies in this home. HomeError if none does."""
    if home.config.registrar is None:
        raise HomeError("no registrar's key lies in this home", then=Next(Act.MAKE_REGISTRAR))
    return home.config.registrar


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
        raise PassphraseError(str(error), "is it this person's?") from error
