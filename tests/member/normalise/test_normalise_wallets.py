"""Wallet addresses under rules n1. The known figures are printed in BIP 173, BIP 350, EIP-55 and the CashAddr
specification; the other addresses are made here of a digest, with the checksum that their format wants.
"""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import bitcoin

from member.normalise.keccak import keccak256
from member.normalise.wallet_encodings import (
    BASE58,
    RIPPLE58,
    base58_decode,
    base58_encode,
    base58check_encode,
    crc16,
    is_base58check,
    ton_address,
)
from tests.member.normalise.examples import form_of, refusal_of

DIGEST = hashlib.sha256(b"an example").digest()
EIP_55 = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
BIP_173 = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
BIP_350 = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"
CASH = "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a"
LEGACY = base58check_encode(b"\x00" + DIGEST[:20])
TRON = base58check_encode(b"\x41" + DIGEST[:20])
XRP = base58check_encode(b"\x00" + DIGEST[:20]).translate(str.maketrans(BASE58, RIPPLE58))
SOLANA = base58_encode(DIGEST)
WAVES_ACCOUNT = b"\x01W" + DIGEST[:20]
WAVES = base58_encode(WAVES_ACCOUNT + keccak256(hashlib.blake2b(WAVES_ACCOUNT, digest_size=32).digest())[:4])
TON = ton_address(0x11, 0, DIGEST)
TON_PLAIN = ton_address(0x51, 0, DIGEST)
AVALANCHE = "avax1tzdcgj4ehsvhhgpl7zylwpw0gl2rxcg4r5afk5"


def stellar() -> str:
    body = bytes([6 << 3]) + DIGEST
    return base64.b32encode(body + crc16(body).to_bytes(2, "little")).decode()


def monero() -> str:
    body = b"\x12" + DIGEST + DIGEST
    data = body + keccak256(body)[:4]
    blocks = [data[start : start + 8] for start in range(0, len(data), 8)]
    return "".join(base58_encode(block).rjust(11 if len(block) == 8 else 7, "1") for block in blocks)


@pytest.mark.parametrize(
    ("values", "canonical"),
    [
        ([EIP_55, EIP_55.upper(), EIP_55.lower(), f"ethereum:{EIP_55}@1", f"ethereum:pay-{EIP_55}", f"eth:{EIP_55}",
          f"eip155:137:{EIP_55}", f"matic:{EIP_55.lower()}", f"ronin:{EIP_55[2:].lower()}",
          f"ethereum:{EIP_55}?value=1"], EIP_55.lower()),
        ([BIP_173, BIP_173.upper(), f"bitcoin:{BIP_173}", f"BITCOIN:{BIP_173.upper()}",
          f"bitcoin:{BIP_173}?amount=0.01&label=x"], BIP_173),
        ([BIP_350, BIP_350.upper()], BIP_350),
        ([CASH, CASH.upper(), f"bitcoincash:{CASH}", f"BITCOINCASH:{CASH.upper()}", f"bitcoincash:{CASH}?amount=1"],
         CASH),
        ([LEGACY, f"  {LEGACY}\u200b", f"bitcoin:{LEGACY}?amount=1",
          f"bip122:000000000019d6689c085ae165831e93:{LEGACY}"],
         LEGACY),
        ([TRON, f"41{DIGEST[:20].hex()}", f"0x41{DIGEST[:20].hex().upper()}", f"tron:{TRON}",
          f"tron:0x2b6653dc:{TRON}"],
         TRON),
        ([TON, TON_PLAIN, f"0:{DIGEST.hex()}", f"0:{DIGEST.hex().upper()}", f"ton://transfer/{TON_PLAIN}?amount=5",
          TON.replace("-", "+").replace("_", "/")], TON),
        ([AVALANCHE, f"X-{AVALANCHE}", f"P-{AVALANCHE}"], AVALANCHE),
        ([XRP, f"xrpl:0:{XRP}", f"ripple:{XRP}"], XRP),
        ([SOLANA, f"solana:{SOLANA}"], SOLANA),
        ([stellar(), f"stellar:{stellar()}"], stellar()),
        ([monero(), f"monero:{monero()}?tx_amount=1"], monero()),
        ([f"xdc{DIGEST[:20].hex()}", f"XDC{DIGEST[:20].hex().upper()}"], f"xdc{DIGEST[:20].hex()}"),
        (["0x" + "aB" * 32], "0x" + "ab" * 32),
        (["aB" * 32], "ab" * 32),
    ],
)  # fmt: skip
def test_every_spelling_of_an_address_has_one_form(values: list[str], canonical: str) -> None:
    assert {form_of("wallet", value) for value in values} == {canonical}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (EIP_55[:-1], "39 hexadecimal digits"),
        (EIP_55 + "0", "41 hexadecimal digits"),
        ("0x" + "a" * 63, "63 hexadecimal digits"),
        (EIP_55[:-1] + "g", "not a hexadecimal digit"),
        ("0x", "not a hexadecimal digit"),
        (EIP_55[2:], "without 0x"),
        (EIP_55.replace("A", "a", 1), "EIP-55"),
        ("0x" + "0" * 40, "placeholder"),
        (BIP_173[:20] + BIP_173[20:].upper(), "mixed"),
        (BIP_173[0].upper() + BIP_173[1:], "mixed"),
        (BIP_173[:-1] + "b", "alphabet of Bech32"),
        (BIP_173[:-1] + "5", "checksum"),
        (BIP_173.replace("bc1q", "bc1p"), "checksum"),
        (f"bitcoincash:{CASH[:20]}{CASH[20:].upper()}", "mixed"),
        (f"bitcoincash:{LEGACY.lower()}", "Bitcoin Cash"),
        (f"bitcoincash:{CASH[:30]}", "Bitcoin Cash"),
        (CASH[:-1] + "q", "checksum"),
        (LEGACY[:-1] + "0", "alphabet"),
        (LEGACY[:10] + " " + LEGACY[10:], "alphabet"),
        (LEGACY[:5] + "В" + LEGACY[6:], "alphabet"),
        (LEGACY[:24], "24 characters"),
        (LEGACY + "1", "checksum"),
        (TRON[:-2] + TRON[-1], "checksum"),
        (XRP[:-1] + ("1" if XRP[-1] != "1" else "2"), "checksum"),
        (f"{XRP}:33722", "destination tag"),
        (f"{XRP}-33722", "destination tag"),
        (f"ripple:{XRP}?dt=5", "destination tag"),
        (f"{stellar()}:77", "destination tag"),
        (stellar()[:-1] + ("A" if stellar()[-1] != "A" else "B"), "checksum"),
        (TON[:-1] + ("A" if TON[-1] != "A" else "B"), "checksum"),
        (monero()[:-1] + ("1" if monero()[-1] != "1" else "2"), "checksum"),
        (f"ethereum:{EIP_55}@1/transfer?address={EIP_55}&uint256=1", "call of a contract"),
        (f"pigeon:{LEGACY}", "not known"),
        ("3", "1 characters"),
    ],
)
def test_an_address_of_no_known_shape_or_with_a_fault_is_refused(value: str, named: str) -> None:
    assert named in refusal_of("wallet", value)


@pytest.mark.parametrize("first", [b"\x24", b"\x07\x3f"], ids=["Groestlcoin", "Decred"])
def test_the_checksum_of_another_hash_is_left_to_its_chain(first: bytes) -> None:
    address = base58_encode(first + DIGEST[:20] + b"\x09\x08\x07\x06")
    assert form_of("wallet", address) == address


def test_a_waves_address_is_none_of_bitcoin_with_a_character_too_many() -> None:
    assert form_of("wallet", WAVES) == WAVES
    assert "checksum" in refusal_of("wallet", WAVES[:-1] + ("1" if WAVES[-1] != "1" else "2"))
    assert "checksum" in refusal_of("wallet", base58_encode(b"\x01V" + base58_decode(WAVES)[2:]))


@given(payload=st.binary(min_size=20, max_size=20), version=st.sampled_from([0, 5]), at=st.integers(0, 33))
def test_the_verdict_on_bitcoin_addresses_is_that_of_the_library(payload: bytes, version: int, at: int) -> None:
    right = base58check_encode(bytes([version]) + payload)
    assert bitcoin.is_valid(right)
    assert form_of("wallet", right) == right
    at = 1 + at % (len(right) - 1)
    wrong = right[:at] + ("2" if right[at] != "2" else "3") + right[at + 1 :]
    assert not bitcoin.is_valid(wrong)
    assert "checksum" in refusal_of("wallet", wrong)


@given(data=st.binary(min_size=1, max_size=40))
def test_base58_is_read_as_it_was_written(data: bytes) -> None:
    assert base58_decode(base58_encode(data)) == data
    assert is_base58check(base58_decode(base58check_encode(data)))


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (b"testing", "5f16f4c7f149ac4f9510d9cf8cf384038ad348b3bcdc01915f95de12df9d1b02"),
    ],
)
def test_keccak_is_the_one_before_the_standard(message: bytes, digest: str) -> None:
    assert keccak256(message).hex() == digest


def ss58(network: int) -> str:
    """An address of a Substrate network of a single byte."""
    data = bytes([network]) + DIGEST
    return base58_encode(data + hashlib.blake2b(b"SS58PRE" + data).digest()[:2])


@pytest.mark.parametrize("network", [0, 2, 42])
def test_the_checksum_of_a_substrate_address_is_checked(network: int) -> None:
    address = ss58(network)
    assert form_of("wallet", address) == address
    changed = base58_encode(base58_decode(address)[:-1] + b"\x00")
    assert "checksum" in refusal_of("wallet", changed)


@pytest.mark.parametrize("digits", [39, 41])
def test_hexadecimal_of_another_length_is_refused_with_its_count(digits: int) -> None:
    assert refusal_of("wallet", "0x" + "a" * digits).startswith(f"{digits} hexadecimal digits after 0x; expected: 40")
