"""One's own rows in the order in which they came, each with how it stands: one pass over the vault, a page at a time.

Rules, in order:
1. A row that was taken back is withdrawn, whatever else it is.
2. A row of an unfinished upload that the exchange has not confirmed is pending.
3. A row that was a duplicate when it came is no row at the exchange: it stands as the row does of which it is one, and
   is a duplicate as long as that lives.
4. Any other is active to the end of its submission's last day (UTC), and expired from then on.
A row that was refused is not kept, and so in no state.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from functools import lru_cache

import msgspec

from member.vault.rows import OwnRow, Source, VaultRows
from member.vault.store import Vault
from member.vault.uploads import Uploads
from schemas.submissions import KeptEnvelope

_REMEMBERED = 65_536


class RowState(StrEnum):
    """How an own row stands at the exchange, as far as this vault knows."""

    ACTIVE = "active"
    DUPLICATE = "duplicate"
    PENDING = "pending"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


LIVE = frozenset({RowState.ACTIVE, RowState.PENDING})
"""The states of rows that have an end of their own before them."""


class StandingRow(msgspec.Struct, frozen=True):
    """An own row and how it stands: why it was taken back (schemas.terms.WithdrawalReason), else None; its group and
    the last day on which it counts, YYYY-MM-DD, None where nothing was kept of its envelope.
    """

    row: OwnRow
    state: RowState
    withdrawal_reason: str | None
    group: str | None
    expires_on: str | None


class StandingRows:
    """The own rows of an open vault, as they stand on a day."""

    def __init__(self, vault: Vault, today: date) -> None:
        self._rows = VaultRows(vault)
        self._uploads = Uploads(vault)
        self._today = today.isoformat()
        self._has_withdrawn = self._uploads.has_withdrawn()
        self._confirmed = {
            one.submission_id: self._uploads.confirmed_line(one.submission_id) for one in self._uploads.unfinished()
        }
        self._envelope = lru_cache(_REMEMBERED)(self._uploads.envelope)
        self._original = lru_cache(_REMEMBERED)(self._find_original)

    def every(self) -> Iterator[StandingRow]:
        """All of them, in the order in which they were first stored."""
        for lookup, row in self._rows.every_row():
            yield self._standing(lookup, row)

    def _standing(self, lookup: bytes, row: OwnRow) -> StandingRow:
        source, kept = row.source, self._envelope(row.source.submission_id)
        group, expires_on = _group_of(kept), _last_day_of(kept)
        reason, state = self._why_withdrawn(source.submission_id, lookup), RowState.ACTIVE
        if reason is None and self._is_pending(source):
            state = RowState.PENDING
        elif reason is None and source.is_duplicate:
            state = RowState.DUPLICATE
            original = self._original(lookup, group)
            if original is not None:
                expires_on = _last_day_of(self._envelope(original))
                reason = self._why_withdrawn(original, lookup)
        if reason is not None:
            state = RowState.WITHDRAWN
        elif state is not RowState.PENDING and expires_on is not None and expires_on < self._today:
            state = RowState.EXPIRED
        return StandingRow(row, state, reason, group, expires_on)

    def _why_withdrawn(self, submission_id: str, lookup: bytes) -> str | None:
        return self._uploads.why_withdrawn(submission_id, lookup) if self._has_withdrawn else None

    def _is_pending(self, source: Source) -> bool:
        confirmed = self._confirmed.get(source.submission_id)
        return confirmed is not None and source.line > confirmed

    def _find_original(self, lookup: bytes, group: str | None) -> str | None:
        """The latest submission that has a row of the indicator in the group (docs/adr/0040)."""
        sources = self._rows.sources_of([lookup], with_duplicates=False).get(lookup, [])
        own = {source.submission_id for source in sources}
        return max((one for one in own if _group_of(self._envelope(one)) == group), default=None)


def _group_of(kept: KeptEnvelope | None) -> str | None:
    return None if kept is None else kept.group


def _last_day_of(kept: KeptEnvelope | None) -> str | None:
    return None if kept is None else kept.expires_on.isoformat()
