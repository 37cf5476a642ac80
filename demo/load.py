"""Generated rows for load tests of a sandbox: random tokens that match nothing, stored in bulk under extra members."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from exchange.indicators.store import LIVE_COLUMNS
from exchange.indicators.submissions import ACTIVE, Submission
from exchange.kernel import bulk
from exchange.kernel.session import Database
from schemas.terms import IndicatorType, Theme
from schemas.values.identifiers import uuid7

TABLE = "indicators"
_CHUNK = 50_000
_LIFETIME = timedelta(days=365)


def store_generated_rows(
    database: Database, group_id: str, member_ids: tuple[str, ...], count: int, report: Callable[[str], None]
) -> None:
    """Store `count` rows straight into the large table, in the order of their tokens, dealt among the members."""
    now = datetime.now(UTC)
    submissions = {member_id: uuid7() for member_id in member_ids}
    database.run_in_transaction(lambda session: _add_submissions(session, group_id, submissions, now))
    chunks = -(-count // _CHUNK)
    for chunk in range(chunks):
        rows = min(_CHUNK, count - chunk * _CHUNK)
        member_id = member_ids[chunk % len(member_ids)]
        tokens = sorted(_tokens_within(chunk, chunks) for _ in range(rows))
        same = (group_id, member_id, submissions[member_id])
        database.run_in_transaction(lambda session, tokens=tokens, same=same: _insert(session, tokens, same))  # type: ignore[misc]
        report(f"{min((chunk + 1) * _CHUNK, count):,} of {count:,} generated rows are stored")


def _tokens_within(chunk: int, chunks: int) -> bytes:
    """A random token in this chunk's share of all tokens, so that the whole comes in order."""
    first, end = ((number << 32) // chunks for number in (chunk, chunk + 1))
    return (first + secrets.randbelow(end - first)).to_bytes(4) + secrets.token_bytes(28)


def _add_submissions(session: Session, group_id: str, submissions: dict[str, str], now: datetime) -> None:
    for member_id, submission_id in submissions.items():
        session.add(
            Submission(
                submission_id=submission_id,
                member_id=member_id,
                representative_id=f"{member_id}/analyst",
                group_id=group_id,
                epoch=1,
                theme=Theme.OTHER.value,
                expires_on=(now + _LIFETIME).date(),
                state=ACTIVE,
                envelope_json="{}",
                created_at=now,
            )
        )


def _insert(session: Session, tokens: list[bytes], same: tuple[str, str, str]) -> None:
    nothing: list[str | None] = [None] * len(tokens)
    types = [IndicatorType.WALLET.value] * len(tokens)
    bulk.insert_rows(session, TABLE, LIVE_COLUMNS, (tokens, types, nothing, nothing), same)
