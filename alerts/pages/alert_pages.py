"""Alerts over HTTP, for the representatives of members."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import msgspec
from flask import Response

from alerts.acts.acting import UnknownAlertError
from alerts.acts.authoring import draft_alert, review_alert
from alerts.acts.publication import release_alert, withdraw_alert
from alerts.acts.reading import AlertRead, list_alerts, read_alert
from alerts.acts.responding import acknowledge_alert, read_responses
from alerts.domain.alert import Alert
from alerts.rendering.page import PAGE_HEADERS, render_page
from exchange.web.authentication import current_actor, current_member_id
from exchange.web.context import current_context
from exchange.web.costly_work import COSTLY
from exchange.web.pages import POST_PARAMETERS, Blueprint, Decorator, answer_json, current_request, problem_responses
from schemas.alerts.messages import (
    UUID,
    Acknowledgement,
    AlertContent,
    AlertsPage,
    AlertsQuery,
    AlertStatus,
    Audience,
    Release,
    Responses,
    ShownAlert,
    TakingBack,
)
from schemas.values.message import Empty

blueprint = Blueprint("alerts", __name__, url_prefix="/v1", description="Alerts")
_ID = re.compile(UUID, re.ASCII)


def _form(content_type: str) -> dict[str, Any]:
    """How a document that is not JSON is described."""
    return {"description": "The document", "content": {content_type: {"schema": {"type": "string"}}}}


def _step(path: str, summary: str, schema: type[Any]) -> Decorator:
    """A POST that changes one alert, and answers how it stands then."""

    def describe(view: Any) -> Any:
        view = blueprint.response(200, AlertStatus)(view)
        view = blueprint.arguments(schema)(view)
        view = problem_responses(blueprint, 401, 403, 404)(view)
        view = blueprint.doc(summary=summary, parameters=POST_PARAMETERS)(view)
        return blueprint.route(f"/alerts/<alert_id>{path}", methods=["POST"])(view)

    return describe


@blueprint.route("/alerts", methods=["POST"])
@blueprint.doc(summary="Draft an alert", parameters=POST_PARAMETERS)
@problem_responses(blueprint, 401, 403, 413)
@blueprint.arguments(AlertContent)
@blueprint.response(201, AlertStatus)
def draft(content: AlertContent) -> Response:
    """Judged at once by every rule of publication; each reason against it is reported."""
    context = current_context()
    gateways = context.policy.rules
    return answer_json(*draft_alert(context.database, current_request(), _sorted(content), gateways))


@blueprint.route("/alerts")
@blueprint.doc(summary="Alerts that the member may see, page by page")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(AlertsQuery, location="query")
@blueprint.response(200, AlertsPage)
def listing(asked: AlertsQuery) -> Response:
    """Its own in every state, others' that are addressed to it now. Every page read is an entry in the reader's log."""
    context = current_context()
    return answer_json(list_alerts(context.database, current_actor(), asked, context.clock()))


@blueprint.route("/alerts/<alert_id>")
@blueprint.doc(summary="An alert, whole")
@problem_responses(blueprint, 401, 403, 404)
@blueprint.response(200, ShownAlert)
def reading(alert_id: str) -> Response:
    """Every reading is an entry in the reader's log."""
    return answer_json(_read(alert_id, "json").shown)


@blueprint.route("/alerts/<alert_id>/page")
@blueprint.doc(summary="An alert as a page for screen and print", responses={"200": _form("text/html")})
@problem_responses(blueprint, 401, 403, 404)
def page(alert_id: str) -> Response:
    """The reader's own copy: it bears the member's name."""
    html = _made(alert_id, "html", lambda alert, reader: render_page(alert, reader).encode())[1]
    return Response(html, content_type="text/html; charset=utf-8", headers=PAGE_HEADERS)


@blueprint.route("/alerts/<alert_id>/pdf")
@blueprint.doc(summary="An alert as a PDF", responses={"200": _form("application/pdf")})
@problem_responses(blueprint, 401, 403, 404)
def pdf(alert_id: str) -> Response:
    """The reader's own copy: it bears the member's name."""
    from alerts.rendering.pdf import render_pdf  # noqa: PLC0415 - large, and many a process never makes a PDF

    alert, made = _made(alert_id, "pdf", render_pdf)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{alert.reference}.pdf"',
    }
    return Response(made, content_type="application/pdf", headers=headers)


@_step("/review", "Note a peer's review of a draft", Empty)
def review(_: Empty, alert_id: str) -> Response:
    """By another than the author."""
    return answer_json(*review_alert(current_context().database, current_request(), _known(alert_id)))


@_step("/release", "Publish a reviewed alert, now or at a time", Release)
def release(asked: Release, alert_id: str) -> Response:
    """By another than the author. Once more with another time, until the first has come."""
    context, known = current_context(), _known(alert_id)
    gateways = context.policy.rules
    return answer_json(*release_alert(context.database, current_request(), known, asked.at, gateways))


@_step("/withdraw", "Take back a published alert, or stop a scheduled one", TakingBack)
def withdraw(asked: TakingBack, alert_id: str) -> Response:
    """Every member to which it was disclosed is notified."""
    return answer_json(*withdraw_alert(current_context().database, current_request(), _known(alert_id), asked.reason))


@_step("/acknowledgement", "Acknowledge an alert, say whether it is in use, and give feedback", Acknowledgement)
def acknowledgement(said: Acknowledgement, alert_id: str) -> Response:
    """In place of what the member said before."""
    return answer_json(*acknowledge_alert(current_context().database, current_request(), _known(alert_id), said))


@blueprint.route("/alerts/<alert_id>/responses")
@blueprint.doc(summary="What members said to an alert of one's own")
@problem_responses(blueprint, 401, 403, 404)
@blueprint.response(200, Responses)
def responses(alert_id: str) -> Response:
    """For the issuing member alone."""
    context = current_context()
    return answer_json(read_responses(context.database, current_actor(), _known(alert_id), context.clock()))


def _made(alert_id: str, form: str, render: Callable[[Alert, str], bytes]) -> tuple[Alert, bytes]:
    """The alert and its document for the reader. Every reading is recorded; what was set before is not set again."""
    reader = current_member_id()
    with COSTLY.turn(reader):
        alert = _read(alert_id, form).alert
        name = hashlib.sha256(repr((form, reader, alert)).encode()).digest()
        return alert, COSTLY.made(name, lambda: render(alert, reader))


def _read(alert_id: str, form: str) -> AlertRead:
    context = current_context()
    return read_alert(context.database, current_actor(), _known(alert_id), form, context.clock())


def _known(alert_id: str) -> str:
    """The id, if it could be one. Raises UnknownAlertError."""
    if not _ID.fullmatch(alert_id):
        raise UnknownAlertError
    return alert_id


def _sorted(content: AlertContent) -> AlertContent:
    """With an audience that is written one way: sorted and without repetition."""
    groups, kinds = (sorted(set(names)) for names in (content.audience.groups, content.audience.kinds))
    return msgspec.structs.replace(content, audience=Audience(groups=groups, kinds=kinds))
