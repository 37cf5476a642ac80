"""Queries for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table

from member.commands.shared.common import counted, table
from member.queries.shown import FoundValue, OtherCase, ShownGrounds
from schemas.queries.messages import QueryStatus
from schemas.rendering.words import in_words, label


def grounds_lines(shown: ShownGrounds) -> Iterator[str]:
    """On what a query stands."""
    read, values = shown.read, shown.values
    query, grounds = read.query, read.grounds
    listed = f": {', '.join(values)}" if values else " (this home did not ask, and does not know the values)"
    cover = ("yes" if query.covert else "no: the banks are notified at once") + (", silent" if query.silent else "")
    rows = (
        ("case", grounds.case),
        ("legal gateway", in_words(query.legal_gateway)),
        ("purpose", grounds.purpose),
        ("necessity", grounds.necessity),
        ("proportionality", grounds.proportionality),
        ("subjects", f"{query.subjects:,}{listed}"),
        ("asked by", f"{query.asked_by} of {query.agency}"),
        ("authorised by", query.authorised_by),
        ("covert", cover),
        ("until", query.until),
        ("watch until", query.watch_until or "no watch"),
    )
    yield from (f"{name:16}{value}" for name, value in rows)
    if shown.is_sealed_to_others:
        yield f"{'texts':16}sealed before this member was enrolled: {query.agency} can show them (query show --pdf)"
    for one, reason in zip(query.extensions, read.reasons, strict=True):
        watch = f", its watch until {one.watch_until}" if one.watch_until else ""
        yield f"{'extended':16}from {one.former_until} until {one.until}{watch} by {one.by}: {reason}"


def other_agency_text(other: OtherCase) -> str:
    """A reviewer reads who, not about how much."""
    about = ", ".join(other.values) or (counted(other.subjects, "subject") if other.subjects else "")
    return f"{other.agency} ({other.officer}){about and f': {about}'}"


def standing_text(standing: QueryStatus) -> str:
    """How a query stands, in a line."""
    watch = f", watching until {standing.watch_until}" if standing.watch_until else ""
    return f"query {standing.query_id} is {in_words(standing.state)} until {standing.until}{watch}"


def _named(member_id: str, names: Mapping[str, str]) -> str:
    if member_id not in names:
        return f"{member_id} (not signed by the registrars)"
    return member_id if names[member_id] == member_id else f"{names[member_id]} ({member_id})"


def found_table(found: Sequence[FoundValue], names: Mapping[str, str]) -> Table:
    """What is disclosed of each value, with the institutions' names."""
    hits = sum(one.result.hit for one in found)
    columns = ("value", "type", "institutions", "themes", "first seen", "victim or unwitting mule")
    made = table(f"{hits:,} of {counted(len(found), 'subject')} held", *columns, whole=("value",))
    for one in found:
        result, about = one.result, (one.value or "", label(one.result.indicator_type))
        if result.hit:
            institutions = ", ".join(_named(each, names) for each in result.institutions) or result.band
            shown = (", ".join(map(label, result.themes)), result.first_seen)
            made.add_row(*about, institutions, *shown, "yes" if result.protected else "")
        else:
            made.add_row(*about, "none")
    return made


def handling_lines(found: Sequence[FoundValue]) -> Iterator[str]:
    """How each result is to be handled, in a line of its own: its conditions may be long."""
    for one in found:
        handling = one.result.handling
        if handling is not None:
            marked = f"{handling.classification}, TLP:{handling.tlp}, handling {handling.handling}"
            conditions = f": {handling.conditions}" if handling.conditions else ""
            yield f"{one.value or one.result.hit_id} is marked {marked}{conditions}"
