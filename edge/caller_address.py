"""Whose address an unauthenticated request comes from, behind a proxy or without one.

1. Without a stated proxy, or from anybody but it: the address of the connection. Whoever sends `X-Forwarded-For`
   himself is not believed.
2. From a stated proxy: `X-Forwarded-For` read from its end, the first address that is no stated proxy's. Those before
   it are what the caller wrote. A port behind an address, as some proxies write it (`192.0.2.1:51820`,
   `[2001:db8::1]:51820`), does not count.
3. An IPv6 address counts by its /64: one customer has at least so many.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Proxies = frozenset[IPv4Network | IPv6Network]
_SITE_BITS = 64
_MAX_HOPS = 20
# An IPv6 address without brackets has no port: what is behind its last colon belongs to it.
_WITH_PORT = re.compile(r"\[(?P<v6>[^]]*:[^]]*)\](?::[0-9]{1,5})?|(?P<v4>[0-9.]+):[0-9]{1,5}", re.ASCII)


def parse_proxies(text: str) -> Proxies:
    """Addresses and networks of proxies with commas between, as configured. Raises ValueError naming what is none."""
    try:
        return frozenset(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"{error}; write addresses and networks, such as 10.0.0.7, 10.1.0.0/24") from None


def caller_address(peer: str | None, forwarded_for: str | None, proxies: Iterable[IPv4Network | IPv6Network]) -> str:
    """The address to count a request under; `peer` is that of the connection, `forwarded_for` the header's value."""
    address = _address(peer)
    trusted = tuple(proxies)
    hops = (forwarded_for or "").split(",")[-_MAX_HOPS:]
    while address is not None and hops and any(address in network for network in trusted):
        further = _address(hops.pop())
        if further is None:
            break  # what a proxy of ours received and is not an address leads no further
        address = further
    if address is None:
        return "unknown"
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _SITE_BITS), strict=False))
    return str(address)


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    written = (text or "").strip()
    with_port = _WITH_PORT.fullmatch(written)
    try:
        address = ip_address(with_port[with_port.lastgroup or 0] if with_port else written)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
