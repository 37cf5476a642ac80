"""The conduct of key holders in the vault, by epoch and the sequence of the statement that names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from member.errors import VaultError
from member.holder_conduct import Conduct
from member.vault import schema
from member.vault.store import Vault

_KIND = "holder_conduct"


class _Kept(msgspec.Struct, frozen=True):
    epoch: int
    sequence: int
    holder_id: str
    fault: str | None
    refusals: int
    losses: int


class VaultConduct:
    """A ConductBook in the vault's file. It writes through a connection of its own: the vault's is bound to one thread,
    and batches are at work in several.
    """

    def __init__(self, vault: Vault, epoch: int, sequence: int) -> None:
        self._path = Path(vault.connection.execute("PRAGMA database_list").fetchone()[2])
        self._cipher = vault.cipher
        self._epoch = epoch
        self._sequence = sequence
        self._known = {kept.holder_id: kept for kept in self._read(vault)}

    def _read(self, vault: Vault) -> list[_Kept]:
        kept = [msgspec.json.decode(payload, type=_Kept) for payload in vault.all(_KIND)]
        return [one for one in kept if (one.epoch, one.sequence) == (self._epoch, self._sequence)]

    def read(self) -> Mapping[str, Conduct]:
        """What earlier runs have kept."""
        return {name: Conduct(kept.fault, kept.refusals, kept.losses) for name, kept in self._known.items()}

    def keep(self, holder_id: str, conduct: Conduct) -> None:
        """Keep it at once. Where another process keeps the vault busy, the next change keeps it too."""
        self._known[holder_id] = _Kept(
            self._epoch, self._sequence, holder_id, conduct.fault, conduct.refusals, conduct.losses
        )
        vault = Vault(schema.connect(self._path), self._cipher)
        try:
            with vault.transaction():
                for name, kept in list(self._known.items()):
                    vault.put(_KIND, f"{self._epoch}|{self._sequence}|{name}".encode(), msgspec.json.encode(kept))
        except VaultError:
            return
        finally:
            vault.close()
