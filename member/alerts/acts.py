"""What is done about alerts: read and checked against the own log, answered, drafted, released, withdrawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from member.alerts.client import AlertClient, ReadAlert
from member.alerts.feeds import feed_addresses
from member.alerts.log import AlertLog
from member.errors import AnswerError, MemberError, quoted
from member.inputs import InputError
from member.workplace.workplace import Workplace
from schemas.alerts.messages import Acknowledgement, AlertContent, AlertStatus, Release, TakingBack
from schemas.terms import AlertState
from schemas.values.message import Empty

_READ = "alert_read"
"""The record of the vault that an alert was read from this home."""


@dataclass(frozen=True)
class CheckedAlert:
    """An alert that was read; `logged` is the number of the own log entry that states it, None while that waits for its
    place.
    """

    alert: ReadAlert
    logged: int | None


def draft(workplace: Workplace, content: AlertContent) -> AlertStatus:
    """Hand in a draft, once the statements are vouched for."""
    workplace.check_fresh()
    return AlertClient.at(workplace).draft(content)


def review(workplace: Workplace, text: str) -> AlertStatus:
    """Note that somebody else than its author has reviewed a draft; `text` says which alert."""
    workplace.check_fresh()
    client = AlertClient.at(workplace)
    return client.step(client.find_id(text), "review", Empty())


def release(workplace: Workplace, text: str, at: datetime | None) -> AlertStatus:
    """Publish a reviewed alert, now or at that time."""
    workplace.check_fresh()
    client = AlertClient.at(workplace)
    return client.step(client.find_id(text), "release", Release(at=at))


def withdraw(workplace: Workplace, text: str, reason: str) -> AlertStatus:
    """Take an alert back."""
    client = AlertClient.at(workplace)
    return client.step(client.find_id(text), "withdraw", TakingBack(reason=reason))


def read(workplace: Workplace, text: str) -> CheckedAlert:
    """Read an alert: every reading is logged, and what is shown is held against the own log. Raises AnswerError or
    LogFault if something else was shown than was logged.
    """
    client = AlertClient.at(workplace)
    found = client.read(client.find_id(text))
    return CheckedAlert(found, _check_with_log(workplace, found))


def acknowledge(workplace: Workplace, texts: Sequence[str] | None, said: Acknowledgement) -> list[AlertStatus]:
    """Acknowledge alerts, each once; None is all that were read from this home and are not acknowledged."""
    client = AlertClient.at(workplace)
    chosen = _read_here(workplace, client) if texts is None else dict.fromkeys(map(client.find_id, texts))
    return [client.step(alert_id, "acknowledgement", said) for alert_id in chosen]


def _read_here(workplace: Workplace, client: AlertClient) -> list[str]:
    """The alerts in force that were read from this home, and that this member has not acknowledged."""
    published = client.alerts(state=AlertState.PUBLISHED.value)
    open_ones = (one.alert_id for one in published if not one.acknowledged)
    return [one for one in open_ones if workplace.vault.get(_READ, one.encode()) is not None]


def _check_with_log(workplace: Workplace, found: ReadAlert) -> int | None:
    computed = found.computed_sha256()
    if computed != found.content_sha256:
        raise AnswerError("the exchange shows an alert that is not the one whose digest it states", "tell the reviewer")
    log = AlertLog(workplace.vault, workplace.log_origin(workplace.keyring), workplace.home.member_id)
    log.keep(found.event_id, found.alert_id, found.version, computed)
    log.catch_up(workplace.exchange)
    with workplace.vault.transaction():
        workplace.vault.put(_READ, found.alert_id.encode(), str(found.version).encode())
    logged = log.check(found.alert_id, found.version, computed)
    return None if logged is None else logged.number


class MadeFeedToken(msgspec.Struct, frozen=True):
    """A feed token, shown this once, and the feeds that it reads."""

    token_id: str
    token: str
    name: str
    feeds: Sequence[Mapping[str, str]]


def make_feed_token(workplace: Workplace, name: str) -> MadeFeedToken:
    """Make a feed token. InputError for a name that a token in force has: nobody could tell which of the two to revoke;
    MemberError where the answer with it was lost.
    """
    client = AlertClient.at(workplace)
    for one in client.tokens():
        if one.name == name and one.revoked_at is None:
            found = f"a feed token named {quoted(name)} was made on {one.created_at[:10]}"
            raise InputError("name", found, f"another name, or end that one: {one.token_id}")
    made = client.make_token(name)
    if made.token is None:
        detail = "the token was made, and the answer with it was lost on its way"
        raise MemberError(detail, f"revoke {made.token_id}, then make another", slug="token_lost")
    workplace.number("feed token", [made.token_id])
    return MadeFeedToken(made.token_id, made.token, name, feeds_of(workplace))


def feeds_of(workplace: Workplace) -> Sequence[Mapping[str, str]]:
    """Where this member's feeds are."""
    groups = workplace.exchange.standing().groups
    return feed_addresses(workplace.home.exchange_url, [one.group_id for one in groups])
