"""What deploy/ holds: containers without rights, and nothing in a unit or container that the programs do not know."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped]

from exchange.programs.cli import program
from keys.holder.cli import cli as keyholder

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
PROGRAMS: dict[str, click.Command] = {"exchange": program, "keyholder": keyholder}
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(set(SERVICES) - {"database"})
UNITS = sorted(path.name for path in DEPLOY.glob("*.service"))


def check_command(words: list[str]) -> None:
    """Parse a command line as its program would; click's error if the program does not know it."""
    command, rest = PROGRAMS[Path(words[0]).name], words[1:]
    context = command.make_context(words[0], list(rest), resilient_parsing=False)
    while isinstance(command, click.Group):
        left = [*context._protected_args, *context.args]
        found = command.get_command(context, left[0])
        assert found is not None, words
        context = found.make_context(left[0], left[1:], parent=context)
        command = found


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_container_has_no_rights_and_a_pinned_image(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"\S+:[0-9]+\.[0-9]+\S*", service["image"])
    assert int(service["user"].split(":")[0]) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service
    assert "network_mode" not in service
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert service["healthcheck"].get("test") or service["healthcheck"] == {"disable": True}
    assert set(service["secrets"]) <= set(COMPOSE["secrets"])
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    assert {volume.split(":")[0] for volume in service["volumes"]} <= set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_a_container_runs_a_command_that_its_program_knows(name: str) -> None:
    check_command(SERVICES[name]["command"])
    test = SERVICES[name]["healthcheck"].get("test", ["CMD", "python"])[1:]
    if test[0] in PROGRAMS:
        check_command(test)


def test_no_secret_stands_in_the_environment() -> None:
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            assert not re.search(r"(PASSWORD|PASSPHRASE|SECRET|KEY)$", variable), variable
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value))


def test_the_image_is_built_from_locked_packages_and_runs_without_root() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    lines = text.replace("\\\n", " ").splitlines()
    stages = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert all(re.search(r":[0-9]+\.[0-9]+\.[0-9]+", stage) and ":latest" not in stage for stage in stages)
    assert "--require-hashes" in text
    assert "--no-cache-dir" in text
    assert not re.search(r"^ADD |curl|wget|sudo|apt-get upgrade", text, re.MULTILINE)
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    (command,) = [line.removeprefix("CMD ") for line in lines if line.startswith("CMD ")]
    check_command(yaml.safe_load(command))


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_names_its_user_its_passphrase_and_a_known_command(name: str) -> None:
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    text = (DEPLOY / name).read_text(encoding="utf-8")
    unit.read_string(text)
    assert unit["Service"]["User"] in {"exchange", "keyholder"}
    assert re.search(r"^Environment=[A-Z]+_PASSPHRASE_FILE=/etc/", text, re.MULTILINE)
    assert unit["Service"]["ProtectSystem"] == "strict"
    check_command(unit["Service"]["ExecStart"].split())
