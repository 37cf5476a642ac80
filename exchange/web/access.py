"""Who may call what: the one table of routes, and the roles that each wants. A route that is not in it serves
nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from schemas.terms import Role


class Caller(Enum):
    """Kinds of callers."""

    ANYONE = "anyone"
    MEMBER = "member"
    REGISTRAR = "registrar"
    FEED_READER = "feed_reader"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call a route; with `roles`, only representatives who have one of them."""

    callers: frozenset[Caller]
    roles: frozenset[Role] = frozenset()


_MEMBER = frozenset({Caller.MEMBER})
ANYONE = Rule(frozenset({Caller.ANYONE}))
ANY_REPRESENTATIVE = Rule(_MEMBER)
REGISTRAR = Rule(frozenset({Caller.REGISTRAR}))
REPRESENTATIVE_OR_REGISTRAR = Rule(frozenset({Caller.MEMBER, Caller.REGISTRAR}))
# Shows a feed token instead of a signature; a token speaks for the member, not for a person.
FEED_READERS = Rule(frozenset({Caller.FEED_READER}))
SUBMITTERS = Rule(_MEMBER, frozenset({Role.SUBMITTER}))
HIT_READERS = Rule(_MEMBER, frozenset({Role.SUBMITTER, Role.INVESTIGATOR, Role.AUTHORISER, Role.REVIEWER}))
# A query's own rules look at the person: who asked, who is to authorise it (exchange/queries/decide.py).
INVESTIGATORS = Rule(_MEMBER, frozenset({Role.INVESTIGATOR}))
QUERY_AUTHORISERS = Rule(_MEMBER, frozenset({Role.AUTHORISER}))
QUERY_READERS = Rule(_MEMBER, frozenset({Role.INVESTIGATOR, Role.AUTHORISER, Role.REVIEWER}))
WATCHERS = Rule(_MEMBER, frozenset({Role.INVESTIGATOR, Role.AUTHORISER}))
# To take back a mistake is urgent: either of those who could have made it.
TAKERS_BACK = Rule(_MEMBER, frozenset({Role.SUBMITTER, Role.AUTHORISER}))
HIT_USERS = Rule(_MEMBER, frozenset({Role.SUBMITTER, Role.INVESTIGATOR, Role.AUTHORISER}))
# Who asks does not authorise, and who answers is another's authoriser (exchange/requests/rules.py).
ASKERS = Rule(_MEMBER, frozenset({Role.INVESTIGATOR}))
ANSWERERS = Rule(_MEMBER, frozenset({Role.AUTHORISER}))
CANCELLERS = Rule(_MEMBER, frozenset({Role.INVESTIGATOR, Role.AUTHORISER}))
# Who drafts does neither review nor release: the rules of alerts look at the person (alerts/domain/rules.py).
AUTHORS = Rule(_MEMBER, frozenset({Role.AUTHOR}))
PEERS = Rule(_MEMBER, frozenset({Role.AUTHOR, Role.REVIEWER, Role.RELEASER, Role.AUTHORISER}))
RELEASERS = Rule(_MEMBER, frozenset({Role.RELEASER}))
WITHDRAWERS = Rule(_MEMBER, frozenset({Role.AUTHOR, Role.RELEASER}))
RESPONDERS = Rule(_MEMBER, frozenset({Role.SUBMITTER, Role.INVESTIGATOR, Role.AUTHORISER, Role.AUTHOR, Role.RELEASER}))
SUBSCRIBERS = Rule(_MEMBER, frozenset({Role.SUBMITTER, Role.INVESTIGATOR, Role.AUTHORISER, Role.AUTHOR}))

# Of those that anyone may call, the ones counted for each source over all workers, in the database.
COUNTED = frozenset({"POST /v1/enrolments"})

RULES: dict[str, Rule] = {
    "GET /healthz": ANYONE,
    "GET /readyz": ANYONE,
    "GET /metrics": ANYONE,
    "GET /openapi.json": ANYONE,
    # The code itself is the authority; it is used once.
    "POST /v1/enrolments": ANYONE,
    "GET /v1/proposals": REGISTRAR,
    "POST /v1/statements": REGISTRAR,
    "GET /v1/statements": REPRESENTATIVE_OR_REGISTRAR,
    "POST /v1/holder-faults": ANY_REPRESENTATIVE,
    "GET /v1/holder-faults": REPRESENTATIVE_OR_REGISTRAR,
    "GET /v1/status": ANY_REPRESENTATIVE,
    "GET /v1/notices": ANY_REPRESENTATIVE,
    "POST /v1/submissions": SUBMITTERS,
    "GET /v1/hits": HIT_READERS,
    "GET /v1/gateways": ANY_REPRESENTATIVE,
    "POST /v1/requests": ASKERS,
    "GET /v1/requests": HIT_READERS,
    "GET /v1/requests/<request_id>": HIT_READERS,
    "POST /v1/requests/<request_id>/take-up": ANSWERERS,
    "POST /v1/requests/<request_id>/answer": ANSWERERS,
    "POST /v1/requests/<request_id>/cancel": CANCELLERS,
    "POST /v1/queries": INVESTIGATORS,
    "GET /v1/queries": QUERY_READERS,
    "GET /v1/queries/<query_id>": QUERY_READERS,
    "POST /v1/queries/<query_id>/approve": QUERY_AUTHORISERS,
    "POST /v1/queries/<query_id>/refuse": QUERY_AUTHORISERS,
    "POST /v1/queries/<query_id>/extend": QUERY_AUTHORISERS,
    "POST /v1/queries/<query_id>/end-watch": WATCHERS,
    "POST /v1/withdrawals": TAKERS_BACK,
    "GET /v1/corrections": HIT_READERS,
    "GET /v1/corrections/<correction_id>": HIT_READERS,
    "POST /v1/corrections/<correction_id>/acknowledgement": HIT_USERS,
    "POST /v1/outcomes": HIT_USERS,
    "GET /v1/outcomes": HIT_READERS,
    "GET /v1/outcomes/received": HIT_READERS,
    "POST /v1/assessments": HIT_USERS,
    "POST /v1/alerts": AUTHORS,
    "GET /v1/alerts": ANY_REPRESENTATIVE,
    "GET /v1/alerts/<alert_id>": ANY_REPRESENTATIVE,
    "GET /v1/alerts/<alert_id>/page": ANY_REPRESENTATIVE,
    "GET /v1/alerts/<alert_id>/pdf": ANY_REPRESENTATIVE,
    "POST /v1/alerts/<alert_id>/review": PEERS,
    "POST /v1/alerts/<alert_id>/release": RELEASERS,
    "POST /v1/alerts/<alert_id>/withdraw": WITHDRAWERS,
    "POST /v1/alerts/<alert_id>/acknowledgement": RESPONDERS,
    "GET /v1/alerts/<alert_id>/responses": ANY_REPRESENTATIVE,
    # Feeds. What TAXII 2.1 has for writing is refused to those who may read.
    "GET /taxii2/": FEED_READERS,
    "GET /taxii2/api/": FEED_READERS,
    "GET /taxii2/api/status/<status_id>/": FEED_READERS,
    "GET /taxii2/api/collections/": FEED_READERS,
    "GET /taxii2/api/collections/<collection_id>/": FEED_READERS,
    "GET /taxii2/api/collections/<collection_id>/manifest/": FEED_READERS,
    "GET /taxii2/api/collections/<collection_id>/objects/": FEED_READERS,
    "POST /taxii2/api/collections/<collection_id>/objects/": FEED_READERS,
    "GET /taxii2/api/collections/<collection_id>/objects/<object_id>/": FEED_READERS,
    "DELETE /taxii2/api/collections/<collection_id>/objects/<object_id>/": FEED_READERS,
    "GET /taxii2/api/collections/<collection_id>/objects/<object_id>/versions/": FEED_READERS,
    "POST /v1/subscriptions": SUBSCRIBERS,
    "GET /v1/subscriptions": SUBSCRIBERS,
    "GET /v1/subscriptions/<subscription_id>/deliveries": SUBSCRIBERS,
    "POST /v1/subscriptions/<subscription_id>/confirm": SUBSCRIBERS,
    "POST /v1/subscriptions/<subscription_id>/end": SUBSCRIBERS,
    "POST /v1/subscriptions/<subscription_id>/test": SUBSCRIBERS,
    "POST /v1/subscriptions/<subscription_id>/secret": SUBSCRIBERS,
    "POST /v1/subscriptions/<subscription_id>/replay": SUBSCRIBERS,
    "POST /v1/feed-tokens": ANY_REPRESENTATIVE,
    "GET /v1/feed-tokens": ANY_REPRESENTATIVE,
    "POST /v1/feed-tokens/<token_id>/revoke": ANY_REPRESENTATIVE,
    "GET /feeds/<group_id>.atom": FEED_READERS,
    "GET /feeds/<group_id>.json": FEED_READERS,
    "GET /feeds/misp/<group_id>/manifest.json": FEED_READERS,
    "GET /feeds/misp/<group_id>/hashes.csv": FEED_READERS,
    "GET /feeds/misp/<group_id>/<event_id>.json": FEED_READERS,
    "GET /feeds/<group_id>/<event_id>.html": FEED_READERS,
    # Salted hashes only.
    "GET /log/checkpoint": ANYONE,
    "GET /log/tile/<path:path>": ANYONE,
    "GET /log/entries": ANY_REPRESENTATIVE,
}


LIMITED = frozenset(route for route, rule in RULES.items() if Caller.ANYONE in rule.callers)
"""The routes that anyone may call, limited in number for each source; what is signed is limited for each member."""

SIGNED = frozenset(route for route, rule in RULES.items() if not rule.callers & {Caller.ANYONE, Caller.FEED_READER})
"""The routes whose requests are signed."""

TOKEN_SHOWN = frozenset(route for route, rule in RULES.items() if Caller.FEED_READER in rule.callers)
"""The routes whose requests show a feed token."""
