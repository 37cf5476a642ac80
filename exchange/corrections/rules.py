"""Taking in what others took back: a correction is acknowledged as a whole, by who has read all of it.

A correction of many rows is sent in parts, and what was in progress meanwhile is added later: who has read less, or
says that it has read more, reads again.
"""

from __future__ import annotations

from exchange.kernel.decision import ALLOWED, Decision, refuse


def decide_acknowledgement(read: int, items: int) -> Decision:
    """Whether a member that has read so many things of a correction, which concerns `items`, may acknowledge it."""
    if read == items:
        return ALLOWED
    code, what = ("more-items", "more") if read < items else ("fewer-items", "less")
    return refuse(code, "items", f"the correction concerns {what} than was read: read it again, then acknowledge it")
