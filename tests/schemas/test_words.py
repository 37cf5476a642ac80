"""Every code list reads as words of the field, and each legal gateway as the provision that it cites."""

from __future__ import annotations

import inspect
from enum import StrEnum

import pytest

from exchange.gateways.rules import RULES
from schemas import terms
from schemas.rendering.words import PROVISIONS, in_words, label
from schemas.terms import LegalGateway

LISTS = [
    one for _, one in inspect.getmembers(terms, inspect.isclass) if issubclass(one, StrEnum) and one is not StrEnum
]


def test_every_gateway_reads_as_the_provision_that_its_rule_cites() -> None:
    assert set(PROVISIONS) == {gateway.value for gateway in LegalGateway}
    for gateway in LegalGateway:
        assert RULES[gateway].citation.startswith(label(gateway.value)), gateway


@pytest.mark.parametrize("codes", LISTS, ids=lambda codes: codes.__name__)
def test_no_code_of_a_list_reads_as_another(codes: type[StrEnum]) -> None:
    told = [label(code.value) for code in codes]
    assert len(set(told)) == len(told)
    assert not [text for text in told if "_" in text and text != "TOP_SECRET"]


@pytest.mark.parametrize(
    ("code", "within", "alone"),
    [
        ("money_mules", "money mules", "Money mules"),
        ("CCA2013_s7", "Crime and Courts Act 2013, section 7", "Crime and Courts Act 2013, section 7"),
        ("iban", "IBAN", "IBAN"),
        ("le_query_read", "law-enforcement query read", "Law-enforcement query read"),
        ("24h", "within 24 hours", "Within 24 hours"),
        ("OFFICIAL-SENSITIVE", "OFFICIAL-SENSITIVE", "OFFICIAL-SENSITIVE"),
        ("2-4", "2-4", "2-4"),
        ("2026-03", "2026-03", "2026-03"),
        ("", "", ""),
    ],
)
def test_a_code_within_a_sentence_and_by_itself(code: str, within: str, alone: str) -> None:
    assert (in_words(code), label(code)) == (within, alone)
