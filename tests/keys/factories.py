"""A taskforce on paper: registrars, a dealt epoch, members with their keys, and the statements about them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from keys.oprf.threshold import Dealing, deal
from keys.signatures.messages import SigningKey
from keys.statements.envelopes import merge, sign_statement
from keys.statements.keyring import (
    AnyStatement,
    EpochState,
    EpochStatement,
    MemberState,
    MemberStatement,
    Registrar,
    RepresentativeState,
    Root,
    StatedRepresentative,
    to_payload,
)
from schemas.holders import Holder
from schemas.statements import StatementEnvelope
from schemas.terms import MemberKind, Role, Sector

ISSUED = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
REGISTRARS = ("necc", "reviewer", "bank")
_KEYS = {name: SigningKey.from_seed(name.encode().ljust(32, b".")) for name in (*REGISTRARS, "stranger", "regulator")}


def make_root(quorum: int = 2) -> Root:
    """The root of the three registrars."""
    return Root(quorum, tuple(Registrar(name, _KEYS[name].public_bytes) for name in REGISTRARS))


def registrar_key(name: str) -> SigningKey:
    """The key of a registrar, or of `stranger` and `regulator`, who are none at first."""
    return _KEYS[name]


def registrar(name: str) -> Registrar:
    """One of them as a root names it."""
    return Registrar(name, _KEYS[name].public_bytes)


def sign(statement: AnyStatement | bytes, by: Sequence[str] = ("necc", "reviewer")) -> StatementEnvelope:
    """An envelope with the signatures of those named."""
    payload = statement if isinstance(statement, bytes) else to_payload(statement)
    envelopes = [sign_statement(payload, name, _KEYS[name]) for name in by]
    merged = envelopes[0]
    for envelope in envelopes[1:]:
        merged = merge(merged, envelope)
    return merged


@dataclass(frozen=True)
class Member:
    """A member with the key of its analyst."""

    statement: MemberStatement
    key: SigningKey

    @property
    def key_id(self) -> str:
        """The keyid of its analyst."""
        return self.statement.representatives[0].representative_id

    def changed(self, **changes: Any) -> MemberStatement:
        """Its next statement."""
        return dataclasses.replace(self.statement, sequence=self.statement.sequence + 1, **changes)

    def revoked(self) -> MemberStatement:
        """Its next statement, in which the analyst's key is revoked."""
        (person,) = self.statement.representatives
        return self.changed(representatives=(dataclasses.replace(person, state=RepresentativeState.REVOKED),))


def make_member(member_id: str = "a", *, roles: frozenset[Role] = frozenset({Role.SUBMITTER})) -> Member:
    """A bank with one representative and a book of a million accounts."""
    key = SigningKey.from_seed(f"member {member_id}".encode().ljust(32, b"."))
    person = StatedRepresentative(f"{member_id}/analyst", key.public_bytes, roles, RepresentativeState.ACTIVE)
    statement = MemberStatement(
        sequence=1,
        issued_at=ISSUED,
        member_id=member_id,
        name=f"Bank {member_id}",
        kind=MemberKind.FINANCIAL_INSTITUTION,
        sector=Sector.BANKING,
        state=MemberState.ACTIVE,
        declared_book=1_000_000,
        encryption_key=b"e" * 32,
        representatives=(person,),
    )
    return Member(statement, key)


def holder_key(index: int) -> SigningKey:
    """The key with which holder `index` signs its answers."""
    return SigningKey.from_seed(f"holder {index}".encode().ljust(32, b"."))


def holder_url(index: int) -> str:
    """Where holder `index` is."""
    return f"https://holder-{index}.example"


def make_epoch(
    dealing: Dealing,
    *,
    urls: Sequence[str] = (),
    epoch: int = 1,
    state: EpochState = EpochState.CURRENT,
    keys: Mapping[int, SigningKey] | None = None,
) -> EpochStatement:
    """The statement of a dealt epoch, whose holders sign with `keys`, or with those of `holder_key`."""
    holders = tuple(
        Holder(
            index,
            f"holder-{index}",
            urls[index - 1] if urls else holder_url(index),
            commitment,
            (keys[index] if keys else holder_key(index)).public_bytes,
        )
        for index, commitment in dealing.commitments.items()
    )
    return EpochStatement(1, ISSUED, epoch, state, dealing.threshold, dealing.group_public_key, "n1", holders)


def make_dealing() -> Dealing:
    """A fresh key, 2 of 3."""
    return deal(None, 2, 3)
