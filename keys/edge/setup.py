"""Giving a Flask application the edge that both services share: strict routing, the guard, its own description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response

from keys.edge.description import PATH
from keys.edge.guard import RequestGuard


def make_strict(app: Flask) -> None:
    """Call it before any route is added: a path is the one written."""
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    # All functions of ours are synchronous; Flask asks each of them at every request.
    app.ensure_sync = lambda func: func  # type: ignore[method-assign]


def serve_description(app: Flask, document: Mapping[str, Any]) -> RequestGuard:
    """Serve the document at /openapi.json; the guard that is made from it."""
    body = json.dumps(document).encode()
    app.add_url_rule(
        PATH,
        "openapi",
        lambda: Response(body, content_type="application/json"),
        methods=["GET"],
        provide_automatic_options=False,
    )
    return RequestGuard(document)
