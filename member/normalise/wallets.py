"""Wallet addresses. The chain is not part of the value and checksums are not tested (rules n1).

Rules, in order; the first that knows the shape decides:
1. `0x` and 40 or 64 hexadecimal digits: lower case. `0x` of another length is refused.
2. Bitcoin Cash (`bitcoincash:` or the bare 42 characters): prefix dropped, lower case.
3. Bech32 (BIP 173): lower case; mixed case is refused, as BIP 173 does.
4. 64 hexadecimal digits: lower case. 40 are an address that lost its `0x`, and are refused.
5. Base58, Stellar (`G...`, base 32) and TON (base 64): unchanged, **case is significant**.
Anything under 25 characters is refused.
"""

from __future__ import annotations

import re

from member.normalise.outcome import Canonical, NormalisationError
from schemas.terms import IndicatorType

_MINIMUM = 25

_HEX = re.compile(r"[0-9a-fA-F]+")
_PREFIXED_HEX = re.compile(r"0[xX][0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")
_BASE58 = re.compile(r"[1-9A-HJ-NP-Za-km-z]{25,}")
_STELLAR = re.compile(r"G[A-Z2-7]{55}")
_TON = re.compile(r"[EUk0][Qf][A-Za-z0-9_+/-]{46}")
_CASH_PREFIX = re.compile(r"(?:bitcoincash|bchtest|bchreg):", re.IGNORECASE)
_CASH = re.compile(r"[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{42,112}")
_BARE_CASH = re.compile(r"[qp][qpzry9x8gf2tvdw0s3jn54khce6mua7l]{41}")
_BECH32 = re.compile(r"[a-z][a-z_]{0,82}1[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{6,}")
_KNOWN_BECH32 = re.compile(
    r"(?:bc|tb|bcrt|ltc|tltc|bnb|tbnb|zil|tzil|grs|tgrs|dgb|vtc|btg|sys|nmc|addr|addr_test|stake|stake_test"
    r"|cosmos|osmo|terra|kava|inj|juno|celestia|secret|akash|axelar|thor|one|erd|iota)1",
    re.IGNORECASE,
)
_ALPHABET = "a character outside the alphabet of wallet addresses"


def wallet(text: str) -> Canonical:
    """The address, in lower case where its encoding does not tell cases apart."""
    return Canonical(IndicatorType.WALLET.value, _address(text))


def _address(text: str) -> str:
    if text[:2] in ("0x", "0X"):
        if _PREFIXED_HEX.fullmatch(text):
            return text.lower()
        raise _bad_hex(text)
    # Nearly every address starts so; no Bech32 or Bitcoin Cash address does. 40 and 64 characters may be hexadecimal.
    if text[:1] in ("1", "3") and len(text) not in (40, 64) and _BASE58.fullmatch(text):
        return text
    return _of_any_kind(text)


def _of_any_kind(text: str) -> str:
    if not text.isascii():
        raise NormalisationError(_ALPHABET)
    prefix = _CASH_PREFIX.match(text)
    if prefix:
        return _cash(text[prefix.end() :])
    if len(text) < _MINIMUM:
        raise NormalisationError(f"{len(text)} characters; an address has {_MINIMUM} or more")
    lower = text.lower()
    one_case = text in (lower, text.upper())
    if _BECH32.fullmatch(lower) and (one_case or _KNOWN_BECH32.match(text)):
        if not one_case:
            raise _mixed("Bech32")
        return lower
    if one_case and _KNOWN_BECH32.match(text):
        raise NormalisationError("a character outside the alphabet of Bech32")
    if one_case and _BARE_CASH.fullmatch(lower):
        return lower
    if len(text) in (40, 64) and _HEX.fullmatch(text):
        return _bare_hex(lower)
    if _BASE58.fullmatch(text) or _STELLAR.fullmatch(text) or _TON.fullmatch(text):
        return text
    raise NormalisationError(_ALPHABET, "look for spaces, quotes or a mistyped 0, O, I or l")


def _mixed(encoding: str) -> NormalisationError:
    return NormalisationError(
        f"upper and lower case are mixed in a {encoding} address", "write it in lower case throughout"
    )


def _bad_hex(text: str) -> NormalisationError:
    if _HEX.fullmatch(text[2:]):
        return NormalisationError(f"{len(text) - 2} hexadecimal digits after 0x", "wanted: 40 (an address) or 64")
    return NormalisationError("a character after 0x that is not a hexadecimal digit", "wanted: 40 or 64 of 0-9, a-f")


def _cash(address: str) -> str:
    lower = address.lower()
    if address not in (lower, address.upper()):
        raise _mixed("Bitcoin Cash")
    if not _CASH.fullmatch(lower):
        raise NormalisationError(
            "not a Bitcoin Cash address after its prefix", "wanted: 42 characters or more of its alphabet"
        )
    return lower


def _bare_hex(lower: str) -> str:
    if len(lower) == 40:
        raise NormalisationError(
            "40 hexadecimal digits without 0x", "write 0x in front if this is an account of that kind"
        )
    return lower
