"""Whether a legal gateway (exchange/gateways/rules.py) lets something be shared, asked for, offered or released.

A decision is a value with reasons, each of which names the field at fault and what would be right. The rules, in order:
1. An empty or unknown gateway, and an empty purpose, mean no.
2. Nothing is asked or offered without necessity and proportionality.
3. The gateway is open to both sides, to the mode, to the theme and to the evidence standard. A side is a member and its
   kind: who asks is to receive, who offers is to disclose.
4. A condition that the gateway requires is named, and is the one that goes with the mode.
5. A step that comes first was taken: before now, and not too long ago.
6. Whoever discloses confirms what else the gateway requires of it: with its offer, or with its answer.
7. Nothing is released unless another person than the one who asks or offers, with another key, authorises it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from exchange.gateways.rules import EVERY_STANDARD, EVERY_THEME, RULES, GatewayRule, GatewayRules, Side
from exchange.kernel.decision import ALLOWED, Decision, refuse
from schemas.requests.messages import RequestTerms
from schemas.terms import LegalGateway
from schemas.values.encoding import from_rfc3339


@dataclass(frozen=True, slots=True)
class GivenNotice:
    """A notice that was given: the addressee's reference, and when."""

    reference: str
    given_at: datetime


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who acts. Two are the same person if either the id or the key is the same."""

    representative_id: str
    public_key: bytes

    def is_same(self, other: Signatory) -> bool:
        """Whether the two are one."""
        return self.representative_id == other.representative_id or self.public_key == other.public_key


@dataclass(frozen=True, slots=True)
class DisclosureCase:
    """All that a gateway looks at. `mode` is a RequestMode or QUERY. Themes and evidence standards are those of the
    rows behind it, if there are any; `confirmations` are the discloser's. Who asks is the recipient and who offers the
    discloser; the other side, and the authoriser, are None until somebody agrees to release. With `is_stated_before`
    purpose, necessity and proportionality were judged when it was asked, are fixed by a digest, and cannot be read.
    """

    gateway: str
    mode: str
    purpose: str
    necessity: str
    proportionality: str
    asker: Signatory
    now: datetime
    condition: str | None = None
    notice: GivenNotice | None = None
    themes: frozenset[str] = frozenset()
    standards: frozenset[str] = frozenset()
    confirmations: frozenset[str] = frozenset()
    recipient: Side | None = None
    discloser: Side | None = None
    authoriser: Signatory | None = None
    is_stated_before: bool = False


def notice_in(terms: RequestTerms) -> GivenNotice | None:
    """The notice that a request's terms name, None without one."""
    notice = terms.nca_notice
    return None if notice is None else GivenNotice(notice.reference, from_rfc3339(notice.given_at))


def decide_asking(case: DisclosureCase, rules: GatewayRules = RULES) -> Decision:
    """Whether something may be asked for, or offered, so, whoever the other side may be: rules 1 to 6 of this side."""
    decision = _decide_statements(case)
    rule = find_rule(case.gateway, rules)
    if rule is None:
        return decision & _no_gateway(rules)
    decision &= _decide_sides(case, rule, rules)
    if case.mode not in rule.modes:
        decision &= refuse("gateway-mode", "mode", f"{rule.citation}: for {_list(rule.modes)}")
    if rule.themes != EVERY_THEME and not case.themes & rule.themes:
        decision &= refuse("gateway-theme", "theme", f"{rule.citation}: covers {_list(rule.themes)}")
    if rule.standards != EVERY_STANDARD and not case.standards & rule.standards:
        required = f"{rule.citation}: requires {_list(rule.standards)}"
        decision &= refuse("gateway-evidence", "evidence_standard", required)
    return decision & _decide_condition(case, rule) & _decide_notice(case, rule) & _decide_confirmations(case, rule)


def decide_disclosure(case: DisclosureCase, rules: GatewayRules = RULES) -> Decision:
    """Whether something may be released so: all rules. Who asks or offers and who authorises are two people."""
    decision = decide_asking(case, rules) & decide_people(case.asker, case.authoriser)
    if case.discloser is None:
        decision &= refuse("no-discloser", "discloser", "say who discloses")
    if case.recipient is None:
        decision &= refuse("no-recipient", "recipient", "say who receives it")
    elif case.discloser is not None:
        decision &= _decide_pair(case.gateway, case.discloser, case.recipient, rules)
    return decision


def decide_taking_up(case: DisclosureCase, discloser: Side, recipient: Side, rules: GatewayRules = RULES) -> Decision:
    """Whether what was asked or offered still may be, now that the other side is known: it is shown the whole of it,
    and of an offer it is named to its sender.
    """
    return decide_asking(case, rules) & _decide_pair(case.gateway, discloser, recipient, rules)


def decide_people(asker: Signatory, authoriser: Signatory | None) -> Decision:
    """Rule 7."""
    if authoriser is None:
        return refuse("no-authoriser", "authoriser", "an authoriser agrees to the release")
    if authoriser.is_same(asker):
        return refuse("same-person", "representative", "another person, with another key, authorises it")
    return ALLOWED


def is_open_to(gateway: str, discloser: Side, recipient: Side, rules: GatewayRules = RULES) -> bool:
    """Whether the gateway lets the one disclose to the other at all."""
    rule = find_rule(gateway, rules)
    return rule is not None and rule.is_open(discloser, recipient)


def find_rule(gateway: str, rules: GatewayRules = RULES) -> GatewayRule | None:
    """The rule of a gateway; None for one that is unknown or closed."""
    return rules.get(LegalGateway(gateway)) if gateway in set(LegalGateway) else None


def decide_gateway(
    gateway: str,
    purpose: str,
    kind: str,
    theme: str,
    evidence_standard: str | None,
    *,
    rules: GatewayRules = RULES,
) -> Decision:
    """Whether a member of that kind may share under that gateway for that purpose, theme and evidence standard; None
    for what is about no single subject, such as an alert: a gateway that asks for a standard is closed to it.
    """
    decision = ALLOWED if purpose.strip() else refuse("no-purpose", "purpose", "say what the sharing is for")
    rule = find_rule(gateway, rules)
    if rule is None:
        return decision & refuse("no-gateway", "legal_gateway", "name the legal gateway")
    if kind not in rule.submitters:
        decision &= refuse("gateway-kind", "legal_gateway", f"{rule.citation}: not open to a {kind}")
    if theme not in rule.themes:
        decision &= refuse("gateway-theme", "theme", f"{rule.citation}: does not cover {theme}")
    if evidence_standard is None and rule.standards != EVERY_STANDARD:
        decision &= refuse("gateway-evidence", "legal_gateway", f"{rule.citation}: about single subjects only")
    if evidence_standard is not None and evidence_standard not in rule.standards:
        decision &= refuse("gateway-evidence", "evidence_standard", f"{rule.citation}: more than {evidence_standard}")
    return decision


def _decide_sides(case: DisclosureCase, rule: GatewayRule, rules: GatewayRules) -> Decision:
    """Rule 3, of each side that is known; one is."""
    recipient, discloser = case.recipient, case.discloser
    of_mode = [(code, other) for code, other in rules.items() if case.mode in other.modes]
    if recipient is not None and not rule.has_recipient(recipient):
        others = f"open to you are {_list(code for code, other in of_mode if other.has_recipient(recipient))}"
        if not rule.has_recipient_kind(recipient.kind):
            return refuse("gateway-kind", "legal_gateway", f"{rule.citation}: not open to a {recipient.kind}; {others}")
        said = f"{rule.citation}: to {_list(rule.recipients or ())} alone (gateways_file: recipients); {others}"
        return refuse("gateway-recipient", "legal_gateway", said)
    if discloser is not None and not rule.has_discloser(discloser):
        others = _list(code for code, other in of_mode if other.has_discloser(discloser))
        cure = f"{rule.citation}: a {discloser.kind} cannot disclose under it; open to you are {others}"
        return refuse("gateway-kind", "legal_gateway", cure)
    return ALLOWED


def _decide_pair(gateway: str, discloser: Side, recipient: Side, rules: GatewayRules) -> Decision:
    """Rule 3, of both sides. An unknown gateway is refused by others."""
    rule = find_rule(gateway, rules)
    if rule is None or rule.is_open(discloser, recipient):
        return ALLOWED
    pair = f"not from a {discloser.kind} to this {recipient.kind}"
    return refuse("gateway-parties", "legal_gateway", f"{rule.citation}: {pair}")


def _decide_confirmations(case: DisclosureCase, rule: GatewayRule) -> Decision:
    """Rule 6. Who asks confirms nothing: it is not the one who discloses."""
    required = rule.required_confirmations(case.condition) if case.discloser is not None else []
    decision = ALLOWED
    for one in required:
        if not case.confirmations & set(one.codes):
            said = f"{rule.citation}: {one.question} Confirm {' or '.join(one.codes)}"
            decision &= refuse("no-confirmation", "confirmations", said)
    if case.confirmations - {code for one in required for code in one.codes}:
        known = _list(code for one in required for code in one.codes) or "nothing"
        said = f"{rule.citation}: {known} can be confirmed here"
        if case.discloser is None:
            said = f"{rule.citation}: whoever discloses confirms that, with the answer; leave it out"
        decision &= refuse("confirmation", "confirmations", said)
    return decision


def _decide_statements(case: DisclosureCase) -> Decision:
    decision = ALLOWED
    if case.is_stated_before:
        return decision
    if not case.purpose.strip():
        decision &= refuse("no-purpose", "purpose", "say what it is for")
    if not case.necessity.strip():
        decision &= refuse("no-necessity", "necessity", "say why it cannot be done without")
    if not case.proportionality.strip():
        decision &= refuse("no-proportionality", "proportionality", "say why it is no more than that takes, and fair")
    return decision


def _decide_condition(case: DisclosureCase, rule: GatewayRule) -> Decision:
    required = rule.conditions.get(case.mode)
    if required is None:
        if case.condition is None:
            return ALLOWED
        return refuse("gateway-condition", "condition", f"{rule.citation}: has no condition to name here")
    if case.condition is None:
        return refuse("no-condition", "condition", f"{rule.citation}: name the {required} condition")
    if case.condition != required:
        return refuse(
            "gateway-condition", "condition", f"{rule.citation}: mode {case.mode} is the {required} condition"
        )
    return ALLOWED


def _decide_notice(case: DisclosureCase, rule: GatewayRule) -> Decision:
    if rule.notice is None:
        return ALLOWED
    notice = case.notice
    if notice is None or not notice.reference.strip():
        said = f"{rule.citation}: first notify {rule.notice.addressee}, then give the reference and the time of that"
        return refuse("no-prior-notice", "nca_notice", said)
    if notice.given_at > case.now:
        return refuse("notice-not-prior", "nca_notice.given_at", "the notice comes first: a time that has passed")
    if case.now - notice.given_at > timedelta(days=rule.notice.within_days):
        said = f"at most {rule.notice.within_days} days ago: give a new notice"
        return refuse("notice-too-old", "nca_notice.given_at", said)
    return ALLOWED


def _no_gateway(rules: GatewayRules) -> Decision:
    return refuse("no-gateway", "legal_gateway", f"name the legal gateway: {_list(rules)}")


def _list(codes: Iterable[str]) -> str:
    return ", ".join(sorted(str(code) for code in codes))
