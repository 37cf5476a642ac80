"""A key holder that lies to one member is shown to the registrars and to the others, who ask it no more."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keys import group
from keys.holder.answers import Evaluated
from keys.holder.service import Caller, Wanted
from tests.member.taskforce import Taskforce, accounts, write_csv

ERROR = group.multiply_base(group.random_scalar())
LIAR = "http://holder-1.test"


class Lying:
    """What the first holder of a taskforce answers to rows without proofs: one of them wrong."""

    def __init__(self, taskforce: Taskforce) -> None:
        application: Any = taskforce.applications[LIAR]
        self.service: Any = application.extensions["keyholder"]
        self.honest: Callable[[Caller, Wanted], Evaluated] = self.service.evaluate
        self.service.evaluate = self.evaluate
        self.asked: list[str] = []

    def evaluate(self, caller: Caller, wanted: Wanted) -> Evaluated:
        """As the holder would, but for the first row."""
        right = self.honest(caller, wanted)
        self.asked.append(caller.member_id)
        if wanted.proof:
            return right
        return Evaluated(group.add(right.elements[:32], ERROR) + right.elements[32:], None)


@pytest.fixture(scope="module")
def taskforce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taskforce]:
    made = Taskforce.found(tmp_path_factory.mktemp("taskforce"), banks=("a", "b", "c"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def evidence(taskforce: Taskforce, tmp_path_factory: pytest.TempPathFactory) -> Path:
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


def test_another_member_judges_the_evidence_and_asks_the_holder_no_more(
    taskforce: Taskforce, evidence: Path, tmp_path: Path
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


def test_evidence_tells_no_identifier(evidence: Path) -> None:
    text = evidence.read_text()
    assert all(row.split(",")[1] not in text for row in accounts(*range(1, 301)))


@pytest.mark.parametrize("change", ["holder_id", "seed", "body", "elements"])
def test_altered_evidence_shows_nothing_and_leaves_nobody_out(
    taskforce: Taskforce, evidence: Path, tmp_path: Path, change: str
) -> None:
    document = json.loads(evidence.read_bytes())
    if change == "holder_id":
        document["holder_id"] = "holder-2"
    elif change == "seed":
        document["seed"] = document["seed"].swapcase()
    else:
        document["answer"][change] = document["check"][change] + document["answer"][change][44:]
    path = tmp_path / "altered.json"
    path.write_text(json.dumps(document))
    assert taskforce.run("c", "status").status == 0
    refused = taskforce.run("c", "holder-fault", "verify", str(path), "--leave-out")
    assert refused.status == 1
    assert refused.document["error"]["type"] in {"not_shown", "no_evidence"}
    done = taskforce.run("c", "submit", str(write_csv(tmp_path / "c.csv", *accounts(80_000))))
    assert done.status == 0


def test_what_is_no_evidence_is_refused_with_the_cure(taskforce: Taskforce, evidence: Path, tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    for content in (b"", b"{}", b"[" * 100_000, b"\xff"):
        path.write_bytes(content)
        assert taskforce.run("a", "holder-fault", "verify", str(path)).document["error"]["type"] == "no_evidence"
    assert taskforce.run("a", "holder-fault", "verify", str(tmp_path / "missing.json")).status == 2
    assert taskforce.run("a", "holder-fault", "export", "no-such", str(path)).status == 2
    assert taskforce.run("a", "holder-fault", "export", "0", str(evidence)).status == 2
