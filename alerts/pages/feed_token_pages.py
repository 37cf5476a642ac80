"""/v1/feed-tokens: a member's tokens for feed readers."""

from __future__ import annotations

import re

from flask import Response
from werkzeug.exceptions import NotFound

from alerts.acts.feed_tokens import UnknownTokenError, make_token, own_tokens, revoke_token
from exchange.web.authentication import current_member_id
from exchange.web.context import current_context
from exchange.web.pages import POST_PARAMETERS, Blueprint, answer_json, current_request, problem_responses
from schemas.alerts.feed_tokens import (
    FeedTokenForm,
    FeedTokensPage,
    FeedTokensQuery,
    ListedFeedToken,
    NewFeedToken,
)
from schemas.alerts.messages import UUID
from schemas.values.message import Empty

blueprint = Blueprint("feed-tokens", __name__, url_prefix="/v1", description="Feed tokens")
_ID = re.compile(UUID, re.ASCII)


@blueprint.route("/feed-tokens", methods=["POST"])
@blueprint.doc(summary="Make a feed token", parameters=POST_PARAMETERS)
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(FeedTokenForm)
@blueprint.response(201, NewFeedToken)
def make(form: FeedTokenForm) -> Response:
    """It reads the member's feeds and can do no more. The token is shown here only."""
    return answer_json(*make_token(current_context().database, current_request(), form.name))


@blueprint.route("/feed-tokens")
@blueprint.doc(summary="One's own feed tokens, page by page")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(FeedTokensQuery, location="query")
@blueprint.response(200, FeedTokensPage)
def listing(asked: FeedTokensQuery) -> Response:
    """Revoked ones too."""
    with current_context().database.reading() as session:
        found = own_tokens(session, current_member_id(), asked.cursor or "", asked.limit)
    return answer_json(
        FeedTokensPage(feed_tokens=found, next=found[-1].token_id if len(found) == asked.limit else None)
    )


@blueprint.route("/feed-tokens/<token_id>/revoke", methods=["POST"])
@blueprint.doc(summary="Make a feed token worthless", parameters=POST_PARAMETERS)
@problem_responses(blueprint, 401, 403, 404)
@blueprint.arguments(Empty)
@blueprint.response(200, ListedFeedToken)
def revoke(_: Empty, token_id: str) -> Response:
    """At once, however often it is asked."""
    if not _ID.fullmatch(token_id):
        raise NotFound
    try:
        return answer_json(*revoke_token(current_context().database, current_request(), token_id))
    except UnknownTokenError:
        raise NotFound from None
