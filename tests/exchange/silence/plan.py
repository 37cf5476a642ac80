"""What happens on a side, step by step, and whether all that there is to compare was there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random

from exchange.web.access import RULES, Caller
from schemas.values.identifiers import uuid7
from tests.exchange.queries.scenario import AGENCIES, BANKS
from tests.exchange.silence.agencies import COVERT_ACTS, Agencies
from tests.exchange.silence.banks import BANK_ACTS, Banks
from tests.exchange.silence.reading import read_everything
from tests.exchange.silence.side import Side

TOKENS = 8
WORKS_EVERY = 8
PASSING = {
    "20 minutes": timedelta(minutes=20),
    "two days": timedelta(days=2),
    "four days": timedelta(days=4),
    "three weeks": timedelta(days=21),
    "ten weeks": timedelta(days=70),
}
AT_LAST = timedelta(days=16)
"""After every plan: until requests have lapsed, corrections are overdue and rows are to be reviewed."""
STEPS = (*BANK_ACTS, *COVERT_ACTS, *PASSING)
"""Every act of banks and of agencies, and time that passes. Each can come at any place."""
NOT_COMPARED = {
    "GET /v1/alerts/<alert_id>/pdf": "a second a piece; it is typeset from the alert that is compared",
    "POST /v1/holder-faults": "evidence of a key holder's fault is judged by itself and by public statements alone",
}
"""Routes that a bank may call and that are not asked here, each with the reason."""
NEVER_GRANTED = {
    *(f"POST /v1/queries{step}" for step in ("", *(f"/<query_id>/{one}" for one in ("approve", "refuse", "extend")))),
    *("POST /v1/queries/<query_id>/end-watch", "GET /v1/queries/<query_id>", "POST /v1/enrolments"),
    *("POST /taxii2/api/collections/<collection_id>/objects/", "GET /taxii2/api/status/<status_id>/"),
    "DELETE /taxii2/api/collections/<collection_id>/objects/<object_id>/",
}
"""What is refused to every bank."""
NOTICES = {
    *("request_received", "request_answered", "request_lapsed", "request_cancelled", "request_reminder", "match"),
    *("correction", "correction_overdue", "outcome", "review_due", "alert_published", "alert_withdrawn"),
}
COVERT_EVENTS = {
    *("le_query_asked", "le_query_approved", "le_query_refused", "le_query_extended", "le_query_read"),
    *("le_watch_matched", "le_watch_ended", "le_deconfliction"),
}


def live(side: Side, steps: Sequence[str], seed: int, *, covert: bool) -> None:
    """Do the steps on a side, covert ones only if they are wanted, and let each bank read everything in the end. The
    seed says in which way each is done.
    """
    tokens = [Random(f"{seed} {number}").randbytes(32) for number in range(TOKENS)]
    agencies = Agencies(side, tokens)
    hidden = agencies.watch_everything() if covert else uuid7()
    banks = Banks(side, tokens, hidden)
    side.tick()
    for number, step in enumerate(steps):
        rng = Random(f"{seed} {step}")
        if step in BANK_ACTS:
            banks.act(step, rng)
        elif step in PASSING:
            side.clock.advance(seconds=PASSING[step].total_seconds())
        elif covert:
            agencies.act(step, rng)
        side.tick()
        if step in PASSING or number % WORKS_EVERY == 0:
            side.work()
    side.work()
    side.clock.advance(seconds=AT_LAST.total_seconds())
    side.work()
    if covert:
        agencies.acknowledge(Random(seed))
    side.tick()
    side.work()
    read_everything(side, BANKS)


def assert_that_all_was_there(quiet: Side, busy: Side) -> None:
    """What was compared is what there is: every route, granted where banks are granted anything, every kind of notice
    and of covert event.
    """
    callers = {Caller.ANYONE, Caller.MEMBER, Caller.FEED_READER}
    assert quiet.routes | NOT_COMPARED.keys() == {route for route, rule in RULES.items() if rule.callers & callers}
    assert not quiet.routes & NOT_COMPARED.keys()
    assert quiet.routes - quiet.granted == NEVER_GRANTED, (quiet.routes - quiet.granted) ^ NEVER_GRANTED
    assert quiet.noticed >= NOTICES, NOTICES - quiet.noticed
    assert {kind for agency in AGENCIES for kind in busy.scenario.kinds(agency)} >= COVERT_EVENTS
    assert not [kind for agency in AGENCIES for kind in quiet.scenario.kinds(agency)]
    for kind in ("correction", "outcome"):
        assert [view for agency in AGENCIES for view in busy.scenario.views(agency, kind)], kind
    acknowledged = busy.scenario.agencies["nca"].send("GET", "/v1/corrections?state=acknowledged")
    assert acknowledged.get_json()["corrections"]
