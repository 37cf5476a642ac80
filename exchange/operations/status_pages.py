"""GET /v1/status: how the asking member stands."""

from __future__ import annotations

from flask import Response

from exchange.operations.status import read_status
from exchange.web.authentication import current_actor
from exchange.web.context import current_context
from exchange.web.pages import Blueprint, answer_json, problem_responses
from schemas.status import StatusSchema
from schemas.values.encoding import to_rfc3339

blueprint = Blueprint("status", __name__, url_prefix="/v1", description="One's own standing")


@blueprint.route("/status")
@blueprint.doc(summary="One's own standing")
@problem_responses(blueprint, 401, 403)
@blueprint.response(200, StatusSchema)
def status() -> Response:
    """Kind, sector, open groups, key epoch, the log, the number of notices and of open information requests."""
    context = current_context()
    found = read_status(context.database, current_actor(), context.clock())
    with context.database.reading() as session:
        notices = context.count_notices(session, found.member_id)
    groups = [
        {
            "group_id": group.group_id,
            "kind": group.kind,
            "sunset": None if group.sunset is None else to_rfc3339(group.sunset),
        }
        for group in found.groups
    ]
    return answer_json(
        {
            "member_id": found.member_id,
            "kind": found.kind,
            "sector": found.sector,
            "state": found.state,
            "groups": groups,
            "epoch": found.epoch,
            "log": {"origin": context.settings.log_origin, "size": found.log_size},
            "notices": notices,
            "open_requests": {direction.value: count for direction, count in found.open_requests.items()},
        }
    )
