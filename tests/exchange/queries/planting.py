"""Queries put into a database as they stand after their steps, for tests of who may reach them."""

from __future__ import annotations

from datetime import date

from exchange.kernel.session import Database
from exchange.queries.papers import keep_paper
from exchange.queries.store import QueriedToken, Query, add_query, find_query
from exchange.queries.views import terms_sha256_of
from schemas.queries.messages import QueryGrounds
from schemas.terms import IndicatorType, QueryState
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.factories import make_token
from tests.taskforce.clock import NOW

GROUNDS = QueryGrounds(
    case="OP-1",
    purpose="investigating a laundering network",
    necessity="no other source names the holders",
    proportionality="accounts of suspects only",
    salt=to_base64(bytes(32)),
)


def plant_query(
    database: Database,
    asker_id: str,
    authoriser_id: str,
    state: QueryState = QueryState.PENDING,
    ends_on: date = date(2027, 2, 20),
) -> str:
    """The id of a covert query of the asker's member, watching until its last day."""
    query = Query(
        query_id=uuid7(),
        member_id=asker_id.partition("/")[0],
        asker_id=asker_id,
        authoriser_id=authoriser_id,
        state=state.value,
        legal_gateway="DPA2018_Sch2",
        covert=True,
        silent=False,
        ends_on=ends_on,
        watch_until=ends_on,
        cover_salt=bytes(32),
        subjects=1,
        subjects_sha256=bytes(32),
        extensions_json="[]",
        created_at=NOW,
        decided_at=None if state is QueryState.PENDING else NOW,
    )
    with database.transaction() as session:
        query.paperwork_sha256 = keep_paper(session, query, 0, GROUNDS)
        add_query(session, query, [QueriedToken(make_token(), IndicatorType.IBAN.value, uuid7())])
        return query.query_id


def terms_of(database: Database, query_id: str) -> dict[str, str]:
    """The body with which its officer approves a query; of one that is not there, of no query."""
    with database.reading() as session:
        query = find_query(session, query_id)
        return {"terms_sha256": to_base64(bytes(32)) if query is None else terms_sha256_of(query)}
