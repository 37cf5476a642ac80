"""For whoever runs the exchange: is it up, is it ready, how old is the log's head.

Anyone may ask, so nothing here grows with what members do between two ticks: the size of the log is padded and
public.
"""

from __future__ import annotations

from flask import Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from exchange.log.reading import read_status
from exchange.web.context import current_context
from exchange.web.pages import Blueprint, answer_json, problem_responses
from exchange.web.problems import answer_problem
from schemas.problems import Problem

blueprint = Blueprint("operations", __name__, description="Running the exchange")


@blueprint.route("/healthz")
@blueprint.response(200, description="The process answers")
def healthz() -> Response:
    """The process answers."""
    return answer_json({"status": "ok"})


@blueprint.route("/readyz")
@problem_responses(blueprint)
@blueprint.response(200, description="The database answers and has its tables")
def readyz() -> Response:
    """The database answers and has the log's tables."""
    try:
        with current_context().database.reading() as session:
            session.execute(text("SELECT 1 FROM log_pending LIMIT 1"))
    except SQLAlchemyError:
        return answer_problem(Problem("unavailable", "The database is not ready", 503))
    return answer_json({"status": "ready"})


@blueprint.route("/metrics")
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
