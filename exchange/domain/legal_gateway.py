"""The legal gateways as a table of rules: who may disclose to whom, how, with which statements, after which steps.

A thin reading of the statutes, for configuration by counsel (exchange/domain/gateway_file.py); not advice. A decision
is a value with reasons, each of which names the field at fault and what would be right. The rules, in order:
1. An empty or unknown gateway, and an empty purpose, mean no.
2. Nothing is asked or offered without necessity and proportionality.
3. The gateway is open to both sides, to the mode, to the theme and to the evidence standard. A side is a member and its
   kind: who asks is to receive, who offers is to disclose.
4. A condition that the gateway wants is named, and is the one that goes with the mode.
5. A step that comes first was taken: before now, and not too long ago.
6. Whoever discloses confirms what else the gateway wants of it: with its offer, or with its answer.
7. Nothing is released unless another person than the one who asks or offers, with another key, authorises it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from exchange.domain.decision import ALLOWED, Decision, refuse
from schemas.terms import EvidenceStandard, GatewayCondition, LegalGateway, MemberKind, RequestMode, Theme

QUERY = "query"
"""The mode of a law-enforcement query, beside those of information requests."""

_EVERY_KIND = frozenset(MemberKind)
_REGULATED = frozenset({MemberKind.FINANCIAL_INSTITUTION})
_POLICE = frozenset({MemberKind.LAW_ENFORCEMENT})
_EVERY_THEME = frozenset(Theme)
_EVERY_STANDARD = frozenset(EvidenceStandard)
_BEYOND_SUSPICION = _EVERY_STANDARD - {EvidenceStandard.SUSPICION}
_FRAUD = frozenset({Theme.FRAUD, Theme.MONEY_MULES})
_MODES = frozenset(RequestMode)
_ASKING = frozenset({RequestMode.REQUEST})
_NO_CONDITION: Mapping[str, GatewayCondition] = {}


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a disclosure: a member, empty for any of its kind, and that kind."""

    member_id: str
    kind: str


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What whoever discloses confirms: one of `codes`. With `condition`, only where that one is claimed."""

    codes: tuple[str, ...]
    question: str
    condition: GatewayCondition | None = None


@dataclass(frozen=True, slots=True)
class Parties:
    """Members of one of these kinds may disclose to those of one of those."""

    disclosers: frozenset[MemberKind]
    recipients: frozenset[MemberKind]


NOTICE_PLACEHOLDERS = ("requester", "request_id", "subject", "grounds", "information_sought", "date")
_NOTICE = """To: {addressee}
From: {{requester}}
Date: {{date}}

Notification under {provision}

1. A disclosure request is made in connection with {suspicion}.
2. It is made through the exchange under the reference {{request_id}}, to the institutions there that hold the same
   identifier. They are named to us when they answer; we shall name them to you then.
3. The person suspected, so far as known to us: {{subject}}
4. The grounds: {{grounds}}
5. The information sought: {{information_sought}}
6. Disclosures follow within {within_days} days of this notification, and a joint report within {report_days} days.

Please acknowledge this with your reference.
"""


@dataclass(frozen=True, slots=True)
class NoticeRule:
    """A notice that must have been given before anything is disclosed, not more than `within_days` ago."""

    addressee: str
    provision: str
    suspicion: str
    within_days: int = 28
    report_days: int = 84

    @property
    def template(self) -> str:
        """The notice, with `{placeholders}` (NOTICE_PLACEHOLDERS) that a member fills in at home: whom it is about is
        not for the exchange to know.
        """
        return _NOTICE.format(
            addressee=self.addressee,
            provision=self.provision,
            suspicion=self.suspicion,
            within_days=self.within_days,
            report_days=self.report_days,
        )


@dataclass(frozen=True, slots=True)
class GatewayRule:
    """What sharing under one gateway must satisfy. `citation` is the provision that the rule reads; `submitters` may
    hand in rows under it; `recipients` are the members that may be disclosed to, None for all of the right kind;
    `conditions` has the one that each mode wants; `onward` goes with all that is disclosed, a condition a line; `names`
    says whether a query may be told who holds a thing. Purpose, necessity and proportionality answer the questions.
    """

    citation: str
    submitters: frozenset[MemberKind] = _EVERY_KIND
    themes: frozenset[Theme] = _EVERY_THEME
    standards: frozenset[EvidenceStandard] = _EVERY_STANDARD
    parties: tuple[Parties, ...] = (Parties(_EVERY_KIND, _EVERY_KIND),)
    recipients: frozenset[str] | None = None
    modes: frozenset[str] = _MODES
    conditions: Mapping[str, GatewayCondition] = field(default_factory=lambda: _NO_CONDITION)
    confirmations: tuple[Confirmation, ...] = ()
    notice: NoticeRule | None = None
    onward: tuple[str, ...] = ()
    names: bool = False
    purpose: str = "What is the disclosure for?"
    necessity: str = "Why can this not be done without it?"
    proportionality: str = "Why is what is asked for no more than that takes, and fair to the person whom it is about?"

    def is_open(self, discloser: Side, recipient: Side) -> bool:
        """Whether the one may disclose to the other."""
        pairs = (pair for pair in self.parties if discloser.kind in pair.disclosers)
        return self._is_named(recipient) and any(recipient.kind in pair.recipients for pair in pairs)

    def has_recipient(self, side: Side) -> bool:
        """Whether anyone may disclose to that side."""
        return self._is_named(side) and self.has_recipient_kind(side.kind)

    def has_recipient_kind(self, kind: str) -> bool:
        """Whether anyone may disclose to a member of that kind, if not to every one."""
        return any(kind in pair.recipients for pair in self.parties)

    def has_discloser(self, side: Side) -> bool:
        """Whether that side may disclose to anyone."""
        return any(side.kind in pair.disclosers for pair in self.parties)

    def wanted_confirmations(self, condition: str | None) -> list[Confirmation]:
        """What is to be confirmed where that condition, or none, is claimed."""
        return [one for one in self.confirmations if one.condition in (None, condition)]

    def _is_named(self, side: Side) -> bool:
        return self.recipients is None or side.member_id in self.recipients


NCA = "nca"
"""The member that is the National Crime Agency, where counsel's gateways_file names no `recipients`."""

_REGULATED_SHARING = (
    Confirmation(
        ("regulated_sector",),
        "Do we and whoever receives it carry on business in the regulated sector, and did it come to us in that?",
    ),
    Confirmation(("will_or_may_assist",), "Are we satisfied that it will or may assist in determining the matter?"),
)
"""Conditions 1 and 4 of POCA 2002 s339ZB; TACT 2000 s21CA has the same. Condition 2, that it was asked for, the request
itself shows, and condition 3 is the notice.
"""

RULES: dict[LegalGateway, GatewayRule] = {
    LegalGateway.CCA2013_S7: GatewayRule(
        "Crime and Courts Act 2013, section 7: to the NCA for its functions",
        parties=(Parties(_EVERY_KIND, _POLICE),),
        recipients=frozenset({NCA}),
        modes=_MODES | {QUERY},
        onward=(
            "Crime and Courts Act 2013, s7: onward disclosure by the NCA for a permitted purpose only",
            "Crime and Courts Act 2013, Schedule 7: revenue and customs information onward with its owner's consent",
        ),
        names=True,
        purpose="Which function of the NCA does it serve?",
    ),
    LegalGateway.POCA2002_S339ZB: GatewayRule(
        "Proceeds of Crime Act 2002, section 339ZB: within the regulated sector, asked for, after a notice",
        _REGULATED,
        parties=(Parties(_REGULATED, _REGULATED),),
        modes=_ASKING,
        notice=NoticeRule(
            "an authorised officer of the National Crime Agency",
            "section 339ZC(3) to (5) of the Proceeds of Crime Act 2002",
            "a suspicion that a person is engaged in money laundering",
        ),
        confirmations=_REGULATED_SHARING,
        purpose="Which matter about a suspicion of money laundering will or may it help to determine?",
    ),
    LegalGateway.TACT2000_S21CA: GatewayRule(
        "Terrorism Act 2000, section 21CA: within the regulated sector, terrorist property, after a notice",
        _REGULATED,
        frozenset({Theme.TERRORIST_FINANCE}),
        parties=(Parties(_REGULATED, _REGULATED),),
        modes=_ASKING,
        notice=NoticeRule(
            "a constable, or an authorised officer of the National Crime Agency",
            "section 21CB of the Terrorism Act 2000",
            "a suspicion that a person is involved in the commission of a terrorist financing offence",
        ),
        confirmations=_REGULATED_SHARING,
        purpose="Which matter about a suspicion of terrorist financing will or may it help to determine?",
    ),
    LegalGateway.ECCTA2023_S188: GatewayRule(
        "Economic Crime and Corporate Transparency Act 2023, section 188: request or warning condition",
        _REGULATED,
        parties=(Parties(_REGULATED, _REGULATED),),
        conditions={
            RequestMode.REQUEST: GatewayCondition.REQUEST,
            RequestMode.PROVIDE: GatewayCondition.WARNING,
            RequestMode.ALERT: GatewayCondition.WARNING,
        },
        confirmations=(
            Confirmation(
                ("safeguarding_action",),
                "Was it decided, for a concern about economic crime, to end the relationship with the customer, or to "
                "refuse or restrict a service, or would it have been for a former customer?",
                GatewayCondition.WARNING,
            ),
        ),
        purpose="Which action against economic crime will or may it help the recipient to take?",
    ),
    LegalGateway.ECCTA2023_S189: GatewayRule(
        "Economic Crime and Corporate Transparency Act 2023, section 189: to an intermediary, after a decision to end, "
        "refuse or restrict",
        _REGULATED,
        standards=_BEYOND_SUSPICION,
        parties=(Parties(_REGULATED, frozenset({MemberKind.FRAUD_PREVENTION_SERVICE})),),
        confirmations=(
            Confirmation(
                ("decided_to_end", "decided_to_refuse", "decided_to_restrict"),
                "Which decision was taken for a concern about economic crime: to end the relationship, to refuse or to "
                "restrict a service?",
            ),
            Confirmation(("intermediary_agreement",), "Is there an agreement with the intermediary for this sharing?"),
            Confirmation(("no_privileged_material",), "Is nothing in it privileged?"),
        ),
        purpose="Which decision about the customer, for which concern about economic crime, is passed on?",
    ),
    LegalGateway.SCA2007_S68: GatewayRule(
        "Serious Crime Act 2007, section 68: to prevent fraud", themes=_FRAUD, purpose="Which fraud is prevented?"
    ),
    LegalGateway.DPA2018_SCH2: GatewayRule(
        "Data Protection Act 2018, Schedule 2, paragraph 2: crime and taxation",
        modes=_MODES | {QUERY},
        names=True,
        purpose="Which crime is prevented or detected, or which offender prosecuted?",
        necessity="How would the purpose be prejudiced without it?",
    ),
}


@dataclass(frozen=True, slots=True)
class PriorNotice:
    """A notice that was given: the addressee's reference, and when."""

    reference: str
    given_at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts. Two are the same person if either the id or the key is the same."""

    representative_id: str
    public_key: bytes

    def is_same(self, other: Person) -> bool:
        """Whether the two are one."""
        return self.representative_id == other.representative_id or self.public_key == other.public_key


@dataclass(frozen=True, slots=True)
class DisclosureCase:
    """All that a gateway looks at. `mode` is a RequestMode or QUERY. Themes and evidence standards are those of the
    rows behind it, if there are any; `confirmations` are the discloser's. Who asks is the recipient and who offers the
    discloser; the other side, and the authoriser, are None until somebody agrees to release.
    """

    gateway: str
    mode: str
    purpose: str
    necessity: str
    proportionality: str
    asker: Person
    now: datetime
    condition: str | None = None
    notice: PriorNotice | None = None
    themes: frozenset[str] = frozenset()
    standards: frozenset[str] = frozenset()
    confirmations: frozenset[str] = frozenset()
    recipient: Side | None = None
    discloser: Side | None = None
    authoriser: Person | None = None


def decide_asking(case: DisclosureCase, rules: Mapping[LegalGateway, GatewayRule] = RULES) -> Decision:
    """Whether something may be asked for, or offered, so, whoever the other side may be: rules 1 to 6 of this side."""
    decision = _decide_statements(case)
    rule = find_rule(case.gateway, rules)
    if rule is None:
        return decision & _no_gateway(rules)
    decision &= _decide_sides(case, rule, rules)
    if case.mode not in rule.modes:
        decision &= refuse("gateway-mode", "mode", f"{rule.citation}: for {_list(rule.modes)}")
    if rule.themes != _EVERY_THEME and not case.themes & rule.themes:
        decision &= refuse("gateway-theme", "theme", f"{rule.citation}: covers {_list(rule.themes)}")
    if rule.standards != _EVERY_STANDARD and not case.standards & rule.standards:
        wanted = f"{rule.citation}: wants {_list(rule.standards)}"
        decision &= refuse("gateway-evidence", "evidence_standard", wanted)
    return decision & _decide_condition(case, rule) & _decide_notice(case, rule) & _decide_confirmations(case, rule)


def decide_disclosure(case: DisclosureCase, rules: Mapping[LegalGateway, GatewayRule] = RULES) -> Decision:
    """Whether something may be released so: all rules. Who asks or offers and who authorises are two people."""
    decision = decide_asking(case, rules)
    rule = find_rule(case.gateway, rules)
    if case.discloser is None:
        decision &= refuse("no-discloser", "discloser", "say who discloses")
    if case.recipient is None:
        decision &= refuse("no-recipient", "recipient", "say who receives it")
    elif case.discloser is not None and rule is not None and not rule.is_open(case.discloser, case.recipient):
        pair = f"not from a {case.discloser.kind} to this {case.recipient.kind}"
        decision &= refuse("gateway-parties", "legal_gateway", f"{rule.citation}: {pair}")
    return decision & decide_people(case.asker, case.authoriser)


def decide_people(asker: Person, authoriser: Person | None) -> Decision:
    """Rule 7."""
    if authoriser is None:
        return refuse("no-authoriser", "authoriser", "an authoriser agrees to the release")
    if authoriser.is_same(asker):
        return refuse("same-person", "representative", "another person, with another key, authorises it")
    return ALLOWED


def is_open_to(
    gateway: str, discloser: Side, recipient: Side, rules: Mapping[LegalGateway, GatewayRule] = RULES
) -> bool:
    """Whether the gateway lets the one disclose to the other at all."""
    rule = find_rule(gateway, rules)
    return rule is not None and rule.is_open(discloser, recipient)


def find_rule(gateway: str, rules: Mapping[LegalGateway, GatewayRule] = RULES) -> GatewayRule | None:
    """The rule of a gateway; None for one that is unknown or closed."""
    return rules.get(LegalGateway(gateway)) if gateway in set(LegalGateway) else None


def decide_gateway(
    gateway: str,
    purpose: str,
    kind: str,
    theme: str,
    evidence_standard: str | None,
    *,
    rules: Mapping[LegalGateway, GatewayRule] = RULES,
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
    if evidence_standard is None and rule.standards != _EVERY_STANDARD:
        decision &= refuse("gateway-evidence", "legal_gateway", f"{rule.citation}: about single subjects only")
    if evidence_standard is not None and evidence_standard not in rule.standards:
        decision &= refuse("gateway-evidence", "evidence_standard", f"{rule.citation}: more than {evidence_standard}")
    return decision


def _decide_sides(case: DisclosureCase, rule: GatewayRule, rules: Mapping[LegalGateway, GatewayRule]) -> Decision:
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


def _decide_confirmations(case: DisclosureCase, rule: GatewayRule) -> Decision:
    """Rule 6. Who asks confirms nothing: it is not the one who discloses."""
    wanted = rule.wanted_confirmations(case.condition) if case.discloser is not None else []
    decision = ALLOWED
    for one in wanted:
        if not case.confirmations & set(one.codes):
            said = f"{rule.citation}: {one.question} Confirm {' or '.join(one.codes)}"
            decision &= refuse("no-confirmation", "confirmations", said)
    if case.confirmations - {code for one in wanted for code in one.codes}:
        known = _list(code for one in wanted for code in one.codes) or "nothing"
        decision &= refuse("confirmation", "confirmations", f"{rule.citation}: {known} can be confirmed here")
    return decision


def _decide_statements(case: DisclosureCase) -> Decision:
    decision = ALLOWED
    if not case.purpose.strip():
        decision &= refuse("no-purpose", "purpose", "say what it is for")
    if not case.necessity.strip():
        decision &= refuse("no-necessity", "necessity", "say why it cannot be done without")
    if not case.proportionality.strip():
        decision &= refuse("no-proportionality", "proportionality", "say why it is no more than that takes, and fair")
    return decision


def _decide_condition(case: DisclosureCase, rule: GatewayRule) -> Decision:
    wanted = rule.conditions.get(case.mode)
    if wanted is None:
        if case.condition is None:
            return ALLOWED
        return refuse("gateway-condition", "condition", f"{rule.citation}: has no condition to name here")
    if case.condition is None:
        return refuse("no-condition", "condition", f"{rule.citation}: name the {wanted} condition")
    if case.condition != wanted:
        return refuse("gateway-condition", "condition", f"{rule.citation}: mode {case.mode} is the {wanted} condition")
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


def _no_gateway(rules: Mapping[LegalGateway, GatewayRule]) -> Decision:
    return refuse("no-gateway", "legal_gateway", f"name the legal gateway: {_list(rules)}")


def _list(codes: Iterable[str]) -> str:
    return ", ".join(sorted(str(code) for code in codes))
