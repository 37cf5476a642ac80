"""One sandbox at a time in a folder, and none on a port where another program listens."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from dataclasses import asdict
from pathlib import Path

import pytest

from demo import sandbox
from demo.plan import SandboxPlan
from demo.sandbox import Sandbox
from demo.steps import SandboxError


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
        second.start(SandboxPlan())
    second.stop()
    assert description.read_text() == "of the one that runs"
    assert len(told) == 1
    os.close(first)
    with pytest.raises(SandboxError, match="is not empty"):
        second.start(SandboxPlan())
    second.stop()
    again = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(again)


def test_a_port_in_use_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        new = Sandbox(tmp_path / "new", lambda _: None)
        with pytest.raises(SandboxError, match=f"port {port}, for exchange, .*another --port"):
            new.start(SandboxPlan(port=port))
        new.stop()
        assert not list((tmp_path / "new").iterdir())


def test_a_second_start_finds_a_port_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: str) -> None:
        raise AssertionError("nothing is run while another program answers in our place")

    monkeypatch.setattr(sandbox, "run_command", fail)
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = {"exchange": other.getsockname()[1]}
        (tmp_path / "state.json").write_text(json.dumps({"plan": asdict(SandboxPlan()), "ports": ports}))
        again = Sandbox(tmp_path, lambda _: None)
        with pytest.raises(SandboxError, match="for exchange, cannot be used"):
            again.start(SandboxPlan())
        again.stop()
