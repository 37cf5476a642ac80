"""One written form of a server's address, so that both ends sign the same target."""

from __future__ import annotations

from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def canonical_url(url: str) -> str:
    """An absolute http(s) URL with scheme and host in lower case and no default port; path and query as written.

    Both sides sign this form, since clients rewrite the others (RFC 9110 section 4.2.3). Raises ValueError for any
    other kind of URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or "#" in url:
        raise ValueError("an absolute http or https URL without user or fragment is wanted")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    query = "?" + parts.query if "?" in url else ""
    return f"{parts.scheme}://{host}{port}{parts.path or '/'}{query}"
