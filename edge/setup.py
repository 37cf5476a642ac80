"""Giving a Flask application the edge that both services share: strict routing, the guard, its own description."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from flask import Flask, Response
from flask_smorest import Api

from edge.description import PATH, OpenApiDocument
from edge.guard import RequestGuard

_described: dict[tuple[Any, ...], OpenApiDocument] = {}


class OpenRouteError(RuntimeError):
    """A route is not in the service's table of access rules, or a rule has no route."""


class DescribedApi(Api):  # type: ignore[misc] # the library has no types
    """Registers blueprints at once and describes them later, once for a process and for the same routes at the same
    address: it takes longer than all else that makes an application.
    """

    def register_blueprint(self, blp: Any, **_options: Any) -> None:
        """Add the blueprint's routes to the application."""
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blp.name] = self
        self._app.register_blueprint(blp)

    def describe(self, complete: Callable[[Mapping[str, Any]], OpenApiDocument]) -> OpenApiDocument:
        """The completed OpenAPI document of every route registered so far. Not to be changed: others share it."""
        routes = sorted(
            (rule.rule, *sorted(rule.methods or ()), rule.endpoint) for rule in self._app.url_map.iter_rules()
        )
        key = (repr(self.spec.options), *routes)
        if key not in _described:
            for name, blueprint in self._app.blueprints.items():
                if hasattr(blueprint, "register_views_in_doc"):
                    blueprint.register_views_in_doc(self, self._app, self.spec, name=name, parameters=None)
            _described[key] = complete(self.spec.to_dict())
        return _described[key]


def make_strict(app: Flask) -> None:
    """Call it before any route is added: a path is the one written."""
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    # All functions of ours are synchronous; Flask asks each of them at every request.
    app.ensure_sync = lambda func: func  # type: ignore[method-assign]


def check_routes(app: Flask, rules: Collection[str]) -> None:
    """Raise OpenRouteError unless every route has a rule and every rule a route, written as `GET /v1/status`: a new
    route is never open by oversight.
    """
    routes = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    if routes != set(rules):
        raise OpenRouteError(f"routes and access rules differ: {', '.join(sorted(routes ^ set(rules)))}")


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
