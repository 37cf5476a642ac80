"""A key holder as the tokeniser reaches it, and the three ways in which it gives no answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from schemas.holder_faults import SignedExchange


class HolderUnavailableError(Exception):
    """No answer came: a lost connection, a timeout, a busy server. The same call may be repeated with its key."""


class HolderRefusedError(Exception):
    """The holder answered no. The text is its reason, fit to be shown: a budget spent, a member suspended …

    `remaining` is how many evaluations are left where the budget did not reach: so many may still be answered.
    `denies_payment`: it signed that the batch asked about is not paid for, or the budget does not reach.
    """

    def __init__(self, reason: str, *, remaining: int | None = None, denies_payment: bool = False) -> None:
        super().__init__(reason)
        self.remaining = remaining
        self.denies_payment = denies_payment


class HolderAnswerError(Exception):
    """The holder answered with something that no holder may answer, a wrong signature for one.

    `exchange` is there if it signed what it answered.
    """

    def __init__(self, reason: str, exchange: SignedExchange | None = None) -> None:
        super().__init__(reason)
        self.exchange = exchange


@dataclass(frozen=True, slots=True)
class HolderInfo:
    """A holder as the registrars' statement of the epoch names it."""

    index: int
    holder_id: str
    commitment: bytes


@dataclass(frozen=True, slots=True)
class EpochInfo:
    """An epoch's key: its number, threshold, the group's public key (32 bytes) and its holders."""

    epoch: int
    threshold: int
    public_key: bytes
    holders: tuple[HolderInfo, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A holder's answer: as many 32-byte elements as were sent, and the 64-byte proof if one was asked for."""

    elements: bytes = field(repr=False)
    proof: bytes | None = field(default=None, repr=False)
    exchange: SignedExchange | None = field(default=None, repr=False)
    """The request and the holder's signed answer to it: what shows to others what the holder said."""


class Evaluator(Protocol):
    """One holder, as the member reaches it. Called from several threads at once."""

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
        """Asks for lambda_i(quorum) * k_i times each of 1 to 65,535 elements. `batch` is the idempotency key of the
        batch without proofs that one proved element checks.

        Raises HolderUnavailableError, HolderRefusedError, HolderAnswerError.
        """
        ...
