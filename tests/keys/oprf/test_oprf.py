"""RFC 9497, mode 1: the RFC's known answers, and proofs that hold for nothing else than what was done."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from keys.oprf import group
from keys.oprf import protocol as oprf
from keys.oprf.protocol import InvalidProofError
from tests.keys.oprf.vectors_rfc9497 import PUBLIC_KEY, SECRET_KEY, VECTORS, Vector

KEY, PUBLIC = bytes.fromhex(SECRET_KEY), bytes.fromhex(PUBLIC_KEY)
INPUTS = [b"first", b"second", b"third"]

rfc_vectors = pytest.mark.parametrize("vector", VECTORS, ids=["one byte", "seventeen bytes", "batch of two"])


def unhex(values: Iterable[str]) -> list[bytes]:
    return [bytes.fromhex(value) for value in values]


def evaluated_batch() -> tuple[bytes, bytes, bytes]:
    blinded = oprf.blind_batch(INPUTS).elements
    evaluated = oprf.evaluate(KEY, blinded)
    return blinded, evaluated, oprf.generate_proof(KEY, PUBLIC, blinded, evaluated)


@rfc_vectors
def test_blinding_gives_the_known_answers(vector: Vector) -> None:
    pairs = zip(unhex(vector.inputs), unhex(vector.blinds), strict=True)
    assert [group.multiply(blind, oprf.hash_batch([message])).hex() for message, blind in pairs] == list(vector.blinded)


@rfc_vectors
def test_evaluation_and_proof_are_the_known_answers(vector: Vector) -> None:
    blinded = b"".join(unhex(vector.blinded))
    evaluated = oprf.evaluate(KEY, blinded)
    assert evaluated.hex() == "".join(vector.evaluated)
    proof = oprf.generate_proof(KEY, PUBLIC, blinded, evaluated, lambda: bytes.fromhex(vector.nonce))
    assert proof.hex() == vector.proof
    oprf.verify_proof(PUBLIC, blinded, evaluated, proof)


@rfc_vectors
def test_unblinding_and_finalising_give_the_known_outputs(vector: Vector) -> None:
    inputs, blinds, evaluated = unhex(vector.inputs), unhex(vector.blinds), unhex(vector.evaluated)
    batch = oprf.unblind_batch(list(map(group.scalar_to_int, blinds)), b"".join(evaluated))
    assert [output.hex() for output in oprf.finalize_batch(inputs, batch)] == list(vector.outputs)
    assert [oprf.evaluate_unblinded(KEY, message).hex() for message in inputs] == list(vector.outputs)


def test_a_batch_blinded_at_random_gives_what_the_key_alone_gives() -> None:
    blinded = oprf.blind_batch(INPUTS)
    unblinded = oprf.unblind_batch(blinded.blinds, oprf.evaluate(KEY, blinded.elements))
    assert oprf.finalize_batch(INPUTS, unblinded) == [oprf.evaluate_unblinded(KEY, each) for each in INPUTS]


def test_the_same_input_is_blinded_differently_each_time() -> None:
    elements = oprf.blind_batch([b"same"] * 50).elements
    assert len({elements[at : at + 32] for at in range(0, len(elements), 32)}) == 50


def test_blinds_and_elements_stay_out_of_repr() -> None:
    blinded = oprf.blind_batch([b"input"])
    assert str(blinded.blinds[0]) not in repr(blinded)
    assert repr(blinded) == "Blinded()"


def test_a_proof_for_another_key_is_refused() -> None:
    blinded, evaluated, proof = evaluated_batch()
    with pytest.raises(InvalidProofError):
        oprf.verify_proof(group.multiply_base(group.random_scalar()), blinded, evaluated, proof)


def test_a_holder_cannot_prove_an_answer_made_with_another_key() -> None:
    blinded, _, _ = evaluated_batch()
    other = group.random_scalar()
    evaluated = oprf.evaluate(other, blinded)
    for key in (KEY, other):
        proof = oprf.generate_proof(key, PUBLIC, blinded, evaluated)
        with pytest.raises(InvalidProofError):
            oprf.verify_proof(PUBLIC, blinded, evaluated, proof)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_wrong_answer_spoils_the_proof_of_the_batch(position: int) -> None:
    blinded, evaluated, _ = evaluated_batch()
    at = slice(32 * position, 32 * (position + 1))
    wrong = evaluated[: at.start] + group.add(evaluated[at], blinded[:32]) + evaluated[at.stop :]
    with pytest.raises(InvalidProofError):
        oprf.verify_proof(PUBLIC, blinded, wrong, oprf.generate_proof(KEY, PUBLIC, blinded, wrong))


def test_two_errors_that_cancel_do_not_pass_the_proof() -> None:
    blinded, evaluated, _ = evaluated_batch()
    first, second, rest = evaluated[:32], evaluated[32:64], evaluated[64:]
    error = group.multiply_base(group.random_scalar())
    wrong = group.add(first, error) + group.subtract(second, error) + rest
    with pytest.raises(InvalidProofError):
        oprf.verify_proof(PUBLIC, blinded, wrong, oprf.generate_proof(KEY, PUBLIC, blinded, wrong))


def test_answers_in_another_order_do_not_pass_the_proof() -> None:
    blinded, evaluated, proof = evaluated_batch()
    with pytest.raises(InvalidProofError):
        oprf.verify_proof(PUBLIC, blinded, evaluated[32:64] + evaluated[:32] + evaluated[64:], proof)


def test_a_proof_with_any_byte_changed_is_refused() -> None:
    blinded, evaluated, proof = evaluated_batch()
    for at in range(len(proof)):
        changed = bytes((*proof[:at], proof[at] ^ 1, *proof[at + 1 :]))
        with pytest.raises(InvalidProofError):
            oprf.verify_proof(PUBLIC, blinded, evaluated, changed)


def test_a_proof_of_another_length_is_refused() -> None:
    blinded, evaluated, proof = evaluated_batch()
    for wrong in (b"", proof[:63], proof + b"\0"):
        with pytest.raises(InvalidProofError):
            oprf.verify_proof(PUBLIC, blinded, evaluated, wrong)


def test_a_scalar_of_a_proof_has_one_encoding() -> None:
    blinded, evaluated, proof = evaluated_batch()
    for at in (0, 32):
        value = int.from_bytes(proof[at : at + 32], "little") + group.ORDER
        changed = proof[:at] + value.to_bytes(32, "little") + proof[at + 32 :]
        with pytest.raises(InvalidProofError, match="out of range"):
            oprf.verify_proof(PUBLIC, blinded, evaluated, changed)


def test_nothing_is_not_proved_and_numbers_must_agree() -> None:
    blinded, evaluated, proof = evaluated_batch()
    with pytest.raises(InvalidProofError):
        oprf.verify_proof(PUBLIC, b"", b"", proof)
    with pytest.raises(InvalidProofError):
        oprf.verify_proof(PUBLIC, blinded, evaluated[:64], proof)


def test_the_identity_is_refused_as_a_public_key() -> None:
    blinded, evaluated, proof = evaluated_batch()
    with pytest.raises(group.InvalidElementError):
        oprf.verify_proof(group.IDENTITY, blinded, evaluated, proof)


def test_nonces_of_proofs_differ() -> None:
    blinded, evaluated, proof = evaluated_batch()
    assert oprf.generate_proof(KEY, PUBLIC, blinded, evaluated) != proof


def test_limits_of_the_rfc_are_kept() -> None:
    with pytest.raises(ValueError, match="65535"):
        oprf.blind_batch([bytes(65_536)])
    with pytest.raises(ValueError, match="65535"):
        oprf.blind_batch([b""] * 65_536)
    with pytest.raises(ValueError, match="65535"):
        oprf.evaluate(KEY, PUBLIC * 65_536)
