"""Wallet addresses under rules n1. The known figures are printed in BIP 173, EIP-55 and the CashAddr specification."""

from __future__ import annotations

import pytest

from tests.member.indicators import form_of, refusal_of

EIP_55 = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
BIP_173 = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
CASH = "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a"
LEGACY = "1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu"
STELLAR = "G" + "EXAMPLE2" * 6 + "EXAMPLE"
TON = "EQ" + "Ab_-" * 11 + "Cd"


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        (EIP_55, EIP_55.lower()),
        (EIP_55.upper(), EIP_55.lower()),
        ("0x" + "aB" * 32, "0x" + "ab" * 32),
        (BIP_173, BIP_173),
        (BIP_173.upper(), BIP_173),
        ("LTC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KGMN4N9", "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9"),
        ("NEWCHAIN1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", "newchain1qpzry9x8gf2tvdw0s3jn54khce6mua7l"),
        (f"bitcoincash:{CASH}", CASH),
        (f"BITCOINCASH:{CASH.upper()}", CASH),
        (CASH, CASH),
        (CASH.upper(), CASH),
        ("aB" * 32, "ab" * 32),
        (LEGACY, LEGACY),
        (f"  {LEGACY}\u200b", LEGACY),
        (STELLAR, STELLAR),
        (TON, TON),
        ("4" + "AdUndXHHZ6cfufTMvppY6JwXNouMBz" * 3, "4" + "AdUndXHHZ6cfufTMvppY6JwXNouMBz" * 3),
        ("1" * 25, "1" * 25),
    ],
)
def test_an_address_is_lower_case_only_where_its_encoding_ignores_case(value: str, canonical: str) -> None:
    assert form_of("wallet", value) == canonical


def test_two_base58_addresses_that_differ_in_case_stay_two() -> None:
    assert form_of("wallet", LEGACY) != form_of("wallet", LEGACY[:-1] + LEGACY[-1].upper())


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (EIP_55[:-1], "39 hexadecimal digits"),
        (EIP_55 + "0", "41 hexadecimal digits"),
        ("0x" + "a" * 63, "63 hexadecimal digits"),
        (EIP_55[:-1] + "g", "not a hexadecimal digit"),
        ("0x", "not a hexadecimal digit"),
        (EIP_55[2:], "without 0x"),
        (BIP_173[:20] + BIP_173[20:].upper(), "mixed"),
        (BIP_173[0].upper() + BIP_173[1:], "mixed"),
        (BIP_173[:-1] + "b", "alphabet of Bech32"),
        (f"bitcoincash:{CASH[:20]}{CASH[20:].upper()}", "mixed"),
        (f"bitcoincash:{LEGACY.lower()}", "Bitcoin Cash"),
        (f"bitcoincash:{CASH[:30]}", "Bitcoin Cash"),
        (LEGACY[:-1] + "0", "alphabet"),
        (LEGACY[:10] + " " + LEGACY[10:], "alphabet"),
        (LEGACY.replace("B", "В"), "alphabet"),
        (LEGACY[:24], "24 characters"),
        ("3", "1 characters"),
    ],
)
def test_an_address_of_no_known_shape_is_refused(value: str, named: str) -> None:
    assert named in refusal_of("wallet", value)
