"""Taking back own rows, and acting on what others took back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from member.corrections.log import DisclosureRecord
from member.corrections.withdrawals import (
    DescribedItem,
    RowsToWithdraw,
    WithdrawalClient,
    describe_concerned,
    rows_of_values,
)
from member.inputs import InputError
from member.normalise.rules import RULES
from member.vault.rows import VaultRows
from member.workplace.workplace import Workplace
from schemas.withdrawals import CorrectionStatus, ListedCorrection, Withdrawn


@dataclass(frozen=True)
class Concerned:
    """A correction, and what it concerns with the values that this vault knows."""

    correction: ListedCorrection
    items: list[DescribedItem]

    def to_json(self) -> dict[str, object]:
        """As `corrections list --json` gives it."""
        return {**msgspec.structs.asdict(self.correction), "concerned": self.items}


def withdraw(
    workplace: Workplace, reason: str, values: Sequence[str], indicator_type: str | None, submission: str | None
) -> Withdrawn:
    """Take back own rows for a WithdrawalReason: those of values of one type, or of a whole submission (its id, the
    beginning of it or its number). Raises InputError; NotEnrolledError before anything is sent.
    """
    if (submission is None) == (not values):
        raise InputError("values", "expected either values or a submission", "one of both")
    if values and indicator_type is None:
        raise InputError("indicator_type", "it says what the values are", ", ".join(sorted(RULES)))
    vault = workplace.vault
    if submission is not None:
        submission = workplace.find_id("submission", submission, VaultRows(vault).submissions)
    _ = workplace.stated  # enrolled, and the acting key is the one that the registrars signed
    if submission is not None:
        rows = RowsToWithdraw.of_submission(vault, submission)
    else:
        rows = rows_of_values(vault, indicator_type or "", values, workplace.circumstances)
    return WithdrawalClient.at(workplace).withdraw(reason, rows)


def list_corrections(workplace: Workplace, *, every: bool) -> list[Concerned]:
    """Corrections that are not acknowledged, or every one, with what each concerns."""
    client, log = WithdrawalClient.at(workplace), DisclosureRecord.at(workplace)
    return [
        Concerned(one, describe_concerned(workplace.vault, client.concerned(log, one.correction_id)))
        for one in list(client.corrections(log, every=every))
    ]


def acknowledge(workplace: Workplace, text: str) -> tuple[CorrectionStatus, list[DescribedItem]]:
    """Read a correction to its end, and say that it was taken in; with what is acknowledged by that."""
    correction_id = workplace.find_id("correction", text)
    done, items = WithdrawalClient.at(workplace).acknowledge(DisclosureRecord.at(workplace), correction_id)
    return done, describe_concerned(workplace.vault, items)
