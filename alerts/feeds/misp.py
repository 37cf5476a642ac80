"""The feed as a native MISP feed: a manifest, a list of hashes and one event for each alert (MISP core format).

1. Events, attributes and objects keep their ids over versions, so that MISP updates what it has. The ids follow from
   the alert's random STIX id and a place in it, never from an account number, which could be tried out.
2. MISP takes an event again if its `timestamp`, in whole seconds, is later: it grows by at least one with each version.
3. A withdrawn alert keeps its event. Each attribute is marked `deleted`, its value replaced, so that MISP drops it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID, uuid5

import msgspec

from alerts.domain.alert import Alert
from alerts.feeds.reading import Heading
from alerts.feeds.wording import is_withdrawn, marking_of, tags_of, title_of
from schemas.alerts.messages import PublishedAccount

_THREAT_LEVELS = {"red": "1", "amber": "2", "green": "3"}
_COMPLETED = "2"
_INHERIT = "5"
# Of MISP's object templates (misp-objects, bank-account/definition.json).
_BANK_ACCOUNT = {
    "name": "bank-account",
    "meta-category": "financial",
    "description": "An object describing bank account information based on account description from goAML 4.0.",
    "template_uuid": "b4712203-95a8-4883-80e9-b566f5df11c9",
    "template_version": "3",
}
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
        about = _about(alert)
        shown = ("Orgc", "Tag", "info", "date", "analysis", "threat_level_id", "timestamp")
        return msgspec.json.encode({about["uuid"]: {name: about[name] for name in shown}})[1:-1]

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
        inside = [one for made in event["Object"] for one in made["Attribute"]]
        values = [one["value"] for one in (*event["Attribute"], *inside) if not one["deleted"]]
        digests = (hashlib.md5(value.encode(), usedforsecurity=False).hexdigest() for value in values)
        return "".join(f"{digest},{event['uuid']}\n" for digest in digests).encode()

    def join(self, heading: Heading, entries: Sequence[bytes]) -> bytes:
        """All lines."""
        return b"".join(entries)


def make_event(alert: Alert) -> dict[str, Any]:
    """An alert as a MISP event: its text in attributes and as a report, each account as a `bank-account` object."""
    timestamp = str(_timestamp(alert))
    return {
        **_about(alert),
        "published": True,
        "publish_timestamp": timestamp,
        "distribution": "0",
        "extends_uuid": "",
        "Attribute": list(_texts(alert)),
        "Object": [_account(alert, number, one) for number, one in enumerate(alert.content.accounts)],
        "EventReport": [_report(alert)],
    }


def _about(alert: Alert) -> dict[str, Any]:
    published = alert.published_at or alert.created_at
    organisation = {"name": alert.issuer, "uuid": str(uuid5(_ORGANISATIONS, alert.member_id))}
    return {
        "uuid": alert.stix_id,
        "info": title_of(alert),
        "date": published.date().isoformat(),
        "timestamp": str(_timestamp(alert)),
        "analysis": _COMPLETED,
        "threat_level_id": _THREAT_LEVELS[alert.content.colour],
        "Orgc": organisation,
        "Tag": [_tag(kind, code) for kind, code in tags_of(alert)],
    }


def _timestamp(alert: Alert) -> int:
    """Rule 2."""
    return int(alert.modified_at.timestamp()) + alert.version


def _tag(kind: str, code: str) -> dict[str, Any]:
    name = f"tlp:{code.lower()}" if kind == "tlp" else f'alert:{kind}="{code}"'
    return {"name": name, "colour": _COLOURS.get(name, _DEFAULT_COLOUR), "local": False, "relationship_type": ""}


def _texts(alert: Alert) -> Iterator[dict[str, Any]]:
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


def _account(alert: Alert, number: int, account: PublishedAccount) -> dict[str, Any]:
    place = f"account-{number}"
    parts = [(relation, kind, str(getattr(account, field))) for relation, kind, field in _ACCOUNT_PARTS]
    attributes = [
        _attribute(alert, f"{place}/{relation}", (kind, "Other" if kind == "text" else "Financial fraud"), value)
        | {"object_relation": relation}
        for relation, kind, value in parts
        if value
    ]
    head = {**_BANK_ACCOUNT, "uuid": _id(alert, place), "timestamp": str(_timestamp(alert)), "distribution": _INHERIT}
    return {**head, "deleted": is_withdrawn(alert), "comment": "", "Attribute": attributes}


def _attribute(
    alert: Alert, place: str, kind: tuple[str, str], value: str, *, comment: str = "", stays: bool = False
) -> dict[str, Any]:
    """`kind` is MISP's type and category."""
    gone = is_withdrawn(alert) and not stays
    return {
        "uuid": _id(alert, place),
        "type": kind[0],
        "category": kind[1],
        "value": _TAKEN_BACK[kind[0]] if gone else value,
        "comment": comment,
        "to_ids": kind[0] in ("iban", "bank-account-nr") and not gone,
        "disable_correlation": kind[0] in ("text", "bic"),
        "deleted": gone,
        "distribution": _INHERIT,
        "timestamp": str(_timestamp(alert)),
    }


def _report(alert: Alert) -> dict[str, Any]:
    return {
        "uuid": _id(alert, "report"),
        "name": title_of(alert),
        "content": "" if is_withdrawn(alert) else _markdown(alert),
        "distribution": _INHERIT,
        "timestamp": str(_timestamp(alert)),
        "deleted": is_withdrawn(alert),
    }


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
