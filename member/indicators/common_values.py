"""Rows kept back because their value is too common to mean anything: the shipped list, and the member's own additions.

A member's own stand in `common_values.csv` in its home, a file as for `submit`: indicator_type, value, and a reason
that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from member.errors import MemberError
from member.indicators.intake import Accepted, read_normalised
from member.normalise.circumstances import Circumstances
from member.normalise.common import COMMON, LISTED_ON
from member.tables.reading import FileRefusedError

OWN_FILE = "common_values.csv"
_LISTS_IT = "--include-common lists it all the same"


def common_values(home: Path, circumstances: Circumstances) -> Mapping[tuple[str, str], str]:
    """Why a row is left out, by type and canonical form. MemberError for a list of the member's own with a fault."""
    reasons = {form: f"too common ({reason}; list of {LISTED_ON}): {_LISTS_IT}" for form, reason in COMMON.items()}
    path = home / OWN_FILE
    if path.exists():
        reasons |= _own(path, circumstances)
    return reasons


def _own(path: Path, circumstances: Circumstances) -> dict[tuple[str, str], str]:
    own = {}
    try:
        for row in read_normalised(path, circumstances):
            if not isinstance(row, Accepted):
                raise MemberError(f"{OWN_FILE}: line {row.line}: {row.reason}", "mend the list", slug="file_refused")
            shown = f"; {row.row.reason}" if row.row.reason else ""
            form = row.canonical.indicator_type, row.canonical.canonical
            own[form] = f"too common (this member's own list{shown}): {_LISTS_IT}"
    except FileRefusedError as error:
        raise MemberError(f"{OWN_FILE}: {error.found}", error.wanted, slug="file_refused") from error
    return own
