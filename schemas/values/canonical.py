"""Canonical JSON: one byte form for each value, so that a digest or a signature of it means one thing.

A restriction of RFC 8785: object keys are strings and sorted by code point, no white space, UTF-8 unescaped. Floats
are refused (their text form differs between implementations), and so are lone surrogates (they have no UTF-8 form).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


class NotCanonicalError(ValueError):
    """The value or the bytes have no canonical form."""


def _check(value: Any) -> None:
    if value is None or isinstance(value, bool | int | str):
        return
    if isinstance(value, list | tuple):
        for item in value:
            _check(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotCanonicalError("object keys are strings")
            _check(item)
    else:
        raise NotCanonicalError(f"{type(value).__name__} has no canonical form")


def canonical_json(value: Any) -> bytes:
    """The canonical UTF-8 bytes of a value made of dict, list, str, int, bool and None.

    Raises NotCanonicalError for floats, other types, keys that are not strings, and lone surrogates.
    """
    _check(value)
    try:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotCanonicalError("a lone surrogate has no UTF-8 form") from error


def parse_canonical_json(data: bytes) -> Any:
    """The value of canonical bytes; NotCanonicalError unless `data` is exactly what canonical_json writes."""
    try:
        value = json.loads(data.decode("utf-8"))
        same = canonical_json(value) == data
    except (ValueError, RecursionError) as error:
        raise NotCanonicalError("not canonical JSON") from error
    if not same:
        raise NotCanonicalError("not canonical JSON")
    return value


def parse_unambiguous_json(data: bytes) -> Any:
    """The value of JSON that a person may read beside the program. ValueError where it is not JSON, and where an object
    has a field twice: who reads it by eye may take the other for what counts.
    """
    return json.loads(data, object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a field stands in an object twice")
    return value


def digest(value: Any) -> bytes:
    """SHA-256, 32 bytes, of the canonical form."""
    return hashlib.sha256(canonical_json(value)).digest()
