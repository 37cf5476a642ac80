"""The key shared among the holders: dealt Shamir shares, Lagrange coefficients at the holder, proofs per holder.

1. `deal` splits k over a random polynomial of degree t - 1; holder i has f(i), everyone has the commitments f(i) * G.
2. A request names a quorum S: exactly t distinct holders' indices. Holder i works with lambda_i(S) * f(i), so that the
   sum of the t answers is k * B and the member unblinds once.
3. A holder's proof is checked against lambda_i(S) times its commitment.
4. Commitments count only after `verify_commitments`: on one polynomial of degree below t, and f(0) * G the group's key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from keys.oprf import group
from keys.oprf import protocol as oprf
from keys.oprf.group import ORDER

MAXIMUM_INDEX = 65_535


class InvalidQuorumError(ValueError):
    """Not a quorum: indices repeat, are out of range, are too few or many, or leave the holder itself out."""


class InvalidCommitmentsError(ValueError):
    """The commitments do not belong to one key of this threshold."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one holder keeps: its index (from 1) and f(index), 32 bytes."""

    index: int
    scalar: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Dealing:
    """The result of a ceremony: the public part, and the shares to hand out and forget."""

    threshold: int
    group_public_key: bytes
    shares: tuple[Share, ...]
    commitments: dict[int, bytes]


def deal(secret: bytes | None, threshold: int, count: int) -> Dealing:
    """Shares a key (a fresh one for None): any `threshold` of `count` holders can use it and fewer learn nothing.

    Raises ValueError unless 1 <= threshold <= count <= 65,535, InvalidScalarError for a bad secret.
    """
    if not 1 <= threshold <= count <= MAXIMUM_INDEX:
        raise ValueError("a threshold lies between 1 and the number of holders")
    constant = group.random_ints(1)[0] if secret is None else group.scalar_to_int(secret)
    coefficients = [constant, *group.random_ints(threshold - 1)]
    values = [_polynomial(coefficients, index) for index in range(1, count + 1)]
    if not all(values):  # a zero share cannot be used; met with probability count * 2^-252
        return deal(secret, threshold, count)
    shares = tuple(Share(index, group.scalar_from_int(value)) for index, value in enumerate(values, 1))
    commitments = {share.index: group.multiply_base(share.scalar) for share in shares}
    return Dealing(threshold, group.multiply_base(group.scalar_from_int(constant)), shares, commitments)


def check_quorum(quorum: Sequence[int], threshold: int | None = None) -> None:
    """Raises InvalidQuorumError unless these are distinct indices from 1 to 65,535, `threshold` of them if given."""
    if not quorum or len(set(quorum)) != len(quorum):
        raise InvalidQuorumError("a quorum names distinct holders")
    if not all(1 <= index <= MAXIMUM_INDEX for index in quorum):
        raise InvalidQuorumError(f"a holder's index lies between 1 and {MAXIMUM_INDEX}")
    if threshold is not None and len(quorum) != threshold:
        raise InvalidQuorumError(f"a quorum has exactly {threshold} holders, this has {len(quorum)}")


def lagrange(index: int, quorum: Sequence[int]) -> int:
    """lambda_index(S) at 0: the product of j / (j - index) over the others of S, mod L. Raises InvalidQuorumError."""
    check_quorum(quorum)
    if index not in quorum:
        raise InvalidQuorumError("the holder is not in the quorum")
    return _coefficient(index, quorum, 0)


def scaled_share(share: Share, quorum: Sequence[int]) -> bytes:
    """lambda_i(S) * f(i), the scalar with which holder i answers the quorum S. Raises InvalidQuorumError."""
    return group.scalar_from_int(lagrange(share.index, quorum) * group.scalar_to_int(share.scalar))


def scaled_commitment(commitment: bytes, index: int, quorum: Sequence[int]) -> bytes:
    """lambda_i(S) * C_i, the public key of that scalar. Raises InvalidQuorumError, InvalidElementError."""
    return group.multiply(group.scalar_from_int(lagrange(index, quorum)), commitment)


def verify_commitments(group_public_key: bytes, commitments: Mapping[int, bytes], threshold: int) -> None:
    """Raises InvalidCommitmentsError unless any `threshold` of the commitments interpolate to the group's key.

    The first t fix the polynomial: its value at 0 must be the key, and at every other index that holder's commitment.
    """
    if not 1 <= threshold <= len(commitments):
        raise InvalidCommitmentsError("there are fewer commitments than the threshold")
    try:
        check_quorum(list(commitments))
        for element in (group_public_key, *commitments.values()):
            group.check_element(element)
    except (InvalidQuorumError, group.InvalidElementError) as error:
        raise InvalidCommitmentsError("a commitment or the key is malformed") from error
    indices = sorted(commitments)
    base = {index: commitments[index] for index in indices[:threshold]}
    if _interpolate(base, 0) != group_public_key:
        raise InvalidCommitmentsError("the commitments do not interpolate to the group's key")
    for index in indices[threshold:]:
        if _interpolate(base, index) != commitments[index]:
            raise InvalidCommitmentsError(f"the commitment of holder {index} is not on the polynomial of the others")


def evaluate_batch(scaled_key: bytes, elements: bytes) -> bytes:
    """Each element times the scaled key. All or nothing: raises InvalidElementError with the position of a bad one.

    libsodium checks each encoding in the multiplication itself; a test of its own would only cost time.
    """
    return oprf.evaluate(scaled_key, elements)


def prove_batch(scaled_key: bytes, elements: bytes, evaluated: bytes) -> bytes:
    """The 64-byte proof (RFC 9497, mode 1) that `evaluated` was made with the scaled key."""
    return oprf.generate_proof(scaled_key, group.multiply_base(scaled_key), elements, evaluated)


def combine(answers: Sequence[bytes]) -> bytes:
    """The sum of a quorum's answers, element by element. Raises ValueError for none, InvalidElementError."""
    if not answers:
        raise ValueError("there is no answer to combine")
    total = answers[0]
    for answer in answers[1:]:
        total = group.add_pairs(total, answer)
    return total


def _polynomial(coefficients: Sequence[int], at: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * at + coefficient) % ORDER
    return value


def _coefficient(index: int, quorum: Sequence[int], at: int) -> int:
    above, below = 1, 1
    for other in quorum:
        if other != index:
            above = above * (other - at) % ORDER
            below = below * (other - index) % ORDER
    return above * pow(below, -1, ORDER) % ORDER


def _interpolate(base: Mapping[int, bytes], at: int) -> bytes:
    """The value at `at` of the polynomial in the exponent through `base`; `at` is not one of its indices."""
    indices = list(base)
    weights = group.join_scalars(_coefficient(index, indices, at) for index in indices)
    return group.sum_elements(group.multiply_pairs(weights, b"".join(base.values())))
