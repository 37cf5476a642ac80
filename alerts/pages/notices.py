"""GET /v1/notices: a member's notices."""

from __future__ import annotations

from flask import Response

from alerts.store.notices import page_of_notices
from exchange.web.authentication import current_member_id
from exchange.web.context import current_context
from exchange.web.pages import Blueprint, answer_json, problem_responses
from schemas.status import ListedNotice, NoticesPage, NoticesQuery
from schemas.values.encoding import to_rfc3339

blueprint = Blueprint("notices", __name__, url_prefix="/v1", description="Notices")


@blueprint.route("/notices")
@blueprint.doc(summary="Notices, page by page")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(NoticesQuery, location="query")
@blueprint.response(200, NoticesPage)
def notices(asked: NoticesQuery) -> Response:
    """That something happened; what it was is in the member's log entries and hits."""
    with current_context().database.reading() as session:
        page = page_of_notices(session, current_member_id(), asked.cursor or "", asked.limit)
    found = [
        ListedNotice(
            notice_id=notice.notice_id,
            kind=notice.kind,
            event_id=notice.event_id,
            created_at=to_rfc3339(notice.created_at),
        )
        for notice in page
    ]
    return answer_json(NoticesPage(notices=found, next=page[-1].notice_id if len(page) == asked.limit else None))
