"""A proposal cannot look like what the program itself says: no forged line, no hidden end of a value."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from keys.statements.envelopes import payload_digest
from keys.statements.keyring import Keyring, RootStatement, to_payload
from member.commands.registrars.text import review_text
from member.errors import AnswerError
from member.statements.proposals import read_proposal
from member.statements.review import review
from member.statements.text import shown
from schemas.terms import FourEyes, Role
from schemas.values.encoding import to_base64
from tests.keys.factories import ISSUED, make_member, make_root, registrar, sign

NOW = datetime(2026, 12, 1, tzinfo=UTC)
HEX = re.compile("[0-9a-f]{64}")


def text_of(statement: Any, width: int = 80, keyring: Keyring | None = None) -> str:
    """What the registrar is shown of a statement."""
    payload = to_payload(statement)
    proposal = read_proposal(payload_digest(payload), to_base64(payload), 0)
    return review_text(proposal.view(keyring or Keyring(make_root()), NOW), width)


def named(name: str) -> Any:
    return dataclasses.replace(make_member("bank-x").statement, name=name)


def forged(blank: str, width: int) -> str:
    """A name that fills its line with blanks and goes on like a line of the program's."""
    return f"Bank X{blank * (width - 14)}  digest: {'0' * 64}"[:200]


@pytest.mark.parametrize("blank", [" ", "\u3164", "\u2800", "\u115f", "\u1160", "\uffa0", "\u034f", "\ufe0f"])
@pytest.mark.parametrize("width", [40, 80, 132])
def test_a_name_forges_no_line(blank: str, width: int) -> None:
    statement = named(forged(blank, width))
    lines = text_of(statement, width).split("\n")
    digest = payload_digest(to_payload(statement))
    assert lines[0] == f"digest: {digest}"
    assert lines[1].startswith(f"sign with: member registrar approve {digest} ")
    assert all(line.startswith("| ") and cell_len(line) <= width for line in lines[2:])
    assert [line for line in lines if line.startswith("digest:")] == lines[:1]
    assert not any(blank * 2 in line for line in lines[2:] if blank != " ")
    assert f'"Bank X<{width - 12} blanks>digest: ' in text_of(statement, 400)


@given(
    st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), min_size=1, max_size=200), st.integers(20, 200)
)
def test_no_name_leaves_the_margin(name: str, width: int) -> None:
    lines = text_of(named(name[:200]), width).split("\n")
    assert all(line.startswith("| ") for line in lines[2:])
    assert all(cell_len(line) <= max(width, 22) for line in lines[2:])


def test_a_value_ends_where_it_is_quoted() -> None:
    assert shown('a", state: "active') == '"a\\", state: \\"active"'
    assert shown("a  b") == '"a<2 blanks>b"'
    assert shown("Bank\u3164X") == '"Bank<1 blanks>X"'
    assert shown(["active", "a b"]) == 'active, "a b"'
    assert shown("") == '""'


@pytest.mark.parametrize("proposal_id", ["", "0" * 63, "0" * 65, "F" * 64, "0" * 64 + "\n", f"{'0' * 60} --x"])
def test_a_proposal_of_an_improper_id_is_refused(proposal_id: str) -> None:
    payload = to_payload(named("Bank X"))
    with pytest.raises(AnswerError, match="64 hexadecimal digits"):
        read_proposal(proposal_id, to_base64(payload), 0)


def next_root(keyring: Keyring, *names: str) -> RootStatement:
    carried = frozenset(bytes.fromhex(each.digest) for each in keyring.in_force())
    people = tuple(map(registrar, names))
    return RootStatement(2, ISSUED, keyring.roots.fingerprint, 1, people, carried)


def test_a_root_shows_who_comes_and_who_goes() -> None:
    keyring = Keyring(make_root())
    keyring.add(sign(make_member("a").statement))
    text = text_of(next_root(keyring, "reviewer", "regulator"), 200, keyring)
    for line in ("registrars: reviewer, regulator", "must sign: 1 of 2", "joins: regulator", "leaves: bank, necc"):
        assert f"|   {line}\n" in text
    assert "carries over: 1 statements" in text
    assert "quorum: 2 -> 1" in text
    assert "NOT TO BE SIGNED" not in text


def test_of_a_root_what_it_carries_over_is_not_compared() -> None:
    keyring = Keyring(make_root())
    keyring.add(sign(make_member("a").statement))
    changes = review(next_root(keyring, "reviewer"), keyring.roots.as_statement()).changes
    assert {change.field.partition(".")[0] for change in changes} == {"quorum", "registrars"}


def test_a_root_that_undoes_or_adds_something_is_not_to_be_signed() -> None:
    keyring = Keyring(make_root())
    stated = next_root(keyring, "reviewer", "regulator")
    keyring.add(sign(make_member("a").statement))
    assert "NOT TO BE SIGNED: it does not carry over what is in force: member a" in text_of(stated, 200, keyring)
    more = dataclasses.replace(next_root(keyring, "reviewer"), statements=frozenset({b"x" * 32}) | stated.statements)
    both = dataclasses.replace(more, statements=more.statements | next_root(keyring, "bank").statements)
    assert "1 statement that is not in force" in text_of(both, 200, keyring)
    skipping = dataclasses.replace(next_root(keyring, "reviewer"), sequence=3)
    assert "root 2 comes next" in text_of(skipping, 200, keyring)


def test_of_a_list_what_comes_and_what_goes_is_told() -> None:
    before = make_member("a").statement
    person = dataclasses.replace(before.representatives[0], roles=frozenset({Role.AUTHOR}))
    after = dataclasses.replace(
        before, sequence=2, representatives=(person,), four_eyes=frozenset({FourEyes("answers")})
    )
    field = f"representatives.{person.representative_id}.roles"
    changes = {one.field: (one.before, one.after) for one in review(after, before).changes}
    assert changes == {"four_eyes": (None, ["answers"]), field: (["submitter"], ["author"])}
    undone = {one.field: (one.before, one.after) for one in review(before, after).changes}
    assert undone == {"four_eyes": (["answers"], None), field: (["author"], ["submitter"])}
    assert (review(after, None).changes, review(after, None).is_new, review(after, before).is_new) == ([], True, False)
