"""Live hits, joined with one's own rows by token, at home: the exchange knows neither the values nor the references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from member.errors import AnswerError
from member.indicators.hit_progress import HitProgress, Progress
from member.log.faults import naming_entry
from member.transport.channel import shown_token
from member.transport.exchange_client import ExchangeClient
from member.vault.hits import ShownHits
from member.vault.rows import OwnIndicator, VaultRows
from member.vault.store import Vault
from member.workplace.workplace import Workplace
from schemas.hits import DisclosedHit
from schemas.terms import InstitutionBand
from schemas.values.encoding import to_rfc3339
from schemas.values.identifiers import made_at

_BATCH = 500


class RequestOfHit(msgspec.Struct, frozen=True):
    """A request of ours about a hit, and its state."""

    request_id: str
    state: str


class ListedHit(msgspec.Struct, frozen=True, kw_only=True):
    """A live hit as `hits --json` gives it: what the exchange shows, one's own rows, and how far one has come.

    `came_at` is when there was an overlap for the first time, `changed_at` when it was last disclosed anew; `new` is
    what a representative was not shown before, or otherwise.
    """

    hit_id: str
    indicator_type: str
    values: list[str]
    source_refs: list[str]
    institutions: str
    widely_held: bool
    sectors: list[str]
    themes: list[str]
    first_seen: str
    stage: str
    came_at: str
    changed_at: str
    new: bool
    state: str
    requests: list[RequestOfHit]
    assessed: str | None
    outcome: bool


@dataclass(frozen=True)
class HitFilters:
    """A filter of hits; an empty set matches all."""

    types: frozenset[str] = frozenset()
    bands: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    only_new: bool = False

    def matches(self, hit: ListedHit) -> bool:
        """Whether the filter matches a hit."""
        chosen = ((self.types, hit.indicator_type), (self.bands, hit.institutions), (self.states, hit.state))
        return all(not codes or code in codes for codes, code in chosen) and (hit.new or not self.only_new)


def list_hits(vault: Vault, exchange: ExchangeClient, since: str | None, reader: str = "") -> Iterator[ListedHit]:
    """Every live hit, as that representative sees it. What was shown is kept, to be held against the log."""
    rows, shown = VaultRows(vault), ShownHits(vault)
    progress = HitProgress(vault)
    for batch in _batches(exchange.hits(since)):
        shown.store(batch)
        own = rows.find_by_tokens([shown_token(hit.token) for hit in batch])
        for hit in batch:
            new = shown.seen_by(reader, hit.hit_id) != hit.disclosed_at
            yield _listed(hit, own.get(shown_token(hit.token)), progress.of(hit.hit_id), new=new)


def _came_at(hit: DisclosedHit) -> str:
    try:
        return to_rfc3339(made_at(hit.hit_id))
    except ValueError:
        raise AnswerError("the exchange showed a hit without a proper id") from None


def _batches(hits: Iterable[DisclosedHit]) -> Iterator[list[DisclosedHit]]:
    batch: list[DisclosedHit] = []
    for hit in hits:
        batch.append(hit)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _listed(hit: DisclosedHit, own: OwnIndicator | None, progress: Progress, *, new: bool) -> ListedHit:
    """A hit whose row this vault has lost is shown without a value."""
    references = [] if own is None else [source.source_ref for source in own.sources if source.source_ref]
    return ListedHit(
        hit_id=hit.hit_id,
        indicator_type=hit.indicator_type if own is None else own.indicator_type,
        values=[] if own is None else [own.canonical],
        source_refs=list(dict.fromkeys(references)),
        institutions=hit.institutions,
        widely_held=hit.institutions == InstitutionBand.FIVE_OR_MORE,
        sectors=hit.sectors,
        themes=hit.themes,
        first_seen=hit.first_seen,
        stage=hit.stage,
        came_at=_came_at(hit),
        changed_at=hit.disclosed_at,
        new=new,
        state=progress.state.value,
        requests=[RequestOfHit(request_id, state) for request_id, state in progress.requests.items()],
        assessed=progress.assessed,
        outcome=progress.outcome,
    )


def look_at_hits(workplace: Workplace, since: str | None, filters: HitFilters) -> Iterator[ListedHit]:
    """The hits as the acting representative sees them, once what was done about them is read from the own log, for the
    acting key is one that the registrars signed. What is shown is to be marked (`mark_seen`).
    """
    origin = workplace.log_origin(workplace.keyring)
    with naming_entry():
        HitProgress(workplace.vault).catch_up(workplace.exchange, workplace.home.member_id, origin)
    every = list_hits(workplace.vault, workplace.exchange, since, workplace.acting_as)
    return (hit for hit in every if filters.matches(hit))


def mark_seen(workplace: Workplace, hits: Iterable[ListedHit]) -> None:
    """Keep that these were shown to the acting representative: they are new no more."""
    new = [(hit.hit_id, hit.changed_at) for hit in hits if hit.new]
    if new:
        ShownHits(workplace.vault).mark_seen(workplace.acting_as, new)
