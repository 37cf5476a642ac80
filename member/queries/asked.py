"""What a query asked about, in the vault of the home that asked it: the exchange never sees the values."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from member.vault.store import Vault

_QUERY = "query"


class AskedSubject(msgspec.Struct, frozen=True):
    """A value that was asked about, and its token (32 bytes)."""

    value: str
    indicator_type: str
    token: bytes


def keep_asked(vault: Vault, query_id: str, asked: Sequence[AskedSubject]) -> None:
    """Keep what a query asks about. Inside a transaction of the caller."""
    vault.put(_QUERY, query_id.encode(), msgspec.msgpack.encode(asked))


def asked_about(vault: Vault, query_id: str) -> list[AskedSubject]:
    """What a query asked about; nothing if this vault did not ask it."""
    payload = vault.get(_QUERY, query_id.encode())
    return [] if payload is None else msgspec.msgpack.decode(payload, type=list[AskedSubject])
