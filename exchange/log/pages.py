"""The log over HTTP: C2SP tlog-tiles for anyone, and each member's own entries for itself.

Tiles need no authentication: they hold salted hashes only. A path that names no part of the published tree is not
found, whatever its shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, request
from flask_smorest import Blueprint
from msgspec import structs, to_builtins

from exchange.kernel.session import Database
from exchange.log.reading import UnknownTileError, read_checkpoint, read_own_entries, read_tile
from schemas.log import PromisedEntry
from schemas.problems import MEDIA_TYPE
from tlog.tiles import TileError, parse_tile_path

LARGEST_PAGE = 500
_DEFAULT_PAGE = 100
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_ENTRY_ID = re.compile(r"[0-9a-f-]{0,36}", re.ASCII)
_IMMUTABLE = "public, max-age=31536000, immutable"
_BINARY = "application/octet-stream"
_TEXT = {"schema": {"type": "string"}}
_PAGE_PARAMETERS = [
    {
        "in": "query",
        "name": "after",
        "description": "The number behind which the page begins",
        "schema": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1, "default": 0},
    },
    {
        "in": "query",
        "name": "limit",
        "schema": {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": _DEFAULT_PAGE},
    },
    {
        "in": "query",
        "name": "waiting",
        "description": "How many of the entries that wait for their place to show, each with its receipt",
        "schema": {"type": "integer", "minimum": 0, "maximum": LARGEST_PAGE, "default": 0},
    },
    {
        "in": "query",
        "name": "waiting_after",
        "description": "The entry_id behind which those that wait begin",
        "schema": {"type": "string", "pattern": "^[0-9a-f-]{0,36}$", "default": ""},
    },
]
_ENTRIES = {
    "type": "object",
    "required": ["entries", "pending", "next"],
    "properties": {
        "entries": {"type": "array", "items": {"type": "object"}},
        "pending": {"type": "array", "items": {"type": "string"}},
        "waiting": {"type": "array", "items": {"type": "object"}},
        "next": {"type": ["integer", "null"]},
    },
}


def create_log_blueprint(
    database: Database,
    current_member_id: Callable[[], str],
    read_waiting: Callable[[str, int, str], list[PromisedEntry]],
) -> Any:
    """The blueprint of /log. `current_member_id` authenticates the present request, or raises the error that
    refuses it; `read_waiting` gives a member's waiting entries with their receipts, so many at most from behind an id.
    """
    blueprint = Blueprint("log", __name__, url_prefix="/log", description="The transparency log")

    def checkpoint() -> Response:
        with database.reading() as session:
            note = read_checkpoint(session)
        if note is None:
            return _problem(404, "not-found", "Not found", "The log has no checkpoint yet.")
        return _answer(note, "text/plain; charset=utf-8", "no-cache")

    def tile(path: str) -> Response:
        try:
            tile = parse_tile_path(f"tile/{path}")
            with database.reading() as session:
                data = read_tile(session, tile)
        except (TileError, UnknownTileError):
            return _problem(404, "not-found", "Not found", "The published tree has no such tile.")
        return _answer(data, _BINARY, _IMMUTABLE)

    def entries() -> Response:
        member_id = current_member_id()
        after, limit = _number("after", 0), _number("limit", _DEFAULT_PAGE)
        waiting, behind = _number("waiting", 0), request.args.getlist("waiting_after") or [""]
        if (
            after is None
            or limit is None
            or not 1 <= limit <= LARGEST_PAGE
            or waiting is None
            or waiting > LARGEST_PAGE
            or len(behind) > 1
            or not _ENTRY_ID.fullmatch(behind[0])
        ):
            detail = (
                f"`after` is a number from 0, `limit` one from 1 to {LARGEST_PAGE}, `waiting` one from 0 to that, "
                "`waiting_after` the id of an entry."
            )
            return _problem(422, "invalid-parameter", "Invalid parameter", detail)
        with database.reading() as session:
            page = read_own_entries(session, member_id, after or 0, limit)
        if waiting:
            page = structs.replace(page, waiting=read_waiting(member_id, waiting, behind[0]))
        answer = jsonify(to_builtins(page))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def add(rule: str, view: Callable[..., Response], summary: str, content: dict[str, Any], *more: int) -> None:
        answers: dict[str, Any] = {str(status): {"content": {MEDIA_TYPE: {}}} for status in (*more, 503)}
        answers["200"] = {"description": summary, "content": content}
        parameters = _PAGE_PARAMETERS if view is entries else []
        blueprint.route(rule)(blueprint.doc(summary=summary, parameters=parameters, responses=answers)(view))

    add("/checkpoint", checkpoint, "The signed head (C2SP tlog-checkpoint)", {"text/plain": _TEXT}, 404)
    add("/tile/<path:path>", tile, "A tile or entry bundle (C2SP tlog-tiles)", {_BINARY: {}}, 404)
    add("/entries", entries, "The member's own entries", {"application/json": {"schema": _ENTRIES}})
    return blueprint


def _number(name: str, usual: int) -> int | None:
    """A query parameter in plain decimal, None when it is anything else or given twice."""
    values = request.args.getlist(name)
    if not values:
        return usual
    return int(values[0]) if len(values) == 1 and _DECIMAL.fullmatch(values[0]) else None


def _answer(body: str | bytes, content_type: str, caching: str) -> Response:
    return Response(body, content_type=content_type, headers={"Cache-Control": caching})


def _problem(status: int, slug: str, title: str, detail: str) -> Response:
    answer = jsonify({"type": f"urn:exchange:problem:{slug}", "title": title, "status": status, "detail": detail})
    answer.status_code = status
    answer.content_type = "application/problem+json"
    return answer
