"""Strategies for input that nobody meant: any JSON, and good documents in which one byte was changed."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**17, 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
"""Any value that a JSON reader may give."""


@st.composite
def changed_bytes(draw: st.DrawFn, document: bytes) -> bytes:
    """The document with one byte replaced, left out, doubled or put in, or cut off somewhere."""
    place = draw(st.integers(0, len(document) - 1))
    byte = bytes([draw(st.integers(0, 255))])
    return draw(
        st.sampled_from(
            [
                document[:place] + byte + document[place + 1 :],
                document[:place] + document[place + 1 :],
                document[:place] + byte + document[place:],
                document[:place] + document[place : place + 1] + document[place:],
                document[:place],
            ]
        )
    )


def changed_text(document: str) -> st.SearchStrategy[str]:
    """The same of a text; a byte that is no UTF-8 any more stands as a lone surrogate, as lax readers give it."""
    return changed_bytes(document.encode()).map(lambda data: data.decode("utf-8", "surrogateescape"))


@st.composite
def changed_fields(draw: st.DrawFn, document: dict[str, Any]) -> Any:
    """The object with a field, at any depth, replaced by any JSON, left out, or with a stranger beside it."""
    changed = json.loads(json.dumps(document))
    place: Any = changed
    while True:
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
            continue
        action = draw(st.sampled_from(["replace", "replace", "replace", "drop", "add"]))
        if action == "replace":
            place[key] = draw(JSON)
        elif action == "drop":
            del place[key]
        elif isinstance(place, dict):
            place[draw(st.text(max_size=12))] = draw(JSON)
        else:
            place.append(draw(JSON))
        return changed
