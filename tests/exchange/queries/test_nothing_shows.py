"""No answer to a bank differs, in content or size, by whether there is covert work: a comparison over many states.

Two taskforces do the same at the same moments, from the same seed; in one of them agencies ask, watch, extend, end
watches and meet each other under cover as well. Every answer that a bank gets is the same in both, but for what is
random anyway: ids, salts, signatures and the order of leaves within a tick, all of them of fixed length.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from exchange.log.head_file import HeadFile
from exchange.log.sequencer import Sequencer
from exchange.store.leases import acquire_lease
from schemas.encoding import to_base64
from schemas.identifiers import uuid7
from tests.exchange.queries.world import QueryWorld
from tlog.notes import NoteSigner

ROUNDS, ACTS, TOKENS = 5, 2, 8
SEED = 5
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_RANDOM = re.compile(r'"(signature|payload|entry|view|salt|chain_head|core_digest|event_id|hits_sha256)": ?"[^"]*"')
_INDEX = re.compile(r'"index": ?[0-9]+')


class Side:
    """One of the two taskforces; `acts` says whether its agencies do anything."""

    def __init__(self, world: QueryWorld, seed: int, *, acts: bool) -> None:
        self.world = world
        self.acts = acts
        self.rng = random.Random(seed)
        self.tokens = [self.rng.randbytes(32) for _ in range(TOKENS)]
        self._covert = random.Random(seed + 1)
        self._pack = ["query", "watch", "extend", "read", "query", "ask", "end-watch", "extend"]
        self._covert.shuffle(self._pack)
        self._acted = 0
        self._queries: list[tuple[str, str]] = []
        head = Path(world.taskforce.settings.home) / "head"
        head.mkdir(mode=0o700)
        signer = NoteSigner(world.taskforce.settings.log_origin, bytes(32))
        head_file = HeadFile(head / "signed-head", signer)
        head_file.create()
        self._sequencer = Sequencer(world.taskforce.database, signer, head_file)
        self._tick()

    def round(self) -> list[tuple[str, TestResponse]]:
        """What the banks are answered in one round, each with what was asked."""
        answers = list(self._banks_act())
        self.world.watch()
        self._tick()
        for _ in range(ACTS):
            if self.acts:
                self._agency_acts()
            self._tick()
        self.world.end()
        self.world.notices("a")
        self._tick()
        answers += self._banks_read()
        self._tick()
        self.world.clock.advance(days=self.rng.choice((0, 1, 3)))
        return answers

    def _banks_act(self) -> Iterator[tuple[str, TestResponse]]:
        for name, bank in self.world.banks.items():
            some = self.rng.sample(self.tokens, self.rng.randint(1, 3))
            theme = self.rng.choice(("drugs", "money_mules"))
            yield f"{name} submits", bank.submit(some, envelope={"theme": theme})

    def _banks_read(self) -> Iterator[tuple[str, TestResponse]]:
        for name, bank in self.world.banks.items():
            for target in ("/v1/hits", "/v1/notices", "/v1/status", "/log/entries", "/log/checkpoint", "/v1/queries"):
                yield f"{name} reads {target}", bank.send("GET", target)
            body = {**self.world.question(self.tokens[:1], name), "authorised_by": f"{name}/authoriser"}
            yield f"{name} asks a query", bank.send("POST", "/v1/queries", body)
            query_id = self._queries[0][1] if self._queries else uuid7()
            yield f"{name} reads a query", bank.send("GET", f"/v1/queries/{query_id}")

    def _agency_acts(self) -> None:
        """A covert act, drawn from a pack of all kinds; the first of all is a watch on everything."""
        agency = ("nca", "met")[self._acted % 2]
        act = "watch" if self._acted == 0 else self._pack[self._acted % len(self._pack)]
        tokens = self.tokens if self._acted == 0 else self._covert.sample(self.tokens, self._covert.randint(1, 4))
        self._acted += 1
        known = [query_id for owner, query_id in self._queries if owner == agency]
        if act in ("ask", "query", "watch") or not known:
            self._ask(agency, act, tokens)
        elif act == "extend":
            until = (self.world.clock.now + timedelta(days=300)).date().isoformat()
            self.world.step(known[0], act, {"until": until, "reason": "it goes on"}, agency=agency)
        elif act == "end-watch":
            self.world.step(self._covert.choice(known), act, agency=agency)
        else:
            self.world.read(self._covert.choice(known), agency)

    def _ask(self, agency: str, act: str, tokens: list[bytes]) -> None:
        day = self.world.clock.now.date()
        until = (day + timedelta(days=200)).isoformat()
        watch_until = (day + timedelta(days=100)).isoformat() if act == "watch" else None
        changes = {"until": until, "watch_until": watch_until, "silent": self._covert.random() < 0.3}
        query_id = self.world.ask(tokens, agency, **changes)
        self._queries.append((agency, query_id))
        if act != "ask":
            self.world.approve(query_id, agency)

    def _tick(self) -> None:
        now = self.world.clock()
        with self.world.taskforce.database.transaction() as session:
            lease = acquire_lease(session, "sequencer", uuid7(), now, timedelta(seconds=0.001))
        assert lease is not None
        self._sequencer.tick(now, lease)
        self.world.clock.advance(seconds=1)


def seen(answer: TestResponse) -> dict[str, Any]:
    """What a bank can tell of an answer: everything but what is random by itself; lengths are kept."""
    if answer.mimetype == "text/plain":
        text = "".join(answer.text.splitlines(keepends=True)[:2])  # a checkpoint: origin and size; the rest is random
    else:
        text = json.dumps(_in_order(answer.get_json()))
    ids: dict[str, str] = {}
    text = _INDEX.sub("", text)
    plain = _UUID.sub(lambda match: ids.setdefault(match[0], f"id-{len(ids)}"), text)
    plain = _RANDOM.sub(lambda match: f'"{match[1]}":{len(match[0])}', plain)
    random_by_itself = {"X-Request-Id", "Content-Length"}  # an index is random within its tick, and so its digits
    headers = {name: value for name, value in answer.headers.items() if name not in random_by_itself}
    return {"status": answer.status_code, "headers": headers, "length": len(text), "text": plain}


def _in_order(document: Any) -> Any:
    """Hits come in the order of their random ids."""
    if isinstance(document, dict) and "hits" in document:
        return {**document, "hits": sorted(document["hits"], key=itemgetter("token"))}
    return document


def test_no_answer_to_a_bank_tells_whether_there_is_covert_work(copies: Callable[[str], QueryWorld]) -> None:
    quiet, busy = Side(copies("quiet"), SEED, acts=False), Side(copies("busy"), SEED, acts=True)
    compared = 0
    for number in range(ROUNDS):
        for (asked, without), (_, covered) in zip(quiet.round(), busy.round(), strict=True):
            assert seen(without) == seen(covered), f"round {number}: {asked}"
            compared += 1
    kinds = set(busy.world.kinds("nca")) | set(busy.world.kinds("met"))
    assert {"le_query_approved", "le_watch_matched", "le_deconfliction", "le_query_extended"} <= kinds
    assert quiet.world.kinds("nca") == []
    assert compared >= ROUNDS * 18


@pytest.mark.parametrize("copies", ["sqlite"], indirect=True)
def test_the_comparison_would_see_a_bank_being_told(copies: Callable[[str], QueryWorld]) -> None:
    """An overt query is told to the banks: the same comparison finds it."""
    quiet, told = Side(copies("quiet"), 3, acts=False), Side(copies("told"), 3, acts=False)
    quiet.round(), told.round()
    told.world.query(told.tokens, covert=False, until=None)
    pairs = zip(quiet.round(), told.round(), strict=True)
    differing = {asked for (asked, without), (_, with_it) in pairs if seen(without) != seen(with_it)}
    assert {"a reads /v1/notices", "a reads /log/entries"} <= differing


@pytest.mark.parametrize("copies", ["sqlite"], indirect=True)
def test_an_agencys_query_is_to_a_bank_as_one_that_does_not_exist(copies: Callable[[str], QueryWorld]) -> None:
    world = copies("one")
    token = bytes(32)
    assert world.banks["a"].submit([token]).status_code == 201
    query_id = world.query([token])["query_id"]
    answers = [world.banks["a"].send("GET", f"/v1/queries/{each}") for each in (query_id, uuid7())]
    assert seen(answers[0]) == seen(answers[1])
    assert to_base64(token) not in answers[0].text
