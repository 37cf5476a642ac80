"""A proved fault of a key holder, with all that it takes to believe it: the evidence and the registrars' statements
that it rests on.

It is believed for the registrars' roots alone, whoever hands it over and whatever was stated since:
1. The statements of the epoch and of the member that asked carry the signatures of the quorum of a root of the chain
   (keys/roots.py), also of one that was replaced: whoever has left frames nobody by that, for what has force is below.
2. The evidence is right by these two (keys/holder_fault.py).
It has force while the statement of the epoch in force names the holder with the same keys, and the epoch is not
retired. A replaced key frames nobody: it may have been stolen. To take a holder back that had a fault, the registrars
state a new key for its answers.

A report names the representative who asked, when, and how many blinded elements about: no more of a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keys.holder_fault import Evidence, EvidenceError, verify_evidence
from keys.roots import Roots
from keys.statement_types import EpochState, EpochStatement, Holder, MemberStatement, parse_statement, read_statement
from keys.statements import Envelope, StatementError
from keys.strict import require_fields
from schemas.canonical import canonical_json

MOST_REPORT_BYTES = 4 * 1024 * 1024
"""As JSON, where reports are sent: of a batch of some 24,000 rows. A larger one goes by file."""


@dataclass(frozen=True, slots=True)
class ShownFault:
    """What a believed report shows: `holder` as its statement names it, what it did, in words, and in which epoch."""

    holder: Holder
    epoch: int
    kind: str
    reason: str

    def has_force(self, in_force: EpochStatement | None) -> bool:
        """Whether it counts beside the statement of its epoch that is in force."""
        if in_force is None or in_force.epoch != self.epoch or in_force.state is EpochState.RETIRED:
            return False
        mine = (self.holder.holder_id, self.holder.commitment, self.holder.verify_key)
        return any((one.holder_id, one.commitment, one.verify_key) == mine for one in in_force.holders)


@dataclass(frozen=True, slots=True)
class FaultReport:
    """Evidence, and the envelopes (JSON objects) of the statements of its epoch and of the member that asked."""

    evidence: Evidence
    epoch: Mapping[str, Any] = field(repr=False)
    member: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, value: object) -> FaultReport:
        """From its JSON object, nothing verified. Raises EvidenceError for any other form."""
        try:
            fields = require_fields(value, "evidence", "epoch_statement", "member_statement")
            envelopes = [Envelope.parse(fields[name]).to_wire() for name in ("epoch_statement", "member_statement")]
        except (ValueError, StatementError) as error:
            raise EvidenceError(f"not a report of a holder's fault: {error}") from None
        return cls(Evidence.parse(fields["evidence"]), *envelopes)

    def to_wire(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "evidence": self.evidence.to_wire(),
            "epoch_statement": dict(self.epoch),
            "member_statement": dict(self.member),
        }

    @property
    def report_id(self) -> str:
        """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
        return hashlib.sha256(canonical_json(self.to_wire())).hexdigest()

    def claim(self) -> ShownFault:
        """Of which holder it speaks, unverified: enough to refuse cheaply what could have no force. EvidenceError."""
        try:
            statement = parse_statement(Envelope.parse(dict(self.epoch)).payload)
        except StatementError as error:
            raise EvidenceError(f"the statement of the epoch: {error}") from None
        return self._about(statement, "")

    def verify(self, roots: Roots) -> ShownFault:
        """What the holder did, by rules 1 and 2. Raises EvidenceError if nothing is shown."""
        try:
            epoch, member = (read_statement(roots.read(dict(each))[0]) for each in (self.epoch, self.member))
        except StatementError as error:
            raise EvidenceError(f"a statement that it rests on is not the registrars': {error}") from None
        if not isinstance(epoch, EpochStatement) or not isinstance(member, MemberStatement):
            raise EvidenceError("it wants the statement of an epoch and that of a member")
        keys = {person.representative_id: person.public_key for person in member.representatives}
        return self._about(epoch, verify_evidence(self.evidence, epoch, keys.__getitem__))

    def _about(self, statement: object, reason: str) -> ShownFault:
        if isinstance(statement, EpochStatement) and statement.epoch == self.evidence.epoch:
            for holder in statement.holders:
                if holder.holder_id == self.evidence.holder_id:
                    return ShownFault(holder, statement.epoch, self.evidence.kind, reason)
        raise EvidenceError("the statement of the epoch is of another one, or does not name the holder")
