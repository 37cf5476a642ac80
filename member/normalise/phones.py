"""Phone numbers: `+` and the digits of an international number (ITU-T E.164), by libphonenumber's tables.

With `+` or `00` in front the number counts as it stands if it can exist: its country code and its length are known. A
trunk prefix that was left in it (`+44 07…`, `+7 8 495…`) is dropped where the country does so. Without either, a number
is taken as international only if it is a valid one so and not also a number of the member's own country. No country is
ever guessed.
"""

from __future__ import annotations

import re
from functools import cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumber, PhoneNumberFormat

from member.normalise.circumstances import Circumstances
from member.normalise.numbers import refuse_scientific, without_decimals
from member.normalise.outcome import Canonical, NormalisationError
from member.normalise.placeholders import placeholder, refuse_word
from member.normalise.text import with_plain_hyphens
from schemas.terms import IndicatorType

_COMPACT = re.compile(r"\+[1-9][0-9]{6,14}")
_SCHEME = re.compile(r"(?:tel|phone|callto|sms|telephone|mobile|mob|fax)\s*[:.]\s*(?://)?\s*", re.IGNORECASE)
_EXTENSION = re.compile(
    r"\s*(?:;\s*(?:ext|isub)=|[;,]?\s*(?:ext|extn|extension|x|#)[.:\s]*)[0-9]{1,7}\Z", re.IGNORECASE
)
_TRUNK_ZERO = re.compile(r"[(\[]\s*0\s*[)\]]")
_SEPARATORS = re.compile(r"[\s./()\[\]-]+")
_DATE = re.compile(r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}|[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}")
_IP_ADDRESS = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})")
_SECOND_NUMBER = re.compile(r"(.*?[0-9])\s*/\s*([0-9]{1,4})(?:\s*/\s*[0-9]{1,4})*\Z")
_FILLED_IN = frozenset({"441234567890", "447123456789", "447000000000"})
"""British numbers that forms show as an example. Elsewhere figures in order are somebody's number."""
_SHORTEST, _LONGEST = 7, 15
_FEWEST_FILLERS = 6
_CURE = "write it with + and its country code, such as +44 20 7946 0123"


def phone(text: str, circumstances: Circumstances) -> Canonical:
    """`+` and the digits; a prefix `00`, a trunk prefix, `tel:` and an extension dropped.

    Spaces, dots, hyphens, slashes and brackets may separate.
    """
    if _COMPACT.fullmatch(text) and _is_plain(text[1:]):
        return Canonical(IndicatorType.PHONE.value, text)
    return Canonical(IndicatorType.PHONE.value, "+" + _digits(text, circumstances.country))


def _digits(text: str, country: str) -> str:
    refuse_word(text)
    refuse_scientific(text)
    if with_plain_hyphens(text).startswith("-"):
        raise NormalisationError("a minus sign in front", "export the column again as text")
    spelt = _SCHEME.sub("", with_plain_hyphens(text), count=1)
    spelt = _EXTENSION.sub("", without_decimals(spelt.strip()))
    if _DATE.fullmatch(spelt):
        raise NormalisationError("this looks like a date", _CURE)
    if _IP_ADDRESS.fullmatch(spelt):
        raise NormalisationError("this looks like an IP address", _CURE)
    if _TRUNK_ZERO.match(spelt):  # nothing before the trunk zero: a national number, whose country nobody has said
        raise _national()
    _refuse_second_number(spelt)
    with_trunk, without = (_SEPARATORS.sub("", _TRUNK_ZERO.sub(trunk, spelt)) for trunk in ("0", ""))
    if without.startswith("+"):
        return _international(with_trunk[1:], without[1:])
    if without.startswith("00"):
        return _international(with_trunk[2:], without[2:])
    _check(without)
    if with_trunk != without:  # 44 (0) 7911 …: only an international number is written so
        return _international(with_trunk, without)
    return _without_plus(without, country)


def _refuse_second_number(spelt: str) -> None:
    several = _SECOND_NUMBER.fullmatch(spelt)
    if several is None:
        return
    first = _SEPARATORS.sub("", _TRUNK_ZERO.sub("", several[1]))
    digits = first.removeprefix("+").removeprefix("00")
    if digits.isdigit() and not digits.startswith("0") and len(digits) <= _LONGEST:
        parsed = _parsed(digits)
        if parsed is not None and phonenumbers.is_possible_number(parsed):
            raise NormalisationError("two numbers, or the last digits of a second one", "one number a row")


def _check(digits: str) -> None:
    if any(character.isalpha() for character in digits):
        raise NormalisationError("letters in a phone number", "leave out words; an extension is written ext. 12")
    if digits and not (digits.isascii() and digits.isdigit()):
        raise NormalisationError(
            "a character that no phone number has", "one number a row: digits, +, spaces and . - / ( ) only"
        )
    if digits.startswith("0"):
        raise _national()
    if not _SHORTEST <= len(digits) <= _LONGEST:
        raise NormalisationError(
            f"{len(digits)} digits", f"expected: {_SHORTEST} to {_LONGEST} with the country code; one number a row"
        )


def _international(with_trunk: str, without: str) -> str:
    """The digits of a number that was written with + or 00; `with_trunk` keeps a zero in brackets, which is part of the
    number in a few countries (Italy).
    """
    _check(without)
    digits = _possible(without)
    if with_trunk != without:
        whole = _parsed(with_trunk)
        if whole is not None and whole.italian_leading_zero and phonenumbers.is_valid_number(whole):
            return with_trunk
    if digits is None:
        if _country_code(without) is None:
            raise NormalisationError("no country has this code", _CURE)
        raise NormalisationError(
            f"{len(without)} digits, which no number of its country has", "look for a missing digit or a second number"
        )
    return _unfilled(digits)


def _possible(digits: str) -> str | None:
    """The digits, without a trunk prefix that was left in; None if there is no such number. NormalisationError where a
    trunk prefix may stand and the number is valid neither with it nor without.
    """
    code = _country_code(digits)
    if code is None:
        return None
    lengths, trunk = _plan(code)
    national = digits[len(code) :]
    shorter = _without_trunk(code, trunk, national)
    is_whole = bool(shorter) and _is_valid(code, national)
    if not is_whole or national.startswith("0"):
        for bare in shorter:
            if _is_valid(code, bare):
                return code + bare
    if not is_whole and any(len(bare) in lengths for bare in shorter):
        for each in (national, *shorter):
            _unfilled(code + each)
        raise NormalisationError(
            "a trunk prefix behind the country code, and no valid number behind it",
            f"write the number as it is dialled from abroad, with +{code} and its area first",
        )
    return digits if len(national) in lengths else None


def _without_trunk(code: str, trunk: str | None, national: str) -> list[str]:
    """What remains of the number behind each trunk prefix that its country has, the longest first."""
    found = [trunk] if trunk and national.startswith(trunk) else []
    other = _other_trunks(code)
    matched = other.match(national) if other else None
    if matched and matched[0] not in found:
        found.append(matched[0])
    return [national[len(each) :] for each in sorted(found, key=len, reverse=True)]


@cache
def _other_trunks(code: str) -> re.Pattern[str] | None:
    """Prefixes that the tables know beside the usual one (`80` in Belarus), where nothing but a prefix is dropped."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)]
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(int(code), regions[0])
    prefixes = None if metadata is None else metadata.national_prefix_for_parsing
    if not prefixes or re.search(r"\((?!\?)", prefixes):
        return None
    return re.compile(prefixes)


def _without_plus(digits: str, country: str) -> str:
    """Digits without + or 00: international only if that is the one way to read them."""
    international = _possible(digits)
    code = _country_code(digits)
    if international is None or code is None or not _is_valid(code, international[len(code) :]):
        raise NormalisationError("no country code that fits", _CURE)
    if _may_be_national(digits, country):
        at_home = phonenumbers.parse(digits, country)
        read = phonenumbers.format_number(at_home, PhoneNumberFormat.E164)
        if phonenumbers.is_valid_number(at_home) and read != f"+{international}":
            raise NormalisationError(f"a number of {country} as well as one with its country code", _CURE)
    return _unfilled(international)


def _may_be_national(digits: str, country: str) -> bool:
    """True if a number of so many digits exists in the country, with its trunk prefix or without."""
    if not phonenumbers.country_code_for_region(country):
        return False
    lengths, trunk = _plan_of(PhoneMetadata.metadata_for_region(country))
    with_trunk = trunk is not None and digits.startswith(trunk) and len(digits) - len(trunk) in lengths
    return len(digits) in lengths or with_trunk


def _is_plain(digits: str) -> bool:
    """True for the many numbers that need no second look."""
    code = _country_code(digits)
    if code is None:
        return False
    lengths, trunk = _plan(code)
    national = digits[len(code) :]
    return (
        len(national) in lengths
        and not _without_trunk(code, trunk, national)
        and len(set(national)) > 1
        and digits not in _FILLED_IN
    )


def _unfilled(digits: str) -> str:
    """The digits. NormalisationError for one figure over and over behind the country code."""
    code = _country_code(digits) or ""
    national = digits[len(code) :]
    if (len(national) >= _FEWEST_FILLERS and len(set(national)) == 1) or digits in _FILLED_IN:
        raise placeholder()
    return digits


def _country_code(digits: str) -> str | None:
    for length in (1, 2, 3):
        if int(digits[:length] or 0) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            return digits[:length]
    return None


@cache
def _plan(code: str) -> tuple[frozenset[int], str | None]:
    """The lengths that a number behind this country code can have, and the country's trunk prefix."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)]
    return _plan_of(PhoneMetadata.metadata_for_region_or_calling_code(int(code), regions[0]))


def _plan_of(metadata: PhoneMetadata | None) -> tuple[frozenset[int], str | None]:
    described = None if metadata is None else metadata.general_desc
    if metadata is None or described is None:
        return frozenset(), None
    lengths = {*described.possible_length, *described.possible_length_local_only}
    return frozenset(length for length in lengths if length > 0), metadata.national_prefix


def _is_valid(code: str, national: str) -> bool:
    if not national:
        return False
    if national.startswith("0"):  # part of the number in Italy
        parsed = _parsed(code + national)
        return parsed is not None and bool(parsed.italian_leading_zero) and phonenumbers.is_valid_number(parsed)
    return phonenumbers.is_valid_number(PhoneNumber(country_code=int(code), national_number=int(national)))


def _parsed(digits: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse("+" + digits)
    except NumberParseException:
        return None


def _national() -> NormalisationError:
    return NormalisationError(
        "the number starts with 0", "write it with its country code: +44 20 ... instead of 020 ..."
    )
