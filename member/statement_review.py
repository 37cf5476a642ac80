"""A statement in plain words, for the registrar who is to sign it: who, which keys, and what changes.

Keys are shown by their fingerprints, which the member reads to the registrar from `member status`. Changes are told
field by field against the statement in force; what is not listed stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from keys.fingerprints import fingerprint_of, in_fours
from keys.keyring import AnyStatement, EpochStatement, ExchangeStatement, GroupStatement, MemberStatement
from schemas.encoding import from_base64

_HEAD = frozenset({"type", "sequence", "issued_at"})
_KEYS = frozenset({"public_key", "encryption_key", "verify_key", "receipt_key", "commitment"})
_NAMED_BY = ("representative_id", "holder_id", "registrar_id")
_NOTHING = "nothing"


def review(statement: AnyStatement, held: AnyStatement | None) -> dict[str, Any]:
    """`{"is_new", "keys": [{"of", "use", "fingerprint"}], "changes": [{"field", "before", "after"}]}`; a key is told by
    its fingerprint. `held` is the statement in force about the same subject, if there is one.
    """
    return {
        "is_new": held is None,
        "keys": [{"of": of, "use": use, "fingerprint": fingerprint_of(key)} for of, use, key in _keys(statement)],
        "changes": [] if held is None else list(_changes(held.to_wire(), statement.to_wire())),
    }


def review_text(document: Mapping[str, Any]) -> str:
    """The same for people: a proposal's document of `registrar pending`."""
    stated, changes = document["statement"], document["changes"]
    news = "new" if document["is_new"] else "a change"
    lines = [f"{document['type']} {document['subject']}: {news} (proposal {document['proposal_id']})"]
    lines.append(f"  sequence {document['sequence']}, issued at {document['issued_at']}")
    lines += [f"  {line}" for line in _facts(stated)]
    lines += [f"  {each['use']} key of {each['of']}: {in_fours(each['fingerprint'])}" for each in document["keys"]]
    if not document["is_new"]:
        lines.append("  changes against the statement in force:" if changes else "  changes nothing but its sequence")
        lines += [f"    {each['field']}: {_shown(each['before'])} -> {_shown(each['after'])}" for each in changes]
    if document["obstacle"] is not None:
        lines.append(f"  NOT TO BE SIGNED: {document['obstacle']}")
    lines.append(f"  signatures so far: {document['signatures']}")
    lines.append(f"  digest: {document['digest']}")
    lines.append(f"  sign with: member registrar approve {document['proposal_id']} --digest {document['digest']}")
    return "\n".join(lines)


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
        case GroupStatement():
            return


def _facts(stated: Mapping[str, Any]) -> Iterator[str]:
    """What else the statement says, key and head aside."""
    for name, value in stated.items():
        if name in _HEAD or name in _KEYS:
            continue
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for each in value:
                yield f"{_name_of(each)}: {_entry(each)}"
        else:
            yield f"{name.replace('_', ' ')}: {_shown(value)}"


def _entry(entry: Mapping[str, Any]) -> str:
    parts = [_shown(value) for name, value in entry.items() if name not in _KEYS and name not in _NAMED_BY]
    return "; ".join(parts)


def _name_of(entry: Mapping[str, Any]) -> str:
    return next((str(entry[name]) for name in _NAMED_BY if name in entry), _NOTHING)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Iterator[dict[str, Any]]:
    for name in sorted({*before, *after} - (_HEAD if not path else frozenset())):
        old, new = before.get(name), after.get(name)
        field = f"{path}{name}"
        if old == new:
            continue
        if isinstance(old, list) and isinstance(new, list):
            yield from _changes_of_list(old, new, field)
        else:
            yield {"field": field, "before": _plain(name, old), "after": _plain(name, new)}


def _changes_of_list(old: list[Any], new: list[Any], field: str) -> Iterator[dict[str, Any]]:
    """Entries by their names; plain values by which were added and which removed."""
    if not all(isinstance(each, dict) for each in (*old, *new)):
        removed, added = [each for each in old if each not in new], [each for each in new if each not in old]
        yield {"field": field, "before": removed or None, "after": added or None}
        return
    was, will = {_name_of(each): each for each in old}, {_name_of(each): each for each in new}
    for name in sorted({*was, *will}):
        yield from _changes(was.get(name, {}), will.get(name, {}), f"{field}.{name}.")


def _plain(name: str, value: Any) -> Any:
    """The value, a key as its fingerprint."""
    if name in _KEYS and isinstance(value, str):
        return f"fingerprint {in_fours(fingerprint_of(from_base64(value)))}"
    return value


def _shown(value: Any) -> str:
    if value is None or value == []:
        return _NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)
