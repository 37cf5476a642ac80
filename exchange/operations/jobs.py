"""Jobs: what the worker does at its times. Subjects and alerts name theirs; exchange/programs/worker.py runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

DELIVERY = "delivery"
"""The pool of the jobs that wait for others' machines."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do once every `seconds`. What waits for others' machines does so on threads of its own (`pool`), and
    holds up no other job.
    """

    name: str
    seconds: int
    work: Callable[[datetime], object]
    pool: str = "default"
