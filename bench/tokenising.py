"""Tokenising: what the member and a key holder pay beside bare libsodium calls, and what the second core is worth.

Prints one JSON line a figure. Costs per core are processor time of the thread that does the work, so that a shared
machine does not disturb them. The figure for both cores is elapsed time, beside the same work confined to one core: on
a machine with other work it says little. References are measured in the same rounds.

The holders of this bench have shares chosen so that their scaled keys are 1: they answer at once with what they were
asked, and prove it. The member does all of its work on these answers, and hardly anything else runs.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat

from keys.oprf import group, libsodium, threshold
from keys.oprf import protocol as oprf
from member.tokens.evaluation import EpochInfo, Evaluation, HolderInfo
from member.tokens.tokenise import Tokeniser

QUORUM = (1, 2)
KEY_OF_ONE = group.scalar_from_int(1)


class MirrorHolder:
    """A holder whose scaled key is 1."""

    def evaluate(
        self,
        elements: bytes,
        *,
        epoch: int,
        quorum: tuple[int, ...],
        proof: bool,
        idempotency_key: str,
        batch: str | None = None,
    ) -> Evaluation:
        return Evaluation(elements, threshold.prove_batch(KEY_OF_ONE, elements, elements) if proof else None)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=20_000, help="rows of a batch")
    arguments.add_argument("--rounds", type=int, default=3, help="the median of so many rounds counts")
    options = arguments.parse_args()
    report_member_side(options.rows, options.rounds)
    report_holder_side(options.rows, options.rounds)
    report_both_cores(options.rows, options.rounds)


def report_member_side(rows: int, rounds: int) -> None:
    tokeniser = build_tokeniser()
    inputs = build_inputs(rows)
    measured = [beside(lambda: tokeniser.tokenise(inputs), rows, bare_row_seconds) for _ in range(rounds)]
    name = "tokenise, member side, per core"
    report(name, "rows/s", "bare libsodium: one hash to group, two scalar multiplications", measured)


def report_holder_side(rows: int, rounds: int) -> None:
    key = group.random_scalar()
    elements = oprf.blind_batch(build_inputs(rows)).elements
    measured = [
        beside(lambda: threshold.evaluate_batch(key, elements), rows, bare_multiplication_seconds)
        for _ in range(rounds)
    ]
    name = "evaluate, holder side, per core"
    report(name, "elements/s", "bare libsodium: one scalar multiplication", measured)


def beside(work: Callable[[], object], rows: int, bare: Callable[[], float]) -> tuple[float, float]:
    """Seconds a row of `work`, and of the bare calls just before and just after it."""
    before = bare()
    ours = cpu_seconds(work) / rows
    return ours, (before + bare()) / 2


def report_both_cores(rows: int, rounds: int) -> None:
    batches = [build_inputs(rows // 4)] * 4
    done = rows // 4 * 4
    measured = []
    for _ in range(rounds):
        both = bulk_seconds(batches)
        with one_core():
            measured.append((both / done, bulk_seconds(batches) / done))
    report("tokenise in bulk, both cores", "rows/s", "the same, confined to one core", measured)


def bulk_seconds(batches: list[list[bytes]]) -> float:
    tokeniser = build_tokeniser()
    return elapsed_seconds(lambda: drain(tokeniser.tokenise_batches(batches)))


@contextmanager
def one_core() -> Iterator[None]:
    """Confines this thread, and those that it starts, to one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def report(name: str, unit: str, reference: str, measured: list[tuple[float, float]]) -> None:
    """Prints the median round by ratio; `measured` holds seconds a row, ours and the reference's."""
    ours, theirs = sorted(measured, key=lambda pair: pair[1] / pair[0])[len(measured) // 2]
    print(
        json.dumps(
            {
                "name": name,
                "value": round(1 / ours, 1),
                "unit": unit,
                "reference": reference,
                "reference_value": round(1 / theirs, 1),
                "ratio": round(theirs / ours, 3),
            }
        ),
        flush=True,
    )


def build_tokeniser() -> Tokeniser:
    inverses = group.invert_batch([threshold.lagrange(index, QUORUM) for index in QUORUM])
    commitments = {
        index: group.multiply_base(group.scalar_from_int(value)) for index, value in zip(QUORUM, inverses, strict=True)
    }
    public_key = group.multiply_base(group.scalar_from_int(2))
    holders = tuple(HolderInfo(index, f"holder-{index}", commitments[index]) for index in QUORUM)
    evaluators = {index: MirrorHolder() for index in QUORUM}
    return Tokeniser(EpochInfo(1, 2, public_key, holders), evaluators, os.urandom(32))


def build_inputs(rows: int) -> list[bytes]:
    return [b"n1|bank_account|%014d" % row for row in range(rows)]


def bare_row_seconds() -> float:
    return bare_call_seconds("crypto_core_ristretto255_from_hash") + 2 * bare_multiplication_seconds()


def bare_multiplication_seconds() -> float:
    return bare_call_seconds("crypto_scalarmult_ristretto255")


def bare_call_seconds(name: str, calls: int = 5_000) -> float:
    """Processor seconds of one call, made over and over on the same operands by the tightest loop Python has."""
    function = getattr(libsodium.load(), name)
    result = ctypes.create_string_buffer(group.ELEMENT_BYTES)
    element = ctypes.create_string_buffer(group.multiply_base(group.random_scalar()), group.ELEMENT_BYTES)
    scalar = ctypes.create_string_buffer(group.random_scalar(), group.SCALAR_BYTES)
    uniform = ctypes.create_string_buffer(os.urandom(64), 64)
    operands = (result, uniform) if name.endswith("from_hash") else (result, scalar, element)
    addresses = [repeat(ctypes.addressof(operand), calls) for operand in operands]
    return cpu_seconds(lambda: drain(map(function, *addresses))) / calls


def cpu_seconds(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started


def elapsed_seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def drain(iterator: Iterator[object]) -> None:
    deque(iterator, maxlen=0)


if __name__ == "__main__":
    main()
