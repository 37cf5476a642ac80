"""From a payment URI or an account identifier to the bare address.

BIP 21 (`bitcoin:…?amount=`) and its likes, EIP-681 (`ethereum:0x…@1`), CAIP-10 (`eip155:1:0x…`), EIP-3770 (`eth:0x…`),
`ton://transfer/…`, Avalanche's chain prefixes (`X-avax1…`). Amounts and labels are dropped. What tells two customers of
one address apart (a destination tag, a memo) is refused: without it all of them would meet.
"""

from __future__ import annotations

import re

from member.normalise.outcome import NormalisationError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31}):(?://)?(.*)", re.DOTALL)
_HEX_NAMES = re.compile(r"[a-z][a-z0-9-]{1,15}")
_HEX_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
_BARE_HEX = re.compile(r"[0-9a-fA-F]{40}")
_TAGGED = re.compile(r"(.{25,}?)[:?#/ -]+(?:(?:dt|tag|memo|to)[=: ]*)?[0-9]{1,20}\Z", re.IGNORECASE)
_AVALANCHE = re.compile(r"[XPC]-(?=avax1|fuji1)", re.IGNORECASE)
_TAGS = re.compile(r"(?:^|&)(?:dt|tag|memo|memoid|memo_id|to)=", re.IGNORECASE)
_CHAIN_OF_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,64}:(?=.)")

SCHEMES = frozenset(
    """
    bitcoin litecoin dogecoin dash zcash monero ethereum tron ripple xrpl xrp solana stellar web+stellar ton cardano
    web+cardano polkadot kusama cosmos tezos bitcoingold digibyte groestlcoin vertcoin btc ltc doge xmr trx sol xlm ada
    dot bip122 eip155 tz
    """.split()  # noqa: SIM905
)
"""What stands before the colon where the address behind it is complete without. CashAddr's prefixes are not here: they
are part of the checksum."""
_OF_ACCOUNTS = frozenset(
    {"bip122", "eip155", "solana", "cosmos", "polkadot", "stellar", "tezos", "tron", "xrpl", "cardano", "ton"}
)
"""CAIP-2 namespaces: a chain stands between them and the address."""


def bare_address(text: str) -> str:
    """The address alone. A text that is no URI comes back as it is.

    NormalisationError for tags and memos, for transfers of a token (whose address is not the receiver's), and for
    schemes that are not known.
    """
    if text[1:2] == "-":
        text = _AVALANCHE.sub("", text, count=1)
    uri = _SCHEME.fullmatch(text)
    if uri is None or (text.count(":") == 1 and len(uri[1]) >= 25):
        _refuse_tag(text)
        return text
    scheme, rest = uri[1].lower(), uri[2]
    path, _, query = rest.partition("?")
    path = path.partition("#")[0]
    if _TAGS.search(query):
        raise tagged()
    if scheme == "web+stellar" or path.startswith(("pay?", "tx?")):
        raise NormalisationError("a payment request", "write the address of its destination alone")
    if scheme == "ethereum":
        return _of_ethereum(path)
    if scheme == "ronin" and _BARE_HEX.fullmatch(path):
        return "0x" + path
    if scheme == "ton":
        path = path.removeprefix("transfer/")
    if scheme in _OF_ACCOUNTS and path.count(":") == 1:
        path = _CHAIN_OF_ACCOUNT.sub("", path, count=1)
    if scheme not in SCHEMES and not (_HEX_NAMES.fullmatch(scheme) and _HEX_ADDRESS.fullmatch(path)):
        raise NormalisationError(
            "an address of a kind that is not known", "write the bare address, without what stands before it"
        )
    _refuse_tag(path)
    return path


def _of_ethereum(path: str) -> str:
    """EIP-681: `pay-` in front, `@chain` behind; with a function behind a slash the receiver is a parameter."""
    address, slash, _ = path.partition("/")
    if slash:
        raise NormalisationError(
            "a call of a contract", "write the address of the receiver, which is one of its parameters"
        )
    return address.removeprefix("pay-").partition("@")[0]


def _refuse_tag(text: str) -> None:
    found = _TAGGED.fullmatch(text)
    if found or "?" in text:
        raise tagged()


def tagged() -> NormalisationError:
    """The refusal of an address that many customers share."""
    return NormalisationError(
        "a destination tag or memo behind the address",
        "many customers of one exchange share that address: ask the exchange; leave the row out if the address alone is"
        " not the suspect's",
    )
