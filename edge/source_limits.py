"""How often an address may call without a proof that counts, in a minute and in each process.

1. Calls without a proof (open routes; no signature and no token where one must be) are counted by address, and apart
   from them those whose proof was refused: unknown, wrong, used before, of a suspended member or a revoked key. Above
   either limit such a call is refused before its body is read and before anything is verified or looked up.
2. What authenticates is never counted, and what others send from its address does not shut it out. However many calls
   without a proof come from there, one with a proof is looked at; where somebody authenticated within the last week, so
   is one with a proof after any number of wrong ones. For some minutes after that, open routes are not limited either.
3. Who may not act any more gains nothing by rule 2: what shows a suspended member's key or token, or a revoked key, is
   counted by that key or token too, from whatever address.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from edge.minute_counts import MinuteCounts
from edge.request_limits import RequestLimit
from keys.signatures.messages import MAX_FIELD_CHARS

UNSIGNED_REQUESTS_PER_MINUTE = 3_000
"""Of one address at each process: a member that verifies a log of half a million leaves reads as many tiles."""
_LENIENT = timedelta(minutes=5)
_REMEMBERED = timedelta(days=7)
_MAX_REMEMBERED = 50_000
# At every place, also within what another match took: the key that a signature is verified with is always among them.
_NAMED_KEY = re.compile(r'(?=;[ ]*keyid="([^"]+)")', re.ASCII)


@dataclass(frozen=True, slots=True)
class CallSource:
    """Where a call comes from, and the proofs it shows, believed by nobody yet: names of keys, or of a token."""

    address: str
    shows_proof: bool = False
    proofs: frozenset[str] = frozenset()


def source_of(address: str, signature_input: str, token: str = "", *, is_open: bool) -> CallSource:
    """The source of a request with this `Signature-Input` and token, either empty if not there. At a route that is open
    to anyone, what a request shows counts for nothing.
    """
    if is_open or not (signature_input or token):
        return CallSource(address)
    return CallSource(address, shows_proof=True, proofs=frozenset(_names(signature_input, token)))


def token_name(token: str) -> str:
    """What a token is counted under: a digest, so that no token is kept."""
    return f"token {hashlib.sha256(token.encode('utf-8', 'surrogateescape')).hexdigest()}"


class SourceLimits:
    """Applies the rules in one process. `limit` is how many calls of either kind an address may make in a minute. Safe
    for threads.
    """

    def __init__(self, limit: int = UNSIGNED_REQUESTS_PER_MINUTE, *, most_remembered: int = _MAX_REMEMBERED) -> None:
        self._limit = RequestLimit(limit)
        self._unproved, self._refused, self._barred = MinuteCounts(), MinuteCounts(), MinuteCounts()
        self._lock = threading.Lock()
        self._most_remembered = most_remembered
        self._known: OrderedDict[str, datetime] = OrderedDict()

    def check(self, source: CallSource, now: datetime) -> None:
        """Before anything costs something. Raises LimitExceededError."""
        for name in source.proofs:
            self._limit.check(self._barred.made(name, now) + 1, now)
        counts = self._refused if source.shows_proof else self._unproved
        spared = _REMEMBERED if source.shows_proof else _LENIENT
        made = counts.made(source.address, now)
        if made and not self._is_known(source.address, now, spared):
            self._limit.check(made + 1, now)

    def count(self, source: CallSource, now: datetime) -> None:
        """Count a call that did not authenticate."""
        (self._refused if source.shows_proof else self._unproved).count(source.address, now)

    def count_barred(self, name: str, now: datetime) -> None:
        """Count a right proof of somebody who may not act any more, by its key or token_name."""
        self._barred.count(name, now)

    def note_known(self, source: CallSource, now: datetime) -> None:
        """Somebody authenticated from there."""
        with self._lock:
            self._known[source.address] = now
            self._known.move_to_end(source.address)
            if len(self._known) > self._most_remembered:
                self._known.popitem(last=False)

    def _is_known(self, address: str, now: datetime, within: timedelta) -> bool:
        with self._lock:
            seen_at = self._known.get(address)
        return seen_at is not None and now - seen_at <= within


def _names(signature_input: str, token: str) -> Iterator[str]:
    if len(signature_input) <= MAX_FIELD_CHARS:  # a longer one is refused before its key is looked up
        yield from _NAMED_KEY.findall(signature_input)
    if token:
        yield token_name(token)
