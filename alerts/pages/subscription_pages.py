"""/v1/subscriptions: where a member has alerts pushed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from flask import Response
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from alerts.acts import subscribing
from alerts.acts.subscribing import UnknownSubscriptionError
from alerts.delivery.webhook import WebhookSecrets
from alerts.store.subscriptions import Delivery, Subscription, count_deliveries
from exchange.kernel.actor import Actor
from exchange.log.acting import Request, act_once
from exchange.web.authentication import current_actor, idempotency_key
from exchange.web.context import current_context
from exchange.web.pages import POST_PARAMETERS, Blueprint, answer_json, problem_responses, request_sha256
from schemas.alerts.subscriptions import (
    ConfirmationForm,
    DeliveriesPage,
    DeliveriesQuery,
    ListedDelivery,
    ListedSubscription,
    NewSubscription,
    Replayed,
    ReplayForm,
    SubscriptionForm,
    SubscriptionsPage,
    SubscriptionsQuery,
    SubscriptionStatus,
)
from schemas.terms import DeliveryState, PushChannel
from schemas.values.encoding import to_rfc3339
from schemas.values.message import Empty, narrowed

_Answer = TypeVar("_Answer")

blueprint = Blueprint("subscriptions", __name__, url_prefix="/v1", description="Alerts pushed")


@blueprint.route("/subscriptions", methods=["POST"])
@blueprint.doc(parameters=POST_PARAMETERS, summary="Subscribe to alerts")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(SubscriptionForm)
@blueprint.response(201, NewSubscription)
def subscribe(form: SubscriptionForm) -> Response:
    """The receiver is sent a code, which confirms the subscription. A webhook's secret is shown here only."""
    settings, now = current_context().settings, current_context().clock()
    allowed = settings.allowed_private_targets

    def work(session: Session, actor: Actor) -> Subscription:
        return subscribing.subscribe(session, actor, form, allowed, has_mail=bool(settings.smtp_host), now=now)

    return _change(work, 201, tells_secret=True)


@blueprint.route("/subscriptions", methods=["GET"])
@blueprint.doc(summary="One's own subscriptions, page by page")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(SubscriptionsQuery, location="query")
@blueprint.response(200, SubscriptionsPage)
def subscriptions(asked: SubscriptionsQuery) -> Response:
    """Ended ones too."""
    with current_context().database.reading() as session:
        page = subscribing.page_of_subscriptions(session, current_actor(), asked.cursor or "", asked.limit)
        counts = count_deliveries(session, [one.subscription_id for one in page])
    shown = [_show_subscription(one, counts) for one in page]
    following = _next([one.subscription_id for one in page], asked)
    return answer_json(SubscriptionsPage(subscriptions=shown, next=following))


@blueprint.route("/subscriptions/<subscription_id>/confirm", methods=["POST"])
@blueprint.doc(parameters=POST_PARAMETERS, summary="Confirm a subscription with the code that its receiver got")
@problem_responses(blueprint, 401, 403, 404)
@blueprint.arguments(ConfirmationForm)
@blueprint.response(200, SubscriptionStatus)
def confirm(form: ConfirmationForm, subscription_id: str) -> Response:
    """From now on alerts are pushed."""
    now = current_context().clock()

    def work(session: Session, actor: Actor) -> Subscription:
        return subscribing.confirm(session, actor, subscription_id, code=form.code, secrets=_secrets(), now=now)

    return _change(work)


@blueprint.route("/subscriptions/<subscription_id>/end", methods=["POST"])
@blueprint.doc(parameters=POST_PARAMETERS, summary="End a subscription")
@problem_responses(blueprint, 401, 403, 404)
@blueprint.arguments(Empty)
@blueprint.response(200, SubscriptionStatus)
def end(_: Empty, subscription_id: str) -> Response:
    """What waits for it is dropped."""
    now = current_context().clock()
    return _change(lambda session, actor: subscribing.end_subscription(session, actor, subscription_id, now))


@blueprint.route("/subscriptions/<subscription_id>/test", methods=["POST"])
@blueprint.doc(parameters=POST_PARAMETERS, summary="Send a test, or the code once more")
@problem_responses(blueprint, 401, 403, 404)
@blueprint.arguments(Empty)
@blueprint.response(200, SubscriptionStatus)
def test(_: Empty, subscription_id: str) -> Response:
    """The worker sends it within seconds."""
    now = current_context().clock()
    return _change(lambda session, actor: subscribing.send_test(session, actor, subscription_id, now))


@blueprint.route("/subscriptions/<subscription_id>/secret", methods=["POST"])
@blueprint.doc(parameters=POST_PARAMETERS, summary="Change a webhook's secret")
@problem_responses(blueprint, 401, 403, 404)
@blueprint.arguments(Empty)
@blueprint.response(200, NewSubscription)
def secret(_: Empty, subscription_id: str) -> Response:
    """The new one is shown here only. For a day messages are signed under both."""
    now = current_context().clock()

    def work(session: Session, actor: Actor) -> Subscription:
        return subscribing.change_secret(session, actor, subscription_id, now)

    return _change(work, tells_secret=True)


@blueprint.route("/subscriptions/<subscription_id>/deliveries")
@blueprint.doc(summary="A subscription's deliveries, page by page")
@problem_responses(blueprint, 401, 403, 404)
@blueprint.arguments(DeliveriesQuery, location="query")
@blueprint.response(200, DeliveriesPage)
def deliveries(asked: DeliveriesQuery, subscription_id: str) -> Response:
    """How each went; `state=dead` lists those that were given up."""
    actor, now = current_actor(), current_context().clock()
    after = asked.cursor or ""
    with current_context().database.reading() as session:
        try:
            found = subscribing.find_subscription(session, actor, subscription_id)
        except UnknownSubscriptionError:
            raise NotFound from None
        page = subscribing.page_of_deliveries(session, found, asked.state, after, asked.limit)
        readable = subscribing.find_readable(session, actor, page, now)
    shown = [_show_delivery(row, readable) for row in page]
    return answer_json(DeliveriesPage(deliveries=shown, next=_next([row.delivery_id for row in page], asked)))


@blueprint.route("/subscriptions/<subscription_id>/replay", methods=["POST"])
@blueprint.doc(parameters=POST_PARAMETERS, summary="Send deliveries again")
@problem_responses(blueprint, 401, 403, 404)
@blueprint.arguments(ReplayForm)
@blueprint.response(200, Replayed)
def replay(form: ReplayForm, subscription_id: str) -> Response:
    """Under the same ids. Rights are looked at again."""
    now = current_context().clock()

    def work(session: Session, actor: Actor) -> Replayed:
        return Replayed(replayed=subscribing.replay_deliveries(session, actor, subscription_id, form, now))

    return answer_json(*_act(work, Replayed))


def _secrets() -> WebhookSecrets:
    return WebhookSecrets(current_context().webhook_key)


def _act(work: Callable[[Session, Actor], _Answer], answer: type[_Answer], status: int = 200) -> tuple[_Answer, int]:
    context, actor = current_context(), current_actor()
    request = Request(actor, idempotency_key(), request_sha256(), context.clock())
    asked = {"asked": "subscription"}
    try:
        return act_once(context.database, request, asked, lambda session: work(session, actor), status, answer=answer)
    except UnknownSubscriptionError:
        raise NotFound from None


class _Changed(SubscriptionStatus, frozen=True):
    """What is kept of the answer to a change: of a secret its number only."""

    secret_number: int | None


def _change(
    work: Callable[[Session, Actor], Subscription], status: int = 200, *, tells_secret: bool = False
) -> Response:
    """The answer to a change. A secret is put into it when it leaves."""

    def change(session: Session, actor: Actor) -> _Changed:
        found = work(session, actor)
        number = found.secret_number if found.channel == PushChannel.WEBHOOK else None
        return _Changed(subscription_id=found.subscription_id, state=found.state.value, secret_number=number)

    kept, status = _act(change, _Changed, status)
    if not tells_secret:
        return answer_json(narrowed(kept, SubscriptionStatus), status)
    number = kept.secret_number
    secret = None if number is None else _secrets().secret(kept.subscription_id, number)
    return answer_json(NewSubscription(subscription_id=kept.subscription_id, state=kept.state, secret=secret), status)


def _next(ids: list[str], asked: SubscriptionsQuery) -> str | None:
    return ids[-1] if len(ids) == asked.limit else None


def _show_subscription(one: Subscription, counts: dict[tuple[str, str], int]) -> ListedSubscription:
    return ListedSubscription(
        **msgspec.structs.asdict(one.filters),
        subscription_id=one.subscription_id,
        state=one.state.value,
        channel=one.channel,
        target=one.target,
        created_by=one.created_by,
        created_at=to_rfc3339(one.created_at),
        ended_at=None if one.ended_at is None else to_rfc3339(one.ended_at),
        failures=one.failures,
        waiting=counts.get((one.subscription_id, DeliveryState.WAITING), 0),
        dead=counts.get((one.subscription_id, DeliveryState.DEAD), 0),
    )


def _show_delivery(row: Delivery, readable: set[str]) -> ListedDelivery:
    is_waiting = row.state == DeliveryState.WAITING
    return ListedDelivery(
        delivery_id=row.delivery_id,
        message_id=row.message_id,
        kind=row.kind,
        alert_id=row.alert_id if row.alert_id in readable else None,
        version=row.version,
        state=row.state,
        attempts=row.attempts,
        error=row.last_error,
        created_at=to_rfc3339(row.created_at),
        next_at=to_rfc3339(row.next_at) if is_waiting else None,
        finished_at=None if row.finished_at is None else to_rfc3339(row.finished_at),
    )
