"""Many requests at once against real worker processes: one submission counts once, and nobody misses an overlap."""

from __future__ import annotations

import base64
import json
import random
import secrets
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from exchange.indicators.store import Indicator, RecentIndicator
from exchange.log.tables import LogEntry
from member.log.verify import LoggedReceipt, LogVerifier
from member.transport.channel import shown_token
from schemas.values.identifiers import uuid7
from tests.filled_databases import create_postgresql_database
from tests.load.connected import Connected, submission_body
from tests.load.served import Served, serve
from tests.taskforce.clock import utc_now
from tests.taskforce.founding import Taskforce

MEMBERS = tuple(f"bank-{number:02d}" for number in range(16))
RETRIES = 100
SETTLED = (200, 201)
PASSING = (409, 503)
Expected = dict[bytes, str]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Sixteen banks in one group, and the exchange behind two worker processes, on each database."""
    folder = tmp_path_factory.mktemp("served")
    url = f"sqlite:///{folder / 'exchange.db'}"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")
        url = server.url(create_postgresql_database(server))
    taskforce = Taskforce(url, folder, utc_now)
    try:
        for member in MEMBERS:
            taskforce.add_member(member)
        taskforce.state_epoch()
        taskforce.state_group(MEMBERS)
        with serve(taskforce, folder) as running:
            yield running
    finally:
        taskforce.close()


def retry(client: Connected, body: bytes, key: str, statuses: list[int]) -> httpx.Response:
    """Send until it is settled, noting every status."""
    for _ in range(50):
        answer = client.send("POST", "/v1/submissions", body, key=key)
        statuses.append(answer.status_code)
        if answer.status_code not in PASSING:
            return answer
        threading.Event().wait(float(answer.headers["Retry-After"]))
    raise AssertionError("the exchange stayed busy")


def test_a_hundred_retries_of_one_submission_at_once_have_one_effect(served: Served) -> None:
    tokens = [secrets.token_bytes(32) for _ in range(300)]
    submission_id, key = uuid7(), secrets.token_hex(16)
    body = submission_body(tokens, submission_id=submission_id)
    client, statuses = served.connected(MEMBERS[0]), list[int]()
    with ThreadPoolExecutor(RETRIES) as pool:
        answers = list(pool.map(lambda _: retry(client, body, key, statuses), range(RETRIES)))
    client.close()

    assert set(statuses) <= {*SETTLED, *PASSING}, Counter(statuses)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: RETRIES - 1}
    assert len({json.dumps(answer.json()["receipt"]) for answer in answers}) == 1
    assert {answer.json()["accepted"] for answer in answers} == {len(tokens)}
    with served.taskforce.database.reading() as session:
        rows = [
            session.scalar(select(func.count()).where(table.submission_id == submission_id)) or 0
            for table in (RecentIndicator, Indicator)
        ]
        views = [json.loads(view) for view in session.scalars(select(LogEntry.view)) if view is not None]
    assert sum(rows) == len(tokens)
    events = [view for view in views if view["kind"] == "match" and view.get("submission_id") == submission_id]
    assert [view["member_id"] for view in events] == [MEMBERS[0]]


def holdings(rng: random.Random) -> dict[str, list[bytes]]:
    """What each bank holds: 240 of 1,600 tokens, so that some are held by one bank and some by many."""
    pool = [secrets.token_bytes(32) for _ in range(1_600)]
    return {member: rng.sample(pool, 240) for member in MEMBERS}


def expected_hits(held: dict[str, list[bytes]]) -> dict[str, Expected]:
    """For each bank the band of other institutions by token, worked out from what each holds."""
    count = Counter(token for tokens in held.values() for token in tokens)
    found: dict[str, Expected] = defaultdict(dict)
    for member, tokens in held.items():
        for token in tokens:
            others = count[token] - 1
            if others:
                found[member][token] = "1" if others == 1 else "2-4" if others < 5 else "5+"
    return found


def upload(served: Served, member: str, tokens: list[bytes], start: threading.Barrier) -> list[dict[str, Any]]:
    """A bank's submission in three parts, from the moment that all banks are there."""
    client, submission_id = served.connected(member), uuid7()
    start.wait()
    answers = []
    for part in range(3):
        body = submission_body(tokens[part * 80 : part * 80 + 80], submission_id=submission_id, part=part)
        statuses: list[int] = []
        answer = retry(client, body, secrets.token_hex(16), statuses)
        assert answer.status_code == 201, (statuses, answer.text)
        assert set(statuses) <= {*SETTLED, *PASSING}
        answers.append(answer.json())
    client.close()
    return answers


def test_sixteen_banks_upload_at_once_and_each_is_told_every_overlap(served: Served) -> None:
    held = holdings(random.Random(20261122))
    start = threading.Barrier(len(MEMBERS))
    with ThreadPoolExecutor(len(MEMBERS)) as pool:
        answers = dict(zip(MEMBERS, pool.map(lambda one: upload(served, one, held[one], start), MEMBERS), strict=True))
    assert all(sum(part["accepted"] for part in parts) == 240 for parts in answers.values())

    expected = expected_hits(held)
    for member in MEMBERS:
        client = served.client(member)
        told = {shown_token(hit.token): hit.institutions for hit in client.hits()}
        assert told == expected[member]
    served.tick()
    for member in MEMBERS[::4]:
        payloads = (base64.b64decode(part["receipt"]["payload"]) for part in answers[member])
        signer = served.taskforce.log_signer
        verifier = LogVerifier(
            served.client(member),
            member_id=member,
            origin=signer.name,
            log_key=signer.verifier_key,
            read_waiting=list,  # no receipts: what has no place after the tick is a fault
            sleep=lambda seconds: served.tick(),
        )
        verified = verifier.verify(receipts=[LoggedReceipt.from_payload(payload) for payload in payloads])
        assert verified.receipts == 3
        assert verified.hits == len(expected[member])


def test_two_submissions_under_one_id_at_once_leave_one_of_each_part(served: Served) -> None:
    submission_id = uuid7()
    bodies = [submission_body([secrets.token_bytes(32)], submission_id=submission_id) for _ in range(12)]
    client = served.connected(MEMBERS[1])
    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda body: client.send("POST", "/v1/submissions", body), bodies))
    client.close()
    assert Counter(answer.status_code for answer in answers)[201] == 1
    assert {answer.status_code for answer in answers} <= {201, *PASSING}
