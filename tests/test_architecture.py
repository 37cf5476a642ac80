"""The import contracts hold, and what is called pure pulls in no framework, not even through a parent package."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.layout_figures import copied_field_lists, read_modules

ROOT = Path(__file__).resolve().parent.parent
FRAMEWORKS = {
    "flask",
    "flask_smorest",
    "sqlalchemy",
    "marshmallow",
    "httpx",
    "click",
    "apscheduler",
    "gunicorn",
    "rich",
}
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
PURE = sorted(
    {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for pattern in ("tlog/*.py", "keys/*/*.py", "alerts/domain/*.py", "member/normalise/*.py")
        for path in ROOT.glob(pattern)
        if path.name != "__init__.py" and path.parent.name not in {"holder", "terminal"}
    }
    | {
        module
        for contract in CONTRACTS
        if contract["name"].startswith("pure modules")
        for module in contract["source_modules"]
        if (ROOT / module.replace(".", "/")).with_suffix(".py").exists()
    }
)


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_loads_no_framework(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert not FRAMEWORKS & set(done.stdout.split())


def test_a_member_loads_nothing_of_the_exchange() -> None:
    code = "import sys, member.commands.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert not {"exchange", "alerts", "sqlalchemy", "flask", "marshmallow"} & set(done.stdout.split())


def test_package_inits_are_empty() -> None:
    packages = (
        "schemas",
        "keys",
        "tlog",
        "exchange",
        "alerts",
        "member",
        "demo",
        "edge",
        "migrations",
        "tests",
        "bench",
    )
    inits = [init for package in packages for init in (ROOT / package).rglob("__init__.py")]
    assert len(inits) >= len(packages)
    assert not [str(init) for init in inits if init.read_text().strip()]


def test_no_schema_of_marshmallow_is_written_by_hand() -> None:
    """Each is derived from its message (schemas.values.derived)."""
    packages = ("schemas", "exchange", "alerts", "keys", "edge", "member")
    files = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    written = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name | ast.Attribute) and "Schema" in ast.unparse(base) for base in node.bases)
    ]
    assert not written


def test_no_class_repeats_the_fields_of_a_message() -> None:
    """Who sends and who reads a message import it; what either adds is a subclass, or holds it."""
    pairs = copied_field_lists(read_modules())
    assert not [(one, other) for one, other, _ in pairs if one.startswith("schemas.") or other.startswith("schemas.")]
