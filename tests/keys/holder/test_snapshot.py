"""A key holder's word on what the registrars stated, and the list behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from keys.holder import pages
from keys.statements.keyring import Keyring
from keys.statements.snapshots import verify_snapshot
from schemas.holders import SignedSnapshot
from tests.keys.factories import make_dealing, make_epoch, make_member, make_root, sign
from tests.keys.holder.simulator import HolderSimulator, make_settings, migrate
from tests.taskforce.clock import Clock

DEALING = make_dealing()


@pytest.fixture
def holder(database_url: str) -> Iterator[HolderSimulator]:
    database = migrate(database_url)
    yield HolderSimulator(make_settings(DEALING, database_url=database_url), database, Clock())
    database.dispose()


def test_a_holder_vouches_at_once_for_what_it_took_in(holder: HolderSimulator) -> None:
    epoch, keyring, a = make_epoch(DEALING), Keyring(make_root()), make_member("a").statement
    for envelope in (sign(epoch), sign(a), sign(replace(a, sequence=2))):
        holder.state(envelope)
        keyring.add(envelope)
        answer = holder.client.get("/v1/snapshot")
        assert answer.status_code == 200
        snapshot = verify_snapshot(msgspec.convert(answer.get_json(), SignedSnapshot), epoch.holders[0], holder.clock())
        assert (snapshot.number, snapshot.digest) == (keyring.number, keyring.digest)
    holder.clock.advance(days=30)  # made anew whenever it is asked for
    later = msgspec.convert(holder.client.get("/v1/snapshot").get_json(), SignedSnapshot)
    verify_snapshot(later, epoch.holders[0], holder.clock())


def test_the_list_behind_it_is_for_members_page_by_page(
    holder: HolderSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pages._STATEMENTS_PAGE == 200
    monkeypatch.setattr(pages, "_STATEMENTS_PAGE", 20)  # each statement costs a reading of all before it
    a = make_member("a")
    holder.state(sign(make_epoch(DEALING)), *(sign(replace(a.statement, sequence=n)) for n in range(1, 23)))
    keyring, target = Keyring(make_root()), "/v1/statements"
    sizes = []
    while True:
        answer = holder.client.get(target, headers=holder.sign(a, "GET", target))
        assert answer.status_code == 200, answer.text
        page = answer.get_json()
        sizes.append(len(page["statements"]))
        for envelope in page["statements"]:
            keyring.add(envelope)
        if page["next"] is None:
            break
        target = f"/v1/statements?cursor={page['next']}"
    assert sizes == [20, 3]
    stated = msgspec.convert(holder.client.get("/v1/snapshot").get_json(), SignedSnapshot)
    assert verify_snapshot(stated, make_epoch(DEALING).holders[0], holder.clock()).digest == keyring.digest


def test_a_page_is_bounded_in_bytes_and_has_one_statement_at_least(
    holder: HolderSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.state(sign(make_epoch(DEALING)), sign(make_member("a").statement))
    whole = holder.service.statements_page(0, 200)[0]
    monkeypatch.setattr("keys.holder.service.PAGE_BYTES", 1)
    found: list[Any] = []
    position: int | None = 0
    while position is not None:
        page, position = holder.service.statements_page(position, 200)
        assert len(page) == 1
        found += page
    assert found == whole
    assert len(found) == 2


@pytest.mark.parametrize("cursor", ["", "-1", "01", "1_0", "x", "1" * 40, "٣"])
def test_a_cursor_is_written_one_way(holder: HolderSimulator, cursor: str) -> None:
    a = make_member("a")
    holder.state(sign(a.statement))
    target = f"/v1/statements?cursor={cursor}" if cursor.isascii() else "/v1/statements?cursor=%D9%A3"
    assert holder.client.get(target, headers=holder.sign(a, "GET", target)).status_code == 422


def test_the_list_is_not_for_strangers(holder: HolderSimulator) -> None:
    holder.state(sign(make_member("a").statement))
    assert holder.client.get("/v1/statements").status_code == 401
