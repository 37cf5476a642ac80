"""Whose address an unauthenticated request comes from, behind a proxy or without one.

1. Without a stated proxy, or from anybody but it: the address of the connection. Whoever sends `X-Forwarded-For`
   himself is not believed.
2. From a stated proxy: the last address in `X-Forwarded-For`, the one that this proxy added. Those before it are what
   the caller wrote.
3. An IPv6 address counts by its /64: one customer has at least so many.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

_SITE_BITS = 64


def parse_proxies(text: str) -> frozenset[str]:
    """Addresses of proxies with commas between, as configured. Raises ValueError naming what is no address."""
    return frozenset(str(ipaddress.ip_address(part.strip())) for part in text.split(",") if part.strip())


def caller_address(peer: str | None, forwarded_for: str | None, proxies: Collection[str]) -> str:
    """The address to count a request under; `peer` is that of the connection, `forwarded_for` the header's value."""
    address = _address(peer)
    if address is not None and str(address) in proxies:
        address = _address((forwarded_for or "").rpartition(",")[2]) or address
    if address is None:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _SITE_BITS), strict=False))
    return str(address)


def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address((text or "").strip())
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
