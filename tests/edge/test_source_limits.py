"""Whose address counts behind proxies, and how often an address may call without authenticating."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from edge.caller_address import caller_address, parse_proxies
from edge.minute_counts import MinuteCounts
from edge.request_limits import LimitExceededError
from edge.source_limits import CallSource, SourceLimits, source_of

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
OPEN, SIGNED = CallSource("a"), CallSource("a", shows_proof=True, proofs=frozenset({"bank/analyst"}))


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


def is_refused(limits: SourceLimits, source: CallSource, now: datetime = NOW) -> bool:
    """Whether a call from there is refused unread."""
    try:
        limits.check(source, now)
    except LimitExceededError:
        return True
    return False


@pytest.mark.parametrize("source", [OPEN, SIGNED])
def test_only_what_did_not_authenticate_counts_and_only_within_the_minute(source: CallSource) -> None:
    limits = SourceLimits(2)
    for _ in range(2):
        assert not is_refused(limits, source)
        limits.count(source, NOW)
    assert is_refused(limits, source)
    assert not is_refused(limits, dataclasses.replace(source, address="b"))
    assert not is_refused(limits, source, NOW + timedelta(minutes=1))


def test_calls_without_a_proof_do_not_shut_out_one_with_a_proof() -> None:
    limits = SourceLimits(2)
    for _ in range(10):
        limits.count(OPEN, NOW)
    assert (is_refused(limits, OPEN), is_refused(limits, SIGNED)) == (True, False)


@pytest.mark.parametrize(
    ("quiet", "refused"),
    [
        (timedelta(minutes=5), (False, False)),
        (timedelta(minutes=6), (True, False)),
        (timedelta(days=7), (True, False)),
        (timedelta(days=7, seconds=1), (True, True)),
    ],
)
def test_an_address_that_somebody_authenticated_from_is_not_shut_out(
    quiet: timedelta, refused: tuple[bool, bool]
) -> None:
    limits, later = SourceLimits(2), NOW + quiet
    limits.note_known(SIGNED, NOW)
    for source in (OPEN, SIGNED) * 10:
        limits.count(source, later)
    assert (is_refused(limits, OPEN, later), is_refused(limits, SIGNED, later)) == refused


def test_who_may_not_act_any_more_is_limited_from_any_address() -> None:
    limits = SourceLimits(2)
    limits.note_known(SIGNED, NOW)
    for _ in range(2):
        assert not is_refused(limits, SIGNED)
        limits.count_barred("bank/analyst", NOW)
    assert is_refused(limits, SIGNED)
    assert is_refused(limits, dataclasses.replace(SIGNED, address="b"))
    assert not is_refused(limits, dataclasses.replace(SIGNED, proofs=frozenset({"bank/authoriser"})))


@pytest.mark.parametrize(
    "parameters",
    [
        ';created=1;keyid="bank/analyst";nonce="n"',
        '; keyid="bank/analyst"',
        ';nonce="keyid=";keyid="bank/analyst"',
        ';nonce=";keyid=";keyid="bank/analyst"',
        ';nonce="; keyid=x";keyid="other";keyid="bank/analyst"',
    ],
)
def test_the_key_that_a_request_names_is_found_however_it_is_written(parameters: str) -> None:
    assert "bank/analyst" in source_of("a", f'sig1=("@method"){parameters}', is_open=False).proofs


def test_what_an_open_route_is_shown_counts_for_nothing() -> None:
    assert source_of("a", 'sig1=();keyid="bank/analyst"', "token", is_open=True) == CallSource("a")
    assert source_of("a", "", is_open=False) == CallSource("a")
    shown = source_of("a", "", "secret-token", is_open=False)
    assert shown.shows_proof
    assert "secret" not in str(shown)


def test_the_addresses_known_longest_ago_are_forgotten_first() -> None:
    limits = SourceLimits(1, most_remembered=2)
    sources = [dataclasses.replace(SIGNED, address=name) for name in "abc"]
    for number in (0, 1, 0, 2):
        limits.note_known(sources[number], NOW)
    for source in sources:
        limits.count(source, NOW)
    assert [is_refused(limits, source) for source in sources] == [False, True, False]


def test_ever_new_addresses_do_not_fill_the_memory() -> None:
    counts = MinuteCounts(most=3)
    assert [counts.count(str(number), NOW) for number in range(6)] == [1, 1, 1, 1, 2, 3]
    assert counts.count("0", NOW) == 2
