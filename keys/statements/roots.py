"""The chain of roots: how the registrars' quorum replaces the registrars, itself included.

The first root is pinned. Each later one is a statement of the type `root`; its version, which is its sequence, counts
from 2. As in The Update Framework (specification 1.0, section 5.3) a link is believed by these rules, in order:
1. Its version is exactly one more than that of the newest root here. A lower one is stale, another one of the same
   version a conflict, a higher one leaves a gap: nobody skips a root.
2. It names the fingerprint of the root before, so that the newest fingerprint stands for the whole chain.
3. The quorum of the root before and its own quorum have signed it, each counted among its own registrars.
4. A registrar's id keeps its key through the whole chain: a new key takes a new id.
5. A chain ends at 256 roots. One that was pinned with an anchor leads through that root, and nothing counts before it.

Any other statement counts if the quorum of the newest root signed it, or if an earlier quorum signed it and the newest
root lists its digest. So whoever has left can state nothing any more, whatever time or sequence is written on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from keys.statements.envelopes import (
    ROOT,
    Anchor,
    Envelope,
    Registrar,
    Root,
    Statement,
    StatementError,
    payload_digest,
    read_payload,
    valid_signers,
)
from keys.statements.types import RootStatement, read_statement

_Envelope = TypeVar("_Envelope")
_FIRST_ISSUED = datetime.fromtimestamp(0, UTC)


class Roots:
    """The roots from the one pinned to the newest one known. Not safe for threads that write at once."""

    def __init__(self, pinned: Root) -> None:
        self._pinned = pinned
        first = Root(pinned.quorum, pinned.registrars)
        self._chain = [first]
        self._fingerprints = [first.fingerprint]
        self._newest_stated: RootStatement | None = None

    @property
    def newest(self) -> Root:
        """Who signs at present."""
        return self._chain[-1]

    @property
    def version(self) -> int:
        """The version of the newest root, from 1."""
        return len(self._chain)

    @property
    def fingerprint(self) -> str:
        """The newest root's: of a stated one the SHA-256 of its statement. 64 hexadecimal digits."""
        return self._fingerprints[-1]

    @property
    def is_reached(self) -> bool:
        """Whether the chain has come to the root that was pinned."""
        return self._pinned.anchor is None or self.version >= self._pinned.anchor.version

    def leads_to(self, fingerprint: str) -> bool:
        """Whether a root of the chain has this fingerprint."""
        return fingerprint in self._fingerprints

    def check_reached(self) -> None:
        """Raise StatementError (gap) as long as the chain has not reached the root that was pinned."""
        anchor = self._pinned.anchor
        if anchor is not None and not self.is_reached:
            detail = f"the registrars pinned here are root {anchor.version}, and only root {self.version} was shown"
            raise StatementError("gap", detail)

    def check_link(self, envelope: object) -> RootStatement:
        """The next root in an envelope, by the rules above. Raises StatementError."""
        statement = read_payload(Envelope.parse(envelope).payload)
        self._check_version(statement)
        stated = self._stated(statement)
        for name, root in (("the root before", self.newest), ("the new root", stated.root)):
            _require_quorum(envelope, root, f" of {name}")
        return stated

    def add(self, envelope: object) -> RootStatement:
        """Go one root further. Raises StatementError; then nothing changes."""
        stated = self.check_link(envelope)
        self._chain.append(stated.root)
        self._fingerprints.append(payload_digest(Envelope.parse(envelope).payload))
        self._newest_stated = stated
        return stated

    def knows(self, statement: Statement) -> bool:
        """Whether this very statement is a root of the chain."""
        return self.knows_digest(statement.digest)

    def knows_digest(self, digest: str) -> bool:
        """Whether the statement with this SHA-256 is a root of the chain."""
        return digest in self._fingerprints[1:]

    def carries(self, statement: Statement) -> bool:
        """Whether the newest root lists it."""
        stated = self._newest_stated
        return stated is not None and bytes.fromhex(statement.digest) in stated.statements

    def as_statement(self) -> RootStatement:
        """The newest root as it was stated; of the first, which nothing states, what such a statement would say."""
        if self._newest_stated is not None:
            return self._newest_stated
        first = self.newest
        return RootStatement(1, _FIRST_ISSUED, "", first.quorum, first.registrars, frozenset())

    def read(self, envelope: object) -> tuple[Statement, bool]:
        """The statement in an envelope that the quorum of one of the chain's roots signed, and whether it was the
        newest one's. It need not count at present. Raises StatementError.
        """
        everyone = valid_signers(envelope, self.everyone)
        for root in reversed(self._chain):
            signers = everyone & root.ids
            if len(signers) >= root.quorum:
                return read_payload(Envelope.parse(envelope).payload, signers), root is self.newest
        raise _no_quorum(len(everyone & self.newest.ids), self.newest)

    def signing(self, payload: bytes) -> tuple[Root, ...]:
        """Whose quorums must sign a payload for it to count here: the newest root's, for the next root its own too.
        Raises StatementError.
        """
        statement = read_payload(payload)
        if statement.type != ROOT or self.knows(statement):
            return (self.newest,)
        self._check_version(statement)
        return self.newest, self._stated(statement).root

    def as_pinned(self) -> Root:
        """What a new member pins, so that it can be led to no other root than the newest one."""
        if self.version == 1:
            return self._pinned
        return Root(self._pinned.quorum, self._pinned.registrars, Anchor(self.version, self.fingerprint))

    def verify(self, envelope: object) -> Statement:
        """A statement of another type than `root` that counts at present. Raises StatementError: `stale` for one that
        only counted under an earlier root.
        """
        statement, is_newest = self.read(envelope)
        self.check_counts(statement, is_newest)
        return statement

    def check_counts(self, statement: Statement, is_newest: bool) -> None:
        """Raise StatementError unless what `read` gave counts at present."""
        self.check_reached()
        if not is_newest and not self.carries(statement):
            detail = "it was signed by earlier registrars, and those who sign at present did not carry it over"
            raise StatementError("stale", detail)

    @property
    def everyone(self) -> Root:
        """All who are or were registrars, each id with its one key: a signature is checked once, not for every root."""
        return together(self._chain)

    def _check_version(self, statement: Statement) -> None:
        if statement.type != ROOT:
            raise StatementError("malformed", "this states no root")
        if statement.sequence <= self.version:
            if self.knows(statement) or statement.sequence < self.version:
                raise StatementError("stale", f"root {self.version} is held already")
            raise StatementError("conflict", f"another root has version {self.version} already")
        if statement.sequence > self.version + 1:
            raise StatementError("gap", f"root {self.version + 1} comes next, and this is root {statement.sequence}")

    def _stated(self, statement: Statement) -> RootStatement:
        """The next root, by rules 2, 4 and 5 (its form ends a chain at MAX_ROOTS)."""
        stated = read_statement(statement)
        assert isinstance(stated, RootStatement)  # noqa: S101 - read as its type says; for the type checker
        if stated.previous != self.fingerprint:
            raise StatementError("conflict", "it follows another root than the one held here")
        anchor = self._pinned.anchor
        if anchor is not None and anchor.version == stated.sequence and anchor.fingerprint != statement.digest:
            raise StatementError("conflict", f"another root of version {anchor.version} is pinned here")
        for registrar in stated.registrars:
            self._check_key(registrar)
        return stated

    def _check_key(self, registrar: Registrar) -> None:
        if self.everyone.public_key(f"registrar/{registrar.registrar_id}") not in {None, registrar.public_key}:
            detail = f"{registrar.registrar_id} had another key: a registrar with a new key takes a new id"
            raise StatementError("inconsistent", detail)


def together(roots: Iterable[Root]) -> Root:
    """All registrars of some roots of one chain, each once."""
    found = {each.registrar_id: each for root in roots for each in root.registrars}
    return Root(1, tuple(found.values()))


def count_signatures(signers: frozenset[str], roots: Sequence[Root]) -> tuple[int, int]:
    """How many registrars of these one or two roots have signed, and how many it takes at the least, with those."""
    signed = signers & together(roots).ids
    lacking = sorted(max(0, root.quorum - len(signed & root.ids)) for root in roots)
    if len(roots) == 1:
        return len(signed), len(signed) + lacking[0]
    in_both = len((roots[0].ids & roots[1].ids) - signed)
    return len(signed), len(signed) + sum(lacking) - min(lacking[0], in_both)


def roots_first(envelopes: Iterable[_Envelope]) -> list[_Envelope]:
    """Envelopes that were received in any order, so that each counts by the newest root among them. StatementError for
    what is no statement.
    """

    def place(envelope: object) -> tuple[bool, int]:
        head = read_payload(Envelope.parse(envelope).payload)
        return head.type != ROOT, head.sequence if head.type == ROOT else 0

    return sorted(envelopes, key=place)


def _require_quorum(envelope: object, root: Root, whose: str) -> None:
    count = len(valid_signers(envelope, root))
    if count < root.quorum:
        raise _no_quorum(count, root, whose)


def _no_quorum(count: int, root: Root, whose: str = "") -> StatementError:
    return StatementError("quorum", f"{count} of the registrars{whose} signed, {root.quorum} are required")
