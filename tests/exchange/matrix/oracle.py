"""What each cell is to be answered with, by the declared rules alone: the tables of routes and what DESIGN and the wire
format say of suspension, groups and epochs. No code of the services decides here.
"""

from __future__ import annotations

from exchange.web.access import RULES as EXCHANGE_RULES
from exchange.web.access import Caller as Called
from exchange.web.access import Rule
from keys.holder.access import RULES as HOLDER_RULES
from schemas.terms import MemberKind
from tests.exchange.matrix.cells import (
    ROLE_SETS,
    STRANGERS,
    TOKENS,
    Caller,
    Cell,
    Dimensions,
    Outcome,
    State,
    Tenant,
    is_overseer,
)

UNAUTHENTICATED = Outcome(401, "unauthenticated")
FORBIDDEN = Outcome(403, "forbidden")
REFUSED = Outcome(403, "refused")
NOT_FOUND = Outcome(404, "not-found")
NO_METHOD = Outcome(405, "method-not-allowed")
DONE = Outcome(200)

_SUBMIT, _ENROL, _EVALUATE = "POST /v1/submissions", "POST /v1/enrolments", "POST /v1/evaluations"
_PAGED = (
    *("GET /v1/hits", "GET /v1/notices", "GET /log/entries"),
    *("GET /v1/alerts", "GET /v1/subscriptions", "GET /v1/requests"),
    *("GET /v1/corrections", "GET /v1/outcomes", "GET /v1/outcomes/received", "GET /v1/queries"),
)
_DRAFT, _ALERT = "POST /v1/alerts", "GET /v1/alerts/<alert_id>"
_RELEASE, _ACKNOWLEDGE = "POST /v1/alerts/<alert_id>/release", "POST /v1/alerts/<alert_id>/acknowledgement"
_COPIES = ("GET /v1/alerts/<alert_id>/page", "GET /v1/alerts/<alert_id>/pdf")
_RESPONSES = "GET /v1/alerts/<alert_id>/responses"
_STEPS = tuple(route for route in EXCHANGE_RULES if route.startswith("POST /v1/alerts/<alert_id>/"))
_SUBSCRIBE = "POST /v1/subscriptions"
_MAKE_TOKEN, _REVOKE_TOKEN = "POST /v1/feed-tokens", "POST /v1/feed-tokens/<token_id>/revoke"
_LISTS = tuple(route for route in EXCHANGE_RULES if route.startswith("GET /feeds/") and "event_id" not in route)
_EVENTS = tuple(route for route in EXCHANGE_RULES if "/<event_id>" in route)
_TAXII = tuple(route for route in EXCHANGE_RULES if "/taxii2/" in route and "<collection_id>" in route)
_NO_STATUS = "GET /taxii2/api/status/<status_id>/"  # nothing is ever added, so no request to add has one
_OF_SUBSCRIPTION = tuple(route for route in EXCHANGE_RULES if "/subscriptions/<subscription_id>/" in route)
_ASK = "POST /v1/requests"
_OF_REQUEST = tuple(route for route in EXCHANGE_RULES if "/requests/<request_id>" in route)
# What reveals or tells: it takes an open group that both sides are in.
_SHARING = (
    *(_DRAFT, _RELEASE, _SUBSCRIBE, _ASK),
    *(f"POST /v1/requests/<request_id>/{step}" for step in ("take-up", "answer")),
)
_WITHDRAW = "POST /v1/withdrawals"  # what is wrong can be taken back whatever became of the group
_OF_CORRECTION = tuple(route for route in EXCHANGE_RULES if "/corrections/<correction_id>" in route)
_OF_HIT = ("POST /v1/outcomes", "POST /v1/assessments")
_REPORT_FAULT = "POST /v1/holder-faults"
_QUERY, _READ_QUERY = "POST /v1/queries", "GET /v1/queries/<query_id>"
_OF_QUERY = tuple(route for route in EXCHANGE_RULES if "/queries/<query_id>" in route)
# What asks or tells: for law enforcement that is in an open group. To refuse, or to end a watch, tells nothing.
_POLICE = (_QUERY, *(route for route in _OF_QUERY if not route.endswith(("/refuse", "/end-watch"))))
_NO_GROUP = frozenset({State.NOT_IN_GROUP, State.GROUP_CLOSED, State.GROUP_PAST_SUNSET})
# What is not the caller's to see looks like what does not exist.
_HIDDEN = frozenset(
    {
        *(Tenant.OTHERS_ALERT, Tenant.OTHERS_COLLECTION, Tenant.OTHERS_TOKEN, Tenant.OTHERS_SUBSCRIPTION),
        *(Tenant.OTHERS_HIT, Tenant.OTHERS_REQUEST),
        *(Tenant.OTHERS_SUBMISSION, Tenant.OTHERS_CORRECTION, Tenant.OTHERS_QUERY),
    }
)
_BARRED = frozenset({State.STOPPED, State.SUSPENDED, State.KEY_REVOKED, State.KEY_WITHDRAWN})
_HOLDER_BARS = {State.SUSPENDED: "member-suspended", State.KEY_REVOKED: "key-revoked"}
_UNKNOWN = frozenset({Caller.INVENTED_KEY, Caller.FALSE_REGISTRAR, Caller.REGISTRAR})  # holders know members only
_MAKING = frozenset({_DRAFT, _SUBSCRIBE, _MAKE_TOKEN, _ASK, _WITHDRAW, *_OF_HIT})

EXCHANGE = Dimensions(
    routes=sorted(EXCHANGE_RULES),
    states=[state for state in State if state is not State.NOT_ALLOWED],
    tenants={
        _SUBMIT: (Tenant.OWN, Tenant.OTHERS_SUBMISSION, Tenant.OTHERS_GROUP, Tenant.OTHERS_KEY, Tenant.USED_KEY),
        _ENROL: (Tenant.OWN, Tenant.OTHERS_CODE),
        **dict.fromkeys(_PAGED, (Tenant.OWN, Tenant.OTHERS_CURSOR)),
        _DRAFT: (Tenant.OWN, Tenant.OTHERS_GROUP),
        **dict.fromkeys(_STEPS, (Tenant.OWN, Tenant.OTHERS_ALERT)),
        _ACKNOWLEDGE: (Tenant.ADDRESSED_ALERT, Tenant.OTHERS_ALERT),
        _ALERT: (Tenant.OWN, Tenant.ADDRESSED_ALERT, Tenant.OTHERS_ALERT),
        **dict.fromkeys(_COPIES, (Tenant.OWN, Tenant.OTHERS_ALERT)),
        _RESPONSES: (Tenant.OWN, Tenant.ADDRESSED_ALERT),
        _REVOKE_TOKEN: (Tenant.OWN, Tenant.OTHERS_TOKEN),
        **dict.fromkeys(_LISTS, (Tenant.OWN, Tenant.OTHERS_COLLECTION)),
        **dict.fromkeys(_TAXII, (Tenant.OWN, Tenant.OTHERS_COLLECTION)),
        **dict.fromkeys(_EVENTS, (Tenant.ADDRESSED_ALERT, Tenant.OTHERS_ALERT, Tenant.OTHERS_COLLECTION)),
        _SUBSCRIBE: (Tenant.OWN, Tenant.OTHERS_GROUP),
        _ASK: (Tenant.OWN, Tenant.OTHERS_HIT),
        _REPORT_FAULT: (Tenant.OWN, Tenant.OTHERS_EVALUATION),
        **dict.fromkeys(_OF_QUERY, (Tenant.OWN, Tenant.OTHERS_QUERY)),
        **dict.fromkeys(_OF_REQUEST, (Tenant.OWN, Tenant.OTHERS_REQUEST)),
        _WITHDRAW: (Tenant.OWN, Tenant.OTHERS_ROW, Tenant.OTHERS_SUBMISSION),
        **dict.fromkeys(_OF_CORRECTION, (Tenant.OWN, Tenant.OTHERS_CORRECTION)),
        **dict.fromkeys(_OF_HIT, (Tenant.OWN, Tenant.OTHERS_HIT)),
        **dict.fromkeys(_OF_SUBSCRIPTION, (Tenant.OWN, Tenant.OTHERS_SUBSCRIPTION)),
    },
    callers=(*STRANGERS, Caller.REGISTRAR, *TOKENS),
)
HOLDER = Dimensions(
    routes=sorted(HOLDER_RULES),
    # What the operator stops, or revokes alone, a holder learns by the registrars' statement.
    states=[State.ACTIVE, State.SUSPENDED, State.KEY_REVOKED, State.NOT_ALLOWED, State.EPOCH_RETIRED],
    tenants={_EVALUATE: (Tenant.OWN, Tenant.OTHERS_KEY, Tenant.USED_KEY)},
)


def judge_exchange(cell: Cell) -> Outcome:
    """The exchange's answer."""
    rule = EXCHANGE_RULES.get(cell.route)
    if rule is None:
        return NO_METHOD
    if Called.ANYONE in rule.callers:
        return _public(cell)
    return _fed(cell) if Called.FEED_READER in rule.callers else _signed(cell, rule)


def _signed(cell: Cell, rule: Rule) -> Outcome:
    called = Called.REGISTRAR if cell.caller is Caller.REGISTRAR else Called.MEMBER
    if cell.caller in (*STRANGERS, *TOKENS) or called not in rule.callers:
        return UNAUTHENTICATED
    if called is Called.REGISTRAR:
        return DONE
    if cell.state in _BARRED or (rule.roles and not rule.roles & ROLE_SETS[cell.roles]):
        return FORBIDDEN
    if cell.route == _QUERY or cell.route in _OF_QUERY:
        return _queried(cell)
    return _submitted(cell) if cell.route == _SUBMIT else _alerted(cell)


def _fed(cell: Cell) -> Outcome:
    """A feed token alone opens a feed, whatever else the request shows."""
    if cell.caller is Caller.SUSPENDED_TOKEN:
        return FORBIDDEN
    if cell.caller is not Caller.FEED_TOKEN:
        return UNAUTHENTICATED
    if cell.tenant in _HIDDEN or cell.route == _NO_STATUS:
        return NOT_FOUND
    return DONE if cell.route.startswith("GET ") else FORBIDDEN


def _alerted(cell: Cell) -> Outcome:
    """Of alerts, and of all else that any representative with the role may do."""
    is_outside = cell.tenant is Tenant.ADDRESSED_ALERT and (cell.route == _RESPONSES or cell.state in _NO_GROUP)
    if cell.tenant in _HIDDEN or is_outside:
        return NOT_FOUND
    if cell.route in _SHARING and (cell.state in _NO_GROUP or cell.tenant is Tenant.OTHERS_GROUP):
        return REFUSED
    if cell.tenant is Tenant.OTHERS_ROW:
        return REFUSED
    if cell.tenant is Tenant.OTHERS_EVALUATION:
        return Outcome(403, "not-the-asker")
    return Outcome(201) if cell.route in _MAKING else DONE


def _queried(cell: Cell) -> Outcome:
    """Of law-enforcement queries, the one rule that looks at the kind of member; an independent reviewer reads the
    terms of anyone's.
    """
    if cell.tenant is Tenant.OTHERS_QUERY and is_overseer(cell) and cell.route == _READ_QUERY:
        return DONE
    if cell.tenant in _HIDDEN:
        return NOT_FOUND
    is_outside = cell.kind is not MemberKind.LAW_ENFORCEMENT or cell.state is State.NOT_IN_GROUP
    if cell.route in _POLICE and is_outside:
        return REFUSED
    return Outcome(201) if cell.route == _QUERY else DONE


def _public(cell: Cell) -> Outcome:
    if cell.route != _ENROL:
        return DONE
    return Outcome(403, "enrolment-refused") if cell.tenant is Tenant.OTHERS_CODE else Outcome(202)


def _submitted(cell: Cell) -> Outcome:
    if cell.tenant is Tenant.USED_KEY and cell.state is not State.NOT_IN_GROUP:  # who is in no group has used no key
        return Outcome(422, "idempotency-key-reused")
    if cell.state is not State.ACTIVE or cell.tenant is Tenant.OTHERS_GROUP:
        return REFUSED  # whichever of group, its state and epoch it is, the decision names it
    return Outcome(409, "submission-conflict") if cell.tenant is Tenant.OTHERS_SUBMISSION else Outcome(201)


def judge_holder(cell: Cell) -> Outcome:
    """The key holder's answer."""
    rule = HOLDER_RULES.get(cell.route)
    if rule is None:
        return NO_METHOD
    if rule.is_public:
        return DONE
    if cell.caller is not Caller.REPRESENTATIVE:
        return Outcome(403, "unknown-key") if cell.caller in _UNKNOWN else Outcome(401, "request-signature")
    if cell.state in _HOLDER_BARS:
        return Outcome(403, _HOLDER_BARS[cell.state])
    if not rule.roles & ROLE_SETS[cell.roles]:
        return Outcome(403, "role-missing")
    return _evaluated(cell) if cell.route == _EVALUATE else _allowed(cell)


def _evaluated(cell: Cell) -> Outcome:
    if cell.state is State.EPOCH_RETIRED:
        return Outcome(409, "unknown-epoch")
    if cell.state is State.ACTIVE and cell.tenant is Tenant.USED_KEY:
        return Outcome(422, "idempotency-conflict")
    return _allowed(cell)


def _allowed(cell: Cell) -> Outcome:
    # What the registrars stated every member reads, whether or not the holder evaluates for it.
    is_barred = cell.state is State.NOT_ALLOWED and cell.route != "GET /v1/statements"
    return Outcome(403, "member-not-allowed") if is_barred else DONE
