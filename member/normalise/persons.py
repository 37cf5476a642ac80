"""Persons: `NAME|YYYY-MM-DD`.

The name, in this order: diacritics of Latin, Greek, Cyrillic, Arabic and Hebrew letters dropped (canonical
decomposition, then every combining mark behind such a letter), apostrophes dropped, special Latin letters spelt out
(CLDR's Latin-ASCII table, and schwa as E after ICAO Doc 9303), other punctuation to spaces, upper case, titles dropped
when a name remains, tokens sorted. Letters of other scripts are kept with their marks, which make other letters of
them. So `O'NEILL, Mrs Anna-Lena` and `Anna Lena ONeill` are one. The rule gives the same for its own result in whatever
order, so a title is one wherever it stands.

The date: member.normalise.birth_dates.
"""

from __future__ import annotations

import re
import unicodedata

from member.normalise.birth_dates import birth_date
from member.normalise.circumstances import Circumstances
from member.normalise.outcome import Canonical, NormalisationError
from member.normalise.placeholders import placeholder, refuse_nobody, refuse_word
from member.normalise.text import CodePointTable, refuse_formula, refuse_sheet_error, without_diacritics
from schemas.terms import IndicatorType

_APOSTROPHES = frozenset(
    "'`‘’‛′‵"
    "\u02b9\u02ba\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u02ca\u02cb"  # modifiers: primes, ayn, hamza
    "\u055a\u05f3\u07f4\u07f5\ua78b\ua78c"  # Armenian, Hebrew, N'Ko, saltillo
)
_SPELT_OUT = {
    letter: spelling
    for spelling, letters in (
        ("AE", "æÆ"),
        ("B", "ƀɃɓƁ"),
        ("C", "ƈƇȼȻ"),
        ("D", "đĐðÐɖƉɗƊ"),
        ("E", "əƏǝƎɛƐɇɆ"),
        ("F", "ƒƑ"),
        ("G", "ɠƓǥǤ"),
        ("H", "ħĦ"),
        ("I", "ıɨƗɩƖ"),
        ("J", "ɉɈȷ"),
        ("K", "ƙƘ"),
        ("L", "łŁƚȽ"),
        ("N", "ŋŊɲƝƞȠ"),
        ("O", "øØɔƆɵƟ"),
        ("OE", "œŒ"),
        ("P", "ƥƤ"),
        ("Q", "ĸ"),
        ("R", "ɍɌ"),
        ("SS", "ßẞ"),
        ("T", "ŧŦƭƬʈƮ"),
        ("TH", "þÞ"),
        ("U", "ʉɄ"),
        ("V", "ʋƲ"),
        ("Y", "ƴƳɏɎ"),
        ("Z", "ƶƵȥȤ"),
    )
    for letter in letters
}


TITLES = frozenset(
    """
    MR MRS MS MISS MX MISTER MSTR MESSRS MADAM DR DRS SIR PROF REV REVD REVEREND ESQ
    HERR FRAU MONSIEUR MADAME MADEMOISELLE MME MLLE SENOR SENORA SENORITA SRA SRTA SIGNOR SIGNORA DHR MEVR
    """.split()  # noqa: SIM905
)
"""Dropped when anything remains."""
DOUBTFUL_TITLES = frozenset(
    {
        "BARONESS",
        "BSC",
        "CAPT",
        "CBE",
        "CLLR",
        "DBE",
        "DPHIL",
        "KBE",
        "MBA",
        "MBE",
        "MSC",
        "OBE",
        "PHD",
        "DAME",
        "DOCTOR",
        "HON",
        "LADY",
        "LORD",
        "MASTER",
        "PROFESSOR",
    }
)
"""Names as well: dropped only when at least two words remain."""

_EXPECTED = "expected: NAME|YYYY-MM-DD"
_TATWEEL = "\u0640"
_LIKE_LATIN = frozenset({"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})
"""Scripts with letters that look like Latin ones."""


def _fold(character: str) -> str | None:
    if character in _APOSTROPHES or character == _TATWEEL:
        return None
    spelt = _SPELT_OUT.get(character)
    if spelt:
        return spelt
    category = unicodedata.category(character)
    if category[0] == "S" or (category == "Cc" and not character.isspace()):
        raise NormalisationError(
            "a sign that no name has: letters were lost on the way", "take the name from its source, as UTF-8"
        )
    return character if category[0] in "LMN" else " "


def _fold_ascii(code: int) -> str | None:
    character = chr(code)
    if character in _APOSTROPHES:
        return None
    return character if character.isalnum() else " "


_FOLD = CodePointTable(lambda character: _fold_ascii(ord(character)) if character.isascii() else _fold(character))
_FOLD_ASCII = str.maketrans({chr(code): _fold_ascii(code) for code in range(128)})
_LOST = re.compile(r"\?|%[0-9A-Fa-f]{2}|\\[ux][0-9A-Fa-f]{2}|&#?[A-Za-z0-9]+;?(?=[A-Za-z])|=[0-9A-F]{2}")
_NEVER_IN_NAMES = re.compile(r"[$%^=+<>~@#{}\\\u00a7\u00b6\u2020\u2021\u2030]")
"""Signs of templates, codes and other character sets; category S is refused where letters are folded."""
_ESCAPED = re.compile(r"\\(?=['\"])|(?<=')'")
_REMARK = re.compile(
    r"\[|\]|\((?:deceased|decd|minor|pep|closed|poa|joint|staff|alias|aka|a\.k\.a|dob|born)\b", re.IGNORECASE
)
_REMARK_WORD = re.compile(r"\b(?:deceased|a\.k\.a|f/k/a|t/a|c/o|n\u00e9e)\b", re.IGNORECASE)
_SMALL_WORD = re.compile(r"(?<=\S\s)(?:aka|nee|alias)(?=\s\S)")
"""Remarks between names that are surnames too, which nobody writes small beside others."""
_COMPANY = re.compile(r"\b(?:ltd|limited|plc|llp|llc|gmbh|pty)\b", re.IGNORECASE)
_DOCTORATE = re.compile(r"\bPh\.\s?D\b")
_AND = re.compile(r"&|\sand\s", re.IGNORECASE)
_BETWEEN_PERSONS = re.compile(r"[/;]")
_ANOTHER_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{4}")


def person(text: str, circumstances: Circumstances) -> Canonical:
    """Tokens of the name in order of code points, `|`, and the date of birth in ISO form."""
    name, bar, birth = text.rpartition("|")
    if not bar:
        refuse_word(text)
        raise NormalisationError("no date of birth", _EXPECTED)
    refuse_word(name)
    if not name.isalnum():
        name = _DOCTORATE.sub("PhD", _ESCAPED.sub("", name))
        _refuse_damaged(name)
    key = _name_key(name)
    if any(map(str.isdigit, key.split())):
        raise NormalisationError("a number beside the name", f"the name alone; {_EXPECTED}")
    if not any(character.isalpha() for character in key) or (len(key) == 1 and key.isascii()):
        raise NormalisationError("no name before the date of birth", _EXPECTED)
    born = birth_date(birth.strip(" \t\n'\""), circumstances.today())
    refuse_nobody(name, key, born)
    if TITLES.issuperset(key.split()):
        raise placeholder()
    return Canonical(IndicatorType.PERSON.value, f"{key}|{born}")


def _refuse_damaged(name: str) -> None:
    refuse_sheet_error(name.strip())
    refuse_formula(name.strip())
    if _AND.search(name) or sum(len(part.split()) > 1 for part in _BETWEEN_PERSONS.split(name)) > 1:
        raise NormalisationError("more than one person", f"one person a row; {_EXPECTED}")
    if _COMPANY.search(name):
        raise NormalisationError(
            "this looks like a company's name", "write company_number as its type, with its number"
        )
    if "|" in name:
        raise NormalisationError("more than one |", f"the name alone in front of it; {_EXPECTED}")
    is_small = not name.islower() and _SMALL_WORD.search(name)
    if _REMARK.search(name) or _REMARK_WORD.search(name) or is_small:
        raise NormalisationError("a remark beside the name", f"the name alone; {_EXPECTED}")
    if _LOST.search(name):
        raise NormalisationError(
            "a question mark or a code where a letter was lost", "take the name from its source, as UTF-8"
        )
    if _ANOTHER_DATE.search(name):
        raise NormalisationError("more than one date", "one person a row: NAME|YYYY-MM-DD")
    if _NEVER_IN_NAMES.search(name):
        raise NormalisationError("a sign that no name has", "take the name from its source")


def _name_key(name: str) -> str:
    if name.isascii():
        words = name.translate(_FOLD_ASCII).upper().split()
    else:
        folded = without_diacritics(name).translate(_FOLD).upper()
        words = unicodedata.normalize("NFC", folded).split()
        for word in words:
            _refuse_mixed_scripts(word)
    return " ".join(sorted(_without_titles(words)))


def _without_titles(words: list[str]) -> list[str]:
    if TITLES.isdisjoint(words) and DOUBTFUL_TITLES.isdisjoint(words):
        return words
    names = [word for word in words if word not in TITLES] or words
    certain = [word for word in names if word not in DOUBTFUL_TITLES]
    return certain if len(certain) > 1 else names


def _refuse_mixed_scripts(word: str) -> None:
    if word.isascii():
        return
    scripts = {unicodedata.name(character, "?").split()[0] for character in word if character.isalpha()}
    if "LATIN" in scripts and scripts & _LIKE_LATIN:
        raise NormalisationError(
            "letters of two scripts in one word: some look the same", "type the name again in one script"
        )
