"""`subscription`: where this member has alerts pushed, by webhook or mail."""

from __future__ import annotations

import click
import msgspec

from member.alerts.subscriptions import SubscriptionClient
from member.commands.shared.common import Shown, counted, reporting, table
from member.commands.shared.session import Session
from member.errors import UsageError
from member.inputs import read_since
from schemas.alerts.subscriptions import ConfirmationForm, ReplayForm, SubscriptionForm
from schemas.terms import AlertColour, DeliveryState, MemberKind, PushChannel, Theme
from schemas.values.encoding import from_rfc3339
from schemas.values.message import Empty, Message

_LONG_AGO = "1970-01-01"
_KIND = "subscription"


@click.group(epilog="Example: member subscription list")
def subscription() -> None:
    """Alerts pushed to this member: which, and where to."""


@subscription.command("add", epilog="Example: member subscription add --webhook https://hooks.bank.example/alerts")
@click.option("--webhook", metavar="URL", help="Where signed messages go (Standard Webhooks).")
@click.option("--mail", metavar="ADDRESS", help="Where digests go.")
@click.option("--theme", "themes", multiple=True, type=click.Choice([code.value for code in Theme]))
@click.option("--colour", "colours", multiple=True, type=click.Choice([code.value for code in AlertColour]))
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([code.value for code in MemberKind]),
    help="Kind of the member that issues the alert.",
)
@click.option("--group", "groups", multiple=True, metavar="ID", help="Sharing group that it is addressed to.")
@click.pass_obj
@reporting
def add(session: Session, /, webhook: str | None, mail: str | None, **filters: tuple[str, ...]) -> Shown:
    """Subscribe: to all alerts that this member may read, or to what the options choose.

    The receiver is sent a code at once; give it to `subscription confirm`. A webhook's secret is shown here only.
    """
    if (webhook is None) == (mail is None):
        raise UsageError("say where alerts go", "--webhook URL, or --mail ADDRESS")
    channel, target = (PushChannel.WEBHOOK, webhook) if mail is None else (PushChannel.MAIL, mail)
    chosen = {name: list(codes) for name, codes in filters.items()}
    made = SubscriptionClient.at(session.workplace).begin(
        SubscriptionForm(channel=channel, target=str(target), **chosen)
    )
    number = session.workplace.number(_KIND, [made.subscription_id])[made.subscription_id]
    confirm = f"a code is sent to {target}: member subscription confirm {number} CODE"
    return Shown(made, "\n".join([*_shown_secret(made.secret), confirm]))


@subscription.command("list", epilog="Example: member subscription list")
@click.pass_obj
@reporting
def list_all(session: Session) -> Shown:
    """List this member's subscriptions, ended ones too."""
    found = list(SubscriptionClient.at(session.workplace).subscriptions())
    numbers = session.workplace.number(_KIND, (one.subscription_id for one in found))
    title = counted(len(found), "subscription")
    counts_of = ("failures", "waiting", "dead")
    made = table(title, "no.", "state", "to", "only", *counts_of, "id", whole=("no.", "id"), spare=(*counts_of, "id"))
    for one in found:
        only = ", ".join([*one.themes, *one.colours, *one.kinds, *one.groups])
        counts = (str(number) for number in (one.failures, one.waiting, one.dead))
        made.add_row(str(numbers[one.subscription_id]), one.state, one.target, only, *counts, one.subscription_id)
    return Shown({"subscriptions": msgspec.to_builtins(found)}, table=made)


@subscription.command("confirm", epilog="Example: member subscription confirm 1 ABCDEFGHIJKLMNOP")
@click.argument("subscription_id", metavar="ID")
@click.argument("code")
@click.pass_obj
@reporting
def confirm(session: Session, subscription_id: str, code: str) -> Shown:
    """Show the code that the receiver was sent: alerts are pushed from now on."""
    return _step(session, subscription_id, "confirm", ConfirmationForm(code=code))


@subscription.command("test", epilog="Example: member subscription test 1")
@click.argument("subscription_id", metavar="ID")
@click.pass_obj
@reporting
def test(session: Session, subscription_id: str) -> Shown:
    """Have a message sent that says nothing, or the code once more."""
    return _step(session, subscription_id, "test", Empty())


@subscription.command("end", epilog="Example: member subscription end 1")
@click.argument("subscription_id", metavar="ID")
@click.pass_obj
@reporting
def end(session: Session, subscription_id: str) -> Shown:
    """End a subscription: nothing more is sent."""
    return _step(session, subscription_id, "end", Empty())


@subscription.command("secret", epilog="Example: member subscription secret 1")
@click.argument("subscription_id", metavar="ID")
@click.pass_obj
@reporting
def secret(session: Session, subscription_id: str) -> Shown:
    """Change a webhook's secret. The new one is shown here only; for a day messages are signed under both."""
    made = SubscriptionClient.at(session.workplace).change_secret(_found(session, subscription_id))
    return Shown(made, "\n".join(_shown_secret(made.secret)))


@subscription.command("dead", epilog="Example: member subscription dead 1")
@click.argument("subscription_id", metavar="ID")
@click.pass_obj
@reporting
def dead(session: Session, subscription_id: str) -> Shown:
    """List what was given up after the last attempt."""
    found = list(
        SubscriptionClient.at(session.workplace).deliveries(_found(session, subscription_id), DeliveryState.DEAD)
    )
    made = table(f"{len(found)} given up", "id", "alert", "version", "attempts", "last error", "queued at")
    for one in found:
        counts = (str(number) for number in (one.version, one.attempts))
        made.add_row(one.delivery_id, one.alert_id, *counts, one.error, one.created_at)
    return Shown({"deliveries": msgspec.to_builtins(found)}, table=made)


@subscription.command("replay", epilog="Example: member subscription replay 1 --since 2026-11-22")
@click.argument("subscription_id", metavar="ID")
@click.option("--delivery", "delivery_ids", multiple=True, metavar="ID", help="This one, given up or delivered.")
@click.option("--since", metavar="TIME", help="All that were given up of what was queued since then.")
@click.pass_obj
@reporting
def replay(session: Session, subscription_id: str, delivery_ids: tuple[str, ...], since: str | None) -> Shown:
    """Have deliveries sent again under their old ids: those named, or all that were given up."""
    if delivery_ids and since:
        raise UsageError("say which deliveries", "--delivery ID, or --since TIME")
    start = from_rfc3339(read_since("since", since or _LONG_AGO))
    wanted = ReplayForm(delivery_ids=list(delivery_ids)) if delivery_ids else ReplayForm(since=start)
    chosen = _found(session, subscription_id)
    replayed = SubscriptionClient.at(session.workplace).replay(chosen, wanted)
    return Shown({"subscription_id": chosen, "replayed": replayed}, f"{replayed} will be sent again")


def _step(session: Session, subscription_id: str, step: str, value: Message) -> Shown:
    standing = SubscriptionClient.at(session.workplace).step(_found(session, subscription_id), step, value)
    return Shown(standing, f"{standing.subscription_id} is {standing.state}")


def _found(session: Session, text: str) -> str:
    """The id that is meant by an id, its beginning, or the number that `subscription list` shows."""
    every = SubscriptionClient.at(session.workplace).subscriptions
    return session.workplace.find_id(_KIND, text, lambda: (one.subscription_id for one in every()))


def _shown_secret(secret: str | None) -> list[str]:
    return [] if secret is None else [secret, "the secret that the receiver verifies with: it is shown this once"]
