"""What an alert says to whoever reads it, in order: its handling caveat, what to do about it, and on what it rests.

Nothing is laid out here, and nothing made printable: each face does both in its own way. The caveat stands first and
last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from member.alerts.client import ReadAlert
from member.plain import to_second
from schemas.alerts.messages import AlertContent, PublishedAccount
from schemas.rendering.words import in_words, label
from schemas.terms import AlertState, TrafficLight

MAY_BE_SHARED = {
    TrafficLight.RED: "for the eyes of those it was sent to only: no further disclosure",
    TrafficLight.AMBER_STRICT: "within your organisation only, as far as people need to know",
    TrafficLight.AMBER: "within your organisation and with its clients, as far as people need to know",
    TrafficLight.GREEN: "within the community: not through channels open to the public",
    TrafficLight.CLEAR: "without limit",
}
"""What a reader may do with an alert: the definitions of TLP 2.0 (FIRST), in short."""

_ENDED = {
    AlertState.SUPERSEDED: "Superseded by {superseded_by}: act on that one.",
    AlertState.WITHDRAWN: "Withdrawn: act on it no longer. {reason}",
    AlertState.EXPIRED: "Expired: no longer in force.",
}


@dataclass(frozen=True)
class PageSection:
    """One heading, and what stands under it: a text in Markdown, red flags in their order, or accounts."""

    title: str
    markdown: str = ""
    red_flags: Sequence[str] = ()
    accounts: Sequence[PublishedAccount] = ()


@dataclass(frozen=True)
class AlertPage:
    """An alert to be read. `ended` says that it is in force no longer, and what then; None while it is."""

    caveat: str
    heading: str
    ended: str | None
    facts: Sequence[tuple[str, str]]
    sections: Sequence[PageSection]


def page_of(alert: ReadAlert) -> AlertPage:
    """The whole alert. Of facts and sections those that say something."""
    content = alert.content
    sections = [one for one in _sections(content) if one.markdown.strip() or one.red_flags or one.accounts]
    facts = [(name, fact) for name, fact in _facts(alert) if fact]
    return AlertPage(caveat_of(content), f"{alert.reference}   {content.title}", _ended(alert), facts, sections)


def caveat_of(content: AlertContent) -> str:
    """How the alert may be handled, in one line."""
    shared = MAY_BE_SHARED.get(TrafficLight(content.tlp), "") if content.tlp in set(TrafficLight) else ""
    return f"{content.classification} · TLP:{content.tlp} · {shared}"


def _ended(alert: ReadAlert) -> str | None:
    said = _ENDED.get(AlertState(alert.state)) if alert.state in set(AlertState) else None
    return None if said is None else said.format(superseded_by=alert.superseded_by, reason=alert.reason)


def _facts(alert: ReadAlert) -> Iterator[tuple[str, str]]:
    content = alert.content
    yield "Colour", label(content.colour)
    yield "State", f"{label(alert.state)}, version {alert.version}"
    yield "Issued by", alert.issuer
    yield "Published", to_second(alert.published_at or "")
    yield "Theme", label(content.theme)
    yield "Addressed to", ", ".join([*content.audience.groups, *map(in_words, content.audience.kinds)])
    yield "Conditions", content.conditions
    yield "Legal gateway", in_words(content.legal_gateway)
    yield "Purpose", content.purpose
    yield "Sources", ", ".join(f"{source.reference} (TLP:{source.tlp})" for source in content.sources)
    yield "Supersedes", content.supersedes
    yield "Review by", content.review_by.isoformat()
    yield "Expires", content.expires_on.isoformat()


def _sections(content: AlertContent) -> Iterator[PageSection]:
    yield PageSection("Overview", content.overview)
    yield PageSection("Red flags", red_flags=content.red_flags)
    for study in content.case_studies:
        yield PageSection(f"Case study: {study.title}", study.text)
    yield PageSection("What is asked of you", content.requested_action)
    yield PageSection("More", content.body)
    yield PageSection("Accounts", accounts=content.accounts)
