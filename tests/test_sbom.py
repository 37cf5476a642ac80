"""docs/sbom.json is a valid CycloneDX document and says what the lock of a production install says."""

from __future__ import annotations

import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from requirements.sbom import LOCK, SBOM, make_sbom, read_lock

TEXT = SBOM.read_text(encoding="utf-8")


def test_it_follows_the_schema() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(TEXT) is None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(TEXT.replace('"library"', '"book"')) is not None


def test_it_is_what_the_lock_and_the_installed_packages_give() -> None:
    """`make sbom` after `make lock`."""
    assert make_sbom(read_lock(LOCK.read_text(encoding="utf-8"))) == TEXT


def test_every_package_stands_in_it_with_all_its_hashes_and_a_licence() -> None:
    lock = LOCK.read_text(encoding="utf-8")
    components = json.loads(TEXT)["components"]
    assert len(components) == sum("==" in line and not line.startswith(" ") for line in lock.splitlines())
    hashes = {one["content"] for component in components for one in component["hashes"]}
    assert sorted(hashes) == sorted({part.split(":")[1].split()[0] for part in lock.split("--hash=")[1:]})
    assert all(component["licenses"] for component in components)


def test_it_names_no_place_to_install_from() -> None:
    assert {part.split("/")[0] for part in TEXT.split("://")[1:]} == {"cyclonedx.org"}
