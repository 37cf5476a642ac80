"""What a normalisation rule gives back: a canonical form, or a refusal with a reason and a hint."""

from __future__ import annotations

from dataclasses import dataclass, field


class NormalisationError(ValueError):
    """A value has no canonical form under rules n1.

    `reason` says what was found, `hint` (may be empty) what to write instead. Neither ever holds the value or a part
    of it, so that the error may be logged; the row report on the member's own machine carries the value beside it.
    """

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(f"{reason}; {hint}" if hint else reason)
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Canonical:
    """An indicator in its one form.

    `indicator_type` is the type after normalisation (a UK IBAN becomes a bank account).

    `canonical` is hidden from repr: it is the identifier itself.
    """

    indicator_type: str
    canonical: str = field(repr=False)
