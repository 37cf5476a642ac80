"""Make docs/sbom.json, the bill of materials of what a production install runs: `make sbom`.

CycloneDX 1.6. Versions and hashes are those of requirements/run.txt (all files of a release that pip may take);
licences are those that the installed packages declare. Nothing in it depends on the time or the machine.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "run.txt"
SBOM = ROOT / "docs" / "sbom.json"
_PINNED = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)(?: *; *([^\\\n]+?))?(?= *\\?$)", re.MULTILINE)
# Names that packages give where an SPDX identifier is meant, and licences of those that only other systems install.
_SPDX = {
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
}
_ELSEWHERE = {"tzdata": "Apache-2.0"}


@dataclass(frozen=True)
class Pinned:
    """A package of the lock: name, version, SHA-256 of its files (hex), and the marker that says where it is wanted."""

    name: str
    version: str
    hashes: tuple[str, ...]
    marker: str | None


def read_lock(text: str) -> list[Pinned]:
    """The packages of a lock file, in its order."""
    found = list(_PINNED.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [
        Pinned(
            match[1], match[2], tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", text[match.end() : end])), match[3]
        )
        for match, end in zip(found, ends, strict=True)
    ]


def licence_of(name: str) -> str:
    """The SPDX expression that an installed package declares. Raises LookupError if it declares none that is known."""
    try:
        declared = metadata(name)
    except PackageNotFoundError:
        return _ELSEWHERE[name]
    fields = {name: declared.get_all(name) or [] for name in ("License-Expression", "Classifier", "License")}
    if fields["License-Expression"]:
        return str(fields["License-Expression"][0])
    classified = [line.rpartition(" :: ")[2] for line in fields["Classifier"] if line.startswith("License ::")]
    if classified:
        return " OR ".join(_SPDX[line] for line in classified)
    if len(fields["License"]) == 1 and len(fields["License"][0]) < 40:
        return _SPDX.get(fields["License"][0], str(fields["License"][0]))
    raise LookupError(f"{name} declares no licence")


def make_sbom(packages: list[Pinned]) -> str:
    """The bill of materials as JSON text."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bom = Bom()
    bom.metadata.component = Component(
        name=project["name"], version=project["version"], type=ComponentType.APPLICATION, bom_ref=project["name"]
    )
    for package in packages:
        url = PackageURL("pypi", name=package.name, version=package.version)
        component = Component(
            name=package.name,
            version=package.version,
            type=ComponentType.LIBRARY,
            purl=url,
            bom_ref=str(url),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=content) for content in package.hashes],
            licenses=[LicenseFactory().make_from_string(licence_of(package.name))],
            properties=[Property(name="marker", value=package.marker)] if package.marker else [],
        )
        bom.components.add(component)
    bom.register_dependency(bom.metadata.component, list(bom.components))
    document = json.loads(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string())
    # Neither a serial number nor a time: the same lock gives the same bytes.
    del document["serialNumber"], document["metadata"]["timestamp"]
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SBOM.write_text(make_sbom(read_lock(LOCK.read_text(encoding="utf-8"))), encoding="utf-8")
    sys.stdout.write(f"{SBOM}\n")
