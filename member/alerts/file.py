"""An alert as its author writes it, a JSON file read leniently, becomes what the exchange takes, in full.

Rules, in order:
1. The file is one JSON object in UTF-8 of at most 1 MiB; a duplicate or unknown field is refused.
2. Title, colour, TLP, overview and audience are said by the author. Nobody else can say who is to read it.
3. Theme, gateway, purpose and dates come from the file, else from the home's defaults (`member config`). What decides
   about lawfulness is never made up.
4. Every fault is reported at once, with field, rule and cure, before anybody is contacted. What only the exchange can
   judge (membership of groups, Markdown, sources, gateways) it judges, and names its rule.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from difflib import get_close_matches
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from member.alerts.values import as_account, as_code, as_day, as_filled_line, as_filled_text, as_line, as_object, quoted
from member.errors import MemberError
from member.inputs import ValueRefusedError, as_text, kind_of
from member.next_steps import Act, Next
from schemas.alerts.messages import AlertContent
from schemas.terms import AlertColour, Classification, LegalGateway, MemberKind, Theme, TrafficLight

FIELDS = (
    *("title", "colour", "classification", "tlp", "conditions", "theme", "audience", "overview", "red_flags"),
    *("case_studies", "requested_action", "body", "legal_gateway", "purpose", "sources", "accounts", "supersedes"),
    *("review_by", "expires_on"),
)
_ALSO_CALLED = {"color": "colour", "expires": "expires_on", "review": "review_by", "red_flag": "red_flags"}
_MAX_BYTES = 1 << 20
_ABSENT: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True)
class Fault:
    """What is wrong with one field: the rule's name, what was found, what is expected."""

    field: str
    rule: str
    found: str
    wanted: str


class AlertRefusedError(MemberError):
    """The file cannot become an alert. All its faults are reported, in the form that the exchange uses."""

    slug = "refused"

    def __init__(self, name: str, faults: list[Fault]) -> None:
        listed = [f"{fault.field}: {fault.found}; {fault.wanted} ({fault.rule})" for fault in faults]
        detail = f"{name}: {listed[0]}" if len(listed) == 1 else "\n  ".join([f"{name}: {len(listed)} faults", *listed])
        reasons = [{"code": one.rule, "field": one.field, "detail": f"{one.found}; {one.wanted}"} for one in faults]
        super().__init__(detail, then=Next(Act.SHOW_ALERT_TEMPLATE), problem={"reasons": reasons})


def read_alert(path: Path, defaults: Mapping[str, str], today: date) -> AlertContent:
    """The content of the alert in the file, complete. Raises AlertRefusedError, OSError."""
    with path.open("rb") as stream:
        data = stream.read(_MAX_BYTES + 1)
    try:
        document = parse_document(data)
    except ValueRefusedError as refused:
        raise AlertRefusedError(path.name, [Fault("file", refused.rule, refused.found, refused.wanted)]) from None
    return msgspec.convert(fill_alert(document, defaults, today, path.name), AlertContent)


def parse_document(data: bytes) -> dict[str, Any]:
    """The object in the bytes of a file. Raises ValueRefusedError."""
    if len(data) > _MAX_BYTES:
        raise ValueRefusedError("too-long", f"more than {_MAX_BYTES:,} bytes", "an alert is a text that people read")
    try:
        document = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object_once, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise ValueRefusedError("not-utf-8", "the text is not in UTF-8", "save it again as UTF-8") from None
    except json.JSONDecodeError as error:
        found = f"no JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        raise ValueRefusedError("not-json", found, "write it like the example") from None
    except (RecursionError, ValueError) as error:
        if isinstance(error, ValueRefusedError):
            raise
        raise ValueRefusedError("not-json", "no JSON that can be read", "write it like the example") from None
    if not isinstance(document, dict):
        raise ValueRefusedError("not-an-object", kind_of(document), "one object, like the example")
    return document


def _object_once(pairs: list[tuple[str, Any]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueRefusedError("field-twice", f"duplicate field {quoted(twice)}", "leave one of both")
    return made


def _no_number(text: str) -> Any:
    raise ValueRefusedError("not-json", f"{text} is not valid JSON", "leave it out")


def fill_alert(document: Mapping[str, Any], defaults: Mapping[str, str], today: date, name: str) -> dict[str, Any]:
    """The content of an alert, complete. `name` is what faults call the file. Raises AlertRefusedError."""
    reader = _Reader(document, defaults)
    filled = {
        "title": reader.said("title", as_filled_line),
        "colour": reader.said("colour", _code(AlertColour)),
        "classification": reader.said("classification", _code(Classification), Classification.OFFICIAL.value),
        "tlp": reader.said("tlp", _code(TrafficLight)),
        "conditions": reader.said("conditions", as_text, defaults.get("conditions", "")),
        "theme": reader.said_or_default("theme", _code(Theme)),
        "audience": reader.audience(),
        "overview": reader.said("overview", as_filled_text),
        "red_flags": reader.each("red_flags", _red_flag),
        "case_studies": reader.each("case_studies", _case_study),
        "requested_action": reader.said("requested_action", _as_action, ""),
        "body": reader.said("body", as_text, ""),
        "legal_gateway": reader.said_or_default("legal_gateway", _code(LegalGateway)),
        "purpose": reader.said_or_default("purpose", as_filled_text),
        "sources": reader.each("sources", _source),
        "accounts": reader.each("accounts", _account),
        "supersedes": reader.said("supersedes", as_line, ""),
        **reader.days(today),
    }
    faults = reader.faults or list(_breaks_of_form(filled))
    if faults:
        raise AlertRefusedError(name, faults)
    return filled


def _breaks_of_form(filled: Mapping[str, object]) -> Iterator[Fault]:
    """Where the content breaks the form that the exchange asks for: lengths, and characters of names."""
    from schemas.values.derived import schema_of  # noqa: PLC0415 - slow to import, needed here only

    for place, message in _flattened(schema_of(AlertContent)().validate(filled)):
        yield Fault(place, "form", "it is not as the exchange requires it", message.rstrip("."))


def _flattened(errors: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Each message of marshmallow's nested errors, and the place it is about (items counted from 1)."""
    if isinstance(errors, dict):
        for name, inner in errors.items():
            step = f" #{name + 1}" if isinstance(name, int) else f".{name}" if place else str(name)
            yield from _flattened(inner, place + step)
    else:
        yield from ((place, str(message)) for message in errors)


@dataclass
class _Reader:
    """Takes the fields out of a document and collects what is wrong with them."""

    document: Mapping[str, Any]
    defaults: Mapping[str, str]
    faults: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        named: dict[str, object] = {}
        for written, value in self.document.items():
            name = written.strip().lower().replace("-", "_").replace(" ", "_")
            name = _ALSO_CALLED.get(name, name)
            if name not in FIELDS:
                near = get_close_matches(name, FIELDS, 1)
                hint = f"did you mean {near[0]}? " if near else ""
                self.fault(
                    quoted(written), "unknown-field", "no field of that name", f"{hint}known: {', '.join(FIELDS)}"
                )
            elif name in named:
                self.fault(name, "field-twice", "duplicate field", "leave one of both")
            else:
                named[name] = value
        self.document = named

    def fault(self, name: str, rule: str, found: str, wanted: str) -> None:
        """Note one fault."""
        self.faults.append(Fault(name, rule, found, wanted))

    def read(self, name: str, read: Callable[[Any], Any], value: Any) -> Any:
        """A value as read; None, and a fault noted, if it cannot be right."""
        try:
            return read(value)
        except ValueRefusedError as refused:
            self.fault(name, refused.rule, refused.found, refused.wanted)
            return None

    def said(self, name: str, read: Callable[[Any], Any], otherwise: str | None = None) -> Any:
        """What the author says; `otherwise` if nothing, and without that a fault."""
        value = self.document.get(name)
        if value in _ABSENT:
            if otherwise is None:
                wanted = f'add "{name}": …'
                self.fault(name, "missing", "it is missing", wanted)
            return otherwise
        return self.read(name, read, value)

    def said_or_default(self, name: str, read: Callable[[Any], Any]) -> Any:
        """What the author says, else the home's default."""
        if self.document.get(name) in _ABSENT and not self.defaults.get(name, "").strip():
            wanted = f'add "{name}": …, or set a default once for all'
            self.fault(name, "missing", "it is missing, and this home has no default", wanted)
            return None
        return self.said(name, read, self.defaults.get(name))

    def each(self, name: str, read: Callable[..., Any]) -> list[Any]:
        """A list, its faults reported item by item (counted from 1); a lone value is a list of one."""
        value = self.document.get(name)
        items = [] if value in _ABSENT else value if isinstance(value, list) else [value]
        return [self.read(f"{name} #{place}", partial(read, place=place), item) for place, item in enumerate(items, 1)]

    def audience(self) -> dict[str, list[str]] | None:
        """Groups and kinds: as an object of both, or as a list of names in which a kind is known by its name. Kinds
        alone mean those of the home's group.
        """
        value = self.document.get("audience")
        usual = self.defaults.get("group", "")
        wanted = f'say who is to read it: "audience": {{"groups": ["{usual or "taskforce"}"]}}'
        if value in _ABSENT:
            self.fault("audience", "no-audience", "it is empty", wanted)
            return None
        names = self.read("audience", _split_audience, value)
        if names is None:
            return None
        groups, kinds = names
        if groups is None:
            groups = [usual] if usual else []
        if not groups:
            self.fault("audience", "no-audience", "it names no group", wanted)
        known = [self.read("audience", _code(MemberKind), kind) for kind in kinds]
        return {"groups": sorted(set(groups)), "kinds": sorted({kind for kind in known if kind})}

    def days(self, today: date) -> dict[str, str | None]:
        """The day of review and the last day, reckoned from today by the home's defaults where they are not said. The
        review falls half-way.
        """
        expires_on, review_by = (self.said(name, as_day, "") for name in ("expires_on", "review_by"))
        if expires_on == "":
            if "expires_days" not in self.defaults:
                wanted = 'add "expires_on": "2027-11-22", or set the default expires_days once for all'
                self.fault("expires_on", "missing", "it is missing, and this home has no default", wanted)
                return {}
            expires_on = (today + timedelta(days=int(self.defaults["expires_days"]))).isoformat()
        if expires_on is None or review_by is None:
            return {}
        return self._ordered_days(today, date.fromisoformat(expires_on), review_by)

    def _ordered_days(self, today: date, last: date, review_by: str) -> dict[str, str | None]:
        if last < today:
            self.fault("expires_on", "date-passed", f"{last.isoformat()} has passed", "name a day to come")
            return {}
        if review_by:
            review = date.fromisoformat(review_by)
        elif "review_days" in self.defaults:
            review = min(last, today + timedelta(days=int(self.defaults["review_days"])))
        else:
            review = today + (last - today) / 2
        if not today <= review <= last:
            wanted = f"a day from {today.isoformat()} to {last.isoformat()}, the last one"
            self.fault("review_by", "review-date", f"{review.isoformat()} lies outside", wanted)
        return {"review_by": review.isoformat(), "expires_on": last.isoformat()}


def _code(codes: type[StrEnum]) -> Callable[[Any], str]:
    return partial(as_code, codes=codes)


def _unwrapped(value: Any, name: str) -> Any:
    return as_object(value, (name,)).get(name) if isinstance(value, dict) else value


def _red_flag(value: Any, place: int) -> str:
    return as_filled_line(_unwrapped(value, "text"))


def _account(value: Any, place: int) -> dict[str, str]:
    return as_account(value)


def _case_study(value: Any, place: int) -> dict[str, str]:
    given = as_object(value, ("title", "text")) if isinstance(value, dict) else {"text": value}
    title = given.get("title") or f"Case study {place}"
    return {"title": as_filled_line(title), "text": as_filled_text(given.get("text"))}


def _source(value: Any, place: int) -> dict[str, str]:
    given = as_object(value, ("reference", "tlp"))
    return {"reference": as_filled_line(given.get("reference")), "tlp": as_code(given.get("tlp"), TrafficLight)}


def _as_action(value: Any) -> str:
    """Text; a list becomes the points of a Markdown list."""
    if not isinstance(value, list):
        return as_text(value)
    points: Iterable[str] = (as_filled_text(_unwrapped(one, "text")).replace("\n", "\n  ") for one in value)
    return "\n".join(f"- {point}" for point in points)


def _split_audience(value: Any) -> tuple[list[str] | None, list[str]]:
    """Groups (None where only kinds are named) and kinds."""
    if isinstance(value, dict):
        given = as_object(value, ("groups", "kinds"))
        return (_names(given["groups"]) if "groups" in given else None), _names(given.get("kinds"))
    names = _names(value)
    kinds = [name for name in names if name.lower() in set(MemberKind)]
    groups = [name for name in names if name not in kinds]
    return groups or None, kinds


def _names(value: Any) -> list[str]:
    items = [] if value in _ABSENT else value if isinstance(value, list) else [value]
    return [as_filled_line(item) for item in items]


def example_alert(defaults: Mapping[str, str], today: date) -> dict[str, Any]:
    """A file that can be drafted as it is by a member of the group that `defaults` name."""
    return {
        "title": "Mule accounts opened with forged payslips",
        "colour": AlertColour.AMBER.value,
        "classification": Classification.OFFICIAL.value,
        "tlp": TrafficLight.AMBER.value,
        "theme": defaults.get("theme", Theme.MONEY_MULES.value),
        "audience": {
            "groups": [defaults.get("group", "taskforce")],
            "kinds": [MemberKind.FINANCIAL_INSTITUTION.value, MemberKind.LAW_ENFORCEMENT.value],
        },
        "overview": "Accounts are opened with **forged payslips** and emptied within a day of the first salary.",
        "red_flags": [
            "Several new accounts are paid by one employer that does not trade",
            "The whole salary leaves within an hour, in round sums",
        ],
        "case_studies": [{"title": "One address", "text": "Nine accounts were opened from one address in a week."}],
        "requested_action": ["Look for the employer among new accounts.", "Report what you find as feedback."],
        "body": "## How it works\n\nThe payslips share one layout; [guidance](https://example.org/payslips) shows it.",
        "legal_gateway": defaults.get("legal_gateway", LegalGateway.CCA2013_S7.value),
        "purpose": defaults.get("purpose", "preventing the laundering of the proceeds of fraud"),
        "sources": [{"reference": "Report 7 of the fraud desk", "tlp": TrafficLight.AMBER.value}],
        "accounts": [{"sort_code": "60-16-13", "account_number": "31926819", "bic": "NWBKGB2L"}],
        "review_by": (today + timedelta(days=182)).isoformat(),
        "expires_on": (today + timedelta(days=365)).isoformat(),
    }
