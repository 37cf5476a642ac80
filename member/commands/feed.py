"""`feed`: the tokens with which existing tools read this member's feeds."""

from __future__ import annotations

import click
import msgspec

from member.commands.common import Shown, reporting, table
from member.errors import MemberError
from member.session import Session


@click.group(epilog="Example: member feed list")
def feed() -> None:
    """Tokens for feed readers (TAXII, Atom, JSON Feed, MISP): each reads this member's feeds and can do no more."""


@feed.command("token", epilog="Example: member feed token --name 'threat platform'")
@click.option("--name", default="feed reader", show_default=True, help="What it is for, for your own list.")
@click.pass_obj
@reporting
def make(session: Session, name: str) -> Shown:
    """Make a feed token. It is shown this once and kept nowhere: put it where your reader keeps its secrets."""
    made = session.alerts.make_token(name)
    if made.token is None:
        hint = f"member feed revoke {made.token_id}, then make another"
        raise MemberError("the token was made, and the answer with it was lost on its way", hint, slug="token_lost")
    text = f"{made.token}\n\nas a Bearer token, or as the password of Basic; member feed revoke {made.token_id} ends it"
    return Shown({**msgspec.to_builtins(made), "name": name}, text)


@feed.command("list", epilog="Example: member feed list")
@click.pass_obj
@reporting
def list_all(session: Session) -> Shown:
    """List this member's feed tokens, without the secrets."""
    found = list(session.alerts.tokens())
    made = table(f"{len(found)} feed tokens", "id", "name", "made by", "made at", "revoked at")
    for one in found:
        made.add_row(one.token_id, one.name, one.created_by, one.created_at, one.revoked_at)
    return Shown({"feed_tokens": msgspec.to_builtins(found)}, table=made)


@feed.command("revoke", epilog="Example: member feed revoke 019ac7b2-7f7e-7b1c-9d2a-3c5b8a1f0e11")
@click.argument("token_id", metavar="ID")
@click.pass_obj
@reporting
def revoke(session: Session, token_id: str) -> Shown:
    """End a feed token at once."""
    session.alerts.revoke_token(token_id)
    return Shown({"token_id": token_id, "state": "revoked"}, f"{token_id} is revoked")
