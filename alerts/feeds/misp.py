"""The feed as a native MISP feed: a manifest, a list of hashes and one event for each alert (MISP core format).

1. Events, attributes and objects keep their ids over versions, so that MISP updates what it has. The ids follow from
   the alert's random STIX id and a place in it, never from an account number, which could be tried out.
2. MISP takes an event again if its `timestamp`, in whole seconds, is later: it grows by at least one with each version.
3. A withdrawn alert keeps its event. Each attribute is marked `deleted`, its value replaced, so that MISP drops it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from uuid import UUID, uuid5

import msgspec

from alerts.domain.alert import Alert
from alerts.feeds.reading import Heading
from alerts.feeds.wording import is_withdrawn, marking_of, tags_of, title_of
from schemas.alerts.messages import PublishedAccount

_THREAT_LEVELS = {"red": "1", "amber": "2", "green": "3"}
_COMPLETED = "2"
_INHERIT = "5"
_ACCOUNT_PARTS = (
    ("iban", "iban", "iban"),
    ("account", "bank-account-nr", "account_number"),
    ("institution-code", "text", "sort_code"),
    ("swift", "bic", "bic"),
)
# In place of a value that was taken back: what each type lets pass.
_TAKEN_BACK = {"bank-account-nr": "0", "iban": "WITHDRAWN", "bic": "WITHDRAWN", "text": "withdrawn"}
_COLOURS = {
    "tlp:red": "#ff2b2b",
    "tlp:amber+strict": "#ffc000",
    "tlp:amber": "#ffc000",
    "tlp:green": "#33ff00",
    "tlp:clear": "#ffffff",
}
_DEFAULT_COLOUR = "#4a545e"
_ORGANISATIONS = UUID("6ee0a6dc-3e0c-4df5-9a55-0c1d8a6f6c2b")


class EventForm:
    """One alert as a whole event."""

    channel = "misp"
    name = "misp-event"
    media_type = "application/json"
    limit = 1

    def path(self, group_id: str) -> str:
        """Where a group's events are."""
        return f"/feeds/misp/{group_id}/"

    def entry(self, alert: Alert) -> bytes:
        """The document of one event."""
        return msgspec.json.encode({"Event": make_event(alert)})

    def join(self, heading: Heading, entries: Sequence[bytes]) -> bytes:
        """Events stand alone."""
        raise NotImplementedError


class ManifestForm:
    """What there is: the newest events, as MISP has no pages for a manifest."""

    channel = "misp"
    name = "misp-manifest"
    media_type = "application/json"
    limit = 2000

    def path(self, group_id: str) -> str:
        """Where a group's manifest is."""
        return f"/feeds/misp/{group_id}/manifest.json"

    def entry(self, alert: Alert) -> bytes:
        """One member of the manifest's object."""
        heading = _heading(alert)
        shown = {
            "Orgc": heading.organisation,
            "Tag": heading.tags,
            "info": heading.info,
            "date": heading.date,
            "analysis": heading.analysis,
            "threat_level_id": heading.threat_level_id,
            "timestamp": heading.timestamp,
        }
        return msgspec.json.encode({heading.uuid: shown})[1:-1]

    def join(self, heading: Heading, entries: Sequence[bytes]) -> bytes:
        """The whole manifest."""
        return b"{" + b",".join(entries) + b"}"


class HashesForm:
    """MD5 of each value and the event that has it, for MISP's look-up without fetching events."""

    channel = "misp"
    name = "misp-hashes"
    media_type = "text/csv; charset=utf-8"
    limit = ManifestForm.limit

    def path(self, group_id: str) -> str:
        """Where a group's hashes are."""
        return f"/feeds/misp/{group_id}/hashes.csv"

    def entry(self, alert: Alert) -> bytes:
        """The lines of one event, without what was taken back."""
        event = make_event(alert)
        inside = [one for made in event.objects for one in made.attributes]
        values = [one.value for one in (*event.attributes, *inside) if not one.deleted]
        digests = (hashlib.md5(value.encode(), usedforsecurity=False).hexdigest() for value in values)
        return "".join(f"{digest},{event.uuid}\n" for digest in digests).encode()

    def join(self, heading: Heading, entries: Sequence[bytes]) -> bytes:
        """All lines."""
        return b"".join(entries)


class Organisation(msgspec.Struct, frozen=True):
    """Who issued an event."""

    name: str
    uuid: str


class Tag(msgspec.Struct, frozen=True):
    """A tag of an event."""

    name: str
    colour: str
    local: bool = False
    relationship_type: str = ""


class EventHeading(msgspec.Struct, frozen=True, rename={"organisation": "Orgc", "tags": "Tag"}):
    """What the manifest says of an event too."""

    uuid: str
    info: str
    date: str
    timestamp: str
    analysis: str
    threat_level_id: str
    organisation: Organisation
    tags: list[Tag]


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """A value of an event, or of an object in it; then `object_relation` names its part there."""

    uuid: str
    type: str
    category: str
    value: str
    comment: str
    to_ids: bool
    disable_correlation: bool
    deleted: bool
    distribution: str
    timestamp: str
    object_relation: str | msgspec.UnsetType = msgspec.UNSET


class AccountObject(
    msgspec.Struct, frozen=True, kw_only=True, rename={"meta_category": "meta-category", "attributes": "Attribute"}
):
    """An object by MISP's template of bank accounts (misp-objects, bank-account/definition.json)."""

    name: str = "bank-account"
    meta_category: str = "financial"
    description: str = "An object describing bank account information based on account description from goAML 4.0."
    template_uuid: str = "b4712203-95a8-4883-80e9-b566f5df11c9"
    template_version: str = "3"
    uuid: str
    timestamp: str
    distribution: str
    deleted: bool
    comment: str = ""
    attributes: list[Attribute]


class EventReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole text of an alert, as Markdown."""

    uuid: str
    name: str
    content: str
    distribution: str
    timestamp: str
    deleted: bool


class Event(
    EventHeading, frozen=True, rename={"attributes": "Attribute", "objects": "Object", "reports": "EventReport"}
):
    """An alert as a MISP event."""

    published: bool
    publish_timestamp: str
    distribution: str
    extends_uuid: str
    attributes: list[Attribute]
    objects: list[AccountObject]
    reports: list[EventReport]


def make_event(alert: Alert) -> Event:
    """An alert as a MISP event: its text in attributes and as a report, each account as a `bank-account` object."""
    return Event(
        **msgspec.structs.asdict(_heading(alert)),
        published=True,
        publish_timestamp=str(_timestamp(alert)),
        distribution="0",
        extends_uuid="",
        attributes=list(_texts(alert)),
        objects=[_account(alert, number, one) for number, one in enumerate(alert.content.accounts)],
        reports=[_report(alert)],
    )


def _heading(alert: Alert) -> EventHeading:
    published = alert.published_at or alert.created_at
    return EventHeading(
        uuid=alert.stix_id,
        info=title_of(alert),
        date=published.date().isoformat(),
        timestamp=str(_timestamp(alert)),
        analysis=_COMPLETED,
        threat_level_id=_THREAT_LEVELS[alert.content.colour],
        organisation=Organisation(alert.issuer, str(uuid5(_ORGANISATIONS, alert.member_id))),
        tags=[_tag(kind, code) for kind, code in tags_of(alert)],
    )


def _timestamp(alert: Alert) -> int:
    """Rule 2."""
    return int(alert.modified_at.timestamp()) + alert.version


def _tag(kind: str, code: str) -> Tag:
    name = f"tlp:{code.lower()}" if kind == "tlp" else f'alert:{kind}="{code}"'
    return Tag(name, _COLOURS.get(name, _DEFAULT_COLOUR))


def _texts(alert: Alert) -> Iterator[Attribute]:
    content = alert.content
    texts = [
        ("Reference", alert.reference),
        ("Handling", marking_of(alert)),
        ("Overview", content.overview),
        *(("Red flag", flag) for flag in content.red_flags),
        ("What we would like you to do", content.requested_action),
    ]
    for number, (name, value) in enumerate(texts):
        # The first two stay when an alert is withdrawn: they tell which it was, and how to handle it.
        if value.strip():
            yield _attribute(alert, f"text-{number}", ("text", "Other"), value, comment=name, stays=number < 2)


def _account(alert: Alert, number: int, account: PublishedAccount) -> AccountObject:
    place = f"account-{number}"
    parts = [(relation, kind, str(getattr(account, field))) for relation, kind, field in _ACCOUNT_PARTS]
    attributes = [
        _attribute(
            alert,
            f"{place}/{relation}",
            (kind, "Other" if kind == "text" else "Financial fraud"),
            value,
            object_relation=relation,
        )
        for relation, kind, value in parts
        if value
    ]
    return AccountObject(
        uuid=_id(alert, place),
        timestamp=str(_timestamp(alert)),
        distribution=_INHERIT,
        deleted=is_withdrawn(alert),
        attributes=attributes,
    )


def _attribute(
    alert: Alert,
    place: str,
    kind: tuple[str, str],
    value: str,
    *,
    comment: str = "",
    stays: bool = False,
    object_relation: str | msgspec.UnsetType = msgspec.UNSET,
) -> Attribute:
    """`kind` is MISP's type and category."""
    gone = is_withdrawn(alert) and not stays
    return Attribute(
        uuid=_id(alert, place),
        type=kind[0],
        category=kind[1],
        value=_TAKEN_BACK[kind[0]] if gone else value,
        comment=comment,
        to_ids=kind[0] in ("iban", "bank-account-nr") and not gone,
        disable_correlation=kind[0] in ("text", "bic"),
        deleted=gone,
        distribution=_INHERIT,
        timestamp=str(_timestamp(alert)),
        object_relation=object_relation,
    )


def _report(alert: Alert) -> EventReport:
    return EventReport(
        uuid=_id(alert, "report"),
        name=title_of(alert),
        content="" if is_withdrawn(alert) else _markdown(alert),
        distribution=_INHERIT,
        timestamp=str(_timestamp(alert)),
        deleted=is_withdrawn(alert),
    )


def _markdown(alert: Alert) -> str:
    content = alert.content
    flags = "\n".join(f"{number}. {_escape(flag)}" for number, flag in enumerate(content.red_flags, 1))
    cases = "\n\n".join(f"### {_escape(case.title)}\n\n{case.text}" for case in content.case_studies)
    parts = [
        ("", _escape(marking_of(alert))),
        ("Overview", content.overview),
        ("Red flags", flags),
        ("Case studies", cases),
        ("What we would like you to do", content.requested_action),
        ("Further information", content.body),
    ]
    return "\n\n".join(f"## {name}\n\n{text}" if name else text for name, text in parts if text.strip())


def _escape(text: str) -> str:
    """Plain text as Markdown that shows it (CommonMark section 2.4)."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>()#+!|~&" else sign for sign in text)


def _id(alert: Alert, place: str) -> str:
    """Rule 1."""
    return str(uuid5(UUID(alert.stix_id), place))
