"""Values for requests, drawn with Hypothesis from the schemas of an OpenAPI document: good ones, and any ones.

Drawing is slow beside sending, so a pool is drawn for each form once, and requests are put together from pools.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from schemas.values.encoding import to_base64

_LONGEST_LIST = 3
_DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31)).map(date.isoformat)
_MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 12, 31)).map(lambda at: f"{at:%Y-%m-%dT%H:%M:%S}Z")  # noqa: DTZ001
_BASE64_LENGTH = re.compile(r"base64, ([0-9]+) bytes", re.IGNORECASE)

# What JSON can hold, with what breaks careless readers.
ANY_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**63) - 1, 2**64, 10**400, -1, 0, 2**53])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=40)
    | st.sampled_from(["", "\0", "\u202e", "\ufeff", "'", '"', "%00", "../..", "a" * 5000, "9" * 5000, "NaN"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
ANY_TEXTS: st.SearchStrategy[str] = st.text(max_size=60) | st.from_regex(r"[ -~]{1,60}", fullmatch=True)


def draw(strategy: st.SearchStrategy[Any], count: int, number: int) -> list[Any]:
    """So many values of the strategy, always the same for one `number`."""
    drawn: list[Any] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        drawn.append(value)

    collect()
    return drawn


class SchemaValues:
    """Strategies of good values for the schemas of one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas: Mapping[str, Any] = document["components"]["schemas"]

    def of(self, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one line for each kind
        """Values that the schema allows; what it does not say is kept small."""
        if "$ref" in schema:
            return self.of(self._schemas[schema["$ref"].rsplit("/", 1)[1]])
        if "enum" in schema:
            return st.sampled_from(list(schema["enum"]))
        kind = schema.get("type")
        if isinstance(kind, list):
            return st.one_of([self.of({**schema, "type": one}) for one in kind])
        match kind:
            case "object":
                return self._objects(schema)
            case "array":
                least, most = schema.get("minItems", 0), schema.get("maxItems", _LONGEST_LIST)
                return st.lists(
                    self.of(schema.get("items", {})), min_size=least, max_size=max(least, min(most, _LONGEST_LIST))
                )
            case "integer":
                least, most = schema.get("minimum", 0), schema.get("maximum", 2**53 - 1)
                return st.integers(least, most)
            case "number":
                return st.floats(0, 1e6)
            case "boolean":
                return st.booleans()
            case "null":
                return st.none()
            case "string":
                return _strings(schema)
        return ANY_VALUES

    def _objects(self, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        required = set(schema.get("required", ()))
        values = {name: self.of(one) for name, one in schema.get("properties", {}).items()}
        return st.fixed_dictionaries(
            {name: one for name, one in values.items() if name in required},
            optional={name: one for name, one in values.items() if name not in required},
        )


def _strings(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    length = _BASE64_LENGTH.search(schema.get("description", ""))
    if length is not None:
        from_bytes = st.binary(min_size=int(length[1]), max_size=int(length[1]))
        return from_bytes.map(to_base64)
    if "pattern" in schema:
        pattern = re.sub(r",65536\}", ",90}", schema["pattern"])
        return st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)
    match schema.get("format"):
        case "date":
            return _DAYS
        case "date-time":
            return _MOMENTS
        case "uuid":
            return st.uuids(version=4).map(str)
    least = schema.get("minLength", 0)
    most = min(schema.get("maxLength", 40), max(least, 40))
    return st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=least, max_size=most)
