"""Codes in words, where people read them. Programs are given the codes themselves. Standard library only."""

from __future__ import annotations

import re

PROVISIONS = {
    "CCA2013_s7": "Crime and Courts Act 2013, section 7",
    "POCA2002_s339ZB": "Proceeds of Crime Act 2002, section 339ZB",
    "TACT2000_s21CA": "Terrorism Act 2000, section 21CA",
    "ECCTA2023_s188": "Economic Crime and Corporate Transparency Act 2023, section 188",
    "ECCTA2023_s189": "Economic Crime and Corporate Transparency Act 2023, section 189",
    "SCA2007_s68": "Serious Crime Act 2007, section 68",
    "DPA2018_Sch2": "Data Protection Act 2018, Schedule 2, paragraph 2",
}
"""The provision behind each legal gateway, as it is cited."""

_WHOLE = {
    "immediate": "at once",
    "24h": "within 24 hours",
    "48h": "within 48 hours",
    "14d": "within 14 days",
    "trade_based_money_laundering": "trade-based money laundering",
    "money_laundering_through_markets": "money laundering through capital markets",
}
_PARTS = {
    "iban": "IBAN",
    "lei": "LEI",
    "le": "law-enforcement",
    "nca": "NCA",
    "necc": "NECC",
    "cps": "CPS",
    "nfib": "NFIB",
    "gbp": "GBP",
}
_CODE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*", re.ASCII)


def in_words(code: str) -> str:
    """A code as it stands within a sentence; a text that is none (`OFFICIAL-SENSITIVE`, `2-4`) as it is."""
    if code in PROVISIONS:
        return PROVISIONS[code]
    if code in _WHOLE:
        return _WHOLE[code]
    if not _CODE.fullmatch(code):
        return code
    return " ".join(_PARTS.get(part, part) for part in code.split("_"))


def label(code: str) -> str:
    """A code as it stands by itself, in a cell or after a colon."""
    words = in_words(code)
    return words[:1].upper() + words[1:]
