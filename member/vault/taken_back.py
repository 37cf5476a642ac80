"""What of one's own rows was taken back and not listed again since, whatever the epoch (docs/adr/0040).

The exchange knows a row by its token, which is another in each epoch; the vault knows the indicator. In order:
1. An indicator taken back by its value has a mark in each group, whatever the vault knows of its submissions, until the
   exchange has a row of it there again.
2. Of a submission taken back whole, a row stands in a group as its latest submission that was no duplicate does. Where
   this vault knows of duplicates alone, as one that was restored from a copy does, whatever was taken back counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from member.vault.rows import Source, VaultRows
from member.vault.store import Vault
from member.vault.uploads import Uploads

_MARK = "taken_back"


class TakenBackRows:
    """The rows that were taken back, in an open vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._rows = VaultRows(vault)
        self._uploads = Uploads(vault)
        self._groups: dict[str, str] = {}

    def reasons(self, lookups: Sequence[bytes], group: str) -> dict[bytes, str]:
        """Of these indicators, by look-up, those whose row in the group was taken back, and why."""
        if not lookups or not (self._uploads.has_withdrawn() or self._has_marks()):
            return {}
        found = self._marked(lookups, group)
        own = {lookup: held for lookup, held in self._sources(lookups, group, with_duplicates=False) if held}
        standing = {lookup: [max(source.submission_id for source in held)] for lookup, held in own.items()}
        for lookup, held in self._sources([one for one in lookups if one not in own], group):
            standing[lookup] = sorted({source.submission_id for source in held})
        for lookup, submissions in standing.items():
            reasons = (self._uploads.why_withdrawn(one, lookup) for one in submissions)
            reason = next(filter(None, reasons), None)
            if reason is not None:
                found.setdefault(lookup, reason)
        return found

    def _has_marks(self) -> bool:
        return next(self._vault.all(_MARK), None) is not None

    def _marked(self, lookups: Sequence[bytes], group: str) -> dict[bytes, str]:
        numbers = self._rows.numbers_of(lookups)
        marks = ((lookup, self._vault.get(_MARK, _name(number, group))) for lookup, number in numbers.items())
        return {lookup: mark.decode() for lookup, mark in marks if mark is not None}

    def mark(self, lookups: Sequence[bytes], reason: str) -> None:
        """Note that rows of these indicators were taken back, in every group. Inside a transaction of the caller."""
        numbers = self._rows.numbers_of(lookups).values()
        for group in self._uploads.groups() if numbers else ():
            for number in numbers:
                self._vault.put(_MARK, _name(number, group), reason.encode())

    def clear(self, lookups: Sequence[bytes], group: str) -> None:
        """Forget the marks of indicators of which the exchange has a row in the group again."""
        marked = self._marked(lookups, group)
        if marked:
            with self._vault.transaction():
                for number in self._rows.numbers_of(list(marked)).values():
                    self._vault.delete(_MARK, _name(number, group))

    def keep(self, reasons: Mapping[bytes, str], group: str) -> None:
        """Note what the exchange says was taken back, of which this vault did not know."""
        if not reasons:
            return
        with self._vault.transaction():
            for lookup, sources in list(self._sources(list(reasons), group)):
                for submission_id in {source.submission_id for source in sources}:
                    self._uploads.keep_withdrawn(submission_id, lookup, reasons[lookup])
            for lookup, number in self._rows.numbers_of(list(reasons)).items():
                self._vault.put(_MARK, _name(number, group), reasons[lookup].encode())

    def _sources(
        self, lookups: Sequence[bytes], group: str, *, with_duplicates: bool = True
    ) -> Iterator[tuple[bytes, list[Source]]]:
        for lookup, sources in self._rows.sources_of(lookups, with_duplicates=with_duplicates).items():
            yield lookup, [source for source in sources if self._group_of(source.submission_id) == group]

    def _group_of(self, submission_id: str) -> str:
        if submission_id not in self._groups:
            kept = self._uploads.envelope(submission_id)
            self._groups[submission_id] = "" if kept is None else kept.group
        return self._groups[submission_id]


def _name(number: int, group: str) -> bytes:
    """Of a mark: by the indicator's number, which stays when the vault key changes."""
    return f"{number}|{group}".encode()
