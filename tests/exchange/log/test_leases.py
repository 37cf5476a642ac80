"""Leases: one holder at a time, whoever it is."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from exchange.kernel.leases import LeaseLostError, acquire_lease, confirm_lease, release_lease, renew_lease
from tests.exchange.log.laboratory import NOW, Laboratory

LIFETIME = timedelta(seconds=10)


def test_a_held_lease_is_not_granted_again_not_even_to_its_holder(laboratory: Laboratory) -> None:
    with laboratory.database.transaction() as session:
        assert acquire_lease(session, "sequencer", "second", NOW + timedelta(seconds=9), LIFETIME) is None
        assert acquire_lease(session, "sequencer", "first", NOW, LIFETIME) is None


def test_an_expired_lease_is_granted_with_a_higher_fence(laboratory: Laboratory) -> None:
    second = laboratory.take_lease("second", NOW + timedelta(seconds=10))
    assert second.fence == laboratory.lease.fence + 1
    with pytest.raises(LeaseLostError), laboratory.database.transaction() as session:
        renew_lease(session, laboratory.lease, NOW, LIFETIME)
    with pytest.raises(LeaseLostError), laboratory.database.transaction() as session:
        confirm_lease(session, laboratory.lease)


def test_renewing_keeps_others_out(laboratory: Laboratory) -> None:
    with laboratory.database.transaction() as session:
        renew_lease(session, laboratory.lease, NOW + timedelta(seconds=8), LIFETIME)
        assert acquire_lease(session, "sequencer", "second", NOW + timedelta(seconds=12), LIFETIME) is None


def test_a_released_lease_is_free_and_a_late_release_ends_no_other(laboratory: Laboratory) -> None:
    with laboratory.database.transaction() as session:
        release_lease(session, laboratory.lease)
    second = laboratory.take_lease("second")
    with laboratory.database.transaction() as session:
        release_lease(session, laboratory.lease)
        confirm_lease(session, second)
        assert acquire_lease(session, "sequencer", "third", NOW, LIFETIME) is None


def test_of_many_that_reach_for_a_lease_one_gets_it(laboratory: Laboratory) -> None:
    granted = []

    def reach(holder: str) -> None:
        with laboratory.database.transaction() as session:
            granted.append(acquire_lease(session, "fresh", holder, NOW, LIFETIME))

    threads = [threading.Thread(target=reach, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 6
    assert len([lease for lease in granted if lease]) == 1
