"""A taskforce whose feed holds many objects: real alerts, stored as publishing stores them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.acts.acting import cut
from alerts.acts.authoring import store_draft
from alerts.feeds.storing import store_objects
from alerts.readers.disclosing import AlertVersion, record_disclosed
from alerts.store.alerts import StoredAlert
from alerts.store.feed_objects import FeedObject
from exchange.kernel.actor import Actor
from exchange.membership.feed_tokens import make_feed_token
from schemas.alerts.messages import AlertContent, Audience, PublishedAccount
from schemas.terms import AlertState, MemberKind
from tests.taskforce.founding import Taskforce

AT_ONCE = 250
_WORDS = (
    "account",
    "payment",
    "transfer",
    "company",
    "cash",
    "wallet",
    "invoice",
    "mule",
    "customer",
    "new",
    "several",
)
_GROUP = "taskforce"
_ACTOR = Actor(representative_id="bank-a/analyst", member_id="bank-a", roles=frozenset(), signature="")


def now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


@contextmanager
def feed_store(database_url: str, folder: Path, objects: int) -> Iterator[Taskforce]:
    """A taskforce of two banks and an agency, `bank-a`, `bank-b` and `agency`, with at least so many objects in the
    feed of its one group. One alert in four is for agencies only, so that a bank's pages skip something.
    """
    taskforce = Taskforce(database_url, folder, clock=now)
    try:
        taskforce.add_member("bank-a")
        taskforce.add_member("bank-b")
        taskforce.add_member("agency", kind=MemberKind.LAW_ENFORCEMENT)
        taskforce.state_group(["bank-a", "bank-b", "agency"])
        stored, chance = 0, random.Random(7)
        while stored < objects:
            with taskforce.database.transaction() as session:
                for _ in range(AT_ONCE):
                    _publish(session, chance)
                stored = session.scalar(select(func.count()).select_from(FeedObject)) or 0
        yield taskforce
    finally:
        taskforce.close()


def token_of(taskforce: Taskforce, member_id: str) -> str:
    """A new feed token."""
    with taskforce.database.transaction() as session:
        return make_feed_token(session, member_id, "bench", f"{member_id}/analyst", now())[1]


def tell_all(taskforce: Taskforce, member_id: str) -> None:
    """As if the member had read the whole feed once."""
    with taskforce.database.reading() as session:
        told = [AlertVersion(*row) for row in session.execute(select(StoredAlert.alert_id, StoredAlert.version))]
    for start in range(0, len(told), AT_ONCE):
        some = told[start : start + AT_ONCE]
        taskforce.database.run_in_transaction(
            lambda session, some=some: record_disclosed(session, member_id, some, "taxii", now())  # type: ignore[misc]
        )


def _publish(session: Session, chance: random.Random) -> None:
    audience = Audience([_GROUP], ["law_enforcement"] if chance.random() < 0.25 else [])
    moment = cut(now())
    stored = store_draft(session, _ACTOR, _content(audience, chance), moment)
    stored.state, stored.version = AlertState.PUBLISHED.value, 1
    stored.published_at = stored.modified_at = moment
    session.flush()
    store_objects(session, stored.alert, moment)


def _content(audience: Audience, chance: random.Random) -> AlertContent:
    def prose(words: int) -> str:
        return " ".join(chance.choices(_WORDS, k=words))

    account = f"{chance.randrange(10**8):08}"
    return AlertContent(
        title=prose(8),
        colour="amber",
        classification="OFFICIAL",
        tlp="AMBER",
        conditions="",
        theme="money_mules",
        audience=audience,
        overview=prose(60),
        red_flags=[prose(20) for _ in range(chance.randrange(1, 6))],
        case_studies=[],
        requested_action=prose(30),
        body=prose(60),
        legal_gateway="CCA2013_s7",
        purpose="finding mule accounts",
        sources=[],
        accounts=[PublishedAccount(f"GB00BENC000000{account}", "000000", account, "")],
        supersedes="",
        review_by=date(2027, 5, 1),
        expires_on=date(2027, 11, 1),
    )
