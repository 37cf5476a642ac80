"""One written form of a server's address, so that both ends sign the same target."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
# RFC 3986, less what clients write anew: anything else would be sent otherwise than it was signed.
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.ASCII)
_FOUR_NUMBERS = re.compile(r"[0-9]+(\.[0-9]+){3}", re.ASCII)
_PATH_AND_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*", re.ASCII)


def canonical_url(url: str) -> str:
    """An absolute http(s) URL with scheme and host in lower case and no default port; path and query as written.

    Both sides sign this form, since clients rewrite the others (RFC 9110 section 4.2.3). Raises ValueError for any
    other kind of URL: with user or fragment, with characters that RFC 3986 has percent-encoded, with `.` or `..` in
    its path.
    """
    if not url.isascii() or not url.isprintable():
        raise ValueError("a URL is printable ASCII, all else percent-encoded")
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or "#" in url:
        raise ValueError("expected an absolute http or https URL without user or fragment")
    if not _PATH_AND_QUERY.fullmatch(parts.path + parts.query) or {".", ".."} & set(parts.path.split("/")):
        raise ValueError("path and query are plain or percent-encoded, without . and .. between strokes")
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    query = "?" + parts.query if "?" in url else ""
    return f"{parts.scheme}://{_host(parts.hostname)}{port}{parts.path or '/'}{query}"


def _host(name: str) -> str:
    """The host as a URL writes it. Raises ValueError."""
    if ":" in name:
        if IPv6Address(name).scope_id is not None:
            raise ValueError("an address with a zone means something on one machine only")
        return f"[{name}]"
    if _FOUR_NUMBERS.fullmatch(name):
        return str(IPv4Address(name))
    if not _NAME.fullmatch(name):
        raise ValueError("the host of a URL is a name of letters, digits, - and ., or an IP address")
    return name
