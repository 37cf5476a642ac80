"""Taking back: the rows are gone at once, everyone who was told is told, and nobody else learns anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from alerts.jobs import drain_outbox
from exchange.corrections.escalate import escalate_corrections
from exchange.corrections.notify import WATCHED_FOR, notify_corrections
from exchange.corrections.store import Disclosure, add_corrections
from exchange.indicators.derived import Derived, DerivedKind, note_derived
from exchange.indicators.expire import expire_indicators
from exchange.indicators.remind_reviews import remind_reviews
from exchange.indicators.withdrawals import find_withdrawal
from exchange.kernel.actor import Actor
from exchange.operations.purge import CORRECTIONS_KEPT, purge_records
from exchange.submissions.disclose_hits import disclose_to_reader
from keys.statements.types import GroupState, MemberState
from schemas.terms import MemberKind, Sector
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.corrections.taking_back import add_reviewer, make_outcome, make_withdrawal, submission_of
from tests.exchange.factories import make_token
from tests.taskforce.founding import Taskforce, make_taskforce
from tests.taskforce.members import MemberSimulator

NewTaskforce = Callable[..., Taskforce]


def withdraw(member: MemberSimulator, *args: Any, **changes: Any) -> dict[str, Any]:
    """What a withdrawal that is granted answers."""
    answer = member.send("POST", "/v1/withdrawals", make_withdrawal(*args, **changes))
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.get_json()
    return told


def tell(taskforce: Taskforce) -> int:
    """One round of the worker."""
    return notify_corrections(taskforce.database, taskforce.clock())


def corrections(member: MemberSimulator, query: str = "") -> list[dict[str, Any]]:
    """A member's corrections."""
    answer = member.send("GET", f"/v1/corrections{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.get_json()["corrections"]
    return found


def concerned(member: MemberSimulator, correction_id: str) -> list[dict[str, Any]]:
    """Everything that a correction concerns."""
    found: list[dict[str, Any]] = []
    cursor: int | None = 0
    while cursor is not None:
        page = member.send("GET", f"/v1/corrections/{correction_id}?cursor={cursor}").get_json()
        found += page["concerned"]
        cursor = page["next"]
    return found


def note(taskforce: Taskforce, token: bytes, recipient: str, source: str, kind: DerivedKind, **more: Any) -> str:
    """Let a member have been told something that derives from another's row; the id of the request or query."""
    object_id = more.pop("object_id", None) or uuid7()
    submission_id = more.pop("submission_id", None) or submission_of(taskforce, token, source)
    made = Derived(token, recipient, kind, object_id, source, submission_id, uuid7(), taskforce.clock(), **more)
    with taskforce.database.transaction() as session:
        note_derived(session, [made])
    return object_id


def test_readers_of_a_hit_get_a_correction_and_the_row_is_gone(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b", "c")
    a, b, c = taskforce.members.values()
    token, kept = make_token(), make_token()
    a.submit([token, kept])
    (hit, _) = sorted(b.submit([token, kept]).get_json()["hits"], key=lambda hit: str(hit["token"] != to_base64(token)))
    done = withdraw(a, [token])
    assert (done["withdrawn"], done["told"]) == (1, 1)
    assert [one["token"] for one in b.hits()] == [to_base64(kept)]
    assert tell(taskforce) == 1
    assert tell(taskforce) == 0
    (correction,) = corrections(b, "?state=open")
    assert (correction["reason"], correction["items"], correction["is_overdue"]) == ("false_positive", 1, False)
    item = {"token": to_base64(token), "kind": "hit", "object_id": hit["hit_id"]}
    assert concerned(b, correction["correction_id"]) == [item]
    (view,) = taskforce.views("b", "correction")
    assert view["told_by"] == [{"kind": "hit", "object_id": hit["hit_id"]}]
    assert '"a"' not in json.dumps(view)
    assert c.submit([token]).get_json()["hits"][0]["institutions"] == "1"
    drain_outbox(taskforce.database)
    kinds = [notice["kind"] for notice in b.send("GET", "/v1/notices").get_json()["notices"]]
    assert kinds.count("correction") == 1
    path = f"/v1/corrections/{correction['correction_id']}/acknowledgement"
    first = b.send("POST", path, {"items": 1}).get_json()
    taskforce.clock.advance(hours=1)  # type: ignore[attr-defined]
    assert b.send("POST", path, {"items": 1}).get_json() == first
    assert corrections(b, "?state=open") == []
    assert len(taskforce.views("b", "correction_acknowledged")) == 1
    assert corrections(a) == corrections(c) == []


def test_anothers_row_looks_like_a_missing_one_and_ids_are_used_once(
    new_taskforce: NewTaskforce,
) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    token = make_token()
    submission_id = a.submit([token]).get_json()["submission_id"]
    refused = b.send("POST", "/v1/withdrawals", make_withdrawal([token]))
    missing = b.send("POST", "/v1/withdrawals", make_withdrawal([make_token()]))
    assert refused.get_json()["reasons"] == missing.get_json()["reasons"]
    (reason,) = refused.get_json()["reasons"]
    assert (refused.status_code, reason["code"]) == (403, "no-live-row")
    assert reason["detail"] == "none of these is a row of yours that is active or has lately expired: member rows"
    hidden = b.send("POST", "/v1/withdrawals", make_withdrawal(submission_id=submission_id))
    unknown = b.send("POST", "/v1/withdrawals", make_withdrawal(submission_id=uuid7()))
    assert (hidden.status_code, hidden.get_json()) == (404, unknown.get_json())
    assert b.submit([token]).get_json()["hits"] != []
    withdraw(a, [token])
    tell(taskforce)
    (correction,) = corrections(b)
    for method, path in (("GET", ""), ("POST", "/acknowledgement")):
        value = {"items": 1} if method == "POST" else None
        stolen = a.send(method, f"/v1/corrections/{correction['correction_id']}{path}", value)
        nothing = a.send(method, f"/v1/corrections/{uuid7()}{path}", value)
        assert (stolen.status_code, stolen.get_json()) == (404, nothing.get_json())
    assert len(corrections(b, "?state=open")) == 1
    asked = [view["asked"] for view in taskforce.views("b", "refusal")]
    assert asked == ["withdraw"] * 4
    one, two = make_token(), make_token()
    a.submit([one, two])
    wanted = make_withdrawal([one])
    first = a.send("POST", "/v1/withdrawals", wanted, idempotency_key="withdrawal-one")
    again = a.send("POST", "/v1/withdrawals", wanted, idempotency_key="withdrawal-one")
    assert (first.status_code, again.get_json()) == (201, first.get_json())
    reused = a.send("POST", "/v1/withdrawals", {**wanted, "tokens": [to_base64(two)]})
    assert reused.get_json()["reasons"][0]["code"] == "id-used"
    assert withdraw(a, [one, two])["withdrawn"] == 1
    assert a.send("POST", "/v1/withdrawals", make_withdrawal([one])).get_json()["reasons"][0]["code"] == "no-live-row"
    for wrong in (
        make_withdrawal(),
        make_withdrawal([one], uuid7()),
        make_withdrawal([one, one]),
        make_withdrawal([one], reason="spite"),
        make_withdrawal([]),
    ):
        assert a.send("POST", "/v1/withdrawals", wrong).status_code == 422
    assert a.submit([one]).get_json()["left_out"] == [{"row": 0, "reason": "false_positive"}]


@pytest.mark.parametrize("database_kind", ["sqlite"])  # a rule of the domain, not of a database
def test_who_learned_from_others_alone_is_not_told(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b", "c", "d")
    taskforce.state_group(["a", "b"], "cell")
    a, b, c, d = (taskforce.members[name] for name in "abcd")
    token = make_token()
    for member in (c, d):
        member.submit([token])
    taskforce.clock.advance(minutes=1)  # type: ignore[attr-defined]
    taskforce.state_group(["a", "b", "c"])  # d has left before a came
    taskforce.clock.advance(minutes=1)  # type: ignore[attr-defined]
    b.submit([token], envelope={"group": "cell"})
    a.submit([token], envelope={"group": "cell"})
    taskforce.clock.advance(minutes=1)  # type: ignore[attr-defined]
    assert withdraw(a, [token])["told"] == 1
    tell(taskforce)
    assert [len(corrections(member)) for member in (b, c, d)] == [1, 0, 0]


@pytest.mark.parametrize("database_kind", ["sqlite"])  # a rule of the domain, not of a database
def test_who_has_left_since_it_was_told_is_told(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b", "c", "d")
    a, b, c, d = (taskforce.members[name] for name in "abcd")
    token = make_token()
    for member in (a, b, c):
        member.submit([token])
    taskforce.clock.advance(minutes=1)  # type: ignore[attr-defined]
    taskforce.state_group(["a", "b", "d"])
    assert c.hits() == []
    withdraw(b, [token])  # b's own hit ends, and yet it saw a's row
    tell(taskforce)
    taskforce.clock.advance(minutes=1)  # type: ignore[attr-defined]
    assert d.submit([token]).get_json()["hits"][0]["institutions"] == "1"
    withdraw(a, [token])
    tell(taskforce)
    assert [len(corrections(member)) for member in (b, c, d)] == [1, 2, 1]


def test_a_member_apart_while_the_row_was_live_gets_no_correction(
    new_taskforce: NewTaskforce,
) -> None:
    """Member b's hits are of c alone, in their cell, but for the one on the token that a submitted before b left."""
    taskforce = new_taskforce("a", "b", "c")
    taskforce.state_group(["b", "c"], "cell")
    a, b, c = taskforce.members.values()
    seen, left, closed, ended, suspended = tokens = [make_token() for _ in range(5)]
    b.submit(tokens)
    b.submit(tokens, envelope={"group": "cell"})
    c.submit(tokens, envelope={"group": "cell"})
    assert len(b.hits()) == 5
    a.submit([seen])

    def later() -> None:
        taskforce.clock.advance(minutes=1)  # type: ignore[attr-defined]

    later()
    taskforce.state_group(["a", "c"])  # b has left
    a.submit([left, closed, ended])
    withdraw(a, [left])
    later()
    taskforce.state_group(["a", "b", "c"], state=GroupState.CLOSED)
    withdraw(a, [closed])
    later()
    taskforce.state_group(["a", "b", "c"], sunset=taskforce.clock())
    withdraw(a, [ended])
    taskforce.state_member(b, MemberState.SUSPENDED)
    later()
    taskforce.state_group(["a", "b", "c"])
    a.submit([suspended])
    withdraw(a, [suspended])
    later()
    taskforce.state_member(b)
    assert {hit["institutions"] for hit in b.hits() if hit["token"] != to_base64(seen)} == {"1"}
    assert tell(taskforce) == 0
    taskforce.state_group(["a", "c"])
    withdraw(a, [seen])
    assert tell(taskforce) == 1
    (correction,) = corrections(b)
    assert [item["token"] for item in concerned(b, correction["correction_id"])] == [to_base64(seen)]
    mine = {hit["token"]: hit["hit_id"] for hit in b.hits()}
    for token, reached in ((left, 0), (seen, 1)):
        sent = make_outcome("hit", mine[to_base64(token)], arrests=1)
        assert b.send("POST", "/v1/outcomes", sent).status_code == 201
        assert len(a.send("GET", "/v1/outcomes/received").get_json()["outcomes"]) == reached


def test_a_withdrawing_bank_learns_nothing_of_agencies_under_cover(
    new_taskforce: NewTaskforce,
) -> None:
    """The agencies get their correction all the same."""
    taskforce = new_taskforce("a", "b")
    agency = taskforce.add_member("nca", kind=MemberKind.LAW_ENFORCEMENT, sector=Sector.LAW_ENFORCEMENT)
    reviewer = add_reviewer(taskforce)
    a, b = taskforce.members["a"], taskforce.members["b"]
    queried, plain = make_token(), make_token()
    for member in (a, b):
        member.submit([queried, plain])
    until = taskforce.clock() + timedelta(days=90)
    query_id = note(taskforce, queried, "nca", "a", DerivedKind.QUERY, covert_until=until)
    with_query, without = withdraw(a, [queried]), withdraw(a, [plain])
    assert {**with_query, "withdrawal_id": "", "event_id": ""} == {**without, "withdrawal_id": "", "event_id": ""}
    own = taskforce.views("a", "withdrawal")
    assert [len(json.dumps(view)) for view in own] == [len(json.dumps(own[0]))] * 2
    before = len(taskforce.views("a", "correction"))
    assert tell(taskforce) == 3
    assert len(taskforce.views("a", "correction")) == before == 0
    (correction,) = corrections(agency)
    told = [{"token": to_base64(queried), "kind": "query", "object_id": query_id}]
    assert concerned(agency, correction["correction_id"]) == told
    (seen,) = taskforce.views("reviewer", "correction")
    assert seen["agencies_corrections"][0]["recipient"] == "nca"
    assert reviewer.hits() == []
    for view in taskforce.views("b", "correction"):
        assert "nca" not in json.dumps(view)
        assert query_id not in json.dumps(view)


def test_ten_thousand_disclosures_are_told_of_in_one_round(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members["a"], taskforce.members["b"]
    token = make_token()
    for member in (a, b):
        member.submit([token])
    recipients = [f"agency-{number}" for number in range(20)]
    submission_id = submission_of(taskforce, token, "a")
    made = [
        Derived(token, recipient, DerivedKind.QUERY, uuid7(), "a", submission_id, uuid7(), taskforce.clock())
        for recipient in recipients
        for _ in range(500)
    ]
    with taskforce.database.transaction() as session:
        note_derived(session, made)
    agency = taskforce.add_member("agency-7", kind=MemberKind.LAW_ENFORCEMENT, sector=Sector.LAW_ENFORCEMENT)
    assert withdraw(a, [token])["told"] == 1
    assert tell(taskforce) == len(recipients) + 1
    (correction,) = corrections(agency)
    assert correction["items"] == 500
    found = {item["object_id"] for item in concerned(agency, correction["correction_id"])}
    assert found == {one.object_id for one in made if one.recipient_member_id == "agency-7"}
    assert all(len(taskforce.views(recipient, "correction")) == 1 for recipient in recipients)


def test_a_submission_is_gone_at_once_and_what_is_submitted_anew_stays(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members["a"], taskforce.members["b"]
    tokens = sorted(make_token() for _ in range(30))
    submission_id = a.submit(tokens).get_json()["submission_id"]
    b.submit(tokens)
    done = withdraw(a, None, submission_id)
    assert (done["withdrawn"], done["told"]) == (30, 1)
    assert b.hits() == []
    again = a.submit(tokens[:10], fields={"relist": "seen again"}).get_json()
    assert (again["accepted"], again["duplicates"], len(again["hits"])) == (10, [], 10)
    refused = a.send("POST", "/v1/withdrawals", make_withdrawal(submission_id=submission_id))
    assert refused.get_json()["reasons"][0]["code"] == "no-live-row"
    assert tell(taskforce) == 1
    (correction,) = corrections(b)
    assert {item["token"] for item in concerned(b, correction["correction_id"])} == {to_base64(one) for one in tokens}
    assert {hit["token"] for hit in b.hits()} == {to_base64(token) for token in tokens[:10]}
    assert len(a.hits()) == 10
    more = a.submission([make_token()]) | {"submission_id": submission_id, "part": 1}
    assert a.send("POST", "/v1/submissions", more).status_code == 409


def test_what_was_under_way_while_the_row_was_taken_back_is_told_too(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members["a"], taskforce.members["b"]
    token = make_token()
    for member in (a, b):
        member.submit([token])
    withdraw(a, [token])
    assert tell(taskforce) == 1
    (correction,) = corrections(b)
    path = f"/v1/corrections/{correction['correction_id']}/acknowledgement"
    first = b.send("POST", path, {"items": 1}, idempotency_key="taken-in-once")
    assert first.status_code == 200, first.text
    request_id = note(taskforce, token, "b", "a", DerivedKind.REQUEST)
    note(taskforce, make_token(), "b", "a", DerivedKind.REQUEST)
    assert tell(taskforce) == 1
    assert tell(taskforce) == 0
    (correction,) = corrections(b, "?state=open")
    assert request_id in {item["object_id"] for item in concerned(b, correction["correction_id"])}
    # The first acknowledgement, given again, is answered as it was, and stands for nothing that came since.
    again = b.send("POST", path, {"items": 1}, idempotency_key="taken-in-once")
    assert (again.status_code, again.get_json()) == (200, first.get_json())
    assert [one["correction_id"] for one in corrections(b, "?state=open")] == [correction["correction_id"]]
    assert b.send("POST", path, {"items": 2}).status_code == 200
    assert corrections(b, "?state=open") == []
    taskforce.clock.advance(seconds=WATCHED_FOR.total_seconds() + 1)  # type: ignore[attr-defined]
    assert tell(taskforce) == 0
    note(taskforce, token, "b", "a", DerivedKind.REQUEST)
    assert tell(taskforce) == 0


def test_an_acknowledgement_of_fewer_or_more_items_is_refused_and_logged(
    new_taskforce: NewTaskforce,
) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    tokens = [make_token(), make_token()]
    for member in (a, b):
        member.submit(tokens)
    withdraw(a, tokens)
    assert tell(taskforce) == 1
    (correction,) = corrections(b)
    read = len(concerned(b, correction["correction_id"]))
    note(taskforce, tokens[0], "b", "a", DerivedKind.REQUEST)
    assert tell(taskforce) == 1, "more of the same correction, under the same notice"
    path = f"/v1/corrections/{correction['correction_id']}/acknowledgement"
    for items, rule in ((read, "more-items"), (read + 2, "fewer-items")):
        refused = b.send("POST", path, {"items": items})
        (reason,) = refused.get_json()["reasons"]
        assert (refused.status_code, reason["code"], reason["field"]) == (403, rule, "items")
        assert "read it again" in reason["detail"]
    logged = taskforce.views("b", "refusal")
    assert [view["asked"] for view in logged] == ["correction_acknowledge"] * 2
    assert [one["acknowledged_at"] for one in corrections(b, "?state=open")] == [None]
    assert taskforce.views("b", "correction_acknowledged") == []
    read = len(concerned(b, correction["correction_id"]))
    assert b.send("POST", path, {"items": read}).status_code == 200
    assert corrections(b, "?state=open") == []
    assert [view["items"] for view in taskforce.views("b", "correction_acknowledged")] == [3]


def test_who_acknowledges_while_more_is_being_told_reads_that_first(postgresql_url: str, tmp_path: Path) -> None:
    taskforce = make_taskforce(postgresql_url, tmp_path, "a", "b")
    try:
        a, b = taskforce.members.values()
        token = make_token()
        for member in (a, b):
            member.submit([token])
        withdrawal_id = withdraw(a, [token])["withdrawal_id"]
        tell(taskforce)
        (correction,) = corrections(b)
        path, now = f"/v1/corrections/{correction['correction_id']}/acknowledgement", taskforce.clock()
        with ThreadPoolExecutor(1) as pool:
            with taskforce.database.transaction() as session:
                withdrawal = find_withdrawal(session, withdrawal_id)
                assert withdrawal is not None
                more = Disclosure("b", token, DerivedKind.REQUEST.value, uuid7())
                assert list(add_corrections(session, withdrawal, [more], now, now)) == ["b"]
                said = pool.submit(b.send, "POST", path, {"items": 1})
                wait([said], timeout=0.5)  # time for the acknowledgement to be wrong in
            assert said.result().status_code == 403
        assert [one["items"] for one in corrections(b, "?state=open")] == [2]
    finally:
        taskforce.close()


def test_what_has_expired_is_taken_back_too_as_long_as_it_is_kept(new_taskforce: NewTaskforce) -> None:
    """Those who were told while it lived are told, and not who held the same after its end."""
    taskforce = new_taskforce("a", "b", "c")
    a, b, c = taskforce.members.values()
    one, two, three = make_token(), make_token(), make_token()
    short = {"expires_on": "2026-12-20", "review_by": "2026-12-01"}
    submitted = a.submit([one, two], envelope=short).get_json()["submission_id"]
    a.submit([three], envelope=short)
    b.submit([one, two, three])
    query_id = note(taskforce, two, "nca", "a", DerivedKind.QUERY)
    taskforce.clock.advance(days=40)  # type: ignore[attr-defined]
    c.submit([one, two, three])
    assert withdraw(a, [three])["withdrawn"] == 1, "its last day has passed, it was not retired yet"
    assert expire_indicators(taskforce.database, taskforce.clock()) == 2
    assert withdraw(a, [one])["withdrawn"] == 1
    assert withdraw(a, None, submitted)["withdrawn"] == 1
    tell(taskforce)
    about = [concerned(b, correction["correction_id"]) for correction in corrections(b)]
    assert sorted(item["token"] for items in about for item in items) == sorted(map(to_base64, (one, two, three)))
    assert taskforce.views("nca", "correction")[0]["told_by"] == [{"kind": "query", "object_id": query_id}]
    assert corrections(c) == []
    again = a.send("POST", "/v1/withdrawals", make_withdrawal([one, two, three]))
    assert again.get_json()["reasons"][0]["code"] == "no-live-row"
    assert tell(taskforce) == 0


def test_workers_whose_slots_overlap_escalate_and_remind_once(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    token = make_token()
    a.submit([token])
    b.submit([token], envelope={"review_by": "2026-12-01"})
    withdraw(a, [token])
    tell(taskforce)
    taskforce.clock.advance(days=100)  # type: ignore[attr-defined]
    now, ready = taskforce.clock(), Barrier(2)
    for job in (escalate_corrections, remind_reviews):

        def run(job: Callable[..., int] = job) -> int:
            ready.wait()
            return job(taskforce.database, now)

        with ThreadPoolExecutor(2) as workers:
            done = [worker.result() for worker in (workers.submit(run), workers.submit(run))]
        assert sorted(done) == [0, 1]
    assert [len(taskforce.views("b", kind)) for kind in ("correction_overdue", "review_due")] == [1, 1]


def test_what_rests_on_another_row_of_the_member_is_not_corrected(
    new_taskforce: NewTaskforce,
) -> None:
    """A row in another group, and a right one submitted in place of a wrong one."""
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members["a"], taskforce.members["b"]
    token = make_token()
    a.submit([token])
    told = note(taskforce, token, "x", "a", DerivedKind.QUERY)
    note(taskforce, token, "b", "a", DerivedKind.RESPONSE, submission_id=uuid7())
    withdraw(a, [token])
    assert tell(taskforce) == 1
    a.submit([token])
    note(taskforce, token, "b", "a", DerivedKind.RESPONSE, submission_id=uuid7())
    note(taskforce, token, "x", "a", DerivedKind.QUERY, submission_id=uuid7())
    assert tell(taskforce) == 0
    assert corrections(b) == []
    (view,) = taskforce.views("x", "correction")
    assert view["told_by"] == [{"kind": "query", "object_id": told}]


@pytest.mark.parametrize("database_kind", ["sqlite"])  # a rule of the domain, not of a database
def test_the_withdrawing_member_counts_only_those_it_knows(new_taskforce: NewTaskforce) -> None:
    names = ("a", "b", "c", "d", "e")
    taskforce = new_taskforce(*names)
    token = make_token()
    for name in names:
        taskforce.members[name].submit([token])
    for holder in ("b", "c", "d"):
        asked = note(taskforce, token, holder, "a", DerivedKind.REQUEST)
        note(taskforce, token, "a", holder, DerivedKind.RESPONSE, object_id=asked)
    note(taskforce, token, "x", "a", DerivedKind.QUERY)
    assert withdraw(taskforce.members["a"], [token])["told"] == 3
    assert withdraw(taskforce.members["e"], [token])["told"] == 2


def test_overdue_corrections_reach_the_reviewer_once(
    new_taskforce: NewTaskforce,
) -> None:
    """Acknowledged ones are deleted after their time."""
    taskforce = new_taskforce("a", "b", "c")
    add_reviewer(taskforce)
    a, b, c = (taskforce.members[name] for name in "abc")
    token = make_token()
    for member in (a, b, c):
        member.submit([token])
    withdraw(a, [token])
    tell(taskforce)
    (done,) = corrections(c)
    c.send("POST", f"/v1/corrections/{done['correction_id']}/acknowledgement", {"items": 1})
    assert escalate_corrections(taskforce.database, taskforce.clock()) == 0
    taskforce.clock.advance(hours=73)  # type: ignore[attr-defined]
    assert escalate_corrections(taskforce.database, taskforce.clock()) == 1
    assert escalate_corrections(taskforce.database, taskforce.clock()) == 0
    assert corrections(b)[0]["is_overdue"]
    (seen,) = taskforce.views("reviewer", "correction_overdue")
    assert seen["recipient"] == "b"
    assert len(taskforce.views("b", "correction_overdue")) == 1
    assert not taskforce.views("a", "correction_overdue")
    assert not taskforce.views("c", "correction_overdue")
    taskforce.clock.advance(days=CORRECTIONS_KEPT.days + 1)  # type: ignore[attr-defined]
    purge_records(taskforce.database, taskforce.clock())
    assert corrections(c) == []
    assert len(concerned(b, corrections(b)[0]["correction_id"])) == 1
    assert len(taskforce.views("c", "correction")) == 1


def test_a_review_reminder_comes_once_and_not_for_withdrawn_rows(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a = taskforce.members["a"]
    kept = a.submit([make_token()], envelope={"review_by": "2026-11-30"}).get_json()["submission_id"]
    gone = a.submit([make_token()], envelope={"review_by": "2026-11-30"}).get_json()["submission_id"]
    withdraw(a, None, gone)
    assert remind_reviews(taskforce.database, taskforce.clock()) == 0
    taskforce.clock.advance(days=8)  # type: ignore[attr-defined]
    assert remind_reviews(taskforce.database, taskforce.clock()) == 1
    assert remind_reviews(taskforce.database, taskforce.clock()) == 0
    (view,) = taskforce.views("a", "review_due")
    assert view["submission_ids"] == [kept]


def share_unseen(taskforce: Taskforce, tokens: list[bytes]) -> None:
    """Let a and b each submit the tokens while the other is out of the group, and both be in it then."""
    for name in "ab":
        taskforce.state_group([name, "c"])
        assert taskforce.members[name].submit(tokens).get_json()["hits"] == []
    taskforce.clock.advance(minutes=1)  # type: ignore[attr-defined]
    taskforce.state_group(["a", "b", "c"])


def test_a_reader_of_a_later_row_alone_gets_no_correction(new_taskforce: NewTaskforce) -> None:
    """It could have been shown the withdrawn row, but read only what was submitted after it."""
    taskforce = new_taskforce("a", "b", "c")
    a, b, c = taskforce.members.values()
    came, read, unread = tokens = [make_token() for _ in range(3)]
    share_unseen(taskforce, tokens)
    withdraw(a, tokens)
    assert tell(taskforce) == 0
    c.submit([came])  # in the same moment as the telling
    taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
    taskforce.state_group(["a", "b"])
    c_left = tell(taskforce)
    taskforce.state_group(["a", "b", "c"])
    c.submit([read])
    a.submit([unread], fields={"relist": "seen again"})
    assert {hit["token"] for hit in b.hits()} == set(map(to_base64, tokens))
    assert (c_left, tell(taskforce)) == (0, 0)
    assert corrections(b) == []
    assert taskforce.views("b", "correction") == []


@pytest.mark.parametrize("reads_again", [False, True])
def test_a_reader_of_a_hit_during_its_withdrawal_gets_one_correction(
    postgresql_url: str, tmp_path: Path, reads_again: bool
) -> None:
    """SQLite has no two writers at a time; on PostgreSQL reading waits for nobody."""
    taskforce = make_taskforce(postgresql_url, tmp_path, "a", "b", "c")
    try:
        a, b, _ = taskforce.members.values()
        token, other = make_token(), make_token()
        share_unseen(taskforce, [token, other])
        reader = Actor("b/analyst", "b", frozenset())
        with taskforce.database.transaction() as session:
            hits, _event_id = disclose_to_reader(session, reader, [token], taskforce.clock(), {})
            session.flush()
            assert [hit.institutions for hit in hits] == ["1"]
            withdraw(a, [token, other])
            taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
            assert tell(taskforce) == 0, "nothing that was shown is committed yet"
        taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
        if reads_again:
            assert b.hits() == []
        assert tell(taskforce) == 1
        (correction,) = corrections(b)
        item = {"token": to_base64(token), "kind": "hit", "object_id": hits[0].hit_id}
        assert concerned(b, correction["correction_id"]) == [item]
        assert b.hits() == []
        b.send("POST", f"/v1/corrections/{correction['correction_id']}/acknowledgement", {"items": 1})
        for _ in range(3):
            taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
            assert tell(taskforce) == 0
        assert corrections(b, "?state=open") == []
        assert len(taskforce.views("b", "correction")) == 1
    finally:
        taskforce.close()


def test_who_submits_while_a_row_is_taken_back_is_told_or_sees_nothing(postgresql_url: str, tmp_path: Path) -> None:
    taskforce = make_taskforce(postgresql_url, tmp_path, "a", "b")
    try:
        a, b = taskforce.members.values()
        for _ in range(4):
            token, together = make_token(), Barrier(2)
            a.submit([token])

            def submit(token: bytes = token, together: Barrier = together) -> int:
                together.wait()
                answer = b.submit([token])
                assert answer.status_code == 201, answer.text
                return len(answer.get_json()["hits"])

            def take_back(token: bytes = token, together: Barrier = together) -> int:
                together.wait()
                return int(withdraw(a, [token])["withdrawn"])

            before = len(corrections(b))
            with ThreadPoolExecutor(2) as pool:
                seen, withdrawn = pool.submit(submit), pool.submit(take_back)
            assert withdrawn.result() == 1
            tell(taskforce)
            assert len(corrections(b)) - before == seen.result()
        assert b.hits() == []
    finally:
        taskforce.close()
