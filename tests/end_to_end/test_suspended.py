"""A sandbox whose member was suspended stops and starts again: the others work on, and that one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.conftest import write_upload
from tests.sandbox_process import RunningSandbox, run, sandbox_process

pytestmark = pytest.mark.timeout(600)


def submit(sandbox: RunningSandbox, path: Path, account: str) -> None:
    done = sandbox.member("a", "submit", str(write_upload(path, [("bank_account", account, "test")])))
    assert (done.status, done.document["accepted"]) == (0, 1), done.document


@pytest.mark.parametrize("is_signed", [False, True], ids=["stopped", "suspended"])
def test_a_sandbox_starts_again_after_a_member_was_suspended(tmp_path: Path, is_signed: bool) -> None:
    folder = tmp_path / "sandbox"
    with sandbox_process(folder, "--banks", "a,b", "--holders", "2") as sandbox:
        submit(sandbox, tmp_path / "first.csv", "20000055779911")
        taxii = sandbox.description["taxii"]
        stopped = run("exchange", "--home", str(folder / "exchange"), "member", "suspend", "b")
        assert stopped.status == 0, stopped.document
        if is_signed:
            registrar = ("--home", str(folder / "members" / "necc"), "--as", "registrar", "registrar")
            (waiting,) = run("member", *registrar, "pending").document["proposals"]
            assert waiting["proposal_id"] == stopped.document["proposal_id"]
            signed = run("member", *registrar, "approve", waiting["proposal_id"], "--digest", waiting["digest"])
            assert signed.status == 0, signed.document

    with sandbox_process(folder) as sandbox:
        assert sandbox.description["taxii"] == taxii
        submit(sandbox, tmp_path / "second.csv", "20000055779913")
        refused = sandbox.member("b", "hits")
        assert refused.status == 1
        assert "suspended" in refused.document["error"]["detail"], refused.document
        assert "ask the operator" in refused.document["error"]["hint"], "member status is refused as well"
        (told,) = [
            member["state"]
            for member in run("exchange", "--home", str(folder / "exchange"), "member", "list").document["members"]
            if member["member_id"] == "b"
        ]
        assert told == ("suspended" if is_signed else "stopped")
