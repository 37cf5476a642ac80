"""Wallet addresses in one form each. The chain is not part of the value.

Rules, in order; the first that knows the shape decides. A checksum is tested where the format has one: a typing fault
would find no overlap, or a wrong one.
1. URIs and account identifiers become the bare address (member.normalise.wallet_uris).
2. `0x` and 40 or 64 hexadecimal digits: lower case; 40 in mixed case must be EIP-55's. Tron's `41…` (42 digits) becomes
   its Base58 form.
3. TON, raw or user-friendly in either alphabet: the bounceable, URL-safe form.
4. CashAddr (`bitcoincash:` or bare): prefix dropped, lower case.
5. Bech32 and Bech32m (BIP 173, BIP 350): lower case; mixed case is refused, as BIP 173 does.
6. 64 hexadecimal digits: lower case. 40 are an address that lost its `0x`, and are refused. `xdc` and 40: lower case.
7. Stellar (`G...`, base 32) and Base58: unchanged, **case is significant**.
Anything under 25 characters is refused.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from member.normalise.circumstances import Circumstances
from member.normalise.outcome import Canonical, NormalisationError
from member.normalise.placeholders import refuse_filler, refuse_word
from member.normalise.wallet_encodings import (
    BECH32,
    BECH32M,
    base58_decode,
    base58check_encode,
    bech32_constant,
    crc16,
    is_base58check,
    is_cash_address,
    is_eip55,
    is_monero,
    is_ss58,
    is_waves,
    ripple_decode,
    ripple_encode_check,
    ton_address,
)
from member.normalise.wallet_uris import bare_address, tagged
from schemas.terms import IndicatorType

_MINIMUM = 25
_X_ADDRESS = 47
_PRIVATE_KEY = 0x80

_HEX = re.compile(r"[0-9a-fA-F]+")
_PREFIXED_HEX = re.compile(r"0[xX][0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")
_XDC = re.compile(r"xdc[0-9a-fA-F]{40}", re.IGNORECASE)
_TRON_HEX = re.compile(r"(?:0[xX])?(41[0-9a-fA-F]{40})")
_BASE58 = re.compile(r"[1-9A-HJ-NP-Za-km-z]{25,}")
_STELLAR = re.compile(r"G[A-Z2-7]{55}")
_MUXED = re.compile(r"M[A-Z2-7]{68}")
_STELLAR_ACCOUNT = 6 << 3
_TON = re.compile(r"[EUk0][Qf][A-Za-z0-9_+/-]{46}")
_TON_RAW = re.compile(r"(0|-1):([0-9a-fA-F]{64})")
_TON_BOUNCEABLE, _TON_PLAIN, _TON_TEST = 0x11, 0x51, 0x80
_CASH_PREFIX = re.compile(r"(bitcoincash|bchtest|bchreg|ecash|simpleledger):(.*)", re.IGNORECASE)
_BARE_CASH_PREFIXES = ("bitcoincash", "bchtest", "ecash", "simpleledger", "bchreg")
_CASH = re.compile(r"[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{42,112}")
_BARE_CASH = re.compile(r"[qp][qpzry9x8gf2tvdw0s3jn54khce6mua7l]{41}")
_BECH32 = re.compile(r"([a-z][a-z_]{0,82})1([qpzry9x8gf2tvdw0s3jn54khce6mua7l]{6,})")
_SEGWIT = frozenset({"bc", "tb", "bcrt", "ltc", "tltc", "grs", "tgrs", "dgb", "vtc", "btg", "sys", "nmc"})
"""Prefixes behind which a witness version stands (BIP 173): 0 goes with Bech32, others with Bech32m."""
_KNOWN_BECH32 = re.compile(
    r"(?:bc|tb|bcrt|ltc|tltc|bnb|tbnb|zil|tzil|grs|tgrs|dgb|vtc|btg|sys|nmc|addr|addr_test|stake|stake_test|avax|fuji"
    r"|cosmos|osmo|terra|kava|inj|juno|celestia|secret|akash|axelar|thor|one|erd|iota)1",
    re.IGNORECASE,
)
_ALPHABET = "a character outside the alphabet of wallet addresses"
_LOOK = "look for a mistyped, missing or exchanged character; copy the address, do not type it"

_OTHER_SUMS = {25: frozenset({0x24}), 26: frozenset({0x07})}
"""First bytes of addresses whose last four are no double SHA-256, by length: Groestlcoin; Decred."""
_WAVES = frozenset({b"\x01W", b"\x01T"})
"""Version and chain of its addresses, which are of 26 bytes; a Bitcoin address with a character too many is not."""
_FEWEST_LETTERS = 12
_THREE_BYTE_VERSIONS = frozenset({b"\x06\xa1\x9f", b"\x06\xa1\xa1", b"\x06\xa1\xa4", b"\x02\x5a\x79"})  # Tezos
_SS58_NETWORKS = frozenset({0, 2, 42})  # Polkadot, Kusama, any


def wallet(text: str, _: Circumstances) -> Canonical:
    """The address, in lower case where its encoding does not tell cases apart."""
    return Canonical(IndicatorType.WALLET.value, _address(text))


def _address(text: str) -> str:
    if text[:2] in ("0x", "0X") and _PREFIXED_HEX.fullmatch(text):
        return _prefixed_hex(text)
    # Nearly every other address starts so; no Bech32 or CashAddr does. 40 and 64 characters may be hexadecimal.
    if text[:1] in ("1", "3") and len(text) not in (40, 64) and _BASE58.fullmatch(text):
        return _base58(text)
    return _of_any_kind(text)


def _of_any_kind(text: str) -> str:
    if not text.isascii():
        raise NormalisationError(_ALPHABET, "letters of another script may look the same; copy the address again")
    raw = _TON_RAW.fullmatch(text.lower().removeprefix("ton:"))
    if raw:
        return ton_address(_TON_BOUNCEABLE, int(raw[1]), bytes.fromhex(raw[2]))
    prefixed = _CASH_PREFIX.fullmatch(text.partition("?")[0])
    if prefixed:
        return _prefixed_cash(prefixed[1], prefixed[2])
    if _TON.fullmatch(text):
        return _ton(text)
    bare = bare_address(text)
    if bare != text:
        return _address(bare)
    tron = _TRON_HEX.fullmatch(text)
    if tron:
        return base58check_encode(bytes.fromhex(tron[1]))
    if text[:2] in ("0x", "0X"):
        raise _bad_hex(text)
    if len(text) < _MINIMUM:
        refuse_word(text)
        raise NormalisationError(f"{len(text)} characters", f"an address has {_MINIMUM} or more")
    return _bare(text)


def _bare(text: str) -> str:
    lower = text.lower()
    one_case = text in (lower, text.upper())
    bech32 = _BECH32.fullmatch(lower)
    if bech32 and (one_case or _KNOWN_BECH32.match(text)):
        if not one_case:
            raise _mixed("Bech32")
        return _checked_bech32(lower, bech32[1], bech32[2])
    if one_case and _KNOWN_BECH32.match(text):
        raise NormalisationError("a character outside the alphabet of Bech32", _LOOK)
    if one_case and _BARE_CASH.fullmatch(lower):
        return _checked_cash(lower, _BARE_CASH_PREFIXES)
    if _XDC.fullmatch(text):
        return lower
    if len(text) in (40, 64) and _HEX.fullmatch(text):
        return _bare_hex(lower)
    if _STELLAR.fullmatch(text):
        return _stellar(text)
    if _MUXED.fullmatch(text):
        raise tagged()
    if _BASE58.fullmatch(text):
        return _base58(text)
    raise NormalisationError(_ALPHABET, "look for spaces, quotes or a mistyped 0, O, I or l")


def _prefixed_hex(text: str) -> str:
    digits = text[2:]
    lower = digits.lower()
    if len(digits) == 40 and digits not in (lower, digits.upper()) and not is_eip55(digits):
        raise NormalisationError(
            "upper and lower case do not fit the digits (EIP-55)",
            f"{_LOOK}; if its source prints it so, write it in lower case",
        )
    refuse_filler(lower)
    return "0x" + lower


def _base58(text: str) -> str:
    """The address as it stands, if its checksum is right."""
    if text[0] == "r" and len(text) <= 35:
        if not _is_version(ripple_decode(text), 25, {b"\0"}):
            raise _typing_fault()
        return text
    if 90 <= len(text) <= 110 and text[0] in "48":
        if not is_monero(text):
            raise _typing_fault()
        return text
    if text[0] == "X" and len(text) == _X_ADDRESS:
        return _of_x_address(text)
    return _checked_base58(text)


def _checked_base58(text: str) -> str:
    _refuse_one_case(text)
    data = base58_decode(text) if len(text) <= 64 else b""
    if len(data) in (37, 38) and data[0] == _PRIVATE_KEY and is_base58check(data):
        raise NormalisationError(
            "a private key, not an address", "delete it from the file; write the address that it opens"
        )
    if not _has_right_checksum(text, data):
        raise _typing_fault()
    return text


def _has_right_checksum(text: str, data: bytes) -> bool:
    """False for a format that is known and a sum that is not its. Formats that are not known pass."""
    check = _checksum_of(data)
    if check is not None:
        return check(data)
    if len(data) == 24 or (len(text) > 64 and text[0] in "13"):  # a character is missing, or two stand together
        return False
    if len(text) <= 35 and text[0] in "13T" and len(data) != 32:  # Bitcoin or Tron, a character too few or too many
        return is_base58check(data) and len(data) == 25
    return len(set(text)) > 2


def _checksum_of(data: bytes) -> Callable[[bytes], bool] | None:
    """How the checksum of a format is tested that length and first bytes tell; None for others."""
    if len(data) == 26 and data[:2] in _WAVES:
        return is_waves
    if len(data) in _OTHER_SUMS and data[0] not in _OTHER_SUMS[len(data)]:
        return is_base58check
    if len(data) == 27 and data[:3] in _THREE_BYTE_VERSIONS:
        return is_base58check
    if len(data) == 35 and data[0] in _SS58_NETWORKS:
        return is_ss58
    return None


def _of_x_address(text: str) -> str:
    """The classic form of an address of the XRP Ledger (XLS-5): two bytes, the account, a flag, the tag, a sum."""
    data = ripple_decode(text)
    if data[:2] != b"\x05\x44":
        return _checked_base58(text)
    if len(data) != 35 or not is_base58check(data):
        raise _typing_fault()
    if data[22]:
        raise tagged()
    return ripple_encode_check(b"\0" + data[2:22])


def _refuse_one_case(text: str) -> None:
    """NormalisationError for letters of one case only, which Base58 has by chance once in millions of addresses."""
    letters = sum(map(str.isalpha, text))
    if letters >= _FEWEST_LETTERS and (text.islower() or text.isupper()):
        raise NormalisationError(
            "letters of one case only: upper and lower case were lost", "copy the address from its source; case counts"
        )


def _is_version(data: bytes, length: int, versions: set[bytes]) -> bool:
    return len(data) == length and data[:1] in versions and is_base58check(data)


def _checked_bech32(address: str, prefix: str, data: str) -> str:
    found = bech32_constant(prefix, data)
    is_right = found in (BECH32, BECH32M)
    if is_right and prefix in _SEGWIT:
        is_right = (found == BECH32) == (data[0] == "q")
    if not is_right:
        raise _typing_fault()
    return address


def _prefixed_cash(prefix: str, address: str) -> str:
    prefix, lower = prefix.lower(), address.lower()
    if address not in (lower, address.upper()):
        raise _mixed("Bitcoin Cash")
    if not _CASH.fullmatch(lower):
        raise NormalisationError(
            "not a Bitcoin Cash address after its prefix", "expected: 42 characters or more of its alphabet"
        )
    return _checked_cash(lower, (prefix,))


def _checked_cash(address: str, prefixes: tuple[str, ...]) -> str:
    if not any(is_cash_address(prefix, address) for prefix in prefixes):
        raise _typing_fault()
    return address


def _ton(text: str) -> str:
    try:
        data = base64.urlsafe_b64decode(text.replace("+", "-").replace("/", "_"))
    except binascii.Error as error:
        raise _typing_fault() from error
    flags = data[0] & ~_TON_TEST
    if flags not in (_TON_BOUNCEABLE, _TON_PLAIN) or crc16(data[:-2]) != int.from_bytes(data[-2:], "big"):
        raise _typing_fault()
    return ton_address(_TON_BOUNCEABLE | data[0] & _TON_TEST, data[1], data[2:-2])


def _stellar(text: str) -> str:
    data = base64.b32decode(text)
    if data[0] != _STELLAR_ACCOUNT or crc16(data[:-2]) != int.from_bytes(data[-2:], "little"):
        raise _typing_fault()
    return text


def _typing_fault() -> NormalisationError:
    return NormalisationError("the checksum of the address is wrong", f"{_LOOK}; upper and lower case count")


def _mixed(encoding: str) -> NormalisationError:
    return NormalisationError(
        f"upper and lower case are mixed in a {encoding} address", "write it in lower case throughout"
    )


def _bad_hex(text: str) -> NormalisationError:
    if _HEX.fullmatch(text[2:]):
        return NormalisationError(f"{len(text) - 2} hexadecimal digits after 0x", "expected: 40 (an address) or 64")
    return NormalisationError("a character after 0x that is not a hexadecimal digit", "expected: 40 or 64 of 0-9, a-f")


def _bare_hex(lower: str) -> str:
    if len(lower) == 40:
        raise NormalisationError(
            "40 hexadecimal digits without 0x", "write 0x in front if this is an account of that kind"
        )
    refuse_filler(lower)
    return lower
