"""/taxii2/: the feeds as TAXII 2.1 (OASIS Standard), for reading.

Clients speak a media type of their own. A refusal has the fields of a problem (RFC 9457) and those of a TAXII error
message at once, and comes in the TAXII media type to a client that names it in Accept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec
from urllib.parse import urljoin

import msgspec
from flask import Response, g, request
from werkzeug.exceptions import BadRequest, Forbidden, NotAcceptable, NotFound

from alerts.feeds.accepting import accepts_taxii, names_taxii
from alerts.feeds.filters import DEFAULT_PAGE, LARGEST_PAGE, BadQueryError
from alerts.feeds.taxii import (
    CONTENT_TYPE,
    MEDIA_TYPE,
    Reader,
    TaxiiAnswer,
    UnknownError,
    find_collection,
    list_collections,
)
from exchange.web.authentication import current_feed_member_id, current_feed_reading
from exchange.web.context import current_context
from exchange.web.forms import MAX_BODY_BYTES
from exchange.web.pages import Blueprint, Decorator
from schemas.alerts.feeds import TaxiiCollections, TaxiiDiscovery, TaxiiRoot
from schemas.problems import MEDIA_TYPE as PROBLEM_TYPE
from schemas.values.message import Message

blueprint = Blueprint("taxii", __name__, url_prefix="/taxii2", description="The feeds as TAXII 2.1")

_ROOT = "/taxii2/api/"
_COLLECTION = "/api/collections/<collection_id>/"
_READ_ONLY = "Feeds are read only: alerts are published at /v1/alerts."
_Arguments = ParamSpec("_Arguments")
_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}
_PAGING: dict[str, Any] = {
    "added_after": _TIME,
    "limit": {"type": "integer", "minimum": 1, "default": DEFAULT_PAGE, "description": f"{LARGEST_PAGE} at most"},
    "next": {"type": "string", "pattern": "^[0-9]{1,15}$", "description": "As a page gave it"},
    "match[spec_version]": _TEXT,
}
_VERSION = {"match[version]": {"type": "string", "description": "last, first, all, and moments, by commas"}}
_MATCHING = {"match[id]": _TEXT, "match[type]": _TEXT, **_VERSION}
_DATES = {name: {"schema": _TIME} for name in ("X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last")}


def _serving(view: Callable[_Arguments, Response]) -> Callable[_Arguments, Response]:
    """Refuse clients that do not take TAXII 2.1; what is hidden is answered as what does not exist is."""

    @wraps(view)
    def serve(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Response:
        if not accepts_taxii(request.headers.get("Accept", "")):
            raise NotAcceptable(f"Accept {CONTENT_TYPE}.")
        try:
            return view(*args, **kwargs)
        except UnknownError:
            raise NotFound from None
        except BadQueryError as error:
            raise BadRequest(str(error)) from None

    return serve


def _route(path: str, summary: str, query: dict[str, Any] | None = None, *, has_dates: bool = False) -> Decorator:
    """A GET of a TAXII resource."""
    content = {"application/taxii+json": {"schema": {"type": "object"}}}
    answers: dict[str, Any] = {
        "200": {"description": summary, "content": content, **({"headers": _DATES} if has_dates else {})}
    }
    fields = [{"in": "query", "name": name, "schema": schema} for name, schema in (query or {}).items()]
    return _describe(path, "GET", summary, answers, {"parameters": fields})


def _refusal(path: str, method: str, more: dict[str, Any]) -> Decorator:
    """A method that TAXII has and a collection for reading refuses."""
    return _describe(path, method, "Refused: feeds are read only", {}, more)


def _describe(path: str, method: str, summary: str, answers: dict[str, Any], more: dict[str, Any]) -> Decorator:
    refusals: dict[str, Any] = {
        str(status): {"content": {PROBLEM_TYPE: {}}} for status in (400, 401, 403, 404, 406, 429, 503)
    }

    def describe(view: Any) -> Any:
        described = blueprint.doc(summary=summary, responses={**refusals, **answers}, **more)(_serving(view))
        return blueprint.route(path, methods=[method])(described)

    return describe


@_route("/", "Discovery")
def discovery() -> Response:
    """The one API root that there is."""
    root = _absolute(_ROOT)
    about = "Alerts of the taskforce, for the institutions and agencies that they are addressed to"
    return _answer(
        TaxiiDiscovery(title="Intelligence-sharing exchange", description=about, default=root, api_roots=[root])
    )


@_route("/api/", "The API root")
def api_root() -> Response:
    """What it speaks."""
    return _answer(TaxiiRoot(title="Alerts", versions=[CONTENT_TYPE], max_content_length=MAX_BODY_BYTES))


@_route("/api/status/<status_id>/", "The status of a request to add objects: there is none")
def status(status_id: str) -> Response:
    """Nothing is ever added, so no status is known."""
    raise NotFound


@_route("/api/collections/", "The collections of the reader's sharing groups")
def collections() -> Response:
    """One for each open group."""
    context = current_context()
    found = list_collections(context.database, current_feed_member_id(), context.clock())
    return _answer(TaxiiCollections(collections=found) if found else TaxiiCollections())


@_route(_COLLECTION, "One collection")
def collection(collection_id: str) -> Response:
    """What it is called."""
    context = current_context()
    return _answer(find_collection(context.database, current_feed_member_id(), context.clock(), collection_id))


@_route(f"{_COLLECTION}manifest/", "Ids and versions of objects", _PAGING | _MATCHING, has_dates=True)
def manifest(collection_id: str) -> Response:
    """Oldest first, by when they were added."""
    return _page(_reader().manifest(collection_id, request.args))


@_route(f"{_COLLECTION}objects/", "Objects", _PAGING | _MATCHING, has_dates=True)
def objects(collection_id: str) -> Response:
    """Oldest first, by when they were added."""
    return _page(_reader().objects(collection_id, request.args))


@_route(f"{_COLLECTION}objects/<object_id>/", "One object", _PAGING | _VERSION, has_dates=True)
def single_object(collection_id: str, object_id: str) -> Response:
    """Its last version, or those asked for."""
    return _page(_reader().objects(collection_id, request.args, object_id))


@_route(f"{_COLLECTION}objects/<object_id>/versions/", "Versions of one object", _PAGING, has_dates=True)
def versions(collection_id: str, object_id: str) -> Response:
    """Oldest first, by when they were added."""
    return _page(_reader().versions(collection_id, request.args, object_id))


@_refusal(f"{_COLLECTION}objects/", "POST", {"requestBody": {"content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}})
def add_objects(collection_id: str) -> Response:
    """TAXII 2.1 has this answer for a collection whose `can_write` is false."""
    _reader().check_readable(collection_id)
    raise Forbidden(_READ_ONLY)


@_refusal(f"{_COLLECTION}objects/<object_id>/", "DELETE", {})
def delete_object(collection_id: str, object_id: str) -> Response:
    """The same, whether or not there is such an object."""
    _reader().check_readable(collection_id)
    raise Forbidden(_READ_ONLY)


def _speak_taxii(response: Response) -> Response:
    """Give a refusal the fields of a TAXII error message, and its media type to clients that accept it."""
    if response.status_code < 400 or response.mimetype != PROBLEM_TYPE:
        return response
    problem = msgspec.json.decode(response.get_data())
    message = {
        "description": problem["detail"],
        "error_id": g.get("request_id", ""),
        "error_code": problem["type"].rpartition(":")[2],
        "http_status": str(problem["status"]),
    }
    response.set_data(msgspec.json.encode({**problem, **message}))
    if names_taxii(request.headers.get("Accept", "")):
        response.content_type = CONTENT_TYPE
    return response


blueprint.after_request(_speak_taxii)


def _reader() -> Reader:
    context, reading = current_context(), current_feed_reading()
    return Reader(context.database, reading.member_id, context.clock(), reading.looking)


def _absolute(path: str) -> str:
    return urljoin(current_context().settings.url, path)


def _answer(resource: Message) -> Response:
    return _respond(msgspec.json.encode(resource))


def _page(answer: TaxiiAnswer) -> Response:
    response = _respond(answer.body)
    if answer.first is not None and answer.last is not None:
        response.headers["X-TAXII-Date-Added-First"] = answer.first
        response.headers["X-TAXII-Date-Added-Last"] = answer.last
    return response


def _respond(body: bytes) -> Response:
    return Response(body, content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})
