"""Ways to falsify the database of a run that ended well. Each must be found; a check that finds none checks nothing."""

from __future__ import annotations

from tests.torture.records import DOUBLED, LOST, UNLOGGED

_ANSWERED = "(SELECT min(request_id) FROM request_parts WHERE state = 'answered')"
_TOLD = "(SELECT min(request_id) FROM request_parts WHERE outcome IN ('full', 'partial'))"
_ENTRY = "(SELECT min(entry_id) FROM log_entries WHERE kind = '{}')"

MUTATIONS: dict[str, tuple[str, str]] = {
    "a request is gone": (
        LOST,
        "DELETE FROM information_requests WHERE request_id = (SELECT min(request_id) FROM information_requests)",
    ),
    "a request that nobody made": (
        DOUBLED,
        "UPDATE information_requests SET request_id = '01a203d0-0000-7000-8000-000000000000' "
        "WHERE request_id = (SELECT min(request_id) FROM information_requests)",
    ),
    "an answer is gone": (LOST, f"UPDATE request_parts SET state = 'taken_up' WHERE request_id = {_ANSWERED}"),
    "an answer is another": (LOST, f"UPDATE request_parts SET outcome = 'lapsed' WHERE request_id = {_ANSWERED}"),
    "an answer is another's": (LOST, f"UPDATE request_parts SET member_id = 'd' WHERE request_id = {_ANSWERED}"),
    "a withdrawal would not follow an answer": (
        LOST,
        f"DELETE FROM derived_disclosures WHERE kind = 'response' AND object_id = {_TOLD}",
    ),
    "a query is gone": (LOST, "DELETE FROM queries WHERE query_id = (SELECT min(query_id) FROM queries)"),
    "a query waits again": (LOST, "UPDATE queries SET state = 'pending'"),
    "a withdrawal is gone": (
        LOST,
        "DELETE FROM withdrawals WHERE withdrawal_id = (SELECT min(withdrawal_id) FROM withdrawals)",
    ),
    "a withdrawal took more": (DOUBLED, "UPDATE withdrawals SET rows = rows + 1"),
    "a row taken back is gone": (
        LOST,
        "DELETE FROM retired_indicators WHERE token = (SELECT min(token) FROM retired_indicators)",
    ),
    "nobody was corrected": (LOST, "DELETE FROM correction_items"),
    "a correction waits": (LOST, "UPDATE corrections SET acknowledged_at = NULL"),
    "a notice is gone": (
        LOST,
        "DELETE FROM notices WHERE notice_id = (SELECT min(notice_id) FROM notices WHERE kind = 'request_answered')",
    ),
    "a notice came twice": (
        DOUBLED,
        "INSERT INTO notices (notice_id, member_id, kind, event_id, created_at) "
        "SELECT '01a203d0-0000-7000-8000-000000000000', member_id, kind, event_id, created_at FROM notices LIMIT 1",
    ),
    **{
        f"an entry {kind} is gone": (UNLOGGED, f"DELETE FROM log_entries WHERE entry_id = {_ENTRY.format(kind)}")
        for kind in (
            "request_made",
            "request_read",
            "request_taken_up",
            "request_answered",
            "le_query_asked",
            "le_query_approved",
            "le_query_read",
            "withdrawal",
            "correction",
            "correction_acknowledged",
            "corrections_read",
        )
    },
    "an entry stands twice": (
        DOUBLED,
        "INSERT INTO log_entries (entry_id, event_id, member_id, kind, recorded_at, entry) "
        "SELECT '01a203d0-0000-7000-8000-000000000000', '01a203d0-0000-7000-8000-000000000001', "
        "member_id, kind, recorded_at, entry FROM log_entries WHERE kind = 'request_answered' LIMIT 1",
    ),
}
"""What is falsified, by which kind of fault it must be found, and how."""
