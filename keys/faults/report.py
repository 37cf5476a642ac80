"""A proved fault of a key holder, with all that it takes to believe it: the evidence and the registrars' statements
that it rests on.

It is believed for the registrars' roots alone, whoever hands it over and whatever was stated since:
1. The statement of the epoch counts under the newest root (keys/statements/roots.py), or this reader took it in while
   it counted. Its commitments interpolate to its public key. Else registrars who left could state an index, a threshold
   or an address under which an honest answer looks wrong.
2. The statement of the member that asked carries the signatures of the quorum of a root of the chain, also of one that
   was replaced: a holder answers nobody whom the statements in force do not name.
3. The evidence is right by these two (keys/faults/evidence.py).
It has force in every epoch in force, not retired, that names the holder with the same key of its answers: a new epoch
forgives nothing. It has none if its own epoch, as it is in force, states the holder's index, the threshold or the
public key otherwise. Its commitment may be another by now: the holder itself named the one that it answered with. A
replaced key frames nobody: it may have been stolen. To take a holder back that had a fault, the registrars state a new
key for its answers.

A report names the representative who asked, when, and how many blinded elements about: no more of a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from keys.faults.evidence import EvidenceError, parse_evidence, verify_evidence
from keys.oprf.threshold import InvalidCommitmentsError, verify_commitments
from keys.signatures.strict import require_fields
from keys.statements.envelopes import Envelope, StatementError
from keys.statements.roots import Roots
from keys.statements.types import EpochState, EpochStatement, MemberStatement, parse_statement, read_statement
from schemas.holder_faults import Evidence, FaultReport
from schemas.holders import Holder
from schemas.values.canonical import canonical_json

MAX_REPORT_BYTES = 4 * 1024 * 1024
"""As JSON, where reports are sent: of a batch of some 24,000 rows. A larger one goes by file."""


@dataclass(frozen=True, slots=True)
class ShownFault:
    """What a believed report shows: what `holder` did, in words, as the `statement` of the epoch names it."""

    holder: Holder
    statement: EpochStatement
    kind: str
    reason: str

    @property
    def epoch(self) -> int:
        """In which epoch it happened."""
        return self.statement.epoch

    def counts_in(self, in_force: Iterable[EpochStatement]) -> list[EpochStatement]:
        """Of the statements of epochs in force, one of each, those whose holder it leaves out."""
        stated = list(in_force)
        if any(each.epoch == self.epoch and not self._agrees_with(each) for each in stated):
            return []
        return [each for each in stated if each.state is not EpochState.RETIRED and self.named_by(each) is not None]

    def has_force(self, in_force: Iterable[EpochStatement]) -> bool:
        """Whether it counts beside the statements of epochs in force, one of each."""
        return bool(self.counts_in(in_force))

    def named_by(self, statement: EpochStatement) -> Holder | None:
        """The holder as a statement names it with the same key of its answers, if it does."""
        return find_holder(statement, self.holder.holder_id, self.holder.verify_key)

    def _agrees_with(self, own: EpochStatement) -> bool:
        """Whether the statement of its epoch in force gives what the mathematics was judged by, as far as it does."""
        if (own.threshold, own.public_key) != (self.statement.threshold, self.statement.public_key):
            return False
        named = self.named_by(own)
        return named is None or named.index == self.holder.index


def find_holder(statement: EpochStatement, holder_id: str, verify_key: bytes) -> Holder | None:
    """The holder with this id and key of its answers, if the statement names it."""
    found = (one for one in statement.holders if (one.holder_id, one.verify_key) == (holder_id, verify_key))
    return next(found, None)


def _in_force_never(_digest: str) -> bool:
    return False


def parse_report(value: object) -> FaultReport:
    """A report from its JSON object, nothing verified. Raises EvidenceError for any other form."""
    try:
        fields = require_fields(value, *FaultReport.__struct_fields__)
        epoch, member = (Envelope.parse(fields[name]).to_wire() for name in ("epoch_statement", "member_statement"))
    except (ValueError, StatementError) as error:
        raise EvidenceError(f"not a report of a holder's fault: {error}") from None
    return FaultReport(evidence=parse_evidence(fields["evidence"]), epoch_statement=epoch, member_statement=member)


def report_id_of(report: FaultReport) -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(msgspec.to_builtins(report))).hexdigest()


def read_claim(report: FaultReport) -> ShownFault:
    """Of which holder it speaks, unverified: enough to refuse cheaply what could have no force. EvidenceError."""
    try:
        statement = parse_statement(Envelope.parse(report.epoch_statement).payload)
    except StatementError as error:
        raise EvidenceError(f"the statement of the epoch: {error}") from None
    return _shown(report.evidence, statement, "")


def read_asker(report: FaultReport) -> MemberStatement:
    """Who asked, unverified. Raises EvidenceError."""
    try:
        statement = parse_statement(Envelope.parse(report.member_statement).payload)
    except StatementError as error:
        raise EvidenceError(f"the statement of the member: {error}") from None
    if not isinstance(statement, MemberStatement):
        raise EvidenceError("expected the statements of an epoch and of a member")
    return statement


def verify_report(
    report: FaultReport, roots: Roots, was_in_force: Callable[[str], bool] = _in_force_never
) -> ShownFault:
    """What the holder did, by rules 1 to 3. `was_in_force` says of a statement's digest whether this reader took it in
    while it counted. Raises EvidenceError if nothing is shown.
    """
    try:
        stated, is_newest = roots.read(report.epoch_statement)
        if not was_in_force(stated.digest):
            roots.check_counts(stated, is_newest)
        epoch, member = read_statement(stated), read_statement(roots.read(report.member_statement)[0])
    except StatementError as error:
        raise EvidenceError(f"a statement that it rests on is not the registrars': {error}") from None
    if not isinstance(epoch, EpochStatement) or not isinstance(member, MemberStatement):
        raise EvidenceError("expected the statements of an epoch and of a member")
    try:
        commitments = {holder.index: holder.commitment for holder in epoch.holders}
        verify_commitments(epoch.public_key, commitments, epoch.threshold)
    except InvalidCommitmentsError as error:
        raise EvidenceError(f"the statement of the epoch: {error}") from None
    keys = {person.representative_id: person.public_key for person in member.representatives}
    return _shown(report.evidence, epoch, verify_evidence(report.evidence, epoch, keys.__getitem__))


def _shown(evidence: Evidence, statement: object, reason: str) -> ShownFault:
    if isinstance(statement, EpochStatement) and statement.epoch == evidence.epoch:
        for holder in statement.holders:
            if holder.holder_id == evidence.holder_id:
                return ShownFault(holder, statement, evidence.kind, reason)
    raise EvidenceError("the statement of the epoch is of another one, or does not name the holder")
