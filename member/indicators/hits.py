"""Live hits, joined with one's own rows by token, at home: the exchange knows neither the values nor the references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from member.errors import AnswerError, UsedWronglyError, quoted
from member.indicators.hit_progress import HitProgress, Progress
from member.transport.exchange_client import ExchangeClient, Hit
from member.vault.hits import ShownHits
from member.vault.rows import OwnIndicator, VaultRows
from member.vault.store import Vault
from schemas.terms import InstitutionBand
from schemas.values.encoding import from_rfc3339, to_rfc3339
from schemas.values.identifiers import made_at

_BATCH = 500


def read_since(text: str | None) -> str | None:
    """`--since` as it goes on the wire: a day means its start in UTC. UsedWronglyError for anything else."""
    if text is None:
        return None
    moment = f"{text}T00:00:00Z" if len(text) == 10 else text
    try:
        from_rfc3339(moment)
    except ValueError:
        raise UsedWronglyError(
            f"--since {quoted(text)} is not a valid time", "2026-11-22, or 2026-11-22T10:00:00Z"
        ) from None
    return moment


@dataclass(frozen=True)
class Filters:
    """Which hits are wanted; an empty set wants all."""

    types: frozenset[str] = frozenset()
    bands: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    only_new: bool = False

    def want(self, hit: Mapping[str, Any]) -> bool:
        """Whether a hit, as `list_hits` gives it, is wanted."""
        chosen = ((self.types, "indicator_type"), (self.bands, "institutions"), (self.states, "state"))
        return all(not codes or hit[name] in codes for codes, name in chosen) and (hit["new"] or not self.only_new)


def list_hits(vault: Vault, exchange: ExchangeClient, since: str | None, reader: str = "") -> Iterator[dict[str, Any]]:
    """Every live hit as `hits --json` gives it; `new` is what that representative was not shown before, or otherwise.
    What was shown is kept, to be held against the log.
    """
    rows, shown = VaultRows(vault), ShownHits(vault)
    progress = HitProgress(vault)
    for batch in _batches(exchange.hits(since)):
        shown.store((hit.hit_id, msgspec.to_builtins(hit)) for hit in batch)
        own = rows.find_by_tokens([hit.token_bytes() for hit in batch])
        for hit in batch:
            described = _describe(hit, own.get(hit.token_bytes()))
            new = shown.seen_by(reader, hit.hit_id) != hit.disclosed_at
            yield {**described, **_came(hit), "new": new, **_described_progress(progress.of(hit.hit_id))}


def _came(hit: Hit) -> dict[str, Any]:
    """When there was an overlap for the first time, by the hit's id, and when this was last told otherwise."""
    try:
        came_at = to_rfc3339(made_at(hit.hit_id))
    except ValueError:
        raise AnswerError("the exchange showed a hit without a proper id") from None
    return {"came_at": came_at, "changed_at": hit.disclosed_at}


def _described_progress(found: Progress) -> dict[str, Any]:
    requests = [{"request_id": request_id, "state": state} for request_id, state in found.requests.items()]
    return {"state": found.state.value, "requests": requests, "assessed": found.assessed, "outcome": found.outcome}


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
        "widely_held": hit.institutions == InstitutionBand.FIVE_OR_MORE,
        "sectors": hit.sectors,
        "themes": hit.themes,
        "first_seen": hit.first_seen,
        "stage": hit.stage,
    }
