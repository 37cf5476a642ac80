"""An alert: what its author writes (schemas/alerts/messages.py), and what the exchange adds to it. Values only: the
rules stand beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from schemas.alerts.messages import AlertContent
from schemas.terms import AlertState
from schemas.values.canonical import digest

READABLE = frozenset({AlertState.PUBLISHED, AlertState.SUPERSEDED, AlertState.WITHDRAWN, AlertState.EXPIRED})
"""The states in which an alert's audience can see it; before that, its own member alone."""


TAKEN_BACK = "This alert was withdrawn."
"""What stands in the place of what a withdrawn alert said."""


def content_fields(content: AlertContent) -> dict[str, object]:
    """As JSON, dates as text."""
    fields: dict[str, object] = msgspec.to_builtins(content)
    return fields


def content_sha256(content: AlertContent) -> bytes:
    """SHA-256, 32 bytes, of what the alert says, not to whom: a reader is shown its own groups only, and a digest over
    the others' would let it test a guess at them.
    """
    return digest({name: value for name, value in content_fields(content).items() if name != "audience"})


def taken_back(content: AlertContent) -> AlertContent:
    """What is left once the alert is withdrawn: how to handle it, its codes and dates, and no word of the rest."""
    return msgspec.structs.replace(
        content,
        title="Withdrawn",
        overview=TAKEN_BACK,
        red_flags=[],
        case_studies=[],
        requested_action="",
        body="",
        legal_gateway="",
        purpose="",
        sources=[],
        accounts=[],
        supersedes="",
    )


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
        return taken_back(self.content) if self.state is AlertState.WITHDRAWN else self.content

    def sha256_of(self, version: int) -> bytes:
        """SHA-256, 32 bytes, of what that version says or said, as the log tells of it. Only the last version of an
        alert can be its withdrawal; an earlier one may be disclosed to a reader after it.
        """
        return content_sha256(self.shown if version == self.version else self.content)
