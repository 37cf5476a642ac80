"""The conduct of key holders in the vault, by epoch and the sequence of the statement that names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from member.errors import VaultError
from member.tokens.holder_conduct import Conduct
from member.vault import schema
from member.vault.store import Vault

_KIND = "holder_conduct"


class _KeptConduct(msgspec.Struct, frozen=True):
    epoch: int
    sequence: int
    holder_id: str
    fault: str | None
    refusals: int
    losses: int
    answered: int


class VaultConductStore:
    """A ConductStore in the vault's file. It writes through its own connection: the vault's is bound to one thread, and
    batches are at work in several.

    Several processes may keep one holder's conduct: each adds what it has met itself, and none takes back a fault.
    """

    def __init__(self, vault: Vault, epoch: int, sequence: int) -> None:
        self._path = Path(vault.connection.execute("PRAGMA database_list").fetchone()[2])
        self._cipher = vault.cipher
        self._epoch = epoch
        self._sequence = sequence
        self._saved = self._read(vault)
        self._known = dict(self._saved)

    def _read(self, vault: Vault) -> dict[str, Conduct]:
        kept = [msgspec.json.decode(payload, type=_KeptConduct) for payload in vault.all(_KIND)]
        here = [one for one in kept if (one.epoch, one.sequence) == (self._epoch, self._sequence)]
        return {one.holder_id: _conduct(one) for one in here}

    def read(self) -> Mapping[str, Conduct]:
        """What earlier runs have kept, and this one since."""
        return dict(self._known)

    def keep(self, holder_id: str, conduct: Conduct) -> None:
        """Keep it at once. Where another process keeps the vault busy, the next change keeps it too."""
        self._known[holder_id] = conduct
        changed = {name: known for name, known in list(self._known.items()) if known != self._saved.get(name)}
        vault = Vault(schema.connect(self._path), self._cipher)
        try:
            with vault.transaction():
                for name, known in changed.items():
                    self._add(vault, name, known)
        except VaultError:
            return
        finally:
            vault.close()
        self._saved.update(changed)

    def _add(self, vault: Vault, holder_id: str, known: Conduct) -> None:
        """Add to the record what is new since this process last kept it."""
        name = f"{self._epoch}|{self._sequence}|{holder_id}".encode()
        payload = vault.get(_KIND, name)
        stored = Conduct() if payload is None else _conduct(msgspec.json.decode(payload, type=_KeptConduct))
        saved = self._saved.get(holder_id, Conduct())
        kept = _KeptConduct(
            self._epoch,
            self._sequence,
            holder_id,
            stored.fault or known.fault,
            max(0, stored.refusals + known.refusals - saved.refusals),
            max(0, stored.losses + known.losses - saved.losses),
            max(0, stored.answered + known.answered - saved.answered),
        )
        vault.put(_KIND, name, msgspec.json.encode(kept))


def _conduct(kept: _KeptConduct) -> Conduct:
    return Conduct(kept.fault, kept.refusals, kept.losses, kept.answered)
