"""Looking for what must not be there, in every form in which it could have got there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote


def forms_of(secret: bytes) -> set[bytes]:
    """Plain, hexadecimal, percent-encoded, escaped as JSON and as Python, and base64 in any alignment."""
    forms = {secret, secret.hex().encode(), secret.hex().upper().encode(), quote(secret, safe="").encode()}
    forms.add("".join(f"%{byte:02x}" for byte in secret).encode())
    forms.add(repr(secret)[2:-1].encode())
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        pass
    else:
        forms.add(json.dumps(text)[1:-1].encode())
    for shift in range(3):
        # Inside a longer text the first and last characters depend on what stands beside: what is left is certain.
        plain = base64.b64encode(bytes(shift) + secret)
        certain = plain[(0, 2, 3)[shift] :].rstrip(b"=")
        certain = certain[:-1] if (shift + len(secret)) % 3 else certain
        forms |= {certain, certain.translate(bytes.maketrans(b"+/", b"-_"))}
    return {form for form in forms if len(form) >= 8}


class Canaries:
    """Named secrets; `found_in` names those that a content holds, with the form they were found in."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._forms = {name: forms_of(secret) for name, secret in secrets.items()}

    def found_in(self, content: bytes, but: Iterable[str] = ()) -> set[str]:
        """The names of the canaries in `content`, but for some."""
        wanted = self._forms.keys() - set(but)
        return {name for name in wanted if any(form in content for form in self._forms[name])}
