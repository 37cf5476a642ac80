"""A correction is acknowledged by who has read all of it."""

from __future__ import annotations

import pytest

from exchange.corrections.rules import decide_acknowledgement


@pytest.mark.parametrize(
    ("read", "items", "code"), [(2, 2, None), (0, 0, None), (1, 2, "more-items"), (3, 2, "fewer-items")]
)
def test_as_many_are_acknowledged_as_were_read(read: int, items: int, code: str | None) -> None:
    reasons = decide_acknowledgement(read, items).reasons
    assert [(reason.code, reason.field) for reason in reasons] == ([] if code is None else [(code, "items")])
    assert all(("more" if code == "more-items" else "less") in reason.detail for reason in reasons)
