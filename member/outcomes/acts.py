"""Saying what came of a hit, a request or a query, assessing a hit, and reading what others say of own rows."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from member.corrections.log import DisclosureRecord
from member.indicators.hit_progress import HitProgress
from member.outcomes.client import OutcomeClient
from member.transport.channel import shown_token
from member.vault.hits import ShownHits
from member.vault.rows import VaultRows
from member.workplace.workplace import Workplace
from schemas.outcomes import AssessmentStatus, OutcomeStatus, ReceivedOutcome, RecordedOutcome
from schemas.terms import OutcomeObject


def record(workplace: Workplace, about: str, text: str, figures: Mapping[str, object]) -> OutcomeStatus:
    """Say what came of what `text` names, an OutcomeObject. A figure that is not given counts as not known."""
    found = _find(workplace, about, text)
    workplace.check_fresh()
    done = OutcomeClient.at(workplace).record(about, found, figures)
    HitProgress(workplace.vault).outcome(about, found)
    return done


def assess(workplace: Workplace, text: str, checks: Mapping[str, bool], decision: str) -> AssessmentStatus:
    """Record what was checked of a hit, and what was decided (an AccountAction)."""
    found = _find(workplace, OutcomeObject.HIT, text)
    done = OutcomeClient.at(workplace).assess(found, dict(checks), decision)
    HitProgress(workplace.vault).assessed(found, decision)
    return done


def recorded(workplace: Workplace) -> list[RecordedOutcome]:
    """The outcomes that this member recorded."""
    return list(OutcomeClient.at(workplace).recorded(DisclosureRecord.at(workplace)))


def received(workplace: Workplace) -> list[ReceivedOutcome]:
    """What others say of this member's rows."""
    return list(OutcomeClient.at(workplace).received(DisclosureRecord.at(workplace)))


def received_view(workplace: Workplace, one: ReceivedOutcome) -> dict[str, object]:
    """An outcome with the own values that it is about, in place of their tokens."""
    shown = {name: value for name, value in msgspec.structs.asdict(one).items() if name != "tokens"}
    return {**shown, "values": own_values(workplace, one)}


def own_values(workplace: Workplace, one: ReceivedOutcome) -> list[str]:
    """The own values that an outcome is about."""
    own = VaultRows(workplace.vault).find_by_tokens([shown_token(token) for token in one.tokens])
    return sorted(held.canonical for held in own.values())


def _find(workplace: Workplace, about: str, text: str) -> str:
    """The id of what a person means."""
    return workplace.find_id(about, text, ShownHits(workplace.vault).ids if about == OutcomeObject.HIT else tuple)
