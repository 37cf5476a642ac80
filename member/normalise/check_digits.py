"""Check digits of ISO 7064 MOD 97-10 that are right by the sum and yet no code's own: ISO 13616 (IBAN) and ISO 17442
(LEI) take 98 less a remainder, which gives 02 to 98. The others would be a second form of the same account or entity.
"""

from __future__ import annotations

from member.normalise.outcome import NormalisationError

_SECOND_FORMS = {"00": "97", "01": "98", "99": "02"}


def refuse_second_form(check_digits: str, code: str, owner: str) -> None:
    """NormalisationError for check digits 00, 01 and 99; `code` is the word for what has them, `owner` whose it is."""
    right = _SECOND_FORMS.get(check_digits)
    if right:
        raise NormalisationError(
            f"no {code} has {check_digits} as its check digits", f"this {owner}'s are {right}; look it up in its source"
        )
