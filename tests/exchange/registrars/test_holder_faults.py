"""A proved fault of a key holder is verified at the exchange, recorded, and shown to members and registrars."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import func, select

from exchange.kernel.base import Base
from exchange.kernel.request_counts import RequestCount
from exchange.log.tables import LogEntry
from exchange.registrars.holder_faults import HolderFaultReport
from exchange.registrars.report_holder_fault import REPORTS_PER_MINUTE
from keys.faults.report import MAX_REPORT_BYTES, parse_report, report_id_of, verify_report
from keys.oprf import protocol as oprf
from keys.signatures.messages import SigningKey
from keys.statements.envelopes import Envelope, merge, sign_statement
from keys.statements.roots import Roots
from keys.statements.types import EpochState, EpochStatement, parse_statement, to_payload
from schemas.holder_faults import WRONG_PROOF, Evidence, FaultReport
from schemas.terms import MemberKind, Sector
from schemas.values.encoding import from_base64
from tests.exchange.registrars.faulty_holders import EPOCH, FaultyHolders
from tests.exchange.registrars.test_root_change import change
from tests.taskforce.founding import Taskforce
from tests.taskforce.members import MemberSimulator

ROUTE = "/v1/holder-faults"
NewTaskforce = Callable[..., Taskforce]


def found(new_taskforce: NewTaskforce, holders: int = 3) -> tuple[Taskforce, FaultyHolders]:
    taskforce = new_taskforce("a", "b")
    taskforce.clock.advance(minutes=1)  # type: ignore[attr-defined]
    return taskforce, FaultyHolders(taskforce, holders)


def reports(taskforce: Taskforce) -> int:
    with taskforce.database.reading() as session:
        return session.scalar(select(func.count()).select_from(HolderFaultReport)) or 0


def refused(taskforce: Taskforce, value: Any, why: str) -> None:
    """The report is refused by its own problem, nothing is stored, and nobody's log has an entry of it."""
    answer = taskforce.members["a"].send("POST", ROUTE, value)
    problem = answer.get_json()
    assert (answer.status_code, problem["type"]) == (422, "urn:exchange:problem:holder-fault-not-shown")
    assert why in problem["detail"]
    assert reports(taskforce) == 0
    with taskforce.database.reading() as session:
        assert session.scalars(select(LogEntry).where(LogEntry.kind == "holder_fault")).all() == []


def test_a_proved_fault_is_shown_to_members_and_registrars(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce)
    a, b = taskforce.members["a"], taskforce.members["b"]
    report = holders.report(a)
    answer = a.send("POST", ROUTE, msgspec.to_builtins(report))
    assert answer.status_code == 200
    assert answer.get_json() == {
        "report_id": report_id_of(report),
        "epoch": EPOCH,
        "holder_id": "holder-1",
        "state": "recorded",
    }
    for page in (b.send("GET", ROUTE), taskforce.send_as_registrar("necc", "GET", ROUTE)):
        (shown,) = page.get_json()["reports"]
        read = parse_report(shown["report"])
        assert report_id_of(read) == shown["report_id"] == report_id_of(report)
        assert "differ from what it proved" in verify_report(read, Roots(taskforce.root)).reason
    assert b.send("GET", f"{ROUTE}?cursor=1").get_json() == {"reports": [], "next": None}


def test_every_member_has_an_entry_that_names_no_reporter(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce)
    report = holders.report(taskforce.members["a"])
    assert taskforce.members["a"].send("POST", ROUTE, msgspec.to_builtins(report)).status_code == 200
    with taskforce.database.reading() as session:
        entries = session.scalars(select(LogEntry).where(LogEntry.kind == "holder_fault")).all()
        views = {entry.member_id: json.loads(entry.view or b"") for entry in entries}
    assert views.keys() == {"a", "b"}
    for view in views.values():
        told = {name: view[name] for name in ("epoch", "holder_id", "fault", "report_id")}
        assert told == {
            "epoch": EPOCH,
            "holder_id": "holder-1",
            "fault": "wrong_answer",
            "report_id": report_id_of(report),
        }
    assert views["b"].keys() == views["a"].keys()


def test_the_registrars_have_a_draft_without_the_holder(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce, holders=4)
    a = taskforce.members["a"]
    met = {index: msgspec.to_builtins(holders.report(a, index)) for index in (1, 2)}
    for index, left in ((1, {2, 3, 4}), (2, {3, 4})):
        # The second fault still counts after the epoch was stated anew without the first holder.
        assert a.send("POST", ROUTE, met[index]).status_code == 200
        (proposal,) = taskforce.proposals()
        payload = from_base64(proposal["payload"])
        statement = parse_statement(payload)
        assert {holder.index for holder in statement.holders} == left  # type: ignore[union-attr]
        if index == 1:
            taskforce.sign(proposal["proposal_id"])


def test_no_draft_leaves_fewer_holders_than_must_answer(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce, holders=2)
    a = taskforce.members["a"]
    assert a.send("POST", ROUTE, msgspec.to_builtins(holders.report(a))).status_code == 200
    assert taskforce.proposals() == []


def test_a_repetition_and_other_evidence_of_the_same_holder_add_nothing(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce)
    a, b = taskforce.members["a"], taskforce.members["b"]
    first = holders.report(a)
    assert a.send("POST", ROUTE, msgspec.to_builtins(first)).get_json()["state"] == "recorded"
    for sender, report in ((a, first), (b, first), (b, holders.report(b)), (a, holders.report(a, rows=9))):
        for _ in range(REPORTS_PER_MINUTE):
            answer = sender.send("POST", ROUTE, msgspec.to_builtins(report))
            assert (answer.status_code, answer.get_json()["state"]) == (200, "known")
            assert answer.get_json()["report_id"] == report_id_of(first)
    assert reports(taskforce) == 1
    with taskforce.database.reading() as session:
        assert len(session.scalars(select(LogEntry).where(LogEntry.kind == "holder_fault")).all()) == 2


def test_what_an_honest_holder_signed_is_refused(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce)
    refused(taskforce, msgspec.to_builtins(holders.report(taskforce.members["a"], lie=False)), "the answers agree")


def test_forged_reports_are_refused(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce)
    a = taskforce.members["a"]
    right = holders.report(a)
    refused(
        taskforce, msgspec.to_builtins(holders.report(a, key=SigningKey.generate())), "the answer is not the holder's"
    )
    wire = msgspec.to_builtins(right)
    unsigned = {**wire["epoch_statement"], "signatures": []}
    refused(taskforce, {**wire, "epoch_statement": unsigned}, "is not the registrars'")
    refused(taskforce, {**wire, "member_statement": holders.statement("member", "b")}, "representative's")
    refused(taskforce, {**wire, "member_statement": wire["epoch_statement"]}, "and of a member")
    refused(taskforce, {**wire, "epoch_statement": wire["member_statement"]}, "does not name the holder")


def test_malformed_and_oversized_reports_are_refused(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce)
    a = taskforce.members["a"]
    wire = msgspec.to_builtins(holders.report(a))
    values: tuple[Any, ...] = (
        {},
        [],
        1,
        {**wire, "more": 1},
        {**wire, "evidence": None},
        {**wire, "epoch_statement": {}},
    )
    for value in values:
        answer = a.send("POST", ROUTE, value)
        assert answer.status_code == 422, answer.text
    evidence = {**wire["evidence"], "answer": {**wire["evidence"]["answer"], "body": "A" * MAX_REPORT_BYTES}}
    answer = a.send("POST", ROUTE, {**wire, "evidence": evidence})
    assert (answer.status_code, reports(taskforce)) == (413, 0)


def test_a_replaced_key_frames_nobody(new_taskforce: NewTaskforce) -> None:
    """Whoever stole a key that was replaced since can date an answer back."""
    taskforce, holders = found(new_taskforce)
    a = taskforce.members["a"]
    report = holders.report(a)
    taskforce.clock.advance(minutes=1)  # type: ignore[attr-defined]
    holders.keys[1] = SigningKey.generate()
    holders.state()
    refused(taskforce, msgspec.to_builtins(report), "no epoch in force names a holder")
    # It stays true all the same, and a fault under the new key counts.
    assert "differ" in verify_report(report, Roots(taskforce.root)).reason
    assert a.send("POST", ROUTE, msgspec.to_builtins(holders.report(a))).status_code == 200


def test_evidence_outlives_a_statement_that_keeps_the_holders_keys(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce)
    a = taskforce.members["a"]
    report = holders.report(a)
    taskforce.clock.advance(minutes=1)  # type: ignore[attr-defined]
    holders.state()
    a.keys["analyst"] = SigningKey.generate()
    taskforce.state_member(a)
    assert a.send("POST", ROUTE, msgspec.to_builtins(report)).get_json()["state"] == "recorded"


def test_another_and_a_retired_epoch_have_no_force(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce)
    report = holders.report(taskforce.members["a"])
    other = msgspec.structs.replace(report, evidence=msgspec.structs.replace(report.evidence, epoch=1))
    refused(taskforce, msgspec.to_builtins(other), "is of another one")
    holders.state(state=EpochState.RETIRED)
    refused(taskforce, msgspec.to_builtins(report), "no epoch in force names a holder")


def framing(holders: FaultyHolders, asker: MemberSimulator, statement: EpochStatement) -> FaultReport:
    """What holder-1 answered honestly, with proof, beside a statement of both first registrars."""
    elements = oprf.blind_batch([b"row"]).elements
    evidence = Evidence(
        WRONG_PROOF, "holder-1", holders.epoch, holders.exchange(asker, 1, elements, proof=True, lie=False), None, None
    )
    payload, keys = to_payload(statement), holders.taskforce.registrars
    one, other = (sign_statement(payload, name, key) for name, key in keys.items())
    return FaultReport(evidence, merge(one, other), holders.statement("member", asker.member_id))


def in_force(holders: FaultyHolders) -> EpochStatement:
    """The statement of their epoch."""
    statement = parse_statement(Envelope.parse(holders.statement("epoch", str(holders.epoch))).payload)
    assert isinstance(statement, EpochStatement)
    return statement


def test_registrars_who_left_frame_no_holder(new_taskforce: NewTaskforce) -> None:
    """They state the holder's index swapped with another's, under the keys in force."""
    taskforce, holders = found(new_taskforce)
    change(taskforce)
    stated = in_force(holders)
    first, second, third = stated.holders
    swapped = (msgspec.structs.replace(first, index=2), msgspec.structs.replace(second, index=1), third)
    a = taskforce.members["a"]
    report = framing(holders, a, dataclasses.replace(stated, sequence=99, holders=swapped))
    refused(taskforce, msgspec.to_builtins(report), "states it otherwise")
    # In an epoch of their own invention nothing in force contradicts them.
    holders.epoch = 9
    invented = framing(holders, a, dataclasses.replace(stated, epoch=9, holders=swapped))
    refused(taskforce, msgspec.to_builtins(invented), "earlier registrars")


def test_evidence_is_judged_by_what_was_in_force_before_the_change(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce)
    report = holders.report(taskforce.members["a"])
    taskforce.clock.advance(minutes=1)  # type: ignore[attr-defined]
    holders.state()
    change(taskforce)
    assert taskforce.members["b"].send("POST", ROUTE, msgspec.to_builtins(report)).get_json()["state"] == "recorded"


def test_a_new_epoch_forgives_no_holder_that_keeps_its_key(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce)
    a = taskforce.members["a"]
    report = holders.report(a)
    following = FaultyHolders(taskforce, epoch=EPOCH + 1)
    following.keys = holders.keys
    following.state()
    holders.state(state=EpochState.RETIRED)
    assert a.send("POST", ROUTE, msgspec.to_builtins(report)).get_json()["state"] == "recorded"
    (proposal,) = taskforce.proposals()
    statement = parse_statement(from_base64(proposal["payload"]))
    assert isinstance(statement, EpochStatement)
    assert (statement.epoch, [one.index for one in statement.holders]) == (EPOCH + 1, [2, 3])
    again = a.send("POST", ROUTE, msgspec.to_builtins(following.report(a))).get_json()
    assert (again["state"], again["report_id"], again["epoch"]) == ("known", report_id_of(report), EPOCH)


def test_what_an_agency_asked_is_taken_from_it_alone(new_taskforce: NewTaskforce) -> None:
    """The holder has the signed pair too, and may give it to a bank."""
    taskforce, holders = found(new_taskforce)
    agency = taskforce.add_member("nca", kind=MemberKind.LAW_ENFORCEMENT, sector=Sector.LAW_ENFORCEMENT)
    report = msgspec.to_builtins(holders.report(agency))
    for turn in range(2):
        answer = taskforce.members["b"].send("POST", ROUTE, report)
        assert (answer.status_code, answer.get_json()["type"]) == (403, "urn:exchange:problem:not-the-asker")
        assert reports(taskforce) == turn
        assert agency.send("POST", ROUTE, report).get_json()["state"] == ("known" if turn else "recorded")


def test_an_agency_stated_as_a_bank_before_is_an_agency(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce)
    report = msgspec.to_builtins(holders.report(taskforce.members["a"]))
    taskforce.members["a"].kind = MemberKind.LAW_ENFORCEMENT
    taskforce.members["a"].sector = Sector.LAW_ENFORCEMENT
    taskforce.state_member(taskforce.members["a"])
    assert taskforce.members["b"].send("POST", ROUTE, report).status_code == 403
    assert taskforce.members["a"].send("POST", ROUTE, report).get_json()["state"] == "recorded"


def tables_naming(taskforce: Taskforce, member_id: str) -> Counter[str]:
    """In how many rows of each table a member or its analyst stands."""
    with taskforce.database.reading() as session:
        return Counter(
            table.name
            for table in Base.metadata.tables.values()
            for row in session.execute(table.select())
            if any(str(value) == member_id or f"{member_id}/analyst" in str(value) for value in row)
        )


def test_nothing_kept_names_who_handed_a_report_in(new_taskforce: NewTaskforce) -> None:
    """b hands in what a met, while c reads the list: afterwards the database says no more of b than of c."""
    taskforce = new_taskforce("a", "b", "c")
    taskforce.clock.advance(minutes=1)  # type: ignore[attr-defined]
    report = msgspec.to_builtins(FaultyHolders(taskforce).report(taskforce.members["a"]))
    for state in ("recorded", "known"):
        answer = taskforce.members["b"].send("POST", ROUTE, report, idempotency_key="the-same-key")
        assert answer.get_json()["state"] == state
        assert taskforce.members["c"].send("GET", ROUTE).status_code == 200
        assert tables_naming(taskforce, "b") == tables_naming(taskforce, "c")
    with taskforce.database.reading() as session:
        callers = session.scalars(select(RequestCount.caller)).all()
    assert not [caller for caller in callers if caller.startswith("holder_fault/")]


def test_a_member_that_floods_is_stopped_before_anything_is_verified(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce)
    a, b = taskforce.members["a"], taskforce.members["b"]
    honest = msgspec.to_builtins(holders.report(a, lie=False))
    for _ in range(REPORTS_PER_MINUTE):
        assert a.send("POST", ROUTE, honest).status_code == 422
    limited = a.send("POST", ROUTE, honest)
    assert (limited.status_code, "Retry-After" in limited.headers) == (429, True)
    with taskforce.database.reading() as session:
        assert session.scalars(select(RequestCount.caller).where(RequestCount.caller == "holder_fault/a")).all()
    # Another member's report is taken all the same.
    assert b.send("POST", ROUTE, msgspec.to_builtins(holders.report(b))).status_code == 200


def test_a_report_shows_blinded_elements_and_no_token(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce)
    a = taskforce.members["a"]
    assert a.send("POST", ROUTE, msgspec.to_builtins(holders.report(a))).status_code == 200
    with taskforce.database.reading() as session:
        stored = session.scalars(select(HolderFaultReport.report)).one().decode()
    assert "row 0" not in stored
    named = json.loads(stored)["evidence"]["answer"]
    assert set(named) == {"url", "asked", "elements", "status", "answered", "body"}
    assert set(named["asked"]) == {"content-digest", "idempotency-key", "signature", "signature-input"}


def test_only_members_report(new_taskforce: NewTaskforce) -> None:
    taskforce, holders = found(new_taskforce)
    wire = msgspec.to_builtins(holders.report(taskforce.members["a"]))
    assert taskforce.send_as_registrar("necc", "POST", ROUTE, wire).status_code == 401
    assert taskforce.send_unsigned("GET", ROUTE).status_code == 401
