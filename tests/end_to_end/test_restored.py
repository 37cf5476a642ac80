"""A backup that is restored after entries were lost, with real programs: nothing is signed, nobody is deceived, and the
way forward goes through the operator, the registrars and each member's own person.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.conftest import write_upload
from tests.sandbox_process import Done, RunningSandbox, run, sandbox_process

pytestmark = pytest.mark.timeout(900)


def exchange(folder: Path, *arguments: str) -> Done:
    return run("exchange", "--home", str(folder / "exchange"), *arguments)


def submit(sandbox: RunningSandbox, path: Path, account: str) -> None:
    done = sandbox.member("a", "submit", str(write_upload(path, [("bank_account", account, "test")])))
    assert (done.status, done.document["accepted"]) == (0, 1), done.document


def test_a_log_that_lost_entries_goes_on_only_under_a_new_origin(tmp_path: Path) -> None:
    """A registrar approves the new origin, and each member has to accept it."""
    folder = tmp_path / "sandbox"
    backup, passphrase = tmp_path / "backup.age", tmp_path / "passphrase"
    passphrase.write_text("a passphrase of the backups")
    passphrase.chmod(0o600)
    secret = ("--passphrase-file", str(passphrase))
    with sandbox_process(folder, "--banks", "a") as sandbox:
        submit(sandbox, tmp_path / "first.csv", "20000055779911")
        assert sandbox.member("a", "log", "verify").status == 0
        assert exchange(folder, "backup", str(backup), *secret).status == 0
        submit(sandbox, tmp_path / "second.csv", "20000055779913")
        before = sandbox.member("a", "log", "verify").document
        former = before["origin"]
        refused = exchange(folder, "log", "new-origin")  # a worker runs, and nothing was lost
        assert (refused.status, refused.document["error"]["type"]) == (1, "log")
    for path in (folder / "exchange").glob("exchange.db*"):
        path.rename(tmp_path / path.name)

    done = exchange(folder, "restore", str(backup), *secret)
    assert (done.status, done.document["log_state"]) == (0, "behind")
    for command in ("serve", "worker"):
        refused = exchange(folder, command)
        assert (refused.status, refused.document["error"]["type"]) == (1, "log")
        assert "log new-origin" in refused.document["error"]["detail"]
    done = exchange(folder, "log", "new-origin")
    assert done.status == 0, done.document
    origin = done.document["origin"]
    assert origin == f"{former}/restart-2"
    again = exchange(folder, "log", "new-origin")
    assert (again.status, again.document["error"]["type"]) == (1, "log")
    kept = [
        path.read_text().partition("\n")[0] for path in (folder / "exchange" / "head").glob("signed-head.*[0-9a-f]")
    ]
    assert former in kept

    with sandbox_process(folder) as sandbox:
        unsigned = sandbox.member("a", "log", "verify")
        assert (unsigned.status, unsigned.document["error"]["type"]) == (1, "log_fault")
        early = sandbox.member("a", "log", "accept-origin", origin)
        assert early.status == 2
        registrar = ("--home", str(folder / "members" / "necc"), "--as", "registrar", "registrar")
        (waiting,) = run("member", *registrar, "pending").document["proposals"]
        shown = (waiting["proposal_id"], "--digest", waiting["digest"])
        assert run("member", *registrar, "approve", *shown).status == 0
        for command in ("verify", "entries", "witness"):
            unaccepted = sandbox.member("a", "log", command)
            assert (unaccepted.status, unaccepted.document["error"]["type"]) == (1, "log_restarted"), command
            assert unaccepted.document["error"]["former_origin"] == former
        accepted = sandbox.member("a", "log", "accept-origin", origin)
        assert accepted.status == 0, accepted.document
        assert len(accepted.document["lost"]) == 1  # the second submission's receipt has no entry any more
        verified = sandbox.member("a", "log", "verify")
        assert (verified.status, verified.document["origin"]) == (0, origin), verified.document
        assert verified.document["lost"] == accepted.document["lost"]
        entries = sandbox.member("a", "log", "entries").document["entries"]
        told = [entry["view"] for entry in entries if entry["view"]["kind"] == "log_restart"]
        assert [(view["former_origin"], view["origin"]) for view in told] == [(former, origin)]
        assert told[0]["former_signed_size"] > told[0]["restored_size"]
        submit(sandbox, tmp_path / "third.csv", "20000055779917")
        assert sandbox.member("a", "log", "verify").status == 0
