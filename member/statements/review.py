"""What a statement says, for the registrar who is to sign it: who, which keys, and what changes.

Keys are shown by their fingerprints, which the member reads to the registrar from `member status`. Changes are shown
field by field against the statement in force; what is not listed stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from keys.statements.envelopes import ROOT
from keys.statements.fingerprints import fingerprint_of, in_fours
from keys.statements.keyring import (
    AnyStatement,
    EpochStatement,
    ExchangeStatement,
    GroupStatement,
    MemberStatement,
    RootStatement,
)
from schemas.values.encoding import from_base64

HEAD = frozenset({"type", "sequence", "issued_at"})
KEYS = frozenset({"public_key", "encryption_key", "verify_key", "receipt_key", "commitment"})
NAMED_BY = ("representative_id", "holder_id", "registrar_id")
NOTHING = "nothing"
_CARRIED = frozenset({"previous", "statements"})


class KeyView(msgspec.Struct, frozen=True):
    """A key that a statement names: whose, what for, and by which fingerprint it is compared."""

    of: str
    use: str
    fingerprint: str


class ChangeView(msgspec.Struct, frozen=True):
    """One field of a statement that is to be another; None where there was or will be none."""

    field: str
    before: object
    after: object


@dataclass(frozen=True)
class Succession:
    """Of a root: who joins and who leaves, and how many statements it carries over."""

    joining: list[str]
    leaving: list[str]
    carried_over: int


@dataclass(frozen=True)
class Review:
    """What a statement says beside the one in force about the same subject."""

    is_new: bool
    keys: list[KeyView]
    changes: list[ChangeView]
    succession: Succession | None


def review(statement: AnyStatement, held: AnyStatement | None) -> Review:
    """What a registrar looks at; `held` is the statement in force about the same subject, if there is one."""
    return Review(
        is_new=held is None,
        keys=[KeyView(of, use, fingerprint_of(key)) for of, use, key in _keys(statement)],
        changes=[] if held is None else list(_changes(_plain_wire(held), _plain_wire(statement))),
        succession=_succession(statement, held) if isinstance(statement, RootStatement) else None,
    )


def _plain_wire(statement: AnyStatement) -> Mapping[str, Any]:
    """What is compared field by field: what a root carries over is shown as one (member.statements.registrar)."""
    wire = statement.to_wire()
    return {name: value for name, value in wire.items() if name not in _CARRIED} if wire["type"] == ROOT else wire


def _succession(statement: RootStatement, held: AnyStatement | None) -> Succession:
    before = held.root.ids if isinstance(held, RootStatement) else frozenset()
    after = statement.root.ids
    return Succession(sorted(after - before), sorted(before - after), len(statement.statements))


def _keys(statement: AnyStatement) -> Iterator[tuple[str, str, bytes]]:
    match statement:
        case MemberStatement():
            yield statement.member_id, "encryption", statement.encryption_key
            for person in statement.representatives:
                yield person.representative_id, "signing", person.public_key
        case EpochStatement():
            yield f"epoch {statement.epoch}", "tokenisation", statement.public_key
            for holder in statement.holders:
                yield holder.holder_id, "signing", holder.verify_key
        case ExchangeStatement():
            yield statement.exchange_id, "receipt", statement.receipt_key
        case RootStatement():
            for registrar in statement.registrars:
                yield registrar.registrar_id, "signing", registrar.public_key
        case GroupStatement():
            return


def name_of(entry: Mapping[str, Any]) -> str:
    """What identifies an entry of a list."""
    return next((str(entry[name]) for name in NAMED_BY if name in entry), NOTHING)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Iterator[ChangeView]:
    for name in sorted({*before, *after} - (HEAD if not path else frozenset())):
        old, new = before.get(name), after.get(name)
        field = f"{path}{name}"
        if old == new:
            continue
        if isinstance(old, list) and isinstance(new, list):
            yield from _changes_of_list(old, new, field)
        else:
            yield ChangeView(field, _plain(name, old), _plain(name, new))


def _changes_of_list(old: list[Any], new: list[Any], field: str) -> Iterator[ChangeView]:
    """Entries by their names; plain values by which were added and which removed."""
    if not all(isinstance(each, dict) for each in (*old, *new)):
        removed, added = [each for each in old if each not in new], [each for each in new if each not in old]
        yield ChangeView(field, removed or None, added or None)
        return
    was, will = {name_of(each): each for each in old}, {name_of(each): each for each in new}
    for name in sorted({*was, *will}):
        yield from _changes(was.get(name, {}), will.get(name, {}), f"{field}.{name}.")


def _plain(name: str, value: Any) -> Any:
    """The value, a key as its fingerprint."""
    if name in KEYS and isinstance(value, str):
        return f"fingerprint {in_fours(fingerprint_of(from_base64(value)))}"
    return value
