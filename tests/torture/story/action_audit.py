"""Comparing the exchange's database with what the members were told of requests, queries and withdrawals.

1. Every act that was acknowledged is on record as it was acknowledged; when all members have finished, no other is.
2. Each act has its entries in the logs of its parties, as many as there are acts: none missing, none twice.
3. Each has its notices likewise.
4. Whoever was told of a row has its correction once the worker has run (tests.torture.story.corrected), and every watch
   has told of every row.
"""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

from tests.torture.records import DOUBLED, LOST, UNLOGGED
from tests.torture.shown import Act, Shown
from tests.torture.story.corrected import Due, find_due

Found = list[tuple[str, str, int]]
_ACTS = {
    "request": "SELECT member_id, request_id, '' FROM information_requests",
    "answer": "SELECT member_id, request_id, outcome FROM request_parts WHERE state = 'answered'",
    "answer_read": (
        "SELECT r.member_id, r.request_id, p.member_id || ' ' || p.outcome FROM request_parts p "
        "JOIN information_requests r ON r.request_id = p.request_id "
        "WHERE p.state = 'answered' AND p.outcome IN ('full', 'partial')"
    ),
    "query": "SELECT member_id, query_id, '' FROM queries",
    "approval": "SELECT member_id, query_id, '' FROM queries WHERE state = 'answered'",
    "withdrawal": "SELECT w.member_id, w.withdrawal_id, w.rows FROM withdrawals w",
    "acknowledgement": "SELECT member_id, correction_id, '' FROM corrections",
}
"""What there is of each act on record: member, object, and what else was acknowledged of it."""

_PARTIES = {
    "request_made": ("SELECT member_id FROM information_requests UNION ALL SELECT member_id FROM request_parts"),
    "request_answered": (
        "SELECT member_id FROM request_parts WHERE state = 'answered' UNION ALL "
        "SELECT r.member_id FROM request_parts p JOIN information_requests r ON r.request_id = p.request_id "
        "WHERE p.state = 'answered'"
    ),
    "withdrawal": "SELECT member_id FROM withdrawals",
    "le_query_asked": (
        "SELECT member_id FROM queries UNION ALL "
        "SELECT m.member_id FROM queries q, members m WHERE m.kind = 'regulator'"
    ),
    "le_query_approved": (
        "SELECT member_id FROM queries WHERE state = 'answered' UNION ALL "
        "SELECT m.member_id FROM queries q, members m WHERE q.state = 'answered' AND m.kind = 'regulator'"
    ),
}
"""For each kind of entries, its parties: one row for every entry that there must be."""

_AT_LEAST = {
    "request_taken_up": (
        "SELECT member_id FROM request_parts WHERE taken_up_at IS NOT NULL UNION ALL SELECT taken_up.member_id FROM "
        "(SELECT DISTINCT r.member_id, r.request_id FROM request_parts p JOIN information_requests r "
        "ON r.request_id = p.request_id WHERE p.taken_up_at IS NOT NULL) taken_up"
    ),
    "correction": "SELECT member_id FROM corrections",
    "correction_acknowledged": "SELECT member_id FROM corrections WHERE acknowledged_at IS NOT NULL",
}
"""The same where an act that is done again has another entry."""

_NOTIFIED = {
    "request_received": "SELECT member_id FROM request_parts",
    "request_answered": (
        "SELECT r.member_id FROM request_parts p JOIN information_requests r ON r.request_id = p.request_id "
        "WHERE p.state = 'answered'"
    ),
    "request_taken_up": (
        "SELECT DISTINCT r.member_id, r.request_id FROM request_parts p "
        "JOIN information_requests r ON r.request_id = p.request_id WHERE p.taken_up_at IS NOT NULL"
    ),
    "le_query_asked": "SELECT member_id FROM queries",
}
"""For each kind of notices, whom there must be one for."""

_NOTICES = "SELECT member_id, kind, event_id FROM notices UNION ALL SELECT member_id, kind, event_id FROM outbox"
_UNLOGGED = {
    "police work that its agency or the reviewer has no entry of": (
        "SELECT e.event_id FROM log_entries e JOIN members m ON m.member_id = e.member_id "
        "WHERE e.kind LIKE 'le_query_%' OR e.kind = 'le_watch_matched' GROUP BY e.event_id "
        "HAVING count(CASE m.kind WHEN 'law_enforcement' THEN 1 END) = 0 "
        "OR count(CASE m.kind WHEN 'regulator' THEN 1 END) = 0"
    ),
    "disclosures without an entry of whom they told": (
        "SELECT d.object_id FROM derived_disclosures d LEFT JOIN log_entries e "
        "ON e.event_id = d.event_id AND e.member_id = d.recipient_member_id WHERE e.entry_id IS NULL"
    ),
    "rows told by a query without an entry": (
        "SELECT q.query_id FROM query_matches m JOIN queries q ON q.query_id = m.query_id LEFT JOIN log_entries e "
        "ON e.event_id = m.event_id AND e.member_id = q.member_id WHERE e.entry_id IS NULL"
    ),
    "withdrawals without an entry": (
        "SELECT w.withdrawal_id FROM withdrawals w LEFT JOIN log_entries e "
        "ON e.event_id = w.event_id AND e.member_id = w.member_id WHERE e.entry_id IS NULL"
    ),
}
_NOT_DERIVED = (
    "SELECT p.request_id FROM request_parts p JOIN information_requests r ON r.request_id = p.request_id "
    "LEFT JOIN derived_disclosures d ON d.token = r.token AND d.recipient_member_id = r.member_id "
    "AND d.kind = 'response' AND d.object_id = r.request_id AND d.source_member_id = p.member_id "
    "WHERE p.state = 'answered' AND p.outcome IN ('full', 'partial') AND d.object_id IS NULL"
)
_LIVE = (
    "SELECT token, member_id, submission_id FROM recent_indicators UNION ALL "
    "SELECT token, member_id, submission_id FROM indicators"
)
_NOT_WATCHED = (
    "SELECT l.token FROM queries q JOIN query_subjects s ON s.query_id = q.query_id "
    f"JOIN ({_LIVE}) l ON l.token = s.token LEFT JOIN query_matches m ON m.token = l.token "
    "AND m.query_id = q.query_id AND m.member_id = l.member_id AND m.submission_id = l.submission_id "
    "WHERE q.state = 'answered' AND q.watch_until IS NOT NULL AND m.query_id IS NULL"
)
_ITEMS = (
    "SELECT c.withdrawal_id, c.member_id, i.token, i.kind, i.object_id FROM correction_items i "
    "JOIN corrections c ON c.correction_id = i.correction_id"
)


def compare_action(connection: Connection, shown: Mapping[str, Shown]) -> Found:
    """What must hold at any moment."""
    found = _acts(connection, shown, exactly=False)
    found += _entries(connection) + _notices(connection)
    for what, statement in _UNLOGGED.items():
        found.append((UNLOGGED, what, len(_rows(connection, statement))))
    found.append((LOST, "answers that a withdrawal would not follow", len(_rows(connection, _NOT_DERIVED))))
    return found


def compare_settled(connection: Connection, shown: Mapping[str, Shown]) -> Found:
    """What must hold when all members have finished, and the worker has run."""
    made = {_due(*row) for row in _rows(connection, _ITEMS)}
    due = find_due(shown)
    waiting = "SELECT correction_id FROM corrections WHERE acknowledged_at IS NULL"
    return [
        *_acts(connection, shown, exactly=True),
        (LOST, "members that were told and not corrected", len(due - made)),
        (LOST, "rows that a watch did not tell of", len(_rows(connection, _NOT_WATCHED))),
        (LOST, "corrections that were acknowledged and wait", len(_rows(connection, waiting))),
    ]


def _due(withdrawal_id: str, member: str, token: bytes, kind: str, object_id: str) -> Due:
    """A correction as it was made; a query tells by its watch too."""
    shown_kind = "query" if kind == "watch" else kind
    return Due(withdrawal_id, member, base64.b64encode(bytes(token)).decode(), shown_kind, object_id)


def _acts(connection: Connection, shown: Mapping[str, Shown], *, exactly: bool) -> Found:
    """Acts that were acknowledged and are not there; `exactly`: and those that are there and nobody was told of."""
    found: Found = []
    for name, statement in _ACTS.items():
        there: dict[str, set[Act]] = defaultdict(set)
        for member, object_id, detail in _rows(connection, statement):
            there[member].add(Act(name, object_id, str(detail)))
        for member, seen in shown.items():
            told = {act for act in seen.acts if act.name == name}
            found.append((LOST, f"{name} of {member} is not on record", len(told - there[member])))
            if exactly:
                found.append((DOUBLED, f"{name} of {member} that it does not know", len(there[member] - told)))
    return found


def _entries(connection: Connection) -> Found:
    """As many entries of each kind for each member as it is party to acts."""
    statement = "SELECT kind, member_id, count(*) FROM log_entries GROUP BY kind, member_id"
    there = Counter({(kind, member): count for kind, member, count in _rows(connection, statement)})
    found: Found = []
    for kind, parties in (_PARTIES | _AT_LEAST).items():
        wanted = Counter(member for (member, *_) in _rows(connection, parties))
        for member in wanted.keys() | {member for each, member in there if each == kind}:
            more = there[kind, member] - wanted[member]
            found.append((UNLOGGED, f"{kind} of {member} without its entry", max(0, -more)))
            if kind in _PARTIES:
                found.append((DOUBLED, f"{kind} of {member} with two entries", max(0, more)))
    return found


def _notices(connection: Connection) -> Found:
    """As many notices of each kind for each member as there must be, no event twice."""
    sent = [(member, kind, event) for member, kind, event in _rows(connection, _NOTICES)]
    there = Counter((kind, member) for member, kind, _ in sent)
    found: Found = [(DOUBLED, "notices of one event, member and kind", len(sent) - len(set(sent)))]
    for kind, parties in _NOTIFIED.items():
        wanted = Counter(member for (member, *_) in _rows(connection, parties))
        for member, count in wanted.items():
            found.append((LOST, f"{kind} of {member} without its notice", max(0, count - there[kind, member])))
            found.append((DOUBLED, f"{kind} of {member} with two notices", max(0, there[kind, member] - count)))
    return found


def _rows(connection: Connection, statement: str) -> list[Any]:
    return list(connection.execute(text(statement)))
