"""What banks do, each act observed: whatever a bank may do, well and wrongly. An act that needs another makes it first.

Some acts name an agency's object: where there is covert work a real one, else an id of nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

from alerts.delivery.webhook import WebhookSecrets
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.alerts.factories import make_content
from tests.exchange.corrections.taking_back import make_assessment, make_outcome, make_withdrawal
from tests.exchange.queries.scenario import BANKS
from tests.exchange.requests.factories import NO_TRACE, REFUSED, make_answer, make_request
from tests.exchange.silence.side import CELL, Side

GROUPS = ("taskforce", CELL)
FULL: dict[str, Any] = {"outcome": "full", "fields": ["local_reference", "reason"]}
ANSWERS: dict[str, dict[str, Any]] = {"full": FULL, "partial": {}, "no trace": NO_TRACE, "refused": REFUSED}


class Banks:
    """The banks of one side, and what they have begun; `hidden` is the id of an agency's query, or of nothing."""

    def __init__(self, side: Side, tokens: list[bytes], hidden: str) -> None:
        self._side, self._tokens, self._hidden = side, tokens, hidden
        self._submitted: list[tuple[str, dict[str, Any], str]] = []
        self._withdrawn: tuple[str, list[bytes]] | None = None
        self._alerts: list[tuple[str, str]] = []

    def act(self, name: str, rng: Random) -> None:
        """One of BANK_ACTS."""
        BANK_ACTS[name](self, rng)

    # rows

    def submit(self, rng: Random) -> None:
        """New rows, some of which others have; they are to be reviewed soon, and some expire soon."""
        bank = rng.choice(BANKS)
        today = self._side.clock().date()
        changes = {
            "group": rng.choice(GROUPS),
            "theme": rng.choice(("drugs", "money_mules")),
            "subject_role": rng.choice(("suspect", "victim")),
            "review_by": (today + timedelta(days=1)).isoformat(),
        }
        for days in (2, 200):
            changes["expires_on"] = (today + timedelta(days=days)).isoformat()
            self._submit(bank, rng.sample(self._tokens, rng.randint(1, 4)), **changes)

    def submit_again(self, rng: Random) -> None:
        """The same request once more, then the same rows in another."""
        if not self._submitted:
            self.submit(rng)
        bank, value, key = rng.choice(self._submitted)
        self._side.ask(bank, "POST", "/v1/submissions", value, idempotency_key=key)
        self._send(bank, {**value, "submission_id": uuid7()})

    def withdraw_tokens(self, rng: Random) -> None:
        """Rows that others were told of; then what is nobody's any more."""
        bank, token, _ = self._share(rng)
        for _ in range(2):
            self._side.ask(bank, "POST", "/v1/withdrawals", make_withdrawal([token]))
        self._withdrawn = bank, [token]

    def withdraw_submission(self, rng: Random) -> None:
        """A submission whole, of which others were told."""
        bank, token, other = self._share(rng)
        value = self._list(bank, [token, *rng.sample([one for one in self._tokens if one != token], 2)])
        self._list(other, [token])
        target = "/v1/withdrawals"
        self._side.ask(bank, "POST", target, make_withdrawal(submission_id=value["submission_id"]))
        self._side.ask(other, "POST", target, make_withdrawal(submission_id=value["submission_id"]))

    def submit_after_withdrawal(self, rng: Random) -> None:
        """What was taken back is a new row."""
        if self._withdrawn is None:
            self.withdraw_tokens(rng)
        assert self._withdrawn is not None
        bank, tokens = self._withdrawn
        self._submit(bank, tokens)
        self._list(bank, tokens)

    def acknowledge_correction(self, rng: Random) -> None:
        """The corrections of all banks, looked at; the first that there is, acknowledged."""
        self.withdraw_tokens(rng)
        self._side.work()
        for bank in BANKS:
            for one in self._side.read(bank, "/v1/corrections?state=open")["corrections"][:2]:
                self._side.read(bank, f"/v1/corrections/{one['correction_id']}")
        told = next(bank for bank in BANKS if self._side.read(bank, "/v1/corrections?state=open")["corrections"])
        (first, *_) = self._side.read(told, "/v1/corrections?state=open")["corrections"]
        target = f"/v1/corrections/{first['correction_id']}/acknowledgement"
        for items in (first["items"] + 1, first["items"]):
            self._side.ask(told, "POST", target, {"items": items})

    # requests

    def ask(self, rng: Random) -> None:
        """A request that is left to its time."""
        self._request(rng, urgency=rng.choice(("immediate", "24h", "14d")))

    def take_up(self, rng: Random) -> None:
        """A request that its holder takes up and leaves."""
        request_id, asker, holder = self._request(rng)
        self._step(holder, request_id, "take-up")
        for bank in (asker, holder):
            self._side.read(bank, f"/v1/requests/{request_id}")

    def cancel(self, rng: Random) -> None:
        """A request that is taken back."""
        request_id, asker, _ = self._request(rng)
        self._step(asker, request_id, "cancel")

    def answer(self, rng: Random, how: str) -> None:
        """A request that is answered; then a second answer, and outcomes on both sides."""
        request_id, asker, holder = self._request(rng)
        self._step(holder, request_id, "take-up")
        signer = self._side.scenario.banks[holder].keys["authoriser"]
        for _ in range(2):
            value = make_answer(signer, request_id, holder, asker, **ANSWERS[how])
            self._step(holder, request_id, "answer", value)
        for bank in (asker, holder):
            self._side.read(bank, f"/v1/requests/{request_id}")
            outcome = make_outcome("request", request_id, usefulness="useful")
            self._side.ask(bank, "POST", "/v1/outcomes", outcome)

    def ask_wrongly(self, rng: Random) -> None:
        """Refusals of requests: empty and unknown codes, another's hit, one's own request, what does not exist."""
        bank, token, other = self._share(rng)
        hit = self._hit(bank, token)
        for changes in ({"purpose": ""}, {"legal_gateway": ""}, {"legal_gateway": "consent"}, {"hit_id": uuid7()}):
            self._side.ask(bank, "POST", "/v1/requests", make_request(hit) | changes)
        self._side.ask(other, "POST", "/v1/requests", make_request(hit))
        for request_id in (uuid7(), self._hidden):
            self._step(other, request_id, "take-up")
            self._step(other, request_id, "cancel")
            self._side.read(other, f"/v1/requests/{request_id}")

    # what came of it

    def assess(self, rng: Random) -> None:
        """An exit before and after an assessment of one's own, and the outcome on a hit."""
        bank, token, _ = self._share(rng)
        hit = self._hit(bank, token)
        leave = make_outcome("hit", hit, account_action="exit")
        self._side.ask(bank, "POST", "/v1/outcomes", leave)
        self._side.ask(bank, "POST", "/v1/assessments", make_assessment(hit))
        self._side.ask(bank, "POST", "/v1/outcomes", leave)

    def probe(self, rng: Random) -> None:
        """An agency's query, by its id, wherever an id is taken; and what agencies alone may do."""
        bank, hidden = rng.choice(BANKS), self._hidden
        side, question = self._side, self._side.scenario.question(self._tokens[:2], bank)
        side.ask(bank, "POST", "/v1/queries", {**question, "query_id": hidden})
        for step, value in (
            *(("approve", {}), ("refuse", {}), ("end-watch", {})),
            ("extend", {"until": "2027-10-01", "reason": "later", "salt": to_base64(bytes(32))}),
        ):
            side.ask(bank, "POST", f"/v1/queries/{hidden}/{step}", value, as_name="authoriser")
        side.read(bank, f"/v1/queries/{hidden}")
        side.ask(bank, "POST", "/v1/outcomes", make_outcome("query", hidden))
        side.ask(bank, "POST", "/v1/assessments", make_assessment(hidden))
        side.ask(bank, "POST", "/v1/withdrawals", make_withdrawal(submission_id=hidden))
        side.read(bank, f"/v1/corrections/{hidden}")
        side.ask(bank, "POST", f"/v1/corrections/{hidden}/acknowledgement", {"items": 1})

    # alerts

    def publish(self, rng: Random) -> None:
        """An alert from draft to acknowledgement; now and then one is withdrawn."""
        bank, reader = rng.sample(BANKS, 2)
        side = self._side
        alert_id = side.ask(bank, "POST", "/v1/alerts", make_content()).get_json()["alert_id"]
        target = f"/v1/alerts/{alert_id}"
        for step, value in (("review", {}), ("release", {"at": None})):
            side.ask(bank, "POST", f"{target}/{step}", value, as_name="authoriser")
        side.ask(reader, "POST", f"{target}/acknowledgement", {"implemented": True, "feedback": "of use"})
        for name in (bank, reader):
            for form in ("", "/page", "/responses"):
                side.ask(name, "GET", target + form)
        self._alerts.append((bank, alert_id))

    def withdraw_alert(self, rng: Random) -> None:
        """An alert, withdrawn."""
        if not self._alerts:
            self.publish(rng)
        bank, alert_id = self._alerts.pop(0)
        self._side.ask(bank, "POST", f"/v1/alerts/{alert_id}/withdraw", {"reason": "wrong"})

    def subscribe(self, rng: Random) -> None:
        """A subscription and a feed token, from their making to their end."""
        bank, side = rng.choice(BANKS), self._side
        form = {"channel": "webhook", "target": "https://hooks.bank.example/", "groups": ["taskforce"]}
        made = side.ask(bank, "POST", "/v1/subscriptions", form).get_json()["subscription_id"]
        code = WebhookSecrets(side.scenario.taskforce.webhook_key).code(made)
        steps: list[tuple[str, dict[str, Any]]] = [("confirm", {"code": code}), ("test", {}), ("secret", {})]
        for step, value in (*steps, ("replay", {"since": "2026-01-01T00:00:00Z"})):
            side.ask(bank, "POST", f"/v1/subscriptions/{made}/{step}", value)
        side.read(bank, f"/v1/subscriptions/{made}/deliveries")
        side.ask(bank, "POST", f"/v1/subscriptions/{made}/end", {})
        token = side.ask(bank, "POST", "/v1/feed-tokens", {"name": "second"}).get_json()["token_id"]
        side.ask(bank, "POST", f"/v1/feed-tokens/{token}/revoke", {})

    # what acts have in common

    def _submit(self, bank: str, tokens: list[bytes], **envelope: Any) -> dict[str, Any]:
        value = self._side.scenario.banks[bank].submission(tokens, **envelope)
        return self._send(bank, value)

    def _list(self, bank: str, tokens: list[bytes]) -> dict[str, Any]:
        """Submit the tokens, also those that were taken back before."""
        return self._send(bank, self._side.scenario.banks[bank].submission(tokens) | {"relist": "seen again"})

    def _send(self, bank: str, value: dict[str, Any]) -> dict[str, Any]:
        key = uuid7()
        answer = self._side.ask(bank, "POST", "/v1/submissions", value, idempotency_key=key)
        assert answer.status_code == 201, answer.text
        self._submitted.append((bank, value, key))
        return value

    def _share(self, rng: Random) -> tuple[str, bytes, str]:
        """A bank, a token that it holds in the taskforce, and another that holds it too; watches have met both."""
        bank, other = rng.sample(BANKS, 2)
        token = rng.choice(self._tokens)
        self._list(bank, [token])
        self._list(other, [token])
        self._side.look()
        return bank, token, other

    def _hit(self, bank: str, token: bytes) -> str:
        hits = self._side.read(bank, "/v1/hits")["hits"]
        return str(next(hit["hit_id"] for hit in hits if hit["token"] == to_base64(token)))

    def _request(self, rng: Random, **changes: Any) -> tuple[str, str, str]:
        """A request, who asked it, and one of its holders."""
        asker, token, holder = self._share(rng)
        body = make_request(self._hit(asker, token), **changes)
        answer = self._side.ask(asker, "POST", "/v1/requests", body)
        assert answer.status_code == 201, answer.text
        return body["request_id"], asker, holder

    def _step(self, bank: str, request_id: str, step: str, value: Any = None) -> None:
        self._side.ask(bank, "POST", f"/v1/requests/{request_id}/{step}", value or {}, as_name="authoriser")


def _answering(how: str) -> Callable[[Banks, Random], None]:
    return lambda banks, rng: banks.answer(rng, how)


BANK_ACTS: dict[str, Callable[[Banks, Random], None]] = {
    "bank: submit": Banks.submit,
    "bank: submit again": Banks.submit_again,
    "bank: withdraw tokens": Banks.withdraw_tokens,
    "bank: withdraw a submission": Banks.withdraw_submission,
    "bank: submit after a withdrawal": Banks.submit_after_withdrawal,
    "bank: acknowledge a correction": Banks.acknowledge_correction,
    "bank: ask": Banks.ask,
    "bank: take up": Banks.take_up,
    "bank: cancel": Banks.cancel,
    "bank: ask wrongly": Banks.ask_wrongly,
    **{f"bank: answer, {how}": _answering(how) for how in ANSWERS},
    "bank: assess": Banks.assess,
    "bank: probe": Banks.probe,
    "bank: publish": Banks.publish,
    "bank: withdraw an alert": Banks.withdraw_alert,
    "bank: subscribe": Banks.subscribe,
}
