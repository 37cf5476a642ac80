"""Submitting rows: what is stored, what is kept out, what is found."""

from __future__ import annotations

from collections.abc import Callable

from tests.exchange.factories import make_token
from tests.simulator import Taskforce

NewTaskforce = Callable[..., Taskforce]


def test_two_members_with_one_token_see_a_hit_each_and_no_name(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    shared = make_token()
    assert a.submit([shared, make_token()]).get_json()["hits"] == []
    answer = b.submit([shared, make_token()])
    assert answer.status_code == 201, answer.text
    (hit,) = answer.get_json()["hits"]
    assert hit["institutions"] == "1"
    assert a.hits()[0]["token"] == hit["token"]
