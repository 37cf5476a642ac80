"""What the demonstration prints reads as people write."""

from __future__ import annotations

import pytest

from demo.answers import FoundHit
from demo.story import describe_hit


@pytest.mark.parametrize(("band", "others"), [("1", "1 other"), ("2-4", "2-4 others"), ("5+", "5+ others")])
def test_a_hit_is_told_in_words_with_one_other_in_the_singular(band: str, others: str) -> None:
    hit = FoundHit("h", "bank_account", ["20000055779911"], band)
    assert describe_hit(hit) == f"bank account 20000055779911 is held by {others}"
