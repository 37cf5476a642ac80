"""Any t holders make the one key's answers; fewer make nothing; a wrong share or commitment is caught."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.oprf import group, threshold
from keys.oprf import protocol as oprf
from keys.oprf.group import ORDER, InvalidElementError
from keys.oprf.threshold import Dealing, InvalidCommitmentsError, InvalidQuorumError, Share
from keys.oprf.tokens import Token, oprf_input, split_output
from tests.keys.oprf.vectors_rfc9497 import PUBLIC_KEY, SECRET_KEY, VECTORS

KEY = bytes.fromhex(SECRET_KEY)
RFC_BATCH = VECTORS[2]


def answer(dealing: Dealing, quorum: tuple[int, ...], elements: bytes) -> bytes:
    shares = [dealing.shares[index - 1] for index in quorum]
    keys = [threshold.scaled_share(share, quorum) for share in shares]
    return threshold.combine([threshold.evaluate_batch(key, elements) for key in keys])


@pytest.mark.parametrize(("wanted", "count"), [(1, 1), (1, 3), (2, 2), (2, 3), (3, 5)])
def test_every_quorum_answers_as_the_single_key_of_the_rfc(wanted: int, count: int) -> None:
    dealing = threshold.deal(KEY, wanted, count)
    assert dealing.group_public_key.hex() == PUBLIC_KEY
    for quorum in combinations(range(1, count + 1), wanted):
        assert answer(dealing, quorum, bytes.fromhex("".join(RFC_BATCH.blinded))).hex() == "".join(RFC_BATCH.evaluated)


@given(st.integers(1, ORDER - 1), st.integers(1, 4), st.integers(0, 3))
@settings(deadline=None, max_examples=25)
def test_shares_of_any_quorum_add_up_to_the_key(secret: int, wanted: int, spare: int) -> None:
    dealing = threshold.deal(group.scalar_from_int(secret), wanted, wanted + spare)
    threshold.verify_commitments(dealing.group_public_key, dealing.commitments, wanted)
    for quorum in list(combinations(range(1, wanted + spare + 1), wanted))[:4]:
        scaled = [threshold.scaled_share(dealing.shares[index - 1], quorum) for index in quorum]
        assert sum(map(group.scalar_to_int, scaled)) % ORDER == secret


def test_a_fresh_dealing_has_a_fresh_key() -> None:
    assert threshold.deal(None, 2, 3).group_public_key != threshold.deal(None, 2, 3).group_public_key


@pytest.mark.parametrize(("wanted", "count"), [(0, 3), (4, 3), (1, 65_536), (-1, 3)])
def test_a_threshold_out_of_range_is_refused(wanted: int, count: int) -> None:
    with pytest.raises(ValueError, match="threshold"):
        threshold.deal(None, wanted, count)


def test_shares_stay_out_of_repr() -> None:
    dealing = threshold.deal(KEY, 2, 3)
    for share in dealing.shares:
        assert repr(share) == f"Share(index={share.index})"
        assert repr(share.scalar) not in repr(dealing)


# Proofs


def test_a_holders_proof_holds_under_its_scaled_commitment_only() -> None:
    dealing = threshold.deal(None, 2, 3)
    elements = oprf.blind_batch([b"a", b"b"]).elements
    key = threshold.scaled_share(dealing.shares[0], (1, 3))
    evaluated = threshold.evaluate_batch(key, elements)
    proof = threshold.prove_batch(key, elements, evaluated)
    own = dealing.commitments[1]
    oprf.verify_proof(threshold.scaled_commitment(own, 1, (1, 3)), elements, evaluated, proof)
    for other in (own, threshold.scaled_commitment(own, 1, (1, 2)), dealing.group_public_key):
        with pytest.raises(oprf.InvalidProofError):
            oprf.verify_proof(other, elements, evaluated, proof)


def test_a_wrong_share_is_caught_by_its_proof() -> None:
    dealing = threshold.deal(None, 2, 3)
    elements = oprf.blind_batch([b"a", b"b"]).elements
    forged = threshold.scaled_share(Share(1, group.random_scalar()), (1, 2))
    evaluated = threshold.evaluate_batch(forged, elements)
    commitment = threshold.scaled_commitment(dealing.commitments[1], 1, (1, 2))
    with pytest.raises(oprf.InvalidProofError):
        oprf.verify_proof(commitment, elements, evaluated, threshold.prove_batch(forged, elements, evaluated))


def test_a_bad_element_is_refused_by_position_and_nothing_evaluated() -> None:
    good = oprf.blind_batch([b"a", b"b"]).elements
    for bad in (group.IDENTITY, bytes((*good[:31], good[31] | 0x80)), b"\xff" * 31 + b"\x7f"):
        with pytest.raises(InvalidElementError) as refusal:
            threshold.evaluate_batch(KEY, good + bad)
        assert refusal.value.position == 2


# Quorums


@pytest.mark.parametrize("quorum", [(), (1, 1), (0, 1), (1, 65_536), (2, 3), (-1, 1)])
def test_a_holder_refuses_what_is_not_a_quorum_with_it(quorum: tuple[int, ...]) -> None:
    with pytest.raises(InvalidQuorumError):
        threshold.lagrange(1, quorum)


def test_a_quorum_has_exactly_the_threshold() -> None:
    threshold.check_quorum((1, 3), 2)
    for quorum in ((1,), (1, 2, 3)):
        with pytest.raises(InvalidQuorumError, match="exactly 2"):
            threshold.check_quorum(quorum, 2)


# Commitments


def test_a_foreign_commitment_is_refused() -> None:
    dealing = threshold.deal(None, 2, 4)
    for index in dealing.commitments:
        changed = {**dealing.commitments, index: group.multiply_base(group.random_scalar())}
        with pytest.raises(InvalidCommitmentsError):
            threshold.verify_commitments(dealing.group_public_key, changed, 2)


def test_a_foreign_group_key_is_refused() -> None:
    dealing = threshold.deal(None, 2, 3)
    with pytest.raises(InvalidCommitmentsError, match="group's key"):
        threshold.verify_commitments(group.multiply_base(KEY), dealing.commitments, 2)


def test_commitments_of_a_higher_degree_are_refused() -> None:
    dealing = threshold.deal(None, 3, 4)
    with pytest.raises(InvalidCommitmentsError):
        threshold.verify_commitments(dealing.group_public_key, dealing.commitments, 2)


def test_malformed_or_too_few_commitments_are_refused() -> None:
    dealing = threshold.deal(None, 2, 3)
    key, commitments = dealing.group_public_key, dealing.commitments
    for changed in ({1: commitments[1]}, {**commitments, 3: group.IDENTITY}, {**commitments, 0: commitments[1]}):
        with pytest.raises(InvalidCommitmentsError):
            threshold.verify_commitments(key, changed, 2)
    with pytest.raises(InvalidCommitmentsError):
        threshold.verify_commitments(group.IDENTITY, commitments, 2)


# Guessing with a stolen database


def test_one_share_of_two_of_three_cannot_test_a_guess_and_two_can() -> None:
    guess = oprf_input("n1", "bank_account", "20000055779911")
    stolen_token = split_output(oprf.evaluate_unblinded(KEY, guess)).token
    dealing = threshold.deal(KEY, 2, 3)
    for share in dealing.shares:
        held = [share.scalar]
        held += [threshold.scaled_share(share, (share.index, i)) for i in (1, 2, 3) if i != share.index]
        assert stolen_token not in [token_of(key, guess).token for key in held]
    for pair in combinations(dealing.shares, 2):
        quorum = (pair[0].index, pair[1].index)
        scaled = [group.scalar_to_int(threshold.scaled_share(share, quorum)) for share in pair]
        assert token_of(group.scalar_from_int(sum(scaled)), guess).token == stolen_token


def test_one_share_fits_every_key_so_that_it_narrows_none_down() -> None:
    share = threshold.deal(KEY, 2, 3).shares[0]
    for other_key in (group.random_scalar(), group.random_scalar()):
        constant = group.scalar_to_int(other_key)
        slope = group.scalar_to_int(share.scalar) - constant
        second = Share(2, group.scalar_from_int(constant + 2 * slope))
        scaled = [group.scalar_to_int(threshold.scaled_share(each, (1, 2))) for each in (share, second)]
        assert sum(scaled) % ORDER == constant


def token_of(key: bytes, message: bytes) -> Token:
    return split_output(oprf.evaluate_unblinded(key, message))
