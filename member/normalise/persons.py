"""Persons: `NAME|YYYY-MM-DD`.

The name, in this order: diacritics dropped (canonical decomposition, then every combining mark), apostrophes dropped,
special Latin letters spelt out (CLDR's Latin-ASCII table, and schwa as E after ICAO Doc 9303), other punctuation to
spaces, upper case, tokens sorted. Letters of other scripts are kept. So `O'NEILL, Anna-Lena` and `Anna Lena ONeill`
are one.

The date is a real, full date. `dd/mm/yyyy` is read in UK order; no other order is guessed.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from member.normalise.outcome import Canonical, NormalisationError
from member.normalise.text import CodePointTable
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


def _fold(character: str) -> str | None:
    if character in _APOSTROPHES or unicodedata.combining(character):
        return None
    spelt = _SPELT_OUT.get(character)
    if spelt:
        return spelt
    return character if unicodedata.category(character)[0] in "LMN" else " "


_FOLD = CodePointTable(_fold)
_FOLD_ASCII = str.maketrans({chr(code): _fold(chr(code)) for code in range(128)})
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UK_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")


def person(text: str) -> Canonical:
    """Tokens of the name in order of code points, `|`, and the date of birth in ISO form."""
    name, bar, birth = text.rpartition("|")
    if not bar:
        raise NormalisationError("no date of birth", "wanted: NAME|YYYY-MM-DD")
    key = _name_key(name)
    if not key:
        raise NormalisationError("no name before the date of birth", "wanted: NAME|YYYY-MM-DD")
    return Canonical(IndicatorType.PERSON.value, f"{key}|{_birth_date(birth.strip())}")


def _name_key(name: str) -> str:
    if name.isascii():
        return " ".join(sorted(name.translate(_FOLD_ASCII).upper().split()))
    folded = unicodedata.normalize("NFD", name).translate(_FOLD).upper()
    return " ".join(sorted(unicodedata.normalize("NFC", folded).split()))


def _birth_date(text: str) -> str:
    try:
        if _ISO_DATE.fullmatch(text):
            return date.fromisoformat(text).isoformat()
        united_kingdom = _UK_DATE.fullmatch(text)
        if united_kingdom:
            day, month, year = (int(part) for part in united_kingdom.groups())
            return date(year, month, day).isoformat()
    except ValueError:
        raise NormalisationError(
            "an impossible or incomplete date of birth", "a full date is wanted: YYYY-MM-DD"
        ) from None
    raise NormalisationError("no full date of birth", "wanted: NAME|YYYY-MM-DD (or dd/mm/yyyy)")
