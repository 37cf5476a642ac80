"""What of one's own rows was taken back and not listed again since, whatever the epoch (docs/adr/0040).

The exchange knows a row by its token, which is another in each epoch; the vault knows the indicator. A row stands in a
group as its latest submission that was no duplicate does. Where this vault knows of duplicates alone, as one that was
restored from a copy does, whatever was taken back counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from member.vault.rows import Source, VaultRows
from member.vault.store import Vault
from member.vault.uploads import Uploads


class TakenBackRows:
    """The rows that were taken back, in an open vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._rows = VaultRows(vault)
        self._uploads = Uploads(vault)
        self._groups: dict[str, str] = {}

    def reasons(self, lookups: Sequence[bytes], group: str) -> dict[bytes, str]:
        """Of these indicators, by look-up, those whose row in the group was taken back, and why."""
        if not lookups or not self._uploads.has_withdrawn():
            return {}
        found = {}
        for lookup, sources in self._sources(lookups, group):
            own = [source.submission_id for source in sources if not source.is_duplicate]
            held = [max(own)] if own else sorted({source.submission_id for source in sources})
            reasons = (self._uploads.why_withdrawn(one, lookup) for one in held)
            reason = next(filter(None, reasons), None)
            if reason is not None:
                found[lookup] = reason
        return found

    def keep(self, reasons: Mapping[bytes, str], group: str) -> None:
        """Note what the exchange says was taken back, of which this vault did not know."""
        if not reasons:
            return
        with self._vault.transaction():
            for lookup, sources in list(self._sources(list(reasons), group)):
                for submission_id in {source.submission_id for source in sources}:
                    self._uploads.keep_withdrawn(submission_id, lookup, reasons[lookup])

    def _sources(self, lookups: Sequence[bytes], group: str) -> Iterator[tuple[bytes, list[Source]]]:
        for lookup, sources in self._rows.sources_of(lookups).items():
            yield lookup, [source for source in sources if self._group_of(source.submission_id) == group]

    def _group_of(self, submission_id: str) -> str:
        if submission_id not in self._groups:
            kept = self._uploads.envelope(submission_id)
            self._groups[submission_id] = "" if kept is None else kept.group
        return self._groups[submission_id]
