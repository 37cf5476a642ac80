"""What differs from run to run in a document, replaced by what kind of thing it is; everything else stays.

By the form of a value: ids, moments, days counted from the day of the run, random bytes (with how many there are),
ports, folders. By the name of its field, where the form does not show it: numbers that grow with the log or with time.
Envelopes and other documents inside a document are decoded first, so that what is signed is compared too.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

COUNTS = frozenset({"log_verified", "pids"})
"""Objects all of whose numbers are of this kind."""
GROWING = COUNTS | frozenset(
    {"corrections_read", "entries", "log_entry", "logged", "pending", "receipts", "seconds", "size", "tree_size"}
)
"""Fields whose number depends on how long a run took, on how many ticks the log had, or on how often somebody asked."""
BESIDE = {
    "event_id": frozenset({"index", "number"}),
    "log_size": frozenset({"bytes", "log_size", "rows"}),
    "evaluations_30_days": frozenset({"evaluations_30_days", "remaining", "used"}),
}
"""Such fields, by another field of their object: of an entry of the log, of a backup, and of what a key holder
answered, who is one of those that can. Those of the same name elsewhere stay.
"""
UNORDERED = frozenset({"hits", "proposals", "statements", "approved"})
"""Lists in the order of random ids, tokens or digests."""
PROSE = frozenset({"detail", "said"})
"""Fields that hold sentences for people; `title` too, of a problem."""
_PROBLEM = "urn:exchange:problem:"
_LONG = 40
"""Signs; no word is as long."""
_NEAR_DAYS = 800
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_IN_WORDS = re.compile(r"\b\d{1,2} [A-Z][a-z]+ 20\d\d(?:, \d\d:\d\d UTC)?")
"""A day as pages write it."""
_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_PORT = re.compile(r"(127\.0\.0\.1|localhost):\d+")
_FOLDER = re.compile(r"/(?:tmp|var)/[^\s\"':]*?(?=/sandbox|/exchange\b|/docs\b|[\s\"':]|$)")
_REFERENCE = re.compile(r"\b\d{4}-(?=[A-Z]+\b)")
"""The number of an alert, which is drawn."""
_FINGERPRINT = re.compile(r"\b(?:[0-9a-f]{4} ){7,}[0-9a-f]{4}\b")
_SIGNED = re.compile(r'created=\d+|keyid="holder-\d+"')
"""When a key holder signed, and which of those that can answer it was."""
_PROGRESS = re.compile(r" rows/s, ")
_COUNTED = re.compile(r"\b[\d.,]*\d(?= (?:s|seconds|entries|leaves|files)\b)")
_SIZE_OF_LOG = re.compile(r"^\d+$", re.MULTILINE)
"""In a checkpoint."""
_HEX = re.compile(r"\b[0-9a-f]{16,}\b")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}={0,2}(?![A-Za-z0-9+/=_-])")


@dataclass
class Masking:
    """Masks documents of a run on `day`; what is prose is collected beside its path."""

    day: date
    prose: list[tuple[str, str]] = field(default_factory=list)

    def document(self, value: Any, path: str = "", name: str = "") -> Any:
        """A document with all that differs from run to run masked."""
        if isinstance(value, dict):
            is_problem = str(value.get("type", "")).startswith(_PROBLEM)
            masked = {
                self.text(key): self._field(
                    item, f"{path}.{key}", name if name in COUNTS else key, is_problem=is_problem
                )
                for key, item in sorted(value.items())
            }
            grown = [each for beside, names in BESIDE.items() if beside in masked for each in names & masked.keys()]
            return masked | dict.fromkeys(grown, "<number>")
        if isinstance(value, list):
            items = [self.document(item, f"{path}[]", name) for item in value]
            return sorted(items, key=json.dumps) if name in UNORDERED else items
        if isinstance(value, str):
            inner = decoded(value)
            return self.text(value) if inner is None else {"decoded": self.document(inner, path, name)}
        if isinstance(value, bool) or value is None or name not in GROWING:
            return value
        return "<number>"

    def _field(self, value: Any, path: str, name: str, *, is_problem: bool) -> Any:
        if isinstance(value, str) and (name in PROSE or (is_problem and name == "title")):
            self.prose.append((path, self.text(value)))
            return "<prose>"
        return self.document(value, path, name)

    def text(self, text: str) -> str:
        """A text with ids, moments, random bytes and places masked."""
        text = _UUID.sub("<uuid>", text)
        text = _MOMENT.sub("<moment>", text)
        text = _IN_WORDS.sub("<day in words>", text)
        text = _DAY.sub(self._day, text)
        text = _PORT.sub(r"\1:<port>", text)
        text = _FOLDER.sub("<folder>", text)
        text = _REFERENCE.sub("<number>-", text)
        text = _FINGERPRINT.sub("<fingerprint>", text)
        text = _SIGNED.sub(lambda found: f"{found[0].partition('=')[0]}=<signer>", text)
        text = _SIZE_OF_LOG.sub("<number>", text) if text.count("\n") > 2 else text
        text = _HEX.sub(_hexadecimal, text)
        return _BASE64.sub(_random, text)

    def _day(self, found: re.Match[str]) -> str:
        try:
            days = (date.fromisoformat(found[0]) - self.day).days
        except ValueError:
            return found[0]
        return f"<day {days:+d}>" if abs(days) <= _NEAR_DAYS and days >= -1 else found[0]


def decoded(text: str) -> Any:
    """The document that a text is in JSON, plain or in base64; None for any other text."""
    for candidate in (text, _from_base64(text)):
        if candidate is not None and candidate[:1] in ("{", "["):
            try:
                return json.loads(candidate)
            except ValueError:
                continue
    return None


def _from_base64(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def said_lines(said: str) -> list[str]:
    """What a command says, without the progress that it shows and how long things took."""
    lines = [line for line in re.split(r"[\r\n]+", said) if line.strip() and not _PROGRESS.search(line)]
    return [_COUNTED.sub("<number>", line) for line in lines]


def _hexadecimal(found: re.Match[str]) -> str:
    return f"<{len(found[0]) // 2} bytes>" if re.search("[a-f]", found[0]) and re.search(r"\d", found[0]) else found[0]


def _random(found: re.Match[str]) -> str:
    """What looks like random bytes: capitals, small letters and a digit or sign in one word, or a long one."""
    text = found[0]
    is_long = len(text) >= _LONG and "/" not in text and "_" not in text
    if not (re.search("[A-Z]", text) and re.search("[a-z]", text) and (is_long or re.search(r"\d|\+|=$", text))):
        return text
    return f"<{len(text.rstrip('=')) * 3 // 4} bytes>"


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each leaf of a document, with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
        if not value:
            yield path, "{}"
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, f"{path}[{number}]")
        if not value:
            yield path, "[]"
    else:
        yield path, value
