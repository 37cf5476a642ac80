"""`feed`: the tokens with which existing tools read this member's feeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import click
import msgspec

from member.alerts.acts import feeds_of, make_feed_token
from member.alerts.client import AlertClient
from member.commands.shared.common import Shown, counted, reporting, table
from member.commands.shared.session import Session


@click.group(epilog="Example: member feed list")
def feed() -> None:
    """Tokens for feed readers (TAXII, Atom, JSON Feed, MISP): each reads this member's feeds and can do no more."""


@feed.command("token", epilog="Example: member feed token --name 'threat platform'")
@click.option("--name", default="feed reader", show_default=True, help="What it is for, for your own list.")
@click.pass_obj
@reporting
def make(session: Session, name: str) -> Shown:
    """Make a feed token. It is shown this once and kept nowhere: put it where your reader keeps its secrets."""
    made = make_feed_token(session.workplace, name)
    ends = f"as a Bearer token, or as the password of Basic; member feed revoke {made.token_id} ends it"
    return Shown(made, "\n".join([made.token, "", ends, "", *_lines(made.feeds)]))


def _lines(feeds: Sequence[Mapping[str, str]]) -> Iterator[str]:
    return (f"{one['form']:10} {one['url']}" for one in feeds)


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
    feeds = feeds_of(session.workplace)
    return Shown({"feeds": feeds}, "\n".join(_lines(feeds)))


@feed.command("revoke", epilog="Example: member feed revoke 019ac7b2-7f7e-7b1c-9d2a-3c5b8a1f0e11")
@click.argument("token_id", metavar="ID")
@click.pass_obj
@reporting
def revoke(session: Session, token_id: str) -> Shown:
    """End a feed token at once."""
    found = session.workplace.find_id("feed token", token_id)
    AlertClient.at(session.workplace).revoke_token(found)
    return Shown({"token_id": found, "state": "revoked"}, f"{found} is revoked")
