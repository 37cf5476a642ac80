"""Who may call what of a key holder: the one table of routes, and the roles that each wants. A route that is not in it
serves nobody, and one that lacks a rule stops the start.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.terms import Role


@dataclass(frozen=True, slots=True)
class RouteRule:
    """Who may call a route: anyone, or else representatives of members who have one of `roles`. Where it `is_counted`,
    anyone may so often in a minute from one address.
    """

    is_public: bool
    is_counted: bool = False
    roles: frozenset[Role] = frozenset()

    @property
    def is_limited(self) -> bool:
        """Whether calls that do not authenticate are limited by address."""
        return self.is_counted or not self.is_public


ANYONE = RouteRule(is_public=True)
ANYONE_AT_TIMES = RouteRule(is_public=True, is_counted=True)
# Those who handle identifiers; authors, releasers, reviewers, registrars and operators have no tokens to make.
IDENTIFIER_HANDLERS = RouteRule(is_public=False, roles=frozenset({Role.SUBMITTER, Role.INVESTIGATOR, Role.AUTHORISER}))
# What the registrars stated is for every member, whatever its people do.
REPRESENTATIVES = RouteRule(is_public=False, roles=frozenset(Role))

RULES: dict[str, RouteRule] = {
    "GET /healthz": ANYONE,
    "GET /readyz": ANYONE,
    "GET /metrics": ANYONE_AT_TIMES,
    "GET /openapi.json": ANYONE,
    "GET /v1/epochs": ANYONE_AT_TIMES,
    # A statement is believed for the registrars' signatures on it, whoever brings it.
    "POST /v1/statements": ANYONE_AT_TIMES,
    "GET /v1/statements": REPRESENTATIVES,
    # A digest and two times: made once a minute, whoever asks.
    "GET /v1/snapshot": ANYONE,
    "POST /v1/evaluations": IDENTIFIER_HANDLERS,
    "GET /v1/budget": IDENTIFIER_HANDLERS,
}

SIGNED = frozenset(route for route, rule in RULES.items() if not rule.is_public)
"""The routes whose requests are signed."""


def rule_of(method: str, route: str) -> RouteRule | None:
    """The rule of a route as the URL map writes it; HEAD is GET without its body."""
    return RULES.get(f"{'GET' if method == 'HEAD' else method} {route}")
