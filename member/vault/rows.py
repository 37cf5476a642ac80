"""The member's own rows in the vault: what it holds, where it came from, and which token stands for it in which epoch.

Work is done in batches of one transaction each, so that a million rows need no more memory than one batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from keys.oprf.tokens import Token
from member.errors import VaultTamperedError
from member.vault.store import Vault

_VARIABLES = 500  # parameters of one statement; SQLite allows 999 in its oldest builds
_TOKEN_BYTES = 32
_PAGE = 500
_PAGE_OF_SOURCES = (
    "SELECT s.source_id, s.lookup, s.indicator_id, s.payload, i.lookup, i.payload FROM sources s"
    " LEFT JOIN indicators i ON i.indicator_id = s.indicator_id WHERE s.source_id > ? ORDER BY s.source_id LIMIT ?"
)
_HAS_ROWS = "EXISTS (SELECT 1 FROM sources s WHERE s.indicator_id = i.indicator_id)"
"""An indicator without is one whose token alone is kept: its submission was refused."""


class Source(msgspec.Struct, frozen=True):
    """One row of a member's file, as it stood there, and the submission that it counts as a row of."""

    value: str
    reason: str
    first_seen: str
    source_ref: str
    extra: dict[str, str]
    line: int
    submission_id: str
    is_duplicate: bool = False
    """Whether the exchange had a row of the indicator already, of an earlier submission: then this is no row there."""


class OwnRow(msgspec.Struct, frozen=True):
    """A row with its normalised type and canonical form."""

    indicator_type: str
    canonical: str
    source: Source


class OwnIndicator(msgspec.Struct, frozen=True):
    """An indicator this member holds, with every row it came from."""

    indicator_type: str
    canonical: str
    sources: list[Source]


class _Indicator(msgspec.Struct, frozen=True, array_like=True):
    indicator_type: str
    canonical: str


_encode = msgspec.msgpack.Encoder().encode
_decode_indicator = msgspec.msgpack.Decoder(_Indicator).decode
_decode_source = msgspec.msgpack.Decoder(Source).decode


def place_of(number: int, lookup: bytes) -> bytes:
    """Where an indicator is sealed to. VaultTamperedError for a look-up that is none."""
    if not isinstance(lookup, bytes):
        raise VaultTamperedError("a look-up of the vault is no longer the one that was written")
    return number.to_bytes(8, "big") + lookup


def place_of_source(number: int, lookup: bytes, indicator_id: int) -> bytes:
    """Where a source is sealed to."""
    return place_of(number, lookup) + indicator_id.to_bytes(8, "big")


def place_of_token(epoch: int, indicator_id: int, lookup: bytes) -> bytes:
    """Where a token is sealed to."""
    return place_of(indicator_id, lookup) + epoch.to_bytes(8, "big")


class VaultRows:
    """The row tables of an open vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._cipher = vault.cipher
        self._connection = vault.connection

    def lookup(self, indicator_type: str, canonical: str) -> bytes:
        """The 16 bytes under which an indicator is found; equal exactly when type and canonical form are."""
        return self._cipher.lookup("indicator", indicator_type.encode(), canonical.encode())

    def store(self, rows: Sequence[OwnRow], group: str, epoch: int) -> list[tuple[bytes, OwnRow]]:
        """Keep the rows of a submission to a group in an epoch, each indicator once, and each source once in these: one
        that is known stays its earlier submission's (see `take_over`), and one of a known indicator counts as a
        duplicate until the exchange takes it as new. Storing the same rows again changes nothing.
        Gives back the rows whose indicators were known, each after the look-up of its indicator.
        """
        lookups = [self.lookup(row.indicator_type, row.canonical) for row in rows]
        with self._vault.transaction():
            known = self._indicator_ids(lookups)
            ids = known | self._add_indicators(dict(zip(lookups, rows, strict=True)), known)
            sources = [
                (ids[lookup], msgspec.structs.replace(row.source, is_duplicate=lookup in known))
                for lookup, row in zip(lookups, rows, strict=True)
            ]
            self._add_sources(sources, group, epoch)
        return [(lookup, row) for lookup, row in zip(lookups, rows, strict=True) if lookup in known]

    def take_over(self, rows: Sequence[OwnRow], group: str, epoch: int) -> None:
        """Make known sources those of the submission that these stored rows name, of which the exchange took them as
        new: it takes none while an earlier submission's lives, so that whatever held them before has ended. Nothing
        goes back to an earlier submission, whose answer may come late.
        """
        if not rows:
            return
        with self._vault.transaction():
            lookups = [self.lookup(row.indicator_type, row.canonical) for row in rows]
            ids, wanted = self._indicator_ids(lookups), {}
            for found, row in zip(lookups, rows, strict=True):
                indicator_id = ids[found]
                wanted[self._source_lookup(indicator_id, row.source, group, epoch)] = (indicator_id, row.source)
            query = "SELECT lookup, source_id, payload FROM sources WHERE lookup IN ({})"
            changed = []
            for lookup, source_id, sealed in self._select_in(query, list(wanted)):
                indicator_id, source = wanted[lookup]
                place = place_of_source(source_id, lookup, indicator_id)
                held = _decode_source(self._cipher.open("sources", place, sealed))
                # UUIDv7: in the order in which they began
                if held.submission_id < source.submission_id or held.is_duplicate:
                    changed.append((self._cipher.seal("sources", place, _encode(source)), source_id))
            self._connection.executemany(
                "UPDATE sources SET is_duplicate = FALSE, payload = ? WHERE source_id = ?", changed
            )

    def drop(self, rows: Sequence[OwnRow], group: str, epoch: int) -> None:
        """Forget these rows as far as they are of the submissions that they name, which were refused. Their indicators'
        tokens stay: they are paid for.
        """
        with self._vault.transaction():
            lookups = [self.lookup(row.indicator_type, row.canonical) for row in rows]
            ids, wanted = self._indicator_ids(lookups), {}
            for found, row in zip(lookups, rows, strict=True):
                wanted[self._source_lookup(ids[found], row.source, group, epoch)] = (ids[found], row.source)
            query = "SELECT lookup, source_id, payload FROM sources WHERE lookup IN ({})"
            gone = []
            for lookup, source_id, sealed in self._select_in(query, list(wanted)):
                indicator_id, source = wanted[lookup]
                place = place_of_source(source_id, lookup, indicator_id)
                held = _decode_source(self._cipher.open("sources", place, sealed))
                if held.submission_id == source.submission_id:
                    gone.append((source_id,))
            self._connection.executemany("DELETE FROM sources WHERE source_id = ?", gone)

    def numbers_of(self, lookups: Iterable[bytes]) -> dict[bytes, int]:
        """The number of each of these indicators that is known, by its look-up. It stays when the vault key changes."""
        return self._indicator_ids(lookups)

    def _indicator_ids(self, lookups: Iterable[bytes]) -> dict[bytes, int]:
        return self._ids("SELECT lookup, indicator_id FROM indicators WHERE lookup IN ({})", lookups)

    def _add_indicators(self, wanted: Mapping[bytes, OwnRow], known: Mapping[bytes, int]) -> dict[bytes, int]:
        ids = {}
        number = self._last("indicators", "indicator_id")
        fresh = []
        for lookup, row in wanted.items():
            if lookup in known:
                continue
            number += 1
            payload = _encode(_Indicator(row.indicator_type, row.canonical))
            fresh.append((number, lookup, self._cipher.seal("indicators", place_of(number, lookup), payload)))
            ids[lookup] = number
        self._connection.executemany("INSERT INTO indicators VALUES (?, ?, ?)", fresh)
        return ids

    def _add_sources(self, sources: Sequence[tuple[int, Source]], group: str, epoch: int) -> None:
        wanted = {self._source_lookup(one[0], one[1], group, epoch): one for one in sources}
        known = self._ids("SELECT lookup, source_id FROM sources WHERE lookup IN ({})", wanted)
        number = self._last("sources", "source_id")
        fresh = []
        for lookup, (indicator_id, source) in wanted.items():
            if lookup in known:
                continue
            number += 1
            place = place_of_source(number, lookup, indicator_id)
            sealed = self._cipher.seal("sources", place, _encode(source))
            fresh.append((number, lookup, indicator_id, source.is_duplicate, sealed))
        self._connection.executemany("INSERT INTO sources VALUES (?, ?, ?, ?, ?)", fresh)

    def _source_lookup(self, indicator_id: int, source: Source, group: str, epoch: int) -> bytes:
        """Line and submission are left out: the same row in a later file is the same source. In another group or epoch
        it is another: there the exchange has another row, of a submission of its own, and both may live.
        """
        said = (source.value, source.reason, source.first_seen, source.source_ref, source.extra)
        content = _encode((*said, group, epoch))
        return self._cipher.lookup("source", indicator_id.to_bytes(8, "big"), content)

    def _last(self, table: str, column: str) -> int:
        return int(self._connection.execute(f"SELECT coalesce(max({column}), 0) FROM {table}").fetchone()[0])  # noqa: S608

    def _ids(self, query: str, lookups: Iterable[bytes]) -> dict[bytes, int]:
        return {row[0]: row[1] for row in self._select_in(query, list(lookups))}

    def _select_in(self, query: str, values: Sequence[bytes], *fixed: int) -> Iterator[tuple[Any, ...]]:
        """Rows of a query whose `{}` stands for a list of values, asked in slices; fixed parameters come first. Sorted,
        the values of a slice lie on neighbouring pages of the index.
        """
        ordered = sorted(values)
        for start in range(0, len(ordered), _VARIABLES):
            part = ordered[start : start + _VARIABLES]
            marks = ",".join("?" * len(part))
            yield from self._connection.execute(query.format(marks), (*fixed, *part))

    def cached_tokens(self, epoch: int, lookups: Sequence[bytes]) -> dict[bytes, Token]:
        """The tokens already known in an epoch, by indicator look-up. The cost follows the look-ups, not the vault:
        CROSS JOIN keeps SQLite from reading every token of the epoch first.
        """
        query = (
            "SELECT i.lookup, t.indicator_id, t.lookup, t.payload FROM indicators i"
            " CROSS JOIN tokens t ON t.indicator_id = i.indicator_id AND t.epoch = ? WHERE i.lookup IN ({})"
        )
        return {
            lookup: self._open_token(epoch, indicator_id, token_lookup, sealed)
            for lookup, indicator_id, token_lookup, sealed in self._select_in(query, lookups, epoch)
        }

    def _open_token(self, epoch: int, indicator_id: int, lookup: bytes, sealed: bytes) -> Token:
        place = place_of_token(epoch, indicator_id, lookup)
        payload = self._cipher.open("tokens", place, sealed)
        return Token(payload[:_TOKEN_BYTES], payload[_TOKEN_BYTES:])

    def token_lookup(self, token: bytes) -> bytes:
        """The 16 bytes under which a token is found."""
        return self._cipher.lookup("token", token)

    def store_tokens(self, epoch: int, tokens: Mapping[bytes, Token]) -> None:
        """Cache tokens of an epoch by indicator look-up. The indicators are stored already (KeyError otherwise)."""
        with self._vault.transaction():
            ids = self._indicator_ids(tokens)
            fresh = []
            for lookup, token in tokens.items():
                token_lookup = self.token_lookup(token.token)
                place = place_of_token(epoch, ids[lookup], token_lookup)
                payload = token.token + token.detail_key
                fresh.append((epoch, ids[lookup], token_lookup, self._cipher.seal("tokens", place, payload)))
            self._connection.executemany("INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?)", fresh)

    def find_by_tokens(self, tokens: Sequence[bytes]) -> dict[bytes, OwnIndicator]:
        """Which of these tokens stand for an indicator of our own, and which."""
        wanted = {self.token_lookup(token): token for token in tokens}
        query = "SELECT lookup, epoch, indicator_id, payload FROM tokens WHERE lookup IN ({})"
        found: dict[bytes, OwnIndicator] = {}
        for lookup, epoch, indicator_id, sealed in self._select_in(query, list(wanted)):
            if self._open_token(epoch, indicator_id, lookup, sealed).token != wanted[lookup]:
                raise VaultTamperedError("a token of the vault stands under another token's look-up")
            found[wanted[lookup]] = self._indicator(indicator_id)
        return found

    def find_token(self, token: bytes) -> Token | None:
        """One of our own tokens with its detail key, whatever its epoch; None for a token that we never computed."""
        query = "SELECT epoch, indicator_id, payload FROM tokens WHERE lookup = ?"
        lookup = self.token_lookup(token)
        for epoch, indicator_id, sealed in self._connection.execute(query, (lookup,)):
            return self._open_token(epoch, indicator_id, lookup, sealed)
        return None

    def tokens_of(self, indicator_type: str, canonical: str) -> list[bytes]:
        """The tokens of an indicator in every epoch, the newest first; none for one that was never tokenised."""
        query = (
            "SELECT t.epoch, t.indicator_id, t.lookup, t.payload FROM indicators i"
            " CROSS JOIN tokens t ON t.indicator_id = i.indicator_id WHERE i.lookup = ? ORDER BY t.epoch DESC"
        )
        found = self._connection.execute(query, (self.lookup(indicator_type, canonical),))
        return [self._open_token(*row).token for row in found]

    def _indicator(self, indicator_id: int) -> OwnIndicator:
        query = "SELECT lookup, payload FROM indicators WHERE indicator_id = ?"
        row = self._connection.execute(query, (indicator_id,)).fetchone()
        if row is None:
            raise VaultTamperedError("a token of the vault stands for an indicator that is gone")
        held = self._open_indicator(indicator_id, *row)
        return OwnIndicator(held.indicator_type, held.canonical, self._sources(indicator_id))

    def _open_indicator(self, indicator_id: int, lookup: bytes, sealed: bytes) -> _Indicator:
        return _decode_indicator(self._cipher.open("indicators", place_of(indicator_id, lookup), sealed))

    def _sources(self, indicator_id: int) -> list[Source]:
        query = "SELECT source_id, lookup, payload FROM sources WHERE indicator_id = ? ORDER BY source_id"
        return [
            _decode_source(self._cipher.open("sources", place_of_source(source_id, lookup, indicator_id), sealed))
            for source_id, lookup, sealed in self._connection.execute(query, (indicator_id,))
        ]

    def sources_of(self, lookups: Sequence[bytes], *, with_duplicates: bool = True) -> dict[bytes, list[Source]]:
        """Every source of these indicators, by look-up of the indicator. The cost follows the look-ups, and with
        duplicates how often each indicator came.
        """
        wanted = "" if with_duplicates else " AND s.is_duplicate = FALSE"
        query = (
            "SELECT i.lookup, s.source_id, s.lookup, s.indicator_id, s.payload FROM indicators i"  # noqa: S608
            f" CROSS JOIN sources s ON s.indicator_id = i.indicator_id{wanted} WHERE i.lookup IN ({{}})"
        )
        found: dict[bytes, list[Source]] = {}
        for lookup, source_id, source_lookup, indicator_id, sealed in self._select_in(query, lookups):
            place = place_of_source(source_id, source_lookup, indicator_id)
            found.setdefault(lookup, []).append(_decode_source(self._cipher.open("sources", place, sealed)))
        return found

    def every_row(self) -> Iterator[tuple[bytes, OwnRow]]:
        """All own rows in the order in which they were first stored, each after the look-up of its indicator. They are
        read a page at a time: nothing is held open meanwhile, and a million need no more memory than a page.
        """
        last = 0
        while page := self._connection.execute(_PAGE_OF_SOURCES, (last, _PAGE)).fetchall():
            for source_id, lookup, indicator_id, sealed, indicator_lookup, payload in page:
                if payload is None:
                    raise VaultTamperedError("a row of the vault is of an indicator that is gone")
                held = self._open_indicator(indicator_id, indicator_lookup, payload)
                place = place_of_source(source_id, lookup, indicator_id)
                source = _decode_source(self._cipher.open("sources", place, sealed))
                yield indicator_lookup, OwnRow(held.indicator_type, held.canonical, source)
            last = page[-1][0]

    def submissions(self) -> set[str]:
        """Every submission that rows are held of."""
        return {row.source.submission_id for _, row in self.every_row()}

    def every_indicator(self) -> Iterator[OwnIndicator]:
        """All own indicators, in the order in which they were first stored."""
        query = f"SELECT indicator_id FROM indicators i WHERE {_HAS_ROWS} ORDER BY 1"  # noqa: S608
        for (indicator_id,) in self._connection.execute(query):
            yield self._indicator(indicator_id)

    def count(self) -> int:
        """How many indicators this member holds."""
        query = f"SELECT count(*) FROM indicators i WHERE {_HAS_ROWS}"  # noqa: S608
        return int(self._connection.execute(query).fetchone()[0])
