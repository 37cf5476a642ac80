"""Banks that share a hit, and one that asks the others about it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import text
from werkzeug.test import TestResponse

from alerts.jobs import drain_outbox
from exchange.requests.end import enforce_deadlines
from schemas.marking import marking_of_envelope
from schemas.requests.messages import SEALED_SIZES, answer_to_sign, prepared_to_sign
from schemas.values.encoding import from_base64, to_base64, to_rfc3339
from schemas.values.identifiers import uuid7
from tests.exchange.factories import make_token, stated_envelope
from tests.taskforce.founding import MemberSimulator, make_taskforce

WANTED = ["local_reference", "reason"]


class RequestScenario:
    """The banks a, b and c hold one token; a asks."""

    def __init__(self, database_url: str, folder: Path, *names: str) -> None:
        self.taskforce = make_taskforce(database_url, folder, *(names or ("a", "b", "c")))
        self.clock = self.taskforce.clock
        self.begin()

    def begin(self) -> None:
        """From here on there is another token, and what was logged, listed and noticed before does not count."""
        self.token = make_token()
        drain_outbox(self.taskforce.database)
        self.since = uuid7()

    def close(self) -> None:
        """Close the connections."""
        self.taskforce.close()

    def __getitem__(self, name: str) -> MemberSimulator:
        return self.taskforce.members[name]

    def share(self, *names: str, **envelope: Any) -> str:
        """Let the members submit the token; the first one's hit."""
        for name in names:
            self.hold(name, **envelope)
        return self.hit_of(names[0])

    def hold(self, name: str, relist: str | None = None, **envelope: Any) -> None:
        """Let a member submit the token; `relist` says why again after it was taken back."""
        fields = {} if relist is None else {"relist": relist}
        assert self[name].submit([self.token], envelope=envelope, fields=fields).status_code == 201

    def hit_of(self, name: str) -> str:
        """The id of a member's hit on the token."""
        return str(self._hit(name)["hit_id"])

    def stage_of(self, name: str) -> str:
        """How far a member has asked about its hit on the token."""
        return str(self._hit(name)["stage"])

    def _hit(self, name: str) -> dict[str, Any]:
        (hit,) = (hit for hit in self[name].hits() if hit["token"] == to_base64(self.token))
        return hit

    def ask(self, name: str, hit_id: str, /, as_name: str = "analyst", **changes: Any) -> TestResponse:
        """Send a request."""
        return self[name].send("POST", "/v1/requests", make_request(hit_id, **changes), as_name=as_name)

    def asked(self, name: str, hit_id: str, **changes: Any) -> str:
        """The id of a request that was taken."""
        answer = self.ask(name, hit_id, **changes)
        assert answer.status_code == 201, answer.text
        request_id: str = answer.get_json()["request_id"]
        return request_id

    def take_up(self, name: str, request_id: str, as_name: str = "authoriser") -> TestResponse:
        """Take a request up."""
        return self[name].send("POST", f"/v1/requests/{request_id}/take-up", {}, as_name=as_name)

    def answer(self, name: str, request_id: str, as_name: str = "authoriser", **changes: Any) -> TestResponse:
        """Answer a request, signed by the key of `signed_as` (of the one who sends it, if not said)."""
        signer = self[name].keys[changes.pop("signed_as", as_name)]
        requester = changes.pop("requester", "a")
        told_of = [] if changes.get("outcome") in {"no_trace", "refused"} else self.submissions(name, request_id)
        value = make_answer(signer, request_id, name, requester, **{"submissions": told_of, **changes})
        return self[name].send("POST", f"/v1/requests/{request_id}/answer", value, as_name=as_name)

    def answered(self, name: str, request_id: str, **changes: Any) -> None:
        """Take a request up and answer it."""
        taken = self.take_up(name, request_id)
        assert taken.status_code == 200, taken.text
        given = self.answer(name, request_id, **changes)
        assert given.status_code == 200, given.text

    def submissions(self, name: str, request_id: str) -> list[str]:
        """The submissions that a holder's part of a request is about, once it is taken up; none before."""
        read = self[name].send("GET", f"/v1/requests/{request_id}")
        return (read.get_json().get("submissions") if read.status_code == 200 else None) or []

    def read(self, name: str, request_id: str) -> dict[str, Any]:
        """A request as the member reads it."""
        answer = self[name].send("GET", f"/v1/requests/{request_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def listed(self, name: str, query: str = "") -> list[dict[str, Any]]:
        """The first page of a member's requests."""
        answer = self[name].send("GET", f"/v1/requests?cursor={self.since}{query}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.get_json()["requests"]
        return found

    def views(self, name: str, kind: str) -> list[dict[str, Any]]:
        """A member's views of one kind in the log, oldest first."""
        with self.taskforce.database.reading() as session:
            wanted = text(
                "SELECT view FROM log_entries WHERE member_id = :m AND kind = :k AND entry_id > :s ORDER BY entry_id"
            )
            return [json.loads(row.view) for row in session.execute(wanted, {"m": name, "k": kind, "s": self.since})]

    def notices(self, name: str) -> list[str]:
        """The kinds of a member's notices about requests, in order of their times."""
        drain_outbox(self.taskforce.database)
        found = self[name].send("GET", f"/v1/notices?cursor={self.since}").get_json()["notices"]
        return [one["kind"] for one in found if one["kind"].startswith("request_")]

    def pass_time(self, by: timedelta) -> int:
        """Let time pass, then let the worker do what is due."""
        self.clock.advance(seconds=by.total_seconds())  # type: ignore[attr-defined]
        return enforce_deadlines(self.taskforce.database, self.clock())


STRICT = {**msgspec.to_builtins(marking_of_envelope(stated_envelope())), "protected_subject": False}
"""How the rows of a usual submission are marked."""


def make_request(hit_id: str, /, **changes: Any) -> dict[str, Any]:
    """A request on the wire, under section 188."""
    return {
        "request_id": uuid7(),
        "hit_id": hit_id,
        "mode": "request",
        "legal_gateway": "ECCTA2023_s188",
        "condition": "request",
        "purpose": "deciding whether to restrict the account",
        "necessity": "our own records do not show where the funds came from",
        "proportionality": "two fields about one account",
        "fields": WANTED,
        "urgency": "24h",
        "confirmations": [],
        "nca_notice": None,
        "proof": to_base64(bytes(32)),
        **changes,
    }


def make_answer(signer: Any, request_id: str, holder: str, requester: str | None, **changes: Any) -> dict[str, Any]:
    """An answer on the wire, partial unless told otherwise, signed as it stands unless `signature` is given."""
    value = {
        "outcome": "partial",
        "fields": WANTED[:1],
        "refusal_reason": None,
        "sealed": to_base64(bytes(SEALED_SIZES[0])),
        "submissions": [],
        "confirmations": [],
        "to": None,
        "prepared": None,
        **changes,
    }
    value.setdefault("marking", None if value["sealed"] is None else STRICT)
    if "signature" not in value:
        sealed = value["sealed"]
        signed = answer_to_sign(
            request_id=request_id,
            holder=holder,
            requester=requester,
            outcome=value["outcome"],
            fields=value["fields"],
            refusal_reason=value["refusal_reason"],
            sealed=None if sealed is None else from_base64(sealed),
            marking=value["marking"],
            prepared=value["prepared"],
        )
        value["signature"] = to_base64(signer.sign(signed))
    return value


def make_prepared(
    signer: Any, by: str, request_id: str, holder: str, requester: str | None, *, prepared_at: datetime, **changes: Any
) -> dict[str, Any]:
    """Who prepared an answer on the wire, signed for that answer."""
    at = to_rfc3339(prepared_at)
    answer = make_answer(signer, request_id, holder, requester, **changes)
    fixed = None if answer["sealed"] is None else bytes(32)
    signed = prepared_to_sign(
        request_id=request_id,
        holder=holder,
        requester=requester,
        outcome=answer["outcome"],
        fields=answer["fields"],
        refusal_reason=answer["refusal_reason"],
        details_commitment=fixed,
        marking=answer["marking"],
        confirmations=answer["confirmations"],
        submissions=answer["submissions"],
        prepared_at=at,
    )
    by_whom = {"representative_id": by, "signature": to_base64(signer.sign(signed))}
    return {
        **by_whom,
        "details_commitment": None if fixed is None else to_base64(fixed),
        "prepared_at": at,
    }


NO_TRACE: dict[str, Any] = {"outcome": "no_trace", "fields": [], "sealed": None}
REFUSED: dict[str, Any] = {"outcome": "refused", "fields": [], "sealed": None, "refusal_reason": "not_necessary"}


def notice(given_at: Any) -> dict[str, str]:
    """A notice given at that time."""
    return {"reference": "NCA/2026/1234", "given_at": to_rfc3339(given_at)}


def reasons_of(answer: TestResponse, status: int = 403) -> set[str]:
    """The names of the rules that refused."""
    assert answer.status_code == status, answer.text
    return {reason["code"] for reason in answer.get_json()["reasons"]}
