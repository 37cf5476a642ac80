"""What the registrars state, as typed values, read strictly: exactly the fields of the type, each of the right kind.

A representative's id starts with its member's id, so that no member can speak as another. The keyid of a registrar is
`registrar/<id>`, so no member may be called `registrar`. Nothing here says whether a statement is in force.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

import msgspec

from keys.oprf.group import InvalidElementError, check_element
from keys.sealing.hybrid import PUBLIC_KEY_SIZES
from keys.signatures.strict import (
    require_code,
    require_digest,
    require_distinct,
    require_fields,
    require_identifier,
    require_integer,
    require_key,
    require_list,
    require_public_key,
    require_text,
    require_time,
    require_url,
)
from keys.statements.envelopes import (
    MAX_ROOTS,
    MAX_SEQUENCE,
    ROOT,
    Registrar,
    Root,
    Statement,
    StatementError,
    parse_registrars,
    read_payload,
)
from schemas.holders import Holder
from schemas.terms import FourEyes, GroupKind, MemberKind, Role, Sector
from schemas.values.canonical import canonical_json
from schemas.values.encoding import from_base64, to_rfc3339

_RESERVED_MEMBER_IDS = frozenset({"registrar"})
_MAX_HOLDERS = 64
_MAX_BOOK = 10**10
MAX_CARRIED = 5000
"""How many statements a root can carry over: what fits into a statement's bytes."""


class MemberState(StrEnum):
    """Whether a member may act."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class RepresentativeState(StrEnum):
    """Whether a representative's key counts."""

    ACTIVE = "active"
    REVOKED = "revoked"


class GroupState(StrEnum):
    """Whether a group is open for sharing."""

    OPEN = "open"
    CLOSED = "closed"


class EpochState(StrEnum):
    """A key epoch's life: in use; in use beside its successor; no longer evaluated."""

    CURRENT = "current"
    RETIRING = "retiring"
    RETIRED = "retired"


class _Stated:
    """What all statements have: a type, beside the fields of their class."""

    __slots__ = ()
    TYPE: ClassVar[str]
    sequence: int

    def to_wire(self) -> dict[str, Any]:
        """The statement's JSON object. Raises ValueError for a sequence that nobody would read."""
        if not 1 <= self.sequence <= MAX_SEQUENCE:
            raise ValueError("a sequence starts at 1")
        return {"type": self.TYPE, **written(self)}


def written(value: Any) -> Any:
    """A value as JSON: sets sorted, bytes in base64, times in RFC 3339."""
    if is_dataclass(value):
        return {each.name: written(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, frozenset):
        return [written(each) for each in sorted(value)]
    if isinstance(value, tuple):
        return [written(each) for each in value]
    return to_rfc3339(value) if isinstance(value, datetime) else msgspec.to_builtins(value)


@dataclass(frozen=True, slots=True)
class StatedRepresentative:
    """A person or process of a member: `representative_id` is `<member>/<name>` and the keyid of its requests."""

    representative_id: str
    public_key: bytes
    roles: frozenset[Role]
    state: RepresentativeState


@dataclass(frozen=True, slots=True)
class MemberStatement(_Stated):
    """Who a member is. `declared_book` is its number of accounts; `encryption_key` has 1,216 bytes (hybrid), or
    32 (X25519, of members of the first days). `four_eyes` is what takes two people of it, by its own wish.
    """

    TYPE: ClassVar[str] = "member"

    sequence: int
    issued_at: datetime
    member_id: str
    name: str
    kind: MemberKind
    sector: Sector
    state: MemberState
    declared_book: int
    encryption_key: bytes
    representatives: tuple[StatedRepresentative, ...]
    four_eyes: frozenset[FourEyes] = frozenset()


@dataclass(frozen=True, slots=True)
class GroupStatement(_Stated):
    """A sharing group and the ids of its members; it ends by itself at `sunset`, if it has one."""

    TYPE: ClassVar[str] = "group"

    sequence: int
    issued_at: datetime
    group_id: str
    name: str
    kind: GroupKind
    objective: str
    sunset: datetime | None
    state: GroupState
    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class EpochStatement(_Stated):
    """A key epoch: any `threshold` of its holders evaluate under the key behind `public_key` (32 bytes)."""

    TYPE: ClassVar[str] = "epoch"

    sequence: int
    issued_at: datetime
    epoch: int
    state: EpochState
    threshold: int
    public_key: bytes
    normalisation: str
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class ExchangeStatement(_Stated):
    """The exchange: its address, the name and key of its log (signed-note verifier key), the key of its receipts."""

    TYPE: ClassVar[str] = "exchange"

    sequence: int
    issued_at: datetime
    exchange_id: str
    url: str
    log_origin: str
    log_vkey: str
    receipt_key: bytes


@dataclass(frozen=True, slots=True)
class RootStatement(_Stated):
    """The registrars from now on, and what of their predecessors' goes on: `sequence` is the root's version, `previous`
    the fingerprint of the root before, `statements` the SHA-256 (32 bytes) of each statement carried over.
    """

    TYPE: ClassVar[str] = ROOT

    sequence: int
    issued_at: datetime
    previous: str
    quorum: int
    registrars: tuple[Registrar, ...]
    statements: frozenset[bytes]

    @property
    def root(self) -> Root:
        """Who signs under it."""
        return Root(self.quorum, self.registrars)


AnyStatement: TypeAlias = MemberStatement | GroupStatement | EpochStatement | ExchangeStatement | RootStatement


def to_payload(statement: AnyStatement) -> bytes:
    """The bytes that registrars sign."""
    return canonical_json(statement.to_wire())


def parse_statement(payload: bytes) -> AnyStatement:
    """The typed form of a statement's bytes, whoever signed them. Raises StatementError."""
    return read_statement(read_payload(payload))


def read_statement(statement: Statement) -> AnyStatement:
    """The typed form of a statement whose head has been read. Raises StatementError."""
    readers: dict[str, Callable[[Statement], AnyStatement]] = {
        MemberStatement.TYPE: _member,
        GroupStatement.TYPE: _group,
        EpochStatement.TYPE: _epoch,
        ExchangeStatement.TYPE: _exchange,
        RootStatement.TYPE: _root,
    }
    try:
        return readers[statement.type](statement)
    except ValueError as error:
        raise StatementError("malformed", f"{statement.type} statement: {error}") from None


def _body(statement: Statement, kind: type[_Stated]) -> dict[str, Any]:
    """The statement's object, with exactly the fields of its type. Raises ValueError."""
    return require_fields(statement.body, "type", *(each.name for each in fields(kind)))  # type: ignore[arg-type]


def _member(statement: Statement) -> MemberStatement:
    body = _body(statement, MemberStatement)
    if statement.subject in _RESERVED_MEMBER_IDS:
        raise ValueError("this member id is reserved")
    people = tuple(_representative(person, statement.subject) for person in require_list(body["representatives"], 64))
    require_distinct([person.representative_id for person in people], "representative")
    require_distinct([person.public_key for person in people], "key")
    four_eyes = [require_code(code, FourEyes) for code in require_list(body["four_eyes"], len(FourEyes))]
    require_distinct(four_eyes, "code of four_eyes")
    return MemberStatement(
        sequence=statement.sequence,
        issued_at=statement.issued_at,
        member_id=statement.subject,
        name=require_text(body["name"], 200),
        kind=require_code(body["kind"], MemberKind),
        sector=require_code(body["sector"], Sector),
        state=require_code(body["state"], MemberState),
        declared_book=require_integer(body["declared_book"], 0, _MAX_BOOK),
        encryption_key=_encryption_key(body["encryption_key"]),
        representatives=people,
        four_eyes=frozenset(four_eyes),
    )


def _encryption_key(value: object) -> bytes:
    """Its size alone: a key to which nothing can be sealed harms its owner only, and is reported when it is used."""
    key = from_base64(require_text(value, 4 * max(PUBLIC_KEY_SIZES)))
    if len(key) not in PUBLIC_KEY_SIZES:
        raise ValueError("an encryption key has another size")
    return key


def _representative(value: object, member_id: str) -> StatedRepresentative:
    person = require_fields(value, *(each.name for each in fields(StatedRepresentative)))
    owner, stroke, name = require_text(person["representative_id"], 129).partition("/")
    if owner != member_id or not stroke:
        raise ValueError("a representative's id is <member>/<name>")
    roles = [require_code(role, Role) for role in require_list(person["roles"], len(Role))]
    require_distinct(roles, "role")
    return StatedRepresentative(
        f"{owner}/{require_identifier(name)}",
        require_public_key(person["public_key"]),
        frozenset(roles),
        require_code(person["state"], RepresentativeState),
    )


def _group(statement: Statement) -> GroupStatement:
    body = _body(statement, GroupStatement)
    members = [require_identifier(member) for member in require_list(body["members"])]
    require_distinct(members, "member")
    return GroupStatement(
        sequence=statement.sequence,
        issued_at=statement.issued_at,
        group_id=statement.subject,
        name=require_text(body["name"], 200),
        kind=require_code(body["kind"], GroupKind),
        objective=require_text(body["objective"], 1000),
        sunset=None if body["sunset"] is None else require_time(body["sunset"]),
        state=require_code(body["state"], GroupState),
        members=frozenset(members),
    )


def _epoch(statement: Statement) -> EpochStatement:
    body = _body(statement, EpochStatement)
    holders = tuple(_holder(holder) for holder in require_list(body["holders"], _MAX_HOLDERS))
    for name in Holder.__struct_fields__:
        require_distinct([getattr(holder, name) for holder in holders], name)
    return EpochStatement(
        sequence=statement.sequence,
        issued_at=statement.issued_at,
        epoch=require_integer(body["epoch"], 1, 65_535),
        state=require_code(body["state"], EpochState),
        # A threshold of one would let each holder alone test guesses: no key is held whole.
        threshold=require_integer(body["threshold"], 2, len(holders)),
        public_key=_element(body["public_key"]),
        normalisation=require_identifier(body["normalisation"]),
        holders=holders,
    )


def _holder(value: object) -> Holder:
    holder = require_fields(value, *Holder.__struct_fields__)
    return Holder(
        index=require_integer(holder["index"], 1, 65_535),
        holder_id=require_identifier(holder["holder_id"]),
        url=require_url(holder["url"]),
        commitment=_element(holder["commitment"]),
        verify_key=require_public_key(holder["verify_key"]),
    )


def _exchange(statement: Statement) -> ExchangeStatement:
    body = _body(statement, ExchangeStatement)
    return ExchangeStatement(
        sequence=statement.sequence,
        issued_at=statement.issued_at,
        exchange_id=statement.subject,
        url=require_url(body["url"]),
        log_origin=require_text(body["log_origin"], 200),
        log_vkey=require_text(body["log_vkey"], 400),
        receipt_key=require_public_key(body["receipt_key"]),
    )


def _root(statement: Statement) -> RootStatement:
    body = _body(statement, RootStatement)
    registrars = parse_registrars(body["registrars"])
    listed = [require_text(digest, 44) for digest in require_list(body["statements"], MAX_CARRIED)]
    require_distinct(listed, "statement")
    return RootStatement(
        sequence=require_integer(statement.sequence, 2, MAX_ROOTS),
        issued_at=statement.issued_at,
        previous=require_digest(body["previous"]),
        quorum=require_integer(body["quorum"], 1, len(registrars)),
        registrars=registrars,
        statements=frozenset(from_base64(digest, 32) for digest in listed),
    )


def _element(value: object) -> bytes:
    element = require_key(value)
    try:
        check_element(element)
    except InvalidElementError:
        raise ValueError("this is not an element of the group") from None
    return element
