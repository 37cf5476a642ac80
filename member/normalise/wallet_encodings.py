"""The encodings of wallet addresses and their checksums; pure arithmetic, no rule.

Base58Check (Bitcoin wiki, "Base58Check encoding"), Bech32 (BIP 173) and Bech32m (BIP 350), CashAddr, CRC-16/XMODEM (TON
user-friendly addresses, Stellar SEP 23), EIP-55, Monero's block-wise Base58, SS58 (Polkadot).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable

from member.normalise.keccak import keccak256

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
RIPPLE58 = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
"""Of Bech32 and of CashAddr."""

BECH32, BECH32M = 1, 0x2BC830A3

_VALUES = {letter: value for value, letter in enumerate(CHARSET)}
_BASE58_VALUES = {letter: value for value, letter in enumerate(BASE58)}
_TO_BASE58 = str.maketrans(RIPPLE58, BASE58)
_FROM_BASE58 = str.maketrans(BASE58, RIPPLE58)


def _xor_table(words: Iterable[int]) -> list[int]:
    generators = list(words)
    table = []
    for top in range(32):
        step = 0
        for bit, word in enumerate(generators):
            step ^= word if top >> bit & 1 else 0
        table.append(step)
    return table


_BECH32_STEPS = _xor_table((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3))
_CASH_STEPS = _xor_table((0x98F2BC8E61, 0x79B76D99E2, 0xF33E5FB3C4, 0xAE2EABE2A8, 0x1E4F43E470))


def base58_decode(text: str) -> bytes:
    """The bytes of Base58 text; ValueError for a character outside the alphabet."""
    number = 0
    try:
        for letter in text:
            number = number * 58 + _BASE58_VALUES[letter]
    except KeyError as error:
        raise ValueError("not Base58") from error
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def base58_encode(data: bytes) -> str:
    """Base58 text of these bytes."""
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, value = divmod(number, 58)
        text = BASE58[value] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def ripple_decode(text: str) -> bytes:
    """The bytes of text in the XRP Ledger's order of the Base58 alphabet."""
    return base58_decode(text.translate(_TO_BASE58))


def ripple_encode_check(payload: bytes) -> str:
    """Text of a payload and its checksum in the XRP Ledger's order of the Base58 alphabet."""
    return base58check_encode(payload).translate(_FROM_BASE58)


def is_base58check(data: bytes) -> bool:
    """True if the last four bytes begin the double SHA-256 of the rest."""
    return _double_sha256(data[:-4])[:4] == data[-4:]


def base58check_encode(payload: bytes) -> str:
    """Base58 text of a payload and its checksum."""
    return base58_encode(payload + _double_sha256(payload)[:4])


def bech32_constant(prefix: str, data: str) -> int:
    """What the checksum of a Bech32 text comes to: BECH32, BECH32M, or anything else if it is wrong."""
    check = 1
    for letter in prefix:
        check = _BECH32_STEPS[check >> 25] ^ ((check & 0x1FFFFFF) << 5) ^ (ord(letter) >> 5)
    check = _BECH32_STEPS[check >> 25] ^ ((check & 0x1FFFFFF) << 5)
    for letter in prefix:
        check = _BECH32_STEPS[check >> 25] ^ ((check & 0x1FFFFFF) << 5) ^ (ord(letter) & 31)
    for letter in data:
        check = _BECH32_STEPS[check >> 25] ^ ((check & 0x1FFFFFF) << 5) ^ _VALUES[letter]
    return check


def is_cash_address(prefix: str, data: str) -> bool:
    """True if the 40-bit checksum of a CashAddr is right for this prefix."""
    check = 1
    for value in (*(ord(letter) & 31 for letter in prefix), 0, *(_VALUES[letter] for letter in data)):
        check = _CASH_STEPS[check >> 35] ^ ((check & 0x07FFFFFFFF) << 5) ^ value
    return check == 1


def crc16(data: bytes) -> int:
    """CRC-16/XMODEM."""
    return binascii.crc_hqx(data, 0)


def is_eip55(digits: str) -> bool:
    """True if the case of these 40 hexadecimal digits is the checksum that EIP-55 gives them."""
    digest = keccak256(digits.lower().encode()).hex()
    return all(
        not letter.isalpha() or letter.isupper() == (digest[place] >= "8") for place, letter in enumerate(digits)
    )


def ton_address(flags: int, workchain: int, account: bytes) -> str:
    """A user-friendly TON address in the URL-safe alphabet."""
    body = bytes([flags, workchain & 0xFF]) + account
    return base64.urlsafe_b64encode(body + crc16(body).to_bytes(2, "big")).decode()


def is_monero(text: str) -> bool:
    """True if the Keccak checksum of a Monero address is right: blocks of eleven characters for eight bytes, the last
    of seven for five.
    """
    data = b""
    for start in range(0, len(text), 11):
        block = text[start : start + 11]
        try:
            data += int.from_bytes(base58_decode(block.lstrip("1") or "1"), "big").to_bytes(
                8 if len(block) == 11 else 5, "big"
            )
        except (OverflowError, ValueError):
            return False
    return keccak256(data[:-4])[:4] == data[-4:]


def is_ss58(data: bytes) -> bool:
    """True if the BLAKE2b checksum of an SS58 address with a 32-byte account is right."""
    return hashlib.blake2b(b"SS58PRE" + data[:-2]).digest()[:2] == data[-2:]


def is_waves(data: bytes) -> bool:
    """True if the checksum of these 26 bytes of a Waves address is right (Keccak of BLAKE2b, in the last four)."""
    return keccak256(hashlib.blake2b(data[:-4], digest_size=32).digest())[:4] == data[-4:]


def _double_sha256(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()
