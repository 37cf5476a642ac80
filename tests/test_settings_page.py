"""docs/settings.md names every setting of the three programs, and none that is not there."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import msgspec
import pytest

from exchange.configuration import settings as exchange_settings
from keys.holder.settings import create_home
from member.identity.home import COUNTRY, REJECTED_DAYS, Config
from member.indicators.envelope import CONTACT, MAP, SETTINGS, STATEMENTS
from tests.keys.factories import make_root

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
PROGRAMS = {"EXCHANGE": "exchange", "KEYHOLDER": "keys/holder", "MEMBER": "member"}


def listed(heading: str, column: str) -> list[str]:
    """The first cells of the table under a heading whose first column has that name, in order."""
    part = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (section,) = [text for text in part if text.startswith(heading)]
    table = section.split(f"| {column} |", 1)[1].split("\n\n", 1)[0]
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


def test_the_exchanges_settings_are_those_that_it_reads() -> None:
    fields = {field.name for field in dataclasses.fields(exchange_settings.Settings)} - {"home", "root"}
    assert sorted(listed("The exchange", "setting")) == sorted(fields) == sorted(exchange_settings.CONFIGURED)


def test_the_stated_defaults_of_the_exchange_are_those_of_the_code() -> None:
    for field in dataclasses.fields(exchange_settings.Settings):
        if isinstance(field.default, int):
            row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{field.name}` |"))
            assert row.split("|")[4].strip() == str(field.default)


def test_a_key_holders_settings_are_those_that_init_writes(tmp_path: Path) -> None:
    create_home(tmp_path / "home", "holder-1", "https://holder-1.example", make_root(), b"a passphrase")
    written = msgspec.json.decode((tmp_path / "home" / "config.json").read_bytes())
    assert sorted(listed("A key holder", "setting")) == sorted(written)


def test_a_members_settings_and_defaults_are_those_of_the_program() -> None:
    assert sorted(listed("A member", "setting")) == sorted(Config.__struct_fields__)
    assert sorted(listed("A member", "value")) == sorted([*SETTINGS, *STATEMENTS, CONTACT, COUNTRY, MAP, REJECTED_DAYS])
    for name, setting in SETTINGS.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
        assert not setting.cautious or f"`{setting.cautious}`" in row.split("|")[4]


@pytest.mark.parametrize(("prefix", "folder"), PROGRAMS.items())
def test_every_variable_that_the_code_reads_is_listed(prefix: str, folder: str) -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / folder).rglob("*.py"))
    read = set(re.findall(rf'"({prefix}_[A-Z][A-Z_]*)"', code))
    assert read == set(re.findall(rf"`({prefix}_[A-Z_]+)`", PAGE))
