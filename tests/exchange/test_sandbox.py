"""One sandbox at a time in a folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from exchange import sandbox
from exchange.sandbox import Plan, Sandbox, SandboxError


def test_a_second_sandbox_waits_for_the_folder_and_leaves_it_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_WAIT_SECONDS", 0.3)
    description = tmp_path / "sandbox.json"
    description.write_text("of the one that runs")
    (tmp_path / "other.txt").write_text("no sandbox's")
    first = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    told: list[str] = []
    second = Sandbox(tmp_path, told.append)
    with pytest.raises(SandboxError, match="stop it, or take another folder"):
        second.start(Plan())
    second.stop()
    assert description.read_text() == "of the one that runs"
    assert len(told) == 1
    os.close(first)
    with pytest.raises(SandboxError, match="is not empty"):
        second.start(Plan())
    second.stop()
    again = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(again)
