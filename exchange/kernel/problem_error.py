"""Errors that say themselves which problem they are answered with."""

from __future__ import annotations

from schemas.problems import Problem


class ProblemError(Exception):
    """An act is refused; `problem` is what its caller is answered."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.slug)
        self.problem = problem
