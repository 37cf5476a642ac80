"""Where webhooks may go: a table of what attackers write, and every address there is."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.delivery.targets import TargetRefusedError, check_address, check_url, is_public
from exchange.configuration.allowed_targets import AllowedTargets

NOTHING = AllowedTargets()
REFUSED = [
    *("http://hooks.bank.example/", "ftp://hooks.bank.example/", "https:hooks", "//hooks.bank.example/", "file:///etc"),
    *("https://user@hooks.bank.example/", "https://user:pass@hooks.bank.example/", "https://bank.example@10.0.0.1/"),
    *("https://127.0.0.1/", "https://0.0.0.0/", "https://0/", "https://10.1.2.3/", "https://192.168.0.1/"),
    *("https://2130706433/", "https://0x7f000001/", "https://0x7f.0.0.1/", "https://017700000001/", "https://127.1/"),
    *("https://127.0.0.1./", "https://1.2.3.4.5/", "https://8.8.8.0x8/", "https://1.0x.example.0/"),
    *("https://169.254.169.254/latest/meta-data/", "https://168.63.129.16/", "https://100.100.100.200/"),
    *(
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:8.8.8.8]/",
        "https://[::7f00:1]/",
    ),
    *("https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[2001:0:7f00:1::]/", "https://[fe80::1]/"),
    *("https://[fe80::1%25eth0]/", "https://[fd00:ec2::254]/", "https://[ff02::1]/", "https://[2001:db8::1]/"),
    *("https://localhost/", "https://exchange/", "https://hooks.bank.example:22/", "https://hooks.bank.example:25/"),
    *("https://hooks.bank.example:80/", "https://hooks.bank.example:99999/", "https://hooks.bank.example:-1/"),
    *("https://hooks.bank.example#x", "https://hooks.bank.example/a b", "https://hooks.bank.example/\r\nX: 1"),
    *("https://hooks..example/", "https://-hooks.example/", "https://hooks_.example/", "https://ｈooks.example/", ""),
    "https://hooks.bank.example/" + "a" * 2_000,
]


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_no_public_https_address_is_refused(url: str) -> None:
    with pytest.raises(TargetRefusedError):
        check_url(url, NOTHING)


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://hooks.bank.example", "https://hooks.bank.example/"),
        ("HTTPS://Hooks.Bank.Example:443/In?x=1", "https://hooks.bank.example/In?x=1"),
        ("https://hooks.bank.example:8443/in", "https://hooks.bank.example:8443/in"),
        ("https://9.9.9.9/in", "https://9.9.9.9/in"),
        ("https://[2606:4700::1111]/in", "https://[2606:4700::1111]/in"),
    ],
)
def test_a_public_one_is_taken_in_its_canonical_form(url: str, canonical: str) -> None:
    assert check_url(url, NOTHING) == canonical


def test_what_the_operator_names_is_allowed_and_nothing_beside_it() -> None:
    allowed = AllowedTargets.parse("hooks.internal, 10.1.0.0/16 ,127.0.0.1,fd00::/8")
    for url in ("http://hooks.internal:81/x", "http://10.1.255.255:25/", "https://127.0.0.1/", "http://[fd12::1]/"):
        assert check_url(url, allowed) == url
    for url in ("http://10.2.0.1/", "http://127.0.0.2/", "http://x.hooks.internal/", "http://hooks.internal.example/"):
        with pytest.raises(TargetRefusedError):
            check_url(url, allowed)
    check_address("http", "hooks.internal", "192.168.7.7", allowed)
    check_address("http", "any.example", "10.1.2.3", allowed)
    for scheme, address in (("https", "10.2.0.1"), ("http", "9.9.9.9"), ("https", "fe80::1%eth0"), ("https", "none")):
        with pytest.raises(TargetRefusedError):
            check_address(scheme, "any.example", address, allowed)


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.1/8", "hooks internal", "*", "http://hooks", "-x", "1.2.3"])
def test_a_setting_that_names_no_host_address_or_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a valid host name"):
        AllowedTargets.parse(text)


@given(st.ip_addresses())
def test_no_address_is_allowed_that_is_not_globally_reachable(address: IPv4Address | IPv6Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_not_allowed(address: IPv4Address) -> None:
    number = int(address)
    wrapped = [
        *(f"::ffff:{address}", f"::{address}", f"64:ff9b::{address}", f"64:ff9b:1::{address}"),
        f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1",
        f"2001:0:{number >> 16:x}:{number & 0xFFFF:x}::",
    ]
    for text in wrapped:
        assert not is_public(ip_address(text))
        with pytest.raises(TargetRefusedError):
            check_url(f"https://[{text}]/", NOTHING)


@given(st.ip_addresses(v=4))
def test_other_spellings_of_an_address_are_refused_whatever_it_is(address: IPv4Address) -> None:
    number, parts = int(address), str(address).split(".")
    spelt = [
        *(str(number), hex(number), oct(number).replace("o", ""), f"{parts[0]}.{number & 0xFFFFFF}"),
        ".".join(hex(int(part)) for part in parts),
        ".".join(f"0{int(part):o}" for part in parts),
        f"{address}.",
    ]
    for host in spelt:
        with pytest.raises(TargetRefusedError):
            check_url(f"https://{host}/", NOTHING)
