"""Where webhooks may go: to public addresses, and to what the operator allowed by name.

A subscriber writes the URL, so the exchange must not become its way into networks that it cannot reach itself
(server-side request forgery). The rules, in order:
1. The URL is https, without user and fragment, on port 443 or one from 1024 on; its host is a name with a dot, or an
   address in the usual form. Other spellings of addresses (decimal, octal, short) are refused.
2. Every address that the name resolves to is checked, at every attempt, and the connection goes to the address that
   was checked: what the name says a moment later counts for nothing (DNS rebinding).
3. An address is allowed if it is globally reachable unicast by IANA's special-purpose registries (RFC 6890). Addresses
   that carry another one in them (IPv4-mapped, 6to4, Teredo, NAT64) are not.
4. What the operator allowed (`allowed_private_targets`), by host name or network, passes rules 2 and 3, and may be
   http and on any port.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from exchange.configuration.allowed_targets import AllowedTargets, is_host_name
from keys.signatures.urls import canonical_url

_Address = IPv4Address | IPv6Address
_LOWEST_PORT, _HTTPS_PORT = 1024, 443
_LONGEST_URL = 2_000

# https://www.iana.org/assignments/iana-ipv4-special-registry, with multicast, and the address inside a large cloud from
# which its machines ask for their secrets.
_CLOSED_V4 = tuple(
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",
    )
)
# https://www.iana.org/assignments/iana-ipv6-special-registry: of IPv6, only 2000::/3 is given out as global unicast.
_OPEN_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)


class TargetRefusedError(ValueError):
    """A webhook may not go there; the message is for the subscriber."""


def is_public(address: _Address) -> bool:
    """Rule 3."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    return address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)


def check_url(url: str, allowed: AllowedTargets) -> str:
    """The URL in its canonical form (rule 1). Raises TargetRefusedError, naming the rule."""
    if len(url) > _LONGEST_URL:
        raise TargetRefusedError(f"a URL has at most {_LONGEST_URL} characters")
    try:
        canonical = canonical_url(url)
        parts = urlsplit(canonical)
        port = parts.port
    except ValueError as error:
        raise TargetRefusedError(str(error)) from None
    host = parts.hostname or ""
    address = _address_in(host)
    if address is None and not is_host_name(host):
        raise TargetRefusedError("the host is a name of letters, digits and -, or an address in its usual form")
    if allowed.has(host, address):
        return canonical
    if parts.scheme != "https":
        raise TargetRefusedError("https is required")
    if port is not None and port != _HTTPS_PORT and port < _LOWEST_PORT:
        raise TargetRefusedError(f"the port is {_HTTPS_PORT}, or one from {_LOWEST_PORT} on")
    if address is None and "." not in host:
        raise TargetRefusedError("the host is a full name, with a dot")
    if address is not None and not is_public(address):
        raise TargetRefusedError("the address is not a public one")
    return canonical


def check_address(scheme: str, host: str, text: str, allowed: AllowedTargets) -> None:
    """Rules 3 and 4 for an address that the host resolved to. Raises TargetRefusedError."""
    try:
        address = ip_address(text)
    except ValueError:
        raise TargetRefusedError("the host resolves to no address") from None
    if allowed.has(host, address):
        return
    if scheme != "https" or not is_public(address):
        raise TargetRefusedError("the host resolves to an address that is not a public one")


def _address_in(host: str) -> _Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
