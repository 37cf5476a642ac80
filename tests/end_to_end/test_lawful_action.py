"""From a hit to lawful action with the real programs, once and on generated lists. `make action` runs them as
processes, on real lists, and compares whole runs.
"""

from __future__ import annotations

from pathlib import Path

from alerts.jobs import drain_outbox
from exchange.kernel.session import Database
from exchange.programs.worker import exchange_jobs, query_jobs
from exchange.queries.decide import DEFAULT_LIMITS
from tests.acceptance import Report, search_for_identifiers
from tests.lawful_action.lists import needles_of, read_lists, write_lists
from tests.lawful_action.seen import differences, lines_of
from tests.lawful_action.story import AGENCIES, NOTE, REVIEWER, Police, Story
from tests.taskforce.homes import MemberHomes
from tests.taskforce.member_program import Ran, now


class InOneProcess:
    """The real programs behind one another in this process; the worker works while they wait."""

    def __init__(self, taskforce: MemberHomes, database: Database) -> None:
        self._taskforce = taskforce
        self._database = database

    def member(self, member: str, *arguments: str) -> Ran:
        return self._taskforce.run(member, *arguments)

    def wait(self) -> None:
        for job in (*query_jobs(self._database, DEFAULT_LIMITS, 1), *exchange_jobs(self._database)):
            job.work(now())
        drain_outbox(self._database)
        self._taskforce.tick()


def test_a_hit_becomes_lawful_action_and_cover_holds_until_it_ends(tmp_path: Path) -> None:
    lists, report = read_lists(write_lists(tmp_path / "lists"), ("a", "b", "c")), Report()
    folder = tmp_path / "taskforce"
    folder.mkdir()
    taskforce = MemberHomes.found(folder, tuple(lists.files), agencies=AGENCIES, reviewers=(REVIEWER,))
    database = taskforce.database
    assert database is not None
    try:
        Story(InOneProcess(taskforce, database), lists, database, tmp_path, report, Police.COVERT).tell()
    finally:
        taskforce.close()
    search_for_identifiers([folder / "exchange.db", folder / "holders"], lists.files, needles_of(lists, NOTE), report)
    assert report.failed == 0


def test_the_comparison_sees_one_notice_more_and_no_other_id_or_time() -> None:
    def shown(*notices: dict[str, str]) -> dict[str, list[str]]:
        return {"a: GET /v1/notices": lines_of({"notices": list(notices), "next": None}, Path("/nowhere"))}

    one = {
        "notice_id": "019ac7b2-7f7e-7b1c-9d2a-3c5b8a1f0e11",
        "kind": "match",
        "created_at": "2026-11-22T10:00:00.000Z",
    }
    other = {
        "notice_id": "019ac7b2-7f7e-7b1c-9d2a-3c5b8a1f0e12",
        "kind": "match",
        "created_at": "2026-11-22T11:11:11.111Z",
    }
    assert differences(shown(one), shown(other)) == {}
    assert differences(shown(one), shown(one, other)).keys() == {"a: GET /v1/notices"}
    assert differences(shown(one), shown({**other, "kind": "le_query_disclosed"}))
    assert differences(shown(one), {}), "what was not shown at all differs too"


def test_the_comparison_ignores_the_order_of_entries_within_a_tick() -> None:
    def shown(*kinds: str) -> dict[str, list[str]]:
        entries = [{"number": number, "view": {"kind": kind}} for number, kind in enumerate(kinds, 1)]
        return {"a: member log entries": lines_of({"entries": entries}, Path("/nowhere"))}

    assert differences(shown("hits", "request_made"), shown("request_made", "hits")) == {}
    assert differences(shown("hits", "request_made"), shown("hits", "correction"))
    assert differences(shown("hits"), shown("hits", "hits"))
