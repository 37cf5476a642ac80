"""Words that would tell of a suspicious activity report. Standard library only; used where text is written and where it
is taken.

To reveal that such a report was made, or that consent was asked for, is an offence (tipping off: Proceeds of Crime Act
2002, section 333A; Terrorism Act 2000, section 21D). This is a guard against slips of the pen: it knows the trade's
words, not every way to say a thing, and no list stops one who means to get round it.
"""

from __future__ import annotations

import re
import unicodedata

_GAP = r"[\s.\-_/]{0,3}"
_FEW_WORDS = r"(?:\w+\s+){0,3}"
_OFFICER = r"(?<!\w)(?:mlro|nominated\s+officer)"
_REPORTED_TO = r"(?:nca|national\s+crime\s+agency|fiu|mlro|nominated\s+officer)"
_FILED = r"(?:been\s+)?(?:filed|made|submitted|raised|filing|submitting)"
_PLACES = re.compile(r"(?:hong\s+kong|macau|macao)\s+sar(?!\w)", re.IGNORECASE)
"""Special administrative regions, which are no reports."""
_WORDS = {
    "SAR": rf"(?<!\w)s{_GAP}a{_GAP}r(?:{_GAP}'?s)?(?!\w)",
    "suspicious activity report": rf"suspicious{_GAP}(?:activity|transaction|order){_GAP}report",
    "DAML": rf"(?<!\w)d{_GAP}a{_GAP}m{_GAP}l(?:{_GAP}'?s)?(?!\w)",
    "DATF": r"(?<!\w)datfs?(?!\w)",
    "defence against money laundering": r"defen[cs]e\s+against\s+(?:a\s+)?(?:money|terrorist)",
    "consent regime": r"(?:appropriate|deemed|nca|ukfiu)\s+consent|consent\s+(?:regime|request|application)",
    "moratorium": r"moratorium\s+(?:period|extension)",
    "authorised disclosure": r"(?:authorised|protected)\s+disclosure",
    "required disclosure": r"required\s+disclosure\s+(?:was|has|had|to\s+the\s+(?:nca|mlro))(?!\w)",
    "a report to the NCA": rf"report(?:ed|s|ing)?\s+{_FEW_WORDS}to\s+(?:the\s+|our\s+)?{_REPORTED_TO}(?!\w)",
    "a report by the MLRO": rf"{_OFFICER}\s+(?:has\s+|have\s+|had\s+)?(?:reported|filed|disclosed|submitted)(?!\w)",
    "STR": rf"(?:{_FILED}\s+(?:an?\s+|the\s+)?strs?|(?<!\w)strs?\s+(?:was|were|is|are|has|have)\s+{_FILED})(?!\w)",
    "UKFIU": r"(?<!\w)ukfiu(?!\w)",
    "goAML": rf"(?<!\w)go{_GAP}aml(?!\w)",
}
_PATTERNS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _WORDS.items()}


def find_tipping_off(text: str) -> str | None:
    """The name of the first thing in the text that speaks of such a report, None if nothing does.

    Compatibility forms count as what they look like (NFKC), and signs that show nothing do not count.
    """
    shown = "".join(
        sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) not in ("Cf", "Mn")
    )
    without_places = _PLACES.sub("", shown)
    return next((name for name, pattern in _PATTERNS.items() if pattern.search(without_places)), None)
