"""What the operator lets webhooks reach beyond public addresses: hosts by name, and networks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z)({_LABEL}\.)*{_LABEL}", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


def is_host_name(host: str) -> bool:
    """Whether this is a host name, in lower case, that no resolver reads as a number (WHATWG URL, "ends in a
    number").
    """
    return _NAME.fullmatch(host) is not None and not _NUMBER.fullmatch(host.rpartition(".")[2])


@dataclass(frozen=True, slots=True)
class AllowedTargets:
    """What the operator allows beyond public addresses."""

    names: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> AllowedTargets:
        """From host names, addresses and networks, separated by commas. Raises ValueError."""
        names, networks = set(), []
        for part in filter(None, (one.strip().lower() for one in text.split(","))):
            try:
                networks.append(ip_network(part))
            except ValueError:
                if not is_host_name(part):
                    raise ValueError(f"{part!r} is not a valid host name, address or network") from None
                names.add(part)
        return cls(frozenset(names), tuple(networks))

    def has(self, host: str, address: IPv4Address | IPv6Address | None = None) -> bool:
        """Whether a host is allowed by its name, or the address by its network."""
        return host in self.names or any(address is not None and address in network for network in self.networks)
