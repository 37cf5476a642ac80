"""Generated alerts, for load and feed tests of a sandbox: drafted, reviewed, released and published by the same rules,
with the same events, notices and feed objects as every other, but many in one transaction.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.orm import Session

from alerts.acts.authoring import draft_in, review_in
from alerts.acts.publication import release_in
from exchange.gateways.handling import is_wider
from exchange.gateways.rules import RULES
from exchange.kernel.actor import Actor
from exchange.kernel.session import Database
from exchange.log.acting import Request
from keys.signatures.messages import new_nonce
from schemas.alerts.messages import AlertContent, AlertSource, Audience, CaseStudy, PublishedAccount
from schemas.terms import AlertColour, Classification, LegalGateway, Theme, TrafficLight

AT_ONCE = 25
"""Alerts of one transaction: other writers of a SQLite database wait for one, which is to take well under a second."""

_WHO = ("Students", "Company directors", "Newcomers to the country", "Couriers", "Letting agents", "Traders in phones")
_WHAT = ("move salaries of firms that do not trade", "pass on the takings of invoice fraud", "cash out stolen wallets")
_HOW = (
    "through accounts opened online",
    "within an hour of arrival",
    "in sums just below the limit",
    "by way of cards",
)
_FLAGS = (
    "Several accounts were opened from one device in a week",
    "The whole balance leaves within an hour of each payment",
    "Payments name an employer that files no accounts",
    "The customer asks for a higher limit on the first day",
    "Sums recur that end in the same three digits",
    "The address is a forwarding agent's",
)
_ACTIONS = ("Look for these patterns among accounts younger than a year.", "Tell the issuer what you find as feedback.")
# RED is left out: it is in no feed, and these alerts are for reading feeds.
_LIGHTS = (TrafficLight.CLEAR, TrafficLight.GREEN, TrafficLight.AMBER, TrafficLight.AMBER_STRICT)


def publish_generated(
    database: Database, member_id: str, group_id: str, count: int, report: Callable[[str], None]
) -> int:
    """Publish `count` alerts of a member to a group; how many. Raises RefusalError, LogUnavailableError."""
    generated = random.Random()  # noqa: S311 - invented text, not secrets
    for first in range(0, count, AT_ONCE):
        numbers = range(first + 1, min(first + AT_ONCE, count) + 1)
        contents = [make_content(generated, number, group_id, datetime.now(UTC).date()) for number in numbers]
        database.run_in_transaction(lambda session, contents=contents: _publish(session, member_id, contents))  # type: ignore[misc]
        report(f"{numbers[-1]:,} of {count:,} generated alerts are published")
    return count


def _publish(session: Session, member_id: str, contents: list[AlertContent]) -> None:
    """Each by two people, at the moment it is published."""
    author = Actor(f"{member_id}/analyst", member_id, frozenset())
    releaser = Actor(f"{member_id}/authoriser", member_id, frozenset())
    for content in contents:
        now = datetime.now(UTC)
        stored = draft_in(session, _request(author, now), content, RULES)
        review_in(session, _request(releaser, now), stored)
        release_in(session, _request(releaser, now), stored, None, RULES)


def _request(actor: Actor, now: datetime) -> Request:
    """Made by nobody's signature: the log's entries of it hold none."""
    return Request(actor, new_nonce(), b"", now)


def make_content(generated: random.Random, number: int, group_id: str, today: date) -> AlertContent:
    """One alert: colours, themes and lights in turn, so that few alerts show all; the rest at random."""
    tlp = _LIGHTS[number % len(_LIGHTS)]
    source = generated.choice([light for light in _LIGHTS if not is_wider(tlp, light)])
    who, what, how = (generated.choice(words) for words in (_WHO, _WHAT, _HOW))
    expires_on = today + timedelta(days=generated.randrange(90, 700))
    return AlertContent(
        title=f"{who} {what} {how} ({number})",
        colour=tuple(AlertColour)[number % len(AlertColour)].value,
        classification=generated.choice((Classification.OFFICIAL, Classification.OFFICIAL_SENSITIVE)).value,
        tlp=tlp.value,
        conditions=generated.choice(("", "Not to be used as evidence.")),
        theme=tuple(Theme)[number % len(Theme)].value,
        audience=Audience(groups=[group_id], kinds=[]),
        overview=f"{who} **{what}** {how}. Generated for tests; nobody is meant.",
        red_flags=generated.sample(_FLAGS, generated.randrange(1, len(_FLAGS))),
        case_studies=[_case_study(generated, case) for case in range(1, generated.randrange(1, 4))],
        requested_action="\n".join(f"- {action}" for action in _ACTIONS),
        body=f"## What is known\n\nSeen *{generated.randrange(2, 90)}* times; see [the guide](https://example.org/g).",
        legal_gateway=LegalGateway.CCA2013_S7.value,
        purpose="generated: to try feeds and readers",
        sources=[AlertSource(reference=f"Report {generated.randrange(1, 10_000)}", tlp=source.value)],
        accounts=[_account(generated) for _ in range(generated.choice((0, 0, 1, 3)))],
        supersedes="",
        review_by=today + (expires_on - today) / 2,
        expires_on=expires_on,
    )


def _case_study(generated: random.Random, number: int) -> CaseStudy:
    text = (
        f"{generated.randrange(2, 40)} accounts, *one* address, {generated.randrange(10, 900)},000 pounds in a month."
    )
    return CaseStudy(title=f"Case {number}", text=text)


def _account(generated: random.Random) -> PublishedAccount:
    """Of a bank that there is not: its four letters are nobody's."""
    sort_code, number = (f"{generated.randrange(10**digits):0{digits}}" for digits in (6, 8))
    account = f"ZZZZ{sort_code}{number}"
    digits = int("".join(str(int(sign, 36)) for sign in f"{account}GB00"))
    return PublishedAccount(f"GB{98 - digits % 97:02}{account}", sort_code, number, "ZZZZGB2L")
