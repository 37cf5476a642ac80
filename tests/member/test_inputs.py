"""What a person gives is read in one place, and each face names the field as its own reader knows it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import click
import pytest

from member.commands.cli import cli
from member.commands.shared.common import option_of
from member.inputs import (
    InputError,
    TooLongError,
    read_choices,
    read_codes,
    read_day,
    read_moment,
    read_since,
    read_text,
)


def command(*names: str) -> click.Command:
    """A command of the program."""
    found: click.Command = cli
    for name in names:
        assert isinstance(found, click.Group)
        found = found.commands[name]
    return found


def test_what_can_mean_one_thing_only_is_taken() -> None:
    assert read_day("until", " 2027-11-22 ") == date(2027, 11, 22)
    assert read_moment("at", "2026-11-23T10:00:00+01:00") == datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert read_since("since", "2026-11-23") == "2026-11-23T00:00:00Z"
    assert read_text("note", " a\u00a0b\r\nc ") == "a b\nc"
    assert read_choices("fields", "First-Seen, reason,reason", ("reason", "first_seen")) == ("first_seen", "reason")
    assert read_codes([" a", "", "a", "b"]) == ("a", "b")


@pytest.mark.parametrize("text", ["2027-11-31", "22.11.2027", "2027-1-1", "٢٠٢٧-١١-٢٢", ""])
def test_what_is_not_a_day_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(InputError) as refused:
        read_day("until", text)
    assert (refused.value.field, refused.value.wanted) == ("until", "write it as 2027-11-22")
    assert refused.value.detail == f"until: {refused.value.found}"


@pytest.mark.parametrize("text", ["2026-11-23T09:00:00", "noon", "0001-01-01T00:00:00+14:00", "2026-11-23"])
def test_a_time_without_its_zone_or_year_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^at: "):
        read_moment("at", text)


def test_a_text_is_refused_for_its_length_and_for_what_nobody_sees() -> None:
    with pytest.raises(InputError, match=r"^purpose: the invisible character U\+202E, number 2"):
        read_text("purpose", "a\u202eb")
    with pytest.raises(TooLongError) as long:
        read_text("note", "x" * 11, 10, too_long=TooLongError)
    assert (long.value.found, long.value.wanted, long.value.exit_code) == ("11 characters", "at most 10", 1)


def test_a_command_names_a_field_by_its_own_option() -> None:
    assert option_of(command("request", "answer"), "fields") == "--partial"
    assert option_of(command("request", "create"), "nca_notice") == "--nca-notice"
    assert option_of(command("query", "ask"), "values") == "VALUE"
    assert option_of(command("submit"), "legal_gateway") == "--legal-gateway"
    assert option_of(command("config", "set"), "theme") == "theme"
