"""`pytest --quick`, the tests for the inner loop: the rules, the schemas, and each subject on SQLite, in two minutes.

What is left out runs with all the others before a change lands.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

PROCESSES = frozenset(
    {
        "alerts/delivery/test_workers.py",
        "demo",
        "edge/test_serving.py",
        "end_to_end",
        "exchange/operations/test_backup.py",
        "exchange/operations/test_operations.py",
        "exchange/operations/test_program.py",
        "exchange/operations/test_set_up.py",
        "exchange/operations/test_start_checks.py",
        "exchange/operations/test_two_workers.py",
        "exchange/operations/test_worker.py",
        "exchange/log/test_log_outages.py",
        "keys/custody/test_new_home.py",
        "keys/holder/test_serving.py",
        "load",
        "member/indicators/test_resume.py",
        "test_command_lines.py",
        "test_completion.py",
        "test_postgresql.py",
        "torture",
    }
)
"""Places under `tests/` whose tests start programs, servers or threads."""

LONG = frozenset(
    {
        "alerts/feeds/test_taxii_concurrency.py",
        "alerts/feeds/test_taxii_hidden.py",
        "exchange/queries/test_guessing.py",
        "exchange/queries/test_nothing_shows.py",
        "exchange/queries/test_query_plans.py",
        "exchange/test_matrix.py",
        "fuzz",
        "lawful_action",
        "member/identity/test_people.py",
        "member/indicators/test_hits.py",
        "member/indicators/test_rows.py",
        "member/statements/test_approving_at_a_terminal.py",
        "member/statements/test_freshness.py",
        "member/statements/test_root_change.py",
        "member/statements/test_root_fork.py",
        "member/tokens/test_adaptive_holder.py",
        "member/tokens/test_budgets.py",
        "member/tokens/test_framed_holders.py",
        "member/tokens/test_holder_faults.py",
        "member/tokens/test_holder_rotation.py",
        "member/transport/test_outgoing.py",
    }
)
"""Places whose tests take seconds each, while others of the same subject stay."""


def is_left_out(item: pytest.Item) -> bool:
    """Whether a quick run does without this test."""
    place = item.path.relative_to(HERE)
    places = {place.as_posix(), *(folder.as_posix() for folder in place.parents)}
    return _needs_postgresql(item) or not places.isdisjoint(PROCESSES | LONG)


def _needs_postgresql(item: pytest.Item) -> bool:
    variant = getattr(item, "callspec", None)
    values = variant.params.values() if variant is not None else ()
    fixtures = getattr(item, "fixturenames", ())
    return "postgresql" in values or any(name.startswith("postgresql") for name in fixtures)
