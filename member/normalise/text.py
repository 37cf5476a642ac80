"""What every value gets before the rule of its type (rules n1, in this order).

1. HTML entities (`&#39;`, `&amp;`) as the characters that they stand for.
2. Text that was decoded with the wrong character set, and U+FFFD, are refused: letters are lost.
3. Unicode NFKC, but an acute accent that stands alone is an apostrophe.
4. Format characters (category Cf: zero-width, bidirectional marks, byte order mark, soft hyphen) and other signs that
   are not seen (variation selectors, the grapheme joiner) removed; fillers that show as a blank are spaces.
5. Any decimal digit (category Nd) to its ASCII digit.
6. Control characters other than white space are refused, and characters that have no meaning outside one program.
7. Outer white space trimmed, and what spreadsheets and typists put around a cell undone: a leading apostrophe or `=`,
   `="…"`, surrounding quotes, a final `;` or `,`. A spreadsheet's own error (`#N/A`) and a formula are refused.

A plain ASCII value passes 2 to 5 unchanged, so it takes a short way.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from member.normalise.outcome import NormalisationError


class CodePointTable(dict[int, str | None]):
    """A table for str.translate that works each code point out once, when it is first met."""

    def __init__(self, rule: Callable[[str], str | None]) -> None:
        super().__init__()
        self._rule = rule

    def __missing__(self, code_point: int) -> str | None:
        replacement = self[code_point] = self._rule(chr(code_point))
        return replacement


_UNSEEN = frozenset(
    map(chr, (0x034F, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
"""Signs without a shape that are not of category Cf: joiners, variation selectors (Unicode, Default_Ignorable)."""
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Fillers that show as a blank."""


def _plain(character: str) -> str | None:
    category = unicodedata.category(character)
    if category == "Cf" or character in _UNSEEN:
        return None
    if character in _BLANKS:
        return " "
    if category in ("Co", "Cn") or character == "\ufffc":
        raise NormalisationError("a character that only its own program can show", "take the value from its source")
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Cs":
        raise NormalisationError("a lone surrogate is not a character", "save the text again as UTF-8")
    return character


_PLAIN = CodePointTable(_plain)

_HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
"""Dashes that word processors put where a hyphen was typed."""

_MARKS_BESIDE_LETTERS = frozenset("\u2018\u2019\u201a\u201c\u201d\u201e\u2010\u2011\u2012\u2013\u2014\u00b4\u00a0")
_ACCENTS_ALONE = str.maketrans(dict.fromkeys("\u00b4\u0384\u1fbd\u1fbf\u1ffd\u1ffe", "'"))
"""Acute accents and breathings typed as apostrophes; NFKC makes a space and a combining mark of them."""

_SCRIPTS_WITH_DIACRITICS = frozenset({"LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW", "MODIFIER"})
_VOICED_ALONE = re.compile(r" ([\u3099\u309a])")
"""NFKC puts a space in front of a Japanese voicing mark that stands alone; it belongs to the kana before it."""

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ENTITY_LEVELS = 3  # `&amp;#39;`: text that went through a web page twice

_CONTROLS = re.compile("[\\x00-\\x08\\x0e-\\x1b\\x7f-\\x84\\x86-\\x9f]")
_LEFT_OUT = re.compile(r"\*\*|\.\.\.|\.\.\Z|[\u2022\u25cf\u2588]")
"""Stars, bullets and dots by which systems hide or cut a value."""

_FORMULA = re.compile(
    r"[=+@-]\s*(?:[A-Z][A-Z0-9._]*\(|(?:[\w' ]+!)?\$?[A-Z]{1,3}\$?[0-9]{1,7}(?=[\s&+*/,;:|)!^<>-]|\Z))", re.IGNORECASE
)

_HIGH_BYTES = "\u0080-\u00ff\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122"
_DOUBLY_DECODED = re.compile(f"[\u00c2-\u00f4][{_HIGH_BYTES}]|[\u0400-\u045f][\u0080-\u00bf\u0400-\u045f\u2013-\u2122]")
_HIGH_RUN = re.compile(r"[^\x00-\x7f]{2,}")
_WRONG_CHARACTER_SETS = ("cp1252", "cp1251")

_SHEET_ERRORS = re.compile(
    r"(?:#(?:N/?[A-Z]\b.*|[^\W\d_\u00a1\u00bf][\w/ ]{0,14}\s?[!?]|[\u00a1\u00bf].*|GETTING_DATA|#+)|Err:[0-9]{3})\Z",
    re.I,
)
_MAY_WRAP = frozenset("'\"=;,\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb`")
_QUOTES = {
    '"': '"',
    "'": "'",
    "`": "`",
    "\u201c": "\u201d",
    "\u201e": "\u201c\u201d",
    "\u201d": "\u201d",
    "\u2018": "\u2019",
    "\u201a": "\u2018\u2019",
    "\u2019": "\u2019",
    "\u00ab": "\u00bb",
    "\u00bb": "\u00ab",
}


def clean(value: str) -> str:
    """The value after the steps above. NormalisationError for a lone surrogate, which has no UTF-8 form, and for text
    that was damaged on its way.
    """
    if "&" in value:
        value = _without_entities(value)
    if _CONTROLS.search(value):
        raise NormalisationError(
            "a control character where a letter was lost", "take the value from its source, as UTF-8"
        )
    if value.isascii():
        text = value.strip()
    else:
        _refuse_lost_letters(value)
        composed = unicodedata.normalize("NFKC", value.translate(_ACCENTS_ALONE))
        text = composed.translate(_PLAIN).strip()
    if text and (text[0] in _MAY_WRAP or text[-1] in _MAY_WRAP):
        text = _unwrapped(text)
    refuse_sheet_error(text)
    return text


def without_diacritics(text: str) -> str:
    """Without the marks on letters of the scripts that are written with them and without; canonically decomposed. In
    any other script (kana, Thai, Devanagari) a mark makes another letter, so it stays.
    """
    kept, loses_marks = [], True
    for character in unicodedata.normalize("NFD", _VOICED_ALONE.sub(r"\1", text)):
        if not unicodedata.combining(character):
            loses_marks = _loses_marks(character)
        elif loses_marks:
            continue
        kept.append(character)
    return "".join(kept)


@lru_cache(maxsize=4096)
def _loses_marks(character: str) -> bool:
    if unicodedata.category(character)[0] not in "LM":
        return True
    return unicodedata.name(character, "?").split()[0] in _SCRIPTS_WITH_DIACRITICS


def refuse_left_out(text: str) -> None:
    """NormalisationError for a value that was hidden in part (`****5678`) or cut (`+44 7700 900...`)."""
    if _LEFT_OUT.search(text):
        raise NormalisationError("stars or dots where something was left out", "take the whole value from its source")


def refuse_sheet_error(text: str) -> None:
    """NormalisationError for what a spreadsheet shows where it has no result (`#N/A`, `#BEZUG!`, `Err:502`)."""
    if text[:1] in ("#", "E") and _SHEET_ERRORS.match(text):
        raise NormalisationError("a spreadsheet's error, not a value", "look the value up in its source")


def refuse_formula(text: str) -> None:
    """NormalisationError for a formula (`=A2&B2`, `=VLOOKUP(…)`, `+A2`), whose result was not saved."""
    if text[:1] in ("=", "+", "-", "@") and _FORMULA.match(text):
        raise NormalisationError("a spreadsheet's formula, not its result", "export the column again as values")


def with_plain_hyphens(text: str) -> str:
    """Typographic dashes as the ASCII hyphen, for the types in which a hyphen only separates."""
    return text if text.isascii() else text.translate(_HYPHENS)


def _without_entities(value: str) -> str:
    for _ in range(_ENTITY_LEVELS):
        plain = _ENTITY.sub(lambda entity: html.unescape(entity[0]), value)
        if plain == value:
            break
        value = plain
    return value


def _unwrapped(text: str) -> str:
    """Every step shortens the text, so it ends; doing it again changes nothing."""
    while text:
        refuse_formula(text)
        if len(text) > 1 and text[-1] in _QUOTES.get(text[0], ""):
            bare = text[1:-1]
        elif text[0] in "='`\u2018\u2019":
            bare = text[1:]
        elif text[-1] in ";,":
            bare = text[:-1]
        else:
            break
        text = bare.strip()
    return text


def _refuse_lost_letters(value: str) -> None:
    if "\ufffd" in value:
        raise NormalisationError(
            "the sign for a letter that was lost (U+FFFD)", "take the value from its source, as UTF-8"
        )
    if _DOUBLY_DECODED.search(value) and (
        any(_was_utf8(value, wrong) for wrong in _WRONG_CHARACTER_SETS)
        or any(_hides_letters(run[0]) for run in _HIGH_RUN.finditer(value))
    ):
        raise NormalisationError(
            "text that was read with the wrong character set: accented letters stand as two signs",
            "export it again as UTF-8",
        )


def _was_utf8(value: str, character_set: str) -> bool:
    """True if these characters are the bytes of UTF-8 text, read one by one, and that text makes sense."""
    try:
        meant = b"".join(_byte(character, character_set) for character in value).decode("utf-8")
    except UnicodeError:
        return False
    lost = [character for character in meant if not character.isascii()]
    scripts = {unicodedata.name(character, "?").split()[0] for character in meant if character.isalpha()}
    return bool(lost) and len(scripts) <= 1 and not any(unicodedata.category(character)[0] == "C" for character in lost)


def _hides_letters(run: str) -> bool:
    """True if neighbours outside ASCII are the bytes of letters or of marks that stand beside letters; so a value is
    found out of which one part was read rightly and one wrongly.
    """
    try:
        meant = b"".join(_byte(character, "cp1252") for character in run).decode("utf-8")
    except UnicodeError:
        return False
    return all(unicodedata.category(each)[0] == "L" or each in _MARKS_BESIDE_LETTERS for each in meant)


def _byte(character: str, character_set: str) -> bytes:
    try:
        return character.encode(character_set)
    except UnicodeEncodeError:
        return character.encode("latin-1")  # the few bytes that the set leaves undefined
