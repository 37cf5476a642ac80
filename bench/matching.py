"""Submitting and matching: what a batch costs beside a plain bulk insert, and as the store grows.

Prints one JSON line a figure:
1. submit + match, rows a second, with `--rows` stored; the reference is a plain bulk insert of the same values into a
   table with the same columns and the same key, as large, in transactions of the same size, in the same rounds.
2. The cost of a batch of 10,000 rows with `--rows` stored, beside its cost with 10,000 stored.
3. What moving the recent rows into the large table costs for each 10,000 rows: work that the first two leave to a
   job.

A batch is measured from the bytes of the request's body to the commit: reading, rules, storing, matching (one row in
fifty is held by another member too), hits, log, notices, the answer kept for a repetition. Rounds alternate, medians
are compared.
"""

from __future__ import annotations

import argparse
import json
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from sqlalchemy import make_url, text
from sqlalchemy.orm import Session

from exchange.indicators.settle import settle_indicators
from exchange.indicators.submissions import Submission
from exchange.kernel import bulk
from exchange.kernel.actor import Actor
from exchange.kernel.session import Database, create_database
from exchange.membership.store import GroupMember, KeyEpoch, Member, SharingGroup
from exchange.submissions.parts import SubmissionRequest
from exchange.submissions.reading import read_head, read_rows
from exchange.submissions.submit import submit_indicators
from migrations.upgrade import upgrade
from schemas.submissions import SubmissionEnvelope
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.factories import make_envelope
from tests.postgresql import postgresql_server

BATCH = 10_000
SHARED_ONE_IN = 50
ROUNDS = 7
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
COLUMNS = "token, group_id, member_id, submission_id, indicator_type, first_seen, last_seen"
PLAIN = "plain_rows"


@dataclass
class Store:
    """A database with rows of one member stored, and some of their tokens."""

    database: Database
    submission_id: str
    some: list[bytes]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1_000_000, help="rows stored (default 1,000,000)")
    arguments.add_argument(
        "--database-url", help="a PostgreSQL database to use, in schemas of our own, instead of SQLite"
    )
    own_server = "use a PostgreSQL server of its own, with 1 GiB of shared buffers, as one of this size would have"
    arguments.add_argument("--postgresql", action="store_true", help=own_server)
    chosen = arguments.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-matching-")))
        if chosen.postgresql:
            server = stack.enter_context(postgresql_server("shared_buffers=1GB", "max_wal_size=4GB"))
            chosen.database_url = server.url()
        places = [stack.enter_context(place(chosen.database_url, folder, name)) for name in ("small", "large", "plain")]
        small, large = (fill(database, rows) for database, rows in zip(places, (BATCH, chosen.rows), strict=False))
        fill_plain(places[2], chosen.rows)
        seconds = [measure(small, large, places[2]) for _ in range(ROUNDS + 1)][1:]  # the first round warms up
        settling = timed(lambda: settle_indicators(large.database, enough=1)) / (ROUNDS + 1)
    at_small, at_large, plain = (median(column) for column in zip(*seconds, strict=True))
    stored = f"{chosen.rows:,} stored, {'PostgreSQL' if chosen.database_url else 'SQLite'}"
    report(f"submit + match, {stored}", BATCH / at_large, "rows/s", "plain bulk insert", BATCH / plain)
    report(f"batch of {BATCH:,} rows, {stored}", at_large, "s", f"at {BATCH:,} stored", at_small)
    report(f"moving recent rows, for each {BATCH:,}, {stored}", settling, "s", "plain bulk insert", plain)


@contextmanager
def place(url: str | None, folder: Path, name: str) -> Iterator[Database]:
    """An empty database: a file of its own, or a schema of its own, dropped in the end."""
    if url is None:
        database = create_database(f"sqlite:///{folder / name}.db")
        yield database
        database.dispose()
        return
    schema = f"bench_{name}"
    database = create_database(
        make_url(url).update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(False)
    )
    for statement in (f"DROP SCHEMA IF EXISTS {schema} CASCADE", f"CREATE SCHEMA {schema}"):
        with database.engine.begin() as connection:
            connection.execute(text(statement))
    yield database
    with database.engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    database.dispose()


def report(name: str, value: float, unit: str, reference: str, reference_value: float) -> None:
    """One figure as a line of JSON."""
    figures = {"name": name, "value": round(value, 4), "unit": unit, "reference": reference}
    figures |= {"reference_value": round(reference_value, 4), "ratio": round(value / reference_value, 3)}
    print(json.dumps(figures), flush=True)


def measure(small: Store, large: Store, plain: Database) -> tuple[float, float, float]:
    """Seconds of one batch at each store, and of the plain insert of a batch's values."""
    bodies = [make_body(batch_tokens(store)) for store in (small, large)]
    values = plain_values(batch_tokens(large), large)
    return (
        timed(lambda: submit(small.database, bodies[0])),
        timed(lambda: submit(large.database, bodies[1])),
        timed(lambda: insert(plain, values)),
    )


def timed(work: Callable[[], object]) -> float:
    """Seconds that the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def fill(database: Database, rows: int) -> Store:
    """Two members in a group, one of which holds `rows` rows, in the large table."""
    upgrade(database)
    submission_id = uuid7()
    with database.transaction() as session:
        add_taskforce(session, submission_id)
    some: list[bytes] = []
    for tokens in sorted_tokens(rows):
        some += tokens[:: max(1, rows // 20_000)]
        insert_sorted(database, "indicators", tokens, submission_id)
    write_back(database)
    return Store(database, submission_id, some)


def fill_plain(database: Database, rows: int) -> None:
    """A table with the columns and the key of the indicators, as large."""
    kind = "BLOB" if database.is_sqlite else "BYTEA"
    columns = ", ".join(f"{name} {kind if name == 'token' else 'TEXT'}" for name in COLUMNS.split(", "))
    without_rowid = " WITHOUT ROWID" if database.is_sqlite else ""
    key = "PRIMARY KEY (token, group_id, member_id)"
    with database.transaction() as session:
        session.execute(text(f"CREATE TABLE {PLAIN} ({columns}, {key}){without_rowid}"))
    for tokens in sorted_tokens(rows):
        insert_sorted(database, PLAIN, tokens, uuid7())
    write_back(database)


def insert_sorted(
    database: Database, table: str, tokens: list[bytes], submission_id: str, member_id: str = "a"
) -> None:
    """Rows of a member, in the order of their tokens."""
    count = len(tokens)
    values = (tokens, ["bank_account"] * count, ["2026-10-05"] * count, [None] * count)
    with database.transaction() as session:
        bulk.insert_rows(session, table, COLUMNS, values, ("taskforce", member_id, submission_id))


def add_taskforce(session: Session, submission_id: str, member_ids: Sequence[str] = ("a", "b")) -> None:
    """Members, their group, an epoch, and a submission of the first."""
    for member_id in member_ids:
        session.add(
            Member(
                member_id=member_id,
                name=member_id,
                kind="financial_institution",
                sector="banking",
                state="active",
                declared_book=0,
                encryption_key=bytes(32),
                sequence=1,
                updated_at=NOW,
            )
        )
    group = SharingGroup(group_id="taskforce", name="g", kind="taskforce", objective="o", state="open", sequence=1)
    group.updated_at = NOW
    session.add(group)
    session.flush()
    session.add_all([GroupMember(group_id="taskforce", member_id=member_id) for member_id in member_ids])
    epoch = KeyEpoch(epoch=1, state="current", threshold=2, public_key=bytes(32), normalisation="n1", sequence=1)
    epoch.holders_json = "[]"
    session.add(epoch)
    envelope = make_envelope()
    session.add(
        Submission(
            submission_id=submission_id,
            member_id="a",
            representative_id="a/analyst",
            group_id="taskforce",
            epoch=1,
            theme=envelope["theme"],
            expires_on=date.fromisoformat(envelope["expires_on"]),
            state="active",
            envelope_json="{}",
            created_at=NOW,
        )
    )


def write_back(database: Database) -> None:
    """Let nothing of the filling be left to the batches that are measured."""
    raw = database.engine.raw_connection()
    try:
        if not database.is_sqlite:
            raw.rollback()
            raw.driver_connection.autocommit = True  # type: ignore[union-attr]
        cursor = raw.cursor()
        cursor.execute("ANALYZE")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)" if database.is_sqlite else "CHECKPOINT")
        cursor.close()
    finally:
        raw.invalidate()
        raw.close()


def sorted_tokens(count: int, at_once: int = 50_000) -> Iterator[list[bytes]]:
    """`count` random tokens in order, piece by piece."""
    pieces = max(1, count // at_once)
    for number in range(pieces):
        low, span = number * 2**32 // pieces, 2**32 // pieces
        heads = sorted((low + secrets.randbelow(span)).to_bytes(4, "big") for _ in range(count // pieces))
        yield [head + secrets.token_bytes(28) for head in heads]


def batch_tokens(store: Store) -> list[bytes]:
    """The tokens of a batch: mostly new, one in fifty held by the other member."""
    shared = BATCH // SHARED_ONE_IN
    picked = [store.some.pop(secrets.randbelow(len(store.some))) for _ in range(min(shared, len(store.some)))]
    tokens = picked + [secrets.token_bytes(32) for _ in range(BATCH - len(picked))]
    secrets.SystemRandom().shuffle(tokens)
    return tokens


def make_body(tokens: Sequence[bytes]) -> bytes:
    """The body of a request of the other member."""
    rows = [[to_base64(token), "bank_account", "2026-10-05", None] for token in tokens]
    return msgspec.json.encode({"submission_id": uuid7(), "part": 0, "envelope": make_envelope(), "rows": rows})


def plain_values(tokens: Sequence[bytes], store: Store) -> Any:
    """The same rows as columns."""
    count = len(tokens)
    same = (["taskforce"] * count, ["b"] * count, [store.submission_id] * count)
    return (list(tokens), *same, ["bank_account"] * count, ["2026-10-05"] * count, [None] * count)


def submit(database: Database, body: bytes, member_id: str = "b") -> None:
    """What POST /v1/submissions does between signature and receipt."""
    head = read_head(body)
    rows = read_rows(head.rows, NOW.date())
    request = SubmissionRequest(
        submission_id=head.submission_id,
        part=head.part,
        envelope=msgspec.convert(head.envelope, SubmissionEnvelope),
        rows=rows,
        relist=None,
        relist_rows=None,
        idempotency_key=secrets.token_hex(16),
        request_sha256=secrets.token_bytes(32),
    )
    actor = Actor(f"{member_id}/analyst", member_id, frozenset({"submitter"}), "signature")
    answer = submit_indicators(database, actor, request, now=NOW, merge_delay_seconds=60)
    assert answer.result.accepted == len(rows.good)


def insert(database: Database, values: Any) -> None:
    """A plain bulk insert in one transaction, in the quickest form of each driver."""
    with database.transaction() as session:
        connection = session.connection()
        if database.is_sqlite:
            marks = ", ".join("?" * len(values))
            connection.exec_driver_sql(
                f"INSERT INTO {PLAIN} VALUES ({marks})",  # noqa: S608 - the names are our own
                list(zip(*values, strict=True)),
            )
        else:
            arrays = ", ".join(["%b::bytea[]", *["%s::text[]"] * (len(values) - 1)])
            connection.exec_driver_sql(
                f"INSERT INTO {PLAIN} SELECT * FROM unnest({arrays})",  # noqa: S608 - the names are our own
                values,
            )


if __name__ == "__main__":
    main()
