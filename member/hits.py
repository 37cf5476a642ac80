"""Live hits, joined with one's own rows by token, at home: the exchange knows neither the values nor the references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from member.errors import UsedWronglyError, quoted
from member.exchange_client import ExchangeClient, Hit
from member.vault.hits import ShownHits
from member.vault.rows import OwnIndicator, VaultRows
from member.vault.store import Vault
from schemas.encoding import from_rfc3339

_BATCH = 500


def read_since(text: str | None) -> str | None:
    """`--since` as it goes on the wire: a day means its start in UTC. UsedWronglyError for anything else."""
    if text is None:
        return None
    moment = f"{text}T00:00:00Z" if len(text) == 10 else text
    try:
        from_rfc3339(moment)
    except ValueError:
        raise UsedWronglyError(f"--since {quoted(text)} is no time", "2026-11-22, or 2026-11-22T10:00:00Z") from None
    return moment


def list_hits(vault: Vault, exchange: ExchangeClient, since: str | None) -> Iterator[dict[str, Any]]:
    """Every live hit as `hits --json` gives it. What was shown is kept, to be held against the log."""
    rows, shown = VaultRows(vault), ShownHits(vault)
    for batch in _batches(exchange.hits(since)):
        shown.store((hit.hit_id, msgspec.to_builtins(hit)) for hit in batch)
        own = rows.find_by_tokens([hit.token_bytes() for hit in batch])
        for hit in batch:
            yield _describe(hit, own.get(hit.token_bytes()))


def _batches(hits: Iterable[Hit]) -> Iterator[list[Hit]]:
    batch: list[Hit] = []
    for hit in hits:
        batch.append(hit)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _describe(hit: Hit, own: OwnIndicator | None) -> dict[str, Any]:
    """A hit whose row this vault has lost is told without a value."""
    references = [] if own is None else [source.source_ref for source in own.sources if source.source_ref]
    return {
        "hit_id": hit.hit_id,
        "indicator_type": hit.indicator_type if own is None else own.indicator_type,
        "values": [] if own is None else [own.canonical],
        "source_refs": list(dict.fromkeys(references)),
        "institutions": hit.institutions,
        "sectors": hit.sectors,
        "themes": hit.themes,
        "first_seen": hit.first_seen,
        "stage": hit.stage,
    }
