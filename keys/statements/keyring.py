"""The keyring: what the registrars' statements say at present.

A statement enters by these rules, in order:
1. It is signed by the quorum of the registrars (keys/statements/envelopes.py): those of the newest root, or earlier
   ones if the newest root carries the statement over (keys/statements/roots.py). A root that follows takes what it does
   not carry over out of force, unless its own quorum signed that too.
2. It has exactly the fields of its type, each of the right kind (keys/statements/types.py).
3. Against the statement held of the same type and subject: a lower sequence is refused, the same sequence with other
   bytes is refused, the same bytes change nothing.
4. An epoch keeps its public key, threshold and normalisation for ever, does not come back once retired, and the
   commitments of its holders interpolate to its public key (keys/oprf/threshold.py). There is one exchange.
5. A key that a statement revoked, or took from its member, never acts for that member again.
Nothing else has force, and what no statement says is unknown: asking for it raises.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

from keys.oprf.threshold import InvalidCommitmentsError, verify_commitments
from keys.statements.envelopes import (
    ROOT,
    ROOT_SUBJECT,
    Registrar,
    Root,
    Statement,
    StatementError,
    payload_digest,
)
from keys.statements.roots import Roots
from keys.statements.types import (
    AnyStatement,
    EpochState,
    EpochStatement,
    ExchangeStatement,
    GroupState,
    GroupStatement,
    MemberState,
    MemberStatement,
    RepresentativeState,
    RootStatement,
    StatedRepresentative,
    parse_statement,
    read_statement,
    to_payload,
)
from schemas.values.canonical import canonical_json

__all__ = [
    "AnyStatement",
    "EpochState",
    "EpochStatement",
    "ExchangeStatement",
    "GroupState",
    "GroupStatement",
    "Keyring",
    "MemberState",
    "MemberStatement",
    "Registrar",
    "RepresentativeState",
    "Root",
    "RootStatement",
    "Roots",
    "StatedRepresentative",
    "StatementError",
    "UnknownStatementError",
    "parse_statement",
    "to_payload",
]

_Found = TypeVar("_Found")


class UnknownStatementError(LookupError):
    """No statement in the keyring speaks of this subject."""


class Keyring:
    """The statements in force under one root. Not safe for threads that write at once: build it, then read it."""

    def __init__(self, root: Root) -> None:
        self.roots = Roots(root)
        self._accepted: dict[str, tuple[Statement, object]] = {}
        self._ever_accepted: set[str] = set()
        self._clear()

    def _clear(self) -> None:
        self._members: dict[str, MemberStatement] = {}
        self._before: dict[str, list[MemberStatement]] = {}
        self._spent_keys: dict[str, frozenset[bytes]] = {}
        self._groups: dict[str, GroupStatement] = {}
        self._epochs: dict[int, EpochStatement] = {}
        self._exchange: ExchangeStatement | None = None
        self._payloads: dict[tuple[str, str], Statement] = {}

    def add(self, envelope: object) -> AnyStatement:
        """Take in an envelope and give its statement. StatementError if refused; then nothing changes."""
        statement, is_newest = self.roots.read(envelope)
        if statement.type == ROOT:
            return self._add_root(statement, envelope)
        self.roots.check_counts(statement, is_newest)
        parsed = read_statement(statement)
        self._place(statement, parsed)
        self._accepted[statement.digest] = statement, envelope
        self._ever_accepted.add(statement.digest)
        return parsed

    def _place(self, statement: Statement, parsed: AnyStatement) -> None:
        held = self._payloads.get((statement.type, statement.subject))
        if held is not None:
            _check_succession(held, statement)
            if held.payload == statement.payload:
                return
        self._check_and_place(parsed)
        self._payloads[statement.type, statement.subject] = statement

    def _add_root(self, offered: Statement, envelope: object) -> AnyStatement:
        if self.roots.knows(offered) and offered.sequence == self.roots.version:
            return read_statement(offered)
        stated = self.roots.add(envelope)
        self._settle()
        self._payloads[ROOT, ROOT_SUBJECT] = offered
        return stated

    def _settle(self) -> None:
        """Take anew what still counts under the newest root. Of a member whose statement goes on, spent keys stay
        spent, and what was stated before is known.
        """
        before, spent, earlier = self._payloads, self._spent_keys, self._before
        self._clear()
        accepted, self._accepted = self._accepted, {}
        for digest, (statement, envelope) in accepted.items():
            if self._still_counts(statement, envelope):
                self._accepted[digest] = statement, envelope
                self._place(statement, read_statement(statement))
        for member_id in self._members:
            held = before.get(("member", member_id))
            if held is not None and held.payload == self._payloads["member", member_id].payload:
                self._spent_keys[member_id] = spent[member_id]
                self._before[member_id] = earlier.get(member_id, [])

    def _still_counts(self, statement: Statement, envelope: object) -> bool:
        if self.roots.carries(statement):
            return True
        try:
            self.roots.verify(envelope)
        except StatementError:
            return False
        return True

    def knows(self, payload: bytes) -> bool:
        """Whether a statement of these bytes is in force, was, or is a root of the chain."""
        digest = payload_digest(payload)
        return digest in self._accepted or self.roots.knows_digest(digest)

    def was_in_force(self, digest: str) -> bool:
        """Whether a statement, by its SHA-256, was taken in here while it counted, whatever was stated since."""
        return digest in self._ever_accepted

    def counts(self, envelope: object) -> bool:
        """Whether an envelope has the signatures that its statement takes, in force already or not."""
        try:
            statement, is_newest = self.roots.read(envelope)
            if statement.type == ROOT:
                return self.roots.knows(statement) or self.roots.check_link(envelope) is not None
            self.roots.check_counts(statement, is_newest)
        except StatementError:
            return False
        return True

    def in_force(self) -> list[Statement]:
        """The statements in force, one of each subject, by type and subject."""
        return [self._payloads[key] for key in sorted(self._payloads)]

    @property
    def digest(self) -> str:
        """SHA-256, 64 hexadecimal digits, over what is in force: [type, subject, sequence, SHA-256 of the payload] of
        every statement, as canonical JSON. Two keyrings have the same one if, and only if, they say the same.
        """
        listed = [[each.type, each.subject, each.sequence, each.digest] for each in self.in_force()]
        return hashlib.sha256(canonical_json(listed)).hexdigest()

    @property
    def number(self) -> int:
        """How far the registrars have come: the sum of the sequences in force. Every newer statement raises it."""
        return sum(each.sequence for each in self._payloads.values())

    def held(self, kind: str, subject: str) -> AnyStatement | None:
        """The statement in force of this type and subject, if there is one."""
        found = self._payloads.get((kind, subject))
        return None if found is None else read_statement(found)

    def next_sequence(self, kind: str, subject: str) -> int:
        """The lowest sequence that a new statement of this type and subject may have."""
        if kind == ROOT:
            return self.roots.version + 1
        held = self._payloads.get((kind, subject))
        return 1 if held is None else held.sequence + 1

    def member(self, member_id: str) -> MemberStatement:
        """Raises UnknownStatementError."""
        return _known(self._members.get(member_id))

    def member_at(self, member_id: str, moment: datetime) -> MemberStatement:
        """What was stated of a member at a moment, as far as every statement since was taken in here; else what is
        stated now. Raises UnknownStatementError.
        """
        found = self.member(member_id)
        for before in reversed(self._before.get(member_id, [])):
            if found.issued_at <= moment or before.sequence + 1 != found.sequence:
                break
            found = before
        return found

    def group(self, group_id: str) -> GroupStatement:
        """Raises UnknownStatementError."""
        return _known(self._groups.get(group_id))

    def epoch(self, number: int) -> EpochStatement:
        """Raises UnknownStatementError."""
        return _known(self._epochs.get(number))

    @property
    def current_epoch(self) -> EpochStatement:
        """The highest epoch whose state is current. Raises UnknownStatementError."""
        current = [epoch for epoch in self._epochs.values() if epoch.state is EpochState.CURRENT]
        return _known(max(current, key=lambda epoch: epoch.epoch, default=None))

    @property
    def exchange(self) -> ExchangeStatement:
        """Raises UnknownStatementError."""
        return _known(self._exchange)

    def members(self) -> Iterator[MemberStatement]:
        """All members, suspended ones too."""
        return iter(self._members.values())

    def groups(self) -> Iterator[GroupStatement]:
        """All groups, closed ones too."""
        return iter(self._groups.values())

    def epochs(self) -> Iterator[EpochStatement]:
        """All epochs, retired ones too."""
        return iter(self._epochs.values())

    def representative(self, key_id: str) -> tuple[MemberStatement, StatedRepresentative]:
        """The representative with this id and its member, whatever their states. Raises UnknownStatementError."""
        member = self.member(key_id.partition("/")[0])
        people = (person for person in member.representatives if person.representative_id == key_id)
        return member, _known(next(people, None))

    def _check_and_place(self, statement: AnyStatement) -> None:
        match statement:
            case MemberStatement():
                held = self._members.get(statement.member_id)
                spent = self._spent_keys.get(statement.member_id, frozenset())
                self._spent_keys[statement.member_id] = _spend(spent, held, statement)
                if held is not None:
                    self._before.setdefault(statement.member_id, []).append(held)
                self._members[statement.member_id] = statement
            case GroupStatement():
                self._groups[statement.group_id] = statement
            case EpochStatement():
                _check_epoch(self._epochs.get(statement.epoch), statement)
                self._epochs[statement.epoch] = statement
            case ExchangeStatement():
                if self._exchange is not None and self._exchange.exchange_id != statement.exchange_id:
                    raise StatementError("inconsistent", "another exchange is stated already")
                self._exchange = statement
            case RootStatement():
                raise StatementError("malformed", "a root is added as the chain's next link")


def _known(found: _Found | None) -> _Found:
    if found is None:
        raise UnknownStatementError("no statement says so")
    return found


def _check_succession(held: Statement, offered: Statement) -> None:
    if offered.sequence < held.sequence:
        raise StatementError("stale", f"sequence {held.sequence} is held already")
    if offered.sequence == held.sequence and offered.payload != held.payload:
        raise StatementError("conflict", f"another statement has sequence {held.sequence} already")


def _spend(spent: frozenset[bytes], held: MemberStatement | None, offered: MemberStatement) -> frozenset[bytes]:
    """The keys that can no longer act for the member once `offered` is in force (rule 5)."""
    active = {person.public_key for person in offered.representatives if person.state is RepresentativeState.ACTIVE}
    if active & spent:
        raise StatementError("inconsistent", "a key that was revoked or replaced does not come back")
    stated = (person.public_key for each in (held, offered) if each for person in each.representatives)
    return spent | (frozenset(stated) - active)


def _check_epoch(held: EpochStatement | None, offered: EpochStatement) -> None:
    commitments = {holder.index: holder.commitment for holder in offered.holders}
    try:
        verify_commitments(offered.public_key, commitments, offered.threshold)
    except InvalidCommitmentsError:
        raise StatementError("inconsistent", "the commitments do not interpolate to the public key") from None
    if held is None:
        return
    for name in ("public_key", "threshold", "normalisation"):
        if getattr(held, name) != getattr(offered, name):
            raise StatementError("inconsistent", f"the {name} of an epoch does not change")
    if held.state is EpochState.RETIRED and offered.state is not EpochState.RETIRED:
        raise StatementError("inconsistent", "a retired epoch does not come back")
