"""What a query says in words is sealed to its agency and the reviewers: the exchange's database does not hold it.

The attacker is whoever copies the database, on either kind: its tables, its files with what was deleted from them, the
write-ahead log, a dump.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import sqlalchemy

from exchange.kernel.session import create_database
from exchange.queries.store import QueryPaper, papers_for
from keys.sealing.hybrid import SIZE_CLASSES, EncryptionKey, SealingError
from keys.sealing.query_papers import PaperPlace, open_paper, seal_paper
from keys.statements.types import MemberState
from schemas.queries.messages import QueryGrounds
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64
from tests.canaries import Canaries
from tests.exchange.factories import make_token
from tests.exchange.queries.scenario import QueryScenario, decode
from tests.taskforce.members import reasons_of

TEXTS = {
    "case": "OP-canary-5c1a77",
    "purpose": "purpose canary: the harbour master and his brother",
    "necessity": "necessity canary: nobody else saw the ledger",
    "proportionality": "proportionality canary: two accounts for one month",
}
REASON = "reason canary: the handler is still at work"
SALT = bytes(range(100, 132))


def all_that_is_stored(url: str, folder: Path) -> bytes:
    """Every value of every column, and the bytes of every file beside."""
    engine = sqlalchemy.create_engine(url)
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        rows = [row for table in metadata.tables.values() for row in connection.execute(table.select())]
    engine.dispose()
    values = [value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row]
    files = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    return b"\n".join(values + files)


def live(scenario: QueryScenario) -> str:
    """A covert query from asking to its end: with a watch that reports, a reading, a review, another agency about the
    same, an extension, and a refusal whose words are recorded; its id.
    """
    token = make_token()
    assert scenario.banks["a"].submit([token]).status_code == 201
    said = {**TEXTS, "salt": to_base64(SALT), "until": "2026-12-01", "watch_until": "2026-12-01"}
    query_id = scenario.ask([token], **said)
    scenario.approve(query_id)
    scenario.query([token], "met", **{**said, "authorised_by": "met/authoriser"})
    assert scenario.banks["b"].submit([token]).status_code == 201
    assert scenario.watch() == 2
    longer = {"until": "2026-12-20", "watch_until": "2026-12-20", "reason": REASON, "salt": to_base64(SALT)}
    assert scenario.step(query_id, "extend", longer).status_code == 200
    assert scenario.read(query_id).status_code == scenario.read(query_id, "ico", "reviewer").status_code == 200
    listed = scenario.agencies["nca"].send("GET", "/v1/queries").get_json()["queries"]
    assert [query["query_id"] for query in listed] == [query_id]
    refused = scenario.ask([token], **said)
    assert scenario.step(refused, "refuse").status_code == 200
    broken = scenario.question([token], **{**said, "watch_until": "2027-01-01"})
    assert "watch-too-late" in reasons_of(scenario.agencies["nca"].send("POST", "/v1/queries", broken), 403, 409)
    return query_id


def test_no_text_of_a_query_is_stored_but_sealed(
    scenario: QueryScenario, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    query_id = live(scenario)
    canaries = Canaries({name: text.encode() for name, text in {**TEXTS, "reason": REASON}.items()} | {"salt": SALT})
    texts = json.dumps(TEXTS).encode() + REASON.encode() + SALT
    assert canaries.found_in(texts) == {*TEXTS, "reason", "salt"}, "the search finds what is there"
    url = scenario.taskforce.settings.database_url
    assert canaries.found_in(all_that_is_stored(url, tmp_path)) == set()
    scenario.clock.advance(days=40)
    assert scenario.end() > 0
    assert canaries.found_in(all_that_is_stored(url, tmp_path)) == set()
    told = capfd.readouterr()
    assert canaries.found_in((told.out + told.err + caplog.text).encode()) == set()
    for member_id, as_name in (("nca", "analyst"), ("ico", "reviewer")):
        read = scenario.opened(scenario.read(query_id, member_id, as_name), member_id)
        assert {name: read[name] for name in TEXTS} == TEXTS
        assert [one["reason"] for one in read["extensions"]] == [REASON]
    assert [view["query_id"] for view in scenario.views("a", "le_query_disclosed")], "cover ends by what is readable"


def test_sealed_texts_show_neither_their_length_nor_whose_they_are(sqlite_scenario: QueryScenario) -> None:
    for purpose in ("p", "p" * 1000):
        sqlite_scenario.ask([make_token()], purpose=purpose)
    database = create_database(sqlite_scenario.taskforce.settings.database_url)
    with database.reading() as session:
        papers = list(session.scalars(sqlalchemy.select(QueryPaper)))
    database.dispose()
    assert {paper.member_id for paper in papers} == {"nca", "ico"}
    assert {len(paper.sealed) for paper in papers} == {SIZE_CLASSES[0]}


def test_a_reviewer_enrolled_later_has_no_sealed_copy(sqlite_scenario: QueryScenario) -> None:
    scenario = sqlite_scenario
    scenario.taskforce.state_member(scenario.reviewer, MemberState.SUSPENDED)
    query_id = scenario.query([make_token()], covert=False)["query_id"]
    scenario.taskforce.state_member(scenario.reviewer)
    read = scenario.read(query_id, "ico", "reviewer").get_json()
    assert (read["sealed"], read["agency"]) == (None, "nca")


def test_nothing_is_asked_of_which_a_reader_could_not_open_the_texts(sqlite_scenario: QueryScenario) -> None:
    """A key that the registrars signed, and to which nothing can be sealed."""
    scenario = sqlite_scenario
    scenario.reviewer.encryption_key = bytes(32)
    scenario.taskforce.state_member(scenario.reviewer)
    answer = scenario.agencies["nca"].send("POST", "/v1/queries", scenario.question([make_token()]))
    assert reasons_of(answer, 403, 409) == {"encryption-key"}
    assert scenario.count(QueryPaper) == 0


def test_a_paper_opens_in_its_own_place_alone() -> None:
    key, other = EncryptionKey.generate(), EncryptionKey.generate()
    texts = {**TEXTS, "salt": to_base64(SALT)}
    paper = QueryGrounds(**texts)
    place = PaperPlace("one", 0, "nca", digest(texts))
    sealed = seal_paper(paper, key.public_bytes, place)
    assert open_paper(sealed, key, place, QueryGrounds) == paper
    others = [PaperPlace(*changed) for changed in (("two", 0, "nca", place.sha256), ("one", 1, "nca", place.sha256))]
    others += [PaperPlace("one", 0, "ico", place.sha256), PaperPlace("one", 0, "nca", bytes(32))]
    for wrong in others:
        with pytest.raises(SealingError):
            open_paper(sealed, key, wrong, QueryGrounds)
    for content in (sealed[:-1], bytes(len(sealed)), b""):
        with pytest.raises(SealingError):
            open_paper(content, key, place, QueryGrounds)
    with pytest.raises(SealingError):
        open_paper(sealed, other, place, QueryGrounds)
    false = PaperPlace("one", 0, "nca", digest({**texts, "case": "another"}))
    with pytest.raises(SealingError, match="another paper"):
        open_paper(seal_paper(paper, key.public_bytes, false), key, false, QueryGrounds)


def test_what_is_sealed_to_one_reader_is_shown_to_no_other(sqlite_scenario: QueryScenario) -> None:
    scenario = sqlite_scenario
    query_id = scenario.ask([make_token()])
    with scenario.taskforce.database.reading() as session:
        kept = {name: papers_for(session, [query_id], name)[query_id] for name in ("nca", "ico", "met", "a")}
    assert {name: len(papers) for name, papers in kept.items()} == {"nca": 1, "ico": 1, "met": 0, "a": 0}
    assert decode(scenario.read(query_id).get_json()["sealed"]) == kept["nca"][0]
    assert decode(scenario.read(query_id, "ico", "reviewer").get_json()["sealed"]) == kept["ico"][0]
