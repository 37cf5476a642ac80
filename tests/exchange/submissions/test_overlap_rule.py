"""What is shown of an overlap is worked out for all members at once; here it is held against the rule as it reads."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.indicators.matching import OTHER, Holding, band_of, see_overlaps, split_overlap
from exchange.membership.authority import Authority
from schemas.hits import Overlap

MEMBERS = tuple("abcdefgh")
GROUPS = ("all", "cell", "other")


def see_by_the_rule(member_id: str, holdings: Sequence[Holding], authority: Authority) -> Overlap | None:
    """Rules 1 to 4 of exchange.indicators.matching, for one member."""
    own, others = split_overlap(member_id, holdings, authority)
    if not others:
        return None
    shown = [row for row in others if authority.is_sector_shown(row.group_id, row.member_id)]
    hidden = {OTHER} if {row.member_id for row in others} - {row.member_id for row in shown} else set()
    months = [row.first_seen[:7] for row in shown if row.first_seen is not None]
    return Overlap(
        indicator_type=min(row.indicator_type for row in own),
        institutions=band_of(len({row.member_id for row in others})),
        sectors=sorted({authority.sectors[row.member_id] for row in shown} | hidden),
        themes=sorted({row.theme for row in shown} | hidden),
        first_seen=min(months, default=OTHER),
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Holding], Authority]:
    """Members of three sectors in three groups, and rows of one token, also of members that have left a group."""
    sectors = {member_id: draw(st.sampled_from(["banking", "banking", "payments", "telecom"])) for member_id in MEMBERS}
    groups = {group_id: draw(st.sets(st.sampled_from(MEMBERS))) for group_id in GROUPS[: draw(st.integers(1, 3))]}
    pairs = draw(st.sets(st.tuples(st.sampled_from(GROUPS), st.sampled_from(MEMBERS)), max_size=20))
    days = st.sampled_from([None, "2026-08-31", "2026-09-01", "2026-09-30", "2026-10-05"])
    rows = [
        Holding(
            bytes(32),
            *pair,
            draw(st.sampled_from(["iban", "phone"])),
            draw(st.sampled_from(["fraud", "drugs", "ransomware"])),
            draw(days),
        )
        for pair in sorted(pairs)
    ]
    return draw(st.permutations(rows)), Authority.of(groups, sectors)


@settings(max_examples=500)
@given(worlds())
def test_all_members_at_once_see_what_the_rule_says_of_each(world: tuple[list[Holding], Authority]) -> None:
    rows, authority = world
    by_the_rule = {member_id: see_by_the_rule(member_id, rows, authority) for member_id in MEMBERS}
    assert see_overlaps(rows, authority) == {one: seen for one, seen in by_the_rule.items() if seen is not None}
