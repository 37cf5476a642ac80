"""A statement in plain words, for the registrar who is to sign it.

What a proposal says is written by others, and must not look like a line of ours: a value that is no plain word stands
in quotation marks. More than one blank in a row, and whatever looks like a blank and is none, is shown by its count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from keys.statements.envelopes import ROOT
from keys.statements.fingerprints import in_fours
from member.statements.proposals import ProposalView
from member.statements.review import HEAD, KEYS, NAMED_BY, NOTHING, name_of

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,12}Z|<[0-9]+ blanks>", re.ASCII)
_BLANKS = re.compile(
    "[\\s\u00a0\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
"""Blanks, and what shows nothing: fillers, joiners, the empty Braille cell, variation selectors, tags."""


def review_lines(proposal: ProposalView) -> Iterator[str]:
    """A proposal for people, line by line, without digest and margin."""
    yield f"{proposal.name}: {'new' if proposal.is_new else 'a change'}"
    yield f"  sequence {proposal.sequence}, issued at {proposal.issued_at}"
    facts = _succession(proposal) if proposal.type == ROOT else _facts(proposal.statement)
    yield from (f"  {line}" for line in facts)
    yield from (f"  {each.use} key of {each.of}: {in_fours(each.fingerprint)}" for each in proposal.keys)
    if not proposal.is_new:
        changes = proposal.changes
        yield "  changes against the statement in force:" if changes else "  changes nothing but its sequence"
        yield from (f"    {each.field}: {shown(each.before)} -> {shown(each.after)}" for each in changes)
    if proposal.obstacle is not None:
        yield f"  NOT TO BE SIGNED: {proposal.obstacle}"
    yield f"  signatures so far: {proposal.signatures}"


def shown(value: Any) -> str:
    """A value so that its beginning and end are plain to see."""
    if value is None or value == []:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    text = _BLANKS.sub(_counted, str(value))
    if _PLAIN.fullmatch(text):
        return text
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))


def _counted(found: re.Match[str]) -> str:
    return " " if found[0] == " " else f"<{len(found[0])} blanks>"


def _succession(proposal: ProposalView) -> Iterator[str]:
    """What a root says: who must sign from now on."""
    stated = proposal.statement
    yield f"registrars: {', '.join(each['registrar_id'] for each in stated['registrars'])}"
    yield f"must sign: {stated['quorum']} of {len(stated['registrars'])}"
    yield f"joins: {', '.join(proposal.joining or ()) or 'nobody'}"
    yield f"leaves: {', '.join(proposal.leaving or ()) or 'nobody'}"
    yield f"carries over: {proposal.carried_over} statements"
    yield f"follows the root {in_fours(stated['previous'])}"


def _facts(stated: Mapping[str, Any]) -> Iterator[str]:
    """What else the statement says, key and head aside."""
    for name, value in stated.items():
        if name in HEAD or name in KEYS:
            continue
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for each in value:
                yield f"{name_of(each)}: {_entry(each)}"
        else:
            yield f"{name.replace('_', ' ')}: {shown(value)}"


def _entry(entry: Mapping[str, Any]) -> str:
    return "; ".join(shown(value) for name, value in entry.items() if name not in KEYS and name not in NAMED_BY)
