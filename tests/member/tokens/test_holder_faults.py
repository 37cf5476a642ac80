"""A key holder that lies to one member is shown to the registrars and to the others, who ask it no more."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keys.holder.answers import Evaluated
from keys.holder.requests import EvaluationRequest, MemberCaller
from keys.oprf import group
from tests.member.statements.test_freshness import between, json_answer
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes
from tests.taskforce.member_program import accounts, run_member, write_csv

ERROR = group.multiply_base(group.random_scalar())
LIAR = "http://holder-1.test"


class Lying:
    """What the first holder of a taskforce answers to rows without proofs: one of them wrong."""

    def __init__(self, taskforce: MemberHomes) -> None:
        application: Any = taskforce.applications[LIAR]
        self.service: Any = application.extensions["keyholder"]
        self.honest: Callable[[MemberCaller, EvaluationRequest], Evaluated] = self.service.evaluate
        self.service.evaluate = self.evaluate
        self.asked: list[str] = []

    def evaluate(self, caller: MemberCaller, wanted: EvaluationRequest) -> Evaluated:
        """As the holder would, but for the first row."""
        right = self.honest(caller, wanted)
        self.asked.append(caller.member_id)
        if wanted.proof:
            return right
        return dataclasses.replace(right, elements=group.add(right.elements[:32], ERROR) + right.elements[32:])


@pytest.fixture(scope="module")
def taskforce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberHomes]:
    made = MemberHomes.found(tmp_path_factory.mktemp("taskforce"), banks=("a", "b", "c"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def evidence(taskforce: MemberHomes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a met, exported to a file."""
    folder = tmp_path_factory.mktemp("met")
    lying = Lying(taskforce)
    for attempt in range(20):  # two of the three are drawn at random
        path = write_csv(folder / "a.csv", *accounts(*range(1000 * attempt + 1, 1000 * attempt + 301)))
        done = taskforce.run("a", "submit", str(path))
        assert (done.status, done.document["accepted"]) == (0, 300)
        faults = taskforce.run("a", "holder-fault", "list").document["holder_faults"]
        if faults:
            break
    (fault,) = faults
    assert (fault["holder_id"], fault["has_evidence"]) == ("holder-1", True)
    asked = len(lying.asked)
    for _ in range(3):
        rows = accounts(*range(50_000, 50_300))
        assert taskforce.run("a", "submit", str(write_csv(folder / "more.csv", *rows))).status == 0
    assert len(lying.asked) == asked
    path = folder / "fault.json"
    exported = taskforce.run("a", "holder-fault", "export", fault["fault_id"], str(path))
    assert (exported.status, exported.document["kind"]) == (0, "wrong_answer")
    return path


def spoiling(taskforce: MemberHomes, member_id: str, folder: Path, start: int) -> dict[str, Any]:
    """Let a member upload until it has met the liar; the fault as it lists it."""
    lying = Lying(taskforce)
    try:
        for attempt in range(20):
            path = write_csv(
                folder / "rows.csv", *accounts(*range(start + 1000 * attempt, start + 1000 * attempt + 300))
            )
            assert taskforce.run(member_id, "submit", str(path)).status == 0
            met = taskforce.run(member_id, "holder-fault", "list").document["holder_faults"]
            if met:
                found: dict[str, Any] = met[-1]
                return found
    finally:
        lying.service.evaluate = lying.honest
    raise AssertionError("the liar was never drawn")


def test_another_member_judges_the_evidence_and_asks_the_holder_no_more(
    taskforce: MemberHomes, evidence: Path, tmp_path: Path
) -> None:
    # Statements are in a vault once the member has asked for them.
    assert taskforce.run("b", "status").status == 0
    lying = Lying(taskforce)
    shown = taskforce.run("b", "holder-fault", "verify", str(evidence), "--leave-out")
    assert (shown.status, shown.document["holder_id"], shown.document["left_out"]) == (0, "holder-1", True)
    assert "differ from what it proved" in shown.document["reason"]
    for turn in range(6):
        path = write_csv(tmp_path / f"{turn}.csv", *accounts(70_000 + turn))
        assert taskforce.run("b", "submit", str(path)).status == 0
    assert "b" not in lying.asked


def test_what_one_member_meets_every_other_acts_on(taskforce: MemberHomes, evidence: Path, tmp_path: Path) -> None:
    """a's next command reports; c, whom the holder never lied to, asks it no more from its next command on."""
    assert taskforce.run("a", "status").status == 0
    (met,) = taskforce.run("a", "holder-fault", "list").document["holder_faults"]
    assert (met["source"], met["state"]) == ("met", "reported")
    lying = Lying(taskforce)
    for turn in range(6):
        path = write_csv(tmp_path / f"{turn}.csv", *accounts(90_000 + turn))
        assert taskforce.run("c", "submit", str(path)).status == 0
    assert "c" not in lying.asked
    (shown,) = taskforce.run("c", "holder-fault", "list").document["holder_faults"]
    assert (shown["holder_id"], shown["source"], shown["has_evidence"]) == ("holder-1", "shown", True)
    again = taskforce.run("c", "holder-fault", "export", shown["fault_id"], str(tmp_path / "again.json"))
    assert (again.status, json.loads((tmp_path / "again.json").read_bytes())) == (0, json.loads(evidence.read_bytes()))


def test_a_registrar_is_shown_the_fault_and_signs_the_holder_away(tmp_path: Path) -> None:
    taskforce = MemberHomes.found(tmp_path / "taskforce", banks=("a", "b"))
    try:
        spoiling(taskforce, "a", tmp_path, 1)
        assert taskforce.run("a", "status").status == 0
        registrar = ("registrar", "--as", "registrar", "registrar")
        pending = taskforce.run(*registrar, "pending")
        (fault,), (proposal,) = pending.document["holder_faults"], pending.document["proposals"]
        assert (fault["holder_id"], fault["kind"], fault["digest"]) == ("holder-1", "wrong_answer", proposal["digest"])
        text = taskforce.run(*registrar, "pending", as_json=False).document["text"]
        assert f"statement without it: {proposal['digest']}" in text
        approved = taskforce.run(*registrar, "approve", proposal["proposal_id"], "--digest", proposal["digest"])
        assert approved.document["approved"][0]["state"] == "effective"
        assert taskforce.run(*registrar, "pending").document["holder_faults"] == []
        names = taskforce.run("b", "status").document["statements"]["holders"]
        assert set(names) == {"holder-2", "holder-3"}
    finally:
        taskforce.close()


def test_an_agencys_evidence_is_reported_only_when_a_person_says_so(tmp_path: Path) -> None:
    """It would show every bank that the agency asked for an evaluation at that time."""
    taskforce = MemberHomes.found(tmp_path / "taskforce", banks=("a",), agencies=("nca",))
    try:
        fault = spoiling(taskforce, "nca", tmp_path, 1)
        for _ in range(2):
            assert taskforce.run("nca", "status").status == 0
        assert taskforce.run("a", "status").status == 0
        assert taskforce.run("a", "holder-fault", "list").document["holder_faults"] == []
        (kept,) = taskforce.run("nca", "holder-fault", "list").document["holder_faults"]
        assert kept["state"] == "waiting"
        reported = taskforce.run("nca", "holder-fault", "report", fault["fault_id"])
        assert (reported.status, reported.document["state"]) == (0, "recorded")
        assert taskforce.run("a", "status").status == 0
        (shown,) = taskforce.run("a", "holder-fault", "list").document["holder_faults"]
        assert shown["holder_id"] == "holder-1"
    finally:
        taskforce.close()


def test_a_report_that_shows_nothing_is_passed_over_and_told(evidence: Path, taskforce: MemberHomes) -> None:
    """The exchange itself would frame a holder, or have members ask nobody."""
    whole = json.loads(evidence.read_bytes())
    whole["evidence"]["holder_id"] = "holder-2"
    page = {"reports": [{"report_id": "0" * 64, "received_at": "2026-11-22", "report": whole}], "next": None}
    told: list[str] = []
    before = taskforce.run("b", "holder-fault", "list").document
    with between(taskforce, (EXCHANGE_URL,), "/v1/holder-faults", json_answer(page)):
        around = dataclasses.replace(taskforce.around(), tell=told.append)
        assert run_member(taskforce.home("b"), "status", around=around).status == 0
    assert "proves no fault of a key holder" in told[0]
    assert taskforce.run("b", "holder-fault", "list").document == before


def test_evidence_tells_no_identifier(evidence: Path) -> None:
    text = evidence.read_text()
    assert all(row.split(",")[1] not in text for row in accounts(*range(1, 301)))


@pytest.mark.parametrize("change", ["holder_id", "seed", "body", "elements"])
def test_altered_evidence_shows_nothing_and_leaves_nobody_out(
    taskforce: MemberHomes, evidence: Path, tmp_path: Path, change: str
) -> None:
    whole = json.loads(evidence.read_bytes())
    document = whole["evidence"]
    if change == "holder_id":
        document["holder_id"] = "holder-2"
    elif change == "seed":
        document["seed"] = document["seed"].swapcase()
    else:
        document["answer"][change] = document["check"][change] + document["answer"][change][44:]
    path = tmp_path / "altered.json"
    path.write_text(json.dumps(whole))
    refused = taskforce.run("c", "holder-fault", "verify", str(path), "--leave-out")
    assert refused.status == 1
    assert refused.document["error"]["type"] in {"not_shown", "no_evidence"}
    done = taskforce.run("c", "submit", str(write_csv(tmp_path / "c.csv", *accounts(80_000))))
    assert done.status == 0


def test_what_is_no_evidence_is_refused_with_the_cure(taskforce: MemberHomes, evidence: Path, tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    for content in (b"", b"{}", b"[" * 100_000, b"\xff"):
        path.write_bytes(content)
        assert taskforce.run("a", "holder-fault", "verify", str(path)).document["error"]["type"] == "no_evidence"
    assert taskforce.run("a", "holder-fault", "verify", str(tmp_path / "missing.json")).status == 2
    assert taskforce.run("a", "holder-fault", "export", "no-such", str(path)).status == 2
    assert taskforce.run("a", "holder-fault", "export", "0", str(evidence)).status == 2
