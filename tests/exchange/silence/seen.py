"""What a bank can tell of an answer: its status, every header, its body and its length, but for what is random by
nature.

What is masked, and why:
- Ids (UUIDs): random. Each is replaced by its number in the order in which the bank first saw it, so that the same id
  in two answers is the same on both sides.
- Alerts' references: four digits dealt at random; and the digests by which MISP finds them.
- The moment at which TAXII says that an object was added: it is put off by a random part of a second.
- Salts, signatures, secrets, and the digests and log entries that cover them: random, and of fixed length, which is
  kept.
- X-Request-Id and an ETag.
Not masked are the index of each log entry and the size of the tree: they do not depend on what anybody does
(docs/adr/0034). Of the tree's head, its tiles and bundles only the hashes and signatures are.
Views and receipts, which travel as base64, are opened and compared like all else.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from werkzeug.test import TestResponse

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_REFERENCE = re.compile(r"[0-9]{4,6}-[A-Z][A-Z0-9_-]*")
_ADDED = re.compile(r"T[0-9:]{8}\.[0-9]{6}Z")
_MD5 = re.compile(r"^[0-9a-f]{32},", re.MULTILINE)
_FEED_TOKEN = re.compile(r"feed_[A-Za-z0-9_-]+")
_RANDOM = frozenset({"signature", "entry", "salt", "chain_head", "core_digest", "secret", "error_id"})
_OPENED = frozenset({"view", "payload"})
_RANDOM_HEADERS = frozenset({"X-Request-Id", "ETag"})
_OPAQUE = frozenset({"application/octet-stream", "application/pdf"})


class Seen(NamedTuple):
    """What is compared."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    length: int


@dataclass
class Eyes:
    """One bank, which remembers the ids that it saw."""

    ids: dict[str, str] = field(default_factory=dict)

    def see(self, answer: TestResponse) -> Seen:
        """An answer, masked."""
        body = self._body(answer)
        headers = [(name, self.text(value)) for name, value in answer.headers if name not in _RANDOM_HEADERS]
        return Seen(answer.status_code, tuple(sorted(headers)), body, len(answer.data))

    def text(self, text: str) -> str:
        """A text, with its ids numbered."""
        plain = _ADDED.sub("T<moment>Z", _FEED_TOKEN.sub("<feed token>", text))
        plain = _REFERENCE.sub("<reference>", plain)
        return _ID.sub(lambda found: self._number(found[0]), plain)

    def value(self, value: Any, name: str = "") -> Any:
        """A JSON value, masked; `name` is that of the field that holds it."""
        if isinstance(value, dict):
            return {self.text(key): self.value(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [self.value(one, name) for one in value]
        if not isinstance(value, str):
            return value
        if name in _OPENED:
            return self.value(json.loads(base64.b64decode(value)))
        if name in _RANDOM or name.endswith("_sha256"):
            return f"<{name} of {len(value)}>"
        return self.text(value)

    def _body(self, answer: TestResponse) -> str:
        if answer.mimetype in _OPAQUE:
            return ""
        if _is_json(answer):
            return json.dumps(self.value(answer.get_json(force=True)), indent=1)
        if _is_checkpoint(answer):
            return "\n".join(answer.text.split("\n")[:2])  # the origin and the size
        if answer.mimetype == "text/plain":
            return self.text(answer.text)
        return self.text(_MD5.sub("<digest>,", answer.text))

    def _number(self, found: str) -> str:
        return self.ids.setdefault(found, f"id-{len(self.ids)}")


def _is_json(answer: TestResponse) -> bool:
    return (answer.mimetype or "").endswith("json")


def _is_checkpoint(answer: TestResponse) -> bool:
    return answer.mimetype == "text/plain" and answer.text.startswith("exchange.test/log\n")
