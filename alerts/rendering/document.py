"""What stands in an alert as a person reads it, in order: the page and the PDF only set it.

Nothing here tells of the audience: a reader learns that it is addressed, not who else is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from alerts.domain.alert import Alert
from exchange.gateways.rules import RULES
from schemas.alerts.messages import AlertContent, CaseStudy, PublishedAccount
from schemas.rendering.words import label
from schemas.terms import AlertState, LegalGateway

COLOURS = {
    "red": "Red alert: a specific or immediate threat",
    "amber": "Amber alert: complements existing knowledge",
    "green": "Green alert: background",
}

TRAFFIC_LIGHTS = {
    "RED": "For the eyes and ears of individual recipients only; no further disclosure.",
    "AMBER+STRICT": "Recipients may share it on a need-to-know basis within their own organisation only.",
    "AMBER": "Recipients may share it on a need-to-know basis within their own organisation and with its clients.",
    "GREEN": "Recipients may share it within their community, but not over publicly accessible channels.",
    "CLEAR": "Recipients may share it without restriction, subject to copyright.",
}
"""What each light allows, after FIRST's Traffic Light Protocol 2.0."""


@dataclass(frozen=True, slots=True)
class Caution:
    """That an alert no longer holds: a word for the banner, and a sentence with what to do about it."""

    word: str
    detail: str


@dataclass(frozen=True, slots=True)
class MarkdownText:
    """Markdown."""

    text: str


@dataclass(frozen=True, slots=True)
class Numbered:
    """Points of plain text, to be numbered."""

    points: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cases:
    """Case studies."""

    cases: tuple[CaseStudy, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Plain text in rows below a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, both plain text."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One heading and what stands below it."""

    heading: str
    block: MarkdownText | Numbered | Cases | Table | Facts


@dataclass(frozen=True, slots=True)
class Document:
    """One reader's copy of an alert. Marking, conditions, reference and `copy` stand on every
    printed page. `colour_text` is empty for what is withdrawn."""

    reference: str
    title: str
    colour: str
    colour_text: str
    tlp: str
    classification: str
    conditions: str
    copy: str
    caution: Caution | None
    facts: Facts
    sections: tuple[Section, ...]


def compose(alert: Alert, reader_member_id: str) -> Document:
    """One member's copy of an alert. Of a withdrawn one nothing is left but its reference, its marking and why."""
    content = alert.content
    withdrawn = alert.state == AlertState.WITHDRAWN
    return Document(
        reference=alert.reference,
        title="Withdrawn alert" if withdrawn else content.title,
        colour=content.colour,
        colour_text="" if withdrawn else COLOURS[content.colour],
        tlp=content.tlp,
        classification=content.classification,
        conditions=content.conditions,
        copy=f"Issued to {reader_member_id}",
        caution=caution_of(alert),
        facts=Facts((("Withdrawn", in_words(alert.modified_at)),) if withdrawn else _facts(alert)),
        sections=(_handling(content),) if withdrawn else (*_body(content), _handling(content), _about(alert)),
    )


def caution_of(alert: Alert) -> Caution | None:
    """What a reader must know before acting on it; None for an alert in force."""
    match alert.state:
        case AlertState.PUBLISHED:
            return None
        case AlertState.WITHDRAWN:
            why = f" Reason: {alert.reason}" if alert.reason else ""
            return Caution("Withdrawn", f"Do not act on this alert, and undo what was done because of it.{why}")
        case AlertState.SUPERSEDED:
            by = f"alert {alert.superseded_by}" if alert.superseded_by else "a newer alert"
            return Caution("Superseded", f"This alert was replaced by {by}. Read that one instead.")
        case AlertState.EXPIRED:
            return Caution("Expired", "This alert is past its last day. Do not rely on it without asking its issuer.")
    return Caution("Not published", "This is a draft. It may change, and it is not for circulation.")


def in_words(moment: date | datetime | None) -> str:
    """A day as people write it; with the time in UTC for a moment."""
    if moment is None:
        return "not yet"
    day = f"{moment.day} {moment:%B %Y}"
    return f"{day}, {moment:%H:%M} UTC" if isinstance(moment, datetime) else day


def _facts(alert: Alert) -> tuple[tuple[str, str], ...]:
    return (
        ("Published", in_words(alert.published_at)),
        ("Issued by", alert.issuer),
        ("Threat", label(alert.content.theme)),
        ("Review by", in_words(alert.content.review_by)),
        ("Expires", in_words(alert.content.expires_on)),
        ("Version", str(alert.version)),
    )


def _body(content: AlertContent) -> list[Section]:
    sections = [Section("Overview", MarkdownText(content.overview))]
    if content.red_flags:
        sections.append(Section("Red flags", Numbered(tuple(content.red_flags))))
    if content.case_studies:
        sections.append(Section("Case studies", Cases(tuple(content.case_studies))))
    if content.requested_action.strip():
        sections.append(Section("What we would like you to do", MarkdownText(content.requested_action)))
    if content.accounts:
        rows = tuple((_spaced(one.iban), _uk_account(one), one.bic or "–") for one in content.accounts)
        sections.append(Section("Accounts", Table(("IBAN", "Sort code and account", "BIC"), rows)))
    if content.body.strip():
        sections.append(Section("Further information", MarkdownText(content.body)))
    return sections


def _handling(content: AlertContent) -> Section:
    pairs = [
        ("Classification", content.classification),
        ("Sharing", f"TLP:{content.tlp}. {TRAFFIC_LIGHTS[content.tlp]}"),
        ("Conditions", content.conditions or "None beyond these markings."),
    ]
    return Section("Handling", Facts(tuple(pairs)))


def _about(alert: Alert) -> Section:
    content = alert.content
    pairs = [
        ("Legal gateway", RULES[LegalGateway(content.legal_gateway)].citation),
        ("Purpose", content.purpose),
        ("Draws on", "; ".join(f"{one.reference} (TLP:{one.tlp})" for one in content.sources)),
        ("Replaces", content.supersedes),
        ("Last changed", in_words(alert.modified_at)),
    ]
    return Section("About this alert", Facts(tuple((name, value) for name, value in pairs if value)))


def _spaced(iban: str) -> str:
    return " ".join(iban[start : start + 4] for start in range(0, len(iban), 4))


def _uk_account(account: PublishedAccount) -> str:
    if not account.sort_code:
        return "–"
    return f"{account.sort_code[:2]}-{account.sort_code[2:4]}-{account.sort_code[4:]}  {account.account_number}"
