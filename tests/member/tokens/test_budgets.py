"""A budget that ends in the middle of an upload: told with its figures and its cure, and nothing paid for is lost."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from keys.holder import store
from keys.holder.database import open_database
from keys.holder.settings import load_config
from keys.oprf.batch_check import CHECKS
from tests.taskforce.homes import MemberHomes
from tests.taskforce.member_program import accounts, now, write_csv


def spent(taskforce: MemberHomes, bank: str) -> int:
    """Evaluations that all holders together have charged to the bank."""
    budgets = [holder["budget"] for holder in taskforce.run(bank, "status").document["holders"]]
    grants = [grant["used"] for budget in budgets for grant in budget["grants"]]
    return int(sum(grants) + sum(budget["standing"]["used"] for budget in budgets))


def test_an_upload_stops_when_the_budget_ends_and_goes_on_after_a_grant(tmp_path: Path) -> None:
    taskforce = MemberHomes.found(tmp_path / "taskforce")
    databases = [open_database(load_config(home).database_url) for home in (taskforce.folder / "holders").iterdir()]
    for database in databases:
        with database.transaction() as connection:
            store.allow_member(connection, "a", 800, now())
    file = write_csv(tmp_path / "rows.csv", *accounts(*range(1, 1001)))

    stopped = taskforce.run("a", "submit", str(file))
    assert stopped.status == 1
    error = stopped.document["error"]
    assert error["type"] == "budget_exhausted"
    assert re.search(r"the budget has \d+ evaluations left, 251 are required", error["detail"])
    assert "keyholder grant" in error["hint"]
    assert "same command again" in error["hint"]
    assert taskforce.run("a", "hits").document["hits"] == []
    before = spent(taskforce, "a")
    half = 2 * (500 + CHECKS)  # two holders answer half of the rows, checked
    # One answered for nothing before another said no; then a quarter was answered too.
    assert before <= half + 500 + CHECKS + 2 * 251

    for database in databases:
        with database.transaction() as connection:
            store.add_grant(connection, "a", 1000, now() + timedelta(days=1), now())
        database.dispose()
    done = taskforce.run("a", "submit", str(file))
    assert (done.status, done.document["accepted"], done.document["rows"]) == (0, 1000, 1000)
    assert spent(taskforce, "a") - before <= half
    taskforce.close()
