"""The key holder to which the cells are sent: the real application over a real store."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
from werkzeug.test import TestResponse

from edge.request_limits import LARGEST_LIMIT
from keys.holder.access import SIGNED
from keys.signatures.messages import SignedRequest, SigningKey, new_nonce, sign_request
from keys.statements.keyring import EpochState, MemberState, RepresentativeState, StatedRepresentative
from schemas.terms import MemberKind
from schemas.values.canonical import canonical_json
from tests.exchange.matrix.cells import ROLE_SETS, Caller, Cell, State, Tenant
from tests.keys.factories import make_dealing, make_epoch, make_member, registrar_key, sign
from tests.keys.holder.simulator import EVALUATIONS, HolderSimulator, make_elements, make_settings, migrate
from tests.taskforce.clock import Clock

OWN_MEMBER = (State.SUSPENDED, State.KEY_REVOKED, State.NOT_ALLOWED)
_PLENTY = 1_000_000


class HolderScenario:
    """A member for each kind and state, with a representative for each set of roles; and `other`."""

    def __init__(self, folder: Path) -> None:
        dealing = make_dealing()
        url = f"sqlite:///{folder / 'holder.db'}"
        settings = make_settings(dealing, database_url=url)
        config = settings.config
        config = dataclasses.replace(config, requests_per_minute=LARGEST_LIMIT, unsigned_per_minute=LARGEST_LIMIT)
        settings = dataclasses.replace(settings, config=config)
        self.holder = HolderSimulator(settings, migrate(url), Clock())
        self.keys: dict[str, SigningKey] = {}
        self.stranger = SigningKey.generate()
        self.envelope = msgspec.to_builtins(sign(make_epoch(dealing)))
        self.holder.state(self.envelope, sign(make_epoch(make_dealing(), epoch=2, state=EpochState.RETIRED)))
        self.other = make_member("other")
        for state in (State.ACTIVE, *OWN_MEMBER):
            for kind in MemberKind:
                self._add_member(f"{state.name.lower()}-{kind.value}", state, kind)
        self.holder.state(sign(self.other.statement))
        self.holder.allow("other", _PLENTY)
        assert self.holder.ask(self.other, make_elements(1), key="key-of-other").status_code == 200

    def close(self) -> None:
        """Close the connections."""
        self.holder.database.dispose()

    def routes(self) -> set[str]:
        """The routes of the URL map."""
        return {
            f"{method} {rule.rule}"
            for rule in self.holder.client.application.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }

    def send(self, cell: Cell) -> TestResponse:
        """The answer to a cell; what a known caller gets on a route that is signed must be signed by the holder."""
        method, _, target = cell.route.partition(" ")
        body, kind = b"", "application/json"
        if cell.route == "POST /v1/statements":
            body = canonical_json(self.envelope)
        elif cell.route == "POST /v1/evaluations":
            body, kind = make_elements(1), "application/octet-stream"
            target = f"{EVALUATIONS}?epoch={2 if cell.state is State.EPOCH_RETIRED else 1}&quorum=1,2"
        key = self._idempotency_key(cell)
        headers = {"Content-Type": kind, "Idempotency-Key": key} if method == "POST" else {}
        if cell.caller is not Caller.UNSIGNED:
            headers = self._signed(cell, method, target, headers, body)
        answer: TestResponse = self.holder.client.open(target, method=method, data=body, headers=headers)
        is_known = cell.caller is Caller.REPRESENTATIVE and cell.route in SIGNED
        assert ("Signature" in answer.headers) == is_known, cell
        if is_known:
            self.holder.verify(answer, SignedRequest(method, self.holder.settings.config.url + target, headers))
        return answer

    def leaks(self, text: str) -> bool:
        """Whether an answer tells of the other member."""
        return '"member_id":"other"' in text.replace(" ", "")

    def _idempotency_key(self, cell: Cell) -> str:
        if cell.tenant is Tenant.OTHERS_KEY:
            return "key-of-other"
        if cell.tenant is not Tenant.USED_KEY:
            return new_nonce()
        target, body = f"{EVALUATIONS}?epoch=1&quorum=1,2", make_elements(2)
        used = f"used-{cell.roles}"
        headers = {"Content-Type": "application/octet-stream", "Idempotency-Key": used}
        if cell.caller is Caller.REPRESENTATIVE:
            headers = self._signed(cell, "POST", target, headers, body)
        self.holder.client.post(target, data=body, headers=headers)
        return used

    def _signed(self, cell: Cell, method: str, target: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        key_id, key = self._signer(cell)
        url = self.holder.settings.config.url + target
        return sign_request(method, url, headers, body, key_id, key, self.holder.clock, new_nonce())

    def _signer(self, cell: Cell) -> tuple[str, SigningKey]:
        state = cell.state if cell.state in OWN_MEMBER else State.ACTIVE
        member_id = f"{state.name.lower()}-{(cell.kind or MemberKind.FINANCIAL_INSTITUTION).value}"
        match cell.caller:
            case Caller.REGISTRAR:
                return "registrar/necc", registrar_key("necc")
            case Caller.FALSE_REGISTRAR:
                return "registrar/necc", self.stranger
            case Caller.INVENTED_KEY:
                return "ghost/analyst", self.stranger
            case Caller.IMPOSTOR:
                return f"{member_id}/all", self.stranger
            case Caller.OTHER_MEMBER:
                return f"{member_id}/all", self.other.key
            case _:
                return f"{member_id}/{cell.roles}", self.keys[f"{member_id}/{cell.roles}"]

    def _add_member(self, member_id: str, state: State, kind: MemberKind) -> None:
        people = []
        for name, roles in ROLE_SETS.items():
            key = self.keys[f"{member_id}/{name}"] = SigningKey.generate()
            keys = RepresentativeState.REVOKED if state is State.KEY_REVOKED else RepresentativeState.ACTIVE
            people.append(StatedRepresentative(f"{member_id}/{name}", key.public_bytes, roles, keys))
        statement = dataclasses.replace(
            self.other.statement,
            member_id=member_id,
            kind=kind,
            state=MemberState.SUSPENDED if state is State.SUSPENDED else MemberState.ACTIVE,
            representatives=tuple(people),
        )
        (answer,) = self.holder.state(sign(statement))
        assert answer.status_code == 200, answer.text
        if state is not State.NOT_ALLOWED:
            self.holder.allow(member_id, _PLENTY)
