"""Counsel's changes to the legal gateways: a TOML file that a setting names, read strictly at the start.

    [POCA2002_s339ZB]
    notice_within_days = 14

    [ECCTA2023_s188]
    themes = ["fraud", "money_mules"]
    parties = [{ disclosers = ["financial_institution"], recipients = ["financial_institution"] }]

    [CCA2013_s7]
    recipients = ["nca"]
    names = true

    [SCA2007_s68]
    closed = true

`recipients` are the members to whom alone may be disclosed, by their ids (section 7 of the 2013 Act: the NCA's);
`names` says whether a query discloses who holds a thing. What a table does not name stays as
exchange/gateways/rules.py has it. A gateway that is closed is open to nobody.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from exchange.gateways.rules import QUERY, RULES, GatewayRule, GatewayRules, Parties
from schemas.terms import EvidenceStandard, LegalGateway, MemberKind, RequestMode, Theme
from schemas.values.fields import IDENTIFIER

_Code = TypeVar("_Code", bound=StrEnum)
_MAX_DAYS = 366
_DAYS = {"notice_within_days": "within_days", "notice_report_days": "report_days"}


def load_rules(path: Path | None) -> GatewayRules:
    """The gateways' rules with the changes of a file, as they are for None. ValueError names what is wrong with it."""
    if path is None:
        return RULES
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    rules = dict(RULES)
    for name, changes in found.items():
        if name not in set(LegalGateway) or not isinstance(changes, dict):
            raise ValueError(f"{path}: [{name}] is not a legal gateway; expected one of {', '.join(LegalGateway)}")
        gateway = LegalGateway(name)
        try:
            changed = _change(rules[gateway], changes)
        except ValueError as error:
            raise ValueError(f"{path}: [{name}] {error}") from None
        if changed is None:
            del rules[gateway]
        else:
            rules[gateway] = changed
    return rules


def _change(rule: GatewayRule, changes: Mapping[str, Any]) -> GatewayRule | None:
    """The rule as it is from now on; None if it is closed."""
    is_closed = changes.get("closed", False)
    if type(is_closed) is not bool:
        raise ValueError("closed is true or false")
    for name, value in changes.items():
        if name in _DAYS:
            rule = _change_days(rule, name, value)
        elif name in _READERS:
            field, read = _READERS[name]
            rule = replace(rule, **{field: read(name, value)})
        elif name != "closed":
            known = ", ".join(["closed", *_READERS, *_DAYS])
            raise ValueError(f"{name!r} is nothing that can be changed; known are {known}")
    if rule.notice is not None and rule.notice.within_days > rule.notice.report_days:
        raise ValueError("notice_within_days is at most notice_report_days")
    return None if is_closed else rule


def _change_days(rule: GatewayRule, name: str, value: Any) -> GatewayRule:
    if rule.notice is None:
        raise ValueError(f"{name}: this gateway requires no notice")
    if type(value) is not int or not 1 <= value <= _MAX_DAYS:
        raise ValueError(f"{name} is a number of days from 1 to {_MAX_DAYS}")
    changed: dict[str, Any] = {_DAYS[name]: value}
    return replace(rule, notice=replace(rule.notice, **changed))


def _members(name: str, value: Any) -> frozenset[str]:
    listed = value if isinstance(value, list) else []
    if not listed or not all(isinstance(one, str) and IDENTIFIER.fullmatch(one) for one in listed):
        raise ValueError(f"{name} is a list of at least one member's id")
    return frozenset(listed)


def _yes_or_no(name: str, value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"{name} is true or false")
    return value


def _codes_of(codes: type[_Code]) -> Callable[[str, Any], frozenset[_Code]]:
    def read(name: str, value: Any) -> frozenset[_Code]:
        if not isinstance(value, list) or not value or not set(map(str, value)) <= set(codes):
            raise ValueError(f"{name} is a list of at least one of {', '.join(codes)}")
        return frozenset(codes(code) for code in value)

    return read


def _modes(name: str, value: Any) -> frozenset[str]:
    known = [*RequestMode, QUERY]
    if not isinstance(value, list) or not value or not set(map(str, value)) <= set(known):
        raise ValueError(f"{name} is a list of at least one of {', '.join(known)}")
    return frozenset(value)


def _parties(name: str, value: Any) -> tuple[Parties, ...]:
    names, read = ("disclosers", "recipients"), _codes_of(MemberKind)
    pairs = value if isinstance(value, list) else []
    if not pairs or not all(isinstance(pair, dict) and set(pair) == set(names) for pair in pairs):
        raise ValueError(f"{name} is a list of at least one {{ disclosers = […], recipients = […] }}")
    return tuple(Parties(*(read(side, pair[side]) for side in names)) for pair in pairs)


_READERS: dict[str, tuple[str, Callable[[str, Any], Any]]] = {
    "submitters": ("submitters", _codes_of(MemberKind)),
    "themes": ("themes", _codes_of(Theme)),
    "evidence_standards": ("standards", _codes_of(EvidenceStandard)),
    "modes": ("modes", _modes),
    "parties": ("parties", _parties),
    "recipients": ("recipients", _members),
    "names": ("names", _yes_or_no),
}
