"""The table of rules n1: one rule for each indicator type. A new type is one line here and one in schemas/terms.py.

A rule takes the cleaned text (member.normalise.text) and gives its canonical form or raises NormalisationError. Two
members find an overlap only if both reach the same form, and the version is part of every token's input: **changing
what a rule gives for any value makes a new version**, which is a rotation of the tokenisation key.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from member.normalise.accounts import bank_account, iban
from member.normalise.circumstances import DEFAULT, Circumstances
from member.normalise.internet import domain, email
from member.normalise.organisations import company_number, lei
from member.normalise.outcome import Canonical, NormalisationError
from member.normalise.persons import person
from member.normalise.phones import phone
from member.normalise.text import clean, refuse_left_out
from member.normalise.wallets import wallet
from schemas.terms import IndicatorType

Rule = Callable[[str, Circumstances], Canonical]

RULES: dict[str, Rule] = {
    IndicatorType.BANK_ACCOUNT.value: bank_account,
    IndicatorType.IBAN.value: iban,
    IndicatorType.WALLET.value: wallet,
    IndicatorType.PHONE.value: phone,
    IndicatorType.EMAIL.value: email,
    IndicatorType.DOMAIN.value: domain,
    IndicatorType.COMPANY_NUMBER.value: company_number,
    IndicatorType.LEI.value: lei,
    IndicatorType.PERSON.value: person,
}

LONGEST = 1024
"""Characters of a canonical form: far more than any real one has, and within the two-byte length of RFC 9497."""

_OFTEN_MEANT = {
    "account": "bank_account",
    "sort": "bank_account",
    "mobile": "phone",
    "telephone": "phone",
    "tel": "phone",
    "mail": "email",
    "url": "domain",
    "website": "domain",
    "host": "domain",
    "crypto": "wallet",
    "address": "wallet",
    "company": "company_number",
    "name": "person",
    "individual": "person",
}


def normalise(indicator_type: str, value: str, circumstances: Circumstances = DEFAULT) -> Canonical:
    """The canonical form of a value, under rules n1.

    Raises NormalisationError, and nothing else, for a value that has none or a type that is not in the table.
    """
    rule = RULES.get(indicator_type)
    if rule is None:
        raise NormalisationError("no such indicator type", nearest_type(indicator_type))
    text = clean(value)
    if not text:
        raise NormalisationError("the value is empty", "leave the row out")
    if indicator_type != IndicatorType.DOMAIN.value:  # what is cut off a link is its path
        refuse_left_out(text)
    canonical = rule(text, circumstances)
    if len(canonical.canonical) > LONGEST:
        raise NormalisationError(f"no indicator has more than {LONGEST} characters", "one indicator a row")
    return canonical


def nearest_type(name: str) -> str:
    """A hint for a type that is not in the table: the one that looks most like it, or all of them."""
    spelt = name[:40].strip().lower().replace(" ", "_").replace("-", "_")
    words = spelt.split("_")
    meant = [word for word in words if word in RULES] + [_OFTEN_MEANT[word] for word in words if word in _OFTEN_MEANT]
    close = meant or difflib.get_close_matches(spelt, RULES, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"known types: {', '.join(RULES)}"
