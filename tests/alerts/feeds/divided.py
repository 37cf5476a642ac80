"""A taskforce in which not everything is for everybody: three groups, two kinds, one issuer `a`."""

from __future__ import annotations

from collections.abc import Callable

from edge.request_limits import LARGEST_LIMIT
from schemas.terms import MemberKind
from tests.taskforce.founding import Taskforce

GROUPS = {"taskforce": {"a", "b", "police"}, "cell": {"a", "police"}, "own": {"a", "b"}}
KINDS = {"b": "financial_institution", "police": "law_enforcement"}
"""Of the members that read."""


def divide(new_taskforce: Callable[..., Taskforce]) -> Taskforce:
    """Its groups stated, and its feeds asked as often as one likes."""
    taskforce = new_taskforce("a", "b")
    taskforce.add_member("police", kind=MemberKind.LAW_ENFORCEMENT)
    for group_id, members in GROUPS.items():
        taskforce.state_group(members, group_id)
    taskforce.change_settings(feed_requests_per_minute=LARGEST_LIMIT)
    return taskforce
