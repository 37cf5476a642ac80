"""/feeds/: a group's alerts as Atom, as JSON Feed and as a MISP feed, for readers with a feed token."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, request
from werkzeug.exceptions import NotFound
from werkzeug.http import is_resource_modified

from alerts.feeds.atom import AtomForm
from alerts.feeds.json_feed import JsonForm
from alerts.feeds.listing import FeedCursor
from alerts.feeds.misp import EventForm, HashesForm, ManifestForm
from alerts.feeds.page import PageForm
from alerts.feeds.reading import FeedAnswer, FeedForm, FeedRequest, UnknownFeedError
from alerts.rendering.page import PAGE_HEADERS
from exchange.web.authentication import current_feed_member_id
from exchange.web.context import current_context
from exchange.web.costly_work import COSTLY
from exchange.web.pages import Blueprint, Decorator, problem_responses
from schemas.alerts.feeds import FeedQuery
from schemas.alerts.messages import UUID
from schemas.values.message import Empty, Message

blueprint = Blueprint("feeds", __name__, url_prefix="/feeds", description="The feeds as Atom, JSON Feed and MISP")
_ID = re.compile(UUID, re.ASCII)
ATOM, JSON, EVENT, MANIFEST, HASHES = AtomForm(), JsonForm(), EventForm(), ManifestForm(), HashesForm()


def _route(path: str, summary: str, form: FeedForm, query: type[Message]) -> Decorator:
    """A GET of a feed in a form."""
    answers = {
        "200": {"description": summary, "content": {form.media_type.partition(";")[0]: {}}},
        "304": {"description": "What the reader holds is as it was"},
    }

    def describe(view: Any) -> Any:
        view = blueprint.doc(summary=summary, responses=answers)(view)
        view = blueprint.arguments(query, location="query")(view)
        view = problem_responses(blueprint, 401, 403, 404)(view)
        return blueprint.route(path)(view)

    return describe


@_route("/<group_id>.atom", "A group's alerts as Atom, the last changed first", ATOM, FeedQuery)
def atom(asked: FeedQuery, group_id: str) -> Response:
    """Page by page, by `link rel="next"`."""
    return _page(ATOM, group_id, asked.cursor)


@_route("/<group_id>.json", "A group's alerts as JSON Feed, the last changed first", JSON, FeedQuery)
def json_feed(asked: FeedQuery, group_id: str) -> Response:
    """Page by page, by `next_url`."""
    return _page(JSON, group_id, asked.cursor)


@_route("/misp/<group_id>/manifest.json", "What the MISP feed holds", MANIFEST, Empty)
def misp_manifest(_: Empty, group_id: str) -> Response:
    """The alerts that were changed last."""
    return _page(MANIFEST, group_id)


@_route("/misp/<group_id>/hashes.csv", "Hashes of the values in the MISP feed", HASHES, Empty)
def misp_hashes(_: Empty, group_id: str) -> Response:
    """Of the same events as in the manifest."""
    return _page(HASHES, group_id)


@_route("/misp/<group_id>/<event_id>.json", "One event of the MISP feed", EVENT, Empty)
def misp_event(_: Empty, group_id: str, event_id: str) -> Response:
    """One alert, whole."""
    return _single(EVENT, group_id, event_id)


@_route("/<group_id>/<event_id>.html", "An alert of a feed as a page for a browser", PageForm(""), Empty)
def alert_page(_: Empty, group_id: str, event_id: str) -> Response:
    """The reader's own copy, where an Atom entry leads; a browser asks for the feed token as a password."""
    reader = current_feed_member_id()
    with COSTLY.turn(reader):
        response = _single(PageForm(reader), group_id, event_id)
    response.headers.update(PAGE_HEADERS)
    return response


def _single(form: FeedForm, group_id: str, stix_id: str) -> Response:
    if not _ID.fullmatch(stix_id):
        raise NotFound
    try:
        return _respond(form, _reader().single(group_id, form, stix_id, _is_held))
    except UnknownFeedError:
        raise NotFound from None


def _page(form: FeedForm, group_id: str, cursor: str | None = None) -> Response:
    after = None if cursor is None else FeedCursor.read(cursor)
    try:
        return _respond(form, _reader().page(group_id, form, after, _is_held))
    except UnknownFeedError:
        raise NotFound from None


def _reader() -> FeedRequest:
    context = current_context()
    return FeedRequest(context.database, current_feed_member_id(), context.clock(), context.settings.url)


def _is_held(etag: str, changed_at: Any) -> bool:
    """RFC 9110 section 13.2.2: If-None-Match, or else If-Modified-Since."""
    return not is_resource_modified(request.environ, etag=etag, last_modified=changed_at)


def _respond(form: FeedForm, answer: FeedAnswer) -> Response:
    response = Response(status=304) if answer.body is None else Response(answer.body, content_type=form.media_type)
    response.set_etag(answer.etag)
    if answer.changed_at is not None:
        response.last_modified = answer.changed_at
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Authorization"
    return response
