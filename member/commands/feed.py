"""`feed`: the tokens with which existing tools read this member's feeds."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from member.alerts.client import AlertClient
from member.alerts.feeds import feed_addresses
from member.commands.shared.common import Shown, counted, reporting, table
from member.commands.shared.session import Session
from member.errors import MemberError, UsageError, quoted


@click.group(epilog="Example: member feed list")
def feed() -> None:
    """Tokens for feed readers (TAXII, Atom, JSON Feed, MISP): each reads this member's feeds and can do no more."""


@feed.command("token", epilog="Example: member feed token --name 'threat platform'")
@click.option("--name", default="feed reader", show_default=True, help="What it is for, for your own list.")
@click.pass_obj
@reporting
def make(session: Session, name: str) -> Shown:
    """Make a feed token. It is shown this once and kept nowhere: put it where your reader keeps its secrets."""
    _refuse_second(session, name)
    made = AlertClient.at(session.workplace).make_token(name)
    if made.token is None:
        hint = f"member feed revoke {made.token_id}, then make another"
        raise MemberError("the token was made, and the answer with it was lost on its way", hint, slug="token_lost")
    session.workplace.number("feed token", [made.token_id])
    feeds = _feeds(session)
    ends = f"as a Bearer token, or as the password of Basic; member feed revoke {made.token_id} ends it"
    listed = (f"{one['form']:10} {one['url']}" for one in feeds)
    text = "\n".join([made.token, "", ends, "", *listed])
    return Shown({"token_id": made.token_id, "token": made.token, "name": name, "feeds": feeds}, text)


def _refuse_second(session: Session, name: str) -> None:
    """UsageError for a name that a token in force has: nobody could tell which of the two to revoke."""
    for one in AlertClient.at(session.workplace).tokens():
        if one.name == name and one.revoked_at is None:
            raise UsageError(
                f"a feed token named {quoted(name)} was made on {one.created_at[:10]}",
                f"give another one --name …, or end that one: member feed revoke {one.token_id}",
            )


@feed.command("list", epilog="Example: member feed list")
@click.pass_obj
@reporting
def list_all(session: Session) -> Shown:
    """List this member's feed tokens, without the secrets."""
    found = list(AlertClient.at(session.workplace).tokens())
    numbers = session.workplace.number("feed token", (one.token_id for one in found))
    columns = ("no.", "name", "made at", "revoked at", "made by", "feed token")
    made = table(counted(len(found), "feed token"), *columns, whole=("feed token",), spare=("made by", "feed token"))
    for one in found:
        number = str(numbers[one.token_id])
        made.add_row(number, one.name, one.created_at, one.revoked_at, one.created_by, one.token_id)
    text = "" if found else "no feed tokens"
    return Shown({"feed_tokens": msgspec.to_builtins(found)}, text, made if found else None)


@feed.command("addresses", epilog="Example: member feed addresses")
@click.pass_obj
@reporting
def addresses(session: Session) -> Shown:
    """List where this member's feeds are; reading them takes a feed token."""
    feeds = _feeds(session)
    return Shown({"feeds": feeds}, "\n".join(f"{one['form']:10} {one['url']}" for one in feeds))


def _feeds(session: Session) -> Sequence[dict[str, str]]:
    groups = session.workplace.exchange.standing().groups
    return feed_addresses(session.home.exchange_url, [one.group_id for one in groups])


@feed.command("revoke", epilog="Example: member feed revoke 019ac7b2-7f7e-7b1c-9d2a-3c5b8a1f0e11")
@click.argument("token_id", metavar="ID")
@click.pass_obj
@reporting
def revoke(session: Session, token_id: str) -> Shown:
    """End a feed token at once."""
    found = session.workplace.find_id("feed token", token_id)
    AlertClient.at(session.workplace).revoke_token(found)
    return Shown({"token_id": found, "state": "revoked"}, f"{found} is revoked")
