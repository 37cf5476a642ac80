"""What people write where they have no value. Two members that wrote the same would meet over nothing: refused.

The one list of such words and figures; every rule asks here.
"""

from __future__ import annotations

import re

from member.normalise.outcome import NormalisationError

WORDS = frozenset(
    """
    UNKNOWN UNK NK NOTKNOWN NOTAVAILABLE NOTAPPLICABLE NOTPROVIDED NOTGIVEN NOTSTATED NOTRECORDED NOTSUPPLIED NA NAN
    NONE NOTHING NIL NULL UNDEFINED MISSING BLANK EMPTY VOID TEST TESTING TESTER TESTUSER DUMMY SAMPLE PLACEHOLDER TBC
    TBD TBA PENDING ANON ANONYMOUS ANONYMISED ANONYMIZED REDACTED WITHHELD UNDISCLOSED UNIDENTIFIED UNNAMED NONAME
    NOTDISCLOSED FNU LNU ASDF QWERTY FOO FOOBAR XX XXX XXXX XXXXX XXXXXX
    UNBEKANNT INCONNU INCONNUE DESCONOCIDO DESCONOCIDA DESCONHECIDO SCONOSCIUTO ONBEKEND NIEZNANY OKAND UKJENT
    НЕИЗВЕСТНО НЕИЗВЕСТЕН НЕТ ТЕСТ
    """.split()  # noqa: SIM905
)
"""In capitals, without spaces and signs."""

NAME_PAIRS = frozenset({
    "FIRSTNAME LASTNAME", "FIRST LAST NAME", "FORENAME SURNAME", "DOE JOHN", "DOE JANE", "A N OTHER", "AVAILABLE NOT",
    "KNOWN NOT", "APPLICABLE NOT", "NAME NO", "GIVEN NOT", "NOT PROVIDED", "NOT STATED",
})  # fmt: skip
"""Whole names of several words, each sorted as name keys are."""

NOBODY = frozenset({"UNKNOWN", "UNNAMED", "UNIDENTIFIED", "FNU", "LNU"})
"""Words that stand for a part of a name that is not known."""

BIRTHS = frozenset({"1900-01-01"})
"""Days of birth that systems fill in."""

_SIGNS = re.compile(r"[\W_]+")
_HOST_WORDS = WORDS | {"EXAMPLE", "EMAIL", "MAIL", "NOEMAIL", "NOMAIL", "DOMAIN", "INVALID", "LOCALHOST"}
_LOCAL_WORDS = WORDS | {"NOEMAIL", "NOMAIL", "NOTANEMAIL"}


def is_placeholder(text: str) -> bool:
    """True for a word of the list, whatever signs and spaces it is written with, and for signs alone."""
    word = _SIGNS.sub("", text).upper()
    return not word or word in WORDS


def refuse_word(text: str) -> None:
    """NormalisationError for a value that says that there is none."""
    if 0 < len(text) <= 20 and is_placeholder(text):
        raise placeholder()


def refuse_filler(digits: str) -> None:
    """NormalisationError for one digit over and over."""
    if digits and digits == digits[0] * len(digits):
        raise placeholder()


def refuse_nobody(name: str, key: str, birth: str) -> None:
    """NormalisationError for a name that names nobody, or half of somebody, and for a date that systems fill in; `key`
    is the name in capitals, its words sorted.
    """
    words = key.split()
    if birth in BIRTHS or key in NAME_PAIRS or not NOBODY.isdisjoint(words) or all(word in WORDS for word in words):
        raise placeholder()
    if all(is_placeholder(word) for word in name.split()):
        raise placeholder()


def refuse_address(local: str, host: str) -> None:
    """NormalisationError for addresses such as none@none.com."""
    if _SIGNS.sub("", local).upper() in _LOCAL_WORDS and host.split(".", 1)[0].upper() in _HOST_WORDS:
        raise placeholder()


def placeholder() -> NormalisationError:
    """The refusal."""
    return NormalisationError(
        "a placeholder, which says that there is no value", "leave the row out, or take the value from its source"
    )
