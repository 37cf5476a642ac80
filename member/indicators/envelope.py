"""The envelope of a submission: what is asked for on the command line, completed from the home's defaults.

Nothing that decides about lawfulness is made up here: group, legal gateway, purpose, theme and expiry must come from a
person, once as a default or each time. The rest has cautious values that a default or an option replaces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path

from member.errors import USAGE_ERROR, MemberError, UsageError, quoted
from member.identity.home import COUNTRY, REJECTED_DAYS
from member.inputs import InputError, read_day
from member.normalise.countries import COUNTRIES
from member.tables.column_map import read_column_map
from member.tables.csv_faults import FileRefusedError
from schemas.submissions import SubmissionEnvelope
from schemas.terms import (
    NORMALISATION,
    CaseType,
    Classification,
    EvidenceStandard,
    Handling,
    IntelligenceAssessment,
    LegalGateway,
    SourceEvaluation,
    SubjectRole,
    Theme,
    TrafficLight,
)
from schemas.values.tipping_off import find_tipping_off

_MAX_TEXT_CHARS = 2000
_MAX_DAYS = 3660
_MAX_DAYS_DIGITS = 4


@dataclass(frozen=True)
class Setting:
    """One value an envelope can be given: its code list if it has one, its cautious value if it has one."""

    codes: type[StrEnum] | None = None
    cautious: str | None = None


SETTINGS: Mapping[str, Setting] = {
    "group": Setting(),
    "legal_gateway": Setting(LegalGateway),
    "purpose": Setting(),
    "theme": Setting(Theme),
    "expires_days": Setting(),
    "review_days": Setting(),
    "case_type": Setting(CaseType, CaseType.MISUSE_OF_FACILITY),
    "subject_role": Setting(SubjectRole, SubjectRole.SUSPECT),
    "evidence_standard": Setting(EvidenceStandard, EvidenceStandard.SUSPICION),
    "source_evaluation": Setting(SourceEvaluation, SourceEvaluation.UNTESTED),
    "intelligence_assessment": Setting(IntelligenceAssessment, IntelligenceAssessment.NOT_KNOWN),
    "handling": Setting(Handling, Handling.PERMITTED),
    "conditions": Setting(None, ""),
    "classification": Setting(Classification, Classification.OFFICIAL_SENSITIVE),
    "tlp": Setting(TrafficLight, TrafficLight.AMBER),
    "red_flags": Setting(None, ""),
}
CONTACT = "contact"
"""The desk that answers questions: named in answers to requests where a row names no other. Part of no envelope."""
MAP = "map"
"""The file with the names of one's own columns, which `submit` reads. Part of no envelope."""
STATEMENTS: Mapping[str, Setting] = {
    "necessity": Setting(),
    "proportionality": Setting(),
}
"""What a law-enforcement query states beside its purpose. Part of no envelope either."""
_DAYS = ("expires_days", "review_days")


class MissingSettingError(MemberError):
    """A value that only a person can give is missing; exit code 2, since the call can be mended."""

    slug = "missing_setting"
    exit_code = USAGE_ERROR

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(f"not given, and without a default: {', '.join(missing)}", missing=list(missing))
        self.missing = missing


def check_setting(name: str, value: str) -> str:
    """The value of a default, checked. UsageError for unknown names, InputError for unknown codes, for lengths, and for
    text that speaks of a suspicious activity report.
    """
    setting = {
        **SETTINGS,
        **STATEMENTS,
        CONTACT: Setting(),
        COUNTRY: Setting(),
        MAP: Setting(),
        REJECTED_DAYS: Setting(),
    }.get(name)
    if setting is None:
        known = ", ".join([*SETTINGS, *STATEMENTS, CONTACT, COUNTRY, MAP, REJECTED_DAYS])
        raise UsageError(f"there is no default called {name}", f"known: {known}")
    if setting.codes is not None and value not in set(setting.codes):
        raise InputError(name, f"{quoted(value)} is not known", "one of: " + ", ".join(setting.codes))
    if name == MAP:
        return _checked_map(value)
    if name == COUNTRY:
        value = value.strip().upper()
        if value not in COUNTRIES:
            raise InputError(name, f"{quoted(value)} is not a country", "an ISO 3166-1 code: GB, IE, US …")
    if name in (*_DAYS, REJECTED_DAYS) and not _is_number_of_days(value):
        raise InputError(name, f"{quoted(value)} is not a number of days", f"1 to {_MAX_DAYS}")
    if len(value) > _MAX_TEXT_CHARS:
        raise InputError(name, f"{len(value):,} characters", f"at most {_MAX_TEXT_CHARS:,}")
    if not value.isprintable():
        raise InputError(name, "it has a character that nobody sees", "printable text in one line")
    found = find_tipping_off(value) if setting.codes is None else None
    if found is not None:
        hint = "nothing that reveals a suspicious activity report may be disclosed"
        raise InputError(name, f"it speaks of: {found}", hint)
    return value


def _checked_map(value: str) -> str:
    path = Path(value).absolute()
    try:
        read_column_map(path)
    except FileRefusedError as error:
        raise InputError(MAP, error.found, error.wanted) from error
    return str(path)


def _is_number_of_days(value: str) -> bool:
    is_number = value.isascii() and value.isdigit() and len(value) <= _MAX_DAYS_DIGITS
    return is_number and 1 <= int(value) <= _MAX_DAYS


@dataclass(frozen=True)
class Terms:
    """The envelope as asked for: dates still relative, so that the same call a day later names the same upload."""

    values: Mapping[str, str]
    expires: date | None

    def description(self) -> dict[str, object]:
        """What tells one upload of a file from another under other terms."""
        return {"values": dict(self.values), "expires": None if self.expires is None else self.expires.isoformat()}


def read_terms(given: Mapping[str, str | None], defaults: Mapping[str, str], expires: str | None) -> Terms:
    """What the command line gives, else the defaults, else the cautious value.

    Raises MissingSettingError naming what is missing, UsageError for a value that no envelope may have.
    """
    values = {}
    for name, setting in SETTINGS.items():
        value = given.get(name)
        value = defaults.get(name, setting.cautious) if value is None else value
        if value is not None:
            values[name] = check_setting(name, str(value))
    expires_on = None if expires is None else read_day("expires", expires)
    wanted = ["group", "legal_gateway", "purpose", "theme", *(["expires_days"] if expires_on is None else [])]
    missing = [name for name in wanted if not values.get(name, "").strip()]
    if missing:
        raise MissingSettingError(missing)
    return Terms(values, expires_on)


def fill_envelope(terms: Terms, epoch: int, today: Callable[[], date]) -> SubmissionEnvelope:
    """The envelope on the wire, dates reckoned from `today`; the review falls half-way unless it is set."""
    values = terms.values
    start = today()
    expires_on = terms.expires or start + timedelta(days=int(values["expires_days"]))
    if expires_on <= start:
        raise InputError("expires", f"{expires_on.isoformat()} has passed", "a day after today")
    half_way = start + (expires_on - start) / 2
    review_by = (
        min(expires_on, start + timedelta(days=int(values["review_days"]))) if "review_days" in values else half_way
    )
    names = [name for name in SETTINGS if name not in {*_DAYS, "red_flags"}]
    return SubmissionEnvelope(
        epoch=epoch,
        normalisation=NORMALISATION,
        **{name: values[name] for name in names},
        red_flags=[flag.strip() for flag in values.get("red_flags", "").split(",") if flag.strip()],
        review_by=review_by,
        expires_on=expires_on,
    )
