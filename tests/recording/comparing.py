"""Compares two recordings: what passed in one alone, field by field, and which sentences changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.recording.masking import leaves
from tests.recording.reading import Item

_ABSENT = "—"


@dataclass
class Comparison:
    """How two recordings differ. `differences` are lines, each beside how many items show it; `prose` the sentences
    that stand in one recording alone; `compared` how many items the two have.
    """

    compared: tuple[int, int]
    differences: Counter[str] = field(default_factory=Counter)
    prose: list[str] = field(default_factory=list)


def compare(before: Sequence[Item], after: Sequence[Item]) -> Comparison:
    """Compare by key: items with the same key are told apart by what they hold."""
    comparison = Comparison((len(before), len(after)))
    one, other = by_key(before), by_key(after)
    for key in sorted(one.keys() | other.keys()):
        if (key not in one or key not in other) and (one.get(key) or other[key])[0].may_lack:
            continue
        if key not in one or key not in other:
            comparison.differences[f"{key}: only {'before' if key in one else 'after'}"] += 1
            continue
        for line in differences(one[key], other[key]):
            comparison.differences[f"{key}: {line}"] += 1
    comparison.prose = changed_prose(before, after)
    return comparison


def by_key(items: Iterable[Item]) -> dict[str, list[Item]]:
    """The items of each key."""
    found: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        found[item.key].append(item)
    return dict(found)


def differences(before: Sequence[Item], after: Sequence[Item]) -> list[str]:
    """What differs between the items of one key: a line for each leaf, or that an item came more often."""
    one, other = Counter(item.text for item in before), Counter(item.text for item in after)
    documents = {item.text: item.document for item in (*before, *after)}
    gone = sorted(text for text in one if text not in other)
    new = sorted(text for text in other if text not in one)
    lines = []
    for text in new if gone else ():
        nearest = min(gone, key=lambda old: len(leaf_differences(documents[old], documents[text])))
        lines.extend(leaf_differences(documents[nearest], documents[text]))
    for text in gone if new else ():
        nearest = min(new, key=lambda other: len(leaf_differences(documents[text], documents[other])))
        lines.extend(leaf_differences(documents[text], documents[nearest]))
    lines.extend(f"only before: {text}" for text in gone if not new)
    lines.extend(f"only after: {text}" for text in new if not gone)
    if before[0].is_counted:
        lines.extend(
            f"{one[text]} times before, {other[text]} after: {text}"
            for text in sorted(one.keys() & other.keys())
            if one[text] != other[text]
        )
    return sorted(set(lines))


def leaf_differences(before: Any, after: Any) -> list[str]:
    """A line for each leaf that differs."""
    one, other = dict(leaves(before)), dict(leaves(after))
    return [
        f"{path.lstrip('.')}: {one.get(path, _ABSENT)!r} -> {other.get(path, _ABSENT)!r}"
        for path in sorted(one.keys() | other.keys())
        if one.get(path, _ABSENT) != other.get(path, _ABSENT)
    ]


def changed_prose(before: Iterable[Item], after: Iterable[Item]) -> list[str]:
    """The sentences of each place that stand in one recording alone: `-` before, `+` after."""
    one, other = sentences(before), sentences(after)
    return [
        f"{sign} {key} {path}: {text}"
        for key, path, text, sign in sorted(
            {(*each, "-") for each in one - other} | {(*each, "+") for each in other - one}
        )
    ]


def sentences(items: Iterable[Item]) -> set[tuple[str, str, str]]:
    """Each sentence with its item's key and its path."""
    return {(item.key, path, text) for item in items for path, text in item.prose}
