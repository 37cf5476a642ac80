"""Overlaps: who sees what of whom, now and after authority has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

from sqlalchemy import text

from alerts.jobs import drain_outbox
from exchange.indicators.expire import expire_indicators
from exchange.indicators.settle import settle_indicators
from exchange.indicators.store import EXPIRED, iterate_keys_of_submissions, retire_rows
from exchange.operations.purge import purge_records
from exchange.registrars.stop_member import stop_member
from keys.statements.types import MemberState
from schemas.terms import MemberKind, Sector
from schemas.values.encoding import to_base64
from tests.exchange.factories import make_token
from tests.taskforce.founding import Taskforce, make_taskforce

NewTaskforce = Callable[..., Taskforce]


def test_the_number_of_others_is_shown_as_a_band(new_taskforce: NewTaskforce) -> None:
    names = ("a", "b", "c", "d", "e", "f")
    taskforce = new_taskforce(*names)
    token = make_token()
    bands = []
    for name in names:
        hits = taskforce.members[name].submit([token]).get_json()["hits"]
        bands.append(hits[0]["institutions"] if hits else None)
    assert bands == [None, "1", "2-4", "2-4", "2-4", "5+"]
    assert taskforce.members["a"].hits()[0]["institutions"] == "5+"


def test_sector_theme_and_month_need_three_members_of_the_sector(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b", "c")
    telecom = taskforce.add_member("t", sector=Sector.TELECOMMUNICATIONS, kind=MemberKind.TELECOM)
    taskforce.state_group(["a", "b", "c", "t"])
    by_bank, by_telecom, by_both = make_token(), make_token(), make_token()
    taskforce.members["a"].submit([by_bank, by_both], envelope={"theme": "ransomware"})
    telecom.submit([by_telecom, by_both], envelope={"theme": "drugs"})
    hits = taskforce.members["b"].submit([by_bank, by_telecom, by_both]).get_json()["hits"]
    shown = {hit["token"]: (hit["sectors"], hit["themes"], hit["first_seen"]) for hit in hits}
    assert shown == {
        to_base64(by_bank): (["banking"], ["ransomware"], "2026-10"),
        to_base64(by_telecom): (["other"], ["other"], "other"),
        to_base64(by_both): (["banking", "other"], ["other", "ransomware"], "2026-10"),
    }
    (of_telecom,) = [hit for hit in telecom.hits() if hit["token"] == to_base64(by_telecom)]
    assert of_telecom["sectors"] == ["banking"]


def test_a_group_shows_nothing_to_members_outside_it(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b", "c")
    taskforce.state_group(["a", "b"], "cell")
    token = make_token()
    a, b, c = (taskforce.members[name] for name in "abc")
    assert a.submit([token], envelope={"group": "cell"}).status_code == 201
    assert c.submit([token]).get_json()["hits"] == []
    assert b.submit([token]).get_json()["hits"][0]["institutions"] == "1"
    assert a.hits() == []
    assert b.submit([token], envelope={"group": "cell"}).get_json()["hits"][0]["institutions"] == "2-4"
    assert [len(member.hits()) for member in (a, b, c)] == [1, 1, 1]


def test_an_affected_member_gets_a_view_without_names_and_a_notice(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("bank-one", "bank-two")
    one, two = taskforce.members.values()
    token = make_token()
    one.submit([token])
    two.submit([token], envelope={"purpose": "a purpose of bank-two alone"})
    view = taskforce.views("bank-one", "match")[-1]
    assert [hit["token"] for hit in view["hits"]] == [to_base64(token)]
    assert "two" not in json.dumps(view)
    own = taskforce.views("bank-two", "match")[0]
    assert (own["event_id"], own["core_digest"]) == (view["event_id"], view["core_digest"])
    before = one.send("GET", "/v1/status").get_json()["notices"]
    assert drain_outbox(taskforce.database) > 0
    assert drain_outbox(taskforce.database) == 0
    notices = one.send("GET", "/v1/notices").get_json()["notices"]
    assert view["event_id"] in [notice["event_id"] for notice in notices]
    assert one.send("GET", "/v1/status").get_json()["notices"] == before + len(notices)


def test_hits_come_page_by_page_each_once_and_every_page_is_logged(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    tokens = [make_token() for _ in range(25)]
    a.submit(tokens)
    b.submit(tokens)
    pages = len(taskforce.views("a", "hits_read"))
    hits = a.hits("limit=10")
    assert {hit["token"] for hit in hits} == {to_base64(token) for token in tokens}
    assert len(hits) == 25
    read = taskforce.views("a", "hits_read")[pages:]
    assert [view["count"] for view in read] == [10, 10, 5]


def test_since_leaves_out_what_was_shown_before(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    old, new = make_token(), make_token()
    for token in (old, new):
        a.submit([token])
        b.submit([token])
        taskforce.clock.advance(days=1)  # type: ignore[attr-defined]
    assert {hit["token"] for hit in a.hits("since=2026-11-23")} == {to_base64(new)}
    assert len(a.hits("since=2026-11-22T10:00:00.000Z")) == 2


def test_a_member_that_left_is_no_longer_counted_when_hits_are_read(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b", "c")
    a, b, c = taskforce.members.values()
    token = make_token()
    for member in (a, b, c):
        member.submit([token])
    assert a.hits()[0]["institutions"] == "2-4"
    taskforce.state_group(["a", "b"])
    hit = a.hits()[0]
    assert hit["institutions"] == "1"
    (changed,) = taskforce.views("a", "hits_changed")
    assert changed["hits"] == [hit]
    assert c.hits() == []
    assert len(taskforce.views("c", "hits_changed")[0]["ended"]) == 1
    taskforce.state_group(["a", "b", "c"])
    assert a.hits()[0]["institutions"] == "2-4"
    assert a.hits()[0]["hit_id"] == hit["hit_id"]


def test_a_suspended_member_is_refused_at_once_and_counts_for_nothing(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    token = make_token()
    a.submit([token])
    b.submit([token])
    taskforce.state_member(b, MemberState.SUSPENDED)
    assert b.send("GET", "/v1/hits").get_json()["reason"] == "suspended"
    assert a.hits() == []
    taskforce.state_member(b)
    assert len(a.hits()) == 1


def test_the_operator_stops_a_member_and_only_registrars_restore_it(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a = taskforce.members["a"]
    proposal_id = stop_member(taskforce.database, "a", taskforce.clock())
    assert a.submit([make_token()]).status_code == 403
    taskforce.sign(proposal_id)
    assert a.send("GET", "/v1/status").status_code == 403
    taskforce.clock.advance(hours=1)  # type: ignore[attr-defined]
    taskforce.state_member(a)
    assert a.send("GET", "/v1/status").status_code == 200


def test_expired_rows_count_for_nothing_before_and_after_they_are_retired(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    token, other = make_token(), make_token()
    a.submit([token, other], envelope={"expires_on": "2026-11-30", "review_by": "2026-11-30"})
    b.submit([token])
    assert len(b.hits()) == 1
    taskforce.clock.advance(days=9)  # type: ignore[attr-defined]
    assert b.hits() == []
    assert a.submit([token]).get_json()["accepted"] == 1
    assert len(b.hits()) == 1
    assert expire_indicators(taskforce.database, taskforce.clock()) == 1
    assert expire_indicators(taskforce.database, taskforce.clock()) == 0
    with taskforce.database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM retired_indicators")).scalar_one() == 2
    purge_records(taskforce.database, taskforce.clock() + timedelta(days=91))
    with taskforce.database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM retired_indicators")).scalar_one() == 0
    assert len(b.hits()) == 1


def test_a_row_that_is_submitted_anew_while_the_old_one_is_retired_stays(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a, token = taskforce.members["a"], make_token()
    dates = {"expires_on": "2026-11-30", "review_by": "2026-11-30"}
    old = a.submit([token], envelope=dates).get_json()["submission_id"]
    taskforce.clock.advance(days=9)  # type: ignore[attr-defined]
    with taskforce.database.reading() as session:
        keys = list(iterate_keys_of_submissions(session, [old]))
    assert a.submit([token]).get_json()["accepted"] == 1
    with taskforce.database.transaction() as session:
        assert retire_rows(session, keys, EXPIRED, taskforce.clock(), [old]) == 0
    assert a.submit([token]).get_json()["duplicates"] == [0]


def test_rows_are_found_in_the_large_table_as_in_the_recent_one(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    tokens = [make_token() for _ in range(40)]
    a.submit(tokens)
    assert not settle_indicators(taskforce.database, enough=41)
    assert settle_indicators(taskforce.database, enough=40)
    with taskforce.database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM indicators")).scalar_one() == 40
        assert session.execute(text("SELECT count(*) FROM recent_indicators")).scalar_one() == 0
    assert len(b.submit(tokens).get_json()["hits"]) == 40
    assert a.submit(tokens).get_json()["duplicates"] == list(range(40))
    settle_indicators(taskforce.database, enough=1)
    assert len(a.hits()) == 40


def test_two_members_submitting_one_token_at_once_find_the_overlap(postgresql_url: str, tmp_path: Path) -> None:
    taskforce = make_taskforce(postgresql_url, tmp_path, "a", "b")
    try:
        for _ in range(5):
            tokens = [make_token() for _ in range(50)]
            together = Barrier(2)

            def submit(name: str, tokens: list[bytes] = tokens, together: Barrier = together) -> int:
                together.wait()
                answer = taskforce.members[name].submit(tokens)
                assert answer.status_code == 201, answer.text
                return len(answer.get_json()["hits"])

            with ThreadPoolExecutor(2) as pool:
                found = list(pool.map(submit, ("a", "b")))
            assert sorted(found) == [0, 50]
        assert len(taskforce.members["a"].hits()) == len(taskforce.members["b"].hits()) == 250
    finally:
        taskforce.close()


def test_one_token_shared_in_two_groups_at_once_keeps_one_hit(postgresql_url: str, tmp_path: Path) -> None:
    taskforce = make_taskforce(postgresql_url, tmp_path, "a", "b")
    try:
        taskforce.state_group(["a", "b"], "cell")
        a, b = taskforce.members.values()
        tokens = [make_token() for _ in range(30)]
        a.submit(tokens)
        a.submit(tokens, envelope={"group": "cell"})
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda group: b.submit(tokens, envelope={"group": group}), ("taskforce", "cell")))
        ids = [{hit["hit_id"] for hit in answer.get_json()["hits"]} for answer in answers]
        assert ids[0] == ids[1] == {hit["hit_id"] for hit in b.hits()}
    finally:
        taskforce.close()
