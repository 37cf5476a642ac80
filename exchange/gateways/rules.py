"""The legal gateways as a table of rules: who may disclose to whom, how, with which statements, after which steps.

A thin reading of the statutes, for configuration by counsel (exchange/gateways/file.py); not advice.
exchange/gateways/legal_gateway.py judges by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from schemas.terms import EvidenceStandard, GatewayCondition, LegalGateway, MemberKind, RequestMode, Theme

QUERY = "query"
"""The mode of a law-enforcement query, beside those of information requests."""

_EVERY_KIND = frozenset(MemberKind)
_REGULATED = frozenset({MemberKind.FINANCIAL_INSTITUTION})
_POLICE = frozenset({MemberKind.LAW_ENFORCEMENT})
EVERY_THEME = frozenset(Theme)
EVERY_STANDARD = frozenset(EvidenceStandard)
_BEYOND_SUSPICION = EVERY_STANDARD - {EvidenceStandard.SUSPICION}
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
    says whether a query may disclose who holds a thing. Purpose, necessity and proportionality answer the questions.
    """

    citation: str
    submitters: frozenset[MemberKind] = _EVERY_KIND
    themes: frozenset[Theme] = EVERY_THEME
    standards: frozenset[EvidenceStandard] = EVERY_STANDARD
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

    def required_confirmations(self, condition: str | None) -> list[Confirmation]:
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

GatewayRules: TypeAlias = Mapping[LegalGateway, GatewayRule]
"""The gateways that are open, as they are read."""

RULES: GatewayRules = {
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
