"""Decoding ristretto255 as RFC 9496 section 4.3.1 spells it, and encodings that its appendix A lists. Slow."""

from __future__ import annotations

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)

GENERATOR_MULTIPLES = (
    "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76",
    "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
    "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259",
)
"""Appendix A.1, from one times the generator."""

BAD_ENCODINGS = (
    # Non-canonical field elements.
    "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0100000000000000000000000000000000000000000000000000000000000080",
    # Negative field elements.
    "0100000000000000000000000000000000000000000000000000000000000000",
    "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20",
    "c34c4e1826e5d403b78e246e88aa051c36ccf0aafebffe137d148a2bf9104562",
    # Non-square x^2.
    "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
    "4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f",
    # Negative x * y.
    "3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e",
    "a45fdc55c76448c049a1ab33f17023edfb2be3581e9c7aade8a6125215e04220",
    # s = -1, which makes y zero.
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)
"""Appendix A.2, some of each kind."""


def is_element(encoding: bytes) -> bool:
    """Whether 32 bytes decode (section 4.3.1). True of the identity too."""
    s = int.from_bytes(encoding, "little")
    if s >= P or s & 1:
        return False
    ss = s * s % P
    u1, u2 = (1 - ss) % P, (1 + ss) % P
    u2_squared = u2 * u2 % P
    v = (-(D * u1 * u1) - u2_squared) % P
    was_square, root = _inverse_square_root(v * u2_squared % P)
    den_x = root * u2 % P
    den_y = root * den_x * v % P
    x = _absolute(2 * s * den_x % P)
    y = u1 * den_y % P
    return was_square and not (x * y % P) & 1 and y != 0


def _inverse_square_root(v: int) -> tuple[bool, int]:
    """SQRT_RATIO_M1 of 1 and v (section 4.2)."""
    root = pow(v, 3, P) * pow(pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * root * root % P
    if check in ((-1) % P, (-SQRT_M1) % P):
        root = root * SQRT_M1 % P
    return check in (1, P - 1), _absolute(root)


def _absolute(value: int) -> int:
    return P - value if value & 1 else value
