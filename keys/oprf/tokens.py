"""What goes into the pseudo-random function (version, type, canonical form) and what comes out (token, detail key)."""

from __future__ import annotations

from dataclasses import dataclass, field

from keys.oprf import protocol as oprf

TOKEN_BYTES = 32
DETAIL_KEY_BYTES = 32
_SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class Token:
    """The halves of an output, 32 bytes each: `token` goes to the exchange, `detail_key` never leaves the member."""

    token: bytes = field(repr=False)
    detail_key: bytes = field(repr=False)


def oprf_input(normalisation: str, indicator_type: str, canonical: str) -> bytes:
    """`n1|type|canonical` in UTF-8. Only the canonical form may hold a bar, so the text reads one way.

    Raises ValueError for an empty part, a bar in the first two, and more than 65,535 bytes.
    """
    if not (normalisation and indicator_type and canonical):
        raise ValueError("version, type and canonical form are all required")
    if _SEPARATOR in normalisation or _SEPARATOR in indicator_type:
        raise ValueError("a version or type has no bar in it")
    message = f"{normalisation}|{indicator_type}|{canonical}".encode()
    oprf.check_input(message)
    return message


def split_output(output: bytes) -> Token:
    """The token and detail key of a 64-byte output. Raises ValueError for any other length."""
    if len(output) != oprf.OUTPUT_BYTES:
        raise ValueError(f"an output is {oprf.OUTPUT_BYTES} bytes, this is {len(output)}")
    return Token(output[:TOKEN_BYTES], output[TOKEN_BYTES:])
