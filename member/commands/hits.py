"""`hits`: where one's own indicators overlap with those of others, what is new, and what was done about it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import click
import msgspec
from rich.table import Table

from member.commands.shared.common import Shown, counted, reporting, table
from member.commands.shared.exports import exported, output_option
from member.commands.shared.session import Session
from member.indicators.hit_progress import HitState
from member.indicators.hits import HitFilters, ListedHit, look_at_hits, mark_seen
from member.inputs import read_since
from member.normalise.rules import RULES
from schemas.rendering.words import in_words, label

_SHOWN = 500
_OTHER = "other"
_MASKED = "other: fewer than three members share it, so that it is not said"
_WIDELY = (
    "!: five or more others hold it; a value that everybody holds, as a collection account, says little: a line in"
    " common_values.csv of your home keeps it back from now on (docs/uploads.md)"
)
_DECODER = msgspec.json.Decoder(ListedHit)
_SPARE = ("references", "first seen", "themes", "sectors", "hit")


class Band(StrEnum):
    """How many other institutions hold the same."""

    ONE = "1"
    FEW = "2-4"
    MANY = "5+"


def _choice(codes: Iterable[str]) -> click.Choice[str]:
    return click.Choice([str(code) for code in codes])


@click.command(epilog="Example: member hits --new --type bank_account --state untouched")
@click.option("--since", help="Only hits shown or changed since this day or time (UTC).")
@click.option("--new", "only_new", is_flag=True, help="Only those that you were not shown before, or otherwise.")
@click.option("--type", "types", multiple=True, type=_choice(sorted(RULES)), help="Only of this type; may be repeated.")
@click.option(
    "--band", "bands", multiple=True, type=_choice(Band), help="Only held by so many others; may be repeated."
)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=_choice(HitState),
    help="Only those with which we have come so far; may be repeated.",
)
@output_option
@click.pass_obj
@reporting
def hits(
    session: Session,
    since: str | None,
    *,
    only_new: bool,
    types: tuple[str, ...],
    bands: tuple[str, ...],
    states: tuple[str, ...],
    output: Path | None,
) -> Shown:
    """List every live overlap of one's own indicators with other institutions; nobody is named.

    A value that was submitted in two key epochs is two hits, each with requests of its own, until the older rows expire
    or are withdrawn.

    A hit that you were not shown before, or otherwise, is new; what is new is kept in this home, for each
    representative. Its state is the furthest that this member has come with it: asked, answered, assessed, outcome.
    """
    moment = None if since is None else read_since("since", since)
    filters = HitFilters(frozenset(types), frozenset(bands), frozenset(states), only_new)
    # Kept in their JSON form: a million hits as Python objects would not fit.
    found = [msgspec.json.encode(hit) for hit in look_at_hits(session.workplace, moment, filters)]
    if output is not None:
        shown = exported(output, {"hits": map(msgspec.json.decode, found)}, "hits")
        _mark_seen(session, found)
        return shown
    seen = found if session.as_json else _newest(found)[:_SHOWN]
    document = {"hits": (msgspec.Raw(hit) for hit in found)}
    shown = Shown(document, _text(found, seen), None if session.as_json or not found else _table(session, found, seen))
    _mark_seen(session, seen)
    return shown


def _mark_seen(session: Session, hits: list[bytes]) -> None:
    mark_seen(session.workplace, map(_DECODER.decode, hits))


def _newest(found: list[bytes]) -> list[bytes]:
    """What is new first, then what changed last."""

    def order(encoded: bytes) -> tuple[bool, str]:
        hit = _DECODER.decode(encoded)
        return hit.new, hit.changed_at

    return sorted(found, key=order, reverse=True)


def _text(found: list[bytes], shown: list[bytes]) -> str:
    if not found:
        return "no hits"
    more = [f"… {len(found) - len(shown):,} more; --json gives all"] if len(found) > len(shown) else []
    masked = any(_OTHER in _masked_in(_DECODER.decode(hit)) for hit in shown)
    asking = "ask about one: member request create NO. --legal-gateway … (member request create --help)"
    widely = any(_DECODER.decode(hit).widely_held for hit in shown)
    return "\n".join([*more, *([_WIDELY] if widely else []), *([_MASKED] if masked else []), asking])


def _masked_in(hit: ListedHit) -> tuple[str, ...]:
    return (*hit.sectors, *hit.themes, hit.first_seen)


def _table(session: Session, found: list[bytes], shown: list[bytes]) -> Table:
    hits = [_DECODER.decode(encoded) for encoded in shown]
    numbers = session.workplace.number("hit", (hit.hit_id for hit in hits))
    new = sum(hit.new for hit in hits)
    columns = ("no.", "state", "came", "type", "own value", "others", *_SPARE)
    made = table(
        f"{counted(len(found), 'hit')}, {new:,} new", *columns, whole=("hit", "own value", "came", "type"), spare=_SPARE
    )
    for hit in hits:
        values = ", ".join(hit.values) or "not in this vault"
        shared = (_words(hit.themes), _words(hit.sectors))
        others = hit.institutions + (" !" if hit.widely_held else "")
        row = (hit.came_at[:10], label(hit.indicator_type), values, others)
        spare = (", ".join(hit.source_refs), label(hit.first_seen), *shared, hit.hit_id)
        made.add_row(str(numbers[hit.hit_id]), _state(hit), *row, *spare)
    return made


def _words(codes: Iterable[str]) -> str:
    return ", ".join(map(label, codes))


def _state(hit: ListedHit) -> str:
    """Whether a hit is new, and what was done about it."""
    done = [] if hit.state == HitState.UNTOUCHED else [in_words(hit.state)]
    return label(", ".join([*(["new"] if hit.new else []), *done]))
