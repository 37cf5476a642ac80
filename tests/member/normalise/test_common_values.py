"""Values too common to mean anything are kept back, and named; a member may add to them, or list them all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from member.errors import MemberError
from member.identity.home import Config, Home
from member.indicators.common_values import OWN_FILE, common_values
from member.indicators.submit import Submitted, dry_run
from member.normalise.circumstances import DEFAULT
from member.normalise.common import COMMON
from member.normalise.rules import normalise
from member.tables.reading import check_file

FILE = """indicator_type,value
domain,https://www.GMAIL.com/x
domain,shop-777.example
bank_account,08-32-10 12001039
iban,GB62 BARC 2011 4770 2976 90
domain,https://t.me/somebody
domain,some-body.github.io
email,anna@gmail.com
wallet,0x000000000000000000000000000000000000dEaD
"""


def tried(folder: Path, own: str | None = None, include: bool = False) -> Submitted:
    path = folder / "in.csv"
    path.write_text(FILE, encoding="utf-8")
    home = Home(folder, Config())
    if own is not None:
        (folder / OWN_FILE).write_text(own, encoding="utf-8")
    return dry_run(home, check_file(path), DEFAULT, {} if include else common_values(folder, DEFAULT))


def test_what_nearly_everybody_holds_is_left_out_with_the_reason(tmp_path: Path) -> None:
    done = tried(tmp_path)
    left_out = {row.line: row.reason for row in done.tally.left_out.in_order()}
    assert sorted(left_out) == [2, 4, 5, 6, 9]
    assert all("--include-common" in reason for reason in left_out.values())
    assert "Revenue" in left_out[4] == left_out[5]
    assert "path of the link" in left_out[6]
    assert (done.tally.accepted, done.tally.rows) == (3, 8)


def test_a_member_may_list_them_all_the_same(tmp_path: Path) -> None:
    done = tried(tmp_path, include=True)
    assert (done.tally.accepted, len(done.tally.left_out)) == (8, 0)


def test_a_member_may_add_its_own(tmp_path: Path) -> None:
    done = tried(tmp_path, "indicator_type,value,reason\ndomain,Shop-777.example,our own web shop\n")
    reasons = {row.line: row.reason for row in done.tally.left_out.in_order()}
    assert "our own web shop" in reasons[3]


@pytest.mark.parametrize("own", ["type;value\n", "indicator_type,value\nphone,none\n", ""])
def test_an_own_list_with_a_fault_stops_the_upload(tmp_path: Path, own: str) -> None:
    with pytest.raises(MemberError, match=OWN_FILE):
        tried(tmp_path, own)


def test_every_shipped_value_stands_in_its_canonical_form() -> None:
    for kind, value in COMMON:
        found = normalise(kind, value)
        assert (found.indicator_type, found.canonical) == (kind, value)
