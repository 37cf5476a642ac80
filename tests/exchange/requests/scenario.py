"""Banks that share a hit, and one that asks the others about it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from alerts.jobs import drain_outbox
from exchange.requests.end import enforce_deadlines
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.factories import make_token
from tests.exchange.requests.factories import make_answer, make_request
from tests.taskforce.founding import make_taskforce
from tests.taskforce.members import MemberSimulator


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
        return self[name].views(kind, self.since)

    def notices(self, name: str) -> list[str]:
        """The kinds of a member's notices about requests, in order of their times."""
        return self[name].notices("request_", self.since)

    def pass_time(self, by: timedelta) -> int:
        """Let time pass, then let the worker do what is due."""
        self.clock.advance(seconds=by.total_seconds())  # type: ignore[attr-defined]
        return enforce_deadlines(self.taskforce.database, self.clock())
