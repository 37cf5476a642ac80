"""An alert: what its author writes, and what the exchange adds to it. Values only: the rules stand beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from schemas.terms import AlertState
from schemas.values.canonical import digest

READABLE = frozenset({AlertState.PUBLISHED, AlertState.SUPERSEDED, AlertState.WITHDRAWN, AlertState.EXPIRED})
"""The states in which an alert's audience can see it; before that, its own member alone."""


TAKEN_BACK = "This alert was withdrawn."
"""What stands in the place of what a withdrawn alert said."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom an alert is addressed to: active members of at least one of the sharing `groups` (one or more) that are of
    one of the `kinds` (none means every kind). Both are sorted and without repetition.
    """

    groups: tuple[str, ...]
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseStudy:
    """An example of what happened; `text` is Markdown."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """What an alert draws on. An alert's TLP is at least as strict as that of each source."""

    reference: str
    tlp: str


@dataclass(frozen=True, slots=True)
class PublishedAccount:
    """An account that the author chose to name. `sort_code` has 6 digits and `account_number` 8 for a UK account, both
    empty else; `iban` is always there (upper case, no blanks); `bic` may be empty.
    """

    iban: str
    sort_code: str = ""
    account_number: str = ""
    bic: str = ""


@dataclass(frozen=True, slots=True)
class AlertContent:
    """What the author writes. Codes are those of schemas/terms.py; `overview`, the texts of case studies,
    `requested_action` and `body` are Markdown (CommonMark without HTML), the rest is plain text. `theme` is a
    schemas.terms.Theme, `supersedes` the reference of the alert that this one takes the place of, or empty.
    """

    title: str
    colour: str
    classification: str
    tlp: str
    conditions: str
    theme: str
    audience: Audience
    overview: str
    red_flags: tuple[str, ...]
    case_studies: tuple[CaseStudy, ...]
    requested_action: str
    body: str
    legal_gateway: str
    purpose: str
    sources: tuple[Source, ...]
    accounts: tuple[PublishedAccount, ...]
    supersedes: str
    review_by: date
    expires_on: date

    def as_fields(self) -> dict[str, Any]:
        """As JSON, dates as text."""
        fields = asdict(self)
        return fields | {"review_by": self.review_by.isoformat(), "expires_on": self.expires_on.isoformat()}

    @property
    def sha256(self) -> bytes:
        """SHA-256, 32 bytes, of what the alert says, not to whom: a reader is shown its own groups only, and a digest
        over the others' would let it test a guess at them.
        """
        return digest({name: value for name, value in self.as_fields().items() if name != "audience"})

    def taken_back(self) -> AlertContent:
        """What is left once the alert is withdrawn: how to handle it, its codes and dates, and no word of the rest."""
        return replace(
            self,
            title="Withdrawn",
            overview=TAKEN_BACK,
            red_flags=(),
            case_studies=(),
            requested_action="",
            body="",
            legal_gateway="",
            purpose="",
            sources=(),
            accounts=(),
            supersedes="",
        )

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> AlertContent:
        """The inverse of `as_fields`."""
        audience = fields["audience"]
        made = {
            "audience": Audience(tuple(audience["groups"]), tuple(audience["kinds"])),
            "red_flags": tuple(fields["red_flags"]),
            "case_studies": tuple(CaseStudy(**one) for one in fields["case_studies"]),
            "sources": tuple(Source(**one) for one in fields["sources"]),
            "accounts": tuple(PublishedAccount(**one) for one in fields["accounts"]),
            "review_by": date.fromisoformat(fields["review_by"]),
            "expires_on": date.fromisoformat(fields["expires_on"]),
        }
        return cls(**{**fields, **made})


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert at one version. `reference` is NNNN- and the issuing member's id in capitals (NNNN-NECC); `member_id` is
    that member, `issuer` its name as the registrars stated it when the alert was drafted; `version` is 0 until
    publication, then 1, and rises with every change that readers see; `modified_at` is the time of the present version,
    later than that of the one before.
    `reason` says why it was withdrawn, `superseded_by` the reference of what took its place; both may be empty.
    Times are aware UTC, cut to milliseconds.
    """

    alert_id: str
    stix_id: str
    reference: str
    member_id: str
    issuer: str
    state: AlertState
    version: int
    content: AlertContent
    created_at: datetime
    modified_at: datetime
    published_at: datetime | None = None
    reason: str = ""
    superseded_by: str = ""

    @property
    def shown(self) -> AlertContent:
        """What a reader is shown of the present version."""
        return self.content.taken_back() if self.state is AlertState.WITHDRAWN else self.content

    def sha256_of(self, version: int) -> bytes:
        """SHA-256, 32 bytes, of what that version says or said, as the log tells of it. Only the last version of an
        alert can be its withdrawal; a reader may be told of an earlier one after it.
        """
        return (self.shown if version == self.version else self.content).sha256
