"""The legal gateways as a table of rules: who may submit under which, for which themes, with which grounds.

A thin reading of the statutes, for configuration by counsel; not advice. A decision is a value with reasons.
An empty or unknown gateway, and an empty purpose, mean no.
"""

from __future__ import annotations

from dataclasses import dataclass

from exchange.domain.decision import ALLOWED, Decision, refuse
from schemas.terms import EvidenceStandard, LegalGateway, MemberKind, Theme

_EVERY_KIND = frozenset(MemberKind)
_REGULATED = frozenset({MemberKind.FINANCIAL_INSTITUTION})
_ANTI_FRAUD = frozenset(
    {
        MemberKind.FINANCIAL_INSTITUTION,
        MemberKind.FRAUD_PREVENTION_SERVICE,
        MemberKind.TELECOM,
        MemberKind.PLATFORM,
        MemberKind.LAW_ENFORCEMENT,
        MemberKind.REGULATOR,
    }
)
_EVERY_THEME = frozenset(Theme)
_EVERY_STANDARD = frozenset(EvidenceStandard)
_BEYOND_SUSPICION = _EVERY_STANDARD - {EvidenceStandard.SUSPICION}
_FRAUD = frozenset({Theme.FRAUD, Theme.MONEY_MULES})


@dataclass(frozen=True, slots=True)
class GatewayRule:
    """What a submission under one gateway must satisfy. `citation` is the provision that the rule reads."""

    citation: str
    submitters: frozenset[MemberKind] = _EVERY_KIND
    themes: frozenset[Theme] = _EVERY_THEME
    standards: frozenset[EvidenceStandard] = _EVERY_STANDARD


RULES: dict[LegalGateway, GatewayRule] = {
    LegalGateway.CCA2013_S7: GatewayRule("Crime and Courts Act 2013, section 7"),
    LegalGateway.POCA2002_S339ZB: GatewayRule(
        "Proceeds of Crime Act 2002, section 339ZB: within the regulated sector", _REGULATED
    ),
    LegalGateway.TACT2000_S21CA: GatewayRule(
        "Terrorism Act 2000, section 21CA: within the regulated sector, terrorist property",
        _REGULATED,
        frozenset({Theme.TERRORIST_FINANCE}),
    ),
    LegalGateway.ECCTA2023_S188: GatewayRule(
        "Economic Crime and Corporate Transparency Act 2023, section 188: request or warning condition", _REGULATED
    ),
    LegalGateway.ECCTA2023_S189: GatewayRule(
        "Economic Crime and Corporate Transparency Act 2023, section 189: after a decision to end, refuse or restrict",
        _REGULATED,
        standards=_BEYOND_SUSPICION,
    ),
    LegalGateway.SCA2007_S68: GatewayRule("Serious Crime Act 2007, section 68: to prevent fraud", _ANTI_FRAUD, _FRAUD),
    LegalGateway.DPA2018_SCH2: GatewayRule("Data Protection Act 2018, Schedule 2, paragraph 2: crime and taxation"),
}


def decide_gateway(gateway: str, purpose: str, kind: str, theme: str, evidence_standard: str | None) -> Decision:
    """Whether a member of that kind may share under that gateway for that purpose, theme and evidence standard; None
    for what is about no single subject, such as an alert: a gateway that asks for a standard is closed to it.
    """
    decision = ALLOWED if purpose.strip() else refuse("no-purpose", "purpose", "say what the sharing is for")
    rule = RULES.get(LegalGateway(gateway)) if gateway in set(LegalGateway) else None
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
