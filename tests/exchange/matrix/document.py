"""docs/permissions.md: the permission matrix as a page for reviewers, generated from the rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from schemas.terms import MemberKind
from tests.exchange.matrix.cells import ROLE_SETS, Caller, Cell, Dimensions, Judge, Outcome, Tenant
from tests.exchange.matrix.oracle import EXCHANGE, HOLDER, judge_exchange, judge_holder

PAGE = Path(__file__).parents[3] / "docs" / "permissions.md"
_HEAD = """# Who may do what

Generated from the tables of rules (`exchange/web/access.py`, `keys/holder/access.py`) by `make matrix`; do not edit.
The tests send every cell of it to both services, signed with real keys, and compare status and problem type; a test
also compares this page with the rules, and a route without a rule stops the start of the service. Each is sent for all
kinds of member; law-enforcement queries, which alone depend on it, are shown for an agency, and refused to others.

A number is the status of a success. A refusal is its status and the type of its problem (`urn:exchange:problem:…`).
"""


def render() -> str:
    """The page."""
    services = (("The exchange", EXCHANGE, judge_exchange), ("A key holder", HOLDER, judge_holder))
    return "\n".join([_HEAD, *("\n".join(_service(*service)) for service in services)])


def _service(title: str, dimensions: Dimensions, judge: Judge) -> Iterable[str]:
    yield f"## {title}\n"
    yield "### By caller\n"
    yield from _table(
        ("route", *dimensions.callers),
        [(route, *(judge(Cell(route, caller)) for caller in dimensions.callers)) for route in dimensions.routes],
    )
    yield "### By role of an active member's representative\n"
    yield from _table(
        ("route", *ROLE_SETS),
        [(route, *(judge(_asked(route, roles=roles)) for roles in ROLE_SETS)) for route in dimensions.routes],
    )
    yield "### By state, for a representative with all roles\n"
    yield from _table(
        ("route", *dimensions.states),
        [(route, *(judge(_asked(route, state=state)) for state in dimensions.states)) for route in dimensions.routes],
    )
    yield "### Naming what is not one's own\n"
    yield from _table(
        ("route", "what is named", "answer"),
        [
            (route, tenant, judge(_asked(route, tenant=tenant)))
            for route, tenants in sorted(dimensions.tenants.items())
            for tenant in tenants
            if tenant is not Tenant.OWN
        ],
    )


def _asked(route: str, *, roles: str = "all", **named: object) -> Cell:
    kind = MemberKind.LAW_ENFORCEMENT if "/queries" in route else MemberKind.FINANCIAL_INSTITUTION
    cell = {"kind": kind, "roles": roles, **named}
    return Cell(route, Caller.REPRESENTATIVE, **cell)  # type: ignore[arg-type]


def _table(head: Sequence[str], rows: Iterable[Sequence[str | Outcome]]) -> Iterable[str]:
    yield _row(head)
    yield _row(["---"] * len(head))
    yield from (_row(row) for row in rows)
    yield ""


def _row(parts: Sequence[str | Outcome]) -> str:
    return f"| {' | '.join(_text(part) for part in parts)} |"


def _text(part: str | Outcome) -> str:
    if not isinstance(part, Outcome):
        return f"`{part}`" if "/" in part else str(part)
    return f"**{part.status}**" if part.is_granted else f"{part.status} {part.slug}"
