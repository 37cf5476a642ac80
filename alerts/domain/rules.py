"""The rules of an alert's life. Pure: what is known of the world comes in as arguments.

In order, from the draft on:
1. A draft has an audience of open groups of its issuer's own, a traffic light no wider than its sources', a legal
   gateway and a purpose, and dates that have not passed.
2. Who reviews, and who releases, is not the author.
3. What is released is judged anew: a draft may be old, and authority changes. So is what falls due.
4. An alert takes the place of another of the same issuer and audience only, so that neither reference tells anyone of
   an alert that it may not read.
5. What readers have seen is never unsaid: it is superseded, withdrawn or expired, and said to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from stdnum.iso7064 import mod_97_10

from alerts.domain.alert import READABLE, Alert, content_fields
from exchange.gateways.handling import decide_marking, is_wider
from exchange.gateways.legal_gateway import decide_gateway
from exchange.gateways.rules import GatewayRules
from exchange.kernel.decision import ALLOWED, Decision, refuse
from exchange.membership.authority import Authority
from exchange.submissions.rules import decide_dates
from schemas.alerts.messages import AlertContent, Audience, PublishedAccount
from schemas.terms import AlertState, Handling
from schemas.values.canonical import canonical_json

MAX_BYTES = 200 * 1024
"""Of an alert's content as canonical JSON."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """The member that issues an alert, and who may share with whom, under which gateways, at this moment."""

    member_id: str
    kind: str
    authority: Authority
    gateways: GatewayRules


def decide_content(content: AlertContent, issuer: Issuer, superseded: Alert | None, today: date) -> Decision:
    """Whether the member may publish this, with every reason against. `superseded` is the alert that the content names
    as the one whose place it takes, None if there is none that the issuer may name.
    """
    return (
        decide_size(content)
        & decide_audience(content.audience, issuer)
        & decide_tlp(content)
        & decide_marking(content.classification, Handling.PERMITTED, content.conditions)
        & decide_ground(content, issuer)
        & decide_dates(content.review_by, content.expires_on, today)
        & decide_accounts(content.accounts)
        & decide_supersedes(content, issuer, superseded)
    )


def decide_size(content: AlertContent) -> Decision:
    """An alert is read by people."""
    if len(canonical_json(content_fields(content))) <= MAX_BYTES:
        return ALLOWED
    return refuse("too-long", "content", f"at most {MAX_BYTES // 1024} KiB in all")


def decide_audience(audience: Audience, issuer: Issuer) -> Decision:
    """An alert is addressed to open groups that its issuer is in. Groups of others and unknown ones look alike."""
    if not audience.groups:
        return refuse("no-audience", "audience.groups", "name a group of yours: an empty audience means nobody")
    if all(issuer.authority.is_in(group_id, issuer.member_id) for group_id in audience.groups):
        return ALLOWED
    return refuse("group", "audience.groups", "one of these is not an open group of yours")


def decide_ground(content: AlertContent, issuer: Issuer) -> Decision:
    """A gateway that is open to the issuer for this theme, and a purpose. An alert is about no single subject."""
    ground, rules = (content.legal_gateway, content.purpose), issuer.gateways
    return decide_gateway(*ground, issuer.kind, content.theme, None, rules=rules)


def decide_tlp(content: AlertContent) -> Decision:
    """The most restrictive of an alert's sources wins."""
    if not any(is_wider(content.tlp, source.tlp) for source in content.sources):
        return ALLOWED
    return refuse("tlp-wider-than-source", "tlp", "mark it as strictly as its strictest source, or more")


def decide_accounts(accounts: Sequence[PublishedAccount]) -> Decision:
    """An account that readers act on is written without a slip: check digits, and a UK account in both its forms."""
    if all(_is_account(account) for account in accounts):
        return ALLOWED
    detail = "check the IBAN's digits; a GB IBAN comes with its sort code and account number, another with neither"
    return refuse("account", "accounts", detail)


def _is_account(account: PublishedAccount) -> bool:
    iban = account.iban
    national = iban[8:] if iban.startswith("GB") else ""
    return mod_97_10.is_valid(iban[4:] + iban[:4]) and national == account.sort_code + account.account_number


def decide_supersedes(content: AlertContent, issuer: Issuer, superseded: Alert | None) -> Decision:
    """Only a published alert of the issuer's own is superseded. Others' alerts and unknown ones look alike."""
    if not content.supersedes:
        return ALLOWED
    if superseded is None or superseded.member_id != issuer.member_id or superseded.state is not AlertState.PUBLISHED:
        return refuse("supersedes", "supersedes", "this is not a published alert of yours")
    if superseded.content.audience != content.audience:
        return refuse("supersedes-audience", "supersedes", "its audience is another: withdraw it instead")
    return ALLOWED


def decide_review(state: AlertState, author_id: str, reviewer_id: str) -> Decision:
    """A peer reviews a draft."""
    decision = ALLOWED
    if state is not AlertState.DRAFT:
        decision &= refuse("not-a-draft", "alert_id", f"it is {state.value}: only a draft is reviewed")
    if reviewer_id == author_id:
        decision &= refuse("review-by-author", "representative", "another representative reviews it")
    return decision


def decide_release(state: AlertState, author_id: str, releaser_id: str) -> Decision:
    """A second person releases what was reviewed; until the set time, it may be released for another."""
    decision = ALLOWED
    if state not in (AlertState.REVIEWED, AlertState.SCHEDULED):
        decision &= refuse("not-reviewed", "alert_id", f"it is {state.value}: only what was reviewed is released")
    if releaser_id == author_id:
        decision &= refuse("release-by-author", "representative", "another representative releases it")
    return decision


def decide_time(content: AlertContent, at: datetime | None, now: datetime) -> Decision:
    """An alert is published now (`at` None) or at a time to come, within its life."""
    decision = ALLOWED
    if at is not None and at < now:
        decision &= refuse("release-in-the-past", "at", "name a time to come, or none for now")
    if at is not None and at.date() > content.expires_on:
        decision &= refuse("release-after-expiry", "at", "name a time before the alert expires")
    return decision


def decide_withdrawal(state: AlertState, reason: str) -> Decision:
    """What readers see is withdrawn, with a reason; what is scheduled is stopped."""
    decision = ALLOWED if reason.strip() else refuse("no-reason", "reason", "say why: every recipient reads it")
    if state is AlertState.WITHDRAWN:
        return decision & refuse("withdrawn", "alert_id", "it is withdrawn already")
    if state not in READABLE and state is not AlertState.SCHEDULED:
        return decision & refuse("not-published", "alert_id", f"it is {state.value}: nobody has seen it")
    return decision


def decide_acknowledgement(alert: Alert, member_id: str) -> Decision:
    """Those whom an alert is addressed to answer it."""
    if alert.member_id != member_id:
        return ALLOWED
    return refuse("own-alert", "alert_id", "those whom it is addressed to acknowledge it, not its issuer")


def end_of(day: date) -> datetime:
    """The first moment after a day (UTC)."""
    return datetime.fromisoformat(f"{day.isoformat()}T00:00:00+00:00") + timedelta(days=1)
