"""The rules of a submission's envelope and of its rows. Pure: what is known of the world comes in as
arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from exchange.gateways.handling import decide_marking
from exchange.gateways.legal_gateway import decide_gateway
from exchange.gateways.rules import RULES, GatewayRules
from exchange.gateways.safeguards import decide_texts
from exchange.kernel.decision import ALLOWED, Decision, refuse
from exchange.membership.authority import Authority
from schemas.submissions import SubmissionEnvelope

RETENTION_YEARS = 6
"""Markers are kept for six years at most."""


def last_day_allowed(today: date) -> date:
    """The latest expiry of something submitted today."""
    leap_day = (today.month, today.day) == (2, 29)
    return today.replace(year=today.year + RETENTION_YEARS, day=28 if leap_day else today.day)


def decide_dates(review_by: date, expires_on: date, today: date) -> Decision:
    """Expiry and review are mandatory, in this order, and bounded."""
    decision = ALLOWED
    if expires_on < today:
        decision &= refuse("expired", "expires_on", "the last day has passed")
    if expires_on > last_day_allowed(today):
        decision &= refuse("expiry-too-late", "expires_on", f"at most {RETENTION_YEARS} years from today")
    if review_by > expires_on:
        decision &= refuse("review-too-late", "review_by", "the review comes before the expiry")
    if review_by < today:
        decision &= refuse("review-passed", "review_by", "the day of the review has passed")
    return decision


def decide_group(group_id: str, member_id: str, authority: Authority) -> Decision:
    """A member shares only in an open group that it is in. Groups of others and unknown ones look alike."""
    if authority.is_in(group_id, member_id):
        return ALLOWED
    return refuse("group", "group", "this is not an open group of yours")


def decide_epoch(epoch: int, normalisation: str, epochs: Mapping[int, str]) -> Decision:
    """Tokens must be of an epoch in use and of its normalisation version, or they could never match."""
    if epoch not in epochs:
        return refuse("epoch", "epoch", f"use epoch {max(epochs)}" if epochs else "no key epoch is in use yet")
    if epochs[epoch] != normalisation:
        return refuse("normalisation", "normalisation", f"epoch {epoch} uses {epochs[epoch]}")
    return ALLOWED


def decide_relisting(reason: str | None) -> Decision:
    """Listing again what was taken back requires a reason, for the log. None: nothing is listed again."""
    if reason is None or reason.strip():
        return ALLOWED
    return refuse("relist-reason", "relist", "say why rows that were taken back are listed again")


def decide_submission(
    envelope: SubmissionEnvelope,
    *,
    member_id: str,
    kind: str,
    authority: Authority,
    epochs: Mapping[int, str],
    today: date,
    rules: GatewayRules = RULES,
    relist: str | None = None,
) -> Decision:
    """Whether the member may submit rows under this envelope, with every reason against; `relist` is why it lists again
    what it took back, None if it does not.
    """
    return (
        decide_group(envelope.group, member_id, authority)
        & decide_epoch(envelope.epoch, envelope.normalisation, epochs)
        & decide_gateway(
            envelope.legal_gateway, envelope.purpose, kind, envelope.theme, envelope.evidence_standard, rules=rules
        )
        & decide_marking(envelope.classification, envelope.handling, envelope.conditions or "")
        & decide_dates(envelope.review_by, envelope.expires_on, today)
        & decide_relisting(relist)
        & decide_texts({"purpose": envelope.purpose, "conditions": envelope.conditions, "relist": relist})
    )
