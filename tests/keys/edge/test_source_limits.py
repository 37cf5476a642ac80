"""Whose address counts behind proxies, and how often an address may call without authenticating."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keys.edge.caller_address import caller_address, parse_proxies
from keys.edge.minute_counts import MinuteCounts
from keys.edge.source_limits import SourceLimits
from keys.request_limits import LimitExceededError

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def source(proxies: str, address: str, forwarded: str | None = None) -> str:
    return caller_address(address, forwarded, parse_proxies(proxies))


@pytest.mark.parametrize(
    ("proxies", "address", "forwarded", "found"),
    [
        ("", "192.0.2.1", None, "192.0.2.1"),
        ("", "192.0.2.1", "198.51.100.9", "192.0.2.1"),  # nobody is believed
        ("10.0.0.0/8", "192.0.2.1", "198.51.100.9", "192.0.2.1"),  # nor anyone but the proxy
        ("10.0.0.0/8", "10.0.0.7", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.0/8", "10.0.0.7", "203.0.113.5, 198.51.100.9", "198.51.100.9"),  # what the caller wrote is before it
        ("10.0.0.0/8", "10.0.0.7", "198.51.100.9, 10.0.0.8", "198.51.100.9"),  # two proxies in a row
        ("10.0.0.0/8", "10.0.0.7", "10.0.0.9", "10.0.0.9"),
        ("10.0.0.0/8", "10.0.0.7", None, "10.0.0.7"),
        ("10.0.0.0/8", "10.0.0.7", "198.51.100.9, unknown", "10.0.0.7"),
        ("10.0.0.0/8", "10.0.0.7", "", "10.0.0.7"),
        ("127.0.0.1, ::1", "::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("127.0.0.1", "::ffff:127.0.0.1", "::ffff:192.0.2.1", "192.0.2.1"),
        ("", "", "192.0.2.1", "unknown"),
        # some proxies write the caller's port too
        ("10.0.0.0/8", "10.0.0.7", "198.51.100.9:51820", "198.51.100.9"),
        ("10.0.0.0/8", "10.0.0.7", "198.51.100.9:51820, 10.0.0.8:443", "198.51.100.9"),
        ("10.0.0.0/8", "10.0.0.7", "[2001:db8:1:2:3:4:5:6]:51820", "2001:db8:1:2::/64"),
        ("10.0.0.0/8", "10.0.0.7", "[2001:db8:1:2:3:4:5:6]", "2001:db8:1:2::/64"),
        ("10.0.0.0/8", "10.0.0.7", "[::ffff:198.51.100.9]:51820", "198.51.100.9"),
        ("10.0.0.0/8", "10.0.0.7", "2001:db8:1:2::5:5182", "2001:db8:1:2::/64"),
        ("10.0.0.0/8", "10.0.0.7", "198.51.100.9:port", "10.0.0.7"),
        ("10.0.0.0/8", "10.0.0.7", "[2001:db8::1:51820", "10.0.0.7"),
        ("10.0.0.0/8", "10.0.0.7", "[198.51.100.9]:80", "10.0.0.7"),
    ],
)
def test_the_last_hop_that_is_no_proxy_of_ours_counts(
    proxies: str, address: str, forwarded: str | None, found: str
) -> None:
    assert source(proxies, address, forwarded) == found


def test_a_long_chain_of_invented_hops_is_not_walked() -> None:
    assert source("10.0.0.0/8", "10.0.0.7", ", ".join(["198.51.100.1", *["10.0.0.9"] * 500])) == "10.0.0.9"


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.1 10.0.0.2"])
def test_what_is_no_address_or_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write addresses and networks"):
        parse_proxies(text)


def test_only_what_did_not_authenticate_counts_and_only_within_the_minute() -> None:
    limits = SourceLimits(2)
    for _ in range(2):
        limits.check("a", NOW)
        limits.count("a", NOW)
    with pytest.raises(LimitExceededError):
        limits.check("a", NOW)
    limits.check("b", NOW)
    limits.check("a", NOW + timedelta(minutes=1))


def test_an_address_that_somebody_authenticated_from_is_not_shut_out() -> None:
    limits = SourceLimits(2)
    limits.note_known("a", NOW)
    for _ in range(10):
        limits.count("a", NOW)
    limits.check("a", NOW)
    later = NOW + timedelta(minutes=6)
    for _ in range(2):
        limits.count("a", later)
    with pytest.raises(LimitExceededError):
        limits.check("a", later)


def test_ever_new_addresses_do_not_fill_the_memory() -> None:
    counts = MinuteCounts(most=3)
    assert [counts.count(str(number), NOW) for number in range(6)] == [1, 1, 1, 1, 2, 3]
    assert counts.count("0", NOW) == 2
