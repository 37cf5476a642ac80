"""Agencies that ask, officers who authorise, a reviewer who reads of it: real requests to the real application."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any, cast

import msgspec
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from exchange.queries.decide import DEFAULT_LIMITS
from exchange.queries.watch import end_queries, watch_queries
from keys.sealing.query_papers import PaperPlace, open_paper
from schemas.queries.messages import ExtensionGrounds, QueryGrounds
from schemas.terms import MemberKind, Role, Sector
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.queries.planting import GROUNDS, terms_of
from tests.taskforce.clock import Clock
from tests.taskforce.founding import Taskforce
from tests.taskforce.members import USUAL_ROLES, MemberSimulator

BANKS, AGENCIES, REVIEWER = ("a", "b", "c"), ("nca", "met"), "ico"
ROLES: dict[str, frozenset[Role]] = {
    **USUAL_ROLES,
    "colleague": frozenset({Role.INVESTIGATOR, Role.AUTHORISER}),
    "reviewer": frozenset({Role.REVIEWER}),
}


def gateway_of(agency: str) -> str:
    """The gateway to an agency: section 7 of the 2013 Act is the NCA's alone."""
    return "CCA2013_s7" if agency == "nca" else "DPA2018_Sch2"


class QueryScenario:
    """The taskforce, and what is done in it."""

    def __init__(self, database_url: str, folder: Path, *, banks: Sequence[str] = BANKS) -> None:
        self.clock = Clock()
        self.taskforce = Taskforce(database_url, folder, clock=self.clock)
        self.banks = {name: self.taskforce.add_member(name) for name in banks}
        self.agencies = {name: self._add_office(name) for name in AGENCIES}
        self.reviewer = self.taskforce.add_member(
            REVIEWER, sector=Sector.REGULATION, kind=MemberKind.REGULATOR, roles=ROLES
        )
        self.taskforce.state_epoch()
        self.taskforce.state_group((*banks, *AGENCIES))

    def copy(self, database_url: str, folder: Path) -> QueryScenario:
        """The same people on a copy of the database."""
        made = copy(self)
        made.taskforce = self.taskforce.copy(database_url, folder)
        made.clock = cast(Clock, made.taskforce.clock)
        members = made.taskforce.members
        made.banks = {name: members[name] for name in self.banks}
        made.agencies = {name: members[name] for name in self.agencies}
        made.reviewer = members[REVIEWER]
        return made

    def _add_office(self, name: str) -> MemberSimulator:
        kind, sector = MemberKind.LAW_ENFORCEMENT, Sector.LAW_ENFORCEMENT
        return self.taskforce.add_member(name, sector=sector, kind=kind, roles=ROLES)

    def question(self, tokens: Sequence[bytes], agency: str = "nca", **changes: Any) -> dict[str, Any]:
        """The body of a covert query."""
        return {
            "query_id": uuid7(),
            "tokens": [to_base64(token) for token in tokens],
            "types": ["bank_account" for _ in tokens],
            "legal_gateway": gateway_of(agency),
            **msgspec.to_builtins(GROUNDS),
            "authorised_by": f"{agency}/authoriser",
            "covert": True,
            "until": "2027-02-20",
            "watch_until": None,
            "silent": False,
            **changes,
        }

    def ask(self, tokens: Sequence[bytes], agency: str = "nca", **changes: Any) -> str:
        """The id of a query that waits."""
        body = self.question(tokens, agency, **changes)
        answer = self.agencies[agency].send("POST", "/v1/queries", body)
        assert answer.status_code == 201, answer.text
        return str(body["query_id"])

    def step(self, query_id: str, step: str, value: Any = None, *, agency: str = "nca", **options: Any) -> TestResponse:
        """A step of the authoriser, unless it is said whose; an approval is of the query as it stands."""
        target = f"/v1/queries/{query_id}/{step}"
        if step == "approve" and value is None:
            value = terms_of(self.taskforce.database, query_id)
        if step == "extend":
            value = {"salt": to_base64(bytes(32)), **value}
        return self.agencies[agency].send("POST", target, value or {}, **{"as_name": "authoriser", **options})

    def approve(self, query_id: str, agency: str = "nca") -> dict[str, Any]:
        """What an approval answers."""
        answer = self.step(query_id, "approve", agency=agency)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def query(self, tokens: Sequence[bytes], agency: str = "nca", **changes: Any) -> dict[str, Any]:
        """A query that was asked and approved."""
        return self.approve(self.ask(tokens, agency, **changes), agency)

    def read(self, query_id: str, agency: str = "nca", as_name: str = "analyst") -> TestResponse:
        """The query once more."""
        return self.taskforce.members[agency].send("GET", f"/v1/queries/{query_id}", as_name=as_name)

    def opened(self, answer: TestResponse, member_id: str = "nca") -> dict[str, Any]:
        """A query as a member was shown it, with the texts that were sealed to it."""
        query, key = answer.get_json(), self.taskforce.members[member_id].private_key

        def place(position: int, sha256: str) -> PaperPlace:
            return PaperPlace(query["query_id"], position, member_id, decode(sha256))

        grounds = open_paper(decode(query["sealed"]), key, place(0, query["paperwork_sha256"]), QueryGrounds)
        extensions = []
        for position, one in enumerate(query["extensions"], 1):
            why = open_paper(decode(one["sealed"]), key, place(position, one["reason_sha256"]), ExtensionGrounds)
            extensions.append({**one, **msgspec.to_builtins(why)})
        return {**query, **msgspec.to_builtins(grounds), "extensions": extensions}

    def watch(self) -> int:
        """A run of the watching job."""
        return watch_queries(self.taskforce.database, DEFAULT_LIMITS, self.clock())

    def end(self) -> int:
        """A run of the ending job."""
        return end_queries(self.taskforce.database, self.clock())

    def views(self, member_id: str, kind: str | None = None) -> list[dict[str, Any]]:
        """What a member's log says."""
        return self.taskforce.views(member_id, kind)

    def kinds(self, member_id: str) -> list[str]:
        """The kinds of a member's entries about queries."""
        return [view["kind"] for view in self.views(member_id) if view["kind"].startswith("le_")]

    def notices(self, member_id: str) -> list[str]:
        """The kinds of a member's notices about queries."""
        return self.taskforce.members[member_id].notices("le_")

    def count(self, model: type[Any]) -> int:
        """How many rows a table has."""
        with self.taskforce.database.reading() as session:
            return session.scalar(select(func.count()).select_from(model)) or 0


def decode(text: str) -> bytes:
    """Bytes of base64."""
    return base64.b64decode(text, validate=True)
