"""A sandbox that is stopped and starts again, with real programs, after what changes how it may go on.

A backup was restored after entries were lost: nothing is signed, nobody is deceived, and the way forward goes through
the operator, the registrars and each member's own person. Or members were suspended: the others work on, and those are
refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.end_to_end.conftest import write_upload
from tests.sandbox_process import Done, RunningSandbox, run, sandbox_process

pytestmark = pytest.mark.timeout(900)
OPTIONS = ("--banks", "a,b,c", "--holders", "2")


class Site:
    """A sandbox in a folder, started when it is wanted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._running: RunningSandbox | None = None

    def started(self) -> RunningSandbox:
        """The sandbox, which runs; set up the first time."""
        if self._running is None:
            options = () if self.folder.exists() else OPTIONS
            self._running = self._stack.enter_context(sandbox_process(self.folder, *options))
        return self._running

    def stop(self) -> None:
        """Stop it."""
        self._stack.close()
        self._running = None

    def exchange(self, *arguments: str) -> Done:
        """A command of the operator's."""
        return run("exchange", "--home", str(self.folder / "exchange"), *arguments)

    def registrar(self, *arguments: str) -> Done:
        """A command of the registrar's."""
        home = str(self.folder / "members" / "necc")
        return run("member", "--home", home, "--as", "registrar", "registrar", *arguments)

    def approve(self, kind: str, proposal_id: str | None = None) -> None:
        """The registrar signs what waits of that type, or one of them."""
        waiting = [one for one in self.registrar("pending").document["proposals"] if one["type"] == kind]
        (shown,) = [one for one in waiting if proposal_id in (None, one["proposal_id"])]
        signed = self.registrar("approve", shown["proposal_id"], "--digest", shown["digest"])
        assert signed.status == 0, signed.document


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for the tests of this file: setting up takes longest."""
    made = Site(tmp_path_factory.mktemp("restarted") / "sandbox")
    yield made
    made.stop()


def submit(sandbox: RunningSandbox, path: Path, account: str) -> None:
    done = sandbox.member("a", "submit", str(write_upload(path, [("bank_account", account, "test")])))
    assert (done.status, done.document["accepted"]) == (0, 1), done.document


def test_a_log_that_lost_entries_goes_on_only_under_a_new_origin(site: Site, tmp_path: Path) -> None:
    """A registrar approves the new origin, and each member has to accept it."""
    backup, passphrase = tmp_path / "backup.age", tmp_path / "passphrase"
    passphrase.write_text("a passphrase of the backups")
    passphrase.chmod(0o600)
    secret = ("--passphrase-file", str(passphrase))
    sandbox = site.started()
    submit(sandbox, tmp_path / "first.csv", "20000055779911")
    assert sandbox.member("a", "log", "verify").status == 0
    assert site.exchange("backup", str(backup), *secret).status == 0
    submit(sandbox, tmp_path / "second.csv", "20000055779913")
    before = sandbox.member("a", "log", "verify").document
    former = before["origin"]
    refused = site.exchange("log", "new-origin")  # a worker runs, and nothing was lost
    assert (refused.status, refused.document["error"]["type"]) == (1, "log")
    site.stop()
    for path in (site.folder / "exchange").glob("exchange.db*"):
        path.rename(tmp_path / path.name)

    done = site.exchange("restore", str(backup), *secret)
    assert (done.status, done.document["log_state"]) == (0, "behind")
    for command in ("serve", "worker"):
        refused = site.exchange(command)
        assert (refused.status, refused.document["error"]["type"]) == (1, "log")
        assert "log new-origin" in refused.document["error"]["detail"]
    done = site.exchange("log", "new-origin")
    assert done.status == 0, done.document
    origin = done.document["origin"]
    assert origin == f"{former}/restart-2"
    again = site.exchange("log", "new-origin")
    assert (again.status, again.document["error"]["type"]) == (1, "log")
    heads = (site.folder / "exchange" / "head").glob("signed-head.*[0-9a-f]")
    assert former in [path.read_text().partition("\n")[0] for path in heads]

    sandbox = site.started()
    unsigned = sandbox.member("a", "log", "verify")
    assert (unsigned.status, unsigned.document["error"]["type"]) == (1, "log_fault")
    early = sandbox.member("a", "log", "accept-origin", origin)
    assert early.status == 2
    site.approve("exchange")
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


def test_a_sandbox_starts_again_after_members_were_suspended(site: Site, tmp_path: Path) -> None:
    """One is stopped by the operator alone, the other suspended by the registrar as well."""
    sandbox = site.started()
    submit(sandbox, tmp_path / "before.csv", "20000055779921")
    taxii = sandbox.description["taxii"]
    for member in ("b", "c"):
        stopped = site.exchange("member", "suspend", member)
        assert stopped.status == 0, stopped.document
    site.approve("member", stopped.document["proposal_id"])
    site.stop()

    sandbox = site.started()
    assert sandbox.description["taxii"] == taxii
    submit(sandbox, tmp_path / "after.csv", "20000055779923")
    for member in ("b", "c"):
        refused = sandbox.member(member, "hits")
        assert refused.status == 1
        assert "suspended" in refused.document["error"]["detail"], refused.document
        assert "ask the operator" in refused.document["error"]["hint"], "member status is refused as well"
    listed = {one["member_id"]: one["state"] for one in site.exchange("member", "list").document["members"]}
    assert (listed["b"], listed["c"]) == ("stopped", "suspended")
