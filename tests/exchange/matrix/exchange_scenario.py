"""The exchange in which the cells are sent: real keys and signatures, the real application, a real database."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from alerts.delivery.webhook import WebhookSecrets
from alerts.feeds.fixed_objects import TLP_MARKINGS
from alerts.feeds.storing import open_collections
from alerts.feeds.taxii import MEDIA_TYPE
from alerts.jobs import drain_outbox
from alerts.store.alerts import StoredAlert
from alerts.store.subscriptions import NEVER, Subscription
from edge.request_limits import LARGEST_LIMIT
from exchange.membership.feed_tokens import FeedToken, make_feed_token
from exchange.registrars.rotate_key import rotate_key
from exchange.registrars.stop_member import stop_member
from keys.signatures.messages import SigningKey, new_nonce
from keys.statements.keyring import EpochState, GroupState, MemberState, RepresentativeState
from schemas.terms import AlertState, MemberKind, Sector, TrafficLight
from tests.alerts.factories import make_content, plant_alert, plant_subscription
from tests.exchange.corrections.taking_back import plant_correction, plant_outcome
from tests.exchange.factories import make_token
from tests.exchange.matrix.cells import ROLE_SETS, TOKENS, Caller, Cell, State, Tenant
from tests.exchange.matrix.query_cells import QUERY_CELLS
from tests.exchange.matrix.request_cells import REQUEST_CELLS
from tests.exchange.matrix.sending import ENVELOPES, Request, group_of, sign
from tests.exchange.matrix.withdrawal_cells import WITHDRAWAL_CELLS
from tests.exchange.queries.planting import plant_query
from tests.exchange.registrars.faulty_holders import FaultyHolders
from tests.exchange.requests.planting import plant_request
from tests.taskforce.founding import URL, make_taskforce
from tests.taskforce.members import MemberSimulator

OWN_MEMBER = (State.STOPPED, State.SUSPENDED, State.KEY_REVOKED, State.KEY_WITHDRAWN, State.NOT_IN_GROUP)
"""States that are the member's own; in the others, the request of an active member names the group or epoch."""
_VARIABLE = re.compile("<[^>]*>")
_HOOK, _NEW_HOOK = "https://hooks.own.example/", "https://hooks.new.example/"
_ACKNOWLEDGEMENT = {"implemented": True, "feedback": "of use"}


class ExchangeScenario:
    """A member for each kind and state, with a representative for each set of roles; and `other`, who owns what they
    must not reach.
    """

    def __init__(self, database_url: str, folder: Path) -> None:
        taskforce = self.taskforce = make_taskforce(database_url, folder, "other", "partner")
        taskforce.change_settings(
            requests_per_minute=LARGEST_LIMIT,
            feed_requests_per_minute=LARGEST_LIMIT,
            enrolments_per_minute=LARGEST_LIMIT,
            unsigned_requests_per_minute=LARGEST_LIMIT,
        )
        self.members: dict[tuple[State, MemberKind], MemberSimulator] = {}
        for state in (State.ACTIVE, *OWN_MEMBER):
            for kind in MemberKind:
                self._add_member(state, kind)
        inside = {member.member_id for (state, _), member in self.members.items() if state is not State.NOT_IN_GROUP}
        taskforce.state_group({"other", "partner", *inside})
        taskforce.state_group({"other", "partner"}, "others")
        taskforce.state_group(inside, "closed", state=GroupState.CLOSED)
        taskforce.state_group(inside, "past-sunset", sunset=taskforce.clock() - timedelta(seconds=1))
        taskforce.state_epoch(2, EpochState.RETIRED)
        for (state, _), member in self.members.items():
            self._bring_about(state, member)
        self._make_objects(folder)
        self.stranger = SigningKey.generate()
        self.feed_tokens = {caller: self._make_token(caller) for caller in TOKENS}
        self._own_subscriptions: dict[tuple[str, str], str] = {}
        self._own_alerts: dict[tuple[str, AlertState, str], str] = {}

    def close(self) -> None:
        """Close the connections."""
        self.taskforce.close()

    def routes(self) -> set[str]:
        """The routes of the URL map."""
        return {
            f"{method} {rule.rule}"
            for rule in self.taskforce.app.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }

    def send(self, cell: Cell) -> TestResponse:
        """The answer to a cell."""
        method, _, path = cell.route.partition(" ")
        make = REQUESTS.get(cell.route)
        asked = Request(_VARIABLE.sub("0", path)) if make is None else make(self, cell)
        body = b"" if asked.value is None else json.dumps(asked.value, default=msgspec.to_builtins).encode()
        if cell.caller in (Caller.UNSIGNED, *TOKENS):
            headers = {"Content-Type": asked.content_type, "Idempotency-Key": new_nonce()} if method == "POST" else {}
            token = {"Authorization": f"Bearer {self.feed_tokens[cell.caller]}"} if cell.caller in TOKENS else {}
            return self.taskforce.send_unsigned(method, asked.target, body, {**asked.headers, **headers, **token})
        headers = {}
        if method == "POST":
            headers = {"Idempotency-Key": asked.idempotency_key or new_nonce(), "Content-Type": asked.content_type}
        key_id, key = self._signer(cell)
        now, nonce = self.taskforce.clock(), new_nonce()
        signed = sign(method, URL + asked.target, headers, body, key_id=key_id, key=key, now=now, nonce=nonce)
        answer = self.taskforce.send_unsigned(method, asked.target, body, signed)
        if method == "POST" and answer.status_code == 200:
            self._own_alerts = {key: kept for key, kept in self._own_alerts.items() if kept not in asked.target}
        return answer

    def leaks(self, text: str) -> bool:
        """Whether an answer holds anything of what is the other member's alone."""
        return any(secret in text for secret in self.secrets)

    def member_of(self, cell: Cell) -> MemberSimulator:
        """The member that a cell asks as."""
        kind = cell.kind or MemberKind.FINANCIAL_INSTITUTION
        return self.members[cell.state if cell.state in OWN_MEMBER else State.ACTIVE, kind]

    def own_alert(self, cell: Cell, state: AlertState) -> str:
        """An alert of the member that the cell asks as, in that state."""
        member_id, group = self.member_of(cell).member_id, group_of(cell)
        if (member_id, state, group) not in self._own_alerts:
            audience = {"groups": [group], "kinds": []}
            planted = plant_alert(self.taskforce, member_id, state, audience=audience)
            self._own_alerts[member_id, state, group] = planted
        return self._own_alerts[member_id, state, group]

    def own_subscription(self, cell: Cell) -> str:
        """A subscription of the member that the cell asks as, one for each route (not the one that another ended), and
        a new one for each test, since they are sent only so often.
        """
        key = self.member_of(cell).member_id, cell.route
        if key not in self._own_subscriptions or cell.route.endswith("/test"):
            self._own_subscriptions[key] = plant_subscription(self.taskforce, key[0], _HOOK)
        return self._own_subscriptions[key]

    def _make_token(self, caller: Caller) -> str:
        state = State.SUSPENDED if caller is Caller.SUSPENDED_TOKEN else State.ACTIVE
        member_id = self.members[state, MemberKind.FINANCIAL_INSTITUTION].member_id
        with self.taskforce.database.transaction() as session:
            token_id, token = make_feed_token(session, member_id, "feed", f"{member_id}/all", self.taskforce.clock())
            made = session.scalars(select(FeedToken).where(FeedToken.token_id == token_id)).one()
            made.revoked_at = self.taskforce.clock() if caller is Caller.REVOKED_TOKEN else None
        return token[:-1] + ("a" if token[-1] != "a" else "b") if caller is Caller.INVENTED_TOKEN else token

    def _signer(self, cell: Cell) -> tuple[str, SigningKey]:
        member = self.member_of(cell)
        match cell.caller:
            case Caller.REGISTRAR:
                return "registrar/necc", self.taskforce.registrars["necc"]
            case Caller.FALSE_REGISTRAR:
                return "registrar/necc", self.stranger
            case Caller.INVENTED_KEY:
                return "ghost/analyst", self.stranger
            case Caller.IMPOSTOR:
                return f"{member.member_id}/all", self.stranger
            case Caller.OTHER_MEMBER:
                return f"{member.member_id}/all", self.taskforce.members["other"].keys["analyst"]
            case _:
                return f"{member.member_id}/{cell.roles}", member.keys[cell.roles]

    def _add_member(self, state: State, kind: MemberKind) -> None:
        member_id = f"{state.name.lower()}-{kind.value}"
        self.members[state, kind] = self.taskforce.add_member(member_id, kind=kind, roles=ROLE_SETS)

    def _bring_about(self, state: State, member: MemberSimulator) -> None:
        now = self.taskforce.clock()
        if state is State.STOPPED:
            stop_member(self.taskforce.database, member.member_id, now)
        elif state is State.SUSPENDED:
            self.taskforce.state_member(member, MemberState.SUSPENDED)
        elif state is State.KEY_REVOKED:
            member.keys_state = RepresentativeState.REVOKED
            self.taskforce.state_member(member)
        elif state is State.KEY_WITHDRAWN:
            for name in member.keys:
                rotate_key(self.taskforce.database, f"{member.member_id}/{name}", None, now)

    def _make_objects(self, folder: Path) -> None:
        """Objects of `other`: a submission, a hit, a notice, log entries; then a published tree."""
        taskforce = self.taskforce
        other, partner = self.taskforce.members["other"], self.taskforce.members["partner"]
        token = make_token()
        self.others_body = other.submission([token])
        assert other.send("POST", "/v1/submissions", self.others_body).status_code == 201
        for state in State:
            assert other.submit([make_token()], idempotency_key=_key_of_other(state)).status_code == 201
        assert partner.submit([token]).status_code == 201
        drain_outbox(self.taskforce.database)
        notices = other.send("GET", "/v1/notices").get_json()["notices"]
        entries = other.send("GET", "/log/entries").get_json()
        self.others_hit = other.hits()[0]["hit_id"]
        self.others_notice = notices[0]["notice_id"]
        self.addressed = {
            group: plant_alert(taskforce, "other", AlertState.PUBLISHED, audience={"groups": [group], "kinds": []})
            for group in ("taskforce", "closed", "past-sunset")
        }
        hidden = {"title": "Hidden from all but others", "audience": {"groups": ["others"], "kinds": []}}
        self.others_alert = plant_alert(taskforce, "other", AlertState.PUBLISHED, **hidden)
        self.others_subscription = plant_subscription(taskforce, "other", "https://hooks.other.example/")
        self.others_query = plant_query(taskforce.database, "other/analyst", "other/authoriser")
        self.others_request = plant_request(taskforce, "other", ["partner"], token)
        self.others_correction = plant_correction(taskforce, "other")
        self.others_outcome = plant_outcome(taskforce, "other", "partner")
        self.received_outcome = plant_outcome(taskforce, "partner", "other")
        self.secrets = [
            *(self.others_alert, hidden["title"]),
            *(self.others_subscription, "https://hooks.other.example/"),
            self.others_request,
            self.others_query,
            *(self.others_correction, self.others_outcome, self.received_outcome),
            *(self.others_hit, self.others_notice, self.others_body["submission_id"]),
            *(entry["entry_id"] for entry in entries["entries"]),
            *entries["pending"],
        ]
        self.size = taskforce.tick().size
        code = self.taskforce.invite("newcomer")
        newcomer = MemberSimulator(self.taskforce, "newcomer")
        self.claim, self.false_claim = newcomer.claim(code), {**newcomer.claim(code), "member_id": "mallory"}
        # With two holders of whom both must answer, no draft is made without one of them.
        holders = FaultyHolders(self.taskforce, 2, epoch=77, state=EpochState.RETIRING)
        other = self.taskforce.members["other"]
        self.fault_report = msgspec.to_builtins(holders.report(other))
        assert other.send("POST", "/v1/holder-faults", self.fault_report).status_code == 200
        asker = self.taskforce.add_member("asker", kind=MemberKind.LAW_ENFORCEMENT, sector=Sector.LAW_ENFORCEMENT)
        self.asked_by_agency = msgspec.to_builtins(holders.report(asker))
        page = self.taskforce.send_as_registrar("necc", "GET", "/v1/statements").get_json()
        self.envelope = page["statements"][0]


def _key_of_other(state: State) -> str:
    """A key that `other` used: one for each state, since each is used by a representative once."""
    return f"key-of-other-{state.name}"


def _submission(scenario: ExchangeScenario, cell: Cell) -> Request:
    member = scenario.member_of(cell)
    envelope = dict(ENVELOPES.get(cell.state, {}))
    if cell.tenant is Tenant.OTHERS_GROUP:
        envelope["group"] = "others"
    value = member.submission([make_token()], **envelope)
    if cell.tenant is Tenant.OTHERS_SUBMISSION:
        value |= {"submission_id": scenario.others_body["submission_id"], "part": 1}
    if cell.tenant is Tenant.OTHERS_KEY:
        return Request("/v1/submissions", value, _key_of_other(cell.state))
    if cell.tenant is Tenant.USED_KEY:
        used = f"used-{member.member_id}-{cell.roles}"
        name = cell.roles or "all"
        member.send("POST", "/v1/submissions", member.submission([make_token()]), as_name=name, idempotency_key=used)
        return Request("/v1/submissions", value, used)
    return Request("/v1/submissions", value)


def _fault_report(scenario: ExchangeScenario, cell: Cell) -> Request:
    is_agencys = cell.tenant is Tenant.OTHERS_EVALUATION
    return Request("/v1/holder-faults", scenario.asked_by_agency if is_agencys else scenario.fault_report)


def _alert(suffix: str = "", state: AlertState = AlertState.PUBLISHED, value: Any = None) -> Callable[..., Request]:
    """A request about an alert: the caller's own, one that is addressed to it, or one that is not."""

    def make(scenario: ExchangeScenario, cell: Cell) -> Request:
        if cell.tenant is Tenant.OTHERS_ALERT:
            alert_id = scenario.others_alert
        elif cell.tenant is Tenant.ADDRESSED_ALERT:
            alert_id = scenario.addressed[group_of(cell)]
        else:
            alert_id = scenario.own_alert(cell, state)
        return Request(f"/v1/alerts/{alert_id}{suffix}", value)

    return make


def _draft(scenario: ExchangeScenario, cell: Cell) -> Request:
    group = "others" if cell.tenant is Tenant.OTHERS_GROUP else group_of(cell)
    return Request("/v1/alerts", make_content(audience={"groups": [group], "kinds": []}))


def _subscribe(scenario: ExchangeScenario, cell: Cell) -> Request:
    member_id = scenario.member_of(cell).member_id
    with scenario.taskforce.database.transaction() as session:  # a member may have only so many
        own = (Subscription.member_id == member_id) & (Subscription.target == _NEW_HOOK)
        session.execute(update(Subscription).where(own).values(ended_at=NEVER, created_at=NEVER))
    group = "others" if cell.tenant is Tenant.OTHERS_GROUP else group_of(cell)
    return Request("/v1/subscriptions", {"channel": "webhook", "target": _NEW_HOOK, "groups": [group]})


def _subscription(name: str, value: Any = None) -> Callable[..., Request]:
    """A request about a subscription: the caller's own, or another's."""

    def make(scenario: ExchangeScenario, cell: Cell) -> Request:
        is_others = cell.tenant is Tenant.OTHERS_SUBSCRIPTION
        subscription_id = scenario.others_subscription if is_others else scenario.own_subscription(cell)
        sent = value
        if name == "confirm":
            sent = {"code": WebhookSecrets(scenario.taskforce.webhook_key).code(subscription_id)}
        return Request(f"/v1/subscriptions/{subscription_id}/{name}", sent)

    return make


def _feed(suffix: str) -> Callable[..., Request]:
    """A request for a feed: of a group that the caller's member is in, or of one that it is not in."""

    def make(scenario: ExchangeScenario, cell: Cell) -> Request:
        group = "others" if cell.tenant is Tenant.OTHERS_COLLECTION else "taskforce"
        alert_id = scenario.addressed["taskforce"] if cell.tenant is Tenant.ADDRESSED_ALERT else scenario.others_alert
        with scenario.taskforce.database.reading() as session:
            event_id = session.get_one(StoredAlert, alert_id).stix_id
        return Request(f"/feeds/{suffix.format(group=group, event=event_id)}")

    return make


def _taxii(suffix: str) -> Callable[..., Request]:
    """A TAXII request for the collection of a group that the caller's member is in, or of one that it is not in."""

    def make(scenario: ExchangeScenario, cell: Cell) -> Request:
        group = "others" if cell.tenant is Tenant.OTHERS_COLLECTION else "taskforce"
        with scenario.taskforce.database.transaction() as session:
            collection_id = open_collections(session, [group])[group]
        target = f"/taxii2/api/collections/{collection_id}/{suffix.format(object=TLP_MARKINGS[TrafficLight.AMBER])}"
        return Request(target, {} if cell.route.startswith("POST ") else None, content_type=MEDIA_TYPE)

    return make


def _make_feed_token(scenario: ExchangeScenario, cell: Cell) -> Request:
    own = (FeedToken.member_id == scenario.member_of(cell).member_id) & (FeedToken.name == "matrix")
    with scenario.taskforce.database.transaction() as session:  # a member may have only so many
        session.execute(update(FeedToken).where(own).values(revoked_at=scenario.taskforce.clock()))
    return Request("/v1/feed-tokens", {"name": "matrix"})


def _revoke_feed_token(scenario: ExchangeScenario, cell: Cell) -> Request:
    is_others = cell.tenant is Tenant.OTHERS_TOKEN
    member_id = "other" if is_others else scenario.member_of(cell).member_id
    with scenario.taskforce.database.transaction() as session:
        token_id, _ = make_feed_token(session, member_id, "matrix", f"{member_id}/all", scenario.taskforce.clock())
    return Request(f"/v1/feed-tokens/{token_id}/revoke", {})


def _page(
    path: str, name: str, others: Callable[[ExchangeScenario], Any]
) -> Callable[[ExchangeScenario, Cell], Request]:
    def make(scenario: ExchangeScenario, cell: Cell) -> Request:
        # The cursor just before the other's object: a page that did not look at the owner would begin with it.
        return Request(f"{path}?{name}={others(scenario)}" if cell.tenant is Tenant.OTHERS_CURSOR else path)

    return make


def _at(target: str) -> Callable[[ExchangeScenario, Cell], Request]:
    return lambda scenario, cell: Request(target)


REQUESTS: dict[str, Callable[[ExchangeScenario, Cell], Request]] = {
    **{f"GET {path}": _at(path) for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/log/checkpoint")},
    **{f"GET {path}": _at(path) for path in ("/v1/proposals", "/v1/statements", "/v1/holder-faults", "/v1/status")},
    "GET /log/tile/<path:path>": lambda scenario, cell: Request(f"/log/tile/0/{_tile(scenario.size)}"),
    "GET /v1/hits": _page("/v1/hits", "cursor", lambda scenario: scenario.others_hit[:-1] + "0"),
    "GET /v1/notices": _page("/v1/notices", "cursor", lambda scenario: scenario.others_notice[:-1] + "0"),
    "GET /log/entries": _page("/log/entries", "after", lambda scenario: 0),
    **REQUEST_CELLS,
    **QUERY_CELLS,
    "GET /v1/queries": _page("/v1/queries", "cursor", lambda scenario: scenario.others_query[:-1] + "0"),
    **WITHDRAWAL_CELLS,
    "GET /v1/corrections": _page("/v1/corrections", "cursor", lambda scenario: scenario.others_correction[:-1] + "0"),
    "GET /v1/outcomes": _page("/v1/outcomes", "cursor", lambda scenario: scenario.others_outcome[:-1] + "0"),
    "GET /v1/outcomes/received": _page(
        "/v1/outcomes/received", "cursor", lambda scenario: scenario.received_outcome[:-1] + "0"
    ),
    "GET /v1/requests": _page("/v1/requests", "cursor", lambda scenario: scenario.others_request[:-1] + "0"),
    "POST /v1/alerts": _draft,
    "GET /v1/alerts": _page("/v1/alerts", "cursor", lambda scenario: scenario.others_alert[:-1] + "0"),
    "GET /v1/alerts/<alert_id>": _alert(),
    **{f"GET /v1/alerts/<alert_id>{form}": _alert(form) for form in ("/responses", "/page", "/pdf")},
    "POST /v1/alerts/<alert_id>/review": _alert("/review", AlertState.DRAFT, {}),
    "POST /v1/alerts/<alert_id>/release": _alert("/release", AlertState.REVIEWED, {"at": None}),
    "POST /v1/alerts/<alert_id>/withdraw": _alert("/withdraw", AlertState.PUBLISHED, {"reason": "wrong"}),
    "POST /v1/alerts/<alert_id>/acknowledgement": _alert("/acknowledgement", value=_ACKNOWLEDGEMENT),
    "POST /v1/subscriptions": _subscribe,
    "GET /v1/subscriptions": _page(
        "/v1/subscriptions", "cursor", lambda scenario: scenario.others_subscription[:-1] + "0"
    ),
    "GET /v1/subscriptions/<subscription_id>/deliveries": _subscription("deliveries"),
    "POST /v1/subscriptions/<subscription_id>/replay": _subscription("replay", {"since": "2026-01-01"}),
    **{
        f"POST /v1/subscriptions/<subscription_id>/{name}": _subscription(name, {})
        for name in ("confirm", "end", "test", "secret")
    },
    "POST /v1/feed-tokens": _make_feed_token,
    "GET /v1/feed-tokens": _at("/v1/feed-tokens"),
    "POST /v1/feed-tokens/<token_id>/revoke": _revoke_feed_token,
    "GET /feeds/<group_id>.atom": _feed("{group}.atom"),
    "GET /feeds/<group_id>.json": _feed("{group}.json"),
    "GET /feeds/misp/<group_id>/manifest.json": _feed("misp/{group}/manifest.json"),
    "GET /feeds/misp/<group_id>/hashes.csv": _feed("misp/{group}/hashes.csv"),
    "GET /feeds/misp/<group_id>/<event_id>.json": _feed("misp/{group}/{event}.json"),
    "GET /feeds/<group_id>/<event_id>.html": _feed("{group}/{event}.html"),
    **{f"GET {path}": _at(path) for path in ("/taxii2/", "/taxii2/api/", "/taxii2/api/collections/")},
    "GET /taxii2/api/status/<status_id>/": _at("/taxii2/api/status/1/"),
    "GET /taxii2/api/collections/<collection_id>/": _taxii(""),
    "GET /taxii2/api/collections/<collection_id>/manifest/": _taxii("manifest/"),
    "GET /taxii2/api/collections/<collection_id>/objects/": _taxii("objects/"),
    "POST /taxii2/api/collections/<collection_id>/objects/": _taxii("objects/"),
    "GET /taxii2/api/collections/<collection_id>/objects/<object_id>/": _taxii("objects/{object}/"),
    "DELETE /taxii2/api/collections/<collection_id>/objects/<object_id>/": _taxii("objects/{object}/"),
    "GET /taxii2/api/collections/<collection_id>/objects/<object_id>/versions/": _taxii("objects/{object}/versions/"),
    "POST /v1/submissions": _submission,
    "POST /v1/statements": lambda scenario, cell: Request("/v1/statements", scenario.envelope),
    "POST /v1/holder-faults": _fault_report,
    "POST /v1/enrolments": lambda scenario, cell: Request(
        "/v1/enrolments", scenario.false_claim if cell.tenant is Tenant.OTHERS_CODE else scenario.claim
    ),
}


def _tile(size: int) -> str:
    return "000" if size >= 256 else f"000.p/{size}"
