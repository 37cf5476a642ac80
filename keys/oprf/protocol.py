"""RFC 9497, suite ristretto255-SHA512, mode 1 (VOPRF): blind, evaluate, prove, verify, unblind, finalise.

Batches are concatenated 32-byte elements, at most 65,535 of them: the proof numbers them in two bytes.

Verifying a proof, in order:
1. The key, both batches and the proof have the right lengths; the batches are as long as each other.
2. Every element passes the rules of keys.oprf.group, both scalars of the proof lie between 1 and L - 1.
3. The composites are recomputed (section 2.2.1) and the challenge compared (section 2.2.2).
A zero scalar in a proof is refused: an honest prover meets one with probability 2^-252.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from keys.oprf import group
from keys.oprf.group import ELEMENT_BYTES, ORDER, SCALAR_BYTES

OUTPUT_BYTES = 64
PROOF_BYTES = 2 * SCALAR_BYTES
MAXIMUM_BATCH = 65_535
MAXIMUM_INPUT_BYTES = 65_535

_CONTEXT = b"OPRFV1-\x01-ristretto255-SHA512"
_GROUP_DST = b"HashToGroup-" + _CONTEXT
_SCALAR_DST = b"HashToScalar-" + _CONTEXT
_SEED_DST = b"Seed-" + _CONTEXT
_ELEMENT_PREFIX = ELEMENT_BYTES.to_bytes(2, "big")
_FINALIZE_TAIL = b"Finalize"


class InvalidProofError(ValueError):
    """The proof does not show that the answers were made with the committed key."""


@dataclass(frozen=True, slots=True)
class Blinded:
    """A batch on its way to the holders: the blinds stay here (integers below L), the elements go out."""

    blinds: list[int] = field(repr=False)
    elements: bytes = field(repr=False)


# Client


def blind_batch(messages: Sequence[bytes]) -> Blinded:
    """Blinds each input with a fresh scalar. Raises ValueError for over 65,535 inputs, or one over 65,535 bytes."""
    return blind_hashed(hash_batch(messages))


def hash_batch(messages: Sequence[bytes]) -> bytes:
    """Each input's element, concatenated. Raises ValueError for over 65,535 inputs, or one over 65,535 bytes."""
    check_batch_size(len(messages))
    for message in messages:
        check_input(message)
    return group.hash_to_group_each(messages, _GROUP_DST)


def blind_hashed(hashed: bytes) -> Blinded:
    """Blinds each input's element with a fresh scalar."""
    blinds = group.random_ints(len(hashed) // ELEMENT_BYTES)
    return Blinded(blinds, group.multiply_pairs(group.join_scalars(blinds), hashed))


def unblind_batch(blinds: Sequence[int], evaluated: bytes) -> bytes:
    """evaluated[i] / blinds[i] for each i. Raises InvalidElementError naming the position."""
    return group.multiply_pairs(group.join_scalars(group.invert_batch(blinds)), evaluated)


def finalize(message: bytes, unblinded: bytes) -> bytes:
    """The second step of Finalize (section 3.3.1): the 64-byte output for an input and its unblinded element."""
    check_input(message)
    if len(unblinded) != ELEMENT_BYTES:
        group.check_element(unblinded)
    return finalize_batch([message], unblinded)[0]


def finalize_batch(messages: Sequence[bytes], unblinded: bytes) -> list[bytes]:
    """The 64-byte output of each input, `unblinded` being as many elements."""
    if len(unblinded) != len(messages) * ELEMENT_BYTES:
        raise ValueError("every input has one element")
    sha512 = hashlib.sha512
    places = range(0, len(unblinded), ELEMENT_BYTES)
    return [
        sha512(
            b"%b%b%b%b%b"
            % (
                len(message).to_bytes(2, "big"),
                message,
                _ELEMENT_PREFIX,
                unblinded[at : at + ELEMENT_BYTES],
                _FINALIZE_TAIL,
            )
        ).digest()
        for message, at in zip(messages, places, strict=True)
    ]


# Server


def evaluate(key: bytes, blinded: bytes) -> bytes:
    """BlindEvaluate (section 3.3.2) of a batch, without its proof. Raises InvalidElementError naming the position."""
    check_batch_size(len(blinded) // ELEMENT_BYTES)
    return group.multiply_each(key, blinded)


def evaluate_unblinded(key: bytes, message: bytes) -> bytes:
    """Evaluate (section 3.3.1): the output as the holder of the whole key computes it."""
    check_input(message)
    return finalize(message, group.multiply(key, group.hash_to_group(message, _GROUP_DST)))


def generate_proof(
    key: bytes,
    public_key: bytes,
    blinded: bytes,
    evaluated: bytes,
    random_scalar: Callable[[], bytes] = group.random_scalar,
) -> bytes:
    """GenerateProof (section 2.2.1) with A the generator and B the public key: the scalars c and s, 64 bytes.

    `random_scalar` gives the nonce: a nonce used twice gives the key away, so only known answers pass one.
    """
    _check_statement(public_key, blinded, evaluated)
    weights = _weights(public_key, blinded, evaluated)
    m = group.sum_elements(group.multiply_pairs(weights, blinded))
    z = group.multiply(key, m)
    nonce = random_scalar()
    t2 = group.multiply_base(nonce)
    t3 = group.multiply(nonce, m)
    challenge = _challenge(public_key, m, z, t2, t3)
    response = group.scalar_to_int(nonce) - challenge * group.scalar_to_int(key)
    return group.scalar_from_int(challenge) + group.scalar_from_int(response)


def verify_proof(public_key: bytes, blinded: bytes, evaluated: bytes, proof: bytes) -> None:
    """VerifyProof (section 2.2.2). Raises InvalidProofError, InvalidElementError naming the position."""
    _check_statement(public_key, blinded, evaluated)
    if len(proof) != PROOF_BYTES:
        raise InvalidProofError(f"a proof is {PROOF_BYTES} bytes, this is {len(proof)}")
    challenge, response = proof[:SCALAR_BYTES], proof[SCALAR_BYTES:]
    try:
        group.check_scalar(challenge)
        group.check_scalar(response)
    except group.InvalidScalarError as error:
        raise InvalidProofError("a scalar of the proof is out of range") from error
    weights = _weights(public_key, blinded, evaluated)
    m = group.sum_elements(group.multiply_pairs(weights, blinded))
    z = group.sum_elements(group.multiply_pairs(weights, evaluated))
    try:
        t2 = group.add(group.multiply_base(response), group.multiply(challenge, public_key))
        t3 = group.add(group.multiply(response, m), group.multiply(challenge, z))
    except group.InvalidElementError as error:
        raise InvalidProofError("the composites vanish") from error
    expected = group.scalar_from_int(_challenge(public_key, m, z, t2, t3))
    if not hmac.compare_digest(expected, challenge):
        raise InvalidProofError("the proof does not fit the key and the answers")


# Shared


def check_input(message: bytes) -> None:
    """Raises ValueError for an input over 65,535 bytes (section 1.2, PrivateInput)."""
    if len(message) > MAXIMUM_INPUT_BYTES:
        raise ValueError(f"an input is at most {MAXIMUM_INPUT_BYTES} bytes, this is {len(message)}")


def check_batch_size(count: int) -> None:
    """Raises ValueError for a batch of more than 65,535."""
    if count > MAXIMUM_BATCH:
        raise ValueError(f"a batch has at most {MAXIMUM_BATCH} elements, this has {count}")


def _check_statement(public_key: bytes, blinded: bytes, evaluated: bytes) -> None:
    group.check_element(public_key)
    if len(blinded) != len(evaluated):
        raise InvalidProofError("there is one answer for each element")
    if not blinded:
        raise InvalidProofError("a proof is about at least one element")
    check_batch_size(len(blinded) // ELEMENT_BYTES)


def _weights(public_key: bytes, blinded: bytes, evaluated: bytes) -> bytes:
    """The scalars d_i of ComputeComposites (section 2.2.1), concatenated."""
    seed = hashlib.sha512(_prefixed(public_key) + _prefixed(_SEED_DST)).digest()
    head = _prefixed(seed)
    expand = group.expander(_SCALAR_DST)
    weights = []
    for index in range(len(blinded) // ELEMENT_BYTES):
        at = slice(index * ELEMENT_BYTES, (index + 1) * ELEMENT_BYTES)
        pair = _ELEMENT_PREFIX + blinded[at] + _ELEMENT_PREFIX + evaluated[at]
        uniform = expand(head + index.to_bytes(2, "big") + pair + b"Composite")
        weights.append(int.from_bytes(uniform, "little") % ORDER)
    return group.join_scalars(weights)


def _challenge(public_key: bytes, m: bytes, z: bytes, t2: bytes, t3: bytes) -> int:
    transcript = b"".join(map(_prefixed, (public_key, m, z, t2, t3))) + b"Challenge"
    return group.hash_to_scalar(transcript, _SCALAR_DST)


def _prefixed(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
