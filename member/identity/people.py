"""For whom the vault opens: the people of this member as those who have the vault key know them.

Rules, in order:
1. Somebody whom the vault opens for lets another in, by sealing the vault key to that one's key (vault_folder.py).
2. One person is one person: no two have the same key, of either kind.
3. Whoever is let out has no wrap any more, and with a new vault key cannot open what is written from then on, even with
   a copy of the old key. What it copied before, it has. A home that has opened the vault under the new key refuses the
   old one (member.identity.access); one that has not yet cannot know of it.
"""

from __future__ import annotations

import os
from contextlib import suppress

import msgspec

from member.errors import HomeError, VaultError
from member.identity.vault_folder import VaultFolder
from member.vault.cipher import KEY_BYTES, MAX_KEYS, VaultCipher
from member.vault.rekey import change_key
from member.vault.store import Vault
from schemas.values.encoding import from_base64

_KIND = "person"


class Person(msgspec.Struct, frozen=True):
    """A person's name and public keys (base64): what it signs with, what the vault key is sealed to."""

    name: str
    public_key: str
    wrap_key: str


def people_of(vault: Vault) -> list[Person]:
    """All for whom the vault opens, by name."""
    return sorted((msgspec.json.decode(each, type=Person) for each in vault.all(_KIND)), key=lambda one: one.name)


def let_in(vault: Vault, folder: VaultFolder, vault_key: bytes, person: Person, *, ahead: bool = False) -> None:
    """Open the vault for a person, or for its new keys; `ahead` of a change of its keys beside the ones that it has, so
    that it opens for whichever lie in its home. Inside a transaction. HomeError for keys that another has.
    """
    for other in people_of(vault):
        same = {other.public_key, other.wrap_key} & {person.public_key, person.wrap_key}
        if other.name != person.name and same:
            hint = "each person makes a key in a home of their own"
            raise HomeError(f"{person.name} has the key of {other.name}: one person is not two", hint, slug="same_key")
        if ahead and other.name == person.name:
            folder.wrap(other.name, from_base64(other.wrap_key), vault_key)
    folder.wrap(person.name, from_base64(person.wrap_key), vault_key, ahead=ahead)
    vault.put(_KIND, person.name.encode(), msgspec.json.encode(person))


def let_out(vault: Vault, folder: VaultFolder, name: str) -> None:
    """Close the vault for a person. Inside a transaction."""
    vault.delete(_KIND, name.encode())
    folder.drop(name)


def put_under_new_key(vault: Vault, folder: VaultFolder, vault_key: bytes) -> bytes:
    """Put the vault under a new key, and wrap it for all whom it opens for; the new key.

    Wraps of both keys lie there before the vault changes, those of the new one beside the others, and whoever changes
    them holds the vault's lock: whenever it stops, and whatever another change left behind, one of the two opens it.
    HomeError after too many changes, VaultError if another process keeps the vault busy.
    """
    if len(vault_key) >= MAX_KEYS * KEY_BYTES:
        raise HomeError("this vault has changed its key too often", "export its rows, and submit them from a new vault")
    fresh = vault_key + os.urandom(KEY_BYTES)
    with vault.transaction():
        for each in people_of(vault):
            wrap_key = from_base64(each.wrap_key)
            folder.wrap(each.name, wrap_key, vault_key)
            folder.wrap(each.name, wrap_key, fresh, ahead=True)
        change_key(vault, fresh)
    vault.cipher = VaultCipher(fresh)
    with suppress(VaultError), vault.transaction():  # where it is busy, the wraps beside open it
        for each in people_of(vault):
            folder.wrap(each.name, from_base64(each.wrap_key), fresh)
    return fresh
