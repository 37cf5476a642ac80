"""How long what one person prepared may be sent by another: shared by the exchange, who sends, and the recipient."""

from __future__ import annotations

from datetime import datetime, timedelta

PREPARED_DAYS = 7
"""After these what was prepared is prepared anew: its preparer may have changed its mind, and cannot take it back."""
_SKEW = timedelta(minutes=5)
"""How far the clocks of two people of a member, and the exchange's, may differ."""


def is_timely(prepared_at: datetime, sent_at: datetime) -> bool:
    """Whether something was prepared before it was sent, and not too long before."""
    return prepared_at - _SKEW <= sent_at <= prepared_at + timedelta(days=PREPARED_DAYS)
