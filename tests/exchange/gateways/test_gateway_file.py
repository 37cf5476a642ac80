"""Counsel's file of changes to the gateways: what it changes, and what stops the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.gateways.file import load_rules
from exchange.gateways.rules import RULES, Side
from schemas.terms import LegalGateway, MemberKind, RequestMode, Theme

GOOD = """
[POCA2002_s339ZB]
notice_within_days = 14
notice_report_days = 42

[ECCTA2023_s188]
themes = ["fraud", "money_mules"]
modes = ["request"]
submitters = ["financial_institution", "telecom"]
evidence_standards = ["conviction"]
parties = [{ disclosers = ["telecom"], recipients = ["financial_institution"] }]

[CCA2013_s7]
recipients = ["nca-uk"]
names = false

[SCA2007_s68]
closed = true
"""


def test_what_the_file_names_is_changed_and_all_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "gateways.toml"
    path.write_text(GOOD)
    rules = load_rules(path)
    notice, changed = rules[LegalGateway.POCA2002_S339ZB].notice, rules[LegalGateway.ECCTA2023_S188]
    assert notice is not None
    assert (notice.within_days, notice.report_days) == (14, 42)
    assert "within 14 days" in notice.template
    assert changed.themes == {Theme.FRAUD, Theme.MONEY_MULES}
    assert changed.modes == frozenset({RequestMode.REQUEST.value})
    assert changed.is_open(Side("t", MemberKind.TELECOM), Side("a", MemberKind.FINANCIAL_INSTITUTION))
    assert not changed.is_open(Side("b", MemberKind.FINANCIAL_INSTITUTION), Side("a", MemberKind.FINANCIAL_INSTITUTION))
    nca = rules[LegalGateway.CCA2013_S7]
    assert (nca.recipients, nca.names) == (frozenset({"nca-uk"}), False)
    assert LegalGateway.SCA2007_S68 not in rules
    untouched = set(LegalGateway) - {
        LegalGateway.POCA2002_S339ZB,
        LegalGateway.ECCTA2023_S188,
        LegalGateway.CCA2013_S7,
        LegalGateway.SCA2007_S68,
    }
    assert all(rules[gateway] is RULES[gateway] for gateway in untouched)
    assert load_rules(None) is RULES


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[ECCTA2023_s190]", "ECCTA2023_s190"),
        ("closed = true", "closed"),
        ("[ECCTA2023_s188]\nclosed = 1", "closed"),
        ("[ECCTA2023_s188]\ntheme = []", "theme"),
        ("[ECCTA2023_s188]\nthemes = []", "themes"),
        ('[ECCTA2023_s188]\nthemes = ["everything"]', "themes"),
        ('[ECCTA2023_s188]\nmodes = "request"', "modes"),
        ("[ECCTA2023_s188]\nmodes = [[1]]", "modes"),
        ("[ECCTA2023_s188]\nparties = [{ disclosers = [] }]", "parties"),
        ('[ECCTA2023_s188]\nparties = [{ disclosers = ["bank"], recipients = ["telecom"] }]', "disclosers"),
        ("[ECCTA2023_s188]\nnotice_within_days = 1", "notice"),
        ("[POCA2002_s339ZB]\nnotice_within_days = 0", "notice_within_days"),
        ("[POCA2002_s339ZB]\nnotice_within_days = true", "notice_within_days"),
        ("[POCA2002_s339ZB]\nnotice_report_days = 20", "notice_report_days"),
        ("[CCA2013_s7]\nrecipients = []", "recipients"),
        ('[CCA2013_s7]\nrecipients = ["The NCA"]', "recipients"),
        ("[CCA2013_s7]\nnames = 1", "names"),
        ("[POCA2002_s339ZB", "cannot be read"),
    ],
)
def test_a_file_that_says_anything_else_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "gateways.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=named):
        load_rules(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        load_rules(tmp_path / "none.toml")
