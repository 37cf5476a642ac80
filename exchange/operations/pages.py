"""For whoever runs the exchange: is it up, is it ready, how old is the log's head.

Anyone may ask, so nothing here grows with what members do between two ticks: the log grows at a
constant rate. What does grow, the operator reads by `exchange metrics`, on a listener of its own
(exchange.web.measures).
"""

from __future__ import annotations

from flask import Response
from sqlalchemy.exc import SQLAlchemyError

from exchange.log.reading import read_status, stands_still
from exchange.operations.measures import is_worker_alive
from exchange.web.context import current_context
from exchange.web.pages import Blueprint, answer_json, problem_responses
from exchange.web.problems import answer_problem
from migrations.upgrade import current_revision, head_revision
from schemas.problems import Problem

blueprint = Blueprint("operations", __name__, description="Running the exchange")
_STATE = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
_STATE_ANSWER = {"200": {"description": "It is so", "content": {"application/json": {"schema": _STATE}}}}
_TEXT_ANSWER = {
    "200": {"description": "Prometheus text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@blueprint.route("/healthz")
@blueprint.doc(responses=_STATE_ANSWER)
@blueprint.response(200, description="The process answers")
def healthz() -> Response:
    """The process answers."""
    return answer_json({"status": "ok"})


@blueprint.route("/readyz")
@blueprint.doc(responses=_STATE_ANSWER)
@problem_responses(blueprint)
@blueprint.response(200, description="The database answers, its tables are this version's, the log goes on")
def readyz() -> Response:
    """Whether requests can be served: the database answers, its tables are this version's, the log goes on.

    `worker` says whether one is at work; an exchange whose worker restarts goes on serving until the log stands still.
    """
    context = current_context()
    now = context.clock()
    try:
        with context.database.reading() as session:
            if current_revision(session.connection()) != head_revision():
                return _not_ready("The database has tables of another version: see `exchange upgrade`")
            if stands_still(session, now, context.settings.log_stale_seconds):
                return _not_ready("The log stands still: see the worker's messages")
            worker = "alive" if is_worker_alive(session, now) else "absent"
    except SQLAlchemyError:
        return _not_ready("The database does not answer")
    return answer_json({"status": "ready", "worker": worker})


def _not_ready(title: str) -> Response:
    return answer_problem(Problem("unavailable", title, 503))


@blueprint.route("/metrics")
@blueprint.doc(responses=_TEXT_ANSWER)
@problem_responses(blueprint)
@blueprint.response(200, content_type="text/plain", description="Prometheus text format")
def metrics() -> Response:
    """Size of the published log, and the age of its head."""
    context = current_context()
    with context.database.reading() as session:
        status = read_status(session)
    lines = [
        "# HELP exchange_log_size Leaves of the published log, padding included.",
        "# TYPE exchange_log_size gauge",
        f"exchange_log_size {status.size}",
    ]
    if status.signed_at is not None:
        age = max(0, round((context.clock() - status.signed_at).total_seconds()))
        lines += [
            "# HELP exchange_log_head_age_seconds Time since the published head was signed.",
            "# TYPE exchange_log_head_age_seconds gauge",
            f"exchange_log_head_age_seconds {age}",
        ]
    return Response("\n".join([*lines, ""]), content_type="text/plain; version=0.0.4")
