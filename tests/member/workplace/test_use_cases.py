"""The use cases without a terminal: from a file of rows to an answer that is opened and a log that is verified."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock

import pytest

from member.errors import MemberError
from member.identity.access import open_representative
from member.identity.home import Home
from member.indicators.acts import SubmittedView, check_to_submit, submit
from member.indicators.envelope import MissingSettingError, read_terms
from member.indicators.hits import HitFilters, ListedHit, look_at_hits, mark_seen
from member.inputs import InputError
from member.next_steps import Act
from member.requests import acts
from member.requests.acts import Answered
from member.requests.answering import AgreedDisclosure, TakenUp
from member.requests.asking import RequestContext, read_answers
from member.requests.views import AnswerView, next_steps
from member.standing.status import describe_standing
from member.verification.verify import verify_log
from member.workplace.workplace import Workplace
from schemas.requests.messages import RequestDraft
from schemas.terms import RequestState
from tests.taskforce.homes import MemberHomes

ACCOUNT = "20771177117711"
_TICKING = Lock()


def at(taskforce: MemberHomes, member_id: str, name: str = "analyst") -> Workplace:
    """Where somebody of a bank works."""
    home = Home.open(taskforce.home(member_id))
    unlocked = open_representative(home, name, f"passphrase of {name}".encode(), was_typed=True)

    def wait(_seconds: float) -> None:
        with _TICKING:  # there is one sequencer
            taskforce.tick()

    return Workplace(home, lambda: unlocked, replace(taskforce.around(), sleep=wait))


def hand_in(workplace: Workplace, folder: Path) -> tuple[SubmittedView, list[int]]:
    """Submit the account; what is shown, and how far it was said to have come."""
    path, told = folder / "rows.csv", list[int]()

    def report(done: int) -> None:
        told.append(done)

    path.write_text(f"indicator_type,value,reason\nbank_account,{ACCOUNT},paid by a victim\n")
    terms = read_terms({}, workplace.home.config.defaults, None)
    checked = check_to_submit(workplace.home, path, None, None)
    made = submit(workplace, checked, terms, relist=None, restart=False, kept_back={}, report=report)
    assert not made.faults
    return SubmittedView.of(made.submitted, dry=False), told


def hits_at(workplace: Workplace) -> list[ListedHit]:
    return [hit for hit in look_at_hits(workplace, None, HitFilters()) if hit.values == [ACCOUNT]]


@pytest.fixture(scope="module")
def hit_id(taskforce: MemberHomes, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Bank a's hit on an account that bank b holds too."""
    for bank in ("b", "a"):
        with at(taskforce, bank) as workplace:
            shown, done = hand_in(workplace, tmp_path_factory.mktemp(bank))
            assert (shown.rows, shown.accepted, shown.rejected_file, done[-1]) == (1, 1, None, 1)
    with at(taskforce, "a") as workplace:
        (hit,) = hits_at(workplace)
        assert hit.new
        mark_seen(workplace, [hit])
        assert [one.new for one in hits_at(workplace)] == [False]
    return hit.hit_id


def draft(hit_id: str) -> RequestDraft:
    return RequestDraft(
        hit_id=hit_id,
        mode="request",
        legal_gateway="ECCTA2023_s188",
        condition=None,
        purpose="to decide whether to restrict the account",
        necessity="our own records end at the first payment",
        proportionality="one account, one field",
        fields=["reason"],
        urgency="14d",
        nca_notice=None,
        confirmations=[],
    )


def test_a_request_is_asked_agreed_to_answered_and_opened(taskforce: MemberHomes, hit_id: str) -> None:
    with at(taskforce, "a") as asking:
        request_id = acts.ask_about(asking, draft(hit_id)).request_id
        assert [one.state for one in hits_at(asking)] == ["asked"]
    seen: list[TakenUp] = []

    def disagree(taken: TakenUp) -> None:
        seen.append(taken)
        raise MemberError("not so", slug="interrupted")

    with at(taskforce, "b", "authoriser") as holding:
        steps = next_steps(holding.home, holding.acting_as, RequestContext.at(holding).read(request_id))
        assert [(one.act, one.about["officer"]) for one in steps] == [(Act.TAKE_UP_REQUEST, "authoriser")]
        with pytest.raises(MemberError, match="not so"):
            acts.disclose_fields(RequestContext.at(holding), request_id, AgreedDisclosure(["reason"]), agree=disagree)
        assert [(one.request.requester, one.obstacle) for one in seen] == [("a", None)]
        with pytest.raises(InputError) as misplaced:
            acts.disclose_fields(RequestContext.at(holding), request_id, AgreedDisclosure(None), "a")
        assert (misplaced.value.field, misplaced.value.wanted) == ("to", "an answer goes to whoever asked")
    with at(taskforce, "b", "authoriser") as holding:
        done = acts.disclose_fields(
            RequestContext.at(holding), request_id, AgreedDisclosure(["reason"]), agree=disagree
        )
        assert isinstance(done, Answered)
        assert (done.standing.state, done.begun, len(seen)) == (RequestState.ANSWERED, None, 1)
    with at(taskforce, "a") as asking:
        desk = RequestContext.at(asking)
        (answer,) = map(AnswerView.of, read_answers(desk, desk.read(request_id)))
    assert (answer.institution, answer.fault, answer.details) == ("b", None, {"reason": ["paid by a victim"]})


def test_the_log_is_verified_on_two_threads_at_once(taskforce: MemberHomes, hit_id: str, tmp_path: Path) -> None:
    taskforce.tick()
    with at(taskforce, "a") as held:

        def work(number: int) -> int:
            with held.another() as workplace:
                return verify_log(workplace, tmp_path / str(number)).verified.entries

        with ThreadPoolExecutor(2) as pool:
            counts = list(pool.map(work, range(2)))
        assert counts[0] == counts[1] > 0
        assert len(list((tmp_path / "0").glob("*.tlog-proof"))) == counts[0]
        with pytest.raises(InputError, match="is not empty"):
            verify_log(held, tmp_path / "0")


def test_how_a_member_stands_is_typed(taskforce: MemberHomes, hit_id: str) -> None:
    with at(taskforce, "a") as workplace:
        shown = describe_standing(workplace)
    assert (shown.member_id, shown.state, shown.kind) == ("a", "active", "financial_institution")
    assert shown.statements
    assert shown.statements.valid_until is not None
    assert shown.holders
    assert all(one.problem is None for one in shown.holders)


def test_what_is_missing_is_named_by_field(taskforce: MemberHomes) -> None:
    with pytest.raises(MissingSettingError) as missing:
        read_terms({"purpose": "x"}, {}, None)
    assert missing.value.missing == ["group", "legal_gateway", "theme", "expires_days"]
