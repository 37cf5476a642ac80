"""Withdrawals, corrections, outcomes and assessments for tests: on the wire, and put into the database."""

from __future__ import annotations

from typing import Any

from exchange.corrections.store import Correction, CorrectionItem
from exchange.indicators.store import find_past_rows
from exchange.outcomes.store import Outcome, OutcomeRecipient
from schemas.terms import MemberKind, Role, Sector
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.factories import make_token
from tests.taskforce.founding import Taskforce
from tests.taskforce.members import MemberSimulator

NOTHING: dict[str, Any] = dict.fromkeys(
    [
        *("usefulness", "internal_investigation", "account_action", "arrests", "charges", "restrained_gbp"),
        *("forfeited_gbp", "repatriated_gbp", "disruption", "outcome_code", "false_positive", "harm_to_customer"),
    ]
)
"""The figures of an outcome that reports nothing."""


def make_withdrawal(
    tokens: list[bytes] | None = None, submission_id: str | None = None, **changes: Any
) -> dict[str, Any]:
    """A withdrawal on the wire."""
    listed = None if tokens is None else [to_base64(token) for token in tokens]
    wanted = {"tokens": listed, "submission_id": submission_id, "reason": "false_positive"}
    return {"withdrawal_id": uuid7(), **wanted, **changes}


def make_outcome(about: str, object_id: str, **figures: Any) -> dict[str, Any]:
    """An outcome on the wire."""
    return {"outcome_id": uuid7(), "object": about, "object_id": object_id, **NOTHING, **figures}


def make_assessment(hit_id: str, **changes: Any) -> dict[str, Any]:
    """An assessment on the wire, with every check made."""
    checks = dict.fromkeys(("other_sources", "vulnerability_checked", "keep_open_checked"), True)
    return {"assessment_id": uuid7(), "hit_id": hit_id, **checks, "decision": "exit", **changes}


def plant_correction(taskforce: Taskforce, member_id: str) -> str:
    """The id of a correction that the member was told, of one thing."""
    now, correction_id = taskforce.clock(), uuid7()
    told = {"member_id": member_id, "reason": "error", "told_at": now, "due_at": now}
    with taskforce.database.transaction() as session:
        session.add(Correction(correction_id=correction_id, withdrawal_id=uuid7(), **told))
        session.add(CorrectionItem(token=make_token(), correction_id=correction_id, kind="hit", object_id=uuid7()))
    return correction_id


def plant_outcome(taskforce: Taskforce, recorder: str, contributor: str) -> str:
    """The id of an outcome that one member recorded and the other was told."""
    now, outcome_id = taskforce.clock(), uuid7()
    about = {"about": "hit", "object_id": uuid7(), "figures_json": canonical_json(NOTHING).decode()}
    person = {"member_id": recorder, "representative_id": f"{recorder}/someone", "recorded_at": now}
    told = {"token": make_token(), "member_id": contributor, "is_named": False, "told_at": now}
    with taskforce.database.transaction() as session:
        session.add(Outcome(outcome_id=outcome_id, **about, **person))
        session.add(OutcomeRecipient(outcome_id=outcome_id, **told))
    return outcome_id


def add_reviewer(taskforce: Taskforce) -> MemberSimulator:
    """An enrolled reviewer."""
    roles = dict.fromkeys(("analyst", "authoriser"), frozenset({Role.REVIEWER}))
    return taskforce.add_member("reviewer", sector=Sector.REGULATION, kind=MemberKind.REGULATOR, roles=roles)


def submission_of(taskforce: Taskforce, token: bytes, member_id: str) -> str:
    """The submission of a member's row, live or not; a new id if it never had one."""
    with taskforce.database.transaction() as session:
        found = [row[3] for row in find_past_rows(session, [token]) if row[2] == member_id]
    return found[0] if found else uuid7()
